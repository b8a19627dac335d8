/* Identifiers of events, posts and users. */
#include "rsvpd/domain/identifier.h"
#include "rsvpd/base/uri.h"

#include <limits.h>

/* IDENTIFIER_RULE */
/* clang-format off */
enum { y = true };
static const bool allowed[UCHAR_MAX + 1] = {
    ['0'] = y, y, y, y, y, y, y, y, y, y,
    ['A'] = y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y,
    ['a'] = y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y,
    ['-'] = y, ['.'] = y, ['_'] = y, ['~'] = y, [':'] = y, ['@'] = y,
    ['|'] = y, ['+'] = y, ['='] = y,
};
/* clang-format on */

bool identifier_parse_stored(struct slice bytes, struct identifier *out)
{
    if (bytes.size == 0 || bytes.size > IDENTIFIER_SIZE_MAX_BYTES) {
        return false;
    }
    for (size_t i = 0; i < bytes.size; i++) {
        if (!allowed[(unsigned char)bytes.data[i]]) {
            return false;
        }
        out->data[i] = bytes.data[i];
    }
    out->size = (uint8_t)bytes.size;
    return true;
}

bool identifier_parse(struct slice bytes, struct identifier *out)
{
    return identifier_parse_stored(bytes, out) && !slice_equal(bytes, slice_of(".")) &&
           !slice_equal(bytes, slice_of(".."));
}

bool identifier_parse_encoded(struct slice bytes, struct identifier *out)
{
    char decoded[IDENTIFIER_SIZE_MAX_BYTES];
    size_t size;
    return uri_decode(bytes, decoded, sizeof decoded, &size) &&
           identifier_parse(slice_make(decoded, size), out);
}

bool identifier_parse_query(struct slice bytes, struct identifier *out)
{
    bool has_plus = bytes.size > 0 && memchr(bytes.data, '+', bytes.size) != NULL;
    return !has_plus && identifier_parse_encoded(bytes, out);
}

int identifier_compare(const struct identifier *a, const struct identifier *b)
{
    size_t common = a->size < b->size ? a->size : b->size;
    int order = memcmp(a->data, b->data, common);
    return order != 0 ? order : (int)a->size - (int)b->size;
}
