/* The two clocks. Everything that measures uses the monotonic one; the wall clock is for people. */
#ifndef RSVPD_BASE_CLOCK_H
#define RSVPD_BASE_CLOCK_H

#include <stdint.h>

/* Reads both clocks, so that an iteration of a loop has one idea of now. */
struct instant {
    int64_t mono_us; /* CLOCK_MONOTONIC: never steps; its zero means nothing */
    int64_t wall_us; /* CLOCK_REALTIME: microseconds since the Unix epoch; may step */
};

struct instant clock_now(void);
int64_t clock_mono_us(void);

/* 64 random bits from the kernel; for seeds and hash keys, not for the hot path. */
uint64_t clock_entropy(void);

#endif
