/* Sends the spans of all workers to a collector, by OTLP over HTTP, from a thread of its own.
 *
 * DESIGN: Everything is bounded. A worker's ring holds what waits; the thread takes up to
 * TRACE_BATCH_SPANS of them once there are so many, or once a second. It sends them again a few
 * times where the collector says that it cannot take them now, and then counts them as failed.
 * Meanwhile the rings fill, and what does not fit is dropped and counted. */
#ifndef RSVPD_APP_TRACE_EXPORTER_H
#define RSVPD_APP_TRACE_EXPORTER_H

#include "rsvpd/base/config.h"
#include "rsvpd/base/contract.h"
#include "rsvpd/base/tracer.h"

enum { TRACE_BATCH_SPANS = 512 };

struct trace_exporter;

/* Whether the configuration names a collector. */
bool trace_exporter_wanted(const struct config *config);

/* With a tracer for each worker. NULL where resources are missing. `config` must outlive it. */
struct trace_exporter *trace_exporter_create(const struct config *config);

struct tracer *trace_exporter_tracer(struct trace_exporter *exporter, size_t worker);
const struct metrics *trace_exporter_metrics(const struct trace_exporter *exporter);

/* Starts the thread. False where there is none to be had. */
MUST_CHECK bool trace_exporter_start(struct trace_exporter *exporter);

/* Lets the thread send what is left, for a second at most, and ends it. No worker may run any more.
 * False where the thread is still at work, and the process has to end by _exit. */
MUST_CHECK bool trace_exporter_stop(struct trace_exporter *exporter);

/* Does nothing where there is none. */
void trace_exporter_destroy(struct trace_exporter **exporter);

#endif
