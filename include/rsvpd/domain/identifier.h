/* Identifiers of events, posts and users: opaque, by the rule below. */
#ifndef RSVPD_DOMAIN_IDENTIFIER_H
#define RSVPD_DOMAIN_IDENTIFIER_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum { IDENTIFIER_SIZE_MAX_BYTES = 128 };

/* The same for people. Clients take . and .. out of paths (RFC 3986 section 5.2.4). */
#define IDENTIFIER_RULE                                                                            \
    "1 to 128 bytes out of A-Z a-z 0-9 - . _ ~ : @ | + =, and neither '.' nor '..'"

/* A valid identifier by value, or none (size 0). */
struct identifier {
    uint8_t size;
    char data[IDENTIFIER_SIZE_MAX_BYTES];
};

static_assert(IDENTIFIER_SIZE_MAX_BYTES <= UINT8_MAX, "the size fits its field");

/* Copies `bytes` as they stand; false where they are no identifier. */
MUST_CHECK bool identifier_parse(struct slice bytes, struct identifier *out);

/* The same for bytes out of a path, undoing percent-encoding once. */
MUST_CHECK bool identifier_parse_encoded(struct slice bytes, struct identifier *out);

/* The same for bytes out of a query, where no plus may stand for itself: half of the world's
 * clients mean a blank by it. */
MUST_CHECK bool identifier_parse_query(struct slice bytes, struct identifier *out);

/* The same for bytes that were stored: what was an identifier once is still read. */
MUST_CHECK bool identifier_parse_stored(struct slice bytes, struct identifier *out);

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
