/* Chained hash table whose nodes live inside its elements. The number of buckets is fixed at
 * creation, because every table here is bounded; growing would stall a loop. The hash is keyed with
 * a random secret, so that clients who choose the keys cannot choose collisions. */
#ifndef RSVPD_BASE_HASH_TABLE_H
#define RSVPD_BASE_HASH_TABLE_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"

#include <stdint.h>

struct hash_node {
    struct hash_node *next;
    uint64_t hash;
};

struct hash_table {
    struct hash_node **buckets;
    uint64_t mask;   /* number of buckets - 1; the number is a power of two */
    uint64_t secret; /* key of the hash */
    size_t size;     /* elements in the table */
};

/* Whether the element of `node` has the key that is looked for. */
typedef bool hash_match_fn(const struct hash_node *node, const void *key);

/* A table for about `expected` elements. False when memory is exhausted. */
MUST_CHECK bool hash_table_init(struct hash_table *table, size_t expected, uint64_t secret);

/* Frees the buckets; the elements stay their owners'. */
void hash_table_free(struct hash_table *table);

/* The hash of bytes under a secret; chain calls by passing the last result as the secret. */
uint64_t hash_bytes(uint64_t secret, struct slice bytes);

struct hash_node *hash_table_find(const struct hash_table *table, uint64_t hash,
                                  hash_match_fn *match, const void *key);
/* Returns the element after `node`, or the first if it is NULL; NULL after the last. The order has
 * no meaning. The table must not change in between. */
struct hash_node *hash_table_next(const struct hash_table *table, const struct hash_node *node);

void hash_table_insert(struct hash_table *table, struct hash_node *node, uint64_t hash);

/* `node` must be in the table. */
void hash_table_remove(struct hash_table *table, struct hash_node *node);

#endif
