/* Limits of rates: never too many in any window, never too few, and exactly so. */
#include "unit.h"

#include "rsvpd/domain/rate_limit.h"

#include <stdlib.h>

static const int64_t SECOND_US = 1000 * 1000;

static void expect_verdict(struct rate_verdict verdict, bool allowed, int32_t remaining,
                           int32_t reset_s, int32_t retry_after_s)
{
    assert_int_equal(verdict.allowed, allowed);
    assert_int_equal(verdict.remaining, remaining);
    assert_int_equal(verdict.reset_s, reset_s);
    assert_int_equal(verdict.retry_after_s, retry_after_s);
}

static void test_what_a_verdict_says(NO_STATE)
{
    const struct rate limit = {600, 60};
    struct rate_state caller = {0};
    expect_verdict(rate_limit_take(&limit, &caller, SECOND_US), true, 599, 1, 0);
    for (int left = 598; left >= 0; left--) {
        assert_int_equal(rate_limit_take(&limit, &caller, SECOND_US).remaining, left);
    }
    expect_verdict(rate_limit_take(&limit, &caller, SECOND_US), false, 0, 60, 1);
    expect_verdict(rate_limit_take(&limit, &caller, SECOND_US + 99999), false, 0, 60, 1);
    expect_verdict(rate_limit_take(&limit, &caller, SECOND_US + 100000), true, 0, 60, 1);
    expect_verdict(rate_limit_take(&limit, &caller, 31 * SECOND_US), true, 298, 31, 0);
}

/* A debt under a long window, and a short one from now on. */
static void test_a_shorter_window_forgives(NO_STATE)
{
    const struct rate before = {1, RATE_SECONDS_MAX}, after = {10, 10}, one = {1, 1};
    struct rate_state caller = {0};
    assert_true(rate_limit_take(&before, &caller, 0).allowed);
    assert_int_equal(rate_limit_take(&after, &caller, 0).retry_after_s, 11); /* two windows */
    assert_false(rate_limit_take(&after, &caller, 11 * SECOND_US - 1).allowed);
    assert_true(rate_limit_take(&after, &caller, 11 * SECOND_US).allowed);
    /* Parts of a microsecond of another limit are less than one. */
    caller = (struct rate_state){.tat_us = 0, .part = RATE_REQUESTS_MAX - 1};
    assert_true(rate_limit_take(&one, &caller, 0).allowed);
}

static void test_one_request_in_a_day(NO_STATE)
{
    const struct rate limit = {1, RATE_SECONDS_MAX};
    const int64_t day_us = RATE_SECONDS_MAX * SECOND_US;
    struct rate_state caller = {0};
    expect_verdict(rate_limit_take(&limit, &caller, 7), true, 0, RATE_SECONDS_MAX,
                   RATE_SECONDS_MAX);
    expect_verdict(rate_limit_take(&limit, &caller, 7), false, 0, RATE_SECONDS_MAX,
                   RATE_SECONDS_MAX);
    expect_verdict(rate_limit_take(&limit, &caller, 7 + day_us - 1), false, 0, 1, 1);
    expect_verdict(rate_limit_take(&limit, &caller, 7 + day_us), true, 0, RATE_SECONDS_MAX,
                   RATE_SECONDS_MAX);
}

/* After the time in retry_after_s a request is allowed, and not a second before. */
static void test_retry_after_is_enough_and_not_too_much(NO_STATE)
{
    static const struct rate limits[] = {{1, 1}, {3, 7}, {7, 3}, {5, 60}, {1000000, 86400}};
    for (size_t i = 0; i < LENGTH(limits); i++) {
        struct rate_state caller = {0}, later;
        int64_t now_us = 123456789;
        while (rate_limit_take(&limits[i], &caller, now_us).allowed) {
        }
        struct rate_verdict refused = rate_limit_take(&limits[i], &caller, now_us);
        assert_true(refused.retry_after_s >= 1);
        later = caller;
        assert_true(rate_limit_take(&limits[i], &later, now_us + refused.retry_after_s * SECOND_US)
                        .allowed);
        later = caller;
        if (refused.retry_after_s > 1) {
            assert_false(rate_limit_take(&limits[i], &later,
                                         now_us + (refused.retry_after_s - 1) * SECOND_US)
                             .allowed);
        }
    }
}

/* Whoever has just passed is told how long to wait, too. */
static void test_retry_after_of_those_who_passed(NO_STATE)
{
    const struct rate limit = {2, 9};
    struct rate_state caller = {0};
    expect_verdict(rate_limit_take(&limit, &caller, 1), true, 1, 5, 0);
    expect_verdict(rate_limit_take(&limit, &caller, 1), true, 0, 9, 5);
    expect_verdict(rate_limit_take(&limit, &caller, 2 + 4 * SECOND_US), false, 0, 5, 1);
}

/* A caller who always comes gets exactly N, and then exactly N * elapsed / S, however the interval
 * divides: nothing drifts. */
static void test_the_sustained_rate_is_exact(NO_STATE)
{
    static const struct rate limits[] = {{3, 1}, {7, 60}, {999983, 1}, {600, 60}, {11, 13}};
    for (size_t i = 0; i < LENGTH(limits); i++) {
        const struct rate *limit = &limits[i];
        struct rate_state caller = {0};
        const int64_t begin_us = 5000, step_us = 997;
        int64_t allowed = 0;
        for (int64_t elapsed_us = 0; elapsed_us < 20 * SECOND_US; elapsed_us += step_us) {
            while (rate_limit_take(limit, &caller, begin_us + elapsed_us).allowed) {
                allowed++;
            }
            int64_t due =
                limit->requests + elapsed_us * limit->requests / (limit->seconds * SECOND_US);
            if (allowed != due) {
                fail_msg("%lld of %lld requests were allowed after %lld us", (long long)allowed,
                         (long long)due, (long long)elapsed_us);
            }
        }
    }
}

enum { ARRIVALS = 3000 };

/* However a caller comes, no window of time sees more than N + N * elapsed / S; and whoever is
 * refused has had N in the window before. */
static void test_no_window_sees_too_many(NO_STATE)
{
    struct random random = unit_random(1);
    int64_t *times_us = calloc(ARRIVALS, sizeof *times_us);
    assert_non_null(times_us);
    for (unsigned round = 0; round < 30; round++) {
        const struct rate limit = {1 + unit_below(&random, 40), 1 + unit_below(&random, 5)};
        const int64_t window_us = limit.seconds * SECOND_US;
        struct rate_state caller = {0};
        int64_t now_us = unit_below(&random, 1000000);
        size_t allowed = 0;
        for (unsigned i = 0; i < ARRIVALS; i++) {
            bool idle = unit_percent(&random, 1);
            now_us += unit_below(&random, idle ? 20000000 : (unsigned)(window_us / limit.requests));
            if (rate_limit_take(&limit, &caller, now_us).allowed) {
                times_us[allowed++] = now_us;
            }
        }
        for (size_t first = 0; first < allowed; first++) {
            for (size_t last = first; last < allowed && last < first + 500; last++) {
                int64_t elapsed_us = times_us[last] - times_us[first];
                int64_t most = limit.requests + limit.requests * elapsed_us / window_us;
                assert_true((int64_t)(last - first + 1) <= most);
            }
        }
    }
    free(times_us);
}

static void test_huge_times(NO_STATE)
{
    const struct rate limit = {RATE_REQUESTS_MAX, RATE_SECONDS_MAX};
    const int64_t last_us = INT64_MAX / 4; /* 73,000 years after the machine began */
    struct rate_state caller = {0};
    assert_int_equal(rate_limit_take(&limit, &caller, 0).remaining, RATE_REQUESTS_MAX - 1);
    assert_int_equal(rate_limit_take(&limit, &caller, last_us).remaining, RATE_REQUESTS_MAX - 1);
    assert_int_equal(rate_limit_take(&limit, &caller, last_us).remaining, RATE_REQUESTS_MAX - 2);
    /* A debt from far ahead, as no monotonic clock gives it, is a full debt and no more. */
    assert_false(rate_limit_take(&limit, &caller, 0).allowed);
    assert_int_equal(rate_limit_debt_us(&limit, &caller, 0), rate_limit_debt_max_us(&limit));
}

static void test_learning_from_others(NO_STATE)
{
    const struct rate limit = {10, 10};
    const int64_t now_us = 50 * SECOND_US;
    struct rate_state caller = {0};
    assert_int_equal(rate_limit_take(&limit, &caller, now_us).remaining, 9);
    rate_limit_learn(&limit, &caller, now_us + 5 * SECOND_US, now_us);
    assert_int_equal(rate_limit_take(&limit, &caller, now_us).remaining, 4);
    /* Less than is known already changes nothing. */
    rate_limit_learn(&limit, &caller, now_us + SECOND_US, now_us);
    rate_limit_learn(&limit, &caller, INT64_MIN, now_us);
    assert_int_equal(rate_limit_take(&limit, &caller, now_us).remaining, 3);
    /* Far too much is cut. */
    rate_limit_learn(&limit, &caller, INT64_MAX, now_us);
    assert_int_equal(rate_limit_debt_us(&limit, &caller, now_us), 20 * SECOND_US);
    expect_verdict(rate_limit_take(&limit, &caller, now_us), false, 0, 20, 11);
    assert_true(rate_limit_take(&limit, &caller, now_us + 11 * SECOND_US).allowed);
}

static void test_costs(NO_STATE)
{
    const struct rate limit = {7, 60};
    assert_int_equal(rate_limit_cost_us(&limit, 0), 0);
    assert_int_equal(rate_limit_cost_us(&limit, 1), 8571429); /* 8571428.57 */
    assert_int_equal(rate_limit_cost_us(&limit, 7), 60 * SECOND_US);
    assert_int_equal(rate_limit_cost_us(&limit, UINT32_MAX), 120 * SECOND_US);
    struct rate_state caller = {0};
    assert_int_equal(rate_limit_debt_us(&limit, &caller, 1), 0);
    (void)rate_limit_take(&limit, &caller, 1);
    assert_int_equal(rate_limit_debt_us(&limit, &caller, 1), 8571429);
    assert_int_equal(rate_limit_debt_us(&limit, &caller, 8571430), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_verdict_says),
        cmocka_unit_test(test_a_shorter_window_forgives),
        cmocka_unit_test(test_one_request_in_a_day),
        cmocka_unit_test(test_retry_after_is_enough_and_not_too_much),
        cmocka_unit_test(test_retry_after_of_those_who_passed),
        cmocka_unit_test(test_the_sustained_rate_is_exact),
        cmocka_unit_test(test_no_window_sees_too_many),
        cmocka_unit_test(test_huge_times),
        cmocka_unit_test(test_learning_from_others),
        cmocka_unit_test(test_costs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
