/* Tells other processes, through Redis, how often callers came, and learns it from them. One for
 * each worker; they take turns. No request waits for it. */
#ifndef RSVPD_SERVICE_RATE_SHARING_H
#define RSVPD_SERVICE_RATE_SHARING_H

#include "rsvpd/base/metrics.h"
#include "rsvpd/domain/ports.h"

enum {
    RATE_SHARING_EVERY_US = 50 * 1000,
    RATE_SHARING_BATCHES_MAX = 4 /* in a turn, so that counts do not wait long behind them */
};

struct rate_sharing {
    struct rate_table *table; /* of the process */
    const struct redis_rates_port *redis;
    struct metrics *metrics;
};

/* To be called every few milliseconds: sends what has gathered, if it is time and Redis is there.
 * Else it goes on gathering. */
void rate_sharing_tick(struct rate_sharing *sharing, int64_t now_us);

/* For redis_rates_listener. */
void rate_sharing_exchanged(void *sharing, const struct rate_share *shares, size_t size,
                            int64_t sent_us, int64_t now_us);

#endif
