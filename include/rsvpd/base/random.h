/* Fast pseudo-random numbers for jitter and request ids; not for secrets. */
#ifndef RSVPD_BASE_RANDOM_H
#define RSVPD_BASE_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state;
};

/* The next 64 bits: the SplitMix64 generator (Steele, Lea, Flood 2014). */
static inline uint64_t random_next(struct random *random)
{
    uint64_t z = random->state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

#endif
