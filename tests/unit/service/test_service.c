/* The engine as a whole: its pool, and random histories in which everything that can go wrong does.
 */
#include "bench.h"
#include "unit.h"

#include "rsvpd/domain/count_cache.h"
#include "rsvpd/service/dispatch.h"

#include <stdio.h>
#include <stdlib.h>

/* How many more pieces of memory there are before one cannot be had: the linker puts __wrap_calloc
 * in the place of calloc. */
static size_t pieces_left = SIZE_MAX;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
    return pieces_left-- == 0 ? NULL : __real_calloc(count, size);
}

/* Whichever piece of memory cannot be had, there is no service, and the others are given back. */
static void test_no_memory_while_it_is_made(NO_STATE)
{
    static const struct primary_port primary = {.store = NULL}; /* never asked */
    struct count_memory *counts = count_memory_create(64, 42);
    struct metrics *metrics = metrics_create();
    const struct service_setup setup = {.primary = &primary,
                                        .counts = counts,
                                        .metrics = metrics,
                                        .counts_max = 64,
                                        .pending_max = 64,
                                        .write_connections = 1,
                                        .read_connections = 1,
                                        .deadline_us = BENCH_DEADLINE_US};
    struct service *service = NULL;
    size_t pieces = 0;
    while (service == NULL) {
        pieces_left = pieces++;
        service = service_create(&setup);
        assert_true(service == NULL || pieces_left == 0);
        pieces_left = SIZE_MAX;
    }
    assert_true(pieces > DISPATCH_QUEUES);
    service_destroy(&service);
    assert_null(service);
    service_destroy(&service); /* as whoever could not make it does */
    free(metrics);
    count_memory_destroy(&counts);
}

static void test_as_many_pending_as_may_be(NO_STATE)
{
    struct bench_setup setup = bench_usual;
    setup.pending_max = 3;
    struct bench *bench = bench_create(&setup);
    for (int round = 0; round < 3; round++) {
        const struct ask *first = bench_add(bench, "e", "u");
        const struct ask *second = bench_lookup(bench, "e", "u");
        const struct ask *third = bench_add(bench, "e", "u");
        const struct ask *refused = bench_lookup(bench, "e", "u");
        assert_true(refused->refused);
        assert_int_equal(bench_metric(bench, METRIC_REFUSED_OVERLOAD), round + 1);
        bench_settle(bench);
        bench_expect(first, OUTCOME_DONE);
        bench_expect(second, OUTCOME_DONE);
        bench_expect(third, OUTCOME_DONE);
    }
    bench_finish(bench);
}

/* An operation that was answered at its deadline comes back when Postgres is done with it. */
static void test_what_postgres_still_has_is_still_pending(NO_STATE)
{
    struct bench_setup setup = bench_usual;
    setup.pending_max = 1;
    struct bench *bench = bench_create(&setup);
    bench_add(bench, "e", "u");
    bench_turn(bench);
    bench_wait(bench, BENCH_DEADLINE_US + SECONDS(0.03));
    assert_true(bench_add(bench, "e", "u")->refused);
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    assert_false(bench_add(bench, "e", "u")->refused);
    bench_finish(bench);
}

static void test_one_that_is_given_back_can_be_taken_again(NO_STATE)
{
    struct bench_setup setup = bench_usual;
    setup.pending_max = 1;
    struct bench *bench = bench_create(&setup);
    struct operation *taken = service_take(bench->service);
    assert_non_null(taken);
    assert_null(service_take(bench->service));
    service_give_back(bench->service, taken);
    bench_finish(bench);
}

/* The bound that a request sets, less what a cache in front may add, and at most the service's. */
static void test_count_bound(NO_STATE)
{
    static const struct {
        int64_t max_stale_ms, cache_us, bound_us;
    } cases[] = {
        {5000, SECONDS(1), SECONDS(4)}, {5000, 0, SECONDS(4)}, {4000, 0, SECONDS(4)},
        {4999, SECONDS(1), 3999000},    {3999, 0, 3999000},    {1000, SECONDS(1), 0},
        {1001, SECONDS(1), 1000},       {1, 0, 1000},          {0, 0, 0},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        assert_int_equal(service_count_bound_us(cases[i].max_stale_ms, cases[i].cache_us),
                         cases[i].bound_us);
    }
    assert_int_equal(COUNT_BOUND_US, SECONDS(4));
}

/* ---- what is learnt ---- */

/* The count that the worker knows, without anybody being asked. */
static void expect_known(struct bench *bench, const char *entity, int64_t value)
{
    const struct ask *ask = bench_count(bench, entity, SECONDS(1));
    bench_expect(ask, OUTCOME_DONE);
    assert_int_equal(ask->count.value, value);
}

/* Entities in the order in which they stand in a batch; the first of some of them do not act. */
static void test_only_what_acts_tells_the_count(NO_STATE)
{
    struct bench_setup setup = bench_usual;
    setup.has_redis = false;
    struct bench *bench = bench_create(&setup);
    bench_add_keyed(bench, "a", "u1", "k");
    bench_add_keyed(bench, "c", "u1", "k2");
    bench_add_keyed(bench, "z", "u1", "k3");
    bench_settle(bench);
    bench_pass(bench, SECONDS(10)); /* what was known is too old */
    for (unsigned i = 0; i < 3; i++) {
        fake_primary_change(&bench->primary, OPERATION_ADD, &relations[RELATION_RSVP], "a",
                            i == 0   ? "x"
                            : i == 1 ? "y"
                                     : "z",
                            bench->now);
    }
    const struct ask *replayed = bench_add_keyed(bench, "a", "u1", "k");
    const struct ask *acts = bench_add_keyed(bench, "a", "u2", "k");
    const struct ask *reused = bench_add_keyed(bench, "b", "u1", "k3");
    const struct ask *alone = bench_add_keyed(bench, "c", "u1", "k2");
    const struct ask *other = bench_add_keyed(bench, "d", "u3", "k");
    const struct ask *in_flight = bench_add_keyed(bench, "e", "u3", "k");
    bench_settle(bench);
    assert_true(replayed->replayed && alone->replayed && !acts->replayed);
    bench_expect(reused, OUTCOME_KEY_REUSED);
    bench_expect(in_flight, OUTCOME_IN_FLIGHT);
    bench_expect(other, OUTCOME_DONE);
    expect_known(bench, "a", 5);
    expect_known(bench, "d", 1);
    static const char *const unknown[] = {"b", "c", "e"};
    for (size_t i = 0; i < LENGTH(unknown); i++) {
        const struct ask *ask = bench_count(bench, unknown[i], SECONDS(4));
        bench_expect_waiting(ask); /* nothing was learnt: the primary is asked */
        bench_settle(bench);
        bench_expect(ask, OUTCOME_DONE);
        assert_int_equal(ask->count.value, i == 1);
    }
    bench_finish(bench);
}

/* Whoever is refused for want of a seat saw the count all the same, and settings move people up. */
static void test_counts_of_settings(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    bench_configure(bench, "e", 0, true);
    bench_settle(bench);
    bench_add(bench, "e", "u1");
    bench_add(bench, "e", "u2");
    bench_settle(bench);
    expect_known(bench, "e", 0);
    bench_configure(bench, "e", 1, true);
    bench_settle(bench);
    expect_known(bench, "e", 1);
    bench_release(bench, "e");
    bench_settle(bench);
    expect_known(bench, "e", 2);
    bench_finish(bench);
}

/* ---- forgetting ---- */

enum { FORGET_EVERY_US = 60 * 1000 * 1000, FORGET_MAX = 1000 };

static struct bench *forgetting_bench(size_t pending_max)
{
    struct bench_setup setup = bench_usual;
    setup.expire_keys_every_us = FORGET_EVERY_US;
    setup.pending_max = pending_max;
    return bench_create(&setup);
}

/* A tick and a iteration; whether they sent (or the primary still has) such a batch. */
static bool forgets(struct bench *bench)
{
    bench_tick(bench);
    bench_turn(bench);
    if (fake_primary_flying(&bench->primary, POOL_WRITE) == 0) {
        return false;
    }
    const struct batch *batch = fake_primary_flight(&bench->primary, POOL_WRITE)->batch;
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_WRITE), 1);
    assert_int_equal(batch->kind, OPERATION_EXPIRE_KEYS);
    assert_int_equal(batch->size, 1);
    assert_int_equal(operation_expiry(batch->operations[0])->keys_max, FORGET_MAX);
    return true;
}

/* Nothing for an interval, and then it is time. */
static void expect_next_after_an_interval(struct bench *bench)
{
    bench_wait(bench, FORGET_EVERY_US - 1);
    assert_false(forgets(bench));
    bench_pass(bench, 1);
    assert_true(forgets(bench));
}

static void test_forgetting_every_interval(NO_STATE)
{
    struct bench *bench = forgetting_bench(4);
    for (int i = 0; i < 3; i++) {
        expect_next_after_an_interval(bench);
        bench_pass(bench, 1000);
        bench_end(bench, POOL_WRITE, BATCH_DONE);
        assert_false(forgets(bench));
    }
    bench_finish(bench);
}

static void test_never_forgetting(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    for (int i = 0; i < 1000; i++) {
        bench_pass(bench, FORGET_EVERY_US);
        assert_false(forgets(bench));
    }
    bench_finish(bench);
}

/* As long as there are as many as go at a time, there may be more. */
static void test_forgetting_again_at_once(NO_STATE)
{
    struct bench *bench = forgetting_bench(4);
    bench->primary.expired = 2 * FORGET_MAX;
    expect_next_after_an_interval(bench);
    for (int i = 0; i < 2; i++) {
        bench_end(bench, POOL_WRITE, BATCH_DONE);
        assert_int_equal(bench->primary.expired, i == 0 ? FORGET_MAX : 0);
        assert_true(forgets(bench));
    }
    bench->primary.expired = FORGET_MAX - 1;
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    assert_int_equal(bench->primary.expired, 0);
    assert_false(forgets(bench));
    expect_next_after_an_interval(bench);
    bench_finish(bench);
}

static void test_one_forgets_at_a_time(NO_STATE)
{
    struct bench *bench = forgetting_bench(4);
    expect_next_after_an_interval(bench);
    for (int i = 0; i < 10; i++) { /* within its deadline */
        bench_wait(bench, BENCH_DEADLINE_US / 20);
        assert_true(forgets(bench));
    }
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    assert_int_equal(bench->primary.batches_sent, 1);
    assert_false(forgets(bench));
    bench_finish(bench);
}

static void test_forgetting_fails(NO_STATE)
{
    static const enum batch_outcome ends[] = {BATCH_UNAVAILABLE, BATCH_REJECTED};
    struct bench *bench = forgetting_bench(4);
    bench->primary.expired = FORGET_MAX;
    for (size_t i = 0; i < LENGTH(ends); i++) {
        expect_next_after_an_interval(bench);
        bench_end(bench, POOL_WRITE, ends[i]);
        assert_false(forgets(bench));
    }
    bench->primary.expired = 2 * FORGET_MAX;
    expect_next_after_an_interval(bench); /* what a lost attempt did says nothing about this one */
    fake_primary_execute(&bench->primary, fake_primary_flight(&bench->primary, POOL_WRITE),
                         bench->now);
    bench_end(bench, POOL_WRITE, BATCH_LOST);
    bench_end(bench, POOL_WRITE, BATCH_UNAVAILABLE);
    assert_false(forgets(bench));
    expect_next_after_an_interval(bench);
    bench_end(bench, POOL_WRITE, BATCH_LOST); /* that one goes again */
    assert_true(forgets(bench));
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    assert_int_equal(bench->primary.expired, 0);
    bench_finish(bench);
}

static void test_forgetting_while_the_truth_is_away(NO_STATE)
{
    struct bench *bench = forgetting_bench(4);
    fake_primary_set_up(&bench->primary, false, bench->now);
    bench_wait(bench, FORGET_EVERY_US);
    assert_false(forgets(bench));
    bench_wait(bench, FORGET_EVERY_US / 2);
    fake_primary_set_up(&bench->primary, true, bench->now);
    bench_wait(bench, SECONDS(0.01));
    assert_true(forgets(bench)); /* it was due */
    bench_finish(bench);
}

/* It takes longer than an operation may: the next one comes when its time has come. */
static void test_forgetting_takes_too_long(NO_STATE)
{
    struct bench *bench = forgetting_bench(4);
    bench->primary.expired = 2 * FORGET_MAX;
    expect_next_after_an_interval(bench);
    bench_wait(bench, BENCH_DEADLINE_US + SECONDS(0.03));
    assert_true(forgets(bench)); /* still */
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    assert_int_equal(bench->primary.expired, FORGET_MAX);
    assert_false(forgets(bench));
    bench_wait(bench, FORGET_EVERY_US);
    assert_true(forgets(bench));
    bench_finish(bench);
}

/* All operations are taken: it waits until one is free. */
static void test_no_operation_to_forget_with(NO_STATE)
{
    struct bench *bench = forgetting_bench(1);
    bench_wait(bench, FORGET_EVERY_US - SECONDS(1));
    const struct ask *ask = bench_add(bench, "e", "u");
    bench_turn(bench);
    bench_wait(bench, SECONDS(1.5));
    assert_int_equal(bench_metric(bench, METRIC_REFUSED_OVERLOAD), 0); /* no client's request */
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    bench_expect(ask, OUTCOME_DONE);
    assert_true(forgets(bench));
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    bench_finish(bench);
}

/* ---- promotions in steps ---- */

enum { PROMOTE_EVERY_US = 1000 * 1000, STEP = 3, WAITING = 5 * STEP };

/* A full event for which so many wait. */
static struct bench *promoting_bench(int64_t promote_every_us)
{
    struct bench_setup setup = bench_usual;
    const struct settings full = {.limited = true, .waitlist = true};
    setup.promote_every_us = promote_every_us;
    struct bench *bench = bench_create(&setup);
    fake_primary_configure(&bench->primary, "e", &full, bench->now);
    for (unsigned i = 0; i < WAITING; i++) {
        bench_submit(bench_ask(bench, OPERATION_ADD, unit_id("e"), unit_numbered_id("u", i)));
    }
    bench_settle(bench);
    bench->primary.promote_max = STEP;
    return bench;
}

/* The one batch under way is a step of this kind; it ends well. */
static void step_ends(struct bench *bench, enum operation_kind kind)
{
    bench_tick(bench);
    bench_turn(bench);
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_WRITE), 1);
    const struct batch *batch = fake_primary_flight(&bench->primary, POOL_WRITE)->batch;
    assert_int_equal(batch->operations[0]->kind, kind);
    bench_end(bench, POOL_WRITE, BATCH_DONE);
}

static void test_settings_change_in_steps_within_the_deadline(NO_STATE)
{
    struct bench *bench = promoting_bench(0);
    const struct ask *ask = bench_release(bench, "e");
    for (unsigned i = 1; i < WAITING / STEP; i++) {
        step_ends(bench, OPERATION_CLEAR_SETTINGS);
        assert_int_equal(ask->answers, 0);
    }
    step_ends(bench, OPERATION_CLEAR_SETTINGS);
    bench_expect(ask, OUTCOME_DONE);
    assert_int_equal(ask->waiting_count, 0);
    assert_false(ask->incomplete);
    bench_finish(bench);
}

/* The asker is answered in time; the rest is found, and done. */
static void test_the_rest_of_a_promotion_follows(NO_STATE)
{
    struct bench *bench = promoting_bench(PROMOTE_EVERY_US);
    struct identifier event = unit_id("e");
    const struct ask *ask = bench_release(bench, "e");
    bench_turn(bench);
    bench_pass(bench, BENCH_DEADLINE_US * 3 / 4);
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    bench_expect(ask, OUTCOME_DONE);
    assert_true(ask->incomplete);
    assert_int_equal(ask->waiting_count, WAITING - STEP);
    assert_true(fake_primary_is_admitted(&bench->primary, &event));
    step_ends(bench, OPERATION_CLAIM_PROMOTIONS);
    for (unsigned i = 2; i <= WAITING / STEP; i++) {
        step_ends(bench, OPERATION_PROMOTE);
    }
    assert_false(fake_primary_is_admitted(&bench->primary, &event));
    bench_finish(bench);
}

/* What the first step did stays done, whatever becomes of the next one. */
static void test_a_lost_step_takes_nothing_back(NO_STATE)
{
    static const enum batch_outcome ends[] = {BATCH_UNAVAILABLE, BATCH_REJECTED};
    for (size_t i = 0; i < LENGTH(ends); i++) {
        struct bench *bench = promoting_bench(0);
        const struct ask *ask = bench_release(bench, "e");
        step_ends(bench, OPERATION_CLEAR_SETTINGS);
        bench_turn(bench);
        bench_end(bench, POOL_WRITE, ends[i]);
        bench_expect(ask, OUTCOME_DONE);
        assert_true(ask->incomplete);
        bench_finish(bench);
    }
}

/* ---- random histories ---- */

enum {
    HISTORIES = 60,
    STEPS = 3000,
    ENTITIES = 3,
    USERS = 4,
    KEYS = 3,
    ASKS_PER_KEY = 32,
    REDIS_DEADLINE_US = 50 * 1000, /* what the real stores keep */
    TRUTH_DEADLINE_US = BENCH_DEADLINE_US + 250 * 1000,
    TICK_US = 10 * 1000,
    LATE_MAX_US = 25 * 1000, /* an answer at the deadline is that much late at most */
};

struct history {
    struct bench *bench;
    struct random random;
    int64_t newest[RELATION_COUNT][ENTITIES]; /* version that was answered, and when */
    int64_t newest_us[RELATION_COUNT][ENTITIES];
};

static struct history history;

static bool is_write(const struct ask *ask)
{
    return ask->kind == OPERATION_ADD || ask->kind == OPERATION_REMOVE;
}

static bool is_of_settings(const struct ask *ask)
{
    return ask->kind == OPERATION_STORE_SETTINGS || ask->kind == OPERATION_CLEAR_SETTINGS;
}

static bool is_poison(const struct operation *operation)
{
    return operation->user.data[0] == 'p';
}

/* The count was exactly this at its moment, as the primary remembers. */
static void check_exact(const struct ask *ask)
{
    const struct model_history *counter =
        fake_primary_history(&ask->bench->primary, ask->relation, &ask->entity);
    const struct count *count = &ask->count;
    assert_true(model_history_holds(counter, count->value, count->version, count->as_of_mono_us));
    assert_true(count->as_of_mono_us <= ask->answered_us);
    assert_int_equal(count->as_of_wall_us - count->as_of_mono_us,
                     ask->bench->now.wall_us - ask->bench->now.mono_us);
}

/* What a client was told is not taken back: within the bound, no older version follows. */
static void check_newest(const struct ask *ask)
{
    size_t entity = (size_t)(ask->entity.data[1] - '0');
    int64_t *newest = &history.newest[ask->relation->id][entity];
    int64_t *newest_us = &history.newest_us[ask->relation->id][entity];
    bool within = ask->count.as_of_mono_us >= *newest_us - COUNT_BOUND_US;
    assert_true(ask->count.version >= *newest || !within);
    if (ask->count.version >= *newest || !within) {
        *newest = ask->count.version;
        *newest_us = ask->count.as_of_mono_us;
    }
}

/* Fresh is as fresh as was asked for, stale says so, and neither is older than it may be. */
static void check_count(const struct ask *ask)
{
    int64_t as_of_us = ask->count.as_of_mono_us;
    check_exact(ask);
    if (ask->count.stale) {
        assert_true(as_of_us < ask->not_before_us || as_of_us < ask->answered_us - COUNT_BOUND_US);
        assert_true(as_of_us >= ask->answered_us - COUNT_STALE_MAX_US);
    } else {
        assert_true(as_of_us >= ask->not_before_us);
        assert_true(as_of_us >= ask->answered_us - COUNT_BOUND_US - 2 * REDIS_DEADLINE_US);
        check_newest(ask);
    }
}

/* All writes of this key that came before have been answered. */
static void check_order(const struct ask *ask)
{
    const struct bench *bench = ask->bench;
    for (size_t i = 0; i < bench->ask_count && bench->asks[i] != ask; i++) {
        const struct ask *before = bench->asks[i];
        assert_true(before->answers == 1 || before->refused || !is_write(before) ||
                    before->relation != ask->relation ||
                    !identifier_equal(&before->entity, &ask->entity) ||
                    !identifier_equal(&before->user, &ask->user));
    }
}

/* A write that was done, now or, where it repeats a key, once before. */
static void check_written(const struct ask *ask)
{
    assert_int_equal(ask->member || ask->waiting, ask->kind == OPERATION_ADD);
    assert_false(ask->member && ask->waiting);
    assert_int_equal(ask->position > 0, ask->waiting);
    assert_true(ask->relation->has_settings || !ask->waiting);
    assert_true(!ask->replayed || ask->key.size > 0);
    if (!ask->replayed) {
        assert_true(ask->executed >= 1);
        check_exact(ask);
    }
    check_order(ask);
}

/* Refused by the rules: only where there is such a rule. */
static void check_refused(const struct ask *ask)
{
    assert_true(is_write(ask) && ask->sent >= 1);
    if (ask->outcome == OUTCOME_FULL || ask->outcome == OUTCOME_CLOSED) {
        assert_int_equal(ask->kind, OPERATION_ADD);
        assert_true(ask->relation->has_settings);
        check_exact(ask);
    } else {
        assert_true(ask->key.size > 0);
    }
    check_order(ask);
}

static void check_answer(const struct ask *ask)
{
    assert_true(ask->answered_us <= ask->deadline_us + LATE_MAX_US);
    switch (ask->outcome) {
    case OUTCOME_DONE:
        if (is_write(ask)) {
            check_written(ask);
        } else if (is_of_settings(ask)) {
            assert_true(ask->executed >= 1);
            assert_int_equal(ask->settings.limited, ask->kind == OPERATION_STORE_SETTINGS);
            check_exact(ask);
        } else if (ask->kind == OPERATION_COUNT) {
            check_count(ask);
        }
        return;
    case OUTCOME_UNKNOWN:
        assert_true((is_write(ask) || is_of_settings(ask)) && ask->sent >= 1);
        return;
    case OUTCOME_FAILED:
        assert_int_equal(ask->user.data[0], 'p');
        return;
    case OUTCOME_UNAVAILABLE:
    case OUTCOME_OVERLOADED:
        return;
    case OUTCOME_FULL:
    case OUTCOME_CLOSED:
    case OUTCOME_KEY_REUSED:
    case OUTCOME_IN_FLIGHT:
        check_refused(ask);
        return;
    case OUTCOME_UNMET: /* nobody asks for a precondition */
        break;
    }
    fail();
}

/* What was said to have done nothing has done nothing, then and since. */
static void check_what_was_not_done(const struct bench *bench)
{
    for (size_t i = 0; i < bench->ask_count; i++) {
        const struct ask *ask = bench->asks[i];
        bool nothing = ask->refused || ask->outcome == OUTCOME_UNAVAILABLE ||
                       ask->outcome == OUTCOME_OVERLOADED || ask->outcome == OUTCOME_FAILED;
        assert_true(!nothing || ask->executed == 0);
    }
}

/* Few seats for few users; the window is open, or closed for good. */
static struct settings random_settings(struct history *h)
{
    return (struct settings){.limited = true,
                             .capacity = unit_below(&h->random, USERS),
                             .waitlist = unit_percent(&h->random, 50),
                             .closes = unit_percent(&h->random, 20),
                             .closes_at_us = 1};
}

/* As another process would. */
static void random_settings_behind(struct history *h)
{
    static const char *const entities[ENTITIES] = {"e0", "e1", "e2"};
    const struct settings settings = random_settings(h);
    const char *entity = entities[unit_below(&h->random, ENTITIES)];
    struct identifier id = unit_id(entity);
    bool admitted = unit_percent(&h->random, 60);
    if (admitted || fake_primary_is_admitted(&h->bench->primary, &id)) {
        fake_primary_configure(&h->bench->primary, entity, admitted ? &settings : NULL,
                               h->bench->now);
    }
}

/* Of a few that have been used, and of ones that have not, which come into use one after another.
 */
static struct idempotency_key random_key(struct history *h)
{
    char key[16];
    unsigned used = (unsigned)h->bench->ask_count / ASKS_PER_KEY;
    snprintf(key, sizeof key, "k%u", used + unit_below(&h->random, KEYS));
    return unit_key(key);
}

/* The same user's key once more, for another entity perhaps. */
static void reuse_key(struct history *h, const struct ask *first)
{
    struct ask *ask =
        bench_ask(h->bench, first->kind, unit_numbered_id("e", unit_below(&h->random, ENTITIES)),
                  first->user);
    ask->relation = first->relation;
    ask->key = first->key;
    ask->deadline_us = first->deadline_us;
    bench_submit(ask);
}

static void random_ask(struct history *h)
{
    static const enum operation_kind kinds[] = {OPERATION_ADD,
                                                OPERATION_ADD,
                                                OPERATION_ADD,
                                                OPERATION_REMOVE,
                                                OPERATION_REMOVE,
                                                OPERATION_COUNT,
                                                OPERATION_COUNT,
                                                OPERATION_FIND,
                                                OPERATION_LIST_USERS,
                                                OPERATION_LIST_ENTITIES,
                                                OPERATION_LOOKUP,
                                                OPERATION_ADD,
                                                OPERATION_ADD,
                                                OPERATION_STORE_SETTINGS,
                                                OPERATION_CLEAR_SETTINGS,
                                                OPERATION_SETTINGS,
                                                OPERATION_LIST_WAITING};
    static const int64_t bounds_us[] = {0, 1, 1000, SECONDS(0.3), SECONDS(1.5), COUNT_BOUND_US};
    struct bench *bench = h->bench;
    enum operation_kind kind = kinds[unit_below(&h->random, LENGTH(kinds))];
    const char *prefix = unit_percent(&h->random, 3) ? "p" : "u";
    struct ask *ask =
        bench_ask(bench, kind, unit_numbered_id("e", unit_below(&h->random, ENTITIES)),
                  unit_numbered_id(prefix, unit_below(&h->random, USERS)));
    ask->relation = &relations[unit_below(&h->random, RELATION_COUNT)];
    if (is_write(ask) && unit_percent(&h->random, 30)) {
        ask->key = random_key(h);
    }
    if (kind >= OPERATION_LIST_WAITING) {
        ask->relation = &relations[RELATION_RSVP];
        ask->settings = random_settings(h);
    }
    ask->not_before_us = bench->now.mono_us - bounds_us[unit_below(&h->random, LENGTH(bounds_us))];
    if (unit_percent(&h->random, 30)) {
        ask->deadline_us = bench->now.mono_us + unit_below(&h->random, BENCH_DEADLINE_US);
    }
    bench_submit(ask);
    if (ask->key.size > 0 && unit_percent(&h->random, 20)) {
        reuse_key(h, ask);
    }
}

static bool is_poisoned(const struct batch *batch)
{
    for (size_t i = 0; i < batch->size; i++) {
        if (batch->kind != OPERATION_COUNT && is_poison(batch->operations[i])) {
            return true;
        }
    }
    return false;
}

/* A batch takes effect, is lost, or ends in whatever way it can. */
static void random_flight(struct history *h)
{
    static const enum batch_outcome outcomes[] = {
        BATCH_DONE, BATCH_DONE,        BATCH_DONE,   BATCH_DONE,        BATCH_DONE,    BATCH_DONE,
        BATCH_LOST, BATCH_ROLLED_BACK, BATCH_LOCKED, BATCH_UNAVAILABLE, BATCH_REJECTED};
    struct fake_primary *primary = &h->bench->primary;
    if (primary->flight_count == 0) {
        return;
    }
    struct flight *flight =
        &primary->flights[unit_below(&h->random, (unsigned)primary->flight_count)];
    enum batch_outcome outcome = outcomes[unit_below(&h->random, LENGTH(outcomes))];
    bool poisoned = is_poisoned(flight->batch);
    bool misrouted =
        !flight->executed && fake_primary_misroutes(primary, flight->batch, h->bench->now);
    if (!flight->executed && !poisoned && !misrouted && unit_percent(&h->random, 40)) {
        fake_primary_execute(primary, flight, h->bench->now);
        return;
    }
    if (flight->executed && outcome != BATCH_LOST) {
        outcome = BATCH_DONE;
    } else if (misrouted && outcome == BATCH_DONE) {
        outcome = BATCH_MISROUTED;
    } else if (poisoned && outcome == BATCH_DONE) {
        outcome = BATCH_REJECTED;
    } else if (!poisoned && outcome == BATCH_REJECTED) {
        outcome = BATCH_LOST;
    }
    fake_primary_end(primary, flight, outcome, h->bench->now);
}

/* What takes too long is given up, as the real stores do. */
static void keep_deadlines_of_stores(struct bench *bench)
{
    struct fake_primary *primary = &bench->primary;
    for (size_t i = primary->flight_count; i-- > 0;) {
        if (bench->now.mono_us - primary->flights[i].batch->sent_at_us > TRUTH_DEADLINE_US) {
            fake_primary_end(primary, &primary->flights[i], BATCH_LOST, bench->now);
        }
    }
    while (bench->redis.read_count > 0 &&
           bench->now.mono_us - bench->redis.reads[0].since_us > REDIS_DEADLINE_US) {
        fake_redis_counts_fail(&bench->redis, bench->now);
    }
}

/* Time passes in steps as the loop's timer makes them. */
static void random_time(struct history *h)
{
    static const unsigned most_us[] = {100,   100,   5000,   5000,   5000,
                                       30000, 30000, 300000, 300000, 6000000};
    int64_t us = unit_below(&h->random, most_us[unit_below(&h->random, LENGTH(most_us))]);
    while (us > 0) {
        int64_t step_us = us < TICK_US ? us : TICK_US;
        bench_pass(h->bench, step_us);
        keep_deadlines_of_stores(h->bench);
        bench_tick(h->bench);
        us -= step_us;
    }
}

static void random_step(struct history *h)
{
    struct bench *bench = h->bench;
    unsigned choice = unit_below(&h->random, 100);
    if (choice < 35) {
        random_ask(h);
    } else if (choice < 60) {
        bench_turn(bench);
    } else if (choice < 80) {
        random_flight(h);
    } else if (choice < 86 && bench->redis.read_count > 0) {
        fake_redis_counts_answer(&bench->redis, bench->now);
    } else if (choice < 96) {
        random_time(h);
    } else if (choice < 97) {
        random_settings_behind(h);
    } else if (choice < 98) {
        bench->redis.up = unit_percent(&h->random, 60);
        bench->redis.takes = unit_percent(&h->random, 80);
    } else {
        fake_primary_set_up(&bench->primary, !bench->primary.up || unit_percent(&h->random, 80),
                            bench->now);
    }
}

/* Everything passes in the end; then each was answered exactly once, as bench_finish sees. */
static void run_history(uint64_t number, size_t *outcomes)
{
    struct history *h = &history;
    *h = (struct history){.random = unit_random(number)};
    struct bench_setup setup = {
        .pending_max = 2 + unit_below(&h->random, 60),
        .write_connections = 1 + unit_below(&h->random, 3),
        .read_connections = 1 + unit_below(&h->random, 3),
        .has_redis = unit_percent(&h->random, 70),
        .local_lifetime_us = unit_percent(&h->random, 70) ? BENCH_LOCAL_US : 0,
        .expire_keys_every_us = unit_percent(&h->random, 50) ? SECONDS(10) : 0,
    };
    h->bench = bench_create(&setup);
    h->bench->answered = check_answer;
    for (int step = 0; step < STEPS; step++) {
        random_step(h);
    }
    fake_primary_set_up(&h->bench->primary, true, h->bench->now);
    while (h->bench->redis.read_count > 0) {
        fake_redis_counts_fail(&h->bench->redis, h->bench->now);
    }
    bench_wait(h->bench, BENCH_DEADLINE_US + SECONDS(0.1));
    bench_settle(h->bench);
    check_what_was_not_done(h->bench);
    for (size_t i = 0; i < h->bench->ask_count; i++) {
        outcomes[h->bench->asks[i]->outcome] += !h->bench->asks[i]->refused;
    }
    bench_finish(h->bench);
}

static void test_random_histories(NO_STATE)
{
    size_t outcomes[OUTCOME_IN_FLIGHT + 1] = {0};
    for (uint64_t number = 0; number < HISTORIES; number++) {
        run_history(number, outcomes);
    }
    for (size_t i = 0; i < LENGTH(outcomes); i++) {
        assert_true(outcomes[i] > 0); /* else the histories are not what they should be */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_memory_while_it_is_made),
        cmocka_unit_test(test_as_many_pending_as_may_be),
        cmocka_unit_test(test_what_postgres_still_has_is_still_pending),
        cmocka_unit_test(test_one_that_is_given_back_can_be_taken_again),
        cmocka_unit_test(test_count_bound),
        cmocka_unit_test(test_only_what_acts_tells_the_count),
        cmocka_unit_test(test_counts_of_settings),
        cmocka_unit_test(test_forgetting_every_interval),
        cmocka_unit_test(test_never_forgetting),
        cmocka_unit_test(test_forgetting_again_at_once),
        cmocka_unit_test(test_one_forgets_at_a_time),
        cmocka_unit_test(test_forgetting_fails),
        cmocka_unit_test(test_forgetting_while_the_truth_is_away),
        cmocka_unit_test(test_forgetting_takes_too_long),
        cmocka_unit_test(test_no_operation_to_forget_with),
        cmocka_unit_test(test_settings_change_in_steps_within_the_deadline),
        cmocka_unit_test(test_the_rest_of_a_promotion_follows),
        cmocka_unit_test(test_a_lost_step_takes_nothing_back),
        cmocka_unit_test(test_random_histories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
