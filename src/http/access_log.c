/* A line in the log for some of the requests. */
#include "rsvpd/http/access_log.h"
#include "rsvpd/base/log.h"
#include "rsvpd/http/route.h"

void access_log_note(struct access_log *log, const struct request *request, int64_t duration_us)
{
    if (log->every == 0 || !log_enabled(LOG_INFO) || ++log->sequence % log->every != 0) {
        return;
    }
    const struct answer *answer = &request->answer;
    struct slice route = slice_of(request->route->pattern);
    struct log_field fields[] = {
        LOG_CSTR("request_id", request->id),
        LOG_CSTR("method", http_method_names[request->method]),
        LOG_STR("route", route.size > 0 ? route : slice_of("none")),
        LOG_INT("status", answer->status),
        LOG_USEC("duration_ms", duration_us),
        LOG_INT("bytes", answer->body.size),
        LOG_STR("traceparent", request->traceparent),
    };
    size_t count = sizeof fields / sizeof fields[0] - (request->traceparent.size == 0 ? 1 : 0);
    log_write(LOG_INFO, "request", fields, count);
}
