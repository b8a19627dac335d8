/* Queues the statements of a batch, and reads the values in their rows, which are in PostgreSQL's
 * binary formats. All functions that queue statements return false if the connection is broken. */
#ifndef RSVPD_STORE_PG_STATEMENT_H
#define RSVPD_STORE_PG_STATEMENT_H

#include "rsvpd/base/clock.h"
#include "rsvpd/base/contract.h"
#include "rsvpd/domain/batcher.h"
#include "rsvpd/store/pg_codec.h"

enum { PG_EXCHANGE_STATEMENTS_MAX = 1024, PG_PARAMETER_ARRAYS = 8, PG_REASON_SIZE_BYTES = 96 };
static_assert(BATCH_STATEMENTS_MAX + 1 <= (int)PG_EXCHANGE_STATEMENTS_MAX &&
                  PLACEMENTS_MAX * 7 + 1 <= (int)PG_EXCHANGE_STATEMENTS_MAX,
              "a batch of listings, one statement each, fits an exchange behind a barrier; and so "
              "do writes of all shards, of up to seven statements each");

struct pg_shard_call;

/* Where parameters are built. libpq copies them, so all connections of a thread share one. */
struct pg_parameters {
    struct pg_array arrays[PG_PARAMETER_ARRAYS];
    struct pg_shard_call *call; /* where tables are in shards */
    struct batch run;           /* likewise: the operations of one shard */
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

/* One batch on one connection. */
struct pg_exchange {
    struct pg_conn *connection; /* in pipeline mode */
    struct batch *batch;
    struct pg_parameters *parameters;
    const struct pg_barrier *barrier; /* the server is a replica, which must be past it; NULL: it is
                                         the primary */
    bool declined;                    /* the replica is not: what it read is not looked at */
    char reason[PG_REASON_SIZE_BYTES]; /* why not */
    struct instant sent;
    bool sharded;        /* the session is one of a coordinator, whose tables are in shards */
    int64_t deadline_us; /* of a request, see pg_link_setup */
    bool calls;          /* the statements of the part are one call, at one server */
    size_t run_statements[PLACEMENTS_MAX]; /* of a call: how many each of its shards has */
    enum pg_exchange_part part;            /* that is under way */
    size_t queued, answered;               /* its statements */
    pg_parse_fn *parsers[PG_EXCHANGE_STATEMENTS_MAX];
    const char *columns[PG_EXCHANGE_STATEMENTS_MAX]; /* of their rows, see pg_rows_fit */
    bool malformed;                                  /* an answer did not fit its statement */
    struct operation *keyed[BATCH_SIZE_MAX]; /* that carry idempotency keys, sorted by user and key
                                              */
    size_t keyed_size;
};

/* Prepares all statements of batches, and the call of those at a shard where tables are in shards.
 */
MUST_CHECK bool pg_statement_prepare_all(struct pg_conn *connection, bool sharded);

/* Queues a file of sql/queries/, and the function that parses its rows. */
MUST_CHECK bool pg_statement_queue(struct pg_exchange *exchange, const char *statement,
                                   pg_parse_fn *parse, const struct pg_parameter *parameters,
                                   int parameter_count);

/* The same, with the first `count` arrays of the exchange as parameters. */
MUST_CHECK bool pg_statement_queue_arrays(struct pg_exchange *exchange, const char *statement,
                                          pg_parse_fn *parse, int count);

/* The same, with one parameter: the entities of the operations that act, each once. */
MUST_CHECK bool pg_statement_queue_entities(struct pg_exchange *exchange, const char *statement,
                                            pg_parse_fn *parse);

/* Queues a file of sql/session/, which has no parameters and no rows. */
MUST_CHECK bool pg_statement_queue_control(struct pg_exchange *exchange, const char *file);

/* Makes the first `count` arrays empty arrays of text. */
void pg_statement_clear_texts(struct pg_exchange *exchange, size_t count);

/* Puts the entities of the operations that act, each once, into the first array. */
void pg_statement_put_entities(struct pg_exchange *exchange);

typedef bool pg_wanted_fn(const struct operation *operation);

/* Puts entities and users of the operations that are wanted and act into the two arrays from
 * `first` on; returns how many. */
size_t pg_statement_put_pairs(struct pg_exchange *exchange, pg_wanted_fn *wanted, size_t first);

/* Whether rows have the columns that were asked for, of these types (pg_statement.c), in binary,
 * and each value has the length of its type. The functions below do not check lengths again. */
MUST_CHECK bool pg_rows_fit(const struct pg_result *rows, const char *columns);

/* In a batch of a statement for each operation: the operation whose statement is answered. */
struct operation *pg_row_operation_answered(const struct pg_exchange *exchange);

/* For statements whose rows are not needed. */
bool pg_row_parse_nothing(struct pg_exchange *exchange, const struct pg_result *rows,
                          struct instant now);

int64_t pg_row_number(const struct pg_result *rows, int row, int column);
struct slice pg_row_text(const struct pg_result *rows, int row, int column);

/* An identifier that was sent, or that only we can have stored. */
struct identifier pg_row_identifier(const struct pg_result *rows, int row, int column);

/* An identifier that somebody else may have stored. False, with a log event, if it is invalid. */
MUST_CHECK bool pg_row_parse_identifier(const struct pg_exchange *exchange,
                                        const struct pg_result *rows, int row, int column,
                                        struct identifier *out);

/* The index of the first operation of the sorted batch that is not below the entity and the user,
 * or not below the entity if `user` is NULL; the size of the batch if there is none. */
size_t pg_row_lower_bound(const struct batch *batch, const struct identifier *entity,
                          const struct identifier *user);

/* The operation that a row is about. `_of`: by the first two columns, entity and user. `_at`: by
 * the first column, its position in the batch, counted from 1.
 *
 * Most rows come in the order of the batch: `next` is the index at which the row's operation is
 * expected, 0 for the first row, and is set to the one behind it. */
struct operation *pg_row_operation_of(const struct pg_exchange *exchange,
                                      const struct pg_result *rows, int row, size_t *next);
struct operation *pg_row_operation_at(const struct pg_exchange *exchange,
                                      const struct pg_result *rows, int row);

/* Sets the moment at which Postgres read, on our clocks. The server's clock says when within the
 * exchange that was; a clock that is wrong cannot put it outside of the exchange. */
void pg_row_set_as_of(const struct pg_exchange *exchange, struct count *count,
                      int64_t server_wall_us, struct instant now);

#endif
