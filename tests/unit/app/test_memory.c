/* When memory is given back: once most of a crowd have left, and not for a few. */
#include "unit.h"

#include "rsvpd/app/memory.h"

static void test_nothing_is_given_back_while_a_crowd_grows_or_stays(NO_STATE)
{
    struct memory_keeper keeper = {0};
    for (int64_t connections = 0; connections <= 20000; connections += 10) {
        assert_false(memory_note_connections(&keeper, connections));
    }
    assert_false(memory_note_connections(&keeper, 20000));
    assert_false(memory_note_connections(&keeper, 10000));
}

static void test_a_crowd_that_left_is_noticed_once(NO_STATE)
{
    struct memory_keeper keeper = {0};
    assert_false(memory_note_connections(&keeper, 20000));
    assert_true(memory_note_connections(&keeper, 9999));
    assert_false(memory_note_connections(&keeper, 9999));
    assert_true(memory_note_connections(&keeper, 10));
    assert_false(memory_note_connections(&keeper, 10));
    assert_false(memory_note_connections(&keeper, 0));
    assert_false(memory_note_connections(&keeper, 5000));
    assert_true(memory_note_connections(&keeper, 0));
}

static void test_a_few_are_no_crowd(NO_STATE)
{
    struct memory_keeper keeper = {0};
    for (int round = 0; round < 10; round++) {
        assert_false(memory_note_connections(&keeper, 999));
        assert_false(memory_note_connections(&keeper, 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_given_back_while_a_crowd_grows_or_stays),
        cmocka_unit_test(test_a_crowd_that_left_is_noticed_once),
        cmocka_unit_test(test_a_few_are_no_crowd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
