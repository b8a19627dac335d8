/* Who sends a request, and whether they may: 401 and 403. */
#ifndef RSVPD_HTTP_WHO_H
#define RSVPD_HTTP_WHO_H

#include "rsvpd/base/contract.h"
#include "rsvpd/domain/access.h"
#include "rsvpd/http/request.h"

enum who {
    WHO_KNOWN,   /* request->principal is set */
    WHO_LATER,   /* others are checked first; request->principal is not set yet */
    WHO_WAITS,   /* the same; newer keys may tell */
    WHO_REFUSED, /* a problem is answered */
};

/* Finds the principal, as far as what the route's method asks needs one. */
MUST_CHECK enum who who_find(struct request *request);

/* Whether the principal may do what the route's method does, for the user that the request names
 * so far (size 0: none). False with a problem answered where they may not. */
MUST_CHECK bool who_may(struct request *request);

/* Whether an answer that goes on still may: what the request had to show is good. `look_us`: when
 * to ask again, monotonic; INT64_MAX: never. */
MUST_CHECK bool who_may_go_on(const struct request *request, struct instant now, int64_t *look_us);

/* Whether the principal has a scope. False with a problem answered where they have not. */
MUST_CHECK bool who_has_scope(struct request *request, enum scope scope);

#endif
