/* The exchange of one batch over one connection: which statements are sent, in which parts, and
 * what their answers mean for the operations. It knows nothing of the connection's states. */
#ifndef RSVPD_STORE_PG_EXCHANGE_H
#define RSVPD_STORE_PG_EXCHANGE_H

#include "rsvpd/base/clock.h"
#include "rsvpd/base/contract.h"
#include "rsvpd/domain/batcher.h"
#include "rsvpd/store/pg_codec.h"

enum { PG_EXCHANGE_STATEMENTS_MAX = 16, PG_PARAMETER_ARRAYS = 8 };
static_assert((int)BATCH_STATEMENTS_MAX <= PG_EXCHANGE_STATEMENTS_MAX,
              "a batch of listings, one statement each, fits an exchange");

/* Where parameters are built. libpq copies them, so all connections of a thread share one. */
struct pg_parameters {
    struct pg_array arrays[PG_PARAMETER_ARRAYS];
};

struct pg_conn;   /* libpq's PGconn */
struct pg_result; /* and PGresult */
struct pg_exchange;

/* Parses the rows of one statement into the operations. False when memory is exhausted. */
typedef bool pg_parse_fn(struct pg_exchange *exchange, const struct pg_result *rows,
                         struct instant now);

/* What is sent at once, and ends with a sync. */
enum pg_exchange_part {
    PG_PART_WHOLE,        /* the whole batch; its sync commits it */
    PG_PART_LOOK_UP_KEYS, /* of a batch with idempotency keys: which have stored answers? */
    PG_PART_WORK,         /* then the writes that have none */
    PG_PART_STORE_KEYS,   /* then their answers are stored, and all is committed */
    PG_PART_ROLL_BACK,    /* or all is rolled back */
    PG_PART_ASK_PATHS,    /* after a misrouted batch: which paths do its operations take? */
};

enum pg_exchange_progress {
    PG_EXCHANGE_GOES_ON, /* another part has been queued */
    PG_EXCHANGE_ENDED,   /* committed, or rolled back where a statement failed */
    PG_EXCHANGE_BROKEN   /* the connection is broken */
};

/* One batch on one connection. */
struct pg_exchange {
    struct pg_conn *connection; /* in pipeline mode */
    struct batch *batch;
    struct pg_parameters *parameters;
    struct instant sent;
    enum pg_exchange_part part; /* that is under way */
    size_t queued, answered;    /* its statements */
    pg_parse_fn *parsers[PG_EXCHANGE_STATEMENTS_MAX];
    const char *columns[PG_EXCHANGE_STATEMENTS_MAX]; /* of their rows, see pg_rows_fit */
    bool malformed;                                  /* an answer did not fit its statement */
    struct operation *keyed[BATCH_SIZE_MAX]; /* that carry idempotency keys, sorted by user and key
                                              */
    size_t keyed_size;
};

/* Sorts the batch by entity and user and queues the first of its statements, or all;
 * `connection`, `batch` and `parameters` must be set. False where the connection is broken. */
MUST_CHECK bool pg_exchange_begin(struct pg_exchange *exchange, struct instant now);

/* Parses the rows of the statement that is being answered. False when memory is exhausted, or where
 * the rows do not fit the statement: then the exchange is `malformed`. */
MUST_CHECK bool pg_exchange_parse(struct pg_exchange *exchange, const struct pg_result *rows,
                                  struct instant now);

/* A statement has been answered completely. */
void pg_exchange_statement_answered(struct pg_exchange *exchange);

/* The sync of a part has been answered; `failed` tells whether a statement was refused. */
enum pg_exchange_progress pg_exchange_synced(struct pg_exchange *exchange, bool failed);

/* After the exchange of a misrouted batch has ended: queues the question which path each of its
 * operations takes. */
MUST_CHECK bool pg_exchange_ask_paths(struct pg_exchange *exchange, struct instant now);

#endif
