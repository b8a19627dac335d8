/* Percent-encoding. */
#include "rsvpd/base/uri.h"

#include <limits.h>

/* The value of a hexadecimal digit, -1 where it is none. */
static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The byte that the two hexadecimal digits at the begin of `rest` stand for, -1 where there are
 * none.
 */
static int escaped_byte(struct slice rest)
{
    int high = rest.size >= 2 ? hex_value(rest.data[0]) : -1;
    int low = high < 0 ? -1 : hex_value(rest.data[1]);
    return low < 0 ? -1 : high * 16 + low;
}

/* Reads the byte at `*at`, which there is, and goes on behind it; -1 where its escape is malformed.
 */
static inline int next_byte(struct slice encoded, size_t *at)
{
    unsigned char byte = (unsigned char)encoded.data[(*at)++];
    if (byte != '%') {
        return byte;
    }
    int escaped = escaped_byte(slice_make(encoded.data + *at, encoded.size - *at));
    *at += 2;
    return escaped;
}

struct slice uri_origin(const char *url)
{
    const char *mark = strstr(url, "://");
    const char *host = mark == NULL ? url : mark + strlen("://");
    return slice_make(url, (size_t)(host - url) + strcspn(host, "/?#"));
}

bool uri_decode(struct slice encoded, char *out, size_t capacity, size_t *size)
{
    size_t at = 0;
    *size = 0;
    while (at < encoded.size) {
        int byte = *size == capacity ? -1 : next_byte(encoded, &at);
        if (byte < 0) {
            return false;
        }
        out[(*size)++] = (char)byte;
    }
    return true;
}

bool uri_equal(struct slice encoded, struct slice plain)
{
    size_t at = 0;
    for (size_t i = 0; i < plain.size; i++) {
        if (at == encoded.size || next_byte(encoded, &at) != (unsigned char)plain.data[i]) {
            return false;
        }
    }
    return at == encoded.size;
}

/* The bytes that stand in a segment of a path as they are. */
/* clang-format off */
enum { y = true };
static const bool segment_bytes[UCHAR_MAX + 1] = {
    ['0'] = y, y, y, y, y, y, y, y, y, y,
    ['A'] = y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y,
    ['a'] = y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y,
    ['-'] = y, ['.'] = y, ['_'] = y, ['~'] = y, ['!'] = y, ['$'] = y,
    ['&'] = y, ['\''] = y, ['('] = y, [')'] = y, ['*'] = y, ['+'] = y,
    [','] = y, [';'] = y, ['='] = y, [':'] = y, ['@'] = y,
};
/* clang-format on */

/* Whether a byte may stand as it is: in a segment, or because it is one of `also`. */
static bool stands(char c, const char *also)
{
    return segment_bytes[(unsigned char)c] || (c != '\0' && strchr(also, c) != NULL);
}

static void add_encoded(struct text *out, struct slice bytes, const char *also)
{
    while (bytes.size > 0) {
        size_t size = 0;
        while (size < bytes.size && stands(bytes.data[size], also)) {
            size++;
        }
        text_add(out, slice_make(bytes.data, size));
        if (size < bytes.size) {
            text_add_format(out, "%%%02X", (unsigned)(unsigned char)bytes.data[size++]);
        }
        bytes = slice_make(bytes.data + size, bytes.size - size);
    }
}

void uri_add_segment(struct text *out, struct slice plain)
{
    add_encoded(out, plain, "");
}

void uri_add_path(struct text *out, struct slice path)
{
    add_encoded(out, path, "%/");
}
