/* Percent-encoding. */
#include "rsvpd/base/uri.h"

/* The value of a hexadecimal digit, -1 where it is none. */
static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Cuts the next byte off `encoded`, which is not empty; false where its escape is malformed. */
static bool next_byte(struct slice *encoded, char *byte)
{
    size_t size = 1;
    *byte = encoded->data[0];
    if (*byte == '%') {
        int high = encoded->size >= 3 ? hex_value(encoded->data[1]) : -1;
        int low = encoded->size >= 3 ? hex_value(encoded->data[2]) : -1;
        if (high < 0 || low < 0) {
            return false;
        }
        *byte = (char)(high * 16 + low);
        size = 3;
    }
    *encoded = slice_make(encoded->data + size, encoded->size - size);
    return true;
}

bool uri_decode(struct slice encoded, char *out, size_t capacity, size_t *size)
{
    *size = 0;
    while (encoded.size > 0) {
        if (*size == capacity || !next_byte(&encoded, &out[*size])) {
            return false;
        }
        (*size)++;
    }
    return true;
}

bool uri_equal(struct slice encoded, struct slice plain)
{
    for (size_t i = 0; i < plain.size; i++) {
        char byte;
        if (encoded.size == 0 || !next_byte(&encoded, &byte) || byte != plain.data[i]) {
            return false;
        }
    }
    return encoded.size == 0;
}

static bool is_of_segment(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~!$&'()*+,;=:@", c) != NULL);
}

static void add_encoded(struct text *out, struct slice bytes, const char *also)
{
    for (size_t i = 0; i < bytes.size; i++) {
        char c = bytes.data[i];
        if (is_of_segment(c) || (c != '\0' && strchr(also, c) != NULL)) {
            text_add(out, slice_make(&c, 1));
        } else {
            text_add_format(out, "%%%02X", (unsigned)(unsigned char)c);
        }
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
