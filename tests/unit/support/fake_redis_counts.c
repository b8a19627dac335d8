/* A small model of the shared counts. */
#include "fake_redis_counts.h"

#include "unit.h"

static struct redis_count *find(struct fake_redis_counts *redis, const struct relation *relation,
                                const struct identifier *entity)
{
    for (size_t i = 0; i < redis->held_count; i++) {
        struct redis_count *held = &redis->held[i];
        if (held->relation == relation && identifier_equal(&held->entity, entity)) {
            return held;
        }
    }
    return NULL;
}

struct redis_count *fake_redis_counts_held(struct fake_redis_counts *redis,
                                           const struct relation *relation, const char *entity)
{
    struct identifier id = unit_id(entity);
    return find(redis, relation, &id);
}

static struct redis_count *make(struct fake_redis_counts *redis, const struct relation *relation,
                                const struct identifier *entity)
{
    struct redis_count *held = find(redis, relation, entity);
    if (held == NULL) {
        assert_true(redis->held_count < REDIS_HELD_MAX);
        held = &redis->held[redis->held_count++];
    }
    *held = (struct redis_count){.relation = relation, .entity = *entity, .found = true};
    return held;
}

/* Only these three travel. */
static struct count as_it_travels(const struct count *count)
{
    return (struct count){
        .value = count->value, .version = count->version, .as_of_wall_us = count->as_of_wall_us};
}

void fake_redis_counts_hold(struct fake_redis_counts *redis, const struct relation *relation,
                            const char *entity, const struct count *count)
{
    struct identifier id = unit_id(entity);
    make(redis, relation, &id)->count = as_it_travels(count);
}

static void end_read(struct fake_redis_counts *redis, bool answers, struct instant now)
{
    assert_true(redis->read_count > 0);
    struct redis_read read = redis->reads[0];
    memmove(redis->reads, redis->reads + 1, --redis->read_count * sizeof read);
    for (size_t i = 0; i < read.size; i++) {
        struct redis_count *entry = &read.entries[i];
        const struct redis_count *held = find(redis, entry->relation, &entry->entity);
        entry->found = answers && held != NULL;
        if (entry->found) {
            entry->count = held->count;
        }
    }
    redis->listener.read_ended(redis->listener.service, read.entries, read.size, now);
}

void fake_redis_counts_answer(struct fake_redis_counts *redis, struct instant now)
{
    end_read(redis, true, now);
}

void fake_redis_counts_fail(struct fake_redis_counts *redis, struct instant now)
{
    end_read(redis, false, now);
}

static bool available(void *store)
{
    return ((const struct fake_redis_counts *)store)->up;
}

static bool read_counts(void *store, const struct redis_count *entries, size_t size,
                        struct instant now)
{
    struct fake_redis_counts *redis = store;
    assert_true(size >= 1 && size <= REDIS_COUNTS_MAX);
    if (!redis->takes || redis->read_count == REDIS_READS_MAX) {
        return false;
    }
    struct redis_read *read = &redis->reads[redis->read_count++];
    read->since_us = now.mono_us;
    read->size = size;
    memcpy(read->entries, entries, size * sizeof *entries);
    return true;
}

static bool publish(void *store, const struct redis_count *entries, size_t size)
{
    struct fake_redis_counts *redis = store;
    assert_true(size >= 1 && size <= REDIS_COUNTS_MAX);
    if (!redis->takes) {
        return false;
    }
    redis->publications++;
    redis->published += size;
    for (size_t i = 0; i < size; i++) {
        const struct redis_count *held = find(redis, entries[i].relation, &entries[i].entity);
        const struct count *count = &entries[i].count;
        bool newer = held == NULL || count->version > held->count.version ||
                     (count->version == held->count.version &&
                      count->as_of_wall_us > held->count.as_of_wall_us);
        if (newer) {
            make(redis, entries[i].relation, &entries[i].entity)->count = as_it_travels(count);
        }
    }
    return true;
}

void fake_redis_counts_init(struct fake_redis_counts *redis)
{
    *redis = (struct fake_redis_counts){
        .port = {.store = redis, .available = available, .read = read_counts, .publish = publish},
        .up = true,
        .takes = true,
    };
}
