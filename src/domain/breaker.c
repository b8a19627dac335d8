/* Circuit breaker with jittered exponential backoff. */
#include "rsvpd/domain/breaker.h"

#include <assert.h>

void breaker_init(struct breaker *breaker, int64_t wait_min_us, int64_t wait_max_us)
{
    assert(wait_min_us > 1 && wait_min_us <= wait_max_us);
    *breaker = (struct breaker){
        .state = BREAKER_CLOSED,
        .wait_min_us = wait_min_us,
        .wait_max_us = wait_max_us,
        .wait_us = wait_min_us,
    };
}

bool breaker_allows(struct breaker *breaker, int64_t now_us)
{
    assert(breaker->wait_us >= breaker->wait_min_us && breaker->wait_us <= breaker->wait_max_us);
    if (breaker->state == BREAKER_OPEN && now_us >= breaker->retry_at_us) {
        breaker->state = BREAKER_HALF_OPEN;
        return true;
    }
    return breaker->state == BREAKER_CLOSED;
}

void breaker_success(struct breaker *breaker)
{
    breaker->state = BREAKER_CLOSED;
    breaker->wait_us = breaker->wait_min_us;
}

void breaker_failure(struct breaker *breaker, int64_t now_us, uint64_t random)
{
    int64_t half = breaker->wait_us / 2;
    breaker->state = BREAKER_OPEN;
    breaker->retry_at_us = now_us + half + (int64_t)(random % (uint64_t)(half + 1));
    breaker->wait_us =
        breaker->wait_us > breaker->wait_max_us / 2 ? breaker->wait_max_us : breaker->wait_us * 2;
    assert(breaker->retry_at_us > now_us);
}
