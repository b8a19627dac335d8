/* Which numbers are whole, by their digits alone. */
#include "unit.h"

#include "rsvpd/base/json_number.h"

static void expect(const char *const *texts, size_t count, bool whole)
{
    for (size_t i = 0; i < count; i++) {
        if (json_numbers_are_whole(slice_of(texts[i])) != whole) {
            fail_msg("%s", texts[i]);
        }
    }
}

static void whole_numbers_may_be_written_in_many_ways(NO_STATE)
{
    static const char *const whole[] = {
        "0",
        "-0",
        "7",
        "-12",
        "1.0",
        "1.000",
        "0.0",
        "2.5e1",
        "2.5E1",
        "2.5e+1",
        "10e-1",
        "1e3",
        "0e-9",
        "0.0e-99",
        "100e-2",
        "1200.00e-2",
        "9007199254740993",
        "1e999999999999",
        "-1.5e1",
    };
    expect(whole, LENGTH(whole), true);
}

static void others_are_not(NO_STATE)
{
    static const char *const broken[] = {
        "0.5",
        "-0.5",
        "2.5",
        "1e-1",
        "10e-2",
        "2.55e1",
        "1.0000000000000000000000001",
        "9007199254740993.5",
        "1e-999999999999",
        "0.1E0",
    };
    expect(broken, LENGTH(broken), false);
}

static void every_number_of_a_text_counts(NO_STATE)
{
    assert_true(json_numbers_are_whole(slice_of("{\"a\":1,\"b\":[2.0,30e-1]}")));
    assert_false(json_numbers_are_whole(slice_of("{\"a\":1,\"b\":[2,3.5]}")));
    assert_false(json_numbers_are_whole(slice_of("{\"a\":0.5,\"b\":2}")));
    assert_true(json_numbers_are_whole(slice_of("{}")));
    assert_true(json_numbers_are_whole(slice_of("")));
}

static void what_strings_hold_is_no_number(NO_STATE)
{
    static const char *const whole[] = {
        "\"0.5\"", "{\"1.5\":1}", "{\"a\":\"\\\"1.5\"}", /* the quote is escaped */
        "{\"a\":\"\\\\\",\"b\":2}",                      /* and here the backslash is */
    };
    expect(whole, LENGTH(whole), true);
    assert_false(json_numbers_are_whole(slice_of("{\"a\":\"\\\\\",\"b\":2.5}")));
}

static void a_text_that_ends_early_is_not_read_past(NO_STATE)
{
    static const char text[] = "\"\\1.5";
    assert_true(json_numbers_are_whole(slice_make(text, 2)));
    assert_true(json_numbers_are_whole(slice_make("1.5", 1)));
    assert_true(json_numbers_are_whole(slice_make("1.5", 2)));
    assert_true(json_numbers_are_whole(slice_make("1e-1", 2)));
    assert_true(json_numbers_are_whole(slice_make("1e-1", 3)));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_may_be_written_in_many_ways),
        cmocka_unit_test(others_are_not),
        cmocka_unit_test(every_number_of_a_text_counts),
        cmocka_unit_test(what_strings_hold_is_no_number),
        cmocka_unit_test(a_text_that_ends_early_is_not_read_past),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
