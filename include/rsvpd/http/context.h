/* What a server gives to its requests: all that the gate and the handlers know of the world. */
#ifndef RSVPD_HTTP_CONTEXT_H
#define RSVPD_HTTP_CONTEXT_H

#include "rsvpd/base/cidr.h"
#include "rsvpd/base/metrics.h"
#include "rsvpd/base/origin_list.h"
#include "rsvpd/base/random.h"
#include "rsvpd/domain/access.h"
#include "rsvpd/domain/ports.h"
#include "rsvpd/http/route.h"

#include <stdatomic.h>

struct addresses;
struct authenticator;
struct rate_table;
struct service;
struct stream_limit;
struct tracer;

/* What the process as a whole knows, for the health routes. */
struct http_health {
    bool alive;     /* every loop turns */
    bool draining;  /* a shutdown has begun */
    bool standby;   /* another process does the work, and this one waits to take over */
    bool keys_here; /* those that tokens and API keys are checked with */
    struct dependency_state postgres, redis;
};

/* Says in a word whether the process can serve, as /readyz does. */
const char *http_health_word(const struct http_health *health, bool *ready);

/* What requests ask of the process around their server. */
struct http_process {
    void *process;
    void (*health)(void *process, struct http_health *health);
    /* Writes the metrics. */
    void (*metrics)(void *process, struct text *out);
    const _Atomic bool *draining;
};

struct http_limits {
    int64_t deadline_us; /* of a request, from its first line to its answer */
    int64_t drain_us;    /* over which streams end once the process is draining */
};

struct http_context {
    const struct route_table *routes;
    enum route_flags port;   /* ROUTE_PUBLIC or ROUTE_ADMIN: which of the routes are served */
    int64_t (*now_us)(void); /* the monotonic clock */
    struct service *service; /* NULL where the routes need none */
    struct metrics *metrics; /* of the thread */
    struct tracer *tracer;   /* NULL: nothing is traced */
    struct authenticator *authenticator; /* NULL: callers are trusted */
    struct access_policy access;
    struct stream_limit *streams; /* of the process; NULL where no route has any */
    struct addresses *addresses;  /* of the streams of this server */
    struct rate_table *rates;     /* of the process; NULL: there are no limits */
    struct http_process process;
    struct http_limits limits;
    const unsigned char *page_token_key; /* of MAC_KEY_SIZE_BYTES */
    struct random *random;
    const struct cidr_list *trusted_proxies; /* NULL: none */
    const struct origin_list *cors_origins;  /* NULL: no page of another origin is let in */

    /* Takes the answer of a request that had to wait. */
    void *server;
    void (*answered)(void *server, struct request *request);
    /* A stream that rests has something to send. */
    void (*woken)(void *server, struct request *request);
};

/* Whether anybody may read counts, so that a cache in front may hold them for all. */
bool context_counts_are_open(const struct http_context *context);

/* The answer of a request that had to wait is made: it goes back. */
void context_answered(struct request *request);

/* The stream that answers the request has something to send, or ends: its source is asked, unless
 * the client still has to take what was sent before. */
void context_wake(struct request *request);

#endif
