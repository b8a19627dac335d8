/* The token with which a client asks for the next page of a listing: where the last page ended, and
 * a code that says that it is ours and of this very listing. Base64url without padding (RFC 4648
 * section 5). */
#ifndef RSVPD_DOMAIN_PAGE_TOKEN_H
#define RSVPD_DOMAIN_PAGE_TOKEN_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/mac.h"
#include "rsvpd/domain/operation.h"
#include "rsvpd/domain/problem.h"

enum {
    PAGE_TOKEN_END_SIZE_MAX_BYTES =
        1 + IDEMPOTENCY_KEY_SIZE_MAX_BYTES, /* part and key of an export */
    PAGE_TOKEN_SIZE_BYTES = ((MAC_SIZE_BYTES + PAGE_TOKEN_END_SIZE_MAX_BYTES) * 4 + 2) / 3 + 1
};

/* What a listing is of. */
struct listing {
    const struct relation *relation;
    enum operation_kind kind; /* one of OPERATION_LIST_… */
    struct identifier of; /* the entity, or the user; size 0: OPERATION_LIST_EVENTS is of none */
};

/* The token of the page that follows `last`, NUL-terminated. False when memory is exhausted. */
MUST_CHECK bool page_token_make(const unsigned char *key, const struct listing *listing,
                                const struct identifier *last, char token[PAGE_TOKEN_SIZE_BYTES]);

/* PROBLEM_INVALID_PARAMETER where the token is none that page_token_make made for this listing,
 * PROBLEM_INTERNAL when memory is exhausted. */
MUST_CHECK enum problem page_token_parse(const unsigned char *key, const struct listing *listing,
                                         struct slice token, struct identifier *last);

/* Where a page of all that is held about a user ended. */
struct export_end {
    uint8_t part; /* which of the listings that follow each other */
    uint8_t size; /* of the identifier or key of its last line */
    char data[IDEMPOTENCY_KEY_SIZE_MAX_BYTES];
};

/* The same two for an export of the user. */
MUST_CHECK bool page_token_make_export(const unsigned char *key, const struct identifier *user,
                                       const struct export_end *end,
                                       char token[PAGE_TOKEN_SIZE_BYTES]);
MUST_CHECK enum problem page_token_parse_export(const unsigned char *key,
                                                const struct identifier *user, struct slice token,
                                                struct export_end *end);

#endif
