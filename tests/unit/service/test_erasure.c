/* Erasure of a user by the removals that it consists of. */
#include "bench.h"
#include "unit.h"

#include "rsvpd/service/operations.h"

static struct ask *erase(struct bench *bench, const char *user)
{
    struct ask *ask =
        bench_ask(bench, OPERATION_ERASE, (struct identifier){.size = 0}, unit_id(user));
    bench_submit(ask);
    return ask;
}

/* One of each for the user "gone", in the seat of the one who waits behind. */
static void make_one_of_each(struct bench *bench)
{
    bench_configure(bench, "full", 1, true);
    bench_configure(bench, "queue", 1, true);
    bench_settle(bench);
    bench_add_keyed(bench, "full", "gone", "k1");
    bench_add(bench, "queue", "stays");
    bench_settle(bench);
    bench_add(bench, "full", "next");
    bench_add_keyed(bench, "queue", "gone", "k2");
    bench_add(bench, "open", "gone");
    struct ask *like = bench_ask(bench, OPERATION_ADD, unit_id("post"), unit_id("gone"));
    like->relation = &relations[RELATION_LIKE];
    bench_submit(like);
    bench_settle(bench);
}

static void expect_erased(const struct ask *ask, int64_t rsvps, int64_t likes, int64_t waits,
                          int64_t keys, bool complete)
{
    bench_expect(ask, OUTCOME_DONE);
    assert_int_equal(ask->erasure.memberships_erased[RELATION_RSVP], rsvps);
    assert_int_equal(ask->erasure.memberships_erased[RELATION_LIKE], likes);
    assert_int_equal(ask->erasure.waits_erased, waits);
    assert_int_equal(ask->erasure.keys_erased, keys);
    assert_int_equal(ask->erasure.complete, complete);
}

static void test_everything_goes(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    make_one_of_each(bench);
    const struct ask *first = erase(bench, "gone");
    bench_settle(bench);
    expect_erased(first, 2, 1, 1, 2, true);
    const struct ask *again = erase(bench, "gone");
    const struct ask *next = bench_lookup(bench, "full", "next"); /* the seat was given on */
    const struct ask *stays = bench_lookup(bench, "queue", "stays");
    bench_settle(bench);
    expect_erased(again, 0, 0, 0, 0, true);
    assert_true(next->member && stays->member);
    bench_finish(bench);
}

/* More lines than there are operations to be had: page by page. */
static void test_more_than_a_page(NO_STATE)
{
    enum { MANY = 100 };
    struct bench *bench = bench_create(&bench_usual);
    for (unsigned i = 0; i < MANY; i++) {
        struct ask *ask = bench_ask(bench, OPERATION_ADD, unit_numbered_id("e", i), unit_id("u"));
        bench_submit(ask);
        bench_settle(bench);
    }
    const struct ask *ask = erase(bench, "u");
    bench_settle(bench);
    expect_erased(ask, MANY, 0, 0, 0, true);
    bench_finish(bench);
}

/* It stops where three quarters of its time are over, and says so; the same request goes on. */
static void test_it_ends_in_time(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    make_one_of_each(bench);
    const struct ask *ask = erase(bench, "gone");
    bench_end(bench, POOL_READ, BATCH_DONE); /* what the user waits for */
    bench_pass(bench, BENCH_DEADLINE_US * 3 / 4);
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    expect_erased(ask, 0, 0, 1, 0, false);
    const struct ask *rest = erase(bench, "gone");
    bench_settle(bench);
    expect_erased(rest, 2, 1, 0, 2, true);
    bench_finish(bench);
}

/* Whether the first step is done is not known as the deadline passes: nothing is counted, and the
 * same request goes on. */
static void test_the_first_step_takes_too_long(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    make_one_of_each(bench);
    const struct ask *ask = erase(bench, "gone");
    bench_end(bench, POOL_READ, BATCH_DONE); /* what the user waits for */
    bench_turn(bench);                       /* its removal is sent */
    bench_pass(bench, BENCH_DEADLINE_US + WHEEL_TICK_US);
    bench_tick(bench);
    expect_erased(ask, 0, 0, 0, 0, false);
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    const struct ask *rest = erase(bench, "gone");
    bench_settle(bench);
    expect_erased(rest, 2, 1, 0, 2, true);
    bench_finish(bench);
}

/* The answer that was erased may be of a write that came after its line was looked for: everything
 * is looked through once more, though nobody knows whether there was one. */
static void test_lost_erasure_of_answers(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    const struct ask *ask = erase(bench, "u");
    bench_end(bench, POOL_READ, BATCH_DONE); /* what the user waits for */
    bench_end(bench, POOL_READ, BATCH_DONE); /* who the user goes with */
    bench_add_keyed(bench, "late", "u", "k");
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    bench_end(bench, POOL_READ, BATCH_DONE); /* what the user likes */
    bench_turn(bench);
    struct flight *answers = fake_primary_flight(&bench->primary, POOL_WRITE);
    fake_primary_execute(&bench->primary, answers, bench->now);
    bench_end(bench, POOL_WRITE, BATCH_LOST);
    bench_settle(bench);
    expect_erased(ask, 1, 0, 0, 0, true);
    bench_finish(bench);
}

/* A removal was lost and is done again: nobody knows that it changed something the first time. So
 * what goes wrong after it does not say that nothing was done. */
static void test_lost_removal(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    make_one_of_each(bench);
    const struct ask *ask = erase(bench, "gone");
    bench_end(bench, POOL_READ, BATCH_DONE); /* what the user waits for */
    bench_turn(bench);
    struct flight *removal = fake_primary_flight(&bench->primary, POOL_WRITE);
    fake_primary_execute(&bench->primary, removal, bench->now);
    bench_end(bench, POOL_WRITE, BATCH_LOST);
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    bench_end(bench, POOL_READ, BATCH_UNAVAILABLE); /* who the user goes with */
    expect_erased(ask, 0, 0, 0, 0, false);
    bench_finish(bench);
}

/* The same where its time is over. */
static void test_unknown_erasure_of_answers(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    const struct ask *ask = erase(bench, "u");
    for (size_t i = 0; i < 1 + RELATION_COUNT; i++) {
        bench_end(bench, POOL_READ, BATCH_DONE);
    }
    bench_turn(bench);
    bench_wait(bench, BENCH_DEADLINE_US + SECONDS(0.1));
    expect_erased(ask, 0, 0, 0, 0, false);
    bench_finish(bench);
}

/* Nothing was erased: it ends as what it needed first. */
static void test_without_a_primary(NO_STATE)
{
    static const struct {
        enum batch_outcome batch;
        enum outcome outcome;
    } cases[] = {{BATCH_UNAVAILABLE, OUTCOME_UNAVAILABLE}, {BATCH_REJECTED, OUTCOME_FAILED}};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct bench *bench = bench_create(&bench_usual);
        const struct ask *ask = erase(bench, "gone");
        for (int j = 0; j < 3; j++) { /* what fails for itself is in no other's way */
            bench_turn(bench);
            if (ask->answers == 0) {
                fake_primary_end(&bench->primary, &bench->primary.flights[0], cases[i].batch,
                                 bench->now);
            }
        }
        bench_settle(bench);
        bench_expect(ask, cases[i].outcome);
        assert_false(ask->erasure.complete);
        bench_finish(bench);
    }
}

static void end_newest(struct bench *bench)
{
    bench_turn(bench);
    struct fake_primary *primary = &bench->primary;
    fake_primary_end(primary, &primary->flights[primary->flight_count - 1], BATCH_DONE, bench->now);
}

/* Somebody holds the lock of an event that the user goes to: all else goes, in time. */
static void test_what_is_locked_keeps_nothing_else(NO_STATE)
{
    struct bench_setup setup = bench_usual;
    setup.write_connections = 2;
    struct bench *bench = bench_create(&setup);
    bench_add_keyed(bench, "locked", "gone", "k1");
    struct ask *like = bench_ask(bench, OPERATION_ADD, unit_id("post"), unit_id("gone"));
    like->relation = &relations[RELATION_LIKE];
    bench_submit(like);
    bench_settle(bench);
    const struct ask *ask = erase(bench, "gone");
    end_newest(bench); /* the places on waiting lists */
    end_newest(bench); /* the RSVPs */
    bench_turn(bench); /* the removal that waits for the lock */
    bench_wait(bench, BENCH_DEADLINE_US * 5 / 8);
    for (int i = 0; i < 3; i++) { /* the likes, the removal of one, kept answers */
        bench_expect_waiting(ask);
        end_newest(bench);
    }
    expect_erased(ask, 0, 1, 0, 1, false);
    bench_settle(bench);
    bench_finish(bench);
}

/* Nothing ended in time: there is more to do, and nothing failed. */
static void test_a_lock_alone_is_no_failure(NO_STATE)
{
    struct bench_setup setup = bench_usual;
    setup.write_connections = 2;
    struct bench *bench = bench_create(&setup);
    bench_add(bench, "locked", "gone");
    bench_settle(bench);
    const struct ask *ask = erase(bench, "gone");
    end_newest(bench); /* the places on waiting lists */
    end_newest(bench); /* the RSVPs */
    bench_turn(bench); /* the removal that waits for the lock */
    bench_wait(bench, BENCH_DEADLINE_US * 5 / 8);
    end_newest(bench); /* the likes */
    end_newest(bench); /* kept answers */
    expect_erased(ask, 0, 0, 0, 0, false);
    bench_settle(bench);
    bench_finish(bench);
}

/* Erasures that go on side by side leave operations for all others. */
static void test_erasures_leave_operations(NO_STATE)
{
    enum { MANY = 64, ERASURES = 8 };
    struct bench *bench = bench_create(&bench_usual);
    for (unsigned i = 0; i < MANY * ERASURES; i++) {
        struct ask *ask = bench_ask(bench, OPERATION_ADD, unit_numbered_id("e", i / ERASURES),
                                    unit_numbered_id("u", i % ERASURES));
        bench_submit(ask);
        bench_settle(bench);
    }
    for (unsigned i = 0; i < ERASURES; i++) {
        bench_submit(bench_ask(bench, OPERATION_ERASE, (struct identifier){.size = 0},
                               unit_numbered_id("u", i)));
    }
    bench_turn(bench);
    while (fake_primary_flying(&bench->primary, POOL_READ) > 0) { /* lists; removals stay */
        bench_end(bench, POOL_READ, BATCH_DONE);
        bench_turn(bench);
    }
    const struct ask *other = bench_add(bench, "party", "guest");
    assert_false(other->refused);
    bench_settle(bench);
    bench_expect(other, OUTCOME_DONE);
    bench_finish(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_goes),
        cmocka_unit_test(test_more_than_a_page),
        cmocka_unit_test(test_it_ends_in_time),
        cmocka_unit_test(test_the_first_step_takes_too_long),
        cmocka_unit_test(test_lost_erasure_of_answers),
        cmocka_unit_test(test_unknown_erasure_of_answers),
        cmocka_unit_test(test_lost_removal),
        cmocka_unit_test(test_without_a_primary),
        cmocka_unit_test(test_what_is_locked_keeps_nothing_else),
        cmocka_unit_test(test_a_lock_alone_is_no_failure),
        cmocka_unit_test(test_erasures_leave_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
