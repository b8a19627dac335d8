/* The errors that clients can meet: one table of code, status and meaning (RFC 9457 problem types).
 */
#ifndef RSVPD_DOMAIN_PROBLEM_H
#define RSVPD_DOMAIN_PROBLEM_H

#include "rsvpd/base/slice.h"

#include <stdbool.h>

enum problem {
    PROBLEM_NONE, /* not a problem; has no row for clients */
    PROBLEM_INVALID_IDENTIFIER,
    PROBLEM_INVALID_JSON,
    PROBLEM_INVALID_PARAMETER,
    PROBLEM_UNKNOWN_FIELD,
    PROBLEM_MISSING_USER_ID,
    PROBLEM_CONFLICTING_USER_ID,
    PROBLEM_UNAUTHENTICATED,
    PROBLEM_FORBIDDEN,
    PROBLEM_NOT_FOUND,
    PROBLEM_METHOD_NOT_ALLOWED,
    PROBLEM_REQUEST_TIMEOUT,
    PROBLEM_EVENT_FULL,
    PROBLEM_RSVP_CLOSED,
    PROBLEM_REQUEST_IN_FLIGHT,
    PROBLEM_PRECONDITION_FAILED,
    PROBLEM_PAYLOAD_TOO_LARGE,
    PROBLEM_UNSUPPORTED_MEDIA_TYPE,
    PROBLEM_IDEMPOTENCY_KEY_REUSED,
    PROBLEM_RATE_LIMITED,
    PROBLEM_HEADERS_TOO_LARGE,
    PROBLEM_INTERNAL,
    PROBLEM_OVERLOADED,
    PROBLEM_STORE_UNAVAILABLE,
    PROBLEM_KEYS_UNAVAILABLE,
    PROBLEM_OUTCOME_UNKNOWN,
    PROBLEM_COUNT
};

struct problem_type {
    const char *code; /* last segment of the type URI */
    unsigned status;
    bool retryable;   /* whether the same request may succeed later */
    bool retry_after; /* whether the answer says after what time */
    const char *title;
    const char
        *explanation; /* what it means and what to do; the detail where nothing more is known */
};

/* Indexed by enum problem. */
extern const struct problem_type problem_types[PROBLEM_COUNT];

/* The problem of that code, PROBLEM_NONE where there is none. */
enum problem problem_by_code(struct slice code);

#endif
