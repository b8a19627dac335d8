/* Circuit breaker with jittered exponential backoff: after a failure a dependency is left alone for
 * a while, then one attempt is let through; success closes the breaker, failure doubles the wait.
 */
#ifndef RSVPD_DOMAIN_BREAKER_H
#define RSVPD_DOMAIN_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

enum breaker_state {
    BREAKER_CLOSED,   /* the dependency works as far as is known */
    BREAKER_OPEN,     /* it failed; no attempt before retry_at */
    BREAKER_HALF_OPEN /* one attempt is under way, its result decides */
};

struct breaker {
    enum breaker_state state;
    int64_t wait_min_us, wait_max_us;
    int64_t wait_us;     /* the next wait, before jitter */
    int64_t retry_at_us; /* while open; monotonic */
};

void breaker_init(struct breaker *breaker, int64_t wait_min_us, int64_t wait_max_us);

/* Whether an attempt may be made now. Where the wait is over this is the one attempt (half open):
 * the caller makes it and reports how it ended. */
bool breaker_allows(struct breaker *breaker, int64_t now_us);

void breaker_success(struct breaker *breaker);

/* Opens the breaker for a wait between half the current one and all of it, as `random` says; the
 * next is twice as long. */
void breaker_failure(struct breaker *breaker, int64_t now_us, uint64_t random);

#endif
