/* See json_number.h. */
#include "rsvpd/base/json_number.h"

enum { EXPONENT_MAX = 1000 * 1000 }; /* more than any text has digits */

/* Moves past the digits at `*at`, and returns how many there were. */
static size_t skip_digits(struct slice text, size_t *at)
{
    size_t begin = *at;
    while (*at < text.size && text.data[*at] >= '0' && text.data[*at] <= '9') {
        ++*at;
    }
    return *at - begin;
}

/* Counts the digits of `text` up to the last one that is not 0. */
static size_t significant_digits(struct slice text)
{
    size_t digits = 0, last = 0;
    for (size_t i = 0; i < text.size; i++) {
        digits += text.data[i] != '.';
        last = text.data[i] >= '1' && text.data[i] <= '9' ? digits : last;
    }
    return last;
}

/* Moves past the number at `*at`. It is whole if the exponent moves the point behind the last digit
 * that is not 0. */
static bool skip_number(struct slice text, size_t *at)
{
    size_t begin = *at;
    size_t before_point = skip_digits(text, at);
    if (*at < text.size && text.data[*at] == '.') {
        ++*at;
        (void)skip_digits(text, at);
    }
    size_t last = significant_digits(slice_make(text.data + begin, *at - begin));
    long exponent = 0;
    if (*at < text.size && (text.data[*at] == 'e' || text.data[*at] == 'E')) {
        bool negative = *at + 1 < text.size && text.data[*at + 1] == '-';
        *at += *at + 1 < text.size && (negative || text.data[*at + 1] == '+') ? 2 : 1;
        size_t from = *at;
        for (size_t end = from + skip_digits(text, at); from < end; from++) {
            exponent = exponent > EXPONENT_MAX ? exponent : exponent * 10 + (text.data[from] - '0');
        }
        exponent = negative ? -exponent : exponent;
    }
    return last == 0 || (long)last <= (long)before_point + exponent;
}

bool json_numbers_are_whole(struct slice text)
{
    bool in_string = false, whole = true;
    size_t at = 0;
    while (at < text.size && whole) {
        char c = text.data[at];
        if (!in_string && c >= '0' && c <= '9') {
            whole = skip_number(text, &at);
            continue;
        }
        in_string = in_string != (c == '"');
        at += in_string && c == '\\' ? 2 : 1; /* what is escaped ends no string */
    }
    return whole;
}
