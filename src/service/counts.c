/* Answers counts from memory, Redis and Postgres. */
#include "rsvpd/service/counts.h"
#include "rsvpd/base/config.h"

#include <assert.h>

enum {
    /* What a count may spend between its commit and Redis having it, and back: part of the 4 s
       bound. */
    SHARED_DELAY_MAX_US = 500 * 1000,
    SHARED_AGE_MIN_US = 10 * 1000, /* who wants a newer count than this asks Postgres at once */
    CLOCKS_APART_MAX_US =
        1000 * 1000, /* further in the future, a time from Redis is not believed */
};

static_assert(CONFIG_COUNT_TTL_SUM_MAX_MS * 1000 + SHARED_DELAY_MAX_US <= COUNT_BOUND_US,
              "a count of the greatest lifetimes is still fresh");
static_assert(PUBLISH_EVERY_US < (int)SHARED_DELAY_MAX_US, "Redis learns of a count in time");

bool counts_init(struct counts *counts, struct operations *operations, struct dispatch *dispatch,
                 struct count_memory *memory, size_t capacity,
                 const struct redis_counts_port *redis, struct metrics *metrics,
                 int64_t deadline_us, int64_t local_lifetime_us, int64_t redis_lifetime_us)
{
    *counts = (struct counts){
        .operations = operations,
        .dispatch = dispatch,
        .redis = redis,
        .metrics = metrics,
        .deadline_us = deadline_us,
        .redis_age_max_us = redis_lifetime_us + SHARED_DELAY_MAX_US,
    };
    for (size_t i = 0; i < RELATION_COUNT; i++) {
        if (!count_cache_init(&counts->caches[i], memory, &relations[i], capacity,
                              local_lifetime_us)) {
            return false;
        }
    }
    return true;
}

void counts_free(struct counts *counts)
{
    for (size_t i = 0; i < RELATION_COUNT; i++) {
        count_cache_free(&counts->caches[i]);
    }
}

static void answer(struct counts *counts, struct operation *operation, const struct count *count,
                   enum metric tier, int64_t now_us)
{
    assert(operation_is_count(operation) && !list_linked(&operation->link));
    metrics_add(counts->metrics, tier, 1);
    operation->count = *count;
    operation->done(operation, OUTCOME_DONE, now_us);
    operations_release(counts->operations, operation);
}

/* Without a fresh count to be had: the last one known, or the outcome that says why there is none.
 */
static void answer_stale(struct counts *counts, struct operation *operation,
                         struct count_entry *entry, enum outcome otherwise, int64_t now_us)
{
    metrics_add(counts->metrics, METRIC_EXPIRED, now_us >= operation->deadline_us);
    if (entry != NULL) {
        count_cache_look(&counts->caches[operation->relation->id], entry);
    }
    if (entry != NULL && count_entry_serves_stale(entry, now_us)) {
        struct count count = entry->view.held.count;
        /* Inside the bound that was asked for it is as good as a fresh one. */
        count.stale = count.as_of_mono_us < operation_freshness(operation)->not_before_us ||
                      count.as_of_mono_us < now_us - COUNT_BOUND_US;
        answer(counts, operation, &count, METRIC_COUNTS_STALE, now_us);
        return;
    }
    operation->done(operation, otherwise, now_us);
    operations_release(counts->operations, operation);
}

static void fail_waiters(struct counts *counts, struct count_entry *entry, enum outcome outcome,
                         int64_t now_us)
{
    struct list_node *node;
    while ((node = list_pop_front(&entry->waiters)) != NULL) {
        answer_stale(counts, list_entry(node, struct operation, link), entry, outcome, now_us);
    }
}

/* Answers those whom a count of `as_of_us` is new enough for. However old a count they would take
 * when they asked, the bound holds when they are answered: a loop that stood still may have left
 * the count lying about. */
static void answer_waiters(struct counts *counts, struct count_entry *entry, int64_t as_of_us,
                           enum metric tier, int64_t now_us)
{
    struct count count = entry->view.held.count; /* never older than was answered before */
    bool in_bound = as_of_us >= now_us - COUNT_BOUND_US;
    bool redis = tier == METRIC_COUNTS_FROM_REDIS;
    struct list unsatisfied;
    list_init(&unsatisfied);
    struct list_node *node;
    while ((node = list_pop_front(&entry->waiters)) != NULL) {
        struct operation *operation = list_entry(node, struct operation, link);
        const struct operation_freshness *wanted = operation_freshness(operation);
        if (in_bound && as_of_us >= wanted->not_before_us && !(redis && wanted->wants_primary)) {
            answer(counts, operation, &count, tier, now_us);
        } else {
            list_push_back(&unsatisfied, node);
        }
    }
    list_splice_back(&entry->waiters, &unsatisfied);
}

/* Whoever watches the entry hears of what it was told, or that it was not. */
static void notify(const struct counts *counts, struct count_entry *entry, int64_t now_us)
{
    if (entry->watcher != NULL) {
        counts->noticed(counts->listener, entry, now_us);
    }
}

static void load_ended(struct operation *load, enum outcome outcome, int64_t now_us);

/* The trace of one who waits for the entry: a load is in one trace only. */
static struct trace_ref first_trace(const struct count_entry *entry)
{
    static const struct trace_ref none = {.span = 0};
    struct list_node *node = list_first(&entry->waiters);
    return node == NULL ? none : list_entry(node, struct operation, link)->trace;
}

/* Asks Postgres on behalf of all who wait for the entry or watch it. */
static void load_from_truth(struct counts *counts, struct count_entry *entry,
                            const struct relation *relation, int64_t now_us)
{
    assert(entry->load == COUNT_LOAD_NONE);
    struct operation *load = operations_take(counts->operations);
    if (load == NULL) {
        fail_waiters(counts, entry, OUTCOME_OVERLOADED, now_us);
        notify(counts, entry, now_us);
        return;
    }
    entry->load = COUNT_LOAD_POSTGRES;
    load->kind = OPERATION_COUNT;
    load->relation = relation;
    load->entity = entry->entity;
    load->deadline_us = now_us + counts->deadline_us;
    load->done = load_ended;
    load->owner = counts;
    load->trace = first_trace(entry);
    operations_watch(counts->operations, load);
    dispatch_submit(counts->dispatch, load, now_us);
}

/* Starts the cheapest load that can satisfy somebody who waits or watches. */
static void start_load(struct counts *counts, struct count_entry *entry,
                       const struct relation *relation, bool wants_primary, int64_t now_us)
{
    assert(entry->load == COUNT_LOAD_NONE);
    bool may_share =
        !wants_primary && counts->redis != NULL && counts->redis->available(counts->redis->store);
    if (may_share) {
        entry->load = COUNT_LOAD_WANTED;
        list_push_back(&counts->caches[relation->id].to_load, &entry->to_load);
    } else {
        load_from_truth(counts, entry, relation, now_us);
    }
}

void counts_submit(struct counts *counts, struct operation *operation, int64_t now_us)
{
    struct count_cache *cache = &counts->caches[operation->relation->id];
    struct count_entry *entry = count_cache_entry(cache, &operation->entity);
    struct operation_freshness *wanted = operation_freshness(operation);
    if (entry == NULL) {
        answer_stale(counts, operation, NULL, OUTCOME_OVERLOADED, now_us);
        return;
    }
    if (count_entry_serves(cache, entry, wanted->not_before_us, now_us)) {
        answer(counts, operation, &entry->view.held.count, METRIC_COUNTS_FROM_LOCAL, now_us);
        return;
    }
    operation->state = OPERATION_WAITING;
    wanted->wants_primary = now_us - wanted->not_before_us < SHARED_AGE_MIN_US;
    list_push_back(&entry->waiters, &operation->link);
    if (entry->load == COUNT_LOAD_NONE) {
        start_load(counts, entry, operation->relation, wanted->wants_primary, now_us);
    }
}

void counts_expire(struct counts *counts, struct operation *operation, int64_t now_us)
{
    struct count_cache *cache = &counts->caches[operation->relation->id];
    assert(operation->state == OPERATION_WAITING);
    list_remove(&operation->link);
    struct count_entry *entry = count_cache_entry(cache, &operation->entity);
    answer_stale(counts, operation, entry, OUTCOME_UNAVAILABLE, now_us);
}

void counts_learn(struct counts *counts, const struct relation *relation,
                  const struct identifier *entity, const struct count *count, int64_t now_us)
{
    struct count_cache *cache = &counts->caches[relation->id];
    struct count_entry *entry = count_cache_entry(cache, entity);
    if (entry == NULL) { /* each is waited for, or to be published */
        count_cache_put_alone(cache, entity, count, now_us);
        metrics_add(counts->metrics, METRIC_PUBLISH_DROPPED, counts->redis != NULL);
        return;
    }
    if (counts->redis != NULL && !list_linked(&entry->to_publish)) {
        list_push_back(&cache->to_publish, &entry->to_publish);
    }
    count_cache_put(cache, entry, count, COUNT_FROM_PRIMARY, now_us);
    if (count_entry_known(entry)) {
        answer_waiters(counts, entry, count->as_of_mono_us, METRIC_COUNTS_FROM_POSTGRES, now_us);
    }
    notify(counts, entry, now_us);
}

struct count_entry *counts_watch(struct counts *counts, const struct relation *relation,
                                 const struct identifier *entity, void *watcher)
{
    struct count_entry *entry = count_cache_entry(&counts->caches[relation->id], entity);
    if (entry != NULL) {
        assert(entry->watcher == NULL && watcher != NULL);
        entry->watcher = watcher;
    }
    return entry;
}

void counts_refresh(struct counts *counts, const struct relation *relation,
                    struct count_entry *entry, int64_t told_since_us, int64_t now_us)
{
    struct count_cache *cache = &counts->caches[relation->id];
    assert(entry->watcher != NULL);
    count_cache_touch(cache, entry);
    count_cache_look(cache, entry);
    if (count_entry_known(entry) && entry->view.held.put_at_us >= told_since_us) {
        notify(counts, entry, now_us);
    } else if (entry->load == COUNT_LOAD_NONE) {
        start_load(counts, entry, relation, false, now_us);
    }
}

bool counts_peek(struct counts *counts, const struct relation *relation, struct count_entry *entry,
                 int64_t now_us, struct count *count)
{
    count_cache_look(&counts->caches[relation->id], entry);
    if (!count_entry_serves_stale(entry, now_us)) {
        return false;
    }
    *count = entry->view.held.count;
    count->stale = count->as_of_mono_us < now_us - COUNT_BOUND_US;
    return true;
}

static void load_ended(struct operation *load, enum outcome outcome, int64_t now_us)
{
    struct counts *counts = load->owner;
    struct count_entry *entry =
        count_cache_entry(&counts->caches[load->relation->id], &load->entity);
    assert(entry != NULL && entry->load == COUNT_LOAD_POSTGRES);
    entry->load = COUNT_LOAD_NONE;
    if (outcome != OUTCOME_DONE) {
        fail_waiters(counts, entry, outcome, now_us);
        notify(counts, entry, now_us);
        return;
    }
    counts_learn(counts, load->relation, &load->entity, &load->count, now_us);
    struct list_node *node = list_first(&entry->waiters);
    if (node != NULL) { /* came after this load began and wants nothing older than itself */
        const struct operation *next = list_entry(node, struct operation, link);
        start_load(counts, entry, load->relation, operation_freshness(next)->wants_primary, now_us);
    }
}

void counts_redis_read_ended(struct counts *counts, const struct redis_count *entries, size_t size,
                             struct instant now)
{
    for (size_t i = 0; i < size; i++) {
        struct count_entry *entry = entries[i].waiter;
        struct count count = entries[i].count;
        assert(entry->load == COUNT_LOAD_SHARED);
        int64_t age_us = now.wall_us - count.as_of_wall_us;
        bool known = false;
        if (entries[i].found && age_us <= counts->redis_age_max_us &&
            age_us >= -CLOCKS_APART_MAX_US) {
            count.as_of_mono_us = now.mono_us - (age_us > 0 ? age_us : 0);
            count_cache_put(&counts->caches[entries[i].relation->id], entry, &count,
                            COUNT_FROM_REDIS, now.mono_us);
            known = count_entry_known(entry);
            if (known) {
                answer_waiters(counts, entry, entry->view.held.count.as_of_mono_us,
                               METRIC_COUNTS_FROM_REDIS, now.mono_us);
            }
        }
        entry->load = COUNT_LOAD_NONE;
        if (!list_empty(&entry->waiters) || (entry->watcher != NULL && !known)) {
            load_from_truth(counts, entry, entries[i].relation, now.mono_us);
        }
        if (known) {
            notify(counts, entry, now.mono_us);
        }
    }
}

/* Asks Redis for what this iteration wants of one relation. */
static void read_wanted(struct counts *counts, struct count_cache *cache, struct instant now)
{
    while (!list_empty(&cache->to_load)) {
        struct redis_count wanted[REDIS_COUNTS_MAX];
        size_t size = 0;
        struct list_node *node;
        while (size < REDIS_COUNTS_MAX && (node = list_pop_front(&cache->to_load)) != NULL) {
            struct count_entry *entry = list_entry(node, struct count_entry, to_load);
            assert(entry->load == COUNT_LOAD_WANTED);
            entry->load = COUNT_LOAD_SHARED;
            wanted[size++] = (struct redis_count){
                .relation = cache->relation, .entity = entry->entity, .waiter = entry};
        }
        if (!counts->redis->read(counts->redis->store, wanted, size, now)) {
            counts_redis_read_ended(counts, wanted, size, now);
        }
    }
}

/* Tells Redis of one relation's counts that have been learnt, in this iteration of as many as go at
 * once. */
static void publish_learnt(struct counts *counts, struct count_cache *cache)
{
    struct redis_count learnt[REDIS_COUNTS_MAX];
    size_t size = 0;
    struct list_node *node;
    while (size < REDIS_COUNTS_MAX && (node = list_pop_front(&cache->to_publish)) != NULL) {
        struct count_entry *entry = list_entry(node, struct count_entry, to_publish);
        const struct known_count *held = &entry->view.held;
        count_cache_look(cache, entry);
        if (!count_entry_known(entry)) {
            metrics_add(counts->metrics, METRIC_PUBLISH_DROPPED, 1);
        } else if (held->origin == COUNT_FROM_PRIMARY) { /* else Redis said so itself meanwhile */
            learnt[size++] = (struct redis_count){
                .relation = cache->relation, .entity = entry->entity, .count = held->count};
        }
    }
    if (size > 0) {
        bool sent = counts->redis->publish(counts->redis->store, learnt, size);
        metrics_add(counts->metrics, sent ? METRIC_PUBLISHED : METRIC_PUBLISH_DROPPED, size);
    }
}

void counts_end_iteration(struct counts *counts, struct instant now)
{
    bool publish = now.mono_us >= counts->publish_at_us;
    bool published = false, more = false;
    for (size_t i = 0; i < RELATION_COUNT; i++) {
        struct count_cache *cache = &counts->caches[i];
        read_wanted(counts, cache, now);
        if (publish && !list_empty(&cache->to_publish)) {
            publish_learnt(counts, cache);
            published = true;
            more = more || !list_empty(&cache->to_publish);
        }
    }
    if (published && !more) { /* else the next iteration goes on */
        counts->publish_at_us = now.mono_us + PUBLISH_EVERY_US;
    }
}
