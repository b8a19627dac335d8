/* How a count is written into Redis: key rsvpd:2:<namespace>:<relation>:<entity>, value
 * <version>:<as of>:<count>, version with 19 digits, as-of with 16 (microseconds since the Unix
 * epoch), so that comparing bytes compares versions and then times. The namespace is the
 * database's, so that several may share a Redis. */
#ifndef RSVPD_STORE_REDIS_CODEC_H
#define RSVPD_STORE_REDIS_CODEC_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/mac.h"
#include "rsvpd/base/text.h"
#include "rsvpd/domain/ports.h"

enum {
    REDIS_NAMESPACE_SIZE_BYTES = 17, /* with its NUL */
    REDIS_KEY_SIZE_BYTES = IDENTIFIER_SIZE_MAX_BYTES + REDIS_NAMESPACE_SIZE_BYTES + 24,
    REDIS_VALUE_SIZE_BYTES = 64,
    /* The digits of a value's parts. Those of version and as-of never vary. */
    REDIS_VERSION_DIGITS = 19,
    REDIS_AS_OF_DIGITS = 16,
    REDIS_COUNT_DIGITS_MAX = 18,
};
static_assert(REDIS_VALUE_SIZE_BYTES >
                  REDIS_VERSION_DIGITS + 1 + REDIS_AS_OF_DIGITS + 1 + REDIS_COUNT_DIGITS_MAX,
              "the longest value fits");

void redis_encode_key(const char *namespace, const struct redis_count *entry, struct text *out);

/* A key that is no count's: a store's own, by its number, to find out whether Redis works. */
void redis_encode_probe_key(const char *namespace, uint64_t number, struct text *out);

/* The key of a caller whose requests are limited, by its code. */
void redis_encode_rate_key(const char *namespace, const unsigned char caller[MAC_SIZE_BYTES],
                           struct text *out);

void redis_encode_value(const struct count *count, struct text *out);

/* False where the bytes are no value of ours. Sets value, version and as_of_wall_us. */
MUST_CHECK bool redis_decode_value(struct slice bytes, struct count *out);

#endif
