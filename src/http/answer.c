/* Makes answers: the JSON bodies of the contract, and problems. */
#include "rsvpd/http/answer.h"
#include "rsvpd/base/text.h"
#include "rsvpd/base/uri.h"
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
    SHOWN_ENTITY_TAGS_MAX = 16,
};

static const char json_type[] = "application/json";
static const char problem_type[] = "application/problem+json";
static const char retry_after_s[] = "1";

void answer_add_header(struct request *request, const char *name, const char *value)
{
    struct answer *answer = &request->answer;
    assert(answer->header_count < ANSWER_HEADERS_MAX);
    answer->headers[answer->header_count++] = (struct answer_header){name, value};
}

void answer_with(struct request *request, unsigned status, const char *content_type,
                 struct slice body)
{
    assert(request->answer.status == 0);
    request->answer.status = status;
    request->answer.content_type = content_type;
    request->answer.body = body;
}

void answer_allow_compression(struct request *request)
{
    request->answer.compressible = true;
    answer_add_header(request, "Vary", "Accept-Encoding");
}

static void add_string_member(struct text *text, const char *name, struct slice value)
{
    text_add_cstr(text, "\"");
    text_add_cstr(text, name);
    text_add_cstr(text, "\":");
    text_add_json_string(text, value);
}

static void add_bool_member(struct text *text, const char *name, bool value)
{
    text_add_cstr(text, ",\"");
    text_add_cstr(text, name);
    text_add_cstr(text, value ? "\":true" : "\":false");
}

static void add_int_member(struct text *text, const char *name, int64_t value)
{
    text_add_cstr(text, ",\"");
    text_add_cstr(text, name);
    text_add_cstr(text, "\":");
    text_add_int(text, value);
}

/* False where there was no memory for the body: then the request has failed as an internal error
 * without one, and nothing more is to be said. */
static bool answer_json(struct request *request, unsigned status, const char *content_type,
                        const struct text *body)
{
    if (body->truncated) {
        answer_with(request, 500, problem_type, slice_of(""));
        answer_add_header(request, "Cache-Control", "no-store");
        return false;
    }
    answer_with(request, status, content_type, text_slice(body));
    return true;
}

void answer_problem(struct request *request, enum problem problem, const char *detail)
{
    const struct problem_type *type = &problem_types[problem];
    struct slice explanation = slice_of(detail != NULL ? detail : type->explanation);
    struct text body =
        request_text(request, PROBLEM_SIZE_BYTES + 6 * (request->path.size + explanation.size));
    char uri[64];
    snprintf(uri, sizeof uri, "/problems/%s", type->code);
    text_add_cstr(&body, "{");
    add_string_member(&body, "type", slice_of(uri));
    text_add_cstr(&body, ",");
    add_string_member(&body, "title", slice_of(type->title));
    add_int_member(&body, "status", type->status);
    text_add_cstr(&body, ",");
    add_string_member(&body, "detail", explanation);
    text_add_cstr(&body, ",");
    add_string_member(&body, "instance", request->path);
    text_add_cstr(&body, ",");
    add_string_member(&body, "code", slice_of(type->code));
    text_add_cstr(&body, ",");
    add_string_member(&body, "request_id", slice_of(request->id));
    add_bool_member(&body, "retryable", type->retryable);
    text_add_cstr(&body, "}");
    if (!answer_json(request, type->status, problem_type, &body)) {
        return;
    }
    answer_add_header(request, "Cache-Control", "no-store");
    if (type->retry_after) {
        answer_add_header(request, "Retry-After", retry_after_s);
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
static void add_membership(struct text *body, const struct operation *operation)
{
    const struct relation *relation = operation->relation;
    text_add_cstr(body, "{");
    add_string_member(body, relation->id_member, identifier_slice(&operation->entity));
    text_add_cstr(body, ",");
    add_string_member(body, "user_id", identifier_slice(&operation->user));
    add_bool_member(body, relation->flag_member, operation->member);
    if (relation->has_settings) {
        text_add_cstr(body, ",");
        add_string_member(body, "status",
                          slice_of(operation->member    ? "going"
                                   : operation->waiting ? "waitlisted"
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
    text_add_format(&location, "/v1/%s/", operation->relation->collection);
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
    unsigned status = operation->waiting                                       ? 202
                      : operation->kind == OPERATION_ADD && operation->changed ? 201
                                                                               : 200;
    add_membership(&body, operation);
    if (operation->waiting) {
        add_int_member(&body, "waitlist_position", operation->position);
        if (!operation->position_is_exact) {
            add_bool_member(&body, "waitlist_position_exact", false);
        }
    }
    add_bool_member(&body, "changed", operation->changed);
    add_int_member(&body, operation->relation->count_member, operation->count.value);
    text_add_cstr(&body, "}");
    if (!answer_json(request, status, json_type, &body)) {
        return;
    }
    answer_add_header(request, "Cache-Control", "no-store");
    if (status == 201) {
        add_location(request, operation);
    }
    if (operation->replayed) {
        answer_add_header(request, "Idempotency-Replayed", "true");
    }
}

void answer_lookup(struct request *request, const struct operation *operation)
{
    struct text body = request_text(request, BODY_SIZE_BYTES);
    add_membership(&body, operation);
    text_add_cstr(&body, "}");
    if (answer_json(request, 200, json_type, &body)) {
        answer_add_header(request, "Cache-Control", "private, no-cache");
    }
}

/* Whether If-None-Match names this tag, by weak comparison (RFC 9110 section 13.1.2). An asterisk
 * does not tell that the client knows of a stale answer. */
static bool client_has(struct request *request, struct slice opaque, bool stale)
{
    struct slice fields[SHOWN_ENTITY_TAGS_MAX];
    size_t size = header_values(request, HEADER_IF_NONE_MATCH, fields, SHOWN_ENTITY_TAGS_MAX);
    for (size_t i = 0; i < size; i++) {
        struct slice list = fields[i];
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

void answer_add_count(struct text *body, const struct relation *relation,
                      const struct identifier *entity, const struct count *count)
{
    text_add_cstr(body, "{");
    add_string_member(body, relation->id_member, identifier_slice(entity));
    add_int_member(body, relation->count_member, count->value);
    text_add_cstr(body, ",\"as_of\":\"");
    text_add_time(body, count->as_of_wall_us / 1000);
    text_add_cstr(body, "\"");
    add_bool_member(body, "stale", count->stale);
    text_add_cstr(body, "}");
}

const char *answer_count_caching(const struct request *request)
{
    return request->cacheable ? "public, max-age=1" : "no-cache";
}

void answer_count(struct request *request, const struct count *count)
{
    struct text etag = request_text(request, ETAG_SIZE_BYTES);
    struct text body = request_text(request, BODY_SIZE_BYTES);
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
    answer_add_count(&body, request->route->relation, &request->entity, count);
    if (client_has(request, opaque, count->stale)) {
        /* Not sent: it gives Content-Length its value, which is that of a 200 or is not there (RFC
         * 9110 section 8.6). libmicrohttpd always adds one. */
        answer_with(request, 304, NULL, text_slice(&body));
    } else if (!answer_json(request, 200, json_type, &body)) {
        return;
    }
    answer_add_header(request, "ETag", etag.data);
    answer_add_header(request, "Cache-Control", answer_count_caching(request));
}
