/* Statements of a batch as one call at one server, and its answer as the answers of the statements.
 *
 * DESIGN: Where Citus has the tables in shards, a coordinator would plan each statement of a batch
 * anew and distribute it. Instead it gets one call of rsvpd_at_shards (sql/distributed/citus.sql),
 * which names an entity, and hands it to the worker that has the entity's shard. That runs the same
 * statements as plans of its own, for one shard after the other, in one transaction. */
#ifndef RSVPD_STORE_PG_SHARD_CALL_H
#define RSVPD_STORE_PG_SHARD_CALL_H

#include "rsvpd/domain/batcher.h"
#include "rsvpd/store/pg_codec.h"

struct pg_conn;   /* libpq's PGconn */
struct pg_result; /* and PGresult */

/* Builds one call at a time. NULL when memory is exhausted. */
struct pg_shard_call *pg_shard_call_create(void);
void pg_shard_call_destroy(struct pg_shard_call **call);

/* Prepares a session for calls. False where the connection is broken, as below. */
MUST_CHECK bool pg_shard_call_prepare(struct pg_conn *connection);

/* Begins a call without statements. */
void pg_shard_call_clear(struct pg_shard_call *call);

/* The statements that follow are for the shard of this operation. */
void pg_shard_call_enter(struct pg_shard_call *call, const struct operation *operation);

/* A call has the text of each statement once, whatever number of shards run it: the worker may not
 * have seen it yet. Adds one that the call does not have; at most 16. Both strings are copied. */
MUST_CHECK bool pg_shard_call_has_text(const struct pg_shard_call *call, const char *name);
void pg_shard_call_add_text(struct pg_shard_call *call, const char *name, const char *sql);

/* Adds a statement, for the shard that was entered last. The call has its text. The parameters are
 * copied. */
void pg_shard_call_add(struct pg_shard_call *call, const char *name,
                       const struct pg_parameter *parameters, size_t count, bool wants_rows);

/* Queues the call, for a batch: it goes where its first operation's entity is. A request of it has
 * this long. */
MUST_CHECK bool pg_shard_call_queue(struct pg_shard_call *call, struct pg_conn *connection,
                                    const struct batch *batch, int64_t deadline_us);

/* The rows of a call. */
struct pg_shard_answer {
    const struct pg_result *rows;
    int next; /* 0 before the first */
};

/* The rows of the next statement, which are to have these columns (pg_statement.c; NULL: none), to
 * be cleared. NULL where they do not fit, or when memory is exhausted. */
MUST_CHECK struct pg_result *pg_shard_answer_next(struct pg_shard_answer *answer,
                                                  const char *columns);

#endif
