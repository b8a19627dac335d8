/* What a process knows of counts: no worker sees a version go back, whichever learnt it, whatever
 * is forgotten, and however many at once. */
#include "unit.h"

#include "rsvpd/domain/count_memory.h"

#include <pthread.h>
#include <stdatomic.h>

#define SECONDS(n) ((int64_t)((n)*1e6))

enum {
    SHARDS = 64,
    SECRET = 42,
};

static const struct relation *const rsvp = &relations[RELATION_RSVP];
static const int64_t start_us = 1000000000000;

/* A count that is looked at by one worker. */
struct watched {
    struct count_memory *memory;
    struct identifier entity;
    struct count_key key;
    struct count_view view;
};

/* All in the first shard where the hash's upper bits are cut off. */
static void watch(struct watched *watched, struct count_memory *memory, unsigned number,
                  bool first_shard)
{
    *watched = (struct watched){.memory = memory, .entity = unit_numbered_id("e", number)};
    uint64_t hash = hash_bytes(count_memory_secret(memory), identifier_slice(&watched->entity));
    watched->key = (struct count_key){.relation = rsvp,
                                      .entity = &watched->entity,
                                      .hash = first_shard ? hash & UINT32_MAX : hash};
}

static struct count_memory *memory_of(size_t capacity)
{
    struct count_memory *memory = count_memory_create(capacity, SECRET);
    assert_non_null(memory);
    assert_int_equal(count_memory_secret(memory), SECRET);
    return memory;
}

static void put(struct watched *watched, int64_t version, int64_t as_of_us,
                enum count_origin origin, int64_t now_us)
{
    struct count count = {.value = version * 10,
                          .version = version,
                          .as_of_mono_us = as_of_us,
                          .as_of_wall_us = as_of_us + SECONDS(7)};
    count_memory_put(watched->memory, &watched->key, &count, origin, now_us, &watched->view);
}

/* The version that is known; -1: none. */
static int64_t look(struct watched *watched)
{
    count_memory_look(watched->memory, &watched->key, &watched->view);
    if (watched->view.slot == NULL) {
        return -1;
    }
    assert_int_equal(watched->view.held.count.value, watched->view.held.count.version * 10);
    return watched->view.held.count.version;
}

static void test_one_learns_and_all_know(NO_STATE)
{
    struct count_memory *memory = memory_of(SHARDS);
    struct watched here, there;
    watch(&here, memory, 1, false);
    watch(&there, memory, 1, false);
    assert_int_equal(look(&there), -1);
    put(&here, 7, start_us, COUNT_FROM_PRIMARY, start_us + 5);
    assert_int_equal(here.view.held.count.version, 7);
    assert_int_equal(look(&there), 7);
    assert_int_equal(there.view.held.put_at_us, start_us + 5);
    assert_int_equal(there.view.held.learnt_us, start_us + 5);
    assert_int_equal(there.view.held.count.as_of_mono_us, start_us);
    assert_int_equal(there.view.held.count.as_of_wall_us, start_us + SECONDS(7));
    /* What comes late to one of them is late for all. */
    put(&there, 6, start_us + 10, COUNT_FROM_REDIS, start_us + 10);
    assert_int_equal(there.view.held.count.version, 7);
    assert_int_equal(look(&here), 7);
    put(&there, 8, start_us + 20, COUNT_FROM_REDIS, start_us + 20);
    assert_int_equal(look(&here), 8);
    assert_int_equal(here.view.held.origin, COUNT_FROM_REDIS);
    count_memory_destroy(&memory);
    assert_null(memory);
}

static void test_relations_and_entities_are_apart(NO_STATE)
{
    struct count_memory *memory = memory_of(SHARDS * 4);
    struct watched first, second, like;
    watch(&first, memory, 1, true);
    watch(&second, memory, 2, true);
    watch(&like, memory, 1, true);
    like.key.relation = &relations[RELATION_LIKE];
    second.key.hash = first.key.hash; /* as if they collided */
    put(&first, 1, start_us, COUNT_FROM_PRIMARY, start_us);
    assert_int_equal(look(&second), -1);
    assert_int_equal(look(&like), -1);
    put(&second, 2, start_us, COUNT_FROM_PRIMARY, start_us);
    put(&like, 3, start_us, COUNT_FROM_PRIMARY, start_us);
    assert_int_equal(look(&first), 1);
    assert_int_equal(look(&second), 2);
    assert_int_equal(look(&like), 3);
    count_memory_destroy(&memory);
}

/* What was put longest ago goes, and nobody is shown its slot's next count. */
static void test_what_was_put_longest_ago_is_forgotten(NO_STATE)
{
    struct count_memory *memory = memory_of(SHARDS * 2);
    struct watched watched[3];
    for (unsigned i = 0; i < 3; i++) {
        watch(&watched[i], memory, i, true);
    }
    put(&watched[0], 1, start_us, COUNT_FROM_PRIMARY, start_us);
    put(&watched[1], 2, start_us + 1, COUNT_FROM_PRIMARY, start_us + 1);
    put(&watched[0], 1, start_us + 2, COUNT_FROM_PRIMARY, start_us + 2);
    put(&watched[2], 3, start_us + 3, COUNT_FROM_PRIMARY, start_us + 3);
    assert_int_equal(look(&watched[0]), 1);
    assert_int_equal(look(&watched[1]), -1);
    assert_int_equal(look(&watched[2]), 3);
    count_memory_destroy(&memory);
}

/* Version 7 was told and forgotten: what was read before it was met is not shown, even where it is
 * all there is; what was read after it is. Times are relative to the meeting. */
static void test_what_was_forgotten_is_not_taken_back(NO_STATE)
{
    static const struct {
        int64_t version, as_of_us;
        bool shown;
    } readings[] = {{6, -1000, false}, {6, -1, false}, {7, 0, true}, {7, 1, true}, {9, 500, true}};
    for (size_t i = 0; i < LENGTH(readings); i++) {
        struct count_memory *memory = memory_of(SHARDS);
        struct watched told, other;
        watch(&told, memory, 1, true);
        watch(&other, memory, 2, true);
        put(&told, 7, start_us - 10, COUNT_FROM_PRIMARY, start_us);
        put(&other, 1, start_us + 1000, COUNT_FROM_PRIMARY, start_us + 1000);
        assert_int_equal(look(&told), -1);
        put(&told, readings[i].version, start_us + readings[i].as_of_us, COUNT_FROM_REDIS,
            start_us + 2000);
        assert_int_equal(told.view.slot != NULL, readings[i].shown);
        assert_int_equal(look(&told), readings[i].shown ? readings[i].version : -1);
        count_memory_destroy(&memory);
    }
}

/* A commit that took long comes when its count has been forgotten: its answer tells it, so it is
 * kept, though it is shown only after a reading that is new enough, which may be an older version's
 * no more. */
static void test_what_cannot_be_shown_yet_is_kept(NO_STATE)
{
    struct count_memory *memory = memory_of(SHARDS);
    struct watched told, other;
    watch(&told, memory, 1, true);
    watch(&other, memory, 2, true);
    put(&told, 6, start_us, COUNT_FROM_PRIMARY, start_us);
    put(&other, 1, start_us, COUNT_FROM_PRIMARY, start_us);
    put(&told, 7, start_us - 1, COUNT_FROM_PRIMARY, start_us + 100);
    assert_int_equal(look(&told), -1);
    put(&told, 6, start_us - 2, COUNT_FROM_REDIS, start_us + 200);
    assert_int_equal(look(&told), -1);
    put(&told, 6, start_us + 50, COUNT_FROM_PRIMARY, start_us + 300);
    assert_int_equal(look(&told), 7);
    assert_int_equal(told.view.held.count.as_of_mono_us, start_us + 50);
    count_memory_destroy(&memory);
}

/* Truths that only grow are read at random, by several workers, late and in disorder, while the
 * memory is far too small: what is shown never goes back, and is as old as it says. */
static void test_versions_never_go_back_while_much_is_forgotten(NO_STATE)
{
    enum { ENTITIES = 6, WORKERS = 3, READINGS = 8, STEPS = 60000, STEP_US = 20 * 1000 };
    struct random random = unit_random(1);
    struct count_memory *memory = memory_of(SHARDS * 2);
    struct watched watched[ENTITIES][WORKERS];
    int64_t version[ENTITIES] = {0}, shown[ENTITIES] = {0}, now_us = start_us, times_shown = 0;
    struct {
        int64_t version, as_of_us;
    } readings[ENTITIES][READINGS] = {0};
    for (unsigned i = 0; i < ENTITIES * WORKERS; i++) {
        watch(&watched[i / WORKERS][i % WORKERS], memory, i / WORKERS, true);
    }
    for (int step = 0; step < STEPS; step++) {
        unsigned entity = unit_below(&random, ENTITIES), at = unit_below(&random, READINGS);
        struct watched *worker = &watched[entity][unit_below(&random, WORKERS)];
        now_us += unit_below(&random, STEP_US);
        if (readings[entity][at].as_of_us >= now_us - COUNT_BOUND_US) {
            put(worker, readings[entity][at].version, readings[entity][at].as_of_us,
                unit_percent(&random, 50) ? COUNT_FROM_PRIMARY : COUNT_FROM_REDIS, now_us);
        }
        version[entity] += unit_percent(&random, 20);
        readings[entity][at].version = version[entity];
        readings[entity][at].as_of_us = now_us;
        int64_t seen = look(&watched[entity][unit_below(&random, WORKERS)]);
        if (seen >= 0) {
            assert_true(seen >= shown[entity]);
            shown[entity] = seen;
            times_shown++;
        }
    }
    assert_true(times_shown > STEPS / 20);
    count_memory_destroy(&memory);
}

/* ---- many at once ---- */

enum { RUNNERS = 4, ROUNDS = 20000, CONTESTED = 3 };

static struct {
    struct count_memory *memory;
    _Atomic int64_t clock;           /* what it says is the version of whatever changes then */
    _Atomic int64_t told[CONTESTED]; /* the newest versions that anybody has seen */
    _Atomic int64_t seen, went_back;
} contest;

static void look_for_newest(struct watched *watched, unsigned i)
{
    int64_t told = atomic_load(&contest.told[i]);
    int64_t seen = look(watched);
    if (seen >= 0) {
        atomic_fetch_add(&contest.seen, 1);
        atomic_fetch_add(&contest.went_back, seen < told);
        while (told < seen && !atomic_compare_exchange_weak(&contest.told[i], &told, seen)) {
        }
    }
}

/* Puts new versions, more or less late, and looks at what others have put. */
static void *run(void *number)
{
    struct random random = {.state = 1 + (uint64_t)(uintptr_t)number};
    struct watched watched[CONTESTED];
    for (unsigned i = 0; i < CONTESTED; i++) {
        watch(&watched[i], contest.memory, i, true);
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned i = (unsigned)(random_next(&random) % CONTESTED);
        if (random_next(&random) % 4 == 0) {
            int64_t version = 1 + atomic_fetch_add(&contest.clock, 1);
            put(&watched[i], version, start_us + version, COUNT_FROM_PRIMARY, start_us + version);
        }
        look_for_newest(&watched[i], i);
    }
    return NULL;
}

static void contend(size_t capacity)
{
    pthread_t threads[RUNNERS];
    memset(&contest, 0, sizeof contest);
    contest.memory = memory_of(capacity);
    for (uintptr_t i = 0; i < RUNNERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run, (void *)i), 0);
    }
    for (size_t i = 0; i < RUNNERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(contest.went_back, 0);
    assert_true(contest.seen > ROUNDS / 2);
    count_memory_destroy(&contest.memory);
}

static void test_threads_never_see_a_version_go_back(NO_STATE)
{
    contend((size_t)SHARDS * CONTESTED);
}

/* The same while the counts drive each other out. */
static void test_threads_never_see_a_version_go_back_while_much_is_forgotten(NO_STATE)
{
    contend(SHARDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_learns_and_all_know),
        cmocka_unit_test(test_relations_and_entities_are_apart),
        cmocka_unit_test(test_what_was_put_longest_ago_is_forgotten),
        cmocka_unit_test(test_what_was_forgotten_is_not_taken_back),
        cmocka_unit_test(test_what_cannot_be_shown_yet_is_kept),
        cmocka_unit_test(test_versions_never_go_back_while_much_is_forgotten),
        cmocka_unit_test(test_threads_never_see_a_version_go_back),
        cmocka_unit_test(test_threads_never_see_a_version_go_back_while_much_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
