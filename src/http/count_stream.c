/* Streams of counts. */
#include "rsvpd/http/count_stream.h"
#include "rsvpd/http/addresses.h"
#include "rsvpd/http/answer.h"
#include "rsvpd/http/connection.h"
#include "rsvpd/http/context.h"
#include "rsvpd/http/handlers.h"
#include "rsvpd/http/header.h"
#include "rsvpd/http/query.h"
#include "rsvpd/http/route.h"
#include "rsvpd/service/service.h"

#include <stdlib.h>

enum {
    EVENT_SIZE_BYTES = IDENTIFIER_SIZE_MAX_BYTES + 256,
    RETRY_MIN_MS = 1000,
    RETRY_MAX_MS = 3000,
    RETRY_SIZE_BYTES = 16,
    /* The part of the time between comments after which the first one comes at the soonest. */
    COMMENT_SOONEST_PART = 2,
};

/* One stream, in its request's arena. */
struct count_stream {
    struct request *request;
    struct ip_address address; /* its client's, who is gone before it */
    struct slice rest;         /* of what is being sent */
    struct hub_text *text;     /* that it lies in; NULL: none */
    bool alone;                /* of one entity, whose events have ids */
    struct hub_stream hub;     /* at the end: its links follow */
};

static struct hub *hub_of(const struct request *request)
{
    return service_hub(request->context->service);
}

/* ---- the format ---- */

struct hub_text *count_stream_write(const struct relation *relation,
                                    const struct identifier *entity, const struct count *count)
{
    struct hub_text *text = malloc(sizeof *text + EVENT_SIZE_BYTES);
    if (text == NULL) {
        return NULL;
    }
    struct text out = text_over(text->data, EVENT_SIZE_BYTES);
    struct json_writer json = json_writer_over(&out);
    text_add_cstr(&out, "id: ");
    text_add_int(&out, count->version);
    text_add_cstr(&out, "\n");
    text->id_size = out.size;
    text_add_cstr(&out, "event: ");
    text_add_cstr(&out, relation->count_member);
    text_add_cstr(&out, "\ndata: ");
    answer_write_count(&json, relation, entity, count);
    text_add_cstr(&out, "\n\n");
    assert(!out.truncated);
    text->size = out.size;
    text->references = 1;
    return text;
}

/* ---- what is sent ---- */

static bool next_message(struct count_stream *stream)
{
    int64_t now_us = stream->request->context->now_us();
    hub_text_release(&stream->text);
    switch (hub_next(hub_of(stream->request), &stream->hub, now_us, &stream->text)) {
    case HUB_EVENT:
        stream->rest = slice_make(stream->text->data, stream->text->size);
        if (!stream->alone) {
            stream->rest = slice_skip(stream->rest, stream->text->id_size);
        }
        return true;
    case HUB_COMMENT:
        stream->rest = slice_of(":\n\n");
        return true;
    case HUB_NOTHING:
        break;
    }
    return false;
}

static ssize_t read_stream(void *state, char *out, size_t capacity)
{
    struct count_stream *stream = state;
    size_t size = 0;
    while (size < capacity && (stream->rest.size > 0 || next_message(stream))) {
        size_t room = capacity - size;
        size_t part = stream->rest.size < room ? stream->rest.size : room;
        memcpy(out + size, stream->rest.data, part);
        stream->rest = slice_skip(stream->rest, part);
        size += part;
    }
    return (ssize_t)size;
}

static void close_stream(void *state)
{
    struct count_stream *stream = state;
    struct stream_limit *limit = stream->request->context->streams;
    hub_text_release(&stream->text);
    hub_close(hub_of(stream->request), &stream->hub);
    addresses_leave(stream->request->context->addresses, &stream->address);
    atomic_fetch_sub_explicit(&limit->open, 1, memory_order_relaxed);
}

static const struct stream_source source = {.read = read_stream, .close = close_stream};

/* ---- opening ---- */

static void wake(void *request)
{
    context_wake(request);
}

/* So that not all come back at once who were sent away at once. */
static void write_retry(struct count_stream *stream, char *out)
{
    struct text text = text_over(out, RETRY_SIZE_BYTES);
    uint64_t random = random_next(stream->request->context->random);
    text_add_cstr(&text, "retry: ");
    text_add_uint(&text, RETRY_MIN_MS + random % (RETRY_MAX_MS - RETRY_MIN_MS + 1));
    text_add_cstr(&text, "\n\n");
    assert(!text.truncated);
    stream->rest = text_slice(&text);
}

/* The version that the client has, as it was told in an `id`. */
static int64_t last_version(const struct request *request)
{
    int64_t version;
    return slice_number(header_value(request, HEADER_LAST_EVENT_ID), 18, &version)
               ? version
               : HUB_VERSION_UNKNOWN;
}

static bool open_stream(struct count_stream *stream, const struct identifier *entities, size_t size)
{
    struct request *request = stream->request;
    int64_t soonest_us = HUB_COMMENT_US / COMMENT_SOONEST_PART;
    int64_t comment_in_us = soonest_us + (int64_t)(random_next(request->context->random) %
                                                   (uint64_t)(HUB_COMMENT_US - soonest_us));
    stream->hub.wake = wake;
    stream->hub.owner = request;
    stream->hub.known_version = stream->alone ? last_version(request) : HUB_VERSION_UNKNOWN;
    return hub_open(hub_of(request), &stream->hub, request->route->relation, entities, size,
                    comment_in_us, request->context->now_us());
}

/* False with the stream not open, and a problem answered. */
static bool begin_stream(struct request *request, const struct identifier *entities, size_t size,
                         bool alone)
{
    struct count_stream *stream = arena_take(
        &request->arena, sizeof *stream + size * sizeof stream->hub.links[0] + RETRY_SIZE_BYTES);
    if (stream == NULL) {
        answer_problem(request, PROBLEM_INTERNAL, NULL);
        return false;
    }
    *stream = (struct count_stream){
        .request = request, .address = request->client->address, .alone = alone};
    write_retry(stream, (char *)&stream->hub.links[size]);
    if (!addresses_enter(request->context->addresses, &stream->address)) {
        answer_problem(request, PROBLEM_OVERLOADED,
                       "Your address has as many streams open as one may have. Nothing was done; "
                       "close one, and try again after the time in Retry-After.");
        return false;
    }
    if (!open_stream(stream, entities, size)) {
        addresses_leave(request->context->addresses, &stream->address);
        answer_problem(request, PROBLEM_OVERLOADED,
                       "The service watches as many counts as it can. Nothing was done; try again "
                       "after the time in Retry-After.");
        return false;
    }
    answer_with_stream(request, 200, "text/event-stream", &source, stream);
    answer_add_header(request, "Cache-Control", "no-store");
    answer_add_header(request, "X-Accel-Buffering", "no"); /* nginx would hold events back */
    return true;
}

static void stream_counts(struct request *request, const struct identifier *entities, size_t size,
                          bool alone)
{
    struct stream_limit *limit = request->context->streams;
    bool fits = atomic_fetch_add_explicit(&limit->open, 1, memory_order_relaxed) < limit->max;
    if (!fits) {
        answer_problem(request, PROBLEM_OVERLOADED,
                       "The service has as many streams open as it can hold. Nothing was done; try "
                       "again after the time in Retry-After.");
    }
    if (!fits || !begin_stream(request, entities, size, alone)) {
        atomic_fetch_sub_explicit(&limit->open, 1, memory_order_relaxed);
        metrics_add(request->context->metrics, METRIC_STREAMS_REFUSED, 1);
    }
}

void handle_count_stream(struct request *request)
{
    stream_counts(request, &request->entity, 1, true);
}

void handle_counts_stream(struct request *request)
{
    struct identifier *ids;
    size_t size;
    if (query_some_identifiers(request, request->route->relation->id_member, HANDLE_MANY_MAX, &ids,
                               &size)) {
        stream_counts(request, ids, size, false);
    }
}
