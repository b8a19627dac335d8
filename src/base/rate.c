/* How often something may happen. */
#include "rsvpd/base/rate.h"

/* Digits alone, so that "+1", " 1" and "1e3" are mistakes and not numbers. */
static bool parse_number(struct slice digits, int64_t max, int64_t *out)
{
    int64_t number = 0;
    if (digits.size == 0) {
        return false;
    }
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') {
            return false;
        }
        number = number * 10 + (digits.data[i] - '0');
        if (number > max) {
            return false;
        }
    }
    *out = number;
    return number > 0;
}

bool rate_parse(struct slice text, struct rate *rate)
{
    *rate = (struct rate){0};
    if (slice_equal(text, slice_of("off"))) {
        return true;
    }
    struct slice requests = slice_cut(&text, '/');
    return parse_number(requests, RATE_REQUESTS_MAX, &rate->requests) &&
           parse_number(text, RATE_SECONDS_MAX, &rate->seconds);
}
