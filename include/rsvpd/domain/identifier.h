/* Identifiers of events, posts and users: opaque, 1 to 64 bytes out of A-Z a-z 0-9 - . _ ~ : @. */
#ifndef RSVPD_DOMAIN_IDENTIFIER_H
#define RSVPD_DOMAIN_IDENTIFIER_H

#include "rsvpd/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum { IDENTIFIER_SIZE_MAX_BYTES = 64 };

/* A valid identifier by value, or none (size 0). */
struct identifier {
    uint8_t size;
    char data[IDENTIFIER_SIZE_MAX_BYTES];
};

/* Copies `bytes` as they stand; false where they are no identifier. */
bool identifier_parse(struct slice bytes, struct identifier *out)
    __attribute__((warn_unused_result));

/* The same for bytes out of a URI, undoing percent-encoding (RFC 3986 section 2.1) once. */
bool identifier_parse_encoded(struct slice bytes, struct identifier *out)
    __attribute__((warn_unused_result));

static inline struct slice identifier_slice(const struct identifier *id)
{
    return slice_make(id->data, id->size);
}

static inline bool identifier_equal(const struct identifier *a, const struct identifier *b)
{
    return slice_equal(identifier_slice(a), identifier_slice(b));
}

/* Byte order, as in PostgreSQL's collation "C": below, equal to or above 0. */
int identifier_compare(const struct identifier *a, const struct identifier *b);

#endif
