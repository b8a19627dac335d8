/* What answers each route, once the gate has let a request through. */
#ifndef RSVPD_HTTP_HANDLERS_H
#define RSVPD_HTTP_HANDLERS_H

#include "rsvpd/http/request.h"

void handle_add(struct request *request);
void handle_remove(struct request *request);
void handle_lookup(struct request *request);
void handle_count(struct request *request);
void handle_problem_type(struct request *request);
void handle_livez(struct request *request);
void handle_readyz(struct request *request);
void handle_metrics(struct request *request);

#endif
