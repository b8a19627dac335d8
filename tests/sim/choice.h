/* What a seed decides: every choice of a run is drawn from one generator, in the order of the run.
 * That order must not be the compiler's choice: no two draws in one initializer, argument list or
 * expression. */
#ifndef RSVPD_SIM_CHOICE_H
#define RSVPD_SIM_CHOICE_H

#include "rsvpd/base/random.h"

#include <stdbool.h>

/* From 0 to bound - 1. */
static inline unsigned choose_below(struct random *random, unsigned bound)
{
    return (unsigned)(random_next(random) % bound);
}

/* From `low` to `high`, both possible. */
static inline int64_t choose_between(struct random *random, int64_t low, int64_t high)
{
    return low + (int64_t)(random_next(random) % (uint64_t)(high - low + 1));
}

/* Whether something happens that happens so many times in ten thousand. */
static inline bool choose_chance(struct random *random, unsigned per_10k)
{
    return choose_below(random, 10000) < per_10k;
}

/* A delay about as long as usual, now and then many times longer. */
static inline int64_t choose_delay(struct random *random, int64_t usual_us)
{
    int64_t delay_us = choose_between(random, usual_us / 2 + 1, usual_us * 3 / 2 + 1);
    while (choose_chance(random, 1200)) {
        delay_us *= 2;
    }
    return delay_us;
}

#endif
