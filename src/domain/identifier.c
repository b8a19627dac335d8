/* Identifiers of events, posts and users. */
#include "rsvpd/domain/identifier.h"

static bool allowed(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~' || c == ':' || c == '@';
}

bool identifier_parse(struct slice bytes, struct identifier *out)
{
    if (bytes.size == 0 || bytes.size > IDENTIFIER_SIZE_MAX_BYTES) {
        return false;
    }
    for (size_t i = 0; i < bytes.size; i++) {
        if (!allowed(bytes.data[i])) {
            return false;
        }
        out->data[i] = bytes.data[i];
    }
    out->size = (uint8_t)bytes.size;
    return true;
}

/* The value of a hexadecimal digit, -1 where it is none. */
static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool identifier_parse_encoded(struct slice bytes, struct identifier *out)
{
    char decoded[IDENTIFIER_SIZE_MAX_BYTES];
    size_t size = 0;
    for (size_t i = 0; i < bytes.size; size++) {
        if (size == sizeof decoded) {
            return false;
        }
        if (bytes.data[i] != '%') {
            decoded[size] = bytes.data[i++];
            continue;
        }
        bool whole = bytes.size - i >= 3;
        int high = whole ? hex_value(bytes.data[i + 1]) : -1;
        int low = whole ? hex_value(bytes.data[i + 2]) : -1;
        if (high < 0 || low < 0) {
            return false;
        }
        decoded[size] = (char)(high * 16 + low);
        i += 3;
    }
    return identifier_parse(slice_make(decoded, size), out);
}

int identifier_compare(const struct identifier *a, const struct identifier *b)
{
    size_t common = a->size < b->size ? a->size : b->size;
    int order = memcmp(a->data, b->data, common);
    return order != 0 ? order : (int)a->size - (int)b->size;
}
