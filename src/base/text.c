/* Text that grows inside a buffer of fixed size. */
#include "rsvpd/base/text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

char *text_reserve(struct text *text, size_t size)
{
    assert(text->size <= text->capacity);
    if (size > text->capacity - text->size) {
        text->truncated = true;
        return NULL;
    }
    char *at = text->data + text->size;
    text->size += size;
    return at;
}

void text_add(struct text *text, struct slice bytes)
{
    char *at = bytes.size > 0 ? text_reserve(text, bytes.size) : NULL;
    if (at != NULL) {
        memcpy(at, bytes.data, bytes.size);
    }
}

void text_add_cstr(struct text *text, const char *string)
{
    text_add(text, slice_of(string));
}

void text_add_uint(struct text *text, uint64_t number)
{
    char digits[20];
    size_t start = sizeof digits;
    do {
        digits[--start] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    text_add(text, slice_make(digits + start, sizeof digits - start));
}

void text_add_int(struct text *text, int64_t number)
{
    uint64_t magnitude = (uint64_t)number;
    if (number < 0) {
        text_add_cstr(text, "-");
        magnitude = 0 - magnitude;
    }
    text_add_uint(text, magnitude);
}

/* So many of the number's last digits. */
static char *put_digits(char *at, unsigned number, size_t width)
{
    for (size_t i = width; i > 0; i--, number /= 10) {
        at[i - 1] = (char)('0' + number % 10);
    }
    return at + width;
}

static char *put_part(char *at, char before, int number, size_t width)
{
    *at = before;
    return put_digits(at + 1, (unsigned)number, width);
}

/* Not with printf: every answer about a count has a time, and printf took a tenth of the answer's
 * time. */
void text_add_time(struct text *text, int64_t unix_ms)
{
    time_t seconds = (time_t)(unix_ms / 1000);
    int64_t rest = unix_ms % 1000;
    if (rest < 0) {
        rest += 1000;
        seconds--;
    }
    struct tm utc;
    bool representable = gmtime_r(&seconds, &utc) != NULL;
    assert(representable && utc.tm_year >= -1900 && utc.tm_year <= 9999 - 1900);
    char time[sizeof "2026-11-22T10:15:30.123Z"];
    char *at = put_digits(time, (unsigned)(utc.tm_year + 1900), 4);
    at = put_part(at, '-', utc.tm_mon + 1, 2);
    at = put_part(at, '-', utc.tm_mday, 2);
    at = put_part(at, 'T', utc.tm_hour, 2);
    at = put_part(at, ':', utc.tm_min, 2);
    at = put_part(at, ':', utc.tm_sec, 2);
    at = put_part(at, '.', (int)rest, 3);
    *at++ = 'Z';
    text_add(text, slice_make(time, (size_t)(at - time)));
}

void text_add_format(struct text *text, const char *format, ...)
{
    if (text->capacity == 0) { /* over no memory at all */
        text->truncated = true;
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    size_t room = text->capacity - text->size;
    int size = vsnprintf(text->data + text->size, room, format, arguments);
    va_end(arguments);
    assert(size >= 0);
    if ((size_t)size >= room) { /* vsnprintf wants a byte more, for its NUL */
        text->truncated = true;
        return;
    }
    text->size += (size_t)size;
}
