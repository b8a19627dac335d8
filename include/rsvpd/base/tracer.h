/* Spans: what a worker writes down of the requests that are traced, and how whoever sends them on
 * gets them.
 *
 * DESIGN: One thread writes a tracer's spans, another one reads them: a ring of a fixed size
 * between them needs no lock. A full ring drops the span and counts it, so that a collector that is
 * gone costs nothing but spans. A span holds numbers and constant strings; nothing is formatted
 * here. */
#ifndef RSVPD_BASE_TRACER_H
#define RSVPD_BASE_TRACER_H

#include "rsvpd/base/metrics.h"
#include "rsvpd/base/trace.h"

#include <stdatomic.h>

enum { TRACER_SPANS = 4096 }; /* of one worker that wait to be sent */

enum span_kind {
    SPAN_REQUEST, /* of a client, from its first line to its answer */
    SPAN_QUEUE,   /* an operation of it waits for a batch */
    SPAN_SHARE,   /* an operation of it is in a batch that is with PostgreSQL */
    SPAN_BATCH    /* the batch itself, which many requests may share: a trace of its own */
};

struct span {
    enum span_kind kind;
    struct trace_ref self;
    uint64_t parent;          /* 0: none */
    struct trace_ref link;    /* SPAN_SHARE: to the batch */
    int64_t start_us, end_us; /* monotonic */
    const char *error;        /* constant; what failed, NULL: nothing did */
    union {
        struct {
            enum http_method method;
            const char *route; /* constant; empty: none */
            unsigned status;
            const char *version; /* constant: 1.1 */
        } http;                  /* SPAN_REQUEST */
        struct {
            const char *operation; /* constant: write */
            const char *table;     /* constant: rsvps; empty: none in the first place */
            size_t batch_size;     /* operations in the batch */
        } db;                      /* the others */
    };
};

/* Of one worker. */
struct tracer {
    double share; /* of the requests whose callers say nothing */
    struct random random;
    struct metrics *metrics; /* of the worker */
    struct span *spans;      /* the ring */
    _Atomic size_t written;  /* spans ever; the writer's */
    _Atomic size_t read;     /* likewise; the reader's */
};

/* `metrics` is the writing thread's, and may be given later. False when memory is exhausted. */
MUST_CHECK bool tracer_init(struct tracer *tracer, double share, uint64_t random_seed);
void tracer_free(struct tracer *tracer);

/* The span of a request that begins; `parent` is what its caller says, NULL: nothing. Its `span` is
 * 0 where it is not to be traced. */
struct trace_ref tracer_begin(struct tracer *tracer, const struct trace_parent *parent);

/* Writes a span down, or drops it. */
void tracer_write(struct tracer *tracer, const struct span *span);

/* For the reader: copies up to `max` spans, the oldest first, and takes them out. */
size_t tracer_read(struct tracer *tracer, struct span *out, size_t max);

#endif
