/* A small model of the shared counts (Redis) that a test steps by hand. */
#ifndef RSVPD_TESTS_FAKE_SHARED_H
#define RSVPD_TESTS_FAKE_SHARED_H

#include "rsvpd/domain/ports.h"

enum { REDIS_HELD_MAX = 2048, REDIS_READS_MAX = 8 };

/* A read that waits for its answer. */
struct redis_read {
    int64_t since_us;
    size_t size;
    struct redis_count entries[REDIS_COUNTS_MAX];
};

struct fake_redis_counts {
    struct redis_counts_port port;
    struct redis_counts_listener listener;
    bool up;                        /* answers as far as is known */
    bool takes;                     /* what it is asked or told; else it refuses */
    size_t publications, published; /* calls, and counts in them */
    struct redis_count held[REDIS_HELD_MAX];
    size_t held_count;
    struct redis_read reads[REDIS_READS_MAX]; /* the oldest first */
    size_t read_count;
};

void fake_redis_counts_init(struct fake_redis_counts *redis);

/* What it holds of an entity, NULL where nothing. */
struct redis_count *fake_redis_counts_held(struct fake_redis_counts *redis,
                                           const struct relation *relation, const char *entity);

/* Holds a count, as another process would have published it: value, version and wall time. */
void fake_redis_counts_hold(struct fake_redis_counts *redis, const struct relation *relation,
                            const char *entity, const struct count *count);

/* Answers the oldest read with what is held. */
void fake_redis_counts_answer(struct fake_redis_counts *redis, struct instant now);

/* Answers the oldest read as if nothing were held: it took too long, or the connection broke. */
void fake_redis_counts_fail(struct fake_redis_counts *redis, struct instant now);

#endif
