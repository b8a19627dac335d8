/* Whether a request's sender comes no more often than they may: 429, and what answers tell of it.
 */
#ifndef RSVPD_HTTP_HOW_OFTEN_H
#define RSVPD_HTTP_HOW_OFTEN_H

#include "rsvpd/base/contract.h"
#include "rsvpd/http/request.h"

/* Each holds a request to a limit, where there is one for it. False with a problem answered where
 * that comes too often. */

/* Of the client's address; once the route is known. */
MUST_CHECK bool how_often_by_address(struct request *request);

/* Of the token's subject, or of the API key; where callers are trusted, of the user whom the path
 * names. */
MUST_CHECK bool how_often_by_principal(struct request *request);

/* Where callers are trusted, of the user whom a write names elsewhere; once they are known. */
MUST_CHECK bool how_often_by_named_user(struct request *request);

/* Adds to an answer the limit that is nearest to its end, if a limit applied. */
void how_often_add_fields(struct request *request);

#endif
