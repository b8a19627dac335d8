/* The counts that one worker is asked for. */
#include "rsvpd/domain/count_cache.h"

#include <assert.h>
#include <stdlib.h>

bool count_cache_init(struct count_cache *cache, struct count_memory *memory,
                      const struct relation *relation, size_t capacity, int64_t lifetime_us)
{
    assert(capacity > 0 && lifetime_us >= 0);
    *cache = (struct count_cache){
        .memory = memory, .relation = relation, .lifetime_us = lifetime_us, .capacity = capacity};
    list_init(&cache->by_use);
    list_init(&cache->to_load);
    list_init(&cache->to_publish);
    /* Cleared memory that is not touched costs nothing, so a large capacity is free until it is
     * used. */
    cache->slab = calloc(capacity, sizeof *cache->slab);
    return hash_table_init(&cache->entries, capacity, count_memory_secret(memory)) &&
           cache->slab != NULL;
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
           list_linked(&entry->to_publish) || entry->watcher != NULL;
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
            assert(!list_linked(&entry->to_load)); /* that would be a load */
            return entry;
        }
        node = node->next;
    }
    return NULL;
}

static uint64_t hash_of(const struct count_cache *cache, const struct identifier *entity)
{
    return hash_bytes(cache->entries.secret, identifier_slice(entity));
}

struct count_entry *count_cache_entry(struct count_cache *cache, const struct identifier *entity)
{
    assert(entity->size > 0);
    uint64_t hash = hash_of(cache, entity);
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
    count_cache_look(cache, entry);
    return entry;
}

static struct count_key key_of(const struct count_cache *cache, const struct count_entry *entry)
{
    return (struct count_key){
        .relation = cache->relation, .entity = &entry->entity, .hash = entry->key.hash};
}

void count_cache_touch(struct count_cache *cache, struct count_entry *entry)
{
    list_remove(&entry->by_use);
    list_push_back(&cache->by_use, &entry->by_use);
}

void count_cache_look(const struct count_cache *cache, struct count_entry *entry)
{
    struct count_key key = key_of(cache, entry);
    count_memory_look(cache->memory, &key, &entry->view);
}

void count_cache_put(const struct count_cache *cache, struct count_entry *entry,
                     const struct count *count, enum count_origin origin, int64_t now_us)
{
    struct count_key key = key_of(cache, entry);
    count_memory_put(cache->memory, &key, count, origin, now_us, &entry->view);
}

void count_cache_put_alone(const struct count_cache *cache, const struct identifier *entity,
                           const struct count *count, int64_t now_us)
{
    struct count_view view = {.slot = NULL};
    struct count_key key = {
        .relation = cache->relation, .entity = entity, .hash = hash_of(cache, entity)};
    count_memory_put(cache->memory, &key, count, COUNT_FROM_PRIMARY, now_us, &view);
}

bool count_entry_serves(const struct count_cache *cache, const struct count_entry *entry,
                        int64_t not_before_us, int64_t now_us)
{
    const struct known_count *held = &entry->view.held;
    return count_entry_known(entry) && now_us - held->put_at_us <= cache->lifetime_us &&
           held->count.as_of_mono_us >= not_before_us &&
           held->count.as_of_mono_us >= now_us - COUNT_BOUND_US;
}

bool count_entry_serves_stale(const struct count_entry *entry, int64_t now_us)
{
    return count_entry_known(entry) &&
           entry->view.held.count.as_of_mono_us >= now_us - COUNT_STALE_MAX_US;
}
