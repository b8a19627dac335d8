/* What answers each route, once the gate has let a request through. */
#ifndef RSVPD_HTTP_HANDLERS_H
#define RSVPD_HTTP_HANDLERS_H

#include "rsvpd/base/contract.h"
#include "rsvpd/http/request.h"

enum { HANDLE_MANY_MAX = 100 /* entities or users that a request names at most */ };

void handle_add(struct request *request);
void handle_remove(struct request *request);
void handle_lookup(struct request *request);
void handle_count(struct request *request);
void handle_problem_type(struct request *request);
void handle_livez(struct request *request);
void handle_readyz(struct request *request);
void handle_metrics(struct request *request);

/* The oldest as-of that serves a request for counts, by its max_stale_ms, monotonic; notes whether
 * a cache in front may hold the answer. False with a problem answered where the parameter is wrong.
 */
MUST_CHECK bool handle_count_bound(struct request *request, int64_t *not_before_us);

#endif
