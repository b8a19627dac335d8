/* Slices: cutting, trimming, comparing. */
#include "unit.h"

static void test_cut(NO_STATE)
{
    static const struct {
        const char *text, *head, *rest;
        bool found; /* whether there was a separator: then the rest is there, however short */
    } cases[] = {
        {"", "", "", false},         {"a", "a", "", false}, {":", "", "", true},
        {"a:", "a", "", true},       {":a", "", "a", true}, {"a:b", "a", "b", true},
        {"a:b:c", "a", "b:c", true}, {"::", "", ":", true},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct slice rest = slice_of(cases[i].text);
        struct slice head = slice_cut(&rest, ':');
        unit_expect_text(cases[i].text, head, cases[i].head);
        unit_expect_text(cases[i].text, rest, cases[i].rest);
        assert_int_equal(rest.data != NULL, cases[i].found);
    }
}

static void test_cut_of_nothing(NO_STATE)
{
    struct slice rest = {NULL, 0};
    struct slice head = slice_cut(&rest, ':');
    assert_int_equal(head.size, 0);
    assert_int_equal(rest.size, 0);
}

static void test_trim(NO_STATE)
{
    static const struct {
        const char *text, *trimmed;
    } cases[] = {
        {"", ""},       {" ", ""},    {"\t \t", ""},        {"a", "a"},
        {" a", "a"},    {"a\t", "a"}, {" \ta b\t ", "a b"}, {"\na ", "\na"},
        {"a\r", "a\r"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        unit_expect_text(cases[i].text, slice_trim(slice_of(cases[i].text)), cases[i].trimmed);
    }
}

static void test_equal(NO_STATE)
{
    static const struct {
        const char *a, *b;
        bool equal, equal_nocase;
    } cases[] = {
        {"", "", true, true},
        {"a", "a", true, true},
        {"a", "b", false, false},
        {"a", "A", false, true},
        {"ab", "a", false, false},
        {"a", "", false, false},
        {"Text/X", "tEXT/x", false, true},
        {"a[", "a{", false, false},
        {"@", "`", false, false},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct slice a = slice_of(cases[i].a), b = slice_of(cases[i].b);
        assert_int_equal(slice_equal(a, b), cases[i].equal);
        assert_int_equal(slice_equal(b, a), cases[i].equal);
        assert_int_equal(slice_equal_nocase(a, b), cases[i].equal_nocase);
        assert_int_equal(slice_equal_nocase(b, a), cases[i].equal_nocase);
    }
    assert_true(slice_equal(slice_of(NULL), slice_of("")));
    assert_false(slice_equal(slice_make("a\0b", 3), slice_make("a\0c", 3)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_cut_of_nothing),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
