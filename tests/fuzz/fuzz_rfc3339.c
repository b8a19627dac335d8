/* Times: what was read is what the C library makes of the same fields, and written again it is read
 * as the same moment. */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = fuzz_input(data, size);
    int64_t unix_us, again_us;
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
