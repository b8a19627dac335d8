/* Base64url without padding. */
#include "rsvpd/base/base64url.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* What the character stands for; negative where it is none. */
static int value_of(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '-'             ? 62
           : c == '_'             ? 63
                                  : -1;
}

bool base64url_is_character(char c)
{
    return value_of(c) >= 0;
}

size_t base64url_encode(const unsigned char *raw, size_t size, char *out)
{
    size_t written = 0;
    unsigned bits = 0, held = 0;
    for (size_t i = 0; i < size; i++) {
        held = held << 8 | raw[i];
        for (bits += 8; bits >= 6; bits -= 6) {
            out[written++] = alphabet[held >> (bits - 6) & 63];
        }
    }
    if (bits > 0) {
        out[written++] = alphabet[held << (6 - bits) & 63];
    }
    return written;
}

bool base64url_decode(struct slice text, unsigned char *raw, size_t capacity, size_t *size)
{
    unsigned bits = 0, held = 0;
    *size = 0;
    for (size_t i = 0; i < text.size; i++) {
        int value = value_of(text.data[i]);
        if (value < 0) {
            return false;
        }
        held = held << 6 | (unsigned)value;
        bits += 6;
        if (bits >= 8) {
            if (*size == capacity) {
                return false;
            }
            bits -= 8;
            raw[(*size)++] = (unsigned char)(held >> bits);
        }
    }
    return bits < 6 && (held & ((1u << bits) - 1)) == 0;
}
