/* The hash table against an array that does the same, and the hash itself. */
#include "unit.h"

#include "rsvpd/base/hash_table.h"
#include "rsvpd/base/list.h"

#include <stdlib.h>

enum { KEYS = 300 };

struct item {
    unsigned key;
    bool held;
    struct hash_node node;
};

static bool has_key(const struct hash_node *node, const void *key)
{
    return list_entry(node, const struct item, node)->key == *(const unsigned *)key;
}

/* Walking the table meets each element once. */
static void check_walk(const struct hash_table *table, const struct item *items)
{
    bool met[KEYS] = {false};
    for (struct hash_node *node = hash_table_next(table, NULL); node != NULL;
         node = hash_table_next(table, node)) {
        unsigned key = list_entry(node, const struct item, node)->key;
        assert_false(met[key]);
        met[key] = true;
    }
    for (unsigned key = 0; key < KEYS; key++) {
        assert_int_equal(met[key], items[key].held);
    }
}

static void check(const struct hash_table *table, const struct item *items, const uint64_t *hashes)
{
    size_t size = 0;
    for (unsigned key = 0; key < KEYS; key++) {
        const struct hash_node *found = hash_table_find(table, hashes[key], has_key, &key);
        assert_ptr_equal(found, items[key].held ? &items[key].node : NULL);
        size += items[key].held;
    }
    assert_int_equal(table->size, size);
    check_walk(table, items);
}

/* Inserts and removes at random. `spread` says how many hashes there are for the keys: with few of
 * them most keys share a bucket, or the whole hash. */
static void against_an_array(struct random *random, uint64_t spread, bool same_low_bits)
{
    static struct item items[KEYS];
    uint64_t hashes[KEYS];
    struct hash_table table;
    assert_true(hash_table_init(&table, KEYS / 4, 1));
    for (unsigned key = 0; key < KEYS; key++) {
        items[key] = (struct item){.key = key};
        hashes[key] = same_low_bits ? key % spread << 32 : key % spread;
    }
    for (int step = 0; step < 3000; step++) {
        struct item *item = &items[unit_below(random, KEYS)];
        if (item->held) {
            hash_table_remove(&table, &item->node);
        } else {
            hash_table_insert(&table, &item->node, hashes[item->key]);
        }
        item->held = !item->held;
        if (step % 50 == 0) {
            check(&table, items, hashes);
        }
    }
    check(&table, items, hashes);
    hash_table_free(&table);
    assert_null(table.buckets);
}

static void test_against_an_array(NO_STATE)
{
    static const uint64_t spreads[] = {1, 2, 7, KEYS, 1000000007};
    struct random random = unit_random(4);
    for (size_t i = 0; i < LENGTH(spreads); i++) {
        against_an_array(&random, spreads[i], false);
        against_an_array(&random, spreads[i], true);
    }
}

static void test_there_are_as_many_buckets_as_elements_are_expected(NO_STATE)
{
    static const size_t expected[] = {0, 1, 64, 65, 1000, 1024, 1025, 100000};
    for (size_t i = 0; i < LENGTH(expected); i++) {
        struct hash_table table;
        assert_true(hash_table_init(&table, expected[i], 1));
        size_t buckets = table.mask + 1;
        assert_true(buckets >= expected[i]);
        assert_int_equal(buckets & table.mask, 0);
        hash_table_free(&table);
    }
}

static void test_the_hash_depends_on_every_byte_and_the_secret(NO_STATE)
{
    char bytes[40] = {0}, longer[sizeof bytes + 1] = {0};
    for (size_t size = 1; size <= sizeof bytes; size++) {
        uint64_t hash = hash_bytes(7, slice_make(bytes, size));
        assert_true(hash == hash_bytes(7, slice_make(longer, size)));
        assert_true(hash != hash_bytes(8, slice_make(bytes, size)));
        assert_true(hash != hash_bytes(7, slice_make(longer, size + 1)));
        for (size_t bit = 0; bit < size * 8; bit++) {
            bytes[bit / 8] = (char)(1 << bit % 8);
            assert_true(hash != hash_bytes(7, slice_make(bytes, size)));
            bytes[bit / 8] = 0;
        }
    }
}

/* With chained calls, "ab" + "c" is not "a" + "bc". */
static void test_chained_hashes_know_where_one_part_ends(NO_STATE)
{
    uint64_t one = hash_bytes(hash_bytes(7, slice_of("ab")), slice_of("c"));
    uint64_t other = hash_bytes(hash_bytes(7, slice_of("a")), slice_of("bc"));
    assert_true(one != other);
}

/* Keys that are alike, as ids are, spread over the buckets as if by chance: then there is a bucket
 * with more than 16 of as many keys as buckets once in 10^11 secrets. */
static void test_alike_keys_spread(NO_STATE)
{
    enum { COUNT = 4096, BUCKET_MAX = 16 };
    struct random random = unit_random(5);
    uint64_t secret = random_next(&random);
    unsigned *buckets = calloc(COUNT, sizeof *buckets);
    assert_non_null(buckets);
    for (unsigned i = 0; i < COUNT; i++) {
        struct identifier id = unit_numbered_id("user-", i);
        buckets[hash_bytes(secret, identifier_slice(&id)) % COUNT]++;
    }
    for (unsigned i = 0; i < COUNT; i++) {
        assert_true(buckets[i] <= BUCKET_MAX);
    }
    free(buckets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_an_array),
        cmocka_unit_test(test_there_are_as_many_buckets_as_elements_are_expected),
        cmocka_unit_test(test_the_hash_depends_on_every_byte_and_the_secret),
        cmocka_unit_test(test_chained_hashes_know_where_one_part_ends),
        cmocka_unit_test(test_alike_keys_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
