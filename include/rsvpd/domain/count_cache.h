/* The counts that one worker is asked for: what the process knows of each, who waits for it, and at
 * most one load of it at a time. Bounded. No I/O; time is an argument.
 *
 * What is known outlives its lifetime, because while Postgres cannot be asked the last count known
 * is better than none (marked stale). The least recently used entry goes when room is needed. */
#ifndef RSVPD_DOMAIN_COUNT_CACHE_H
#define RSVPD_DOMAIN_COUNT_CACHE_H

#include "rsvpd/base/contract.h"
#include "rsvpd/domain/count_memory.h"

enum { COUNT_STALE_MAX_US = 10 * 60 * 1000 * 1000 /* oldest count that is served at all */ };

enum count_load {
    COUNT_LOAD_NONE,
    COUNT_LOAD_WANTED,  /* to be asked of Redis at the end of this iteration */
    COUNT_LOAD_SHARED,  /* Redis is being asked */
    COUNT_LOAD_POSTGRES /* Postgres is being asked */
};

struct count_entry {
    struct hash_node key;
    struct list_node by_use;     /* in the cache, the least recently used first */
    struct list_node to_load;    /* in the cache's list while COUNT_LOAD_WANTED */
    struct list_node to_publish; /* in the cache's list while Redis is to be told */
    struct identifier entity;
    enum count_load load;
    struct list waiters; /* operations in the order of their arrival */
    void *watcher;       /* wants to hear of every change, and is the service's; NULL: none */
    struct count_view view;
};

struct count_cache {
    struct count_memory *memory; /* of the process */
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
MUST_CHECK bool count_cache_init(struct count_cache *cache, struct count_memory *memory,
                                 const struct relation *relation, size_t capacity,
                                 int64_t lifetime_us);
void count_cache_free(struct count_cache *cache);

/* The entity's entry, now the most recently used, with what the process knows now; made, in place
 * of the least recently used one that nobody waits for or watches and that needs not be published,
 * where there is none. NULL when there is no such one. */
struct count_entry *count_cache_entry(struct count_cache *cache, const struct identifier *entity);

/* Makes an entry the most recently used. */
void count_cache_touch(struct count_cache *cache, struct count_entry *entry);

/* Tells an entry what the process knows now. */
void count_cache_look(const struct count_cache *cache, struct count_entry *entry);

/* Tells the process of a reading, and the entry what the process then knows: see count_memory_put.
 */
void count_cache_put(const struct count_cache *cache, struct count_entry *entry,
                     const struct count *count, enum count_origin origin, int64_t now_us);

/* Tells the process of a count of the primary's for which this worker has no entry left. */
void count_cache_put_alone(const struct count_cache *cache, const struct identifier *entity,
                           const struct count *count, int64_t now_us);

/* Whether the process had the count when the entry was last told. */
static inline bool count_entry_known(const struct count_entry *entry)
{
    return entry->view.slot != NULL;
}

/* Whether the entry's count may be served now to somebody who wants one not older than
 * `not_before_us`. */
bool count_entry_serves(const struct count_cache *cache, const struct count_entry *entry,
                        int64_t not_before_us, int64_t now_us);

/* Whether the entry's count may be served marked stale. */
bool count_entry_serves_stale(const struct count_entry *entry, int64_t now_us);

#endif
