/* Writes down what traced requests spend in a queue and in a batch. */
#ifndef RSVPD_SERVICE_BATCH_TRACE_H
#define RSVPD_SERVICE_BATCH_TRACE_H

#include "rsvpd/base/tracer.h"
#include "rsvpd/domain/ports.h"

/* A batch has ended, and still holds its operations. Where any of them is traced, the batch has a
 * span too, which theirs link to. `operation` is what its queue is called, constant. */
void batch_trace_note(struct tracer *tracer, struct batch *batch, const char *operation,
                      enum batch_outcome outcome, int64_t now_us);

#endif
