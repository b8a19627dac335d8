/* A line in the log for some of the requests. */
#include "rsvpd/http/access_log.h"
#include "rsvpd/base/log.h"
#include "rsvpd/http/route.h"

enum { FIELDS_ALWAYS = 6, FIELDS_MAX = FIELDS_ALWAYS + 3 };

/* The trace that the request belongs to, whether this process writes down its part of it or not. */
static struct slice trace_id(const struct request *request, char digits[TRACE_ID_DIGITS])
{
    struct trace_parent parent;
    struct trace_ref ref = request->trace;
    if (ref.span == 0 && !trace_parent_parse(request->traceparent, &parent)) {
        return slice_make(NULL, 0);
    }
    trace_write_trace_id(ref.span == 0 ? &parent.ref : &ref, digits);
    return slice_make(digits, TRACE_ID_DIGITS);
}

void access_log_note(struct access_log *log, const struct request *request, int64_t duration_us,
                     int64_t open_us)
{
    if (log->every == 0 || !log_enabled(LOG_INFO) || ++log->sequence % log->every != 0) {
        return;
    }
    const struct answer *answer = &request->answer;
    char digits[TRACE_ID_DIGITS];
    struct slice trace = trace_id(request, digits);
    struct slice route = slice_of(request->route->pattern);
    struct log_field fields[FIELDS_MAX] = {
        LOG_CSTR("request_id", request->id),
        LOG_CSTR("method", http_method_names[request->method]),
        LOG_STR("route", route.size > 0 ? route : slice_of("none")),
        LOG_INT("status", answer->status),
        LOG_USEC("duration_ms", duration_us),
        LOG_INT("bytes", answer->body.size),
    };
    size_t count = FIELDS_ALWAYS;
    if (answer->stream.begun) {
        fields[count++] = LOG_USEC("open_ms", open_us);
    }
    if (trace.size > 0) {
        fields[count++] = LOG_STR("trace_id", trace);
    }
    if (request->traceparent.size > 0) {
        fields[count++] = LOG_STR("traceparent", request->traceparent);
    }
    assert(count <= FIELDS_MAX);
    log_write(LOG_INFO, "request", fields, count);
}
