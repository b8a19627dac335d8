/* Holds back lines that repeat: GCRA, as a rate limit for one caller. */
#include "rsvpd/base/log_limit.h"

bool log_limit_allows(struct log_limit *limit, int64_t now_us, int64_t *left_out)
{
    int64_t free_at_us = limit->free_at_us > now_us ? limit->free_at_us : now_us;
    *left_out = limit->left_out;
    if (free_at_us - now_us > (int64_t)(LOG_LIMIT_BURST - 1) * LOG_LIMIT_EVERY_US) {
        limit->left_out++;
        return false;
    }
    limit->free_at_us = free_at_us + LOG_LIMIT_EVERY_US;
    limit->left_out = 0;
    return true;
}
