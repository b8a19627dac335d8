/* The engine as a whole: its pool, and random histories in which everything that can go wrong does.
 */
#include "bench.h"
#include "unit.h"

#include "rsvpd/domain/count_cache.h"

static void test_as_many_pending_as_may_be(void **state)
{
    struct bench_setup setup = bench_usual;
    setup.pending_max = 3;
    struct bench *bench = bench_create(&setup);
    (void)state;
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
static void test_what_postgres_still_has_is_still_pending(void **state)
{
    struct bench_setup setup = bench_usual;
    setup.pending_max = 1;
    struct bench *bench = bench_create(&setup);
    (void)state;
    bench_add(bench, "e", "u");
    bench_turn(bench);
    bench_wait(bench, BENCH_DEADLINE_US + SECONDS(0.03));
    assert_true(bench_add(bench, "e", "u")->refused);
    bench_end(bench, LANE_WRITE, BATCH_DONE);
    assert_false(bench_add(bench, "e", "u")->refused);
    bench_finish(bench);
}

static void test_one_that_is_given_back_can_be_taken_again(void **state)
{
    struct bench_setup setup = bench_usual;
    setup.pending_max = 1;
    struct bench *bench = bench_create(&setup);
    (void)state;
    struct operation *taken = service_take(bench->service);
    assert_non_null(taken);
    assert_null(service_take(bench->service));
    service_give_back(bench->service, taken);
    bench_finish(bench);
}

/* The bound that a request sets, less what a cache in front may add, and at most the service's. */
static void test_count_bound(void **state)
{
    static const struct {
        int64_t max_stale_ms, cache_us, bound_us;
    } cases[] = {
        {5000, SECONDS(1), SECONDS(4)}, {5000, 0, SECONDS(4)}, {4000, 0, SECONDS(4)},
        {4999, SECONDS(1), 3999000},    {3999, 0, 3999000},    {1000, SECONDS(1), 0},
        {1001, SECONDS(1), 1000},       {1, 0, 1000},          {0, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        assert_int_equal(service_count_bound_us(cases[i].max_stale_ms, cases[i].cache_us),
                         cases[i].bound_us);
    }
    assert_int_equal(COUNT_BOUND_US, SECONDS(4));
}

/* ---- random histories ---- */

enum {
    HISTORIES = 60,
    STEPS = 3000,
    ENTITIES = 3,
    USERS = 4,
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

static bool is_poison(const struct operation *operation)
{
    return operation->user.data[0] == 'p';
}

/* The count was exactly this at its moment, as the truth remembers. */
static void check_exact(const struct ask *ask)
{
    const struct counter *counter =
        fake_truth_counter(&ask->bench->truth, ask->relation, &ask->entity);
    const struct count *count = &ask->count;
    assert_true(count->version >= 0 && (size_t)count->version < counter->versions);
    const struct reading *at = &counter->at[count->version];
    bool last = (size_t)count->version + 1 == counter->versions;
    assert_int_equal(count->value, at->value);
    assert_true(count->as_of_mono_us >= at->since_us);
    assert_true(last || count->as_of_mono_us <= at[1].since_us);
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

static void check_answer(const struct ask *ask)
{
    assert_true(ask->answered_us <= ask->deadline_us + LATE_MAX_US);
    switch (ask->outcome) {
    case OUTCOME_DONE:
        if (is_write(ask)) {
            assert_true(ask->executed >= 1);
            assert_int_equal(ask->member, ask->kind == OPERATION_ADD);
            check_exact(ask);
            check_order(ask);
        } else if (ask->kind == OPERATION_COUNT) {
            check_count(ask);
        }
        return;
    case OUTCOME_UNKNOWN:
        assert_true(is_write(ask) && ask->sent >= 1);
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
        break; /* nothing here has settings or keys */
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

static void random_ask(struct history *h)
{
    static const enum operation_kind kinds[] = {
        OPERATION_ADD,        OPERATION_ADD,           OPERATION_ADD,   OPERATION_REMOVE,
        OPERATION_REMOVE,     OPERATION_COUNT,         OPERATION_COUNT, OPERATION_FIND,
        OPERATION_LIST_USERS, OPERATION_LIST_ENTITIES, OPERATION_LOOKUP};
    static const int64_t bounds_us[] = {0, 1, 1000, SECONDS(0.3), SECONDS(1.5), COUNT_BOUND_US};
    struct bench *bench = h->bench;
    enum operation_kind kind = kinds[unit_below(&h->random, LENGTH(kinds))];
    const char *prefix = unit_percent(&h->random, 3) ? "p" : "u";
    struct ask *ask =
        bench_ask(bench, kind, unit_numbered_id("e", unit_below(&h->random, ENTITIES)),
                  unit_numbered_id(prefix, unit_below(&h->random, USERS)));
    ask->relation = &relations[unit_below(&h->random, RELATION_COUNT)];
    ask->not_before_us = bench->now.mono_us - bounds_us[unit_below(&h->random, LENGTH(bounds_us))];
    if (unit_percent(&h->random, 30)) {
        ask->deadline_us = bench->now.mono_us + unit_below(&h->random, BENCH_DEADLINE_US);
    }
    bench_submit(ask);
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
        BATCH_DONE, BATCH_DONE, BATCH_DONE,        BATCH_DONE,        BATCH_DONE,
        BATCH_DONE, BATCH_LOST, BATCH_ROLLED_BACK, BATCH_UNAVAILABLE, BATCH_REJECTED};
    struct fake_truth *truth = &h->bench->truth;
    if (truth->flight_count == 0) {
        return;
    }
    struct flight *flight = &truth->flights[unit_below(&h->random, (unsigned)truth->flight_count)];
    enum batch_outcome outcome = outcomes[unit_below(&h->random, LENGTH(outcomes))];
    bool poisoned = is_poisoned(flight->batch);
    if (!flight->executed && !poisoned && unit_percent(&h->random, 40)) {
        fake_truth_execute(truth, flight, h->bench->now);
        return;
    }
    if (flight->executed && outcome != BATCH_LOST) {
        outcome = BATCH_DONE;
    } else if (poisoned && outcome == BATCH_DONE) {
        outcome = BATCH_REJECTED;
    } else if (!poisoned && outcome == BATCH_REJECTED) {
        outcome = BATCH_LOST;
    }
    fake_truth_end(truth, flight, outcome, h->bench->now);
}

/* What takes too long is given up, as the real stores do. */
static void keep_deadlines_of_stores(struct bench *bench)
{
    struct fake_truth *truth = &bench->truth;
    for (size_t i = truth->flight_count; i-- > 0;) {
        if (bench->now.mono_us - truth->flights[i].batch->sent_at_us > TRUTH_DEADLINE_US) {
            fake_truth_end(truth, &truth->flights[i], BATCH_LOST, bench->now);
        }
    }
    while (bench->shared.read_count > 0 &&
           bench->now.mono_us - bench->shared.reads[0].since_us > REDIS_DEADLINE_US) {
        fake_shared_fail(&bench->shared, bench->now);
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
    } else if (choice < 86 && bench->shared.read_count > 0) {
        fake_shared_answer(&bench->shared, bench->now);
    } else if (choice < 96) {
        random_time(h);
    } else if (choice < 98) {
        bench->shared.up = unit_percent(&h->random, 60);
        bench->shared.takes = unit_percent(&h->random, 80);
    } else {
        fake_truth_set_up(&bench->truth, !bench->truth.up || unit_percent(&h->random, 80),
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
        .redis = unit_percent(&h->random, 70),
        .local_lifetime_us = unit_percent(&h->random, 70) ? BENCH_LOCAL_US : 0,
    };
    h->bench = bench_create(&setup);
    h->bench->answered = check_answer;
    for (int step = 0; step < STEPS; step++) {
        random_step(h);
    }
    fake_truth_set_up(&h->bench->truth, true, h->bench->now);
    while (h->bench->shared.read_count > 0) {
        fake_shared_fail(&h->bench->shared, h->bench->now);
    }
    bench_wait(h->bench, BENCH_DEADLINE_US + SECONDS(0.1));
    bench_settle(h->bench);
    check_what_was_not_done(h->bench);
    for (size_t i = 0; i < h->bench->ask_count; i++) {
        outcomes[h->bench->asks[i]->outcome] += !h->bench->asks[i]->refused;
    }
    bench_finish(h->bench);
}

static void test_random_histories(void **state)
{
    size_t outcomes[OUTCOME_FAILED + 1] = {0};
    (void)state;
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
        cmocka_unit_test(test_as_many_pending_as_may_be),
        cmocka_unit_test(test_what_postgres_still_has_is_still_pending),
        cmocka_unit_test(test_one_that_is_given_back_can_be_taken_again),
        cmocka_unit_test(test_count_bound),
        cmocka_unit_test(test_random_histories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
