/* The pace of a queue: who may join, and when the next batch goes. */
#include "unit.h"

#include "rsvpd/domain/pace.h"

#include <stdlib.h>

#define MS(n) ((int64_t)(n)*1000)

/* A batch whose first operation was submitted and which was sent at these times. */
static struct batch batch_of(int64_t waited_since_us, int64_t sent_at_us)
{
    return (struct batch){.size = 1, .waited_since_us = waited_since_us, .sent_at_us = sent_at_us};
}

/* One after the other, each sent when it arrives and ended so much later, until the pace is that.
 */
static void settle(struct pace *pace, int64_t interval_us)
{
    int64_t now_us = pace->ended_us + MS(1000);
    for (int i = 0; i < 200; i++) {
        struct batch batch = batch_of(now_us, now_us);
        pace_note_sent(pace, false, now_us);
        now_us += interval_us;
        pace_note_ended(pace, &batch, now_us);
    }
    assert_true(llabs(pace->interval_us - interval_us) < 8); /* it is rounded */
}

/* ---- who may join ---- */

static void test_nothing_is_known_at_first(NO_STATE)
{
    const struct pace pace = {0};
    assert_true(pace_admits(&pace, 0, 1, 0));
    assert_true(pace_admits(&pace, 100000, 1, 1));
    assert_true(pace_lets_go(&pace, 0));
}

static void test_three_quarters_of_the_time_left_may_pass_in_the_queue(NO_STATE)
{
    static const struct {
        size_t waiting;
        unsigned batch_max;
        int64_t left_us;
        bool admitted;
    } cases[] = {
        {1, 1, MS(400), true},     /* two batches of 150 ms, in three quarters of 400 */
        {1, 1, MS(399), false},    /* or of a little less */
        {1, 2, MS(200), true},     /* goes with the one that waits */
        {1, 2, MS(199), false},    /**/
        {2, 2, MS(200), false},    /* goes with the next */
        {2, 2, MS(400), true},     /**/
        {511, 512, MS(200), true}, /* the last that the batch has room for */
        {512, 512, MS(200), false}, {512, 512, MS(400), true},
        {1, 1, 0, false},      /* no time is left */
        {1, 1, -MS(1), false}, /**/
        {0, 1, MS(1), true},   /* who is alone finds out */
        {0, 1, -MS(1), true},  /**/
    };
    const struct pace pace = {.interval_us = MS(150)};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        if (pace_admits(&pace, cases[i].waiting, cases[i].batch_max, cases[i].left_us) !=
            cases[i].admitted) {
            fail_msg("case %zu", i);
        }
    }
}

/* ---- how fast it moves ---- */

static void test_the_pace_follows_the_batches(NO_STATE)
{
    struct pace pace = {0};
    settle(&pace, MS(10));
    settle(&pace, MS(200));
    settle(&pace, MS(1));
}

/* On two connections batches end twice as often as one takes: what waits moves as fast. */
static void test_connections_share_a_pace(NO_STATE)
{
    struct pace pace = {0};
    for (int i = 2; i < 200; i++) { /* all wait from the beginning, and take 100 ms each */
        struct batch batch = batch_of(0, MS(50) * (i - 2));
        pace_note_ended(&pace, &batch, MS(50) * i);
    }
    assert_true(pace.interval_us <= MS(50) && pace.interval_us > MS(49));
}

/* The time before anybody came does not count. */
static void test_an_idle_queue_is_not_slow(NO_STATE)
{
    struct pace pace = {0};
    settle(&pace, MS(5));
    struct batch batch = batch_of(MS(1000 * 1000), MS(1000 * 1000));
    pace_note_ended(&pace, &batch, MS(1000 * 1000 + 5));
    assert_true(pace.interval_us < MS(5) + 8);
}

/* ---- when the next goes ---- */

static void test_the_next_waits_while_a_batch_is_young(NO_STATE)
{
    struct pace pace = {0};
    pace_note_sent(&pace, false, MS(100));
    assert_false(pace_lets_go(&pace, MS(100)));
    assert_false(pace_lets_go(&pace, MS(100) + BATCH_DELAY_US - 1));
    assert_true(pace_lets_go(&pace, MS(100) + BATCH_DELAY_US));
}

static void test_what_did_not_fit_need_not_wait(NO_STATE)
{
    struct pace pace = {0};
    pace_note_sent(&pace, true, MS(100));
    assert_true(pace_lets_go(&pace, MS(100)));
}

static void test_the_end_of_the_youngest_lets_go(NO_STATE)
{
    struct pace pace = {0};
    struct batch old = batch_of(MS(80), MS(80)), young = batch_of(MS(95), MS(95));
    pace_note_sent(&pace, false, MS(80));
    pace_note_sent(&pace, false, MS(95));
    pace_note_ended(&pace, &old, MS(96));
    assert_false(pace_lets_go(&pace, MS(96)));
    pace_note_ended(&pace, &young, MS(97));
    assert_true(pace_lets_go(&pace, MS(97)));
}

/* ---- gathering ---- */

static void test_nobody_lingers_for_nothing(NO_STATE)
{
    struct linger linger = {0};
    assert_false(linger_goes_on(&linger, MS(1)));
    assert_false(linger_goes_on(&linger, MS(2)));
}

static void test_an_iteration_that_brings_none_ends_it(NO_STATE)
{
    struct linger linger = {0};
    linger_note_arrival(&linger);
    assert_true(linger_goes_on(&linger, MS(1)));
    assert_false(linger_goes_on(&linger, MS(1)));
}

static void test_it_ends_however_many_come(NO_STATE)
{
    struct linger linger = {0};
    int64_t now_us = MS(7);
    for (int round = 0; round < 3; round++) {
        int64_t begun_us = now_us;
        linger_note_arrival(&linger);
        while (linger_goes_on(&linger, now_us)) {
            now_us += LINGER_US / 10;
            linger_note_arrival(&linger);
        }
        assert_int_equal(now_us - begun_us, LINGER_US);
        assert_false(linger_goes_on(&linger, now_us)); /* and begins anew with who comes next */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_known_at_first),
        cmocka_unit_test(test_three_quarters_of_the_time_left_may_pass_in_the_queue),
        cmocka_unit_test(test_the_pace_follows_the_batches),
        cmocka_unit_test(test_connections_share_a_pace),
        cmocka_unit_test(test_an_idle_queue_is_not_slow),
        cmocka_unit_test(test_the_next_waits_while_a_batch_is_young),
        cmocka_unit_test(test_what_did_not_fit_need_not_wait),
        cmocka_unit_test(test_the_end_of_the_youngest_lets_go),
        cmocka_unit_test(test_nobody_lingers_for_nothing),
        cmocka_unit_test(test_an_iteration_that_brings_none_ends_it),
        cmocka_unit_test(test_it_ends_however_many_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
