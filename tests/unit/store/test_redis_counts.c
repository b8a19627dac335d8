/* The commands by which counts are read and published. */
#include "unit.h"

#include "rsvpd/store/redis_counts.h"

#include <string.h>

static const char namespace[] = "0123456789abcdef";

static void expect_words(const struct redis_words *words, int first, const char *const *expected,
                         int count)
{
    assert_int_equal(words->count, first + count);
    for (int i = 0; i < count; i++) {
        unit_expect_text("word", slice_make(words->at[first + i], words->sizes[first + i]),
                         expected[i]);
    }
}

static struct redis_count entry_of(enum relation_id relation, const char *id, int64_t value)
{
    struct redis_count entry = {
        .relation = &relations[relation],
        .count = {.value = value, .version = 7, .as_of_wall_us = INT64_C(1700000000000000)}};
    assert_true(identifier_parse(slice_of(id), &entry.entity));
    return entry;
}

static void test_a_read_names_keys_in_order(NO_STATE)
{
    static const char *const expected[] = {"MGET", "rsvpd:2:0123456789abcdef:rsvp:101a",
                                           "rsvpd:2:0123456789abcdef:like:p1"};
    const struct redis_count entries[] = {entry_of(RELATION_RSVP, "101a", 0),
                                          entry_of(RELATION_LIKE, "p1", 0)};
    struct redis_words words;
    redis_counts_write_read(&words, namespace, entries, 2);
    expect_words(&words, 0, expected, 3);
}

/* Keys first, as EVAL wants them; then the lifetime, and the values in the keys' order. */
static void test_a_publication_has_keys_lifetime_and_values(NO_STATE)
{
    static const char *const expected[] = {"2",
                                           "rsvpd:2:0123456789abcdef:rsvp:101a",
                                           "rsvpd:2:0123456789abcdef:like:p1",
                                           "2500",
                                           "0000000000000000007:1700000000000000:3",
                                           "0000000000000000007:1700000000000000:40"};
    const struct redis_count entries[] = {entry_of(RELATION_RSVP, "101a", 3),
                                          entry_of(RELATION_LIKE, "p1", 40)};
    struct redis_words words;
    redis_counts_write_publication(&words, namespace, 2500, entries, 2);
    unit_expect_text("name", slice_make(words.at[0], words.sizes[0]), "EVAL");
    expect_words(&words, 2, expected, 6);
}

/* A probe is of a key that no entity can have. */
static void test_a_probe_has_a_key_of_its_own(NO_STATE)
{
    static const char *const read[] = {"MGET", "rsvpd:2:0123456789abcdef:probe:99"};
    static const char *const publication[] = {"1", "rsvpd:2:0123456789abcdef:probe:99", "1000",
                                              "0000000000000000005:0000000000000006:0"};
    const struct count count = {.version = 5, .as_of_wall_us = 6};
    struct redis_words words;
    redis_counts_write_probe_read(&words, namespace, 99);
    expect_words(&words, 0, read, 2);
    redis_counts_write_probe_publication(&words, namespace, 1000, 99, &count);
    expect_words(&words, 2, publication, 4);
}

/* As many entries as one command may have fit its words. */
static void test_the_largest_commands_fit(NO_STATE)
{
    static struct redis_count entries[REDIS_COUNTS_MAX];
    struct redis_words words;
    char id[IDENTIFIER_SIZE_MAX_BYTES + 1];
    memset(id, 'x', sizeof id - 1);
    id[sizeof id - 1] = '\0';
    for (size_t i = 0; i < REDIS_COUNTS_MAX; i++) {
        entries[i] = entry_of(RELATION_RSVP, id, INT64_C(999999999999999999));
        entries[i].count.version = INT64_MAX;
    }
    redis_counts_write_publication(&words, namespace, INT64_MAX, entries, REDIS_COUNTS_MAX);
    assert_int_equal(words.count, 4 + 2 * REDIS_COUNTS_MAX);
    redis_counts_write_read(&words, namespace, entries, REDIS_COUNTS_MAX);
    assert_int_equal(words.count, 1 + REDIS_COUNTS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_read_names_keys_in_order),
        cmocka_unit_test(test_a_publication_has_keys_lifetime_and_values),
        cmocka_unit_test(test_a_probe_has_a_key_of_its_own),
        cmocka_unit_test(test_the_largest_commands_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
