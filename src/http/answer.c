/* Makes answers: the JSON bodies of the contract, and problems. */
#include "rsvpd/http/answer.h"
#include "rsvpd/base/uri.h"
#include "rsvpd/http/context.h"
#include "rsvpd/http/entity_tag.h"
#include "rsvpd/http/header.h"
#include "rsvpd/http/route.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    /* Two identifiers, and what is said of them. */
    BODY_SIZE_BYTES = 2 * IDENTIFIER_SIZE_MAX_BYTES + 384,
    /* Beyond the path, which can grow sixfold when it is escaped, and the detail. */
    PROBLEM_SIZE_BYTES = 512,
    DETAIL_SIZE_BYTES = 512,
    LOCATION_SIZE_BYTES = 32, /* beyond its identifiers */
    ETAG_SIZE_BYTES = 64,
    RETRY_AFTER_S = 1, /* where nothing better is known */
    SECONDS_SIZE_BYTES = 21,
};

static const char json_type[] = "application/json";
static const char problem_type[] = "application/problem+json";

void answer_add_header(struct request *request, const char *name, const char *value)
{
    struct answer *answer = &request->answer;
    assert(answer->header_count < ANSWER_HEADERS_MAX);
    answer->headers[answer->header_count++] = (struct answer_header){name, value};
}

void answer_vary(struct request *request, unsigned varies)
{
    request->answer.varies |= varies;
}

void answer_with(struct request *request, unsigned status, const char *content_type,
                 struct slice body)
{
    assert(request->answer.status == 0);
    request->answer.status = status;
    request->answer.content_type = content_type;
    request->answer.body = body;
}

void answer_with_stream(struct request *request, unsigned status, const char *content_type,
                        const struct stream_source *source, void *state)
{
    answer_with(request, status, content_type, slice_of(""));
    request->answer.stream.source = source;
    request->answer.stream.state = state;
}

void answer_retry_after(struct request *request, int64_t seconds)
{
    struct text value = request_text(request, SECONDS_SIZE_BYTES);
    assert(seconds >= 0);
    text_add_int(&value, seconds);
    text_add(&value, slice_make("", 1)); /* the zero that ends it */
    if (!value.truncated) {
        answer_add_header(request, "Retry-After", value.data);
    }
}

void answer_allow_compression(struct request *request)
{
    request->answer.compressible = true;
    answer_vary(request, ANSWER_VARIES_BY_ENCODING);
}

bool answer_json(struct request *request, unsigned status, const struct json_writer *body)
{
    if (!json_writer_complete(body)) {
        answer_problem(request, PROBLEM_INTERNAL, NULL);
        return false;
    }
    answer_with(request, status, json_type, text_slice(body->out));
    return true;
}

void answer_problem(struct request *request, enum problem problem, const char *detail)
{
    const struct problem_type *type = &problem_types[problem];
    struct slice explanation = slice_of(detail != NULL ? detail : type->explanation);
    struct text body =
        request_text(request, PROBLEM_SIZE_BYTES + 6 * (request->path.size + explanation.size));
    struct json_writer json = json_writer_over(&body);
    char uri[64];
    snprintf(uri, sizeof uri, "/problems/%s", type->code);
    json_write_object_begin(&json, NULL);
    json_write_string(&json, "type", slice_of(uri));
    json_write_string(&json, "title", slice_of(type->title));
    json_write_int(&json, "status", type->status);
    json_write_string(&json, "detail", explanation);
    json_write_string(&json, "instance", request->path);
    json_write_string(&json, "code", slice_of(type->code));
    json_write_string(&json, "request_id", slice_of(request->id));
    json_write_bool(&json, "retryable", type->retryable);
    json_write_object_end(&json);
    answer_add_header(request, "Cache-Control", "no-store");
    if (!json_writer_complete(&json)) { /* no memory for it: then there is no more to say */
        answer_with(request, 500, problem_type, slice_of(""));
        return;
    }
    answer_with(request, type->status, problem_type, text_slice(&body));
    if (body.size > ANSWER_COMPRESSED_SIZE_MIN_BYTES) { /* by the path that it gives back */
        answer_allow_compression(request);
    }
    if (type->retry_after) {
        answer_retry_after(request, RETRY_AFTER_S);
    }
}

void answer_problem_format(struct request *request, enum problem problem, const char *format, ...)
{
    char *detail = arena_take(&request->arena, DETAIL_SIZE_BYTES);
    if (detail != NULL) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(detail, DETAIL_SIZE_BYTES, format, arguments);
        va_end(arguments);
    }
    answer_problem(request, problem, detail);
}

/* Entity, user, flag and status: what the answers about one user begin with. */
static void write_membership(struct json_writer *body, const struct operation *operation,
                             bool member, bool waiting)
{
    const struct relation *relation = operation->relation;
    json_write_string(body, relation->id_member, identifier_slice(&operation->entity));
    json_write_string(body, "user_id", identifier_slice(&operation->user));
    json_write_bool(body, relation->flag_member, member);
    if (relation->has_settings) {
        json_write_string(body, "status",
                          slice_of(member    ? "going"
                                   : waiting ? "waitlisted"
                                             : "none"));
    }
}

/* Where the membership is that was made. */
static void add_location(struct request *request, const struct operation *operation)
{
    struct slice entity = identifier_slice(&operation->entity);
    struct slice user = identifier_slice(&operation->user);
    struct text location =
        request_text(request, LOCATION_SIZE_BYTES + 3 * (entity.size + user.size));
    text_add_cstr(&location, "/v1/");
    text_add_cstr(&location, operation->relation->collection);
    text_add_cstr(&location, "/");
    uri_add_segment(&location, entity);
    text_add_cstr(&location, "/users/");
    uri_add_segment(&location, user);
    text_add(&location, slice_make("", 1)); /* the zero that ends it */
    if (!location.truncated) {
        answer_add_header(request, "Location", location.data);
    }
}

void answer_write(struct request *request, const struct operation *operation)
{
    struct text body = request_text(request, BODY_SIZE_BYTES);
    struct json_writer json = json_writer_over(&body);
    const struct operation_write *write = operation_write(operation);
    unsigned status = write->waiting                                       ? 202
                      : operation->kind == OPERATION_ADD && write->changed ? 201
                                                                           : 200;
    json_write_object_begin(&json, NULL);
    write_membership(&json, operation, write->member, write->waiting);
    if (write->waiting) {
        json_write_int(&json, "waitlist_position", write->position);
        if (!write->position_is_exact) {
            json_write_bool(&json, "waitlist_position_exact", false);
        }
    }
    json_write_bool(&json, "changed", write->changed);
    json_write_int(&json, operation->relation->count_member, operation->count.value);
    json_write_object_end(&json);
    if (!answer_json(request, status, &json)) {
        return;
    }
    answer_add_header(request, "Cache-Control", "no-store");
    if (status == 201) {
        add_location(request, operation);
    }
    if (write->replayed) {
        answer_add_header(request, "Idempotency-Replayed", "true");
    }
}

void answer_lookup(struct request *request, const struct operation *operation)
{
    struct text body = request_text(request, BODY_SIZE_BYTES);
    struct json_writer json = json_writer_over(&body);
    json_write_object_begin(&json, NULL);
    const struct operation_membership *found = operation_membership(operation);
    write_membership(&json, operation, found->member, found->waiting);
    json_write_object_end(&json);
    if (answer_json(request, 200, &json)) {
        answer_add_header(request, "Cache-Control", "private, no-cache");
    }
}

/* Whether If-None-Match names this tag, by weak comparison (RFC 9110 section 13.1.2). An asterisk
 * does not tell that the client knows of a stale answer. */
static bool client_has(struct request *request, struct slice opaque, bool stale)
{
    const struct header_field *field = NULL;
    struct slice list;
    while (header_next(request, HEADER_IF_NONE_MATCH, &field, &list)) {
        struct entity_tag tag;
        if (!stale && slice_equal(slice_trim(list), slice_of("*"))) {
            return true;
        }
        while (entity_tag_next(&list, &tag) == ENTITY_TAG) {
            if (slice_equal(tag.opaque, opaque)) {
                return true;
            }
        }
    }
    return false;
}

void answer_write_count(struct json_writer *body, const struct relation *relation,
                        const struct identifier *entity, const struct count *count)
{
    json_write_object_begin(body, NULL);
    json_write_string(body, relation->id_member, identifier_slice(entity));
    json_write_int(body, relation->count_member, count->value);
    json_write_time(body, "as_of", count->as_of_wall_us);
    json_write_bool(body, "stale", count->stale);
    json_write_object_end(body);
}

const char *answer_count_caching(const struct request *request)
{
    if (context_counts_are_open(request->context)) {
        return request->cacheable ? "public, max-age=1" : "no-cache";
    }
    return request->cacheable ? "private" : "private, no-cache";
}

void answer_count(struct request *request, const struct count *count)
{
    struct text etag = request_text(request, ETAG_SIZE_BYTES);
    struct text body = request_text(request, BODY_SIZE_BYTES);
    struct json_writer json = json_writer_over(&body);
    if (etag.capacity == 0) {
        answer_problem(request, PROBLEM_INTERNAL, NULL);
        return;
    }
    /* Of all that the body says: a cache that is told that nothing changed keeps the body, and
     * must not keep an old moment, or its being stale, with it. */
    text_add_cstr(&etag, "W/\"");
    text_add_int(&etag, count->value);
    text_add_cstr(&etag, "-");
    text_add_int(&etag, count->as_of_wall_us / 1000);
    text_add_cstr(&etag, count->stale ? "-stale" : "");
    struct slice opaque = slice_make(etag.data + strlen("W/\""), etag.size - strlen("W/\""));
    text_add(&etag, slice_make("\"", 2)); /* with the zero that ends it */
    answer_write_count(&json, request->route->relation, &request->entity, count);
    if (client_has(request, opaque, count->stale)) {
        /* Not sent: it gives Content-Length its value, which is that of a 200 or is not there (RFC
         * 9110 section 8.6). libmicrohttpd always adds one. */
        answer_with(request, 304, NULL, text_slice(&body));
    } else if (!answer_json(request, 200, &json)) {
        return;
    }
    answer_add_header(request, "ETag", etag.data);
    answer_add_header(request, "Cache-Control", answer_count_caching(request));
}
