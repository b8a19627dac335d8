/* What every request must pass before its handler sees it: route, method, parameters, body. */
#ifndef RSVPD_HTTP_GATE_H
#define RSVPD_HTTP_GATE_H

#include "rsvpd/http/request.h"

/* Gives the request an id of its own, until its head says another. */
void gate_name_request(struct request *request);

/* Looks at a request whose head has arrived: takes its id and trace over. False with the answer
 * made where it is not worth waiting for its body. */
bool gate_admit_head(struct request *request, const char *version, bool connection_over_limit)
    __attribute__((warn_unused_result));

/* Handles a request that has arrived whole: answers it, or lets its handler do so. */
void gate_handle(struct request *request);

#endif
