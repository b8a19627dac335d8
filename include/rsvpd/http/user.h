/* Who acts: the user that a write names in its body, its query or its X-User-Id header. */
#ifndef RSVPD_HTTP_USER_H
#define RSVPD_HTTP_USER_H

#include "rsvpd/base/contract.h"
#include "rsvpd/http/request.h"

/* Sets request->user from all places that name one; where none does, a token's subject is the user.
 * False with a problem answered where they are malformed, differ, or nobody is named. */
MUST_CHECK bool user_find(struct request *request);

#endif
