/* Which pages of other origins may use the service. */
#include "rsvpd/http/cors.h"
#include "rsvpd/http/answer.h"
#include "rsvpd/http/context.h"
#include "rsvpd/http/header.h"

static const char request_fields[] =
    "Authorization, X-API-Key, Content-Type, Idempotency-Key, If-Match, If-None-Match, "
    "Last-Event-ID, X-Request-Id, X-User-Id, traceparent";
static const char answer_fields[] = "X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, ETag, "
                                    "Link, Idempotency-Replayed";

static bool is_configured(const struct request *request)
{
    const struct origin_list *origins = request->context->cors_origins;
    return origins != NULL && (origins->any || origins->count > 0);
}

/* What the answer allows; NULL: nothing. */
static const char *allowed_origin(const struct request *request)
{
    struct slice values[2];
    size_t size = header_values(request, HEADER_ORIGIN, values, 2);
    return size == 1 ? origin_list_find(request->context->cors_origins, slice_trim(values[0]))
                     : NULL;
}

bool cors_lets_in(const struct request *request)
{
    return is_configured(request) && allowed_origin(request) != NULL;
}

bool cors_is_preflight(const struct request *request)
{
    return request->method == HTTP_OPTIONS &&
           header_given(request, HEADER_ACCESS_CONTROL_REQUEST_METHOD) && cors_lets_in(request);
}

void cors_answer_preflight(struct request *request, const char *methods)
{
    answer_add_header(request, "Access-Control-Allow-Methods", methods);
    answer_add_header(request, "Access-Control-Allow-Headers", request_fields);
    answer_add_header(request, "Access-Control-Max-Age", "600");
}

void cors_add_fields(struct request *request)
{
    if (!is_configured(request)) {
        return;
    }
    answer_vary(request, ANSWER_VARIES_BY_ORIGIN);
    if (request->method == HTTP_OPTIONS) {
        answer_vary(request, ANSWER_VARIES_BY_REQUEST_METHOD);
    }
    bool any = request->context->cors_origins->any;
    const char *allowed =
        any && !header_given(request, HEADER_ORIGIN) ? "*" : allowed_origin(request);
    if (allowed != NULL) {
        answer_add_header(request, "Access-Control-Allow-Origin", allowed);
        answer_add_header(request, "Access-Control-Expose-Headers", answer_fields);
    }
}
