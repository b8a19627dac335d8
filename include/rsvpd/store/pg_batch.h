/* A batch's way through one connection: which statements it takes, and what their answers mean for
 * its operations. Knows nothing of how the connection lives. */
#ifndef RSVPD_STORE_PG_BATCH_H
#define RSVPD_STORE_PG_BATCH_H

#include "rsvpd/base/clock.h"
#include "rsvpd/base/contract.h"
#include "rsvpd/domain/batcher.h"
#include "rsvpd/store/pg_codec.h"

enum { PG_BATCH_STATEMENTS_MAX = 16, PG_BATCH_ARRAYS = 8 };
static_assert((int)BATCH_STATEMENTS_MAX <= PG_BATCH_STATEMENTS_MAX,
              "a batch of listings, one statement each, fits an exchange");

/* Where parameters are put together; libpq copies them, so all connections of a thread share one.
 */
struct pg_parameters {
    struct pg_array arrays[PG_BATCH_ARRAYS];
};

struct pg_conn;   /* libpq's PGconn */
struct pg_result; /* and PGresult */
struct pg_batch;

/* Takes the rows of one statement in. False without memory for them. */
typedef bool pg_parse_fn(struct pg_batch *run, const struct pg_result *rows, struct instant now);

/* What goes out at a time, and ends with a sync. */
enum pg_batch_part {
    PG_PART_WHOLE,    /* all of a batch, committed by the sync */
    PG_PART_RECALL,   /* of a batch with idempotency keys: which have been answered before */
    PG_PART_WORK,     /* then what has not */
    PG_PART_REMEMBER, /* then its answers are kept, and all is committed */
    PG_PART_UNDO,     /* or all is undone */
    PG_PART_ASK,      /* after a batch that was misrouted */
};

enum pg_batch_progress {
    PG_BATCH_GOES_ON, /* another part has been queued */
    PG_BATCH_ENDED,   /* committed, or undone where a statement failed */
    PG_BATCH_BROKEN   /* the connection is */
};

/* One batch on one connection. */
struct pg_batch {
    struct pg_conn *connection; /* in pipeline mode */
    struct batch *batch;
    struct pg_parameters *parameters;
    struct instant sent;
    enum pg_batch_part part; /* that is under way */
    size_t queued, answered; /* its statements */
    pg_parse_fn *parsers[PG_BATCH_STATEMENTS_MAX];
    const char *columns[PG_BATCH_STATEMENTS_MAX]; /* of their rows, see pg_rows_fit */
    bool malformed;                               /* an answer was none to what was asked */
    struct operation *keyed[BATCH_SIZE_MAX]; /* that carry idempotency keys, sorted by user and key
                                              */
    size_t keyed_size;
};

/* Sorts the batch by entity and user and queues the first of its statements, or all;
 * `connection`, `batch` and `parameters` must be set. False where the connection is broken. */
MUST_CHECK bool pg_batch_begin(struct pg_batch *run, struct instant now);

/* The rows of the statement that is being answered. False without memory for them, or where they
 * are none that it can have: then the run is `malformed`. */
MUST_CHECK bool pg_batch_take(struct pg_batch *run, const struct pg_result *rows,
                              struct instant now);

/* All of a statement's answer has come. */
void pg_batch_answered(struct pg_batch *run);

/* The sync of a part has been answered; `failed` tells whether a statement was refused. */
enum pg_batch_progress pg_batch_synced(struct pg_batch *run, bool failed);

/* After a batch that was misrouted, and has ended: queues the question which of its operations go
 * which path. */
MUST_CHECK bool pg_batch_ask_paths(struct pg_batch *run, struct instant now);

#endif
