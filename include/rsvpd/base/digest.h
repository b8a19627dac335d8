/* The digest SHA-256 (FIPS 180-4). */
#ifndef RSVPD_BASE_DIGEST_H
#define RSVPD_BASE_DIGEST_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"

enum { DIGEST_SIZE_BYTES = 32 };

/* False when memory is exhausted. */
MUST_CHECK bool digest_compute(struct slice bytes, unsigned char digest[DIGEST_SIZE_BYTES]);

/* In constant time. */
bool digest_equal(const unsigned char a[DIGEST_SIZE_BYTES],
                  const unsigned char b[DIGEST_SIZE_BYTES]);

#endif
