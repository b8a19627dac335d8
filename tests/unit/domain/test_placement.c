/* The shard of an entity: the hash is PostgreSQL's, and each shard has its own range of hashes. */
#include "unit.h"

#include "rsvpd/domain/placement.h"

/* As PostgreSQL answers: SELECT hashtext(text COLLATE "C"). Lengths around those of a block. */
static void test_hash(NO_STATE)
{
    static const struct {
        const char *text;
        int32_t hash;
    } cases[] = {
        {"", -1477818771},
        {"a", 1075015857},
        {"e1", 2018802565},
        {"12345678", 915794263},
        {"123456789", 1014187944},
        {"12345678901", 1650060602},
        {"123456789012", -2102057603},
        {"1234567890123", 437480032},
        {"abcdefghijklmnopqrstuvwxyz", 167831483},
        {"event-1", 1527766389},
        {"~:@|+=.-_", -1312275869},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        assert_int_equal(placement_hash(slice_of(cases[i].text)), cases[i].hash);
    }
}

static void test_one_place(NO_STATE)
{
    static const struct placements one = {.count = 0};
    const struct identifier id = unit_id("event-1");
    assert_int_equal(placement_of(&one, &id).shard, 0);
    assert_int_equal(placement_of(&one, &id).server, 0);
}

static void test_ranges(NO_STATE)
{
    static struct placements many;
    const struct identifier low = unit_id("123456789012");     /* -2102057603 */
    const struct identifier middle = unit_id("1234567890123"); /* 437480032 */
    const struct identifier high = unit_id("e1");              /* 2018802565 */
    many = (struct placements){.count = 1, .shards = {{INT32_MIN, {7, 1}}}};
    assert_int_equal(placement_of(&many, &low).shard, 7);
    assert_int_equal(placement_of(&many, &high).shard, 7);
    many = (struct placements){
        .count = 3, .shards = {{INT32_MIN, {7, 1}}, {437480032, {9, 2}}, {437480033, {8, 1}}}};
    assert_int_equal(placement_of(&many, &low).shard, 7);
    assert_int_equal(placement_of(&many, &middle).shard, 9);
    assert_int_equal(placement_of(&many, &high).shard, 8);
    assert_int_equal(placement_of(&many, &middle).server, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_one_place),
        cmocka_unit_test(test_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
