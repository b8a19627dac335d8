/* What a process knows of counts: one memory for all its workers, so that none of them answers an
 * older version than another has answered before. Bounded; time is an argument. May be called from
 * any thread, but each view belongs to one.
 *
 * DESIGN: Reads outnumber changes by far, so a worker reads a view of its own, a copy, and looks at
 * one word of the memory to see that it is still true: that word lies on a cache line that only a
 * change writes to. Changes, and the views that must be taken anew, take the lock of one of many
 * shards: for some hundred nanoseconds, in which nothing is called that could wait or allocate.
 * Whoever learns a count puts it here before anybody is told of it.
 *
 * The memory is bounded, so it must forget. It forgets what was put longest ago, and each shard
 * notes when it last met a version that it forgot. What is then put for a count that it does not
 * have may be older than a version that was told and forgotten, unless it was read after that
 * moment. So it is kept, but nobody sees it before a reading as new as that has come. Forgetting
 * thus never takes a version back. It costs something only where so much is put that counts go
 * within the 4 s for which they are fresh: then some that Redis has are read from Postgres. */
#ifndef RSVPD_DOMAIN_COUNT_MEMORY_H
#define RSVPD_DOMAIN_COUNT_MEMORY_H

#include "rsvpd/domain/operation.h"

enum { COUNT_BOUND_US = 4000 * 1000 /* oldest count that is served as fresh */ };

/* Where a count came from: the primary may correct what Redis said, whatever version Redis claimed.
 */
enum count_origin { COUNT_FROM_PRIMARY, COUNT_FROM_REDIS };

struct known_count {
    struct count count;
    enum count_origin origin;
    int64_t put_at_us; /* monotonic; starts the lifetime */
    int64_t learnt_us; /* when the version that is held was met last: it was committed by then */
};

struct count_memory;
struct count_slot;

/* Which count is meant. */
struct count_key {
    const struct relation *relation;
    const struct identifier *entity;
    uint64_t hash; /* of the entity, under the memory's secret */
};

/* What one worker knows of a count. To be cleared at first. */
struct count_view {
    const struct count_slot *slot; /* where it was found; NULL: nothing is known for sure */
    uint64_t changes;              /* that the slot had gone through by then */
    struct known_count held;       /* where there is a slot */
};

/* NULL when memory is exhausted. */
struct count_memory *count_memory_create(size_t capacity, uint64_t secret);
void count_memory_destroy(struct count_memory **memory);

/* The key of the hash of entities. */
uint64_t count_memory_secret(const struct count_memory *memory);

/* Makes the view tell what the memory holds now. */
void count_memory_look(struct count_memory *memory, const struct count_key *key,
                       struct count_view *view);

/* Takes a reading in unless a better one is held, and looks at what is known then. An older version
 * never replaces a newer one, except that past the bound no reading can be late any more, and that
 * the primary corrects Redis. */
void count_memory_put(struct count_memory *memory, const struct count_key *key,
                      const struct count *count, enum count_origin origin, int64_t now_us,
                      struct count_view *view);

#endif
