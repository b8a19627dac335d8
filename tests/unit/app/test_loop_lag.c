/* How late a loop is, by when its timer fires. */
#include "unit.h"

#include "rsvpd/app/loop_lag.h"

#include <stdlib.h>

enum { EVERY_MS = 10 };

static uint64_t seen(const struct metrics *metrics)
{
    const struct histogram_values *values = &metrics->histograms[HISTOGRAM_LAG_WORKERS];
    uint64_t count = 0;
    for (size_t i = 0; i < LENGTH(values->buckets); i++) {
        count += values->buckets[i];
    }
    return count;
}

static void test_lag(NO_STATE)
{
    static const struct {
        int64_t fired_us;
        uint64_t late_us;
    } ticks[] = {{1000000, 0},           /* nobody knows when it was to fire */
                 {1010000, 0},           /* in time */
                 {1019000, 0},           /* early: timers count whole milliseconds */
                 {1029000 + 3000, 3000}, /* late, and the next one counts from here */
                 {1042000, 0},           {1052000 + 2000000, 2000000}};
    struct metrics *metrics = metrics_create();
    struct loop_lag lag = {0};
    uint64_t sum = 0;
    assert_non_null(metrics);
    for (size_t i = 0; i < LENGTH(ticks); i++) {
        loop_lag_note(&lag, metrics, HISTOGRAM_LAG_WORKERS, EVERY_MS, ticks[i].fired_us);
        sum += ticks[i].late_us;
        assert_int_equal(seen(metrics), i);
        assert_int_equal(metrics->histograms[HISTOGRAM_LAG_WORKERS].sum, sum);
    }
    free(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lag)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
