/* The header fields of a request that mean something here; all others are passed over. */
#ifndef RSVPD_HTTP_HEADER_H
#define RSVPD_HTTP_HEADER_H

#include "rsvpd/base/contract.h"
#include "rsvpd/http/request.h"

enum header_name {
    HEADER_ACCEPT_ENCODING,
    HEADER_ACCESS_CONTROL_REQUEST_METHOD,
    HEADER_AUTHORIZATION,
    HEADER_CONTENT_ENCODING,
    HEADER_CONTENT_LENGTH,
    HEADER_CONTENT_TYPE,
    HEADER_FORWARDED,
    HEADER_HOST,
    HEADER_IDEMPOTENCY_KEY,
    HEADER_IF_MATCH,
    HEADER_IF_NONE_MATCH,
    HEADER_LAST_EVENT_ID,
    HEADER_ORIGIN,
    HEADER_SEC_FETCH_SITE,
    HEADER_TRACEPARENT,
    HEADER_X_API_KEY,
    HEADER_X_FORWARDED_FOR,
    HEADER_X_REQUEST_ID,
    HEADER_X_USER_ID,
    HEADER_NAME_COUNT
};

/* Which of those above it is, in any case; HEADER_NAME_COUNT where it is none. */
enum header_name header_named(struct slice name);

/* Whether the field may come on several lines, which are one list (RFC 9110 section 5.3). */
bool header_is_list(enum header_name name);

/* Notes a field where its name is one of those above. The value is not copied: it must live as
 * long as the request. False when memory is exhausted. */
MUST_CHECK bool header_note(struct request *request, struct slice name, struct slice value);

/* The values of a field in the order in which they came, at most `max`. */
size_t header_values(const struct request *request, enum header_name name, struct slice *values,
                     size_t max);

/* Goes through the values of a field in the order in which they came, of a list that may be as long
 * as a head. `field` is NULL before the first; false after the last. */
struct header_field;
bool header_next(const struct request *request, enum header_name name,
                 const struct header_field **field, struct slice *value);

bool header_given(const struct request *request, enum header_name name);

/* The first value, empty where there is none. */
struct slice header_value(const struct request *request, enum header_name name);

#endif
