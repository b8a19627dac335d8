/* Spans as OTLP has them, in its JSON encoding (https://opentelemetry.io/docs/specs/otlp/, 1.x;
 * attributes by the semantic conventions 1.2x of HTTP and databases). */
#ifndef RSVPD_BASE_OTLP_H
#define RSVPD_BASE_OTLP_H

#include "rsvpd/base/text.h"
#include "rsvpd/base/tracer.h"

enum {
    OTLP_SPAN_SIZE_MAX_BYTES = 1536,          /* of what otlp_write writes for one */
    OTLP_RESOURCE_SIZE_MAX_BYTES = 64 * 1024, /* and of all the rest */
};

/* What all spans have in common: who sends them. */
struct otlp_resource {
    const char *service_name; /* at most TRACE_NAME_SIZE_MAX_BYTES;
                               * empty: that of the attributes, or rsvpd */
    const char *attributes;   /* a well-formed list of pairs, of at most
                               * TRACE_ATTRIBUTES_SIZE_MAX_BYTES; of a key the last one counts */
    const char *bind_address; /* where requests come in */
    int64_t port;
    int64_t wall_minus_mono_us; /* of the clocks now */
};

/* Writes an ExportTraceServiceRequest. False where it does not fit. */
MUST_CHECK bool otlp_write(const struct otlp_resource *resource, const struct span *spans,
                           size_t count, struct text *out);

#endif
