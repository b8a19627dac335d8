/* From requests to operations of the service, and from outcomes to problems. */
#ifndef RSVPD_HTTP_SUBMISSION_H
#define RSVPD_HTTP_SUBMISSION_H

#include "rsvpd/base/contract.h"
#include "rsvpd/domain/operation.h"
#include "rsvpd/http/request.h"

/* An operation with relation, entity, user and deadline of the request, owned by it. NULL when as
 * many are pending as may be: the request is to be refused as overloaded. */
MUST_CHECK struct operation *submission_take(struct request *request, enum operation_kind kind,
                                             operation_done_fn *done);

/* Hands it to the service, for whose answer the request then waits; `done` is called exactly once,
 * perhaps before this returns. */
void submission_send(struct request *request, struct operation *operation);

/* Gives an operation back that is not to be handed over after all. */
void submission_give_back(struct request *request, struct operation *operation);

/* Whether an operation ended well; where it did not, answers with the problem. */
MUST_CHECK bool submission_done(struct request *request, enum outcome outcome);

#endif
