/* Writes down what traced requests spend in a queue and in a batch. */
#include "rsvpd/service/batch_trace.h"

static const char *const errors[] = {
    [BATCH_DONE] = NULL,
    [BATCH_ROLLED_BACK] = "rolled_back",
    [BATCH_LOCKED] = "lock_timeout",
    [BATCH_MISROUTED] = "misrouted",
    [BATCH_REJECTED] = "rejected",
    [BATCH_UNMET] = "precondition_unmet",
    [BATCH_UNAVAILABLE] = "unavailable",
    [BATCH_DECLINED] = "replica_declined",
    [BATCH_LOST] = "connection_lost",
    [BATCH_UNSURE] = "worker_lost",
};

/* The table that an operation is about in the first place; empty where that is not one. */
static const char *table_of(const struct batch *batch)
{
    switch (batch->kind) {
    case OPERATION_ADD:
    case OPERATION_LOOKUP:
    case OPERATION_FIND:
    case OPERATION_LIST_USERS:
    case OPERATION_LIST_ENTITIES:
        return batch->relation->members_table;
    case OPERATION_COUNT:
        return batch->relation->counters_table;
    default:
        return "";
    }
}

/* `span` is of the batch, and becomes one of the operation's trace. */
static void note_operation(struct tracer *tracer, struct operation *operation, struct span span)
{
    int64_t since_us =
        operation->traced_until_us != 0 ? operation->traced_until_us : operation->submitted_us;
    int64_t end_us = span.end_us;
    const char *error = span.error;
    span.parent = operation->trace.span;

    span.kind = SPAN_QUEUE;
    span.self = trace_continue(&operation->trace, &tracer->random);
    span.end_us = span.start_us;
    span.start_us = since_us < span.end_us ? since_us : span.end_us;
    span.error = NULL;
    tracer_write(tracer, &span);

    span.kind = SPAN_SHARE;
    span.self = trace_continue(&operation->trace, &tracer->random);
    span.start_us = span.end_us;
    span.end_us = end_us;
    span.error = error;
    tracer_write(tracer, &span);
    operation->traced_until_us = end_us;
}

void batch_trace_note(struct tracer *tracer, struct batch *batch, const char *operation,
                      enum batch_outcome outcome, int64_t now_us)
{
    assert(operation != NULL && (size_t)outcome < sizeof errors / sizeof errors[0]);
    struct span span = {
        .kind = SPAN_BATCH,
        .start_us = batch->sent_at_us,
        .end_us = now_us,
        .error = errors[outcome],
        .db = {.operation = operation, .table = table_of(batch), .batch_size = batch->size}};
    for (size_t i = 0; i < batch->size; i++) {
        if (batch->operations[i]->trace.span == 0) {
            continue;
        }
        if (span.link.span == 0) {
            span.self = trace_begin(&tracer->random);
            tracer_write(tracer, &span);
            span.link = span.self;
        }
        note_operation(tracer, batch->operations[i], span);
    }
}
