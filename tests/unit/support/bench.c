/* A service between two fake stores. */
#include "bench.h"

#include "unit.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

enum { TICK_US = 10 * 1000, COUNTS_MAX = 4096, HASH_SECRET = 42 };

const struct settings bench_ten_seats = {.limited = true, .capacity = 10};

const struct bench_setup bench_usual = {
    .pending_max = 64,
    .write_connections = 1,
    .read_connections = 1,
    .has_redis = true,
    .local_lifetime_us = BENCH_LOCAL_US,
};

/* Of writes of users and of settings alone, which are asks. */
static void note_sent(const struct operation *operation)
{
    ((struct ask *)operation->owner)->sent++;
}

static void note_executed(const struct operation *operation)
{
    ((struct ask *)operation->owner)->executed++;
}

/* What streams are sent here: <value>@<version>, and ! where it is stale. */
static struct hub_text *write_event(const struct relation *relation,
                                    const struct identifier *entity, const struct count *count)
{
    enum { SIZE_BYTES = 64 };
    struct hub_text *text = malloc(sizeof *text + SIZE_BYTES);
    assert_non_null(text);
    (void)relation;
    (void)entity;
    int size = snprintf(text->data, SIZE_BYTES, "%lld@%lld%s ", (long long)count->value,
                        (long long)count->version, count->stale ? "!" : "");
    *text = (struct hub_text){.references = 1, .size = (size_t)size};
    return text;
}

struct bench *bench_create(const struct bench_setup *setup)
{
    /* The service's caches are large and hardly touched here: fresh pages need no clearing. */
    mallopt(M_MMAP_THRESHOLD, 1024 * 1024);
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    bench->setup = *setup;
    bench->now = (struct instant){.mono_us = 5000000000123, .wall_us = 1795342530123456};
    bench->metrics = metrics_create();
    assert_non_null(bench->metrics);
    fake_primary_init(&bench->primary, setup->write_connections, setup->read_connections);
    bench->primary.connections[POOL_REPLICA] = setup->replica_connections;
    bench->primary.sent = note_sent;
    bench->primary.executed = note_executed;
    fake_redis_counts_init(&bench->redis);
    bench->counts = setup->colleague != NULL ? setup->colleague->counts
                                             : count_memory_create(COUNTS_MAX, HASH_SECRET);
    assert_non_null(bench->counts);
    const struct service_setup service = {
        .primary = &bench->primary.port,
        .redis = setup->has_redis ? &bench->redis.port : NULL,
        .counts = bench->counts,
        .metrics = bench->metrics,
        .write_event = write_event,
        .counts_max = COUNTS_MAX,
        .pending_max = setup->pending_max,
        .write_connections = setup->write_connections,
        .read_connections = setup->read_connections,
        .replica_connections = setup->replica_connections,
        .deadline_us = BENCH_DEADLINE_US,
        .count_local_lifetime_us = setup->local_lifetime_us,
        .count_redis_lifetime_us = BENCH_SHARED_US,
        .expire_keys_every_us = setup->expire_keys_every_us,
        .promote_every_us = setup->promote_every_us,
        .hash_secret = HASH_SECRET,
        .now = bench->now,
    };
    bench->service = service_create(&service);
    assert_non_null(bench->service);
    bench->primary.listener =
        (struct primary_listener){bench->service, service_batch_ended, service_primary_changed};
    bench->redis.listener =
        (struct redis_counts_listener){bench->service, service_redis_read_ended};
    return bench;
}

void bench_pass(struct bench *bench, int64_t us)
{
    bench->now.mono_us += us;
    bench->now.wall_us += us;
}

void bench_tick(struct bench *bench)
{
    bench->ticking = true;
    service_tick(bench->service, bench->now);
    bench->ticking = false;
}

void bench_wait(struct bench *bench, int64_t us)
{
    while (us > 0) {
        int64_t step_us = us < TICK_US ? us : TICK_US;
        bench_pass(bench, step_us);
        bench_tick(bench);
        us -= step_us;
    }
}

void bench_turn(struct bench *bench)
{
    while (service_end_iteration(bench->service, bench->now)) {
    }
}

void bench_end(struct bench *bench, enum pool pool, enum batch_outcome outcome)
{
    bench_turn(bench);
    fake_primary_end(&bench->primary, fake_primary_flight(&bench->primary, pool), outcome,
                     bench->now);
}

void bench_settle(struct bench *bench)
{
    bench_turn(bench);
    while (bench->primary.flight_count > 0 || bench->redis.read_count > 0) {
        if (bench->primary.flight_count > 0) {
            fake_primary_end(&bench->primary, &bench->primary.flights[0], BATCH_DONE, bench->now);
        }
        if (bench->redis.read_count > 0) {
            fake_redis_counts_answer(&bench->redis, bench->now);
        }
        bench_turn(bench);
    }
}

/* Takes every operation that there is, and no more. */
static void check_pool(struct bench *bench)
{
    for (size_t i = 0; i < bench->setup.pending_max; i++) {
        if (service_take(bench->service) == NULL) {
            fail_msg("%zu operations never came back", bench->setup.pending_max - i);
        }
    }
    assert_null(service_take(bench->service));
}

void bench_finish(struct bench *bench)
{
    bench_wait(bench, BENCH_DEADLINE_US + 5 * TICK_US);
    bench_settle(bench);
    bench_wait(bench, BENCH_DEADLINE_US + 5 * TICK_US);
    bench_settle(bench); /* what the service asked on its own */
    bench_tick(bench);
    bench_settle(bench);
    for (size_t i = 0; i < bench->ask_count; i++) {
        assert_int_equal(bench->asks[i]->answers, bench->asks[i]->refused ? 0 : 1);
    }
    assert_int_equal(bench_metric(bench, METRIC_QUEUE_WRITES), 0);
    assert_int_equal(bench_metric(bench, METRIC_QUEUE_LOOKUPS), 0);
    assert_int_equal(bench_metric(bench, METRIC_QUEUE_COUNTS), 0);
    assert_int_equal(bench_metric(bench, METRIC_QUEUE_LISTS), 0);
    check_pool(bench);
    service_destroy(&bench->service);
    assert_null(bench->service);
    if (bench->setup.colleague == NULL) {
        count_memory_destroy(&bench->counts);
    }
    for (size_t i = 0; i < bench->ask_count; i++) {
        free(bench->asks[i]);
    }
    free(bench->asks);
    free(bench->metrics);
    fake_primary_free(&bench->primary);
    free(bench);
}

/* What an operation of its kind answers. */
static void note_answer(struct ask *ask, const struct operation *operation)
{
    if (operation_is_write(operation)) {
        const struct operation_write *write = operation_write(operation);
        ask->changed = write->changed;
        ask->member = write->member;
        ask->waiting = write->waiting;
        ask->replayed = write->replayed;
        ask->position = write->position;
    } else if (operation_is_membership(operation)) {
        const struct operation_membership *found = operation_membership(operation);
        ask->member = found->member;
        ask->waiting = found->waiting;
        ask->created_at_us = found->created_at_us;
    } else if (operation_is_listing(operation)) {
        const struct page *page = operation_listing(operation)->page;
        ask->lines = page == NULL ? 0 : page->size;
    } else if (operation_is_settings(operation)) {
        const struct operation_settings *found = operation_settings(operation);
        ask->waiting_count = found->waiting_count;
        ask->incomplete = found->incomplete;
        ask->settings = found->found;
    } else if (operation_is_erasure(operation)) {
        ask->erasure = *operation_erasure(operation);
    }
}

/* What an operation of its kind asks. */
static void fill_in(struct operation *operation, const struct ask *ask)
{
    if (operation_is_write(operation)) {
        operation_write(operation)->key = ask->key;
    } else if (operation_is_count(operation)) {
        operation_freshness(operation)->not_before_us = ask->not_before_us;
    } else if (operation_is_listing(operation)) {
        operation_listing(operation)->page_size = BENCH_PAGE_SIZE;
    } else if (operation_is_settings(operation)) {
        operation_settings(operation)->wanted = ask->settings;
    }
}

static void done(struct operation *operation, enum outcome outcome, int64_t now_us)
{
    struct ask *ask = operation->owner;
    struct bench *bench = ask->bench;
    assert_int_equal(++ask->answers, 1);
    assert_int_equal(now_us, bench->now.mono_us);
    /* A count may also end with the load that it waits for, which has a deadline of its own. */
    assert_true(!bench->ticking || now_us > ask->deadline_us || ask->kind == OPERATION_COUNT);
    ask->place = ++bench->answers;
    ask->answered_us = now_us;
    ask->outcome = outcome;
    ask->count = operation->count;
    note_answer(ask, operation);
    if (bench->answered != NULL) {
        bench->answered(ask);
    }
}

struct ask *bench_ask(struct bench *bench, enum operation_kind kind, struct identifier entity,
                      struct identifier user)
{
    struct ask *ask = calloc(1, sizeof *ask);
    if (bench->ask_count == bench->ask_capacity) {
        bench->ask_capacity = bench->ask_capacity * 2 + 64;
        bench->asks = realloc(bench->asks, bench->ask_capacity * sizeof(struct ask *));
    }
    assert_true(ask != NULL && bench->asks != NULL);
    *ask = (struct ask){.bench = bench,
                        .kind = kind,
                        .relation = &relations[RELATION_RSVP],
                        .entity = entity,
                        .user = user,
                        .deadline_us = bench->now.mono_us + BENCH_DEADLINE_US};
    return bench->asks[bench->ask_count++] = ask;
}

void bench_submit(struct ask *ask)
{
    struct bench *bench = ask->bench;
    struct operation *operation = service_take(bench->service);
    ask->asked_us = bench->now.mono_us;
    ask->refused = operation == NULL;
    if (ask->refused) {
        return;
    }
    operation->kind = ask->kind;
    operation->relation = ask->relation;
    operation->entity = ask->entity;
    operation->user = ask->user;
    operation->deadline_us = ask->deadline_us;
    fill_in(operation, ask);
    operation->done = done;
    operation->owner = ask;
    service_submit(bench->service, operation, bench->now.mono_us);
}

static struct ask *ask_at_once(struct bench *bench, enum operation_kind kind, const char *entity,
                               const char *user, int64_t not_before_us)
{
    struct ask *ask = bench_ask(bench, kind, unit_id(entity), unit_id(user));
    ask->not_before_us = not_before_us;
    bench_submit(ask);
    return ask;
}

struct ask *bench_add(struct bench *bench, const char *entity, const char *user)
{
    return ask_at_once(bench, OPERATION_ADD, entity, user, 0);
}

struct ask *bench_remove(struct bench *bench, const char *entity, const char *user)
{
    return ask_at_once(bench, OPERATION_REMOVE, entity, user, 0);
}

struct ask *bench_lookup(struct bench *bench, const char *entity, const char *user)
{
    return ask_at_once(bench, OPERATION_LOOKUP, entity, user, 0);
}

static struct ask *ask_keyed(struct bench *bench, enum operation_kind kind, const char *entity,
                             const char *user, const char *key)
{
    struct ask *ask = bench_ask(bench, kind, unit_id(entity), unit_id(user));
    ask->key = unit_key(key);
    bench_submit(ask);
    return ask;
}

struct ask *bench_add_keyed(struct bench *bench, const char *entity, const char *user,
                            const char *key)
{
    return ask_keyed(bench, OPERATION_ADD, entity, user, key);
}

struct ask *bench_remove_keyed(struct bench *bench, const char *entity, const char *user,
                               const char *key)
{
    return ask_keyed(bench, OPERATION_REMOVE, entity, user, key);
}

struct ask *bench_configure(struct bench *bench, const char *entity, int64_t capacity,
                            bool waitlist)
{
    struct ask *ask =
        bench_ask(bench, OPERATION_STORE_SETTINGS, unit_id(entity), unit_id("nobody"));
    ask->settings = (struct settings){.limited = true, .capacity = capacity, .waitlist = waitlist};
    bench_submit(ask);
    return ask;
}

struct ask *bench_release(struct bench *bench, const char *entity)
{
    return ask_at_once(bench, OPERATION_CLEAR_SETTINGS, entity, "nobody", 0);
}

struct ask *bench_count(struct bench *bench, const char *entity, int64_t age_max_us)
{
    return ask_at_once(bench, OPERATION_COUNT, entity, "nobody", bench->now.mono_us - age_max_us);
}

void bench_expect(const struct ask *ask, enum outcome outcome)
{
    static const char *const names[] = {
        [OUTCOME_DONE] = "done",           [OUTCOME_UNAVAILABLE] = "unavailable",
        [OUTCOME_UNKNOWN] = "unknown",     [OUTCOME_OVERLOADED] = "overloaded",
        [OUTCOME_FAILED] = "failed",       [OUTCOME_FULL] = "full",
        [OUTCOME_CLOSED] = "closed",       [OUTCOME_KEY_REUSED] = "key reused",
        [OUTCOME_IN_FLIGHT] = "in flight",
    };
    if (ask->answers != 1) {
        fail_msg("answered %u times, expected '%s'", ask->answers, names[outcome]);
    }
    if (ask->outcome != outcome) {
        fail_msg("answered '%s', expected '%s'", names[ask->outcome], names[outcome]);
    }
}

void bench_expect_waiting(const struct ask *ask)
{
    assert_false(ask->refused);
    assert_int_equal(ask->answers, 0);
}

void bench_expect_count(const struct ask *ask, int64_t value, int64_t version)
{
    bench_expect(ask, OUTCOME_DONE);
    assert_int_equal(ask->count.value, value);
    assert_int_equal(ask->count.version, version);
    assert_false(ask->count.stale);
    assert_true(ask->count.as_of_mono_us >= ask->not_before_us);
    assert_true(ask->count.as_of_mono_us <= ask->answered_us);
}

uint64_t bench_metric(const struct bench *bench, enum metric metric)
{
    return metrics_get(bench->metrics, metric);
}

const struct batch *bench_sent_batch(struct bench *bench)
{
    bench_turn(bench);
    return fake_primary_flight(&bench->primary, POOL_WRITE)->batch;
}
