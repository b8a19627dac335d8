/* Gathers operations and forms them into batches. */
#include "rsvpd/domain/batcher.h"

#include <assert.h>
#include <stdlib.h>

bool batcher_init(struct batcher *batcher, const struct relation *relation,
                  enum operation_kind kind, unsigned batch_max, size_t expected, uint64_t secret)
{
    assert(batch_max >= 1 && batch_max <= BATCH_SIZE_MAX);
    *batcher = (struct batcher){
        .relation = relation,
        .kind = kind,
        .batch_max = batch_max,
        .keyed = kind == OPERATION_ADD || kind == OPERATION_STORE_SETTINGS,
    };
    for (size_t path = 0; path < PATH_COUNT; path++) {
        list_init(&batcher->ready[path]);
    }
    return hash_table_init(&batcher->keys, batcher->keyed ? expected : 0, secret);
}

void batcher_free(struct batcher *batcher)
{
    hash_table_free(&batcher->keys);
}

static uint64_t key_hash(const struct batcher *batcher, const struct operation *operation)
{
    uint64_t hash = hash_bytes(batcher->keys.secret, identifier_slice(&operation->entity));
    return hash_bytes(hash, identifier_slice(&operation->user));
}

static bool same_key(const struct hash_node *node, const void *key)
{
    const struct operation *held = list_entry(node, const struct operation, key);
    const struct operation *wanted = key;
    return identifier_equal(&held->entity, &wanted->entity) &&
           identifier_equal(&held->user, &wanted->user);
}

void batcher_push(struct batcher *batcher, struct operation *operation)
{
    assert(operation->relation == batcher->relation && !list_linked(&operation->link));
    assert(operation->path == PATH_PLAIN || operation_is_write(operation));
    batcher->size++;
    operation->batch_limit = batcher->batch_max;
    operation->arrival = operation->sequence = ++batcher->arrivals;
    if (batcher->keyed) {
        uint64_t hash = key_hash(batcher, operation);
        struct hash_node *holder = hash_table_find(&batcher->keys, hash, same_key, operation);
        if (holder != NULL) {
            operation->state = OPERATION_CHAINED;
            list_push_back(&list_entry(holder, struct operation, key)->chain, &operation->link);
            return;
        }
        list_init(&operation->chain);
        hash_table_insert(&batcher->keys, &operation->key, hash);
    }
    operation->state = OPERATION_READY;
    list_push_back(&batcher->ready[operation->path], &operation->link);
}

bool batcher_has_ready(const struct batcher *batcher, enum write_path path)
{
    return !list_empty(&batcher->ready[path]);
}

void batcher_form(struct batcher *batcher, enum write_path path, batcher_takes_fn *takes,
                  const void *context, struct batch *batch)
{
    struct list *ready = &batcher->ready[path];
    batch->relation = batcher->relation;
    batch->kind = batcher->kind;
    batch->path = path;
    batch->short_lock_timeout = false;
    batch->size = 0;
    unsigned limit = batcher->batch_max;
    struct list_node *node = ready->head.next;
    while (node != &ready->head && batch->size < limit) {
        struct operation *operation = list_entry(node, struct operation, link);
        struct list_node *next = node->next;
        bool apart =
            batch->size > 0 && operation->place.server != batch->operations[0]->place.server;
        if (apart || (takes != NULL && !takes(context, batch, operation))) {
            node = next;
            continue;
        }
        if (batch->size > 0 && operation->batch_limit <= batch->size) {
            break; /* it may not go with as many as there are already */
        }
        limit = operation->batch_limit < limit ? operation->batch_limit : limit;
        list_remove(node);
        operation->state = OPERATION_SENT;
        batch->operations[batch->size++] = operation;
        node = next;
    }
    assert(batch->size <= limit);
}

void batcher_put_behind(struct batcher *batcher, struct operation *operation)
{
    assert(operation->state == OPERATION_SENT);
    operation->sequence = ++batcher->arrivals;
}

/* Puts an operation into the queue of its path, behind `after` and all that follow it and have
 * their sequence before it. Answers its place. */
static struct list_node *insert_by_sequence(struct batcher *batcher, struct operation *operation,
                                            struct list_node *after)
{
    const struct list_node *end = &batcher->ready[operation->path].head;
    while (after->next != end &&
           list_entry(after->next, struct operation, link)->sequence < operation->sequence) {
        after = after->next;
    }
    operation->state = OPERATION_READY;
    list_insert_after(&operation->link, after);
    return &operation->link;
}

static int by_sequence(const void *a_, const void *b_)
{
    const struct operation *a = *(const struct operation *const *)a_;
    const struct operation *b = *(const struct operation *const *)b_;
    return (a->sequence > b->sequence) - (a->sequence < b->sequence);
}

/* Merges what is sorted by sequence into the queues, before the first whose sequence is higher. */
void batcher_return(struct batcher *batcher, struct batch *batch)
{
    struct list_node *last[PATH_COUNT]; /* of each queue, what goes before the next operation */
    for (size_t path = 0; path < PATH_COUNT; path++) {
        last[path] = &batcher->ready[path].head;
    }
    qsort(batch->operations, batch->size, sizeof(struct operation *), by_sequence);
    for (size_t i = 0; i < batch->size; i++) {
        struct operation *operation = batch->operations[i];
        struct list_node **where = &last[operation->path];
        assert(operation->state == OPERATION_SENT);
        *where = insert_by_sequence(batcher, operation, *where);
    }
    batch->size = 0;
}

/* The key goes to the next operation in the chain, or is free again. */
static void pass_key_on(struct batcher *batcher, struct operation *holder)
{
    uint64_t hash = holder->key.hash;
    hash_table_remove(&batcher->keys, &holder->key);
    struct list_node *node = list_pop_front(&holder->chain);
    if (node == NULL) {
        return;
    }
    struct operation *heir = list_entry(node, struct operation, link);
    assert(heir->state == OPERATION_CHAINED);
    list_init(&heir->chain);
    list_splice_back(&heir->chain, &holder->chain);
    hash_table_insert(&batcher->keys, &heir->key, hash);
    /* Seats and settings are given in the order of arrival. */
    if (heir->path == PATH_ADMITTED || batcher->kind == OPERATION_STORE_SETTINGS) {
        insert_by_sequence(batcher, heir, &batcher->ready[heir->path].head);
    } else {
        heir->state = OPERATION_READY;
        list_push_back(&batcher->ready[heir->path], &heir->link);
    }
}

void batcher_finish(struct batcher *batcher, struct operation *operation)
{
    assert(operation->state == OPERATION_SENT && batcher->size > 0);
    batcher->size--;
    if (batcher->keyed) {
        pass_key_on(batcher, operation);
    }
}

void batcher_withdraw(struct batcher *batcher, struct operation *operation)
{
    assert(operation->state == OPERATION_READY || operation->state == OPERATION_CHAINED);
    assert(batcher->size > 0);
    batcher->size--;
    list_remove(&operation->link);
    if (batcher->keyed && operation->state == OPERATION_READY) {
        pass_key_on(batcher, operation);
    }
}

static void withdraw_into(struct batcher *batcher, struct operation *operation, struct list *list)
{
    batcher_withdraw(batcher, operation);
    list_push_back(list, &operation->link);
}

/* What is chained goes first: then no key is passed on by what is ready. */
static void withdraw_chained(struct batcher *batcher, struct list *withdrawn)
{
    for (struct hash_node *node = hash_table_next(&batcher->keys, NULL); node != NULL;
         node = hash_table_next(&batcher->keys, node)) {
        struct list *chain = &list_entry(node, struct operation, key)->chain;
        struct list_node *link;
        while ((link = list_first(chain)) != NULL) {
            struct operation *operation = list_entry(link, struct operation, link);
            assert(!operation->attempted); /* it never held its key */
            withdraw_into(batcher, operation, withdrawn);
        }
    }
}

void batcher_withdraw_unattempted(struct batcher *batcher, struct list *withdrawn)
{
    struct list chained;
    list_init(&chained);
    if (batcher->keyed) {
        withdraw_chained(batcher, &chained);
    }
    for (size_t path = 0; path < PATH_COUNT; path++) {
        const struct list_node *end = &batcher->ready[path].head;
        for (struct list_node *node = end->next, *next; node != end; node = next) {
            struct operation *operation = list_entry(node, struct operation, link);
            next = node->next;
            if (!operation->attempted) {
                withdraw_into(batcher, operation, withdrawn);
            }
        }
    }
    list_splice_back(withdrawn, &chained);
}
