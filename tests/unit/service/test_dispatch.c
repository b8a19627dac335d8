/* Operations on their way to the primary and back: what becomes of them however a batch ends. */
#include "bench.h"
#include "bench_each.h"
#include "unit.h"

#include "rsvpd/service/dispatch.h"

static void test_results(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    static const struct {
        enum operation_kind kind;
        bool changed, member;
        int64_t count;
    } steps[] = {
        {OPERATION_LOOKUP, false, false, 0}, {OPERATION_ADD, true, true, 1},
        {OPERATION_LOOKUP, false, true, 0},  {OPERATION_ADD, false, true, 1},
        {OPERATION_REMOVE, true, false, 0},  {OPERATION_LOOKUP, false, false, 0},
        {OPERATION_REMOVE, false, false, 0},
    };
    for (size_t i = 0; i < LENGTH(steps); i++) {
        struct ask *ask = bench_ask(bench, steps[i].kind, unit_id("e"), unit_id("u"));
        bench_submit(ask);
        bench_expect_waiting(ask);
        bench_pass(bench, 1000);
        bench_end(bench, bench_pool_of(steps[i].kind), BATCH_DONE);
        bench_expect(ask, OUTCOME_DONE);
        assert_int_equal(ask->changed, steps[i].changed);
        assert_int_equal(ask->member, steps[i].member);
        assert_int_equal(ask->count.value, steps[i].count);
    }
    bench_finish(bench);
}

/* Finding says since when; a listing is a page of its own, in order, and freed with its operation.
 */
static void test_results_of_listings(NO_STATE)
{
    static const char *const users[] = {"d", "a", "c", "b"};
    struct bench *bench = bench_create(&bench_one_of_each);
    int64_t since_us = bench->now.wall_us;
    for (size_t i = 0; i < LENGTH(users); i++) {
        fake_primary_change(&bench->primary, OPERATION_ADD, &relations[RELATION_RSVP], "e",
                            users[i], bench->now);
    }
    bench_pass(bench, SECONDS(1));
    struct ask *found = bench_ask(bench, OPERATION_FIND, unit_id("e"), unit_id("c"));
    struct ask *missed = bench_ask(bench, OPERATION_FIND, unit_id("f"), unit_id("c"));
    struct ask *members = bench_ask(bench, OPERATION_LIST_USERS, unit_id("e"), unit_id("-"));
    struct ask *entities = bench_ask(bench, OPERATION_LIST_ENTITIES, unit_id("-"), unit_id("c"));
    struct ask *asks[] = {found, missed, members, entities};
    for (size_t i = 0; i < LENGTH(asks); i++) {
        bench_submit(asks[i]);
    }
    bench_end_all(bench, BATCH_LOST);
    bench_settle(bench);
    assert_true(found->member && !missed->member);
    assert_int_equal(found->created_at_us, since_us);
    assert_int_equal(members->lines, BENCH_PAGE_SIZE);
    assert_int_equal(entities->lines, 1);
    bench_finish(bench);
}

/* How operations end when their first batch ends so, and they are done if they are sent again. */
static void test_every_end_of_a_batch(NO_STATE)
{
    static const struct {
        enum batch_outcome end;
        bool again;
        enum outcome outcome;
    } cases[] = {
        {BATCH_DONE, false, OUTCOME_DONE},  {BATCH_ROLLED_BACK, true, OUTCOME_DONE},
        {BATCH_LOCKED, true, OUTCOME_DONE}, {BATCH_UNAVAILABLE, false, OUTCOME_UNAVAILABLE},
        {BATCH_LOST, true, OUTCOME_DONE},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct bench *bench = bench_create(&bench_one_of_each);
        const struct ask *asks[BENCH_KINDS];
        bench_ask_each(bench, asks);
        bench_end_all(bench, cases[i].end);
        if (cases[i].again) {
            bench_expect_each_waiting(asks);
            bench_settle(bench);
        }
        bench_expect_each(asks, cases[i].outcome, cases[i].outcome);
        bench_turn(bench);
        assert_int_equal(bench->primary.flight_count, 0);
        bench_finish(bench);
    }
}

/* An operation that is rejected when it goes alone is not sent again. */
static void test_rejected_alone(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    for (int kind = 0; kind < BENCH_KINDS; kind++) {
        const struct ask *ask = bench_ask_kind(bench, (enum operation_kind)kind);
        bench_end(bench, bench_pool_of(ask->kind), BATCH_REJECTED);
        bench_expect(ask, OUTCOME_FAILED);
        bench_turn(bench);
        assert_int_equal(bench->primary.flight_count, 0);
    }
    bench_finish(bench);
}

/* Settings that are not as the request has them stay as they are, and it is not sent again; unless
 * an earlier attempt, which was lost, may have made them so. */
static void test_an_unmet_precondition(NO_STATE)
{
    static const enum operation_kind kinds[] = {OPERATION_STORE_SETTINGS, OPERATION_CLEAR_SETTINGS};
    struct bench *bench = bench_create(&bench_usual);
    for (size_t i = 0; i < LENGTH(kinds) * 2; i++) {
        const struct ask *ask = bench_ask_kind(bench, kinds[i / 2]);
        if (i % 2 == 1) {
            bench_end(bench, POOL_WRITE, BATCH_LOST);
            bench_turn(bench);
        }
        bench_end(bench, POOL_WRITE, BATCH_UNMET);
        bench_expect(ask, i % 2 == 1 ? OUTCOME_UNKNOWN : OUTCOME_UNMET);
        bench_turn(bench);
        assert_int_equal(bench->primary.flight_count, 0);
    }
    bench_finish(bench);
}

/* After a loss nobody knows whether the write was done: what then ends badly is not known to be
 * undone. A read does nothing that could be done. */
static void test_a_bad_end_after_a_loss(NO_STATE)
{
    static const struct {
        enum batch_outcome then;
        enum outcome of_writes, of_reads;
    } cases[] = {
        {BATCH_DONE, OUTCOME_DONE, OUTCOME_DONE},
        {BATCH_REJECTED, OUTCOME_UNKNOWN, OUTCOME_FAILED},
        {BATCH_UNAVAILABLE, OUTCOME_UNKNOWN, OUTCOME_UNAVAILABLE},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct bench *bench = bench_create(&bench_one_of_each);
        const struct ask *asks[BENCH_KINDS];
        bench_ask_each(bench, asks);
        bench_end_all(bench, BATCH_LOST);
        bench_end_all(bench, BATCH_ROLLED_BACK); /* which also parts the two writes */
        bench_turn(bench);
        while (bench->primary.flight_count > 0) {
            bench_end_all(bench, cases[i].then);
            bench_turn(bench);
        }
        bench_expect_each(asks, cases[i].of_writes, cases[i].of_reads);
        bench_finish(bench);
    }
}

/* A batch that is lost after it took effect: the second time it changes nothing more. */
static void test_a_write_that_took_effect_before_it_was_lost(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    const struct ask *ask = bench_add(bench, "e", "u");
    bench_turn(bench);
    fake_primary_execute(&bench->primary, fake_primary_flight(&bench->primary, POOL_WRITE),
                         bench->now);
    bench_end(bench, POOL_WRITE, BATCH_LOST);
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    bench_expect(ask, OUTCOME_DONE);
    assert_true(ask->member);
    assert_int_equal(ask->count.value, 1);
    assert_int_equal(ask->executed, 2);
    bench_finish(bench);
}

/* ---- order ---- */

static void test_writes_of_a_key_are_answered_in_order(NO_STATE)
{
    enum { WRITES = 7 };
    struct bench *bench = bench_create(&bench_usual);
    const struct ask *asks[WRITES];
    for (size_t i = 0; i < WRITES; i++) {
        asks[i] = i % 2 == 0 ? bench_add(bench, "e", "u") : bench_remove(bench, "e", "u");
    }
    for (size_t i = 0; i < WRITES; i++) {
        bench_end(bench, POOL_WRITE, BATCH_LOST);
        bench_end(bench, POOL_WRITE, BATCH_DONE);
        bench_expect(asks[i], OUTCOME_DONE);
        assert_true(asks[i]->changed);
        assert_int_equal(asks[i]->member, i % 2 == 0);
        assert_int_equal(asks[i]->place, i + 1);
        assert_true(i + 1 == WRITES || asks[i + 1]->answers == 0);
    }
    assert_int_equal(bench->primary.batches_sent, 2 * WRITES);
    bench_finish(bench);
}

/* Also with more connections than one: the fake primary refuses a key that is under way already. */
static void test_a_key_is_on_one_connection_at_a_time(NO_STATE)
{
    struct bench_setup setup = bench_usual;
    setup.write_connections = 3;
    struct bench *bench = bench_create(&setup);
    bench_add(bench, "e", "u");
    bench_turn(bench);
    const struct ask *chained = bench_remove(bench, "e", "u");
    const struct ask *other = bench_add(bench, "e", "v");
    bench_wait(bench, BATCH_DELAY_US);
    bench_turn(bench);
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_WRITE), 2);
    fake_primary_end(&bench->primary, &bench->primary.flights[1], BATCH_DONE, bench->now);
    bench_expect(other, OUTCOME_DONE);
    bench_expect_waiting(chained);
    bench_turn(bench);
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_WRITE), 1);
    bench_settle(bench);
    bench_expect(chained, OUTCOME_DONE);
    bench_finish(bench);
}

static void test_retries_are_counted(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    bench_add(bench, "e", "u1");
    bench_add(bench, "e", "u2");
    bench_end(bench, POOL_WRITE, BATCH_LOST);
    bench_end(bench, POOL_WRITE, BATCH_REJECTED);
    bench_end(bench, POOL_WRITE, BATCH_ROLLED_BACK);
    bench_end(bench, POOL_WRITE, BATCH_ROLLED_BACK);
    bench_settle(bench);
    assert_int_equal(bench_metric(bench, METRIC_BATCH_RETRIED_LOST), 1);
    assert_int_equal(bench_metric(bench, METRIC_BATCH_SPLIT), 1);
    assert_int_equal(bench_metric(bench, METRIC_BATCH_RETRIED_ROLLED_BACK), 2);
    bench_finish(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_results_of_listings),
        cmocka_unit_test(test_every_end_of_a_batch),
        cmocka_unit_test(test_rejected_alone),
        cmocka_unit_test(test_an_unmet_precondition),
        cmocka_unit_test(test_a_bad_end_after_a_loss),
        cmocka_unit_test(test_a_write_that_took_effect_before_it_was_lost),
        cmocka_unit_test(test_writes_of_a_key_are_answered_in_order),
        cmocka_unit_test(test_a_key_is_on_one_connection_at_a_time),
        cmocka_unit_test(test_retries_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
