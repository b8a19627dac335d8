/* Deadlines of operations that dispatch has: on their way, behind others, and with the primary. */
#include "bench.h"
#include "bench_each.h"
#include "unit.h"

/* What is said at the deadline; and that the batch may then still end in any way without a second
 * answer. */
static void test_the_deadline_of_what_was_sent(NO_STATE)
{
    static const enum batch_outcome ends[] = {BATCH_DONE,     BATCH_ROLLED_BACK, BATCH_LOCKED,
                                              BATCH_REJECTED, BATCH_UNAVAILABLE, BATCH_LOST};
    for (size_t i = 0; i < LENGTH(ends); i++) {
        struct bench *bench = bench_create(&bench_one_of_each);
        const struct ask *asks[BENCH_KINDS];
        bench_ask_each(bench, asks);
        bench_turn(bench);
        bench_wait(bench, BENCH_DEADLINE_US);
        bench_expect_each_waiting(asks);
        bench_wait(bench, SECONDS(0.03));
        bench_expect_each(asks, OUTCOME_UNKNOWN, OUTCOME_UNAVAILABLE);
        bench_end_all(bench, ends[i]);
        bench_turn(bench);
        assert_int_equal(bench->primary.flight_count, 0); /* nobody wants it any more */
        bench_finish(bench);
    }
}

static void test_the_deadline_of_what_was_never_sent(NO_STATE)
{
    struct bench *bench = bench_create(&bench_one_of_each);
    const struct ask *asks[BENCH_KINDS];
    bench_ask_each(bench, asks);
    bench_wait(bench, BENCH_DEADLINE_US + SECONDS(0.03));
    bench_expect_each(asks, OUTCOME_UNAVAILABLE, OUTCOME_UNAVAILABLE);
    bench_turn(bench);
    assert_int_equal(bench->primary.batches_sent, 0);
    bench_finish(bench);
}

/* A write that was rolled back was not done; one that was lost may have been. */
static void test_the_deadline_of_what_waits_to_go_again(NO_STATE)
{
    static const struct {
        enum batch_outcome end;
        enum outcome of_writes;
    } cases[] = {
        {BATCH_ROLLED_BACK, OUTCOME_UNAVAILABLE},
        {BATCH_LOCKED, OUTCOME_UNAVAILABLE},
        {BATCH_LOST, OUTCOME_UNKNOWN},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct bench *bench = bench_create(&bench_one_of_each);
        const struct ask *asks[BENCH_KINDS];
        bench_ask_each(bench, asks);
        bench_end_all(bench, cases[i].end);
        bench_wait(bench, BENCH_DEADLINE_US + SECONDS(0.03));
        bench_expect_each(asks, cases[i].of_writes, OUTCOME_UNAVAILABLE);
        bench_finish(bench);
    }
}

/* The second write of a key waits for the first, which is with Postgres past both deadlines. */
static void test_the_deadline_of_what_is_chained(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    const struct ask *first = bench_add(bench, "e", "u");
    const struct ask *second = bench_remove(bench, "e", "u");
    const struct ask *third = bench_add(bench, "e", "u");
    bench_turn(bench);
    bench_wait(bench, BENCH_DEADLINE_US + SECONDS(0.03));
    bench_expect(first, OUTCOME_UNKNOWN);
    bench_expect(second, OUTCOME_UNAVAILABLE);
    bench_expect(third, OUTCOME_UNAVAILABLE);
    const struct ask *fourth = bench_remove(bench, "e", "u");
    bench_turn(bench);
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_WRITE), 1);
    bench_end(bench, POOL_WRITE, BATCH_DONE); /* the first, at last */
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    bench_expect(fourth, OUTCOME_DONE);
    assert_true(fourth->changed);
    assert_int_equal(first->executed, 1);
    assert_int_equal(second->executed + third->executed, 0);
    bench_finish(bench);
}

/* Those who were answered meanwhile do not go again with those who were not. */
static void test_who_is_answered_is_not_sent_again(NO_STATE)
{
    static const enum batch_outcome ends[] = {BATCH_LOST, BATCH_ROLLED_BACK, BATCH_LOCKED,
                                              BATCH_REJECTED, BATCH_MISROUTED};
    for (size_t i = 0; i < LENGTH(ends); i++) {
        struct bench *bench = bench_create(&bench_usual);
        struct ask *early = bench_ask(bench, OPERATION_ADD, unit_id("e"), unit_id("early"));
        early->deadline_us = bench->now.mono_us + SECONDS(0.5);
        bench_submit(early);
        const struct ask *behind = bench_remove(bench, "e", "early");
        const struct ask *late = bench_add(bench, "e", "late");
        bench_turn(bench);
        bench_wait(bench, SECONDS(0.6));
        bench_expect(early, OUTCOME_UNKNOWN);
        bench_expect_waiting(late);
        bench_end(bench, POOL_WRITE, ends[i]);
        bench_turn(bench);
        bench_settle(bench);
        bench_expect(late, OUTCOME_DONE);
        bench_expect(behind, OUTCOME_DONE);
        assert_int_equal(early->sent, 1);
        assert_int_equal(early->executed, 0);
        bench_finish(bench);
    }
}

static void test_expired_requests_are_counted(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    bench_add(bench, "e", "u");
    bench_add(bench, "e", "u");
    bench_lookup(bench, "e", "u");
    bench_wait(bench, BENCH_DEADLINE_US + SECONDS(0.03));
    assert_int_equal(bench_metric(bench, METRIC_EXPIRED), 3);
    bench_finish(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_deadline_of_what_was_sent),
        cmocka_unit_test(test_the_deadline_of_what_was_never_sent),
        cmocka_unit_test(test_the_deadline_of_what_waits_to_go_again),
        cmocka_unit_test(test_the_deadline_of_what_is_chained),
        cmocka_unit_test(test_who_is_answered_is_not_sent_again),
        cmocka_unit_test(test_expired_requests_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
