/* The set of entities that have settings, as far as is known: what it holds, and what it forgets.
 */
#include "unit.h"

#include "rsvpd/base/hash_table.h"
#include "rsvpd/domain/entity_set.h"

enum { SECRET = 42, SETS = 8 * 1024, NEIGHBOURS = 8 };

static void init(struct entity_set *set, uint64_t secret)
{
    assert_true(entity_set_init(set, secret));
    assert_int_equal(set->size, 0);
}

static bool has(const struct entity_set *set, const char *entity)
{
    struct identifier id = unit_id(entity);
    return entity_set_has(set, &id);
}

static void note(struct entity_set *set, const char *entity, bool admitted)
{
    struct identifier id = unit_id(entity);
    entity_set_note(set, &id, admitted);
    assert_int_equal(entity_set_has(set, &id), admitted);
}

static void test_noted_and_forgotten(NO_STATE)
{
    struct entity_set set;
    init(&set, SECRET);
    assert_false(has(&set, "e"));
    note(&set, "e", false); /* was never in it */
    assert_int_equal(set.size, 0);
    note(&set, "e", true);
    note(&set, "e", true);
    assert_int_equal(set.size, 1);
    note(&set, "f", true);
    assert_int_equal(set.size, 2);
    note(&set, "e", false);
    note(&set, "e", false);
    assert_int_equal(set.size, 1);
    assert_true(has(&set, "f"));
    note(&set, "f", false);
    assert_int_equal(set.size, 0);
    entity_set_free(&set);
}

/* Byte for byte. */
static void test_entities_that_look_alike(NO_STATE)
{
    static const char *const others[] = {"e", "e1", "E10", "e10a", "ee10", "e100", "01e"};
    struct entity_set set;
    init(&set, SECRET);
    note(&set, "e10", true);
    for (size_t i = 0; i < LENGTH(others); i++) {
        assert_false(has(&set, others[i]));
        note(&set, others[i], false);
    }
    assert_true(has(&set, "e10"));
    assert_int_equal(set.size, 1);
    entity_set_free(&set);
}

/* The entities e0, e1, … that share a few places with e0, in order. */
static void find_neighbours(uint64_t secret, struct identifier *found, size_t count)
{
    uint64_t place = 0;
    size_t size = 0;
    for (unsigned number = 0; size < count; number++) {
        struct identifier id = unit_numbered_id("e", number);
        uint64_t at = (hash_bytes(secret, identifier_slice(&id)) >> 1) % SETS;
        place = number == 0 ? at : place;
        if (at == place) {
            found[size++] = id;
        }
    }
}

static void expect_all(const struct entity_set *set, const struct identifier *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_true(entity_set_has(set, &ids[i]));
    }
}

/* As many as there are places stay; one more, and the one met longest ago goes. */
static void test_the_one_met_longest_ago_is_forgotten(NO_STATE)
{
    struct identifier ids[NEIGHBOURS + 3], elsewhere = unit_id("elsewhere");
    struct entity_set set;
    find_neighbours(SECRET, ids, LENGTH(ids));
    init(&set, SECRET);
    entity_set_note(&set, &elsewhere, true);
    for (size_t i = 0; i < NEIGHBOURS; i++) {
        entity_set_note(&set, &ids[i], true);
    }
    expect_all(&set, ids, NEIGHBOURS);
    assert_int_equal(set.size, NEIGHBOURS + 1);

    entity_set_note(&set, &ids[0], true); /* met again: the next one is the oldest now */
    entity_set_note(&set, &ids[NEIGHBOURS], true);
    assert_false(entity_set_has(&set, &ids[1]));
    assert_true(entity_set_has(&set, &ids[0]));
    expect_all(&set, ids + 2, NEIGHBOURS - 1);
    assert_int_equal(set.size, NEIGHBOURS + 1);

    entity_set_note(&set, &ids[4], false); /* makes room: nobody need go */
    entity_set_note(&set, &ids[NEIGHBOURS + 1], true);
    assert_false(entity_set_has(&set, &ids[4]));
    expect_all(&set, ids + 2, 2);
    expect_all(&set, ids + 5, NEIGHBOURS - 3);
    assert_true(entity_set_has(&set, &ids[0]));
    assert_int_equal(set.size, NEIGHBOURS + 1);
    assert_true(entity_set_has(&set, &elsewhere));
    entity_set_free(&set);
}

/* Whoever does not know the secret cannot choose entities that push each other out. */
static void test_neighbours_under_another_secret(NO_STATE)
{
    enum { COUNT = 3 * NEIGHBOURS };
    struct identifier ids[COUNT];
    find_neighbours(SECRET, ids, COUNT);
    for (uint64_t secret = SECRET; secret < SECRET + 2; secret++) {
        struct entity_set set;
        init(&set, secret);
        for (size_t i = 0; i < COUNT; i++) {
            entity_set_note(&set, &ids[i], true);
        }
        assert_int_equal(set.size, secret == SECRET ? NEIGHBOURS : COUNT);
        entity_set_free(&set);
    }
}

/* Half as many events as there are places, spread over all of them: hardly any is forgotten. */
static void test_many(NO_STATE)
{
    enum { COUNT = SETS * NEIGHBOURS / 2 };
    struct entity_set set;
    unsigned held = 0;
    init(&set, SECRET);
    for (unsigned i = 0; i < COUNT; i++) {
        struct identifier id = unit_numbered_id("e", i);
        entity_set_note(&set, &id, true);
    }
    for (unsigned i = 0; i < 2 * COUNT; i++) {
        struct identifier id = unit_numbered_id("e", i);
        held += entity_set_has(&set, &id);
        assert_true(i < COUNT || !entity_set_has(&set, &id));
    }
    assert_int_equal(held, set.size);
    assert_true(held > COUNT - COUNT / 20);
    entity_set_free(&set);
}

/* Random histories of neighbours, against a plain row of them, the latest met last. */
static void test_random_histories(NO_STATE)
{
    enum { POOL = 2 * NEIGHBOURS, STEPS = 5000 };
    struct random random = unit_random(1);
    struct identifier ids[POOL];
    size_t row[POOL], size = 0;
    struct entity_set set;
    find_neighbours(SECRET, ids, POOL);
    init(&set, SECRET);
    for (int step = 0; step < STEPS; step++) {
        size_t chosen = unit_below(&random, POOL), kept = 0;
        bool admitted = unit_percent(&random, 70);
        entity_set_note(&set, &ids[chosen], admitted);
        for (size_t i = 0; i < size; i++) {
            row[kept] = row[i];
            kept += row[i] != chosen;
        }
        size = kept;
        if (admitted) {
            row[size++] = chosen;
        }
        if (size > NEIGHBOURS) {
            memmove(row, row + 1, --size * sizeof row[0]);
        }
        assert_int_equal(set.size, size);
        for (size_t i = 0; i < POOL; i++) {
            bool in_row = false;
            for (size_t j = 0; j < size; j++) {
                in_row = in_row || row[j] == i;
            }
            assert_int_equal(entity_set_has(&set, &ids[i]), in_row);
        }
    }
    entity_set_free(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_noted_and_forgotten),
        cmocka_unit_test(test_entities_that_look_alike),
        cmocka_unit_test(test_the_one_met_longest_ago_is_forgotten),
        cmocka_unit_test(test_neighbours_under_another_secret),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_random_histories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
