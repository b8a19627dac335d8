/* What waits for locks. */
#include "rsvpd/domain/contention.h"

bool contention_init(struct contention *contention, uint64_t secret)
{
    *contention = (struct contention){.contended_next = false};
    bool made = true;
    for (size_t i = 0; i < RELATION_COUNT && made; i++) {
        made = entity_set_init(&contention->entities[i], secret);
    }
    return made;
}

void contention_free(struct contention *contention)
{
    for (size_t i = 0; i < RELATION_COUNT; i++) {
        entity_set_free(&contention->entities[i]);
    }
}

bool contention_has(const struct contention *contention, const struct operation *operation)
{
    return operation_is_write(operation) &&
           entity_set_has(&contention->entities[operation->relation->id], &operation->entity);
}

bool contention_lets_go(const struct contention *contention, enum write_path path)
{
    bool alone = path == PATH_ADMITTED || path == PATH_CONTENDED;
    return !alone || contention->in_flight[path] == 0;
}

/* ---- what may share a batch ---- */

static bool is_of_the_first(const void *unused, const struct batch *batch,
                            const struct operation *operation)
{
    (void)unused;
    return batch->size == 0 || identifier_equal(&batch->operations[0]->entity, &operation->entity);
}

static bool is_free(const void *contention, const struct batch *batch,
                    const struct operation *operation)
{
    (void)batch;
    return !contention_has(contention, operation);
}

static bool is_of_a_contended_one(const void *contention, const struct batch *batch,
                                  const struct operation *operation)
{
    return contention_has(contention, operation) && is_of_the_first(NULL, batch, operation);
}

static bool is_of_another_contended_one(const void *contention_, const struct batch *batch,
                                        const struct operation *operation)
{
    const struct contention *contention = contention_;
    return !identifier_equal(&contention->last_admitted, &operation->entity) &&
           is_of_a_contended_one(contention, batch, operation);
}

/* Writes that need admission keep their order, whoever holds a lock: all those of one event wait,
 * those of other events pass by. A contended event gets a batch of its own, every other time. */
static void form_admitted(struct contention *contention, struct batcher *batcher,
                          struct batch *batch)
{
    static batcher_takes_fn *const orders[2][3] = {
        {is_free, is_of_another_contended_one, is_of_a_contended_one},
        {is_of_another_contended_one, is_of_a_contended_one, is_free},
    };
    if (contention->entities[batcher->relation->id].size == 0) {
        batcher_form(batcher, PATH_ADMITTED, NULL, NULL, batch);
        return;
    }
    contention->contended_next = !contention->contended_next;
    batch->size = 0;
    for (size_t i = 0; i < 3 && batch->size == 0; i++) {
        batcher_form(batcher, PATH_ADMITTED, orders[contention->contended_next][i], contention,
                     batch);
    }
    assert(batch->size > 0); /* one of the three takes any */
    batch->short_lock_timeout = contention_has(contention, batch->operations[0]);
    if (batch->short_lock_timeout) {
        contention->last_admitted = batch->operations[0]->entity;
    }
}

/* Takes out of a batch what may wait for a lock, for a batch of its own. */
static void split_contended(const struct contention *contention, struct batcher *batcher,
                            struct batch *batch)
{
    if (contention->entities[batch->relation->id].size == 0) {
        return;
    }
    struct batch contended = {.size = 0};
    size_t kept = 0;
    for (size_t i = 0; i < batch->size; i++) {
        struct operation *operation = batch->operations[i];
        if (contention_has(contention, operation)) {
            operation->path = PATH_CONTENDED;
            contended.operations[contended.size++] = operation;
        } else {
            batch->operations[kept++] = operation;
        }
    }
    batch->size = kept;
    batcher_return(batcher, &contended);
}

void contention_form(struct contention *contention, struct batcher *batcher, enum write_path path,
                     struct batch *batch)
{
    assert(batcher_has_ready(batcher, path) && contention_lets_go(contention, path));
    if (path == PATH_ADMITTED) {
        form_admitted(contention, batcher, batch);
        return;
    }
    batcher_form(batcher, path, path == PATH_CONTENDED ? is_of_the_first : NULL, NULL, batch);
    batch->short_lock_timeout = path == PATH_CONTENDED;
    if (path != PATH_CONTENDED) {
        split_contended(contention, batcher, batch);
    }
}

/* ---- what becomes of batches ---- */

void contention_note_sent(struct contention *contention, const struct batch *batch)
{
    assert(batch->size > 0 && contention_lets_go(contention, batch->path));
    contention->in_flight[batch->path]++;
}

void contention_note_ended(struct contention *contention, const struct batch *batch)
{
    assert(contention->in_flight[batch->path] > 0);
    contention->in_flight[batch->path]--;
}

void contention_note_locked(struct contention *contention, struct batcher *batcher,
                            const struct batch *batch)
{
    for (size_t i = 0; i < batch->size; i++) {
        struct operation *operation = batch->operations[i];
        if (!operation_is_write(operation)) {
            continue;
        }
        entity_set_note(&contention->entities[batch->relation->id], &operation->entity, true);
        if (operation->path != PATH_ADMITTED) {
            operation->path = PATH_CONTENDED;
            batcher_put_behind(batcher, operation);
        }
    }
}

/* Only a change shows that nobody holds the entity: who finds nothing to change waits for nobody;
 * but who is admitted or leaves has had the lock in any case. */
void contention_note_done(struct contention *contention, const struct batch *batch)
{
    for (size_t i = 0; i < batch->size && batch->short_lock_timeout; i++) {
        const struct operation *operation = batch->operations[i];
        bool locked = batch->path == PATH_ADMITTED || operation_write(operation)->changed;
        if (locked && operation_acts(operation)) {
            entity_set_note(&contention->entities[batch->relation->id], &operation->entity, false);
        }
    }
}
