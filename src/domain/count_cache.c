/* Counts that one worker holds in memory. */
#include "rsvpd/domain/count_cache.h"

#include <assert.h>
#include <stdlib.h>

bool count_cache_init(struct count_cache *cache, const struct relation *relation, size_t capacity,
                      int64_t lifetime_us, uint64_t secret)
{
    *cache = (struct count_cache){
        .relation = relation, .lifetime_us = lifetime_us, .capacity = capacity};
    list_init(&cache->by_use);
    list_init(&cache->to_load);
    list_init(&cache->to_publish);
    /* Cleared memory that is not touched costs nothing, so a large capacity is free until it is
     * used. */
    cache->slab = calloc(capacity, sizeof *cache->slab);
    return hash_table_init(&cache->entries, capacity, secret) && cache->slab != NULL;
}

void count_cache_free(struct count_cache *cache)
{
    hash_table_free(&cache->entries);
    free(cache->slab);
    cache->slab = NULL;
}

static bool same_entity(const struct hash_node *node, const void *key)
{
    return identifier_equal(&list_entry(node, const struct count_entry, key)->entity, key);
}

static bool in_use(const struct count_entry *entry)
{
    return entry->load != COUNT_LOAD_NONE || !list_empty(&entry->waiters) ||
           list_linked(&entry->to_publish);
}

/* An entry for a new entity: a fresh one, or the least recently used that is not in use. */
static struct count_entry *claim(struct count_cache *cache)
{
    if (cache->slab_used < cache->capacity) {
        return &cache->slab[cache->slab_used++];
    }
    struct list_node *node = list_first(&cache->by_use);
    while (node != &cache->by_use.head) {
        struct count_entry *entry = list_entry(node, struct count_entry, by_use);
        if (!in_use(entry)) {
            list_remove(&entry->by_use);
            hash_table_remove(&cache->entries, &entry->key);
            return entry;
        }
        node = node->next;
    }
    return NULL;
}

struct count_entry *count_cache_entry(struct count_cache *cache, const struct identifier *entity)
{
    uint64_t hash = hash_bytes(cache->entries.secret, identifier_slice(entity));
    struct hash_node *node = hash_table_find(&cache->entries, hash, same_entity, entity);
    struct count_entry *entry;
    if (node != NULL) {
        entry = list_entry(node, struct count_entry, key);
        list_remove(&entry->by_use);
    } else {
        entry = claim(cache);
        if (entry == NULL) {
            return NULL;
        }
        *entry = (struct count_entry){.entity = *entity};
        list_init(&entry->waiters);
        hash_table_insert(&cache->entries, &entry->key, hash);
    }
    list_push_back(&cache->by_use, &entry->by_use);
    return entry;
}

bool count_entry_serves(const struct count_cache *cache, const struct count_entry *entry,
                        int64_t not_before_us, int64_t now_us)
{
    return entry->known && now_us - entry->put_at_us <= cache->lifetime_us &&
           entry->count.as_of_mono_us >= not_before_us &&
           entry->count.as_of_mono_us >= now_us - COUNT_BOUND_US;
}

void count_entry_put(struct count_entry *entry, const struct count *count, enum count_origin origin,
                     int64_t now_us)
{
    const struct count *held = &entry->count;
    bool past_bound =
        entry->learnt_us < now_us - COUNT_BOUND_US && count->as_of_mono_us >= entry->learnt_us;
    bool newer = count->version > held->version ||
                 (count->version == held->version && count->as_of_mono_us > held->as_of_mono_us);
    bool corrects = origin == COUNT_FROM_TRUTH && entry->origin == COUNT_FROM_SHARED &&
                    count->as_of_mono_us >= held->as_of_mono_us;
    if (!entry->known || past_bound || newer || corrects) {
        entry->count = *count;
        entry->learnt_us = now_us;
        entry->origin = origin;
        entry->known = true;
    } else if (origin == COUNT_FROM_TRUTH && count->as_of_mono_us > held->as_of_mono_us) {
        /* The version that is held was committed after this older one was read; or a failover has
         * taken it back, which shows once nobody has met it for as long as the bound. */
        entry->count.as_of_mono_us = count->as_of_mono_us;
        entry->count.as_of_wall_us = count->as_of_wall_us;
    }
    /* Also where what is held is as good: it was asked, and so is not asked again for a lifetime.
     */
    entry->put_at_us = now_us;
}

bool count_entry_serves_stale(const struct count_entry *entry, int64_t now_us)
{
    return entry->known && entry->count.as_of_mono_us >= now_us - COUNT_STALE_MAX_US;
}
