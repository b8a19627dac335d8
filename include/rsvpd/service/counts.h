/* Answers counts: from the process's memory, from Redis, from Postgres, in this order, never
 * older than was asked for; while Postgres cannot be asked, the last one known, marked stale. */
#ifndef RSVPD_SERVICE_COUNTS_H
#define RSVPD_SERVICE_COUNTS_H

#include "rsvpd/base/contract.h"
#include "rsvpd/domain/count_cache.h"
#include "rsvpd/service/dispatch.h"

/* How long learnt counts gather before Redis is told: what changes many times meanwhile goes once.
 * Part of what a count may spend on its way. */
enum { PUBLISH_EVERY_US = 200 * 1000 };

struct counts {
    struct operations *operations;
    struct dispatch *dispatch;
    const struct redis_counts_port *redis; /* NULL where there is no Redis */
    struct metrics *metrics;
    int64_t deadline_us;      /* how long a load may take */
    int64_t redis_age_max_us; /* oldest count that is believed when it comes from Redis */
    struct count_cache caches[RELATION_COUNT];
    int64_t publish_at_us; /* monotonic: not before this */
    /* Hears of every entry with a watcher that was told a count, or asked for one in vain. */
    void (*noticed)(void *listener, struct count_entry *entry, int64_t now_us);
    void *listener;
};

/* For `capacity` entities of each relation at a time. */
MUST_CHECK bool counts_init(struct counts *counts, struct operations *operations,
                            struct dispatch *dispatch, struct count_memory *memory, size_t capacity,
                            const struct redis_counts_port *redis, struct metrics *metrics,
                            int64_t deadline_us, int64_t local_lifetime_us,
                            int64_t redis_lifetime_us);
void counts_free(struct counts *counts);

/* Answers a filled-in, watched OPERATION_COUNT, at once or later. */
void counts_submit(struct counts *counts, struct operation *operation, int64_t now_us);

/* The deadline of a waiting count has passed: answers it with the last one known, or not at all. */
void counts_expire(struct counts *counts, struct operation *operation, int64_t now_us);

/* A count as of a commit, or read from Postgres: into the process's memory, to whoever waits here,
 * and soon on to Redis. To be called before anybody is told of it. */
void counts_learn(struct counts *counts, const struct relation *relation,
                  const struct identifier *entity, const struct count *count, int64_t now_us);

/* The entry of an entity that is watched from now on, by `watcher` alone, until its `watcher` is
 * set to NULL. NULL where there is none to be had. */
MUST_CHECK struct count_entry *counts_watch(struct counts *counts, const struct relation *relation,
                                            const struct identifier *entity, void *watcher);

/* Asks for the count of an entry that is watched, unless the process was told one since
 * `told_since_us`. Its watcher hears of what comes, perhaps before this returns. */
void counts_refresh(struct counts *counts, const struct relation *relation,
                    struct count_entry *entry, int64_t told_since_us, int64_t now_us);

/* What would be answered from memory. False where nothing is known that may be. */
MUST_CHECK bool counts_peek(struct counts *counts, const struct relation *relation,
                            struct count_entry *entry, int64_t now_us, struct count *count);

/* What Redis answered. */
void counts_redis_read_ended(struct counts *counts, const struct redis_count *entries, size_t size,
                             struct instant now);

/* Asks Redis for what this iteration missed, and tells it, now and then, what was learnt. To be
 * called at the end of every iteration, before dispatch_end_iteration. */
void counts_end_iteration(struct counts *counts, struct instant now);

#endif
