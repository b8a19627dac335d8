/* What every request must pass before its handler sees it: route, method, parameters, body. */
#ifndef RSVPD_HTTP_GATE_H
#define RSVPD_HTTP_GATE_H

#include "rsvpd/base/contract.h"
#include "rsvpd/http/request.h"
#include "rsvpd/http/wire.h"

/* Gives the request an id of its own, until its head says another. */
void gate_name_request(struct request *request);

/* What is known of a head besides its fields. */
struct gate_head {
    const struct wire *fault; /* NULL: none */
    bool over_limit;          /* it came on a connection that is one too many */
    bool ending;              /* it came after the service has stopped serving */
};

/* Looks at a request whose head has arrived: takes its id and trace over. False with the answer
 * made where it is not worth waiting for its body. */
MUST_CHECK bool gate_admit_head(struct request *request, const struct gate_head *head);

/* Answers a request that has a fault. */
void gate_refuse_fault(struct request *request, const struct wire *fault);

/* Handles a request that has arrived whole: answers it, or lets its handler do so. */
void gate_handle(struct request *request);

#endif
