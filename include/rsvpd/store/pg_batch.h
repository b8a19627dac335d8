/* A batch's way through one connection: which statements it takes, and what their answers mean for
 * its operations. Knows nothing of how the connection lives. */
#ifndef RSVPD_STORE_PG_BATCH_H
#define RSVPD_STORE_PG_BATCH_H

#include "rsvpd/base/clock.h"
#include "rsvpd/domain/batcher.h"
#include "rsvpd/store/pg_codec.h"

enum { PG_BATCH_STATEMENTS_MAX = 16, PG_BATCH_ARRAYS = 7 };

/* Where parameters are put together; libpq copies them, so all connections of a thread share one.
 */
struct pg_parameters {
    struct pg_array arrays[PG_BATCH_ARRAYS];
};

struct pg_conn;   /* libpq's PGconn */
struct pg_result; /* and PGresult */
struct pg_batch;

/* Takes the rows of one statement in. False without memory for them. */
typedef bool pg_take_fn(struct pg_batch *run, const struct pg_result *rows, struct instant now);

/* One batch on one connection. */
struct pg_batch {
    struct pg_conn *connection; /* in pipeline mode */
    struct batch *batch;
    struct pg_parameters *parameters;
    struct instant sent;
    unsigned part;           /* of the transaction: parts that have been queued */
    bool ended;              /* the last part has been queued, with the commit */
    size_t queued, answered; /* statements */
    pg_take_fn *takes[PG_BATCH_STATEMENTS_MAX];
    struct operation *keyed[BATCH_SIZE_MAX]; /* that carry idempotency keys, sorted by user and key
                                              */
    size_t keyed_size;
};

/* Queues the preparing of all statements of batches. False where the connection is broken. */
bool pg_batch_prepare(struct pg_conn *connection) __attribute__((warn_unused_result));

/* Sorts the batch by entity and user and queues the first of its statements, or all;
 * `connection`, `batch` and `parameters` must be set. False where the connection is broken. */
bool pg_batch_begin(struct pg_batch *run, struct instant now) __attribute__((warn_unused_result));

/* The rows of the statement that is being answered. False without memory for them. */
bool pg_batch_take(struct pg_batch *run, const struct pg_result *rows, struct instant now)
    __attribute__((warn_unused_result));

/* All of a statement's answer has come; `failed` tells whether one was refused. Queues what comes
 * next. False where the connection is broken. */
bool pg_batch_answered(struct pg_batch *run, bool failed) __attribute__((warn_unused_result));

/* After a batch that was misrouted, and has ended: queues the question which of its operations go
 * which path. */
bool pg_batch_ask_paths(struct pg_batch *run, struct instant now)
    __attribute__((warn_unused_result));

#endif
