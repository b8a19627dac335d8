/* Carries operations to Postgres and back. */
#include "rsvpd/service/dispatch.h"
#include "rsvpd/service/batch_trace.h"

#include <assert.h>
#include <stdlib.h>

struct queue_kind {
    enum operation_kind kind;
    const char *name; /* in traces */
    enum pool pool;
    bool replicable; /* the replica answers it while there is one: a count tells when it was true,
                        by the clock of the primary */
    unsigned batch_max;
    size_t waiting_max; /* operations in the queue or under way; 0: as many as there are */
    enum metric depth;
    enum histogram batch_size;
};

/* A listing answers up to a thousand lines: few of them make a batch, and not many may wait. */
static const struct queue_kind queue_kinds[QUEUES_PER_RELATION] = {
    {OPERATION_ADD, "write", POOL_WRITE, false, BATCH_SIZE_MAX, 0, METRIC_QUEUE_WRITES,
     HISTOGRAM_BATCH_WRITES},
    {OPERATION_LOOKUP, "lookup", POOL_READ, true, BATCH_SIZE_MAX, 0, METRIC_QUEUE_LOOKUPS,
     HISTOGRAM_BATCH_LOOKUPS},
    {OPERATION_COUNT, "count", POOL_READ, false, BATCH_SIZE_MAX, 0, METRIC_QUEUE_COUNTS,
     HISTOGRAM_BATCH_COUNTS},
    {OPERATION_FIND, "find", POOL_READ, true, BATCH_SIZE_MAX, 0, METRIC_QUEUE_LOOKUPS,
     HISTOGRAM_BATCH_LOOKUPS},
    {OPERATION_LIST_USERS, "list_users", POOL_READ, true, BATCH_STATEMENTS_MAX, 256,
     METRIC_QUEUE_LISTS, HISTOGRAM_BATCH_LISTS},
    {OPERATION_LIST_ENTITIES, "list_entities", POOL_READ, true, BATCH_STATEMENTS_MAX, 256,
     METRIC_QUEUE_LISTS, HISTOGRAM_BATCH_LISTS},
    {OPERATION_LIST_WAITING, "list_waiting", POOL_READ, true, BATCH_STATEMENTS_MAX, 256,
     METRIC_QUEUE_LISTS, HISTOGRAM_BATCH_LISTS},
    {OPERATION_LIST_WAITS, "list_waits", POOL_READ, true, BATCH_STATEMENTS_MAX, 256,
     METRIC_QUEUE_LISTS, HISTOGRAM_BATCH_LISTS},
    {OPERATION_LIST_KEPT, "list_kept_answers", POOL_READ, true, BATCH_STATEMENTS_MAX, 256,
     METRIC_QUEUE_LISTS, HISTOGRAM_BATCH_LISTS},
    {OPERATION_LIST_EVENTS, "list_events", POOL_READ, true, BATCH_STATEMENTS_MAX, 256,
     METRIC_QUEUE_LISTS, HISTOGRAM_BATCH_LISTS},
    {OPERATION_SETTINGS, "read_settings", POOL_READ, false, BATCH_STATEMENTS_MAX, 0,
     METRIC_QUEUE_LOOKUPS, HISTOGRAM_BATCH_LOOKUPS},
    {OPERATION_STORE_SETTINGS, "change_settings", POOL_WRITE, false, 1, 0, METRIC_QUEUE_WRITES,
     HISTOGRAM_BATCH_WRITES},
    {OPERATION_CLAIM_PROMOTIONS, "claim_promotions", POOL_WRITE, false, 1, 0, METRIC_QUEUE_WRITES,
     HISTOGRAM_BATCH_WRITES},
    {OPERATION_EXPIRE_KEYS, "expire_kept_answers", POOL_WRITE, false, 1, 0, METRIC_QUEUE_WRITES,
     HISTOGRAM_BATCH_WRITES},
    {OPERATION_ERASE_KEYS, "erase_kept_answers", POOL_WRITE, false, 1, 256, METRIC_QUEUE_WRITES,
     HISTOGRAM_BATCH_WRITES},
};

static size_t queue_kind_of(enum operation_kind kind)
{
    /* Either direction has one queue. */
    enum operation_kind queued = kind == OPERATION_REMOVE           ? OPERATION_ADD
                                 : kind == OPERATION_CLEAR_SETTINGS ? OPERATION_STORE_SETTINGS
                                 : kind == OPERATION_PROMOTE        ? OPERATION_STORE_SETTINGS
                                                                    : kind;
    size_t i = 0;
    while (queue_kinds[i].kind != queued) {
        i++;
        assert(i < QUEUES_PER_RELATION);
    }
    return i;
}

static bool is_write(const struct operation *operation)
{
    return operation_is_write(operation) || operation_changes_settings(operation);
}

/* Whether the asker must be told when it is not known if it was done. */
static bool may_be_unknown(const struct operation *operation)
{
    return is_write(operation) || operation->kind == OPERATION_ERASE_KEYS;
}

static size_t queue_index(const struct relation *relation, enum operation_kind kind)
{
    return (size_t)relation->id * QUEUES_PER_RELATION + queue_kind_of(kind);
}

static struct batcher *queue_of(struct dispatch *dispatch, const struct operation *operation)
{
    return &dispatch->queues[queue_index(operation->relation, operation->kind)];
}

bool dispatch_init(struct dispatch *dispatch, struct operations *operations,
                   const struct primary_port *primary, struct metrics *metrics,
                   const struct dispatch_connections *connections, uint64_t secret)
{
    *dispatch = (struct dispatch){
        .operations = operations,
        .primary = primary,
        .metrics = metrics,
        .batch_count = connections->writes + connections->reads + connections->replica,
    };
    assert(connections->writes > 0 && connections->reads > 0);
    for (size_t i = 0; i < DISPATCH_QUEUES; i++) {
        const struct relation *relation = &relations[i / QUEUES_PER_RELATION];
        const struct queue_kind *kind = &queue_kinds[i % QUEUES_PER_RELATION];
        assert(queue_index(relation, kind->kind) == i); /* no kind has two queues */
        if (!batcher_init(&dispatch->queues[i], relation, kind->kind, kind->batch_max,
                          operations->capacity, secret)) {
            return false;
        }
    }
    dispatch->batches = calloc(dispatch->batch_count, sizeof *dispatch->batches);
    if (dispatch->batches == NULL || !entity_set_init(&dispatch->admitted, secret) ||
        !contention_init(&dispatch->contention, secret)) {
        return false;
    }
    for (size_t i = 0; i < dispatch->batch_count; i++) {
        dispatch->batches[i].next = dispatch->free_batches;
        dispatch->free_batches = &dispatch->batches[i];
    }
    return true;
}

void dispatch_free(struct dispatch *dispatch)
{
    for (size_t i = 0; i < DISPATCH_QUEUES; i++) {
        batcher_free(&dispatch->queues[i]);
    }
    free(dispatch->batches);
    entity_set_free(&dispatch->admitted);
    contention_free(&dispatch->contention);
}

/* Tells the asker, once, and gives the operation back unless Postgres still has it. What is done in
 * steps was done, however its last one ends. */
static void end_operation(struct dispatch *dispatch, struct operation *operation,
                          enum outcome outcome, int64_t now_us)
{
    assert(operation->state != OPERATION_WAITING); /* that is another's */
    if (!operation->answered) {
        operation->answered = true;
        if (operation_is_settings(operation) && operation_settings(operation)->applied) {
            operation_settings(operation)->incomplete |= outcome != OUTCOME_DONE;
            outcome = OUTCOME_DONE;
        }
        if (list_linked(&operation->by_deadline)) {
            list_remove(&operation->by_deadline);
        }
        operation->done(operation, outcome, now_us);
    }
    if (operation->state != OPERATION_SENT) {
        operations_release(dispatch->operations, operation);
    }
}

static struct pace *pace_of(struct dispatch *dispatch, const struct batcher *queue,
                            enum write_path path)
{
    return &dispatch->paces[queue_index(queue->relation, queue->kind) * PATH_COUNT + path];
}

static void choose_path(const struct dispatch *dispatch, struct operation *operation)
{
    if (operation_is_write(operation)) {
        bool admitted = operation->relation->has_settings &&
                        entity_set_has(&dispatch->admitted, &operation->entity);
        operation->path = admitted                                   ? PATH_ADMITTED
                          : operation_write(operation)->key.size > 0 ? PATH_KEYED
                                                                     : PATH_PLAIN;
    }
}

static void place(const struct dispatch *dispatch, struct operation *operation)
{
    const struct placements *placements = dispatch->primary->placements;
    if (placements != NULL && placements->count > 0 && operation_is_about_entity(operation)) {
        operation->place = placement_of(placements, &operation->entity);
    }
}

void dispatch_submit(struct dispatch *dispatch, struct operation *operation, int64_t now_us)
{
    struct batcher *queue = queue_of(dispatch, operation);
    const struct queue_kind *kind = &queue_kinds[queue_kind_of(operation->kind)];
    assert(operation->state == OPERATION_FREE && !operation->answered);
    bool full = kind->waiting_max > 0 && queue->size >= kind->waiting_max;
    choose_path(dispatch, operation);
    const struct pace *pace = pace_of(dispatch, queue, operation->path);
    if (!dispatch->primary->available(dispatch->primary->store, kind->pool)) {
        metrics_add(dispatch->metrics, METRIC_REFUSED_UNAVAILABLE, 1);
        end_operation(dispatch, operation, OUTCOME_UNAVAILABLE, now_us);
    } else if (full ||
               !pace_admits(pace, queue->size, queue->batch_max, operation->deadline_us - now_us)) {
        metrics_add(dispatch->metrics, METRIC_REFUSED_OVERLOAD, 1);
        end_operation(dispatch, operation, OUTCOME_OVERLOADED, now_us);
    } else {
        linger_note_arrival(&dispatch->linger);
        operation->submitted_us = now_us;
        place(dispatch, operation);
        batcher_push(queue, operation);
    }
}

/* Where such operations go at present. */
static enum pool pool_now(const struct dispatch *dispatch, const struct queue_kind *kind)
{
    const struct primary_port *primary = dispatch->primary;
    return kind->replicable && primary->available(primary->store, POOL_REPLICA) ? POOL_REPLICA
                                                                                : kind->pool;
}

/* The next queue of this pool that has something to send, in turn, and on which path. */
static struct batcher *next_queue(struct dispatch *dispatch, enum pool pool, enum write_path *path,
                                  int64_t now_us)
{
    for (size_t i = 0; i < DISPATCH_SLOTS; i++) {
        size_t at = (dispatch->next_slot[pool] + i) % DISPATCH_SLOTS;
        struct batcher *queue = &dispatch->queues[at / PATH_COUNT];
        *path = (enum write_path)(at % PATH_COUNT);
        if (queue->size == 0) {
            i += PATH_COUNT - 1 - at % PATH_COUNT; /* on to the next queue: most are empty */
            continue;
        }
        if (pool_now(dispatch, &queue_kinds[at / PATH_COUNT % QUEUES_PER_RELATION]) == pool &&
            batcher_has_ready(queue, *path) && contention_lets_go(&dispatch->contention, *path) &&
            pace_lets_go(&dispatch->paces[at], now_us)) {
            dispatch->next_slot[pool] = at + 1;
            return queue;
        }
    }
    return NULL;
}

static void send_batch(struct dispatch *dispatch, const struct batcher *queue, enum pool pool,
                       struct batch *batch, int64_t now_us)
{
    assert(batch->size > 0 && batch->size <= queue->batch_max);
    batch->by_replica = pool == POOL_REPLICA;
    batch->sent_at_us = now_us;
    batch->waited_since_us = batch->operations[0]->submitted_us;
    pace_note_sent(pace_of(dispatch, queue, batch->path), batcher_has_ready(queue, batch->path),
                   now_us);
    contention_note_sent(&dispatch->contention, batch);
    metrics_observe(dispatch->metrics, queue_kinds[queue_kind_of(batch->kind)].batch_size,
                    batch->size);
    dispatch->primary->send(dispatch->primary->store, pool, batch, now_us);
}

bool dispatch_end_iteration(struct dispatch *dispatch, int64_t now_us)
{
    if (linger_goes_on(&dispatch->linger, now_us)) {
        return true;
    }
    for (size_t pool = 0; pool < POOL_COUNT; pool++) {
        struct batcher *queue;
        enum write_path path;
        while (dispatch->primary->can_send(dispatch->primary->store, (enum pool)pool) &&
               (queue = next_queue(dispatch, (enum pool)pool, &path, now_us)) != NULL) {
            struct batch *batch = dispatch->free_batches;
            assert(batch != NULL); /* there are as many as connections */
            contention_form(&dispatch->contention, queue, path, batch);
            if (batch->size == 0) {
                continue;
            }
            dispatch->free_batches = batch->next;
            send_batch(dispatch, queue, (enum pool)pool, batch, now_us);
        }
    }
    return false;
}

void dispatch_expire(struct dispatch *dispatch, struct operation *operation, int64_t now_us)
{
    assert(!operation->answered && operation->deadline_us < now_us);
    if (!operation_is_count(operation)) { /* that is a load: who waits for it is counted itself */
        metrics_add(dispatch->metrics, METRIC_EXPIRED, 1);
    }
    bool perhaps_done =
        operation->attempted || (may_be_unknown(operation) && operation->state == OPERATION_SENT);
    if (operation->state != OPERATION_SENT) {
        batcher_withdraw(queue_of(dispatch, operation), operation);
    }
    end_operation(dispatch, operation, perhaps_done ? OUTCOME_UNKNOWN : OUTCOME_UNAVAILABLE,
                  now_us);
}

/* The operation leaves its batch for good. */
static void finish_operation(struct dispatch *dispatch, struct batcher *queue,
                             struct operation *operation, enum outcome outcome, int64_t now_us)
{
    batcher_finish(queue, operation);
    operation->state = OPERATION_FREE;
    end_operation(dispatch, operation, outcome, now_us);
}

/* Drops from the batch those that were answered meanwhile: nobody waits for them any more. */
static void drop_answered(struct dispatch *dispatch, struct batcher *queue, struct batch *batch,
                          int64_t now_us)
{
    size_t kept = 0;
    for (size_t i = 0; i < batch->size; i++) {
        struct operation *operation = batch->operations[i];
        if (operation->answered) {
            finish_operation(dispatch, queue, operation, OUTCOME_UNKNOWN, now_us);
        } else {
            batch->operations[kept++] = operation;
        }
    }
    batch->size = kept;
}

/* Puts a batch back into its queue, to go again with at most `batch_limit` in a batch. */
static void send_again(struct dispatch *dispatch, struct batcher *queue, struct batch *batch,
                       bool attempted, unsigned batch_limit, int64_t now_us)
{
    assert(batch_limit > 0 && batch_limit <= BATCH_SIZE_MAX);
    drop_answered(dispatch, queue, batch, now_us);
    for (size_t i = 0; i < batch->size; i++) {
        struct operation *operation = batch->operations[i];
        operation->attempted = operation->attempted || (attempted && may_be_unknown(operation));
        operation->batch_limit =
            operation->batch_limit < batch_limit ? operation->batch_limit : batch_limit;
        place(dispatch, operation);
    }
    batcher_return(queue, batch);
}

static void end_all(struct dispatch *dispatch, struct batcher *queue, struct batch *batch,
                    enum outcome outcome, int64_t now_us)
{
    for (size_t i = 0; i < batch->size; i++) {
        struct operation *operation = batch->operations[i];
        enum outcome own = outcome == OUTCOME_DONE ? operation->verdict : outcome;
        /* What an earlier, lost attempt did is not undone by this one's failure, or by a rule that
         * is against doing it now. A key that another request has tells nothing: an erasure may
         * have forgotten it in between. */
        bool unknown = operation->attempted && own != OUTCOME_DONE;
        finish_operation(dispatch, queue, operation, unknown ? OUTCOME_UNKNOWN : own, now_us);
    }
}

/* Whether it was done is not known, and another attempt will not tell. */
static void end_all_unsure(struct dispatch *dispatch, struct batcher *queue, struct batch *batch,
                           int64_t now_us)
{
    for (size_t i = 0; i < batch->size; i++) {
        batch->operations[i]->attempted |= may_be_unknown(batch->operations[i]);
    }
    end_all(dispatch, queue, batch, OUTCOME_UNAVAILABLE, now_us);
}

/* A batch of writes, or of changed settings, has committed. */
static void committed(struct dispatch *dispatch, const struct batch *batch, int64_t now_us)
{
    for (size_t i = 0; i < batch->size; i++) {
        const struct operation *operation = batch->operations[i];
        if (operation->kind == OPERATION_STORE_SETTINGS ||
            operation->kind == OPERATION_CLEAR_SETTINGS) {
            entity_set_note(&dispatch->admitted, &operation->entity,
                            operation->kind == OPERATION_STORE_SETTINGS ||
                                operation_settings(operation)->incomplete);
        }
    }
    dispatch->counted(dispatch->listener, batch, now_us);
}

/* Whether the batch is a change of settings of which a step is left that its asker has time for. */
static bool goes_on(const struct batch *batch, int64_t now_us)
{
    const struct operation *operation = batch->operations[0];
    assert(batch->kind != OPERATION_STORE_SETTINGS || batch->size == 1);
    int64_t given_us = operation->deadline_us - operation->submitted_us;
    return batch->kind == OPERATION_STORE_SETTINGS && operation_settings(operation)->incomplete &&
           !operation->answered && (operation->deadline_us - now_us) * 4 > given_us;
}

/* A batch of reads was answered. */
static void note_source(struct dispatch *dispatch, const struct batch *batch)
{
    if (queue_kinds[queue_kind_of(batch->kind)].replicable) {
        metrics_add(dispatch->metrics,
                    batch->by_replica ? METRIC_READS_BY_REPLICA : METRIC_READS_BY_PRIMARY,
                    batch->size);
    }
}

/* What the store found out about the entities is worth knowing for the next ones. */
static void note_paths(struct dispatch *dispatch, const struct batch *batch)
{
    for (size_t i = 0; i < batch->size; i++) {
        const struct operation *operation = batch->operations[i];
        assert(operation_is_write(operation)); /* nothing else has another path */
        entity_set_note(&dispatch->admitted, &operation->entity, operation->path == PATH_ADMITTED);
    }
}

void dispatch_batch_ended(struct dispatch *dispatch, struct batch *batch,
                          enum batch_outcome outcome, int64_t now_us)
{
    struct batcher *queue = &dispatch->queues[queue_index(batch->relation, batch->kind)];
    assert(batch->size > 0);
    if (dispatch->tracer != NULL) {
        batch_trace_note(dispatch->tracer, batch, queue_kinds[queue_kind_of(batch->kind)].name,
                         outcome, now_us);
    }
    contention_note_ended(&dispatch->contention, batch);
    pace_note_ended(pace_of(dispatch, queue, batch->path), batch, now_us);
    switch (outcome) {
    case BATCH_DONE:
        contention_note_done(&dispatch->contention, batch);
        note_source(dispatch, batch);
        if (is_write(batch->operations[0])) {
            committed(dispatch, batch, now_us);
        } else if (batch->kind == OPERATION_SETTINGS) {
            dispatch->counted(dispatch->listener, batch, now_us);
        }
        if (goes_on(batch, now_us)) {
            operation_settings(batch->operations[0])->applied = true;
            send_again(dispatch, queue, batch, false, BATCH_SIZE_MAX, now_us);
        } else {
            end_all(dispatch, queue, batch, OUTCOME_DONE, now_us);
        }
        break;
    case BATCH_LOCKED:
        contention_note_locked(&dispatch->contention, queue, batch);
        __attribute__((fallthrough));
    case BATCH_ROLLED_BACK:
        metrics_add(dispatch->metrics, METRIC_BATCH_RETRIED_ROLLED_BACK, 1);
        /* Halved, so that those who share a batch with a locked row come free of it. */
        send_again(dispatch, queue, batch, false, (unsigned)(batch->size + 1) / 2, now_us);
        break;
    case BATCH_MISROUTED:
        metrics_add(dispatch->metrics, METRIC_BATCH_MISROUTED, 1);
        note_paths(dispatch, batch);
        send_again(dispatch, queue, batch, false, BATCH_SIZE_MAX, now_us);
        break;
    case BATCH_DECLINED:
        send_again(dispatch, queue, batch, false, BATCH_SIZE_MAX, now_us);
        break;
    case BATCH_LOST:
        metrics_add(dispatch->metrics, METRIC_BATCH_RETRIED_LOST, 1);
        send_again(dispatch, queue, batch, true, BATCH_SIZE_MAX, now_us);
        break;
    case BATCH_REJECTED:
        if (batch->size == 1) {
            end_all(dispatch, queue, batch, OUTCOME_FAILED, now_us);
        } else {
            metrics_add(dispatch->metrics, METRIC_BATCH_SPLIT, 1);
            send_again(dispatch, queue, batch, false, (unsigned)(batch->size / 2), now_us);
        }
        break;
    case BATCH_UNMET:
        end_all(dispatch, queue, batch, OUTCOME_UNMET, now_us);
        break;
    case BATCH_UNAVAILABLE:
        end_all(dispatch, queue, batch, OUTCOME_UNAVAILABLE, now_us);
        break;
    case BATCH_UNSURE:
        end_all_unsure(dispatch, queue, batch, now_us);
        break;
    }
    batch->next = dispatch->free_batches;
    dispatch->free_batches = batch;
}

/* What an earlier attempt may have done is kept: a new connection can still tell. */
static void refuse_waiting(struct dispatch *dispatch, struct batcher *queue, int64_t now_us)
{
    struct list refused;
    struct list_node *node;
    list_init(&refused);
    batcher_withdraw_unattempted(queue, &refused);
    while ((node = list_pop_front(&refused)) != NULL) {
        metrics_add(dispatch->metrics, METRIC_REFUSED_UNAVAILABLE, 1);
        end_operation(dispatch, list_entry(node, struct operation, link), OUTCOME_UNAVAILABLE,
                      now_us);
    }
}

void dispatch_refuse_waiting(struct dispatch *dispatch, enum pool pool, int64_t now_us)
{
    for (size_t i = 0; i < DISPATCH_QUEUES; i++) {
        if (queue_kinds[i % QUEUES_PER_RELATION].pool == pool) {
            refuse_waiting(dispatch, &dispatch->queues[i], now_us);
        }
    }
}

void dispatch_report(const struct dispatch *dispatch)
{
    uint64_t depths[METRIC_COUNT] = {0};
    for (size_t i = 0; i < DISPATCH_QUEUES; i++) {
        depths[queue_kinds[i % QUEUES_PER_RELATION].depth] += dispatch->queues[i].size;
    }
    for (size_t kind = 0; kind < QUEUES_PER_RELATION; kind++) {
        enum metric depth = queue_kinds[kind].depth;
        metrics_set(dispatch->metrics, depth, depths[depth]);
    }
}
