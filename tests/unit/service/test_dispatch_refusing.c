/* What is refused while the primary is away, or cannot answer in time. */
#include "bench.h"
#include "bench_each.h"
#include "unit.h"

static void test_refused_while_the_primary_is_unavailable(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    fake_primary_set_up(&bench->primary, false, bench->now);
    bench->redis.up = false;
    for (int kind = 0; kind < BENCH_KINDS; kind++) { /* at once */
        bench_expect(bench_ask_kind(bench, (enum operation_kind)kind), OUTCOME_UNAVAILABLE);
    }
    bench_turn(bench);
    assert_int_equal(bench->primary.batches_sent, 0);
    assert_true(bench_metric(bench, METRIC_REFUSED_UNAVAILABLE) >= 3);
    fake_primary_set_up(&bench->primary, true, bench->now);
    const struct ask *ask = bench_add(bench, "e", "u");
    bench_settle(bench);
    bench_expect(ask, OUTCOME_DONE);
    bench_finish(bench);
}

/* When the primary goes: what was never sent is refused at once; a write that was sent may have
 * been done and can still be told on a new connection; a read goes as one that was never sent. */
static void test_what_waits_when_the_primary_goes(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    const struct ask *sent = bench_add(bench, "e", "sent");
    const struct ask *sent_read = bench_lookup(bench, "e", "u");
    bench_turn(bench);
    const struct ask *waiting = bench_add(bench, "e", "waiting");
    const struct ask *waiting_twice = bench_remove(bench, "e", "waiting");
    const struct ask *waiting_read = bench_lookup(bench, "e", "u");
    fake_primary_set_up(&bench->primary, false, bench->now);
    bench_expect_waiting(sent);
    bench_expect(sent_read, OUTCOME_UNAVAILABLE);
    bench_expect(waiting, OUTCOME_UNAVAILABLE);
    bench_expect(waiting_twice, OUTCOME_UNAVAILABLE);
    bench_expect(waiting_read, OUTCOME_UNAVAILABLE);
    assert_true(waiting->place < waiting_twice->place);
    bench_turn(bench);
    fake_primary_set_up(&bench->primary, true, bench->now);
    bench_settle(bench);
    bench_expect(sent, OUTCOME_DONE);
    assert_int_equal(waiting->executed + waiting_twice->executed, 0);
    bench_finish(bench);
}

/* Writes that wait, or come, are refused at once; reads go on. */
static void test_a_primary_that_is_read_only_is_read(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    const struct ask *sent = bench_add(bench, "e", "sent");
    bench_turn(bench);
    const struct ask *waiting = bench_add(bench, "e", "waiting");
    const struct ask *chained = bench_remove(bench, "e", "sent");
    const struct ask *read = bench_lookup(bench, "e", "u");
    fake_primary_set_read_only(&bench->primary, true, bench->now);
    bench_expect(waiting, OUTCOME_UNAVAILABLE);
    bench_expect(chained, OUTCOME_UNAVAILABLE);
    bench_expect_waiting(read);
    bench_expect(bench_add(bench, "e", "late"), OUTCOME_UNAVAILABLE);
    bench_expect(bench_configure(bench, "e", 1, true), OUTCOME_UNAVAILABLE);
    const struct ask *count = bench_count(bench, "e", 0);
    bench_settle(bench);
    bench_expect(sent, OUTCOME_DONE);
    bench_expect(read, OUTCOME_DONE);
    bench_expect(count, OUTCOME_DONE);
    fake_primary_set_read_only(&bench->primary, false, bench->now);
    const struct ask *again = bench_add(bench, "e", "again");
    bench_settle(bench);
    bench_expect(again, OUTCOME_DONE);
    bench_finish(bench);
}

/* On every path, and settings: what was never sent is refused at once. */
static void test_what_waits_on_any_path_when_the_primary_goes(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    bench_configure(bench, "e", 10, false);
    bench_settle(bench);
    const struct ask *sent = bench_add(bench, "e", "sent");
    bench_turn(bench);
    const struct ask *waiting[] = {
        bench_add(bench, "f", "u"),           bench_add_keyed(bench, "f", "v", "k"),
        bench_add(bench, "e", "u"),           bench_add_keyed(bench, "e", "v", "k2"),
        bench_configure(bench, "f", 1, true), bench_release(bench, "e"),
    };
    fake_primary_set_up(&bench->primary, false, bench->now);
    for (size_t i = 0; i < LENGTH(waiting); i++) {
        bench_expect(waiting[i], OUTCOME_UNAVAILABLE);
    }
    bench_expect_waiting(sent);
    fake_primary_set_up(&bench->primary, true, bench->now);
    bench_settle(bench);
    bench_expect(sent, OUTCOME_DONE);
    bench_finish(bench);
}

/* The process was held up (a paused machine, say); then a request comes in. */
static void test_a_write_after_a_pause_has_all_of_its_time(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    bench_tick(bench);
    bench_pass(bench, SECONDS(3));
    const struct ask *ask = bench_add(bench, "e", "u");
    bench_turn(bench);
    bench_tick(bench);
    bench_expect_waiting(ask);
    bench_finish(bench);
}

/* What waits behind a write that was sent was never sent itself. */
static void test_what_is_chained_when_the_primary_goes(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    const struct ask *sent = bench_add(bench, "e", "u");
    bench_turn(bench);
    const struct ask *behind = bench_remove(bench, "e", "u");
    fake_primary_set_up(&bench->primary, false, bench->now);
    bench_expect_waiting(sent);
    bench_expect(behind, OUTCOME_UNAVAILABLE);
    bench_finish(bench);
}

static void test_nothing_is_refused_when_the_primary_comes_back(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    const struct ask *ask = bench_add(bench, "e", "u");
    fake_primary_set_up(&bench->primary, true, bench->now);
    bench_expect_waiting(ask);
    bench_finish(bench);
}

static const struct ask *ask_in_haste(struct bench *bench, const char *user)
{
    struct ask *ask = bench_ask(bench, OPERATION_ADD, unit_id("e"), unit_id(user));
    ask->deadline_us = bench->now.mono_us + SECONDS(1);
    bench_submit(ask);
    return ask;
}

/* The primary gets so slow that a queue cannot be worked off in time: who comes last is refused,
 * who comes when the queue is empty is let in and finds out. */
static void test_what_cannot_be_answered_in_time_is_refused(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    for (int i = 0; i < 40; i++) { /* every batch takes 0.8 s */
        bench_add(bench, "e", "u");
        bench_turn(bench);
        bench_wait(bench, SECONDS(0.8));
        bench_end(bench, POOL_WRITE, BATCH_DONE);
    }
    bench_expect_waiting(ask_in_haste(bench, "first"));
    bench_turn(bench);
    const struct ask *hasty = ask_in_haste(bench, "hasty");
    bench_expect(hasty, OUTCOME_OVERLOADED);
    assert_int_equal(bench_metric(bench, METRIC_REFUSED_OVERLOAD), 1);
    const struct ask *patient = bench_add(bench, "e", "patient");
    bench_expect_waiting(patient);
    const struct ask *read = bench_lookup(bench, "e", "u"); /* the other pool is fast */
    bench_expect_waiting(read);
    bench_settle(bench);
    bench_expect(patient, OUTCOME_DONE);
    assert_int_equal(hasty->sent, 0);
    for (int i = 0; i < 40; i++) { /* fast again */
        bench_add(bench, "e", "u");
        bench_turn(bench);
        bench_wait(bench, 1000);
        bench_end(bench, POOL_WRITE, BATCH_DONE);
    }
    bench_add(bench, "e", "first");
    bench_expect_waiting(ask_in_haste(bench, "hasty"));
    bench_finish(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_while_the_primary_is_unavailable),
        cmocka_unit_test(test_what_waits_when_the_primary_goes),
        cmocka_unit_test(test_what_waits_on_any_path_when_the_primary_goes),
        cmocka_unit_test(test_a_write_after_a_pause_has_all_of_its_time),
        cmocka_unit_test(test_what_is_chained_when_the_primary_goes),
        cmocka_unit_test(test_a_primary_that_is_read_only_is_read),
        cmocka_unit_test(test_nothing_is_refused_when_the_primary_comes_back),
        cmocka_unit_test(test_what_cannot_be_answered_in_time_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
