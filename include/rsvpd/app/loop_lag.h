/* How late an event loop is: how much later than asked for its timer fires. What keeps a loop from
 * its timer keeps it from everything else, too. */
#ifndef RSVPD_APP_LOOP_LAG_H
#define RSVPD_APP_LOOP_LAG_H

#include "rsvpd/base/metrics.h"

#include <stdint.h>

/* All zero: the timer has not fired yet. */
struct loop_lag {
    int64_t fired_us; /* monotonic: when the timer last fired */
};

/* To be called whenever a timer that repeats every `every_ms` milliseconds fires. */
void loop_lag_note(struct loop_lag *lag, struct metrics *metrics, enum histogram histogram,
                   int64_t every_ms, int64_t now_us);

#endif
