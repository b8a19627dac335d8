/* From requests to operations of the service, and from outcomes to problems. */
#include "rsvpd/http/submission.h"
#include "rsvpd/http/answer.h"
#include "rsvpd/http/context.h"
#include "rsvpd/service/service.h"

struct operation *submission_take(struct request *request, enum operation_kind kind,
                                  operation_done_fn *done)
{
    const struct http_context *context = request->context;
    struct operation *operation = service_take(context->service);
    if (operation != NULL) {
        operation->kind = kind;
        operation->relation = request->route->relation;
        operation->entity = request->entity;
        operation->user = request->user;
        operation->deadline_us = request->started.mono_us + context->limits.deadline_us;
        operation->done = done;
        operation->owner = request;
        operation->trace = request->trace;
        if (request->idempotency_key.size > 0) {
            operation_write(operation)->key = request->idempotency_key;
        }
    }
    return operation;
}

void submission_send(struct request *request, struct operation *operation)
{
    request->phase = REQUEST_WAITING;
    service_submit(request->context->service, operation, request->context->now_us());
}

void submission_give_back(struct request *request, struct operation *operation)
{
    service_give_back(request->context->service, operation);
}

bool submission_done(struct request *request, enum outcome outcome)
{
    static const enum problem problems[] = {
        [OUTCOME_DONE] = PROBLEM_NONE,
        [OUTCOME_UNAVAILABLE] = PROBLEM_STORE_UNAVAILABLE,
        [OUTCOME_UNKNOWN] = PROBLEM_OUTCOME_UNKNOWN,
        [OUTCOME_OVERLOADED] = PROBLEM_OVERLOADED,
        [OUTCOME_FAILED] = PROBLEM_INTERNAL,
        [OUTCOME_FULL] = PROBLEM_EVENT_FULL,
        [OUTCOME_CLOSED] = PROBLEM_RSVP_CLOSED,
        [OUTCOME_KEY_REUSED] = PROBLEM_IDEMPOTENCY_KEY_REUSED,
        [OUTCOME_IN_FLIGHT] = PROBLEM_REQUEST_IN_FLIGHT,
        [OUTCOME_UNMET] = PROBLEM_PRECONDITION_FAILED,
    };
    if (outcome != OUTCOME_DONE) {
        answer_problem(request, problems[outcome], NULL);
    }
    return outcome == OUTCOME_DONE;
}
