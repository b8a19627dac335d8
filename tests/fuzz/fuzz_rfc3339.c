/* Times: what was read is what the C library makes of the same fields, and written again it is read
 * as the same moment. The 29th of February of a year made of the last two bytes is taken where the
 * C library knows it. */
#include "fuzz.h"

#include "rsvpd/base/rfc3339.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* The seconds of a date-time that is one, by the C library. */
static int64_t reference_s(const char *text)
{
    struct tm utc = {.tm_isdst = 0};
    const char *sign = text + strlen(text) - 6;
    int hours = 0, minutes = 0;
    int fields = sscanf(text, "%4d-%2d-%2d%*c%2d:%2d:%2d", &utc.tm_year, &utc.tm_mon, &utc.tm_mday,
                        &utc.tm_hour, &utc.tm_min, &utc.tm_sec);
    assert(fields == 6);
    utc.tm_year -= 1900;
    utc.tm_mon -= 1;
    if (strpbrk(text + 11, "Zz") == NULL) {
        fields = sscanf(sign + 1, "%2d:%2d", &hours, &minutes);
        assert(fields == 2);
    }
    int offset_s = (hours * 60 + minutes) * 60;
    return timegm(&utc) - (*sign == '-' ? -offset_s : offset_s);
}

static void check_leap_day(int year)
{
    struct tm utc = {.tm_year = year - 1900, .tm_mon = 1, .tm_mday = 29};
    char text[64];
    int64_t unix_us;
    int64_t expected_s = timegm(&utc); /* puts what does not exist into March */
    snprintf(text, sizeof text, "%04d-02-29T00:00:00Z", year);
    bool taken = rfc3339_parse(slice_of(text), &unix_us);
    assert(taken == (utc.tm_mon == 1));
    assert(!taken || unix_us == expected_s * 1000000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = fuzz_input(data, size);
    int64_t unix_us, again_us;
    if (size >= 2) {
        check_leap_day(1970 + (data[size - 1] << 8 | data[size - 2]) % 8030);
    }
    if (rfc3339_parse(input, &unix_us)) {
        char buffer[32];
        struct text written = text_over(buffer, sizeof buffer);
        char *text = fuzz_string(input);
        assert(unix_us >= 0 && unix_us / 1000000 == reference_s(text));
        text_add_time(&written, unix_us / 1000);
        bool valid = rfc3339_parse(text_slice(&written), &again_us);
        assert(valid && again_us == unix_us / 1000 * 1000);
        free(text);
    }
    return 0;
}
