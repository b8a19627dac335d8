/* The span of a traced request. */
#include "rsvpd/http/request_trace.h"
#include "rsvpd/base/tracer.h"
#include "rsvpd/http/context.h"

/* Only what a server answers for is an error of its span (conventions of HTTP, status). */
static const char *error_of(unsigned status)
{
    switch (status) {
    case 500:
        return "500";
    case 503:
        return "503";
    case 504:
        return "504";
    default:
        return status < 500 ? NULL : "_OTHER";
    }
}

void request_trace_note(const struct request *request, int64_t end_us)
{
    tracer_write(request->context->tracer,
                 &(struct span){.kind = SPAN_REQUEST,
                                .self = request->trace,
                                .parent = request->trace_parent,
                                .start_us = request->started.mono_us,
                                .end_us = end_us,
                                .error = error_of(request->answer.status),
                                .http = {.method = request->method,
                                         .route = request->route->pattern,
                                         .status = request->answer.status,
                                         .version = request->of_http_1_0 ? "1.0" : "1.1"}});
}
