/* Rates as an operator writes them. */
#include "unit.h"

#include "rsvpd/base/rate.h"

static void expect_rate(const char *text, int64_t requests, int64_t seconds)
{
    struct rate rate;
    if (!rate_parse(slice_of(text), &rate)) {
        fail_msg("'%s' is refused", text);
    }
    assert_int_equal(rate.requests, requests);
    assert_int_equal(rate.seconds, seconds);
}

static void test_what_is_taken(NO_STATE)
{
    expect_rate("off", 0, 0);
    expect_rate("1/1", 1, 1);
    expect_rate("600/60", 600, 60);
    expect_rate("1000000/86400", 1000000, 86400);
    expect_rate("0600/060", 600, 60);
}

static void test_what_is_refused(NO_STATE)
{
    static const char *const wrong[] = {
        "",
        "OFF",
        "on",
        "off ",
        " off",
        "0",
        "600",
        "600/",
        "/60",
        "/",
        "0/60",
        "600/0",
        "600//6",
        "600/6/1",
        "1000001/1",
        "1/86401",
        "-1/60",
        "+1/60",
        "1/-60",
        "1 /60",
        "1/ 60",
        "1/60s",
        "1e3/60",
        "1.5/60",
        "0x10/1",
        "600:60",
        "off/60",
        "60/off",
        "600/60 ",
        "99999999999999999999/1",
        "1/9223372036854775808",
        "18446744073709551617/1",
    };
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        struct rate rate;
        if (rate_parse(slice_of(wrong[i]), &rate)) {
            fail_msg("'%s' is taken", wrong[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_taken),
        cmocka_unit_test(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
