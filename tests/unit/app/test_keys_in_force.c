/* Which API keys are in force, and for how long while they cannot be read. */
#include "unit.h"

#include "rsvpd/app/keys_in_force.h"

static const int64_t start_us = INT64_C(7000000);

static void destroy(void *keys)
{
    struct api_keys *set = keys;
    api_keys_destroy(&set);
}

/* A set of one key. */
static struct api_keys *set_of(int64_t id)
{
    struct api_key key = {.id = id, .scope = SCOPE_READ, .expires_us = INT64_MAX};
    memcpy(key.digest, &id, sizeof id);
    struct api_keys *set = api_keys_create(&key, 1);
    assert_non_null(set);
    return set;
}

struct bench {
    struct published *published;
    struct published_reader worker;
    struct keys_in_force keys;
};

static int begin(test_state state)
{
    static struct bench bench;
    bench.published = published_create(destroy);
    assert_non_null(bench.published);
    bench.worker = published_reader_over(bench.published);
    bench.keys = keys_in_force_over(bench.published);
    *state = &bench;
    return 0;
}

static int end(test_state state)
{
    struct bench *bench = *state;
    published_reader_end(&bench->worker);
    keys_in_force_end(&bench->keys);
    published_destroy(&bench->published);
    return 0;
}

static void take(struct bench *bench, int64_t id, int64_t read_us, enum secret_change expected)
{
    assert_int_equal(keys_in_force_take(&bench->keys, set_of(id), read_us), expected);
}

static void none_is_in_force_before_the_first_reading(test_state state)
{
    struct bench *bench = *state;
    assert_false(keys_in_force_expire(&bench->keys, INT64_MAX));
    assert_false(published_in_force(bench->published));
    assert_null(bench->keys.newest);
}

static void changed_keys_take_the_place_of_those_before(test_state state)
{
    struct bench *bench = *state;
    take(bench, 1, start_us, SECRET_CHANGED);
    const struct api_keys *first = published_read(&bench->worker);
    assert_ptr_equal(bench->keys.newest, first);
    take(bench, 1, start_us + 1, SECRET_SAME);
    assert_ptr_equal(published_read(&bench->worker), first);
    take(bench, 2, start_us + 2, SECRET_CHANGED);
    assert_ptr_equal(bench->keys.before, first);
    assert_ptr_equal(published_read(&bench->worker), bench->keys.newest);
    assert_ptr_not_equal(bench->keys.newest, first);
}

static void keys_that_are_not_read_go_out_of_force_after_ten_minutes(test_state state)
{
    struct bench *bench = *state;
    const int64_t ten_minutes_us = INT64_C(10) * 60 * 1000 * 1000;
    take(bench, 1, start_us, SECRET_CHANGED);
    assert_false(keys_in_force_expire(&bench->keys, start_us + ten_minutes_us));
    assert_true(published_in_force(bench->published));
    assert_true(keys_in_force_expire(&bench->keys, start_us + ten_minutes_us + 1));
    assert_false(published_in_force(bench->published));
    assert_null(published_read(&bench->worker));
    assert_false(keys_in_force_expire(&bench->keys, start_us + ten_minutes_us + 2)); /* told once */
}

static void every_reading_gives_them_ten_more_minutes(test_state state)
{
    struct bench *bench = *state;
    const int64_t later_us = start_us + KEYS_IN_FORCE_KEPT_US;
    take(bench, 1, start_us, SECRET_CHANGED);
    take(bench, 1, later_us, SECRET_SAME);
    assert_false(keys_in_force_expire(&bench->keys, later_us + KEYS_IN_FORCE_KEPT_US));
    take(bench, 2, later_us + 1, SECRET_CHANGED);
    assert_false(keys_in_force_expire(&bench->keys, later_us + KEYS_IN_FORCE_KEPT_US + 1));
    assert_true(keys_in_force_expire(&bench->keys, later_us + KEYS_IN_FORCE_KEPT_US + 2));
}

/* A thread may be looking through the last two sets. */
static void sets_that_are_out_of_force_stay_until_the_next(test_state state)
{
    struct bench *bench = *state;
    take(bench, 1, start_us, SECRET_CHANGED);
    take(bench, 2, start_us, SECRET_CHANGED);
    assert_true(keys_in_force_expire(&bench->keys, start_us + KEYS_IN_FORCE_KEPT_US + 1));
    assert_int_equal(api_keys_count(bench->keys.newest), 1);
    assert_int_equal(api_keys_count(bench->keys.before), 1);
}

/* As good as new, though they are the same. */
static void the_same_keys_come_into_force_again(test_state state)
{
    struct bench *bench = *state;
    const int64_t back_us = start_us + 2 * (int64_t)KEYS_IN_FORCE_KEPT_US;
    take(bench, 1, start_us, SECRET_CHANGED);
    assert_true(keys_in_force_expire(&bench->keys, back_us));
    take(bench, 1, back_us, SECRET_CHANGED);
    assert_true(published_in_force(bench->published));
    assert_ptr_equal(published_read(&bench->worker), bench->keys.newest);
    assert_false(keys_in_force_expire(&bench->keys, back_us + KEYS_IN_FORCE_KEPT_US));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(none_is_in_force_before_the_first_reading, begin, end),
        cmocka_unit_test_setup_teardown(changed_keys_take_the_place_of_those_before, begin, end),
        cmocka_unit_test_setup_teardown(keys_that_are_not_read_go_out_of_force_after_ten_minutes,
                                        begin, end),
        cmocka_unit_test_setup_teardown(every_reading_gives_them_ten_more_minutes, begin, end),
        cmocka_unit_test_setup_teardown(sets_that_are_out_of_force_stay_until_the_next, begin, end),
        cmocka_unit_test_setup_teardown(the_same_keys_come_into_force_again, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
