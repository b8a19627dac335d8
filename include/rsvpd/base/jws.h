/* The signature of a token (RFC 7515), by the algorithms of RFC 7518 and RFC 8037. */
#ifndef RSVPD_BASE_JWS_H
#define RSVPD_BASE_JWS_H

#include "rsvpd/base/jwk.h"

/* The longest that a key of a set makes. */
enum { JWS_SIGNATURE_SIZE_MAX_BYTES = JWK_RSA_BITS_MAX / 8 };

/* Whether the key made this signature of the message; not so either where memory is exhausted. The
 * algorithm must be one of the key's. */
MUST_CHECK bool jws_verify(const struct jwk *key, enum jwt_algorithm algorithm,
                           struct slice message, const unsigned char *signature, size_t size);

#endif
