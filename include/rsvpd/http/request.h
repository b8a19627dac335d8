/* One HTTP request from its first line to its answer. Lives in memory of its own; everything it
 * refers to dies with it. */
#ifndef RSVPD_HTTP_REQUEST_H
#define RSVPD_HTTP_REQUEST_H

#include "rsvpd/base/arena.h"
#include "rsvpd/base/clock.h"
#include "rsvpd/base/contract.h"
#include "rsvpd/base/list.h"
#include "rsvpd/base/metrics.h"
#include "rsvpd/base/trace.h"
#include "rsvpd/domain/idempotency_key.h"
#include "rsvpd/domain/identifier.h"
#include "rsvpd/domain/problem.h"
#include "rsvpd/domain/rate_table.h"
#include "rsvpd/http/stream.h"

#include <stdalign.h>

struct connection;
struct http_context;
struct many;
struct principal;
struct route;
struct wire;

enum {
    REQUEST_ID_SIZE_MAX_BYTES = 64,
    REQUEST_BODY_SIZE_MAX_BYTES = 16 * 1024,
    REQUEST_ARENA_SIZE_BYTES = 2048,
    ANSWER_HEADERS_MAX = 16,
};

enum request_phase {
    REQUEST_ARRIVING, /* head or body not complete */
    REQUEST_DROPPING, /* answered at its head; what still comes of it is dropped */
    REQUEST_WAITING,  /* its operation is under way; the connection is suspended */
    REQUEST_ANSWERED, /* the answer is made */
    REQUEST_TAKEN, /* the answer is a stream, and the socket ours: the HTTP library lets go of it */
    REQUEST_REFUSED /* answered before it had arrived whole; the connection is about to end */
};

/* What is known of a request when its head is here, besides its fields. */
struct request_arrival {
    const struct wire *fault; /* NULL: nothing is wrong */
    bool over_limit;          /* it came on a connection that is one too many */
    bool ending;              /* it came after the service has stopped serving */
};

/* Which fields of the request an answer depends on. */
enum answer_varies {
    ANSWER_VARIES_BY_ENCODING = 1,
    ANSWER_VARIES_BY_ORIGIN = 2,
    ANSWER_VARIES_BY_REQUEST_METHOD = 4, /* whether a preflight asks */
};

/* Of the limits that a request was held to, the one that is nearest to its end. */
struct request_rate {
    bool applied; /* there was one */
    enum rate_kind kind;
    struct rate_verdict verdict;
    int32_t retry_after_s; /* seconds until all of them let another one pass, rounded up */
};

struct answer_header {
    const char *name, *value;
};

/* What goes back. Strings are constant or in the request's arena. */
struct answer {
    unsigned status; /* 0: none yet */
    const char *content_type;
    struct slice body;
    struct stream stream; /* instead of a body */
    struct answer_header headers[ANSWER_HEADERS_MAX];
    size_t header_count;
    bool compressible; /* for whom asks */
    unsigned varies;   /* enum answer_varies */
};

struct request {
    struct list_node link; /* in one of its server's lists (http/requests) */
    int64_t listed_us;     /* monotonic: since when */
    const struct http_context *context;
    void *connection;          /* the HTTP library's */
    struct connection *client; /* the server's own of it */
    enum request_phase phase;
    bool handled;   /* the library has handed over the head */
    bool suspended; /* the library was told to wait, and has not taken the answer yet */
    struct request_arrival arrival;
    bool headless; /* there was no memory for all of the head */
    struct instant started;
    int64_t answered_us; /* monotonic; 0 before */
    enum http_method method;
    bool of_http_1_0;          /* else of HTTP/1.1, or what is taken for it */
    const struct route *route; /* never NULL once routed */
    char id[REQUEST_ID_SIZE_MAX_BYTES + 1];
    struct slice traceparent; /* empty where none that is well-formed came */
    struct trace_ref trace;   /* its span; its `span` is 0 where it is not traced */
    uint64_t trace_parent;    /* the span of the caller; 0: none */

    const struct principal *principal; /* who sends it; NULL until that is known */
    bool keys_awaited;                 /* it has waited for newer keys to tell */

    struct request_rate rate;

    struct list header_fields; /* those that mean something here: http/header */

    struct slice path;        /* as it came, without the query */
    struct slice query;       /* what follows the question mark */
    struct slice captured;    /* what the path has for a {name} that is no identifier */
    const char *unidentified; /* the member of the path that is no identifier; NULL: none */
    struct identifier entity,
        user; /* from the path, and for writes from wherever the user is named */

    struct idempotency_key idempotency_key; /* a write: its Idempotency-Key; size 0: none */

    bool cacheable; /* a count: a cache in front may hold it for a second, which is part of its age
                     */

    struct many *many; /* operations that end one by one; the handler's */

    char *body;
    size_t body_size, body_capacity;
    struct answer answer;

    struct arena arena;
    alignas(max_align_t) char first_block[REQUEST_ARENA_SIZE_BYTES];
};

/* Takes path and query apart. False when memory is exhausted. */
MUST_CHECK bool request_set_uri(struct request *request, const char *uri);

/* A parameter of the query, still encoded. */
struct query_parameter {
    struct slice name, value;
};

/* Cuts the next parameter off `query`; false at its end. */
bool request_next_parameter(struct slice *query, struct query_parameter *parameter);

/* Adds arriving bytes to the body. False when memory is exhausted. */
MUST_CHECK bool request_append_body(struct request *request, const char *data, size_t size);

/* Space for text in the arena; capacity 0 when memory is exhausted. */
struct text request_text(struct request *request, size_t capacity);

#endif
