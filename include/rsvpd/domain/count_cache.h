/* Counts that one worker holds in memory: bounded, with a lifetime, at most one load of an entity
 * at a time. No I/O; time is an argument.
 *
 * An entry outlives its lifetime, because while Postgres cannot be asked the last count known is
 * better than none (marked stale); the least recently used entry goes when room is needed. */
#ifndef RSVPD_DOMAIN_COUNT_CACHE_H
#define RSVPD_DOMAIN_COUNT_CACHE_H

#include "rsvpd/domain/operation.h"

enum {
    COUNT_BOUND_US = 4000 * 1000,              /* oldest count that is served as fresh */
    COUNT_STALE_MAX_US = 10 * 60 * 1000 * 1000 /* oldest count that is served at all */
};

enum count_load {
    COUNT_LOAD_NONE,
    COUNT_LOAD_WANTED,  /* to be asked of Redis at the end of this turn */
    COUNT_LOAD_SHARED,  /* Redis is being asked */
    COUNT_LOAD_POSTGRES /* Postgres is being asked */
};

/* Where a count came from: a truth may correct what Redis said, whatever version Redis claimed. */
enum count_origin { COUNT_FROM_TRUTH, COUNT_FROM_SHARED };

struct count_entry {
    struct hash_node key;
    struct list_node by_use;     /* in the cache, the least recently used first */
    struct list_node to_load;    /* in the cache's list while COUNT_LOAD_WANTED */
    struct list_node to_publish; /* in the cache's list while Redis is to be told */
    struct identifier entity;
    enum count_load load;
    struct list waiters; /* operations in the order of their arrival */
    bool known;          /* `count` holds a value */
    enum count_origin origin;
    int64_t put_at_us; /* monotonic; starts the lifetime */
    int64_t learnt_us; /* when the version that is held was met last: it was committed by then */
    struct count count;
};

struct count_cache {
    const struct relation *relation;
    int64_t lifetime_us;
    struct hash_table entries;
    struct list by_use;
    struct list to_load;
    struct list to_publish;
    struct count_entry *slab; /* all entries that there can be */
    size_t slab_used, capacity;
};

/* False when memory is exhausted. */
bool count_cache_init(struct count_cache *cache, const struct relation *relation, size_t capacity,
                      int64_t lifetime_us, uint64_t secret) __attribute__((warn_unused_result));
void count_cache_free(struct count_cache *cache);

/* The entity's entry, now the most recently used; made, in place of the least recently used one
 * that nobody waits for and that needs not be published, where there is none. NULL when there is
 * no such one. */
struct count_entry *count_cache_entry(struct count_cache *cache, const struct identifier *entity);

/* Whether the entry's count may be served now to somebody who wants one not older than
 * `not_before_us`. */
bool count_entry_serves(const struct count_cache *cache, const struct count_entry *entry,
                        int64_t not_before_us, int64_t now_us);

/* Takes a count in unless the entry holds a better one: an older version never replaces a newer
 * one, except that past the bound no reading can be late any more, and that the truth corrects
 * Redis. */
void count_entry_put(struct count_entry *entry, const struct count *count, enum count_origin origin,
                     int64_t now_us);

/* Whether the entry's count may be served marked stale. */
bool count_entry_serves_stale(const struct count_entry *entry, int64_t now_us);

#endif
