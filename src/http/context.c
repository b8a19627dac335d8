/* What a server gives to its requests. */
#include "rsvpd/http/context.h"

void context_answered(struct request *request)
{
    request->phase = REQUEST_ANSWERED;
    request->context->answered(request->context->server, request);
}
