/* What a process knows of counts. */
#include "rsvpd/domain/count_memory.h"
#include "rsvpd/base/contract.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    SHARDS = 64,
    SHARD_SHIFT = 58, /* the hash's upper bits choose the shard, its lower ones the bucket */
    CACHE_LINE_BYTES = 64
};
static_assert(SHARDS == UINT64_C(1) << (64 - SHARD_SHIFT),
              "each value of the upper bits has a shard");

/* The first line is what readers look at; what moves when neighbours in a list do lies behind it.
 */
struct count_slot {
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t changes;
    struct known_count held;

    _Alignas(CACHE_LINE_BYTES) struct hash_node key;
    struct list_node by_put;
    int64_t unsure_until_us; /* only a reading as new as this says that no newer one was forgotten;
                                SURE once there was one */
    const struct relation *relation;
    struct identifier entity;
};

static const int64_t SURE = INT64_MIN;

struct shard {
    _Alignas(CACHE_LINE_BYTES) pthread_mutex_t lock;
    struct hash_table slots;
    struct list by_put; /* the one that was put longest ago first */
    struct count_slot *slab;
    size_t slab_used;
    int64_t forgotten_us; /* when the last of the versions that were forgotten was met, or SURE */
};

struct count_memory {
    void *allocation; /* in which this lies, where a cache line begins */
    uint64_t secret;
    size_t shard_capacity;
    struct shard shards[SHARDS];
    struct count_slot slots[];
};

struct count_memory *count_memory_create(size_t capacity, uint64_t secret)
{
    assert(capacity > 0);
    size_t shard_capacity = (capacity + SHARDS - 1) / SHARDS;
    size_t size = sizeof(struct count_memory) + SHARDS * shard_capacity * sizeof(struct count_slot);
    /* Cleared memory that is not touched costs nothing, so a large capacity is free until it is
     * used. */
    char *allocation = calloc(1, size + CACHE_LINE_BYTES);
    if (allocation == NULL) {
        return NULL;
    }
    struct count_memory *memory =
        (void *)(allocation + CACHE_LINE_BYTES - (uintptr_t)allocation % CACHE_LINE_BYTES);
    memory->allocation = allocation;
    memory->secret = secret;
    memory->shard_capacity = shard_capacity;
    bool made = true;
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &memory->shards[i];
        int failed = pthread_mutex_init(&shard->lock, NULL);
        NOT_HANDLED_YET(failed != 0); /* a plain one needs nothing */
        made = hash_table_init(&shard->slots, shard_capacity, secret) && made;
        shard->slab = memory->slots + i * shard_capacity;
        shard->forgotten_us = SURE;
        list_init(&shard->by_put);
    }
    if (!made) {
        count_memory_destroy(&memory);
    }
    return memory;
}

void count_memory_destroy(struct count_memory **memory)
{
    if (*memory != NULL) {
        for (size_t i = 0; i < SHARDS; i++) {
            hash_table_free(&(*memory)->shards[i].slots);
            pthread_mutex_destroy(&(*memory)->shards[i].lock);
        }
        free((*memory)->allocation);
        *memory = NULL;
    }
}

uint64_t count_memory_secret(const struct count_memory *memory)
{
    return memory->secret;
}

/* ---- slots; the shard is locked ---- */

static struct shard *lock_shard(struct count_memory *memory, const struct count_key *key)
{
    struct shard *shard = &memory->shards[key->hash >> SHARD_SHIFT];
    int failed = pthread_mutex_lock(&shard->lock);
    NOT_HANDLED_YET(failed != 0);
    return shard;
}

static bool same_key(const struct hash_node *node, const void *key_)
{
    const struct count_slot *slot = list_entry(node, const struct count_slot, key);
    const struct count_key *key = key_;
    return slot->relation == key->relation && identifier_equal(&slot->entity, key->entity);
}

static struct count_slot *find(const struct shard *shard, const struct count_key *key)
{
    struct hash_node *node = hash_table_find(&shard->slots, key->hash, same_key, key);
    return node == NULL ? NULL : list_entry(node, struct count_slot, key);
}

/* A slot for a new key: a fresh one, or that of the count that was put longest ago. */
static struct count_slot *claim(const struct count_memory *memory, struct shard *shard,
                                const struct count_key *key)
{
    int64_t unsure_until_us = shard->forgotten_us; /* what is forgotten now is another's */
    struct count_slot *slot;
    if (shard->slab_used < memory->shard_capacity) {
        slot = &shard->slab[shard->slab_used++];
    } else {
        assert(!list_empty(&shard->by_put)); /* all slots are in it */
        slot = list_entry(list_pop_front(&shard->by_put), struct count_slot, by_put);
        hash_table_remove(&shard->slots, &slot->key);
        if (slot->held.learnt_us > shard->forgotten_us) {
            shard->forgotten_us = slot->held.learnt_us;
        }
    }
    slot->relation = key->relation;
    slot->entity = *key->entity;
    slot->unsure_until_us = unsure_until_us;
    hash_table_insert(&shard->slots, &slot->key, key->hash);
    list_push_back(&shard->by_put, &slot->by_put);
    return slot;
}

/* Whether a reading may take the place of what is held. */
static bool replaces(const struct known_count *held, const struct count *count,
                     enum count_origin origin, int64_t now_us)
{
    bool past_bound =
        held->learnt_us < now_us - COUNT_BOUND_US && count->as_of_mono_us >= held->learnt_us;
    bool newer =
        count->version > held->count.version ||
        (count->version == held->count.version && count->as_of_mono_us > held->count.as_of_mono_us);
    bool corrects = origin == COUNT_FROM_PRIMARY && held->origin == COUNT_FROM_REDIS &&
                    count->as_of_mono_us >= held->count.as_of_mono_us;
    return past_bound || newer || corrects;
}

static void take_in(struct known_count *held, const struct count *count, enum count_origin origin,
                    bool replace, int64_t now_us)
{
    if (replace) {
        held->count = *count;
        held->learnt_us = now_us;
        held->origin = origin;
    } else if (origin == COUNT_FROM_PRIMARY && count->as_of_mono_us > held->count.as_of_mono_us) {
        /* The version that is held was committed after this older one was read; or a failover has
         * taken it back, which shows once nobody has met it for as long as the bound. */
        held->count.as_of_mono_us = count->as_of_mono_us;
        held->count.as_of_wall_us = count->as_of_wall_us;
    }
    /* Also where what is held is as good: it was asked, and so is not asked again for a lifetime.
     */
    held->put_at_us = now_us;
}

static void show(const struct count_slot *slot, struct count_view *view)
{
    view->slot = NULL;
    if (slot != NULL && slot->unsure_until_us == SURE) {
        view->slot = slot;
        view->changes = atomic_load_explicit(&slot->changes, memory_order_relaxed);
        view->held = slot->held;
    }
}

/* ---- looking and putting ---- */

void count_memory_look(struct count_memory *memory, const struct count_key *key,
                       struct count_view *view)
{
    /* Acquires what was put before this word told of it. */
    if (view->slot != NULL &&
        atomic_load_explicit(&view->slot->changes, memory_order_acquire) == view->changes) {
        return;
    }
    struct shard *shard = lock_shard(memory, key);
    show(find(shard, key), view);
    pthread_mutex_unlock(&shard->lock);
}

void count_memory_put(struct count_memory *memory, const struct count_key *key,
                      const struct count *count, enum count_origin origin, int64_t now_us,
                      struct count_view *view)
{
    assert(!count->stale && count->version >= 0);
    struct shard *shard = lock_shard(memory, key);
    struct count_slot *slot = find(shard, key);
    bool replace = slot == NULL || replaces(&slot->held, count, origin, now_us);
    if (slot == NULL) {
        slot = claim(memory, shard, key);
    } else {
        list_remove(&slot->by_put);
        list_push_back(&shard->by_put, &slot->by_put);
    }
    take_in(&slot->held, count, origin, replace, now_us);
    if (count->as_of_mono_us >= slot->unsure_until_us) {
        slot->unsure_until_us = SURE;
    }
    uint64_t changes = atomic_load_explicit(&slot->changes, memory_order_relaxed);
    assert(slot->held.count.version >= count->version || replace);
    atomic_store_explicit(&slot->changes, changes + 1, memory_order_release);
    show(slot, view);
    pthread_mutex_unlock(&shard->lock);
}
