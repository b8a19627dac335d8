/* The spans of a worker, on their way to whoever sends them on. */
#include "rsvpd/base/tracer.h"

#include <assert.h>
#include <stdlib.h>

bool tracer_init(struct tracer *tracer, double share, uint64_t random_seed)
{
    *tracer = (struct tracer){.share = share, .random = {random_seed}};
    tracer->spans = calloc(TRACER_SPANS, sizeof *tracer->spans);
    return tracer->spans != NULL;
}

void tracer_free(struct tracer *tracer)
{
    free(tracer->spans);
    tracer->spans = NULL;
}

struct trace_ref tracer_begin(struct tracer *tracer, const struct trace_parent *parent)
{
    if (parent != NULL) {
        return parent->sampled ? trace_continue(&parent->ref, &tracer->random)
                               : (struct trace_ref){.span = 0};
    }
    return trace_chosen(tracer->share, &tracer->random) ? trace_begin(&tracer->random)
                                                        : (struct trace_ref){.span = 0};
}

void tracer_write(struct tracer *tracer, const struct span *span)
{
    assert(span->self.span != 0);
    size_t written = atomic_load_explicit(&tracer->written, memory_order_relaxed);
    size_t read = atomic_load_explicit(&tracer->read, memory_order_acquire);
    if (written - read == TRACER_SPANS) {
        metrics_add(tracer->metrics, METRIC_SPANS_DROPPED, 1);
        return;
    }
    tracer->spans[written % TRACER_SPANS] = *span;
    atomic_store_explicit(&tracer->written, written + 1, memory_order_release);
}

size_t tracer_read(struct tracer *tracer, struct span *out, size_t max)
{
    size_t read = atomic_load_explicit(&tracer->read, memory_order_relaxed);
    size_t size = atomic_load_explicit(&tracer->written, memory_order_acquire) - read;
    size = size < max ? size : max;
    for (size_t i = 0; i < size; i++) {
        out[i] = tracer->spans[(read + i) % TRACER_SPANS];
    }
    atomic_store_explicit(&tracer->read, read + size, memory_order_release);
    return size;
}
