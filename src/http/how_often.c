/* Whether a request's sender comes no more often than they may.
 *
 * DESIGN: a request is held to its address before anything is known of who sends it, so that bad
 * tokens count as well. What another limit then refuses stays counted for the address: it did come
 * from there. */
#include "rsvpd/http/how_often.h"
#include "rsvpd/domain/access.h"
#include "rsvpd/http/answer.h"
#include "rsvpd/http/client_address.h"
#include "rsvpd/http/context.h"
#include "rsvpd/http/rate_limit_fields.h"
#include "rsvpd/http/request_address.h"

static const char *const whose[RATE_KIND_COUNT] = {
    [RATE_USER] = "this user", [RATE_KEY] = "this API key", [RATE_ADDRESS] = "this address"};
static const enum metric refused[RATE_KIND_COUNT] = {[RATE_USER] = METRIC_RATE_LIMITED_USER,
                                                     [RATE_KEY] = METRIC_RATE_LIMITED_KEY,
                                                     [RATE_ADDRESS] = METRIC_RATE_LIMITED_ADDRESS};

static bool applies(const struct request *request, enum rate_kind kind)
{
    const struct rate_table *rates = request->context->rates;
    return rates != NULL && rate_table_limit(rates, kind).requests > 0 &&
           (request->route->flags & ROUTE_HEALTH) == 0;
}

static void refuse(struct request *request, enum rate_kind kind)
{
    metrics_add(request->context->metrics, refused[kind], 1);
    answer_problem_format(request, PROBLEM_RATE_LIMITED,
                          "More requests came from %s than its limit allows. Nothing was done; try "
                          "again after the time in Retry-After.",
                          whose[kind]);
    answer_retry_after(request, request->rate.retry_after_s);
}

static bool take(struct request *request, enum rate_kind kind, struct slice name)
{
    const struct http_context *context = request->context;
    struct rate_verdict verdict = rate_table_take(context->rates, kind, name, context->now_us());
    struct request_rate *nearest = &request->rate;
    if (verdict.limit.requests == 0) {
        return true; /* the limit was taken away just now */
    }
    if (!nearest->applied || !verdict.allowed || verdict.remaining < nearest->verdict.remaining) {
        nearest->applied = true;
        nearest->kind = kind;
        nearest->verdict = verdict;
    }
    if (verdict.retry_after_s > nearest->retry_after_s) {
        nearest->retry_after_s = verdict.retry_after_s;
    }
    if (!verdict.allowed) {
        refuse(request, kind);
    }
    return verdict.allowed;
}

bool how_often_by_address(struct request *request)
{
    if (!applies(request, RATE_ADDRESS)) {
        return true;
    }
    struct ip_address address = request_client_address(request);
    struct ip_address prefix = client_address_prefix(&address);
    return take(request, RATE_ADDRESS, slice_make((const char *)prefix.bytes, sizeof prefix.bytes));
}

bool how_often_by_named_user(struct request *request)
{
    return request->principal->kind != PRINCIPAL_TRUSTED || request->user.size == 0 ||
           !applies(request, RATE_USER) ||
           take(request, RATE_USER, identifier_slice(&request->user));
}

bool how_often_by_principal(struct request *request)
{
    const struct principal *principal = request->principal;
    switch (principal->kind) {
    case PRINCIPAL_TOKEN:
        return !applies(request, RATE_USER) ||
               take(request, RATE_USER, identifier_slice(&principal->subject));
    case PRINCIPAL_KEY:
        return !applies(request, RATE_KEY) ||
               take(request, RATE_KEY,
                    slice_make((const char *)&principal->key_id, sizeof principal->key_id));
    case PRINCIPAL_TRUSTED:
        return how_often_by_named_user(request); /* in the path */
    case PRINCIPAL_ANONYMOUS:
        break;
    }
    return true;
}

void how_often_add_fields(struct request *request)
{
    const struct request_rate *nearest = &request->rate;
    if (!nearest->applied) {
        return;
    }
    struct text policy = request_text(request, RATE_LIMIT_FIELD_SIZE_BYTES);
    struct text remaining = request_text(request, RATE_LIMIT_FIELD_SIZE_BYTES);
    rate_limit_write_policy(&policy, nearest->kind, &nearest->verdict.limit);
    rate_limit_write_remaining(&remaining, nearest->kind, &nearest->verdict);
    text_add(&policy, slice_make("", 1)); /* the zero that ends it */
    text_add(&remaining, slice_make("", 1));
    if (!policy.truncated && !remaining.truncated) {
        answer_add_header(request, "RateLimit-Policy", policy.data);
        answer_add_header(request, "RateLimit", remaining.data);
    }
}
