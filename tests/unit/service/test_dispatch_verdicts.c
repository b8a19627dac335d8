/* What the rules say to single operations of a batch: seats, windows and idempotency keys. */
#include "bench.h"
#include "bench_each.h"
#include "unit.h"

static void test_seats_and_places(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    bench_configure(bench, "e", 1, true);
    bench_settle(bench);
    const struct ask *in = bench_add(bench, "e", "z");
    const struct ask *first = bench_add(bench, "e", "y");  /* in the order of arrival, */
    const struct ask *second = bench_add(bench, "e", "x"); /* and not of users */
    bench_settle(bench);
    bench_expect(first, OUTCOME_DONE);
    assert_true(in->member && !in->waiting && !first->member && !second->member);
    assert_true(first->waiting && second->waiting && first->changed);
    assert_int_equal(first->position, 1);
    assert_int_equal(second->position, 2);
    const struct ask *settings = bench_ask_kind(bench, OPERATION_SETTINGS);
    const struct ask *waiting = bench_ask_kind(bench, OPERATION_LIST_WAITING);
    bench_settle(bench);
    assert_int_equal(settings->settings.capacity, 1);
    assert_int_equal(settings->waiting_count, 2);
    assert_int_equal(waiting->lines, 2);
    bench_remove(bench, "e", "z");
    bench_settle(bench);
    const struct ask *moved = bench_lookup(bench, "e", "y");
    const struct ask *waits = bench_lookup(bench, "e", "x");
    bench_settle(bench);
    assert_true(moved->member && !moved->waiting && !waits->member && waits->waiting);
    bench_finish(bench);
}

enum { RULE_CASES = 8 };

/* Asks each in turn for what is against the rules, in a batch with ones that are not; if `lost`, it
 * takes effect once and nobody hears of it. */
static void expect_verdicts(bool lost, const enum outcome outcomes[RULE_CASES])
{
    struct settings full = {.limited = true, .capacity = 0};
    struct settings closed = {.closes = true, .closes_at_us = 1};
    struct bench *bench = bench_create(&bench_usual);
    fake_primary_configure(&bench->primary, "full", &full, bench->now);
    fake_primary_configure(&bench->primary, "closed", &closed, bench->now);
    fake_primary_configure(&bench->primary, "open", &bench_ten_seats, bench->now);
    bench_add_keyed(bench, "open", "u", "used");
    bench_remove(bench, "full", "nobody");
    bench_remove(bench, "closed", "nobody");
    bench_settle(bench); /* all three are known to be admitted by now */
    struct ask *asks[] = {
        bench_add(bench, "full", "u"),
        bench_add(bench, "closed", "u"),
        bench_remove_keyed(bench, "open", "u", "used"),
        bench_add_keyed(bench, "open", "v", "new"),
        bench_add_keyed(bench, "full", "v", "new"),
        bench_add(bench, "open", "w"),
        bench_add_keyed(bench, "full", "x", "not kept"),
        bench_add_keyed(bench, "open", "x", "not kept"),
    };
    assert_int_equal(LENGTH(asks), RULE_CASES);
    for (int i = 0; i < 2 + lost;
         i++) { /* the verdicts of attempts that are not done are nobody's */
        assert_int_equal(bench_sent_batch(bench)->size, LENGTH(asks));
        if (i == 2) {
            fake_primary_execute(&bench->primary, fake_primary_flight(&bench->primary, POOL_WRITE),
                                 bench->now);
        }
        bench_end(bench, POOL_WRITE, i == 2 ? BATCH_LOST : BATCH_MISROUTED);
        for (size_t j = 0; j < LENGTH(asks); j++) {
            bench_expect_waiting(asks[j]);
        }
    }
    bench_settle(bench);
    for (size_t i = 0; i < LENGTH(asks); i++) {
        bench_expect(asks[i], outcomes[i]);
        assert_false(asks[i]->member &&
                     (outcomes[i] == OUTCOME_FULL || outcomes[i] == OUTCOME_CLOSED));
        assert_true(outcomes[i] == OUTCOME_DONE || asks[i]->executed == 0);
    }
    assert_true(asks[3]->changed);
    assert_int_equal(asks[3]->replayed, lost); /* by the attempt that was lost */
    bench_finish(bench);
}

static void test_verdicts(NO_STATE)
{
    static const enum outcome outcomes[RULE_CASES] = {
        OUTCOME_FULL,      OUTCOME_CLOSED, OUTCOME_KEY_REUSED, OUTCOME_DONE,
        OUTCOME_IN_FLIGHT, OUTCOME_DONE,   OUTCOME_FULL,       OUTCOME_IN_FLIGHT};
    expect_verdicts(false, outcomes);
}

/* What is against the rules now may have been done when they were others; and what another request
 * has the key of, before an erasure forgot it. */
static void test_verdicts_after_a_lost_attempt(NO_STATE)
{
    static const enum outcome outcomes[RULE_CASES] = {
        OUTCOME_UNKNOWN, OUTCOME_UNKNOWN, OUTCOME_UNKNOWN, OUTCOME_DONE,
        OUTCOME_UNKNOWN, OUTCOME_DONE,    OUTCOME_UNKNOWN, OUTCOME_UNKNOWN};
    expect_verdicts(true, outcomes);
}

/* An attempt that was lost may have been done: then no end but a good one is certain, whatever the
 * verdict of that attempt was. */
static void test_a_verdict_of_a_batch_that_is_not_done(NO_STATE)
{
    static const enum batch_outcome ends[] = {BATCH_UNAVAILABLE, BATCH_REJECTED};
    struct settings full = {.limited = true, .capacity = 0};
    for (size_t i = 0; i < LENGTH(ends); i++) {
        struct bench *bench = bench_create(&bench_usual);
        fake_primary_configure(&bench->primary, "e", &full, bench->now);
        bench_remove(bench, "e", "u");
        bench_settle(bench);
        const struct ask *ask = bench_add(bench, "e", "u");
        bench_turn(bench);
        fake_primary_execute(&bench->primary, fake_primary_flight(&bench->primary, POOL_WRITE),
                             bench->now);
        bench_end(bench, POOL_WRITE, BATCH_LOST);
        bench_end(bench, POOL_WRITE, ends[i]);
        bench_expect(ask, OUTCOME_UNKNOWN);
        bench_finish(bench);
    }
}

/* The first answer again, whatever has happened since; and the key is the user's own. */
static void test_repeats_of_a_key(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    const struct ask *first = bench_add_keyed(bench, "e", "u", "k");
    bench_settle(bench);
    bench_remove(bench, "e", "u");
    bench_settle(bench);
    const struct ask *again = bench_add_keyed(bench, "e", "u", "k");
    const struct ask *other_user = bench_add_keyed(bench, "e", "v", "k");
    bench_settle(bench);
    bench_expect(again, OUTCOME_DONE);
    assert_true(!first->replayed && again->replayed && !other_user->replayed);
    assert_true(again->changed && again->member);
    assert_int_equal(again->count.value, first->count.value);
    assert_int_equal(again->executed, 0);
    const struct ask *other_entity = bench_add_keyed(bench, "f", "u", "k");
    bench_settle(bench);
    bench_expect(other_entity, OUTCOME_KEY_REUSED);
    const struct ask *lookup = bench_lookup(bench, "e", "u");
    bench_settle(bench);
    assert_false(lookup->member);
    bench_finish(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seats_and_places),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_verdicts_after_a_lost_attempt),
        cmocka_unit_test(test_a_verdict_of_a_batch_that_is_not_done),
        cmocka_unit_test(test_repeats_of_a_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
