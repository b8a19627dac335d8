/* Message authentication: HMAC-SHA-256 (RFC 2104, FIPS 180-4), truncated to 16 bytes. */
#ifndef RSVPD_BASE_MAC_H
#define RSVPD_BASE_MAC_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"

struct evp_mac_ctx_st; /* EVP_MAC_CTX of libcrypto */

enum { MAC_KEY_SIZE_BYTES = 32, MAC_SIZE_BYTES = 16 };

/* The code of `message` under a key of MAC_KEY_SIZE_BYTES. False when memory is exhausted. */
MUST_CHECK bool mac_compute(const unsigned char *key, struct slice message,
                            unsigned char mac[MAC_SIZE_BYTES]);

/* The codes of many messages of MAC_SIZE_BYTES each, at once: for one block a cipher (AES-256, FIPS
 * 197) is as good, and takes a hundredth of the time. Different messages have different codes.
 * False when memory is exhausted. */
MUST_CHECK bool mac_compute_blocks(const unsigned char *key, const unsigned char *messages,
                                   size_t count, unsigned char *macs);

/* HMAC-SHA-256 under a key of any length, whose code is not truncated; to be freed by
 * EVP_MAC_CTX_free(). NULL when memory is exhausted. */
struct evp_mac_ctx_st *mac_context_create(struct slice key);

/* In constant time. */
bool mac_equal(const unsigned char a[MAC_SIZE_BYTES], const unsigned char b[MAC_SIZE_BYTES]);

#endif
