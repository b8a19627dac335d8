/* Base64url without padding (RFC 4648 section 5). */
#ifndef RSVPD_BASE_BASE64URL_H
#define RSVPD_BASE_BASE64URL_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"

#include <stdbool.h>

/* How many characters so many bytes become. */
#define BASE64URL_SIZE(size) (((size)*8 + 5) / 6)

/* Whether it is one of the 64 characters. */
bool base64url_is_character(char c);

/* Writes BASE64URL_SIZE(size) characters, without a NUL, and returns how many these are. */
size_t base64url_encode(const unsigned char *raw, size_t size, char *out);

/* Reads what base64url_encode writes, up to `capacity` bytes. False where it is anything else:
 * another character, or bits behind the last byte that are not zero. */
MUST_CHECK bool base64url_decode(struct slice text, unsigned char *raw, size_t capacity,
                                 size_t *size);

#endif
