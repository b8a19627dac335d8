/* How often each caller came. */
#include "rsvpd/domain/rate_table.h"
#include "rsvpd/base/contract.h"
#include "rsvpd/base/hash_table.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    WAYS = 8, /* callers in a bucket */
    STRIPES = 256,
    CACHE_LINE_BYTES = 64
};

/* A caller's place is its bucket's number times WAYS, and its own in the bucket. */
static const uint32_t NOWHERE = UINT32_MAX;

/* The first line finds a caller, the second says whether it owes anything. */
struct bucket {
    _Alignas(CACHE_LINE_BYTES) uint64_t hashes[WAYS]; /* 0: nobody */
    int64_t tats_us[WAYS];
    uint32_t parts[WAYS];
    uint32_t shares[WAYS]; /* requests that others have not heard of */
    uint32_t next[WAYS];   /* in the stripe's list */
    bool listed[WAYS];
};

struct stripe {
    _Alignas(CACHE_LINE_BYTES) pthread_mutex_t lock;
    uint32_t first, last; /* of those with shares; NOWHERE: there is none */
    uint64_t dropped;
    int64_t emptied_us; /* monotonic: when its shares were collected, all of them */
};

struct rate_table {
    void *allocation;                         /* in which this lies, where a cache line begins */
    _Atomic uint64_t limits[RATE_KIND_COUNT]; /* packed, so that each is read and replaced whole */
    uint64_t secret;
    bool shared;
    uint64_t mask; /* number of buckets of a kind - 1; the number is a power of two */
    _Alignas(CACHE_LINE_BYTES) _Atomic int64_t due_us; /* the next exchange */
    _Atomic uint32_t next_stripe;                      /* with which the next collection begins */
    struct stripe stripes[STRIPES];
    struct bucket buckets[]; /* first all of the first kind, and so on */
};

static void store_limit(struct rate_table *table, enum rate_kind kind, const struct rate *limit)
{
    assert(limit->requests >= 0 && limit->requests <= RATE_REQUESTS_MAX && limit->seconds >= 0 &&
           limit->seconds <= RATE_SECONDS_MAX);
    atomic_store_explicit(&table->limits[kind],
                          (uint64_t)limit->requests << 32 | (uint64_t)limit->seconds,
                          memory_order_relaxed);
}

struct rate_table *rate_table_create(const struct rate_table_setup *setup)
{
    size_t count = STRIPES;
    while (count * WAYS < setup->capacity) {
        count *= 2;
    }
    assert(count <= NOWHERE / WAYS / RATE_KIND_COUNT);
    size_t size = sizeof(struct rate_table) + RATE_KIND_COUNT * count * sizeof(struct bucket);
    /* Cleared memory that is not touched costs nothing, as that of a kind without a limit. */
    char *allocation = calloc(1, size + CACHE_LINE_BYTES);
    if (allocation == NULL) {
        return NULL;
    }
    struct rate_table *table =
        (void *)(allocation + CACHE_LINE_BYTES - (uintptr_t)allocation % CACHE_LINE_BYTES);
    table->allocation = allocation;
    for (int kind = 0; kind < RATE_KIND_COUNT; kind++) {
        store_limit(table, (enum rate_kind)kind, &setup->limits.of[kind]);
    }
    table->secret = setup->secret;
    table->shared = setup->shared;
    table->mask = count - 1;
    for (size_t i = 0; i < STRIPES; i++) {
        struct stripe *stripe = &table->stripes[i];
        int failed = pthread_mutex_init(&stripe->lock, NULL);
        NOT_HANDLED_YET(failed != 0); /* a plain one needs nothing */
        stripe->first = stripe->last = NOWHERE;
    }
    return table;
}

void rate_table_destroy(struct rate_table **table)
{
    if (*table != NULL) {
        for (size_t i = 0; i < STRIPES; i++) {
            pthread_mutex_destroy(&(*table)->stripes[i].lock);
        }
        free((*table)->allocation);
        *table = NULL;
    }
}

struct rate rate_table_limit(const struct rate_table *table, enum rate_kind kind)
{
    uint64_t packed = atomic_load_explicit(&table->limits[kind], memory_order_relaxed);
    return (struct rate){.requests = (int64_t)(packed >> 32),
                         .seconds = (int64_t)(packed & UINT32_MAX)};
}

/* ---- buckets; the stripe is locked ---- */

static struct bucket *bucket_of(struct rate_table *table, enum rate_kind kind, uint64_t hash)
{
    return &table->buckets[(size_t)kind * (table->mask + 1) + (hash & table->mask)];
}

static struct stripe *lock_stripe(struct rate_table *table, size_t number)
{
    struct stripe *stripe = &table->stripes[number];
    int failed = pthread_mutex_lock(&stripe->lock);
    NOT_HANDLED_YET(failed != 0);
    return stripe;
}

static struct stripe *lock_stripe_of(struct rate_table *table, uint64_t hash)
{
    return lock_stripe(table, (hash & table->mask) % STRIPES);
}

static void unlock_stripe(struct stripe *stripe)
{
    int failed = pthread_mutex_unlock(&stripe->lock);
    NOT_HANDLED_YET(failed != 0);
}

/* WAYS where it is not there. */
static size_t find(const struct bucket *bucket, uint64_t hash)
{
    size_t way = 0;
    while (way < WAYS && bucket->hashes[way] != hash) {
        way++;
    }
    return way;
}

/* The place of the caller who owes least, for a new one. */
static size_t claim(struct stripe *stripe, struct bucket *bucket, uint64_t hash, int64_t now_us)
{
    size_t way = 0;
    for (size_t i = 1; i < WAYS; i++) {
        way = bucket->tats_us[i] < bucket->tats_us[way] ? i : way;
    }
    if (bucket->shares[way] > 0 && bucket->tats_us[way] > now_us) {
        stripe->dropped++;
    }
    bucket->hashes[way] = hash;
    bucket->tats_us[way] = 0;
    bucket->parts[way] = 0;
    bucket->shares[way] = 0; /* it stays in the list if it is there */
    return way;
}

static struct rate_state state_of(const struct bucket *bucket, size_t way)
{
    return (struct rate_state){.tat_us = bucket->tats_us[way], .part = bucket->parts[way]};
}

static void set_state(struct bucket *bucket, size_t way, const struct rate_state *state)
{
    bucket->tats_us[way] = state->tat_us;
    bucket->parts[way] = state->part;
}

/* Notes that others have not heard of so many requests. */
static void add_share(struct rate_table *table, struct stripe *stripe, struct bucket *bucket,
                      size_t way, uint32_t requests)
{
    uint32_t room = UINT32_MAX - bucket->shares[way];
    if (!table->shared) {
        return;
    }
    bucket->shares[way] += requests < room ? requests : room;
    if (bucket->listed[way]) {
        return;
    }
    uint32_t place = (uint32_t)((size_t)(bucket - table->buckets) * WAYS + way);
    bucket->listed[way] = true;
    bucket->next[way] = NOWHERE;
    if (stripe->last == NOWHERE) {
        stripe->first = place;
    } else {
        table->buckets[stripe->last / WAYS].next[stripe->last % WAYS] = place;
    }
    stripe->last = place;
}

/* Frees the places of all callers of that kind. They stay in the lists if they are there. */
static void clear(struct rate_table *table, enum rate_kind kind)
{
    for (size_t number = 0; number < STRIPES; number++) {
        struct stripe *stripe = lock_stripe(table, number);
        for (size_t i = number; i <= table->mask; i += STRIPES) {
            struct bucket *bucket = bucket_of(table, kind, i);
            memset(bucket->hashes, 0, sizeof bucket->hashes);
            memset(bucket->tats_us, 0, sizeof bucket->tats_us);
            memset(bucket->parts, 0, sizeof bucket->parts);
            memset(bucket->shares, 0, sizeof bucket->shares);
        }
        unlock_stripe(stripe);
    }
}

void rate_table_set_limit(struct rate_table *table, enum rate_kind kind, const struct rate *limit)
{
    const int64_t before_s = rate_table_limit(table, kind).seconds;
    store_limit(table, kind, limit);
    if (before_s != 0 && limit->seconds != 0 && limit->seconds != before_s) {
        clear(table, kind); /* who owes for a day must not keep others out of the table so long */
    }
}

/* ---- taking ---- */

/* Under another window a caller is another one: what they owed in a day says nothing of a minute.
 */
static uint64_t hash_of(const struct rate_table *table, enum rate_kind kind, int64_t window_s,
                        struct slice name)
{
    uint64_t limited = (uint64_t)window_s * RATE_KIND_COUNT + (uint64_t)kind;
    uint64_t hash = hash_bytes(table->secret + limited, name);
    return hash == 0 ? 1 : hash;
}

struct rate_verdict rate_table_take(struct rate_table *table, enum rate_kind kind,
                                    struct slice name, int64_t now_us)
{
    const struct rate limit = rate_table_limit(table, kind);
    if (limit.requests == 0) {
        return (struct rate_verdict){.allowed = true};
    }
    uint64_t hash = hash_of(table, kind, limit.seconds, name);
    struct bucket *bucket = bucket_of(table, kind, hash);
    struct stripe *stripe = lock_stripe_of(table, hash);
    size_t way = find(bucket, hash);
    if (way == WAYS) {
        way = claim(stripe, bucket, hash, now_us);
    }
    struct rate_state state = state_of(bucket, way);
    struct rate_verdict verdict = rate_limit_take(&limit, &state, now_us);
    set_state(bucket, way, &state);
    if (verdict.allowed) {
        add_share(table, stripe, bucket, way, 1);
    }
    unlock_stripe(stripe);
    return verdict;
}

/* ---- sharing ---- */

/* How long the shares of a stripe were gathered. */
static int64_t spell_of(const struct stripe *stripe, int64_t now_us)
{
    int64_t spell_us = now_us - stripe->emptied_us;
    return spell_us < RATE_SPELL_MAX_US ? spell_us : RATE_SPELL_MAX_US;
}

/* What the shares of a caller cost. Others count the time of the spell as not yet passed, and may
 * know a debt that it paid off here; so what was paid off within the spell is charged as well. */
static int64_t charge_us(const struct rate *limit, const struct bucket *bucket, size_t way,
                         int64_t spell_us, int64_t now_us)
{
    if (limit->requests == 0) { /* nobody owes anything any more */
        return 0;
    }
    struct rate_state state = state_of(bucket, way);
    int64_t most_us = rate_limit_debt_us(limit, &state, now_us) + spell_us;
    int64_t cost_us = rate_limit_cost_us(limit, bucket->shares[way]);
    return cost_us < most_us ? cost_us : most_us;
}

/* Takes the first of the stripe's list out. False where that has no share any more. */
static bool take_share(struct rate_table *table, struct stripe *stripe, struct rate_share *share,
                       int64_t now_us)
{
    struct bucket *bucket = &table->buckets[stripe->first / WAYS];
    size_t way = stripe->first % WAYS;
    enum rate_kind kind = (enum rate_kind)(stripe->first / WAYS / (table->mask + 1));
    const struct rate limit = rate_table_limit(table, kind);
    const int64_t spell_us = spell_of(stripe, now_us);
    *share = (struct rate_share){
        .kind = kind,
        .hash = bucket->hashes[way],
        .requests = bucket->shares[way],
        .charge_us = charge_us(&limit, bucket, way, spell_us, now_us),
        .spell_us = spell_us,
        .debt_max_us = rate_limit_debt_max_us(&limit),
    };
    stripe->first = bucket->next[way];
    stripe->last = stripe->first == NOWHERE ? NOWHERE : stripe->last;
    bucket->listed[way] = false;
    bucket->shares[way] = 0;
    return share->charge_us > 0;
}

size_t rate_table_collect(struct rate_table *table, struct rate_share *shares, size_t max,
                          int64_t now_us, uint64_t *dropped)
{
    uint32_t begin = atomic_load_explicit(&table->next_stripe, memory_order_relaxed);
    size_t size = 0, visited = 0;
    for (; visited < STRIPES && size < max; visited++) {
        struct stripe *stripe = lock_stripe(table, (begin + visited) % STRIPES);
        while (stripe->first != NOWHERE && size < max) {
            size += take_share(table, stripe, &shares[size], now_us);
        }
        *dropped += stripe->dropped;
        stripe->dropped = 0;
        stripe->emptied_us = stripe->first == NOWHERE ? now_us : stripe->emptied_us;
        unlock_stripe(stripe);
    }
    /* The last stripe may have more: the next collection goes on with the one after it. */
    atomic_store_explicit(&table->next_stripe, (uint32_t)((begin + visited) % STRIPES),
                          memory_order_relaxed);
    return size;
}

void rate_table_put_back(struct rate_table *table, const struct rate_share *share)
{
    struct bucket *bucket = bucket_of(table, share->kind, share->hash);
    struct stripe *stripe = lock_stripe_of(table, share->hash);
    size_t way = find(bucket, share->hash);
    if (way < WAYS) {
        add_share(table, stripe, bucket, way, share->requests);
    } else {
        stripe->dropped++;
    }
    unlock_stripe(stripe);
}

void rate_table_learn(struct rate_table *table, const struct rate_share *share, int64_t sent_us,
                      int64_t now_us)
{
    assert(share->answered);
    const struct rate limit = rate_table_limit(table, share->kind);
    struct bucket *bucket = bucket_of(table, share->kind, share->hash);
    struct stripe *stripe = lock_stripe_of(table, share->hash);
    size_t way = find(bucket, share->hash);
    if (limit.requests > 0 && way < WAYS) { /* else it is forgotten, and begins with what others
                                               know next time */
        struct rate_state state = state_of(bucket, way);
        /* What the exchange told others is in the debt; what came since is not. That the time of
         * sending counts is in favour of the caller, by as much as the exchange took. */
        int64_t tat_us = sent_us + share->debt_us + rate_limit_cost_us(&limit, bucket->shares[way]);
        rate_limit_learn(&limit, &state, tat_us, now_us);
        set_state(bucket, way, &state);
    }
    unlock_stripe(stripe);
}

bool rate_table_is_due(struct rate_table *table, int64_t every_us, int64_t now_us)
{
    int64_t due_us = atomic_load_explicit(&table->due_us, memory_order_relaxed);
    return now_us >= due_us &&
           atomic_compare_exchange_strong_explicit(&table->due_us, &due_us, now_us + every_us,
                                                   memory_order_relaxed, memory_order_relaxed);
}
