/* What every request must pass, in named stages, before its handler sees it.
 *
 * DESIGN: a stage comes as early as what it looks at is here, so that what is refused costs as
 * little as it can: nobody waits for the body of a request to a path that does not exist, or from
 * somebody who may not send it. */
#include "rsvpd/http/gate.h"
#include "rsvpd/base/random.h"
#include "rsvpd/base/text.h"
#include "rsvpd/base/tracer.h"
#include "rsvpd/base/uri.h"
#include "rsvpd/http/answer.h"
#include "rsvpd/http/authenticator.h"
#include "rsvpd/http/context.h"
#include "rsvpd/http/cors.h"
#include "rsvpd/http/header.h"
#include "rsvpd/http/how_often.h"
#include "rsvpd/http/idempotency_key.h"
#include "rsvpd/http/origin.h"
#include "rsvpd/http/user.h"
#include "rsvpd/http/who.h"
#include "rsvpd/http/wire.h"

#include <assert.h>

enum {
    ALLOW_SIZE_BYTES = 64,
    FRESH_ID_SIZE_BYTES = 32,
};
static_assert((int)FRESH_ID_SIZE_BYTES <= REQUEST_ID_SIZE_MAX_BYTES, "our own ids fit a request");

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool valid_request_id(struct slice id)
{
    bool valid = id.size >= 1 && id.size <= REQUEST_ID_SIZE_MAX_BYTES;
    for (size_t i = 0; i < id.size && valid; i++) {
        char c = id.data[i];
        valid = is_alphanumeric(c) || c == '-' || c == '.' || c == '_';
    }
    return valid;
}

void gate_name_request(struct request *request)
{
    static const char digits[] = "0123456789abcdef";
    struct random *random = request->context->random;
    uint64_t bits = 0;
    for (size_t i = 0; i < FRESH_ID_SIZE_BYTES; i++, bits >>= 4) {
        bits = i % 16 == 0 ? random_next(random) : bits;
        request->id[i] = digits[bits & 15];
    }
    request->id[FRESH_ID_SIZE_BYTES] = '\0';
}

static void parse_request_id(struct request *request)
{
    struct slice id = slice_trim(header_value(request, HEADER_X_REQUEST_ID));
    if (valid_request_id(id)) { /* else it keeps the name that it was given as it began */
        memcpy(request->id, id.data, id.size);
        request->id[id.size] = '\0';
    }
}

/* Decides whether the request is traced: its caller does, or chance. */
static void begin_trace(struct request *request, const struct trace_parent *parent)
{
    struct tracer *tracer = request->context->tracer;
    if (tracer != NULL) {
        request->trace = tracer_begin(tracer, parent);
        request->trace_parent = parent == NULL ? 0 : parent->ref.span;
    }
}

static void set_traceparent(struct request *request)
{
    struct slice values[2]; /* a second one makes both worth nothing */
    struct trace_parent parent;
    size_t count = header_values(request, HEADER_TRACEPARENT, values, 2);
    struct slice value = count == 1 ? slice_trim(values[0]) : slice_of("");
    if (!trace_parent_parse(value, &parent)) {
        begin_trace(request, NULL);
        return;
    }
    struct text copy = request_text(request, TRACEPARENT_SIZE_BYTES);
    text_add(&copy, slice_make(value.data, TRACEPARENT_SIZE_BYTES)); /* later versions append */
    request->traceparent = text_slice(&copy);
    begin_trace(request, &parent);
}

/* A declared size that is too large need not arrive to be refused. */
static bool announces_too_much(struct request *request)
{
    struct slice length = header_value(request, HEADER_CONTENT_LENGTH);
    unsigned long long size = 0;
    for (size_t i = 0; i < length.size && length.data[i] >= '0' && length.data[i] <= '9'; i++) {
        size = size * 10 + (unsigned long long)(length.data[i] - '0');
        if (size > REQUEST_BODY_SIZE_MAX_BYTES) {
            return true;
        }
    }
    return false;
}

static bool refuse(struct request *request, enum problem problem, const char *detail)
{
    answer_problem(request, problem, detail);
    return false;
}

static void refuse_fault(struct request *request, const struct wire *fault)
{
    const struct wire_refusal *refusal = &wire_refusals[fault->fault];
    if (refusal->in_head) {
        answer_problem_format(request, refusal->problem, "line %u of the head: %s", fault->line,
                              refusal->detail);
    } else {
        answer_problem(request, refusal->problem, refusal->detail);
    }
}

static const char *allow(struct request *request)
{
    struct text text = request_text(request, ALLOW_SIZE_BYTES);
    if (text.capacity == 0) {
        return "";
    }
    route_allow(request->route, &text);
    text.data[text.size] = '\0';
    return text.data;
}

/* Whether one of the words in `words` is what `name` says, which is encoded. */
static bool one_of(struct slice words, struct slice name)
{
    while (words.size > 0) {
        if (uri_equal(name, slice_cut(&words, ' '))) {
            return true;
        }
    }
    return false;
}

static bool parameters_known(struct request *request)
{
    struct slice query = request->query;
    struct query_parameter parameter;
    while (request_next_parameter(&query, &parameter)) {
        const char *posts = request->method == HTTP_POST ? request->route->post_parameter : NULL;
        if (!one_of(slice_of(request->route->parameters), parameter.name) &&
            (posts == NULL || !uri_equal(parameter.name, slice_of(posts)))) {
            bool none = request->route->parameters[0] == '\0';
            answer_problem_format(request, PROBLEM_INVALID_PARAMETER,
                                  "the query parameter '%.*s' is not known here%s%s%s%s",
                                  (int)(parameter.name.size > 64 ? 64 : parameter.name.size),
                                  parameter.name.data,
                                  none ? "" : "; known: ", request->route->parameters,
                                  posts == NULL ? "" : " ", posts == NULL ? "" : posts);
            return false;
        }
    }
    return true;
}

/* No type at all is taken for JSON; of two it cannot be told which counts. */
static bool type_is_json(const struct request *request)
{
    struct slice types[2];
    size_t size = header_values(request, HEADER_CONTENT_TYPE, types, 2);
    if (size == 0 || (size == 1 && types[0].size == 0)) {
        return true;
    }
    return size == 1 &&
           slice_equal_nocase(slice_trim(slice_cut(&types[0], ';')), slice_of("application/json"));
}

/* Whether the body comes as it is (RFC 9110 section 8.4). */
static bool body_is_plain(const struct request *request)
{
    const struct header_field *field = NULL;
    struct slice line;
    bool plain = true;
    while (plain && header_next(request, HEADER_CONTENT_ENCODING, &field, &line)) {
        while (line.size > 0 && plain) {
            struct slice coding = slice_trim(slice_cut(&line, ','));
            plain = coding.size == 0 || slice_equal_nocase(coding, slice_of("identity"));
        }
    }
    return plain;
}

static bool body_is_json(struct request *request)
{
    bool plain = body_is_plain(request);
    if (request->body_size == 0 || (plain && type_is_json(request))) {
        return true;
    }
    answer_problem(request, PROBLEM_UNSUPPORTED_MEDIA_TYPE, NULL);
    answer_add_header(request, "Accept-Post", "application/json");
    if (!plain) {
        answer_add_header(request, "Accept-Encoding", "identity"); /* RFC 9110 section 15.5.16 */
    }
    return false;
}

static bool may_change_something(const struct request *request)
{
    return request->method == HTTP_POST || request->method == HTTP_PUT ||
           request->method == HTTP_DELETE;
}

/* ---- the stages ---- */

/* Framing, size, and whether there is room. */
static bool pass_head(struct request *request)
{
    const struct request_arrival *arrival = &request->arrival;
    if (arrival->over_limit || arrival->ending) {
        return refuse(request, PROBLEM_OVERLOADED,
                      arrival->ending
                          ? "The service is ending. Nothing was done; send the request again."
                          : "The service has as many connections as it can hold. Nothing was "
                            "done; try again after the time in Retry-After.");
    }
    if (arrival->fault != NULL) {
        refuse_fault(request, arrival->fault);
        return false;
    }
    return !announces_too_much(request) || refuse(request, PROBLEM_PAYLOAD_TOO_LARGE, NULL);
}

/* OPTIONS of a path, or of the server as a whole. */
static bool answer_options(struct request *request, const char *allowed)
{
    answer_with(request, 204, NULL, slice_of(""));
    answer_add_header(request, "Allow", allowed);
    if (cors_is_preflight(request)) {
        cors_answer_preflight(request, allowed);
    }
    return false;
}

/* What the path stands for. What is wrong with it is said later. */
static bool find_route(struct request *request)
{
    const struct http_context *context = request->context;
    enum problem problem =
        route_find(context->routes, context->port, request, &request->unidentified);
    assert((problem == PROBLEM_NOT_FOUND) == (request->route == &context->routes->at[0]));
    (void)problem;
    return true;
}

/* Whether the path takes the method: 404, 405, and what OPTIONS asks for. */
static bool pass_route(struct request *request)
{
    if (request->method == HTTP_OPTIONS && slice_equal(request->path, slice_of("*"))) {
        return answer_options(request, "GET, HEAD, POST, PUT, DELETE, OPTIONS");
    }
    if (request->route == &request->context->routes->at[0]) {
        return refuse(request, PROBLEM_NOT_FOUND, NULL);
    }
    if (request->method == HTTP_OPTIONS) {
        return answer_options(request, allow(request));
    }
    if (route_endpoint(request->route, request->method).handle == NULL) {
        const char *allowed = allow(request);
        answer_problem_format(request, PROBLEM_METHOD_NOT_ALLOWED,
                              "this path takes only these methods: %s", allowed);
        answer_add_header(request, "Allow", allowed);
        return false;
    }
    return true;
}

/* Whoever sends it comes no more often than they may, and may do what it asks, as far as it says
 * yet: the user of a write is named later. */
static bool pass_principal(struct request *request)
{
    return how_often_by_principal(request) && (request->unidentified != NULL || who_may(request));
}

/* Whether the sender may do it: 401 and 403. Where others are checked first, or newer keys may tell
 * who that is, it goes on to the body, and waits there. */
static bool pass_who(struct request *request)
{
    if (may_change_something(request) && !origin_is_own(request) && !cors_lets_in(request)) {
        return refuse(request, PROBLEM_FORBIDDEN,
                      "A page of another origin must not change anything here. Nothing was done; "
                      "send the request from a page of this origin, or from no browser.");
    }
    enum who who = who_find(request);
    return who == WHO_LATER || who == WHO_WAITS || (who == WHO_KNOWN && pass_principal(request));
}

/* The same once the body is here, for a request that was let through without an answer to that. */
static bool pass_who_at_last(struct request *request)
{
    if (request->principal != NULL) {
        return true;
    }
    switch (who_find(request)) {
    case WHO_KNOWN:
        return pass_principal(request);
    case WHO_REFUSED:
        return false;
    case WHO_LATER:
        request->phase = REQUEST_WAITING;
        authenticator_wait_for_check(request->context->authenticator, request);
        return false;
    case WHO_WAITS:
        break;
    }
    if (request->keys_awaited) {
        return refuse(request, PROBLEM_KEYS_UNAVAILABLE, NULL);
    }
    request->keys_awaited = true;
    request->phase = REQUEST_WAITING;
    authenticator_wait_for_keys(request->context->authenticator, request);
    return false;
}

static bool pass_parameters(struct request *request)
{
    if (request->unidentified != NULL) {
        answer_problem_format(request, PROBLEM_INVALID_IDENTIFIER,
                              "%s in the path is not an identifier: " IDENTIFIER_RULE
                              ", after percent-decoding",
                              request->unidentified);
        return false;
    }
    return parameters_known(request);
}

static bool pass_body(struct request *request)
{
    return !may_change_something(request) || body_is_json(request);
}

/* What a write of a membership needs: its user, and its idempotency key, which anywhere else would
 * be kept for nothing. */
static bool pass_user(struct request *request)
{
    if ((request->route->flags & ROUTE_NAMES_USER) != 0) {
        return user_find(request) && who_may(request) && how_often_by_named_user(request) &&
               idempotency_key_find(request);
    }
    return !header_given(request, HEADER_IDEMPOTENCY_KEY) ||
           refuse(request, PROBLEM_INVALID_PARAMETER,
                  "the header Idempotency-Key is taken with POST and DELETE of a membership alone: "
                  "send this request without it");
}

/* The last stage: lets nobody pass, since nothing comes after it. */
static bool pass_to_handler(struct request *request)
{
    route_endpoint(request->route, request->method).handle(request);
    return false;
}

enum stage {
    STAGE_HEAD,
    STAGE_FIND,
    STAGE_ADDRESS,
    STAGE_ROUTE,
    STAGE_WHO,
    STAGE_WHO_AT_LAST,
    STAGE_PARAMETERS,
    STAGE_BODY,
    STAGE_USER,
    STAGE_HANDLER,
    STAGE_COUNT
};

static const struct {
    bool (*pass)(struct request *request); /* false: the answer is made, or the handler at work */
    bool needs_whole;                      /* the body too */
    enum gate_verdict otherwise;           /* what becomes of a request that does not pass */
} stages[STAGE_COUNT] = {
    [STAGE_HEAD] = {pass_head, false, GATE_REFUSED},
    [STAGE_FIND] = {find_route, false, GATE_ANSWERED},
    [STAGE_ADDRESS] = {how_often_by_address, false, GATE_ANSWERED},
    [STAGE_ROUTE] = {pass_route, false, GATE_ANSWERED},
    [STAGE_WHO] = {pass_who, false, GATE_ANSWERED},
    [STAGE_WHO_AT_LAST] = {pass_who_at_last, true, GATE_ANSWERED},
    [STAGE_PARAMETERS] = {pass_parameters, true, GATE_ANSWERED},
    [STAGE_BODY] = {pass_body, true, GATE_ANSWERED},
    [STAGE_USER] = {pass_user, true, GATE_ANSWERED},
    [STAGE_HANDLER] = {pass_to_handler, true, GATE_ANSWERED},
};

/* Lets the request through the stages that need the body too, or through those that do not. */
static enum gate_verdict pass_stages(struct request *request, bool whole)
{
    for (size_t i = 0; i < STAGE_COUNT; i++) {
        if (stages[i].needs_whole == whole && !stages[i].pass(request)) {
            return stages[i].otherwise;
        }
    }
    return GATE_PASSED;
}

enum gate_verdict gate_take_head(struct request *request)
{
    parse_request_id(request);
    set_traceparent(request);
    return pass_stages(request, false);
}

enum gate_verdict gate_take_body(struct request *request, size_t size, const struct wire *fault)
{
    bool answered = request->answer.status != 0;
    if (fault == NULL && size <= REQUEST_BODY_SIZE_MAX_BYTES - request->body_size) {
        return answered ? GATE_ANSWERED : GATE_PASSED;
    }
    if (!answered && fault != NULL) {
        refuse_fault(request, fault);
    } else if (!answered) {
        answer_problem(request, PROBLEM_PAYLOAD_TOO_LARGE, NULL);
    }
    return GATE_REFUSED;
}

void gate_go_on(struct request *request)
{
    assert(request->principal == NULL && request->phase == REQUEST_WAITING);
    gate_take_whole(request);
    if (request->answer.status != 0 && request->phase == REQUEST_WAITING) {
        context_answered(request);
    }
}

void gate_take_whole(struct request *request)
{
    enum gate_verdict verdict = pass_stages(request, true);
    assert(verdict == GATE_ANSWERED); /* or waits for what its handler has begun */
    (void)verdict;
}
