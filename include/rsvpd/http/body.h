/* The JSON object in a request's body. */
#ifndef RSVPD_HTTP_BODY_H
#define RSVPD_HTTP_BODY_H

#include "rsvpd/base/contract.h"
#include "rsvpd/http/request.h"

#include <jansson.h>

/* Lets the allocations of jansson be seen. Once, before requests come. */
void body_prepare(void);

/* Parses a body that is one JSON object of plain values, without duplicate members. The caller
 * gives it back with json_decref. NULL with a problem answered where it is anything else;
 * `example` shows what it might be; likewise, as an internal error, when memory is exhausted. */
MUST_CHECK json_t *body_parse(struct request *request, const char *example);

/* For a route that takes no body: whether there is none, or one without members, which says
 * nothing, either; answers with the problem where it is anything else. */
MUST_CHECK bool body_is_empty(struct request *request);

#endif
