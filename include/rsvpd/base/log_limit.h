/* Limits how often a line is logged that would repeat: a few at once, then one now and then, which
 * says how many were left out. */
#ifndef RSVPD_BASE_LOG_LIMIT_H
#define RSVPD_BASE_LOG_LIMIT_H

#include "rsvpd/base/contract.h"

#include <stdbool.h>
#include <stdint.h>

enum { LOG_LIMIT_BURST = 10, LOG_LIMIT_EVERY_US = 10 * 1000 * 1000 };

/* Zeroed: nothing was logged yet. */
struct log_limit {
    int64_t free_at_us; /* monotonic: when as many as the burst may come again */
    int64_t left_out;   /* since the last that was logged */
};

/* Whether to log the line now. If so, `left_out` is how many were left out since the last one. */
MUST_CHECK bool log_limit_allows(struct log_limit *limit, int64_t now_us, int64_t *left_out);

#endif
