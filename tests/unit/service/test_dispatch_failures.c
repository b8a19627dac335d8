/* Batches that fail: what is poisonous fails alone, and what is locked lets the others pass. */
#include "bench.h"
#include "bench_each.h"
#include "unit.h"

static bool is_poison(const struct operation *operation)
{
    return operation->user.data[0] == 'p';
}

/* Ends flights as Postgres would when it can never accept some operations. */
static void settle_with_poison(struct bench *bench, enum pool pool)
{
    bench_turn(bench);
    while (fake_primary_flying(&bench->primary, pool) > 0) {
        struct flight *flight = fake_primary_flight(&bench->primary, pool);
        bool poisoned = false;
        for (size_t i = 0; i < flight->batch->size; i++) {
            poisoned = poisoned || is_poison(flight->batch->operations[i]);
        }
        fake_primary_end(&bench->primary, flight, poisoned ? BATCH_REJECTED : BATCH_DONE,
                         bench->now);
        bench_turn(bench);
    }
}

/* Submits this many, of which the poisonous ones are told by their user's first letter. Sorted by
 * the primary, they stand elsewhere in the batch than they came. */
static void ask_with_poison(struct bench *bench, enum operation_kind kind, struct ask **asks,
                            const bool *poisonous, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned number = (unsigned)bench->ask_count;
        asks[i] = bench_ask(bench, kind, unit_numbered_id("e", i * 7 % 5),
                            unit_numbered_id(poisonous[i] ? "p" : "u", number));
        bench_submit(asks[i]);
    }
}

static void expect_only_poison_to_fail(struct ask *const *asks, const bool *poisonous,
                                       unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        bench_expect(asks[i], poisonous[i] ? OUTCOME_FAILED : OUTCOME_DONE);
        assert_int_equal(asks[i]->executed, !poisonous[i] && bench_kind_writes(asks[i]->kind));
    }
}

/* At every place in batches of every size: the poisonous one fails, alone. */
static void test_one_poisonous_operation_fails_alone(NO_STATE)
{
    enum { LARGEST = 20 };
    static const enum operation_kind kinds[] = {OPERATION_ADD, OPERATION_LOOKUP};
    for (size_t k = 0; k < LENGTH(kinds); k++) {
        struct bench *bench = bench_create(&bench_usual);
        for (unsigned i = 0; i < LARGEST * LARGEST; i++) {
            unsigned size = i / LARGEST + 1, at = i % LARGEST;
            bool poisonous[LARGEST] = {false};
            struct ask *asks[LARGEST];
            size_t sent_before = bench->primary.batches_sent;
            poisonous[at] = true;
            ask_with_poison(bench, kinds[k], asks, poisonous, size);
            settle_with_poison(bench, bench_pool_of(kinds[k]));
            expect_only_poison_to_fail(asks, poisonous, size);
            /* halved each time: not one by one */
            assert_true(bench->primary.batches_sent - sent_before <= 2 * 5 + 1);
        }
        bench_finish(bench);
    }
}

static void test_several_poisonous_operations(NO_STATE)
{
    enum { COUNT = 40 };
    struct random random = unit_random(1);
    struct bench *bench = bench_create(&bench_usual);
    for (int round = 0; round < 50; round++) {
        struct ask *asks[COUNT];
        bool poisonous[COUNT];
        unsigned percent = unit_below(&random, 101);
        for (unsigned i = 0; i < COUNT; i++) {
            poisonous[i] = unit_percent(&random, percent);
        }
        ask_with_poison(bench, OPERATION_ADD, asks, poisonous, COUNT);
        settle_with_poison(bench, POOL_WRITE);
        expect_only_poison_to_fail(asks, poisonous, COUNT);
    }
    bench_finish(bench);
}

/* A loss does not put together again what was rejected: it would be rejected for ever. */
static void test_a_batch_that_was_split_stays_split(NO_STATE)
{
    struct bench_setup setup = bench_usual;
    setup.write_connections = 2;
    struct bench *bench = bench_create(&setup);
    for (unsigned i = 0; i < 8; i++) {
        bench_submit(bench_ask(bench, OPERATION_ADD, unit_id("e"), unit_numbered_id("u", i)));
    }
    bench_end_all(bench, BATCH_REJECTED);
    bench_end_all(bench, BATCH_LOST); /* both halves */
    bench_turn(bench);
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_WRITE), 2);
    assert_int_equal(bench->primary.flights[0].batch->size, 4);
    assert_int_equal(bench->primary.flights[1].batch->size, 4);
    bench_settle(bench);
    bench_finish(bench);
}

static void expect_halves(enum batch_outcome end, bool each)
{
    struct bench *bench = bench_create(&bench_usual);
    for (unsigned i = 0; i < 8; i++) {
        bench_submit(bench_ask(bench, OPERATION_ADD, unit_id("e"), unit_numbered_id("u", i)));
    }
    for (size_t size = 8; size > 1; size /= 2) {
        for (size_t part = 0; part < (each ? 8 / size : 1); part++) {
            bench_turn(bench);
            assert_int_equal(fake_primary_flight(&bench->primary, POOL_WRITE)->batch->size, size);
            bench_end(bench, POOL_WRITE, end);
        }
    }
    bench_settle(bench);
    bench_finish(bench);
}

/* Those that share a batch with a row that somebody else has locked come free of it; and each part
 * has its turn before any has its next. */
static void test_a_batch_that_fails_again_and_again_gets_smaller(NO_STATE)
{
    expect_halves(BATCH_ROLLED_BACK, false);
    expect_halves(BATCH_LOCKED, true);
}

static void expect_flying(const struct bench *bench, size_t flight, enum write_path path,
                          const char *entity, size_t size)
{
    const struct batch *batch = bench->primary.flights[flight].batch;
    const struct identifier expected = unit_id(entity);
    assert_int_equal(batch->path, path);
    assert_int_equal(batch->size, size);
    for (size_t i = 0; i < size; i++) {
        assert_true(identifier_equal(&batch->operations[i]->entity, &expected));
    }
}

/* Whoever may wait for a lock has one connection, goes by itself, and behind the others if it did
 * wait; once it is through it is one of many again. */
static void test_a_lock_on_one_entity_keeps_no_other_waiting(NO_STATE)
{
    struct bench_setup setup = bench_usual;
    setup.write_connections = 2;
    struct bench *bench = bench_create(&setup);
    bench_add(bench, "e", "u0");
    bench_add(bench, "f", "u0");
    bench_add(bench, "e", "u1");
    bench_turn(bench);
    bench_end(bench, POOL_WRITE, BATCH_LOCKED);
    bench_add(bench, "e", "u2");
    bench_add(bench, "g", "u0");
    bench_turn(bench);
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_WRITE), 2);
    expect_flying(bench, 0, PATH_CONTENDED, "e", 2);
    expect_flying(bench, 1, PATH_PLAIN, "g", 1);
    bench_end(bench, POOL_WRITE, BATCH_LOCKED);
    bench_turn(bench);
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_WRITE), 2);
    expect_flying(bench, 1, PATH_CONTENDED, "f", 1);
    bench_settle(bench);
    bench_add(bench, "e", "u0");
    bench_turn(bench);
    expect_flying(bench, 0, PATH_PLAIN, "e", 1);
    bench_settle(bench);
    bench_finish(bench);
}

/* Events with settings keep the order of each one's writes; a lock on some of them lets the others
 * pass, and each of the locked ones is tried in turn. */
static void test_a_lock_on_an_admitted_event_lets_the_others_pass(NO_STATE)
{
    static const struct {
        const char *entity;
        size_t size;
        bool short_lock_timeout;
        enum batch_outcome outcome;
    } batches[] = {
        {"e", 4, false, BATCH_LOCKED}, /* of e and f */
        {"e", 2, true, BATCH_LOCKED},  {"g", 1, false, BATCH_DONE}, {"f", 2, true, BATCH_LOCKED},
        {"e", 1, true, BATCH_LOCKED},  {"f", 1, true, BATCH_DONE},
    };
    struct settings many = {.limited = true, .capacity = 100};
    struct bench *bench = bench_create(&bench_usual);
    for (const char *id = "efg"; *id != '\0'; id++) {
        const char name[] = {*id, '\0'};
        fake_primary_configure(&bench->primary, name, &many, bench->now);
        bench_add(bench, name, "first"); /* the worker learns that it is admitted */
        bench_settle(bench);
    }
    bench_add(bench, "e", "u0");
    bench_add(bench, "f", "u0");
    bench_add(bench, "e", "u1");
    bench_add(bench, "f", "u1");
    for (size_t i = 0; i < LENGTH(batches); i++) {
        bench_turn(bench);
        const struct batch *batch = bench->primary.flights[0].batch;
        struct identifier expected = unit_id(batches[i].entity);
        assert_int_equal(fake_primary_flying(&bench->primary, POOL_WRITE), 1);
        assert_int_equal(batch->size, batches[i].size);
        assert_int_equal(batch->short_lock_timeout, batches[i].short_lock_timeout);
        assert_true(identifier_equal(&batch->operations[0]->entity, &expected));
        bench_end(bench, POOL_WRITE, batches[i].outcome);
        if (i == 0) {
            bench_add(bench, "g", "u0");
        }
    }
    bench_settle(bench);
    bench_finish(bench);
}

/* Who finds nothing to change waits for no lock, and so cannot tell that there is none. */
static void test_only_a_change_shows_that_a_lock_is_gone(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    bench_add(bench, "e", "u0");
    bench_settle(bench);
    bench_add(bench, "e", "u0");
    bench_turn(bench);
    bench_end(bench, POOL_WRITE, BATCH_LOCKED);
    bench_settle(bench);
    bench_add(bench, "e", "u1");
    bench_turn(bench);
    expect_flying(bench, 0, PATH_CONTENDED, "e", 1);
    bench_settle(bench);
    bench_add(bench, "e", "u2");
    bench_turn(bench);
    expect_flying(bench, 0, PATH_PLAIN, "e", 1);
    bench_settle(bench);
    bench_finish(bench);
}

/* Nothing of a batch is sent again of which nobody knows, and its writes say so. */
static void test_what_is_not_known_is_not_sent_again(NO_STATE)
{
    for (int executed = 0; executed <= 1; executed++) {
        struct bench *bench = bench_create(&bench_usual);
        const struct ask *write = bench_add(bench, "e", "u");
        bench_turn(bench);
        if (executed == 1) {
            fake_primary_execute(&bench->primary, fake_primary_flight(&bench->primary, POOL_WRITE),
                                 bench->now);
        }
        bench_end(bench, POOL_WRITE, BATCH_UNSURE);
        bench_expect(write, OUTCOME_UNKNOWN);
        const struct ask *lookup = bench_lookup(bench, "e", "u");
        bench_turn(bench);
        bench_end(bench, POOL_READ, BATCH_UNSURE);
        bench_expect(lookup, OUTCOME_UNAVAILABLE);
        assert_int_equal(bench->primary.batches_sent, 2);
        bench_finish(bench);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_poisonous_operation_fails_alone),
        cmocka_unit_test(test_several_poisonous_operations),
        cmocka_unit_test(test_a_batch_that_was_split_stays_split),
        cmocka_unit_test(test_a_batch_that_fails_again_and_again_gets_smaller),
        cmocka_unit_test(test_a_lock_on_one_entity_keeps_no_other_waiting),
        cmocka_unit_test(test_a_lock_on_an_admitted_event_lets_the_others_pass),
        cmocka_unit_test(test_only_a_change_shows_that_a_lock_is_gone),
        cmocka_unit_test(test_what_is_not_known_is_not_sent_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
