/* The table of relations: each in its place, each with words of its own. */
#include "unit.h"

#include "rsvpd/domain/relation.h"

static void test_each_is_in_its_place(NO_STATE)
{
    for (int i = 0; i < RELATION_COUNT; i++) {
        assert_int_equal(relations[i].id, i);
    }
}

/* The words are the contract with clients, and with the schema. */
static void test_the_words(NO_STATE)
{
    static const struct relation expected[RELATION_COUNT] = {
        {RELATION_RSVP, "rsvp", "events", "event_id", "rsvp_count", "has_rsvped", true, "rsvps",
         "rsvp_counters"},
        {RELATION_LIKE, "like", "posts", "post_id", "like_count", "has_liked", false, "likes",
         "like_counters"},
    };
    for (int i = 0; i < RELATION_COUNT; i++) {
        assert_string_equal(relations[i].name, expected[i].name);
        assert_string_equal(relations[i].collection, expected[i].collection);
        assert_string_equal(relations[i].id_member, expected[i].id_member);
        assert_string_equal(relations[i].count_member, expected[i].count_member);
        assert_string_equal(relations[i].flag_member, expected[i].flag_member);
        assert_int_equal(relations[i].has_settings, expected[i].has_settings);
        assert_string_equal(relations[i].members_table, expected[i].members_table);
        assert_string_equal(relations[i].counters_table, expected[i].counters_table);
    }
}

/* Words that share a path, a body, a key or a database must differ. */
static void test_words_that_meet_differ(NO_STATE)
{
    for (int i = 0; i < RELATION_COUNT; i++) {
        const struct relation *a = &relations[i];
        assert_string_not_equal(a->members_table, a->counters_table);
        assert_string_not_equal(a->name, a->count_member); /* /events/{event_id}/… */
        assert_string_not_equal(a->name, "users");
        assert_string_not_equal(a->name, "waitlist");
        assert_string_not_equal(a->id_member, "user_id"); /* which a body holds, too */
        assert_string_not_equal(a->count_member, "users");
        for (int j = 0; j < i; j++) {
            const struct relation *b = &relations[j];
            assert_string_not_equal(a->name, b->name);
            assert_string_not_equal(a->collection, b->collection);
            assert_string_not_equal(a->id_member, b->id_member);
            assert_string_not_equal(a->count_member, b->count_member);
            assert_string_not_equal(a->flag_member, b->flag_member);
            assert_string_not_equal(a->members_table, b->members_table);
            assert_string_not_equal(a->members_table, b->counters_table);
            assert_string_not_equal(a->counters_table, b->members_table);
            assert_string_not_equal(a->counters_table, b->counters_table);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_is_in_its_place),
        cmocka_unit_test(test_the_words),
        cmocka_unit_test(test_words_that_meet_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
