/* The ledger: what may be true after each kind of write and answer, and that it finds what a faulty
 * erasure would leave, bring back, or take from others. */
#include "test.h"

#include <stdlib.h>

#include "ledger.h"

enum { A_MOMENT_US = 1000000 };

static struct ledger *ledger;
static struct ledger_client *client; /* the first one */
static int64_t now_us;

static int set_up(NO_STATE)
{
    now_us = A_MOMENT_US;
    ledger = ledger_create(LEDGER_CLIENTS);
    client = &ledger->clients[0];
    return 0;
}

static int tear_down(NO_STATE)
{
    free(ledger);
    return 0;
}

static struct ledger_pair *pair_of(enum ledger_place place, unsigned user)
{
    return &client->pairs[place * LEDGER_USERS + user];
}

/* A write from here on; the ledger hears of it a moment after what it heard last. */
static struct ledger_write ask(enum ledger_kind kind, enum ledger_place place, unsigned user,
                               bool keyed)
{
    const struct ledger_write write = {kind, pair_of(place, user), keyed};
    ledger_write_asked(client, &write, now_us += A_MOMENT_US);
    return write;
}

static void acknowledge(const struct ledger_write *write)
{
    ledger_write_acknowledged(client, write, now_us += A_MOMENT_US);
}

static void do_write(enum ledger_kind kind, enum ledger_place place, unsigned user)
{
    const struct ledger_write write = ask(kind, place, user, true);
    acknowledge(&write);
}

static void join_everything(unsigned user)
{
    for (enum ledger_place place = 0; place < LEDGER_KEPT; place++) {
        do_write(LEDGER_JOIN, place, user);
    }
}

static void expect_all(unsigned user, enum ledger_possible possible)
{
    for (enum ledger_place place = 0; place < LEDGER_PLACES; place++) {
        assert_int_equal(pair_of(place, user)->possible, possible);
    }
}

/* ---- single writes ---- */

static void an_answer_decides(NO_STATE)
{
    const struct ledger_pair *pair = pair_of(LEDGER_HOT_EVENT, 1);
    const struct ledger_pair *kept = pair_of(LEDGER_KEPT, 1);
    assert_int_equal(pair->possible, LEDGER_OUT);
    const struct ledger_write join = ask(LEDGER_JOIN, LEDGER_HOT_EVENT, 1, true);
    assert_int_equal(pair->possible, LEDGER_OPEN);
    assert_int_equal(kept->possible, LEDGER_OPEN);
    acknowledge(&join);
    assert_int_equal(pair->possible, LEDGER_IN);
    assert_int_equal(kept->possible, LEDGER_IN);
    const struct ledger_write leave = ask(LEDGER_LEAVE, LEDGER_HOT_EVENT, 1, false);
    assert_int_equal(pair->possible, LEDGER_OPEN);
    assert_int_equal(kept->possible, LEDGER_IN);
    ledger_write_refused(client, &leave, now_us);
    assert_int_equal(pair->possible, LEDGER_IN);
    expect_all(0, LEDGER_OUT);
    assert_int_equal(pair_of(LEDGER_HOT_POST, 1)->possible, LEDGER_OUT);
}

static void no_answer_leaves_it_open_until_the_next(NO_STATE)
{
    const struct ledger_pair *pair = pair_of(LEDGER_OWN_POST, 0);
    const struct ledger_write join = ask(LEDGER_JOIN, LEDGER_OWN_POST, 0, false);
    ledger_write_unknown(client, &join, 0);
    assert_int_equal(pair->possible, LEDGER_OPEN);
    const struct ledger_write again = ask(LEDGER_JOIN, LEDGER_OWN_POST, 0, false);
    ledger_write_refused(client, &again, now_us);
    assert_int_equal(pair->possible, LEDGER_OPEN);
    do_write(LEDGER_LEAVE, LEDGER_OWN_POST, 0);
    assert_int_equal(pair->possible, LEDGER_OUT);
}

static void a_count_is_held_against_its_moment(NO_STATE)
{
    const struct ledger_things *things = &client->own[LEDGER_OWN_EVENT];
    assert_true(ledger_count_possible(things, 1, 1, 0)); /* read before the ledger began */
    assert_false(ledger_count_possible(things, 1, 1, 1));
    do_write(LEDGER_JOIN, LEDGER_OWN_EVENT, 0);
    do_write(LEDGER_JOIN, LEDGER_OWN_EVENT, 1);
    const int64_t both_us = now_us + 1;
    const struct ledger_write erasure = ask(LEDGER_ERASE, LEDGER_HOT_POST, 0, false);
    const int64_t asked_us = now_us + 1;
    acknowledge(&erasure);
    const int64_t erased_us = now_us + 1;
    assert_true(ledger_count_possible(things, both_us, both_us, 2));
    assert_false(ledger_count_possible(things, both_us, both_us, 1));
    assert_true(ledger_count_possible(things, asked_us, asked_us, 2));
    assert_true(ledger_count_possible(things, asked_us, asked_us, 1));
    assert_true(ledger_count_possible(things, erased_us, erased_us, 1));
    assert_false(ledger_count_possible(things, erased_us, erased_us, 2));
    assert_false(ledger_count_possible(things, erased_us, erased_us, 0));
    assert_true(ledger_count_possible(things, both_us, erased_us, 1));
    assert_false(ledger_count_possible(things, both_us, erased_us, 0));
}

/* ---- a restored database ---- */

static void rewind_to(int64_t from_us, int64_t until_us)
{
    const int64_t since_us = now_us;
    now_us += A_MOMENT_US;
    ledger_rewind(client, from_us, until_us, since_us, now_us);
}

static void a_restored_moment_is_true_again(NO_STATE)
{
    const struct ledger_pair *pair = pair_of(LEDGER_OWN_EVENT, 0);
    do_write(LEDGER_JOIN, LEDGER_OWN_EVENT, 0);
    do_write(LEDGER_JOIN, LEDGER_OWN_EVENT, 1);
    const int64_t moment_us = now_us;
    do_write(LEDGER_LEAVE, LEDGER_OWN_EVENT, 0);
    do_write(LEDGER_JOIN, LEDGER_OWN_EVENT, 2);
    rewind_to(moment_us, moment_us + 1);
    assert_int_equal(pair->possible, LEDGER_IN);
    assert_int_equal(pair_of(LEDGER_OWN_EVENT, 1)->possible, LEDGER_IN);
    assert_int_equal(pair_of(LEDGER_OWN_EVENT, 2)->possible, LEDGER_OUT);
    assert_int_equal(pair_of(LEDGER_KEPT, 2)->possible, LEDGER_OUT);
    assert_true(ledger_count_possible(&client->own[LEDGER_OWN_EVENT], now_us, now_us, 2));
    assert_false(
        ledger_count_possible(&client->own[LEDGER_OWN_EVENT], now_us + 1000, now_us + 1000, 1));
}

static void what_was_on_its_way_at_a_restored_moment_is_open(NO_STATE)
{
    const struct ledger_write join = ask(LEDGER_JOIN, LEDGER_HOT_EVENT, 0, false);
    const int64_t asked_us = now_us;
    acknowledge(&join);
    const int64_t acknowledged_us = now_us;
    do_write(LEDGER_LEAVE, LEDGER_HOT_EVENT, 0);
    rewind_to(asked_us, asked_us + 1);
    assert_int_equal(pair_of(LEDGER_HOT_EVENT, 0)->possible, LEDGER_OPEN);
    rewind_to(acknowledged_us, acknowledged_us + 1);
    assert_int_equal(pair_of(LEDGER_HOT_EVENT, 0)->possible, LEDGER_IN);
}

/* Who reads between the restore and its report. */
static void before_a_restore_is_told_either_may_be_read(NO_STATE)
{
    const struct ledger_things *things = &client->own[LEDGER_OWN_POST];
    do_write(LEDGER_JOIN, LEDGER_OWN_POST, 0);
    const int64_t moment_us = now_us;
    do_write(LEDGER_JOIN, LEDGER_OWN_POST, 1);
    do_write(LEDGER_JOIN, LEDGER_OWN_POST, 2);
    const int64_t paused_us = now_us;
    rewind_to(moment_us, moment_us + 1);
    const int64_t between_us = paused_us + A_MOMENT_US / 2;
    assert_true(ledger_count_possible(things, between_us, between_us, 1));
    assert_true(ledger_count_possible(things, between_us, between_us, 3));
    assert_false(ledger_count_possible(things, between_us, between_us, 0));
    assert_false(ledger_count_possible(things, between_us, between_us, 4));
    const int64_t after_us = now_us + A_MOMENT_US;
    assert_true(ledger_count_possible(things, after_us, after_us, 1));
    assert_false(ledger_count_possible(things, after_us, after_us, 2));
    const int64_t bound_us = paused_us + LEDGER_COUNT_BOUND_US;
    assert_true(ledger_count_possible(things, bound_us, bound_us, 3));
    assert_false(ledger_count_possible(things, bound_us + 1, bound_us + 1, 3));
}

/* Whether the moment was before the acknowledgement is not known. */
static void a_restored_moment_may_be_any_between_two(NO_STATE)
{
    do_write(LEDGER_JOIN, LEDGER_HOT_POST, 1);
    const int64_t in_us = now_us;
    do_write(LEDGER_LEAVE, LEDGER_HOT_POST, 1);
    rewind_to(in_us, now_us);
    assert_int_equal(pair_of(LEDGER_HOT_POST, 1)->possible, LEDGER_OPEN);
}

static void what_no_history_tells_is_open(NO_STATE)
{
    for (unsigned i = 0; i < LEDGER_STATES; i++) {
        do_write(LEDGER_JOIN, LEDGER_OWN_POST, 3);
    }
    rewind_to(A_MOMENT_US, A_MOMENT_US);
    assert_int_equal(pair_of(LEDGER_OWN_POST, 3)->possible, LEDGER_OPEN);
    assert_int_equal(pair_of(LEDGER_OWN_POST, 2)->possible, LEDGER_OUT);
}

/* A write that waited for its commit died with the server. */
static void nothing_comes_late_after_a_restore(NO_STATE)
{
    const struct ledger_write join = ask(LEDGER_JOIN, LEDGER_OWN_EVENT, 0, false);
    ledger_write_unknown(client, &join, now_us + A_MOMENT_US);
    rewind_to(A_MOMENT_US, A_MOMENT_US);
    assert_int_equal(pair_of(LEDGER_OWN_EVENT, 0)->possible, LEDGER_OUT);
    assert_int_equal(pair_of(LEDGER_OWN_EVENT, 0)->rests_until_us, 0);
    const struct ledger_write erasure = ask(LEDGER_ERASE, LEDGER_OWN_EVENT, 0, false);
    acknowledge(&erasure);
    expect_all(0, LEDGER_OUT);
}

/* ---- erasures ---- */

static void an_erasure_covers_all_of_its_user(NO_STATE)
{
    join_everything(0);
    join_everything(1);
    const struct ledger_write erasure = ask(LEDGER_ERASE, LEDGER_OWN_EVENT, 0, false);
    expect_all(0, LEDGER_OPEN);
    acknowledge(&erasure);
    expect_all(0, LEDGER_OUT);
    expect_all(1, LEDGER_IN);
}

static void a_refused_erasure_changes_nothing(NO_STATE)
{
    do_write(LEDGER_JOIN, LEDGER_FULL_EVENT, 2);
    const struct ledger_write erasure = ask(LEDGER_ERASE, LEDGER_OWN_EVENT, 2, false);
    ledger_write_refused(client, &erasure, now_us);
    assert_int_equal(pair_of(LEDGER_FULL_EVENT, 2)->possible, LEDGER_IN);
    assert_int_equal(pair_of(LEDGER_KEPT, 2)->possible, LEDGER_IN);
    assert_int_equal(pair_of(LEDGER_OWN_EVENT, 2)->possible, LEDGER_OUT);
}

/* Until it is repeated; what was refused in between was nothing. */
static void an_incomplete_erasure_leaves_all_open(NO_STATE)
{
    join_everything(3);
    const struct ledger_write part = ask(LEDGER_ERASE, LEDGER_OWN_EVENT, 3, false);
    ledger_write_unknown(client, &part, 0);
    const struct ledger_write refused = ask(LEDGER_ERASE, LEDGER_OWN_EVENT, 3, false);
    ledger_write_refused(client, &refused, now_us);
    expect_all(3, LEDGER_OPEN);
    do_write(LEDGER_JOIN, LEDGER_HOT_EVENT, 3);
    assert_int_equal(pair_of(LEDGER_HOT_EVENT, 3)->possible, LEDGER_IN);
    assert_int_equal(pair_of(LEDGER_HOT_POST, 3)->possible, LEDGER_OPEN);
    const struct ledger_write rest = ask(LEDGER_ERASE, LEDGER_OWN_EVENT, 3, false);
    acknowledge(&rest);
    expect_all(3, LEDGER_OUT);
}

/* The process died with it. */
static void a_lost_erasure_holds_up_all_writes_of_its_user(NO_STATE)
{
    join_everything(0);
    const struct ledger_write erasure = ask(LEDGER_ERASE, LEDGER_OWN_EVENT, 0, false);
    ledger_write_unknown(client, &erasure, now_us + A_MOMENT_US);
    expect_all(0, LEDGER_OPEN);
    for (enum ledger_place place = 0; place < LEDGER_PLACES; place++) {
        assert_int_equal(pair_of(place, 0)->rests_until_us, now_us + A_MOMENT_US);
        assert_int_equal(pair_of(place, 1)->rests_until_us, 0);
    }
}

static void what_is_late_may_come_after_an_erasure(NO_STATE)
{
    join_everything(0);
    const struct ledger_write late = ask(LEDGER_JOIN, LEDGER_HOT_EVENT, 0, true);
    ledger_write_unknown(client, &late, 0);
    do_write(LEDGER_ERASE, LEDGER_OWN_EVENT, 0);
    assert_int_equal(pair_of(LEDGER_HOT_EVENT, 0)->possible, LEDGER_OPEN);
    assert_int_equal(pair_of(LEDGER_KEPT, 0)->possible, LEDGER_OPEN);
    assert_int_equal(pair_of(LEDGER_HOT_POST, 0)->possible, LEDGER_OUT);
    assert_int_equal(pair_of(LEDGER_FULL_EVENT, 0)->possible, LEDGER_OUT);
    /* A later write of the same is done after it. */
    do_write(LEDGER_LEAVE, LEDGER_HOT_EVENT, 0);
    do_write(LEDGER_ERASE, LEDGER_OWN_EVENT, 0);
    expect_all(0, LEDGER_OUT);
}

static void a_late_leave_brings_nothing_back(NO_STATE)
{
    join_everything(0);
    const struct ledger_write late = ask(LEDGER_LEAVE, LEDGER_HOT_EVENT, 0, false);
    ledger_write_unknown(client, &late, 0);
    do_write(LEDGER_ERASE, LEDGER_OWN_EVENT, 0);
    assert_int_equal(pair_of(LEDGER_HOT_EVENT, 0)->possible, LEDGER_OUT);
}

/* ---- planted faults ---- */

/* What the database has of each pair: all that was acknowledged, and what a fault makes of it. */
static bool rows[LEDGER_PAIRS];

static bool *row_of(enum ledger_place place, unsigned user)
{
    return &rows[place * LEDGER_USERS + user];
}

/* How many pairs the database cannot have so. */
static int count_wrong(void)
{
    int wrong = 0;
    for (size_t i = 0; i < LEDGER_PAIRS; i++) {
        wrong += !ledger_may_be(&client->pairs[i], rows[i]);
    }
    return wrong;
}

/* The first user is erased, the second is not. */
static void erase_well(void)
{
    join_everything(0);
    join_everything(1);
    do_write(LEDGER_ERASE, LEDGER_OWN_EVENT, 0);
    for (size_t i = 0; i < LEDGER_PAIRS; i++) {
        rows[i] = client->pairs[i].possible == LEDGER_IN;
    }
    assert_int_equal(count_wrong(), 0);
}

static void a_row_that_is_left_is_found(NO_STATE)
{
    for (enum ledger_place place = 0; place < LEDGER_PLACES; place++) {
        tear_down(NULL);
        set_up(NULL);
        erase_well();
        *row_of(place, 0) = true;
        assert_int_equal(count_wrong(), 1);
    }
}

static void a_row_that_is_missing_of_another_user_is_found(NO_STATE)
{
    for (enum ledger_place place = 0; place < LEDGER_PLACES; place++) {
        tear_down(NULL);
        set_up(NULL);
        erase_well();
        *row_of(place, 1) = false;
        assert_int_equal(count_wrong(), 1);
    }
}

/* Whatever was looked at before, and whatever is written elsewhere. */
static void a_row_that_comes_back_is_found(NO_STATE)
{
    erase_well();
    do_write(LEDGER_JOIN, LEDGER_OWN_POST, 0);
    *row_of(LEDGER_OWN_POST, 0) = *row_of(LEDGER_KEPT, 0) = true;
    assert_int_equal(count_wrong(), 0);
    *row_of(LEDGER_OWN_EVENT, 0) = true;
    assert_int_equal(count_wrong(), 1);
}

static void a_later_write_that_is_erased_is_found(NO_STATE)
{
    erase_well();
    do_write(LEDGER_JOIN, LEDGER_QUEUED_EVENT, 0);
    assert_int_equal(count_wrong(), 2); /* its row, and its kept answer */
}

static void a_row_that_a_refused_erasure_removes_is_found(NO_STATE)
{
    erase_well();
    const struct ledger_write refused = ask(LEDGER_ERASE, LEDGER_OWN_EVENT, 1, false);
    *row_of(LEDGER_HOT_POST, 1) = false;
    assert_int_equal(count_wrong(), 0);
    ledger_write_refused(client, &refused, now_us);
    assert_int_equal(count_wrong(), 1);
}

int main(void)
{
#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(an_answer_decides),
        CASE(no_answer_leaves_it_open_until_the_next),
        CASE(a_count_is_held_against_its_moment),
        CASE(a_restored_moment_is_true_again),
        CASE(what_was_on_its_way_at_a_restored_moment_is_open),
        CASE(before_a_restore_is_told_either_may_be_read),
        CASE(a_restored_moment_may_be_any_between_two),
        CASE(what_no_history_tells_is_open),
        CASE(nothing_comes_late_after_a_restore),
        CASE(an_erasure_covers_all_of_its_user),
        CASE(a_refused_erasure_changes_nothing),
        CASE(an_incomplete_erasure_leaves_all_open),
        CASE(a_lost_erasure_holds_up_all_writes_of_its_user),
        CASE(what_is_late_may_come_after_an_erasure),
        CASE(a_late_leave_brings_nothing_back),
        CASE(a_row_that_is_left_is_found),
        CASE(a_row_that_is_missing_of_another_user_is_found),
        CASE(a_row_that_comes_back_is_found),
        CASE(a_later_write_that_is_erased_is_found),
        CASE(a_row_that_a_refused_erasure_removes_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
