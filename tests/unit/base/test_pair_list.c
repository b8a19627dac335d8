/* Lists of key=value. */
#include "unit.h"

#include "rsvpd/base/pair_list.h"

static void test_malformed_lists(NO_STATE)
{
    static const char *const wrong[] = {"a", "=b", "a=%", "a=%4", "a=%zz", "a=b,c", " = b"};
    char value[PAIR_VALUE_SIZE_MAX_BYTES];
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct slice rest = slice_of(wrong[i]), key;
        size_t size;
        bool malformed;
        while (pair_list_next(&rest, &key, value, &size, &malformed)) {
        }
        if (!malformed) {
            fail_msg("'%s' is taken", wrong[i]);
        }
    }
}

static void test_a_list(NO_STATE)
{
    char value[PAIR_VALUE_SIZE_MAX_BYTES];
    struct slice rest = slice_of(" a = b=c ,, d=");
    struct slice key;
    size_t size;
    bool malformed;
    assert_true(pair_list_next(&rest, &key, value, &size, &malformed));
    unit_expect_text("key", key, "a");
    unit_expect_text("value", slice_make(value, size), "b=c");
    assert_true(pair_list_next(&rest, &key, value, &size, &malformed));
    assert_int_equal(size, 0);
    assert_false(pair_list_next(&rest, &key, value, &size, &malformed));
    assert_false(malformed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed_lists),
        cmocka_unit_test(test_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
