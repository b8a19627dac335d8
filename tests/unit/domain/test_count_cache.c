/* The cache of counts: how long a count is served, which one stays, and whose entry goes. */
#include "unit.h"

#include "rsvpd/domain/count_cache.h"

#include <stdlib.h>

#define SECONDS(n) ((int64_t)((n)*1e6))

enum { LIFETIME_US = 1000 * 1000, CAPACITY = 8 };

/* Far from zero, so that ages can be subtracted. */
static const int64_t start_us = 1000000000000;

/* With a memory of its own, large enough to forget nothing. */
static void init_with_secret(struct count_cache *cache, size_t capacity, int64_t lifetime_us,
                             uint64_t secret)
{
    struct count_memory *memory = count_memory_create(64 * 64, secret);
    assert_non_null(memory);
    assert_true(count_cache_init(cache, memory, &relations[RELATION_RSVP], capacity, lifetime_us));
}

static void init(struct count_cache *cache, size_t capacity, int64_t lifetime_us)
{
    init_with_secret(cache, capacity, lifetime_us, 42);
}

static void end(struct count_cache *cache)
{
    count_cache_free(cache);
    count_memory_destroy(&cache->memory);
}

static struct count_entry *entry_of(struct count_cache *cache, unsigned number)
{
    struct identifier id = unit_numbered_id("e", number);
    return count_cache_entry(cache, &id);
}

static struct count count_of(int64_t version, int64_t as_of_us)
{
    return (struct count){.value = version * 10,
                          .version = version,
                          .as_of_mono_us = as_of_us,
                          .as_of_wall_us = as_of_us + SECONDS(7)};
}

/* Whether it has an entry, without making or using one. */
static bool has_entry(const struct count_cache *cache, unsigned number)
{
    struct identifier id = unit_numbered_id("e", number);
    size_t i = 0;
    while (i < cache->slab_used && !identifier_equal(&cache->slab[i].entity, &id)) {
        i++;
    }
    return i < cache->slab_used;
}

static void put(struct count_cache *cache, struct count_entry *entry, int64_t version,
                int64_t as_of_us, enum count_origin origin, int64_t now_us)
{
    struct count count = count_of(version, as_of_us);
    count_cache_put(cache, entry, &count, origin, now_us);
}

static void test_nothing_known(NO_STATE)
{
    struct count_cache cache;
    init(&cache, CAPACITY, LIFETIME_US);
    struct count_entry *entry = entry_of(&cache, 1);
    assert_non_null(entry);
    assert_true(identifier_equal(&entry->entity, &(struct identifier){2, "e1"}));
    assert_int_equal(entry->load, COUNT_LOAD_NONE);
    assert_true(list_empty(&entry->waiters));
    /* Not even at the zero of the clock, where every time of a cleared entry lies. */
    assert_false(count_entry_serves(&cache, entry, 0, 0));
    assert_false(count_entry_serves_stale(entry, 0));
    assert_ptr_equal(entry_of(&cache, 1), entry);
    assert_ptr_not_equal(entry_of(&cache, 2), entry);
    end(&cache);
}

static void test_what_is_put_is_held(NO_STATE)
{
    struct count_cache cache;
    init(&cache, CAPACITY, LIFETIME_US);
    struct count_entry *entry = entry_of(&cache, 1);
    struct count count = count_of(7, start_us);
    count_cache_put(&cache, entry, &count, COUNT_FROM_PRIMARY, start_us + 5);
    assert_true(count_entry_known(entry));
    assert_int_equal(entry->view.held.count.value, 70);
    assert_int_equal(entry->view.held.count.version, 7);
    assert_int_equal(entry->view.held.count.as_of_mono_us, start_us);
    assert_int_equal(entry->view.held.count.as_of_wall_us, start_us + SECONDS(7));
    assert_int_equal(entry->view.held.put_at_us, start_us + 5);
    end(&cache);
}

/* A count is served for its lifetime, never past the bound, and never to somebody who wants a newer
 * one. Times are relative to when it was put. */
static void test_when_it_is_served(NO_STATE)
{
    static const struct {
        int64_t lifetime_us, as_of_us, not_before_us, now_us;
        bool serves;
    } cases[] = {
        {SECONDS(1), 0, SECONDS(-9), 0, true},
        {SECONDS(1), 0, SECONDS(-9), SECONDS(1), true},
        {SECONDS(1), 0, SECONDS(-9), SECONDS(1) + 1, false},
        {0, 0, SECONDS(-9), 0, true},
        {0, 0, SECONDS(-9), 1, false},
        /* the bound of 4 s, whatever the lifetime is */
        {SECONDS(1), SECONDS(-4), SECONDS(-9), 0, true},
        {SECONDS(1), SECONDS(-4), SECONDS(-9), 1, false},
        {SECONDS(1), SECONDS(-3.5), SECONDS(-9), SECONDS(0.5), true},
        {SECONDS(1), SECONDS(-3.5), SECONDS(-9), SECONDS(0.5) + 1, false},
        {SECONDS(60), 0, SECONDS(-9), SECONDS(4), true},
        {SECONDS(60), 0, SECONDS(-9), SECONDS(4) + 1, false},
        /* what the asker accepts */
        {SECONDS(1), 0, 0, 10, true},
        {SECONDS(1), 0, 1, 10, false},
        {SECONDS(1), SECONDS(-2), SECONDS(-2), 10, true},
        {SECONDS(1), SECONDS(-2), SECONDS(-2) + 1, 10, false},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct count_cache cache;
        init(&cache, CAPACITY, cases[i].lifetime_us);
        struct count_entry *entry = entry_of(&cache, 1);
        put(&cache, entry, 1, start_us + cases[i].as_of_us, COUNT_FROM_PRIMARY, start_us);
        if (count_entry_serves(&cache, entry, start_us + cases[i].not_before_us,
                               start_us + cases[i].now_us) != cases[i].serves) {
            fail_msg("case %zu is %sserved", i, cases[i].serves ? "not " : "");
        }
        end(&cache);
    }
}

/* Which of two counts stays. Times are relative to the second's arrival. */
static void test_which_one_stays(NO_STATE)
{
    static const struct {
        struct {
            int64_t version, as_of_us;
            enum count_origin origin;
        } held, put;
        bool replaced;
    } cases[] = {
#define TRUTH COUNT_FROM_PRIMARY
#define REDIS COUNT_FROM_REDIS
        /* a newer version, from wherever, even when it was read earlier */
        {{5, -100, TRUTH}, {6, -50, TRUTH}, true},
        {{5, -100, TRUTH}, {6, -50, REDIS}, true},
        {{5, -100, REDIS}, {6, -50, REDIS}, true},
        {{5, -100, TRUTH}, {6, -200, TRUTH}, true},
        /* the same version, read later: it is good for longer */
        {{5, -100, TRUTH}, {5, -50, TRUTH}, true},
        {{5, -100, TRUTH}, {5, -50, REDIS}, true},
        {{5, -100, TRUTH}, {5, -100, TRUTH}, false},
        {{5, -100, TRUTH}, {5, -101, TRUTH}, false},
        /* an older version never replaces a newer one within the bound */
        {{5, -100, TRUTH}, {4, -50, TRUTH}, false},
        {{5, -100, TRUTH}, {4, -50, REDIS}, false},
        {{5, -100, REDIS}, {4, -50, REDIS}, false},
        {{5, SECONDS(-4), TRUTH}, {4, 0, TRUTH}, false},
        {{5, SECONDS(-4), REDIS}, {4, 0, REDIS}, false},
        /* past the bound no reading can be late any more */
        {{5, SECONDS(-4) - 1, TRUTH}, {4, 0, TRUTH}, true},
        {{5, SECONDS(-4) - 1, TRUTH}, {4, 0, REDIS}, true},
        /* the primary corrects Redis, unless it was asked before */
        {{99, -100, REDIS}, {5, -50, TRUTH}, true},
        {{99, -100, REDIS}, {5, -100, TRUTH}, true},
        {{99, -100, REDIS}, {5, -101, TRUTH}, false},
        {{99, -100, REDIS}, {0, -50, TRUTH}, true},
#undef REDIS
#undef TRUTH
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct count_cache cache;
        init(&cache, CAPACITY, LIFETIME_US);
        struct count_entry *entry = entry_of(&cache, 1);
        put(&cache, entry, cases[i].held.version, start_us + cases[i].held.as_of_us,
            cases[i].held.origin, start_us + cases[i].held.as_of_us);
        put(&cache, entry, cases[i].put.version, start_us + cases[i].put.as_of_us,
            cases[i].put.origin, start_us);
        struct count expected =
            cases[i].replaced ? count_of(cases[i].put.version, start_us + cases[i].put.as_of_us)
                              : count_of(cases[i].held.version, start_us + cases[i].held.as_of_us);
        if (cases[i].put.origin == COUNT_FROM_PRIMARY &&
            cases[i].put.as_of_us > cases[i].held.as_of_us) {
            /* What stays was committed after the other one was read. */
            expected.as_of_mono_us = start_us + cases[i].put.as_of_us;
        }
        if (entry->view.held.count.version != expected.version ||
            entry->view.held.count.as_of_mono_us != expected.as_of_mono_us) {
            fail_msg("case %zu: version %lld stayed", i, (long long)entry->view.held.count.version);
        }
        assert_int_equal(entry->view.held.count.value, expected.value);
        /* Whichever stays, it was asked for just now. */
        assert_int_equal(entry->view.held.put_at_us, start_us);
        end(&cache);
    }
}

/* After the primary has corrected Redis, its count is held as the primary's own. */
static void test_a_correction_is_kept(NO_STATE)
{
    struct count_cache cache;
    init(&cache, CAPACITY, LIFETIME_US);
    struct count_entry *entry = entry_of(&cache, 1);
    put(&cache, entry, 99, start_us, COUNT_FROM_REDIS, start_us);
    put(&cache, entry, 5, start_us + 10, COUNT_FROM_PRIMARY, start_us + 10);
    put(&cache, entry, 4, start_us + 20, COUNT_FROM_PRIMARY, start_us + 20);
    assert_int_equal(entry->view.held.count.version, 5);
    put(&cache, entry, 6, start_us + 30, COUNT_FROM_REDIS, start_us + 30);
    put(&cache, entry, 5, start_us + 40, COUNT_FROM_PRIMARY, start_us + 40);
    assert_int_equal(entry->view.held.count.version, 5);
    end(&cache);
}

/* A failover took a version back. It is held while it may be a slow answer that is older, and not
 * for longer, however often it is asked for. */
static void test_what_was_taken_back_goes(NO_STATE)
{
    struct count_cache cache;
    init(&cache, CAPACITY, LIFETIME_US);
    struct count_entry *entry = entry_of(&cache, 1);
    int64_t now_us = start_us;
    put(&cache, entry, 7, now_us, COUNT_FROM_PRIMARY, now_us);
    for (; now_us <= start_us + COUNT_BOUND_US; now_us += SECONDS(1)) {
        put(&cache, entry, 5, now_us, COUNT_FROM_PRIMARY, now_us);
        assert_int_equal(entry->view.held.count.version, 7);
    }
    put(&cache, entry, 5, now_us, COUNT_FROM_PRIMARY, now_us);
    assert_int_equal(entry->view.held.count.version, 5);
    end(&cache);
}

static void test_stale_has_a_limit_too(NO_STATE)
{
    const int64_t ten_minutes_us = SECONDS(600);
    struct count_cache cache;
    init(&cache, CAPACITY, LIFETIME_US);
    struct count_entry *entry = entry_of(&cache, 1);
    put(&cache, entry, 1, start_us, COUNT_FROM_PRIMARY, start_us + 100);
    assert_true(count_entry_serves_stale(entry, start_us));
    assert_true(count_entry_serves_stale(entry, start_us + SECONDS(5)));
    assert_true(count_entry_serves_stale(entry, start_us + ten_minutes_us));
    assert_false(count_entry_serves_stale(entry, start_us + ten_minutes_us + 1));
    end(&cache);
}

/* A primary that only grows is read at random and the readings arrive late and in disorder: what
 * the cache serves never goes back, and is never older than the bound. */
static void test_versions_never_go_back(NO_STATE)
{
    enum { READINGS = 16, STEPS = 20000, STEP_US = 50 * 1000 };
    struct random random = unit_random(1);
    struct count_cache cache;
    struct count readings[READINGS];
    int64_t now_us = start_us, version = 1, served = 0, times_served = 0;
    init(&cache, CAPACITY, LIFETIME_US);
    struct count_entry *entry = entry_of(&cache, 1);
    for (size_t i = 0; i < READINGS; i++) {
        readings[i] = count_of(version, now_us);
    }
    for (int step = 0; step < STEPS; step++) {
        struct count *reading = &readings[unit_below(&random, READINGS)];
        now_us += unit_below(&random, STEP_US);
        version += unit_percent(&random, 20);
        if (reading->as_of_mono_us >= now_us - COUNT_BOUND_US) {
            enum count_origin origin =
                unit_percent(&random, 50) ? COUNT_FROM_PRIMARY : COUNT_FROM_REDIS;
            count_cache_put(&cache, entry, reading, origin, now_us);
        }
        *reading = count_of(version, now_us);
        if (count_entry_serves(&cache, entry, 0, now_us)) {
            assert_true(entry->view.held.count.version >= served);
            assert_true(entry->view.held.count.as_of_mono_us >= now_us - COUNT_BOUND_US);
            served = entry->view.held.count.version;
            times_served++;
        }
    }
    assert_true(times_served > STEPS / 2);
    end(&cache);
}

/* ---- whose entry goes ---- */

static void test_the_least_recently_used_goes(NO_STATE)
{
    struct count_cache cache;
    init(&cache, 3, LIFETIME_US);
    put(&cache, entry_of(&cache, 1), 1, start_us, COUNT_FROM_PRIMARY, start_us);
    put(&cache, entry_of(&cache, 2), 2, start_us, COUNT_FROM_PRIMARY, start_us);
    put(&cache, entry_of(&cache, 3), 3, start_us, COUNT_FROM_PRIMARY, start_us);
    entry_of(&cache, 1); /* used again: now 2 has waited longest */
    entry_of(&cache, 4);
    assert_true(has_entry(&cache, 1));
    assert_false(has_entry(&cache, 2));
    assert_true(has_entry(&cache, 3));
    assert_true(has_entry(&cache, 4));
    /* The process knows them all. */
    assert_int_equal(entry_of(&cache, 1)->view.held.count.version, 1);
    assert_int_equal(entry_of(&cache, 2)->view.held.count.version, 2);
    assert_int_equal(entry_of(&cache, 3)->view.held.count.version, 3);
    assert_false(count_entry_known(entry_of(&cache, 4)));
    end(&cache);
}

static void test_one_that_is_waited_for_stays(NO_STATE)
{
    static const enum count_load loads[] = {COUNT_LOAD_WANTED, COUNT_LOAD_SHARED,
                                            COUNT_LOAD_POSTGRES, COUNT_LOAD_NONE};
    for (size_t i = 0; i < LENGTH(loads); i++) {
        struct operation waiter = {.kind = OPERATION_COUNT};
        struct count_cache cache;
        init(&cache, 2, LIFETIME_US);
        struct count_entry *first = entry_of(&cache, 1), *second = entry_of(&cache, 2);
        first->load = loads[i];
        if (loads[i] == COUNT_LOAD_NONE) {
            list_push_back(&first->waiters, &waiter.link);
        }
        assert_ptr_equal(entry_of(&cache, 3), second);
        assert_true(identifier_equal(&first->entity, &(struct identifier){2, "e1"}));
        second->load = COUNT_LOAD_SHARED;
        assert_null(entry_of(&cache, 4)); /* everybody is waited for */
        assert_ptr_equal(entry_of(&cache, 1), first);
        assert_ptr_equal(entry_of(&cache, 3), second);
        first->load = COUNT_LOAD_NONE;
        list_init(&first->waiters);
        assert_ptr_equal(entry_of(&cache, 4), first);
        assert_true(list_empty(&first->waiters));
        end(&cache);
    }
}

/* The entities that a cache of few entries has, the least recently used first. */
struct uses {
    unsigned row[CAPACITY];
    size_t size;
    bool busy[20]; /* by entity */
};

/* Where in the row the entity is, or else the one that must go for it; CAPACITY where none may. */
static size_t place_for(const struct uses *uses, unsigned wanted)
{
    for (size_t i = 0; i < uses->size; i++) {
        if (uses->row[i] == wanted) {
            return i;
        }
    }
    size_t at = uses->size < CAPACITY ? uses->size : 0;
    while (at < uses->size && uses->busy[uses->row[at]]) {
        at++;
    }
    return at;
}

static void use(struct uses *uses, size_t place, unsigned wanted)
{
    if (place < uses->size) {
        size_t behind = --uses->size - place;
        memmove(uses->row + place, uses->row + place + 1, behind * sizeof uses->row[0]);
    }
    uses->row[uses->size++] = wanted;
}

static void free_all(struct uses *uses, struct count_cache *cache)
{
    memset(uses->busy, 0, sizeof uses->busy);
    for (size_t i = 0; i < CAPACITY; i++) {
        cache->slab[i].load = COUNT_LOAD_NONE;
    }
}

/* At most as many as fit; the least recently used of those that nobody waits for gives way. */
static void random_uses(uint64_t secret)
{
    struct random random = unit_random(2);
    struct uses uses = {.size = 0};
    bool known[LENGTH(uses.busy)] = {false};
    struct count_cache cache;
    unsigned refused = 0;
    init_with_secret(&cache, CAPACITY, LIFETIME_US, secret);
    for (int step = 0; step < 20000; step++) {
        unsigned wanted = unit_below(&random, LENGTH(uses.busy));
        size_t place = place_for(&uses, wanted);
        bool held = place < uses.size && uses.row[place] == wanted;
        assert_int_equal(has_entry(&cache, wanted), held);
        struct count_entry *entry = entry_of(&cache, wanted);
        assert_int_equal(entry == NULL, place == CAPACITY);
        if (entry == NULL) {
            refused++;
            free_all(&uses, &cache);
            continue;
        }
        assert_int_equal(count_entry_known(entry), known[wanted]);
        assert_int_equal(entry->view.held.count.version, known[wanted] ? wanted + 1 : 0);
        put(&cache, entry, wanted + 1, start_us + step, COUNT_FROM_PRIMARY, start_us);
        known[wanted] = true;
        uses.busy[wanted] = unit_percent(&random, 40);
        entry->load = uses.busy[wanted] ? COUNT_LOAD_SHARED : COUNT_LOAD_NONE;
        use(&uses, place, wanted);
    }
    assert_true(refused > 0);
    end(&cache);
}

static void test_random_uses_against_a_row(NO_STATE)
{
    random_uses(42);
}

static void test_random_uses_of_entities_whose_hashes_collide(NO_STATE)
{
    random_uses(unit_colliding_secret());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_known),
        cmocka_unit_test(test_what_is_put_is_held),
        cmocka_unit_test(test_when_it_is_served),
        cmocka_unit_test(test_which_one_stays),
        cmocka_unit_test(test_a_correction_is_kept),
        cmocka_unit_test(test_what_was_taken_back_goes),
        cmocka_unit_test(test_stale_has_a_limit_too),
        cmocka_unit_test(test_versions_never_go_back),
        cmocka_unit_test(test_the_least_recently_used_goes),
        cmocka_unit_test(test_one_that_is_waited_for_stays),
        cmocka_unit_test(test_random_uses_against_a_row),
        cmocka_unit_test(test_random_uses_of_entities_whose_hashes_collide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
