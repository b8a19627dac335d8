/* RFC 3339 times: what is one, which moment it is, and what is none. */
#include "unit.h"

#include "rsvpd/base/rfc3339.h"

#include <stdio.h>
#include <time.h>

static void expect_time(struct slice text, int64_t expected_us)
{
    int64_t unix_us = -1;
    if (!rfc3339_parse(text, &unix_us) || unix_us != expected_us) {
        fail_msg("'%.*s' is %lld us, not %lld", (int)text.size, text.data, (long long)unix_us,
                 (long long)expected_us);
    }
}

static void expect_no_time(struct slice text)
{
    int64_t unix_us;
    if (rfc3339_parse(text, &unix_us)) {
        fail_msg("'%.*s' is taken for a time", (int)text.size, text.size == 0 ? "" : text.data);
    }
}

static void test_times(NO_STATE)
{
    static const struct {
        const char *text;
        int64_t unix_us;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:00.000001Z", 1},
        {"2026-11-22T10:15:30Z", 1795342530000000},
        {"2026-11-22T10:15:30.123Z", 1795342530123000},
        {"2026-11-22t10:15:30.123456z", 1795342530123456},
        {"2026-11-22T10:15:30.1Z", 1795342530100000},
        {"2026-11-22T10:15:30.000000Z", 1795342530000000},
        {"2026-11-22T10:15:30+00:00", 1795342530000000},
        {"2026-11-22T10:15:30-00:00", 1795342530000000},
        {"2026-11-22T11:15:30+01:00", 1795342530000000},
        {"2026-11-22T15:45:30+05:30", 1795342530000000},
        {"2026-11-21T10:16:30-23:59", 1795342530000000},
        {"1969-12-31T23:00:00-01:00", 0},
        {"2000-02-29T00:00:00Z", 951782400000000},
        {"2024-02-29T23:59:59Z", 1709251199000000},
        {"9999-12-31T23:59:59.999999Z", 253402300799999999},
        {"9999-12-31T23:59:59.999999999999999Z", 253402300799999999},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        expect_time(slice_of(cases[i].text), cases[i].unix_us);
    }
}

static void test_digits_past_the_sixth_are_cut_off(NO_STATE)
{
    char text[4096];
    int size = snprintf(text, sizeof text, "2026-11-22T10:15:30.1234569%03000dZ", 9);
    expect_time(slice_make(text, (size_t)size), 1795342530123456);
}

static void test_what_is_no_time(NO_STATE)
{
    static const char *const texts[] = {
        "",
        "now",
        "infinity",
        "2026-11-22",
        "10:15:30Z",
        "2026-11-22T10:15:30", /* of what zone? */
        "2026-11-22 10:15:30Z",
        "2026-11-22T10:15Z",
        "2026-11-22T10:15:30.Z",
        "2026-11-22T10:15:30,5Z",
        "2026-11-22T10:15:30.12a4Z",
        "2026-11-22T10:15:30ZZ",
        "2026-11-22T10:15:30Z ",
        " 2026-11-22T10:15:30Z",
        "2026-11-22T10:15:30+1:00",
        "2026-11-22T10:15:30+0100",
        "2026-11-22T10:15:30+01",
        "2026-11-22T10:15:30+24:00",
        "2026-11-22T10:15:30+01:60",
        "2026-11-22T10:15:30 +01:00",
        "2026-1-22T10:15:30Z",
        "26-11-22T10:15:30Z",
        "12026-11-22T10:15:30Z",
        "-026-11-22T10:15:30Z",
        "+026-11-22T10:15:30Z",
        "2026/11/22T10:15:30Z",
        "2026-00-22T10:15:30Z",
        "2026-13-22T10:15:30Z",
        "2026-11-00T10:15:30Z",
        "2026-11-31T10:15:30Z",
        "2026-12-32T10:15:30Z",
        "2026-02-29T10:15:30Z",
        "2024-02-30T10:15:30Z",
        "2100-02-29T10:15:30Z",
        "2026-11-22T24:00:00Z",
        "2026-11-22T10:60:30Z",
        "2016-12-31T23:59:60Z", /* a leap second that was */
        "2026-11-22T10:15:61Z",
        "1969-12-31T23:59:59.999999Z",
        "1970-01-01T00:59:59+01:00",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-00:01",
    };
    for (size_t i = 0; i < LENGTH(texts); i++) {
        expect_no_time(slice_of(texts[i]));
    }
    expect_no_time(slice_make(NULL, 0));
    expect_no_time(slice_make("2026-11-22T10:15:30Z\0", 21));
    expect_no_time(slice_make("2026-11-22T10:15:30\0Z", 21));
}

/* Every beginning of a time is none: nothing behind the given bytes is looked at. */
static void test_a_cut_time_is_none(NO_STATE)
{
    static const char text[] = "2026-11-22T10:15:30.5+01:00";
    for (size_t size = 0; size < sizeof text - 1; size++) {
        expect_no_time(slice_make(text, size));
    }
    expect_time(slice_make(text, sizeof text - 1), 1795338930500000);
}

/* The calendar is that of the C library, day by day. */
static void test_every_day(NO_STATE)
{
    for (int64_t day = 0; day < 253402300800 / 86400; day++) {
        time_t seconds = (time_t)(day * 86400 + day % 86400);
        struct tm utc;
        char text[64];
        assert_non_null(gmtime_r(&seconds, &utc));
        size_t size = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
        expect_time(slice_make(text, size), (int64_t)seconds * 1000000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_digits_past_the_sixth_are_cut_off),
        cmocka_unit_test(test_what_is_no_time),
        cmocka_unit_test(test_a_cut_time_is_none),
        cmocka_unit_test(test_every_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
