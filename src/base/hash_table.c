/* Chained hash table whose nodes live inside its elements. */
#include "rsvpd/base/hash_table.h"

#include <assert.h>
#include <stdlib.h>

bool hash_table_init(struct hash_table *table, size_t expected, uint64_t secret)
{
    size_t buckets = 64;
    while (buckets < expected) {
        buckets *= 2;
    }
    *table = (struct hash_table){
        .buckets = calloc(buckets, sizeof(struct hash_node *)),
        .mask = buckets - 1,
        .secret = secret,
    };
    return table->buckets != NULL;
}

void hash_table_free(struct hash_table *table)
{
    free(table->buckets);
    table->buckets = NULL;
}

/* Folds the 128-bit product of two words: every input bit reaches every output bit. */
static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t hash_bytes(uint64_t secret, struct slice bytes)
{
    /* Odd constants with as many ones as zeros; any such would do. */
    const uint64_t k1 = 0x9E3779B97F4A7C15u, k2 = 0xD6E8FEB86659FD93u;
    uint64_t hash = secret ^ mix(bytes.size ^ k1, k2);
    uint64_t word;
    for (; bytes.size >= sizeof word; bytes = slice_skip(bytes, sizeof word)) {
        memcpy(&word, bytes.data, sizeof word); /* of a size that the compiler knows: one load */
        hash = mix(hash ^ word ^ k1, secret ^ k2);
    }
    if (bytes.size > 0) {
        word = 0;
        memcpy(&word, bytes.data, bytes.size);
        hash = mix(hash ^ word ^ k1, secret ^ k2);
    }
    return mix(hash ^ k2, k1);
}

struct hash_node *hash_table_find(const struct hash_table *table, uint64_t hash,
                                  hash_match_fn *match, const void *key)
{
    struct hash_node *node = table->buckets[hash & table->mask];
    while (node != NULL && !(node->hash == hash && match(node, key))) {
        node = node->next;
    }
    return node;
}

struct hash_node *hash_table_next(const struct hash_table *table, const struct hash_node *node)
{
    struct hash_node *next = node == NULL ? NULL : node->next;
    uint64_t bucket = node == NULL ? 0 : (node->hash & table->mask) + 1;
    for (; next == NULL && bucket <= table->mask; bucket++) {
        next = table->buckets[bucket];
    }
    return next;
}

void hash_table_insert(struct hash_table *table, struct hash_node *node, uint64_t hash)
{
    struct hash_node **bucket = &table->buckets[hash & table->mask];
    node->hash = hash;
    node->next = *bucket;
    *bucket = node;
    table->size++;
}

void hash_table_remove(struct hash_table *table, struct hash_node *node)
{
    struct hash_node **at = &table->buckets[node->hash & table->mask];
    while (*at != node) {
        assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    node->next = NULL;
    table->size--;
}
