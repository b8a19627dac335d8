/* The breaker: its states, how long it waits, and that one attempt at a time is made. */
#include "unit.h"

#include "rsvpd/domain/breaker.h"

enum { MIN_US = 100, MAX_US = 1500 };

static struct breaker made(void)
{
    struct breaker breaker;
    breaker_init(&breaker, MIN_US, MAX_US);
    return breaker;
}

static void test_closed_allows_everything(NO_STATE)
{
    struct breaker breaker = made();
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    for (int64_t now = 0; now < 10; now++) {
        assert_true(breaker_allows(&breaker, now));
    }
    breaker_success(&breaker);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    assert_true(breaker_allows(&breaker, 0));
}

/* The first wait is the shortest, each one twice the last, up to the longest; success resets. */
static void test_waits_double_up_to_a_cap(NO_STATE)
{
    static const int64_t waits_us[] = {100, 200, 400, 800, 1500, 1500, 1500};
    struct breaker breaker = made();
    struct random random = unit_random(1);
    for (int round = 0; round < 1000; round++) {
        int64_t now = (int64_t)unit_below(&random, 1000000);
        for (size_t i = 0; i < LENGTH(waits_us); i++) {
            breaker_failure(&breaker, now, random_next(&random));
            int64_t wait_us = breaker.retry_at_us - now;
            assert_int_equal(breaker.state, BREAKER_OPEN);
            assert_true(wait_us >= waits_us[i] / 2 && wait_us <= waits_us[i]);
            now = breaker.retry_at_us;
        }
        breaker_success(&breaker);
    }
}

/* The jitter reaches both ends of its range, and different numbers give different waits. */
static void test_jitter(NO_STATE)
{
    bool met[MIN_US + 1] = {false};
    int different = 0;
    for (uint64_t random = 0; random <= MIN_US; random++) {
        struct breaker breaker = made();
        breaker_failure(&breaker, 7, random);
        int64_t wait_us = breaker.retry_at_us - 7;
        assert_true(wait_us >= MIN_US / 2 && wait_us <= MIN_US);
        different += !met[wait_us];
        met[wait_us] = true;
    }
    assert_true(met[MIN_US / 2] && met[MIN_US]);
    assert_int_equal(different, MIN_US / 2 + 1);
    struct breaker breaker = made();
    breaker_failure(&breaker, 7, UINT64_MAX);
    assert_true(breaker.retry_at_us >= 7 + MIN_US / 2 && breaker.retry_at_us <= 7 + MIN_US);
}

static void test_open_allows_nothing_until_its_time(NO_STATE)
{
    struct breaker breaker = made();
    breaker_failure(&breaker, 1000, 0);
    for (int64_t now = 1000; now < breaker.retry_at_us; now++) {
        assert_false(breaker_allows(&breaker, now));
        assert_int_equal(breaker.state, BREAKER_OPEN);
    }
    assert_true(breaker_allows(&breaker, breaker.retry_at_us));
    assert_int_equal(breaker.state, BREAKER_HALF_OPEN);
}

static void test_half_open_makes_one_attempt(NO_STATE)
{
    for (int succeeds = 0; succeeds < 2; succeeds++) {
        struct breaker breaker = made();
        breaker_failure(&breaker, 0, 0);
        int64_t now = breaker.retry_at_us + 5;
        assert_true(breaker_allows(&breaker, now));
        for (int64_t later = now; later < now + 10 * MAX_US; later += MIN_US) {
            assert_false(breaker_allows(&breaker, later)); /* however long that one takes */
        }
        if (succeeds) {
            breaker_success(&breaker);
            assert_int_equal(breaker.state, BREAKER_CLOSED);
            assert_true(breaker_allows(&breaker, now));
            assert_true(breaker_allows(&breaker, now));
        } else {
            breaker_failure(&breaker, now, 0);
            assert_int_equal(breaker.state, BREAKER_OPEN);
            assert_false(breaker_allows(&breaker, breaker.retry_at_us - 1));
            assert_int_equal(breaker.retry_at_us, now + MIN_US); /* half of twice the first */
        }
    }
}

/* An attempt that was under way when the breaker opened may still report. */
static void test_reports_that_come_late(NO_STATE)
{
    struct breaker breaker = made();
    breaker_failure(&breaker, 0, 0);
    breaker_success(&breaker);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    assert_true(breaker_allows(&breaker, 1));
    breaker_failure(&breaker, 1, 0);
    assert_int_equal(breaker.retry_at_us, 1 + MIN_US / 2); /* the wait began anew */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closed_allows_everything),
        cmocka_unit_test(test_waits_double_up_to_a_cap),
        cmocka_unit_test(test_jitter),
        cmocka_unit_test(test_open_allows_nothing_until_its_time),
        cmocka_unit_test(test_half_open_makes_one_attempt),
        cmocka_unit_test(test_reports_that_come_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
