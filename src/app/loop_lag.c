/* How late an event loop is. */
#include "rsvpd/app/loop_lag.h"

void loop_lag_note(struct loop_lag *lag, struct metrics *metrics, enum histogram histogram,
                   int64_t every_ms, int64_t now_us)
{
    int64_t late_us = now_us - lag->fired_us - every_ms * 1000;
    if (lag->fired_us != 0) {
        metrics_observe(metrics, histogram, late_us > 0 ? (uint64_t)late_us : 0);
    }
    lag->fired_us = now_us;
}
