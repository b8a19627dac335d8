/* Which pages of other origins may use the service (CORS, the Fetch standard, section 3.3). Without
 * credentials of the browser's own: tokens and keys are sent by the page itself. */
#ifndef RSVPD_HTTP_CORS_H
#define RSVPD_HTTP_CORS_H

#include "rsvpd/http/request.h"

/* Whether the request comes from a page of an origin that is allowed. */
bool cors_lets_in(const struct request *request);

/* Whether a browser asks whether a page may send another request: OPTIONS with Origin and
 * Access-Control-Request-Method, of an origin that is allowed. */
bool cors_is_preflight(const struct request *request);

/* Adds to the answer of a preflight what the page may send to its path. `methods` are those that
 * the path takes. */
void cors_answer_preflight(struct request *request, const char *methods);

/* Adds to any answer whether the page may read it, and what of it. */
void cors_add_fields(struct request *request);

#endif
