/* Which requests are traced, and the ids of traces and spans (W3C Trace Context, level 1:
 * https://www.w3.org/TR/trace-context/). */
#ifndef RSVPD_BASE_TRACE_H
#define RSVPD_BASE_TRACE_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/random.h"
#include "rsvpd/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    TRACEPARENT_SIZE_BYTES = 55,
    TRACE_ID_DIGITS = 32, /* in hexadecimal */
    SPAN_ID_DIGITS = 16,
    /* Of what a process says of itself in its traces. */
    TRACE_NAME_SIZE_MAX_BYTES = 256,
    TRACE_ATTRIBUTES_SIZE_MAX_BYTES = 4096,
};

/* A span in its trace. */
struct trace_ref {
    uint64_t trace_high, trace_low; /* the halves of the trace's id; not both 0 */
    uint64_t span;                  /* 0: there is none */
};

/* What a traceparent says. */
struct trace_parent {
    struct trace_ref ref;
    bool sampled; /* the caller records its span */
};

/* Reads a traceparent without blanks around it. False where it is none, or of a version that is
 * none; of a later version what version 00 knows is read. */
MUST_CHECK bool trace_parent_parse(struct slice value, struct trace_parent *parent);

/* Write ids in lower-case hexadecimal. */
void trace_write_trace_id(const struct trace_ref *ref, char out[TRACE_ID_DIGITS]);
void trace_write_span_id(uint64_t span, char out[SPAN_ID_DIGITS]);

/* A span of a trace of its own. */
struct trace_ref trace_begin(struct random *random);
/* A further span of the same trace. */
struct trace_ref trace_continue(const struct trace_ref *of, struct random *random);

/* How a share is written, for whoever got it wrong. */
#define TRACE_SHARE_RULE "a share from 0 to 1, such as 0.01"

/* Reads a share, a decimal number from 0 to 1 without sign or exponent. */
MUST_CHECK bool trace_share_parse(struct slice text, double *share);

/* Whether one of these is to be traced: a share of them all, by chance. */
MUST_CHECK bool trace_chosen(double share, struct random *random);

#endif
