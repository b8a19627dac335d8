/* The header fields that tell a client its limit: RateLimit-Policy and RateLimit
 * (draft-ietf-httpapi-ratelimit-headers-11). The draft may change: nobody else knows its format. */
#ifndef RSVPD_HTTP_RATE_LIMIT_FIELDS_H
#define RSVPD_HTTP_RATE_LIMIT_FIELDS_H

#include "rsvpd/base/text.h"
#include "rsvpd/domain/rate_table.h"

enum { RATE_LIMIT_FIELD_SIZE_BYTES = 48 };

/* "user";q=600;w=60 -- so many requests in so many seconds. */
void rate_limit_write_policy(struct text *out, enum rate_kind kind, const struct rate *limit);

/* "user";r=599;t=1 -- what remains of that now, and in how many seconds all of it is there again.
 */
void rate_limit_write_remaining(struct text *out, enum rate_kind kind,
                                const struct rate_verdict *verdict);

#endif
