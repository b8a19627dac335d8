/* The key under which a write's answer is kept. */
#ifndef RSVPD_DOMAIN_IDEMPOTENCY_KEY_H
#define RSVPD_DOMAIN_IDEMPOTENCY_KEY_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"

#include <stdint.h>

enum { IDEMPOTENCY_KEY_SIZE_MAX_BYTES = 255 };

/* A key by value: printable ASCII; or none (size 0). */
struct idempotency_key {
    uint8_t size;
    char data[IDEMPOTENCY_KEY_SIZE_MAX_BYTES];
};

static_assert(IDEMPOTENCY_KEY_SIZE_MAX_BYTES <= UINT8_MAX, "the size fits its field");

static inline struct slice idempotency_key_slice(const struct idempotency_key *key)
{
    return slice_make(key->data, key->size);
}

static inline bool idempotency_key_equal(const struct idempotency_key *a,
                                         const struct idempotency_key *b)
{
    return slice_equal(idempotency_key_slice(a), idempotency_key_slice(b));
}

#endif
