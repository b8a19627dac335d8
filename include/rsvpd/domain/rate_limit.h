/* The limit on how often one caller may come: N requests in S seconds, with bursts up to N (the
 * generic cell rate algorithm, GCRA: ITU-T I.371, annex A). Time is an argument.
 *
 * Each request costs S/N seconds. What a caller owes is the sum of the costs, less the time that
 * has passed; it never falls below nothing, and a request that would bring it past S is refused.
 * So in any window of time W a caller gets at most N + N * W / S requests. All is kept in whole
 * numbers, exactly. */
#ifndef RSVPD_DOMAIN_RATE_LIMIT_H
#define RSVPD_DOMAIN_RATE_LIMIT_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/rate.h"

/* What is remembered of a caller. Cleared: one who has not come yet. */
struct rate_state {
    int64_t tat_us; /* theoretical arrival time, monotonic: when nothing is owed any more */
    uint32_t part;  /* and so many parts of a microsecond later, of as many as the limit has
                       requests */
};

struct rate_verdict {
    struct rate limit; /* that the request was held to; off: to none */
    bool allowed;
    int32_t remaining;     /* requests that would be allowed now, at once */
    int32_t reset_s;       /* seconds until all are, rounded up */
    int32_t retry_after_s; /* seconds until one is, rounded up; 0: one is now */
};

enum {
    /* Other processes may have admitted more than one alone would. More debt than so many windows
     * is forgiven, so that nobody is refused for long by mistake. */
    RATE_DEBT_WINDOWS_MAX = 2
};

/* Lets a request of the caller pass, and notes it, or refuses it and notes nothing. `limit` is one,
 * not off. It may be another one than before: what is owed stays as it is, in time, and what is
 * more than the most that a caller may owe is forgiven. */
struct rate_verdict rate_limit_take(const struct rate *limit, struct rate_state *state,
                                    int64_t now_us);

/* What the caller owes, in microseconds, rounded up. */
int64_t rate_limit_debt_us(const struct rate *limit, const struct rate_state *state,
                           int64_t now_us);

/* What so many requests cost, in microseconds, rounded to the nearest. */
int64_t rate_limit_cost_us(const struct rate *limit, uint32_t requests);

/* The most that a caller may owe, in microseconds. */
int64_t rate_limit_debt_max_us(const struct rate *limit);

/* Learns that others know of a debt that is paid off at this time. Never lowers what is owed. */
void rate_limit_learn(const struct rate *limit, struct rate_state *state, int64_t tat_us,
                      int64_t now_us);

#endif
