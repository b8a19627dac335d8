/* A small model of the shared counts. */
#include "fake_shared.h"

#include "unit.h"

static struct shared_count *find(struct fake_shared *shared, const struct relation *relation,
                                 const struct identifier *entity)
{
    for (size_t i = 0; i < shared->held_count; i++) {
        struct shared_count *held = &shared->held[i];
        if (held->relation == relation && identifier_equal(&held->entity, entity)) {
            return held;
        }
    }
    return NULL;
}

struct shared_count *fake_shared_held(struct fake_shared *shared, const struct relation *relation,
                                      const char *entity)
{
    struct identifier id = unit_id(entity);
    return find(shared, relation, &id);
}

static struct shared_count *make(struct fake_shared *shared, const struct relation *relation,
                                 const struct identifier *entity)
{
    struct shared_count *held = find(shared, relation, entity);
    if (held == NULL) {
        assert_true(shared->held_count < SHARED_HELD_MAX);
        held = &shared->held[shared->held_count++];
    }
    *held = (struct shared_count){.relation = relation, .entity = *entity, .found = true};
    return held;
}

/* Only these three travel. */
static struct count as_it_travels(const struct count *count)
{
    return (struct count){
        .value = count->value, .version = count->version, .as_of_wall_us = count->as_of_wall_us};
}

void fake_shared_hold(struct fake_shared *shared, const struct relation *relation,
                      const char *entity, const struct count *count)
{
    struct identifier id = unit_id(entity);
    make(shared, relation, &id)->count = as_it_travels(count);
}

static void end_read(struct fake_shared *shared, bool answers, struct instant now)
{
    assert_true(shared->read_count > 0);
    struct shared_read read = shared->reads[0];
    memmove(shared->reads, shared->reads + 1, --shared->read_count * sizeof read);
    for (size_t i = 0; i < read.size; i++) {
        struct shared_count *entry = &read.entries[i];
        const struct shared_count *held = find(shared, entry->relation, &entry->entity);
        entry->found = answers && held != NULL;
        if (entry->found) {
            entry->count = held->count;
        }
    }
    shared->listener.read_ended(shared->listener.service, read.entries, read.size, now);
}

void fake_shared_answer(struct fake_shared *shared, struct instant now)
{
    end_read(shared, true, now);
}

void fake_shared_fail(struct fake_shared *shared, struct instant now)
{
    end_read(shared, false, now);
}

static bool available(void *store)
{
    return ((const struct fake_shared *)store)->up;
}

static bool read_counts(void *store, const struct shared_count *entries, size_t size,
                        struct instant now)
{
    struct fake_shared *shared = store;
    assert_true(size >= 1 && size <= SHARED_COUNTS_MAX);
    if (!shared->takes || shared->read_count == SHARED_READS_MAX) {
        return false;
    }
    struct shared_read *read = &shared->reads[shared->read_count++];
    read->since_us = now.mono_us;
    read->size = size;
    memcpy(read->entries, entries, size * sizeof *entries);
    return true;
}

static bool publish(void *store, const struct shared_count *entries, size_t size)
{
    struct fake_shared *shared = store;
    assert_true(size >= 1 && size <= SHARED_COUNTS_MAX);
    if (!shared->takes) {
        return false;
    }
    shared->publications++;
    shared->published += size;
    for (size_t i = 0; i < size; i++) {
        const struct shared_count *held = find(shared, entries[i].relation, &entries[i].entity);
        const struct count *count = &entries[i].count;
        bool newer = held == NULL || count->version > held->count.version ||
                     (count->version == held->count.version &&
                      count->as_of_wall_us > held->count.as_of_wall_us);
        if (newer) {
            make(shared, entries[i].relation, &entries[i].entity)->count = as_it_travels(count);
        }
    }
    return true;
}

void fake_shared_init(struct fake_shared *shared)
{
    *shared = (struct fake_shared){
        .port = {.store = shared, .available = available, .read = read_counts, .publish = publish},
        .up = true,
        .takes = true,
    };
}
