/* Base64url without padding. */
#include "rsvpd/base/base64url.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

bool base64url_is_character(char c)
{
    return c != '\0' && strchr(alphabet, c) != NULL;
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
        const char *place = text.data[i] == '\0' ? NULL : strchr(alphabet, text.data[i]);
        if (place == NULL) {
            return false;
        }
        held = held << 6 | (unsigned)(place - alphabet);
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
