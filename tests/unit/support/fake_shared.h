/* A small model of the shared counts (Redis) that a test steps by hand. */
#ifndef RSVPD_TESTS_FAKE_SHARED_H
#define RSVPD_TESTS_FAKE_SHARED_H

#include "rsvpd/domain/ports.h"

enum { SHARED_HELD_MAX = 2048, SHARED_READS_MAX = 8 };

/* A read that waits for its answer. */
struct shared_read {
    int64_t since_us;
    size_t size;
    struct shared_count entries[SHARED_COUNTS_MAX];
};

struct fake_shared {
    struct shared_counts_port port;
    struct shared_counts_listener listener;
    bool up;                        /* answers as far as is known */
    bool takes;                     /* what it is asked or told; else it refuses */
    size_t publications, published; /* calls, and counts in them */
    struct shared_count held[SHARED_HELD_MAX];
    size_t held_count;
    struct shared_read reads[SHARED_READS_MAX]; /* the oldest first */
    size_t read_count;
};

void fake_shared_init(struct fake_shared *shared);

/* What it holds of an entity, NULL where nothing. */
struct shared_count *fake_shared_held(struct fake_shared *shared, const struct relation *relation,
                                      const char *entity);

/* Holds a count, as another process would have published it: value, version and wall time. */
void fake_shared_hold(struct fake_shared *shared, const struct relation *relation,
                      const char *entity, const struct count *count);

/* Answers the oldest read with what is held. */
void fake_shared_answer(struct fake_shared *shared, struct instant now);

/* Answers the oldest read as if nothing were held: it took too long, or the connection broke. */
void fake_shared_fail(struct fake_shared *shared, struct instant now);

#endif
