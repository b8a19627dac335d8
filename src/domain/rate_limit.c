/* The limit on how often one caller may come. */
#include "rsvpd/domain/rate_limit.h"

enum { SECOND_US = 1000 * 1000 };

static_assert((int64_t)RATE_DEBT_WINDOWS_MAX + 1 <=
                  INT64_MAX / RATE_SECONDS_MAX / RATE_REQUESTS_MAX / SECOND_US,
              "the largest debt and one window more fit, in parts of a microsecond");

static int64_t window_us(const struct rate *limit)
{
    return limit->seconds * SECOND_US;
}

/* In parts of a microsecond, of which it has as many as the limit has requests. So one request
 * costs the window in microseconds. */
static int64_t debt(const struct rate *limit, const struct rate_state *state, int64_t now_us)
{
    int64_t max_us = rate_limit_debt_max_us(limit);
    if (state->tat_us < now_us) {
        return 0;
    }
    int64_t ahead_us = state->tat_us - now_us;
    /* The parts may be of another limit, which was in force before. */
    int64_t part = state->part < limit->requests ? state->part : limit->requests - 1;
    return ahead_us >= max_us ? max_us * limit->requests : ahead_us * limit->requests + part;
}

static int64_t divide_up(int64_t number, int64_t by)
{
    return number / by + (number % by > 0);
}

/* Whole seconds of a debt, rounded up. */
static int32_t seconds(const struct rate *limit, int64_t owed)
{
    return owed > 0 ? (int32_t)divide_up(owed, limit->requests * SECOND_US) : 0;
}

struct rate_verdict rate_limit_take(const struct rate *limit, struct rate_state *state,
                                    int64_t now_us)
{
    assert(limit->requests > 0 && limit->seconds > 0);
    int64_t cost = window_us(limit);
    int64_t full = cost * limit->requests;
    int64_t latest_us = now_us + rate_limit_debt_max_us(limit);
    if (state->tat_us > latest_us) {
        *state = (struct rate_state){.tat_us = latest_us};
    }
    int64_t owed = debt(limit, state, now_us);
    bool allowed = owed + cost <= full;
    if (allowed) {
        owed += cost;
        state->tat_us = now_us + owed / limit->requests;
        state->part = (uint32_t)(owed % limit->requests);
    }
    return (struct rate_verdict){
        .limit = *limit,
        .allowed = allowed,
        .remaining = owed < full ? (int32_t)((full - owed) / cost) : 0,
        .reset_s = seconds(limit, owed),
        .retry_after_s = seconds(limit, owed + cost - full),
    };
}

int64_t rate_limit_debt_us(const struct rate *limit, const struct rate_state *state, int64_t now_us)
{
    return divide_up(debt(limit, state, now_us), limit->requests);
}

int64_t rate_limit_cost_us(const struct rate *limit, uint32_t requests)
{
    uint32_t most = (uint32_t)(RATE_DEBT_WINDOWS_MAX * limit->requests);
    int64_t counted = requests < most ? requests : most;
    return (counted * window_us(limit) + limit->requests / 2) / limit->requests;
}

int64_t rate_limit_debt_max_us(const struct rate *limit)
{
    return RATE_DEBT_WINDOWS_MAX * window_us(limit);
}

void rate_limit_learn(const struct rate *limit, struct rate_state *state, int64_t tat_us,
                      int64_t now_us)
{
    int64_t latest_us = now_us + rate_limit_debt_max_us(limit);
    int64_t learnt_us = tat_us < latest_us ? tat_us : latest_us;
    if (learnt_us > state->tat_us) {
        *state = (struct rate_state){.tat_us = learnt_us};
    }
}
