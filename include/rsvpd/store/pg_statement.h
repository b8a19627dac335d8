/* Statements of a batch on their way out, and the values in their rows, which come in PostgreSQL's
 * binary formats. Whatever queues answers false where the connection is broken. */
#ifndef RSVPD_STORE_PG_STATEMENT_H
#define RSVPD_STORE_PG_STATEMENT_H

#include "rsvpd/base/contract.h"
#include "rsvpd/store/pg_exchange.h"

/* Queues the preparing of all statements of batches. */
MUST_CHECK bool pg_statement_prepare_all(struct pg_conn *connection);

/* A parameter in its binary format; NULL where `data` is. */
struct pg_parameter {
    const char *data;
    size_t size_bytes;
};

struct pg_parameter pg_parameter_text(const struct identifier *id);

/* Queues a file of sql/queries/, and what its answer will be taken in by. */
MUST_CHECK bool pg_statement_queue(struct pg_exchange *exchange, const char *statement,
                                   pg_parse_fn *parse, const struct pg_parameter *parameters,
                                   int parameter_count);

/* One whose parameters are the first `count` of the exchange's arrays. */
MUST_CHECK bool pg_statement_queue_arrays(struct pg_exchange *exchange, const char *statement,
                                          pg_parse_fn *parse, int count);

/* One whose parameter are the entities of the operations that act, each once. */
MUST_CHECK bool pg_statement_queue_entities(struct pg_exchange *exchange, const char *statement,
                                            pg_parse_fn *parse);

/* One of sql/session/, without parameters or rows. */
MUST_CHECK bool pg_statement_queue_control(struct pg_exchange *exchange, const char *file);

/* Makes the first `count` arrays empty ones of text. */
void pg_statement_clear_texts(struct pg_exchange *exchange, size_t count);

/* Puts the entities of the operations that act, each once, into the first array. */
void pg_statement_put_entities(struct pg_exchange *exchange);

typedef bool pg_wanted_fn(const struct operation *operation);

/* Puts entities and users of the operations that are wanted and act into the two arrays from
 * `first` on; answers how many. */
size_t pg_statement_put_pairs(struct pg_exchange *exchange, pg_wanted_fn *wanted, size_t first);

/* Whether rows hold what was asked for: as many columns, of these types (pg_statement.c), in
 * binary, each value as long as its type has it. Nothing below looks at a length again. */
MUST_CHECK bool pg_rows_fit(const struct pg_result *rows, const char *columns);

/* For statements whose rows, if there are any, say nothing. */
bool pg_row_parse_nothing(struct pg_exchange *exchange, const struct pg_result *rows,
                          struct instant now);

int64_t pg_row_number(const struct pg_result *rows, int row, int column);
struct slice pg_row_text(const struct pg_result *rows, int row, int column);

/* One that was sent, or that the database can only have from us. */
struct identifier pg_row_identifier(const struct pg_result *rows, int row, int column);

/* One that somebody else may have put into the database. False, with an event in the log, where it
 * is none. */
MUST_CHECK bool pg_row_parse_identifier(const struct pg_exchange *exchange,
                                        const struct pg_result *rows, int row, int column,
                                        struct identifier *out);

/* The first operation of the sorted batch that is not below the key, or below any of the entity
 * where `user` is NULL; the batch's end where there is none. */
size_t pg_row_lower_bound(const struct batch *batch, const struct identifier *entity,
                          const struct identifier *user);

/* The operation that a row is about: by its first two columns, entity and user; or by the first
 * alone, its place in the batch, counted from 1. */
struct operation *pg_row_operation_of(const struct pg_exchange *exchange,
                                      const struct pg_result *rows, int row);
struct operation *pg_row_operation_at(const struct pg_exchange *exchange,
                                      const struct pg_result *rows, int row);

/* The moment at which Postgres read, on our clocks: its own clock says when within the exchange,
 * and cannot say anything outside of it, however wrong it goes. */
void pg_row_set_as_of(const struct pg_exchange *exchange, struct count *count,
                      int64_t server_wall_us, struct instant now);

#endif
