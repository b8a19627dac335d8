/* The two clocks, and the kernel's randomness. */
#include "rsvpd/base/clock.h"
#include "rsvpd/base/contract.h"

#include <sys/random.h>
#include <time.h>

static int64_t read_us(clockid_t clock)
{
    struct timespec t;
    int failed = clock_gettime(clock, &t);
    NOT_HANDLED_YET(failed != 0);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

struct instant clock_now(void)
{
    /* In this order: if the thread is paused between the two, things look older than they are,
     * never newer. */
    int64_t mono_us = read_us(CLOCK_MONOTONIC);
    return (struct instant){.mono_us = mono_us, .wall_us = read_us(CLOCK_REALTIME)};
}

int64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

uint64_t clock_entropy(void)
{
    uint64_t bits = 0;
    ssize_t size = getrandom(&bits, sizeof bits, 0); /* up to 256 bytes come whole, getrandom(2) */
    NOT_HANDLED_YET(size != (ssize_t)sizeof bits);
    return bits;
}
