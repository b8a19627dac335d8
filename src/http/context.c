/* What a server gives to its requests. */
#include "rsvpd/http/context.h"

const char *http_health_word(const struct http_health *health, bool *ready)
{
    *ready = !health->draining && health->postgres.up && health->keys_here;
    return health->draining                                ? "draining"
           : !*ready                                       ? "unavailable"
           : health->standby                               ? "standby"
           : health->redis.configured && !health->redis.up ? "degraded"
                                                           : "ready";
}

bool context_counts_are_open(const struct http_context *context)
{
    return context->authenticator == NULL || access_is_open(ACCESS_COUNTS, &context->access);
}

void context_answered(struct request *request)
{
    request->phase = REQUEST_ANSWERED;
    request->context->answered(request->context->server, request);
}

void context_wake(struct request *request)
{
    assert(request->answer.stream.source != NULL);
    if (request->answer.stream.resting) {
        request->context->woken(request->context->server, request);
    }
}
