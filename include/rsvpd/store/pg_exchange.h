/* The exchange of one batch over one connection: which statements are sent, in which parts, and
 * what their answers mean for the operations. It knows nothing of the connection's states. */
#ifndef RSVPD_STORE_PG_EXCHANGE_H
#define RSVPD_STORE_PG_EXCHANGE_H

#include "rsvpd/store/pg_statement.h"

enum pg_exchange_progress {
    PG_EXCHANGE_GOES_ON, /* another part has been queued */
    PG_EXCHANGE_ENDED,   /* committed, or rolled back where a statement failed */
    PG_EXCHANGE_BROKEN   /* the connection is broken */
};

/* Sorts the batch by shard, entity and user and queues the first of its statements, or all;
 * `connection`, `batch` and `parameters` must be set. False where the connection is broken. */
MUST_CHECK bool pg_exchange_begin(struct pg_exchange *exchange, struct instant now);

/* Parses the rows of the statement that is being answered. False when memory is exhausted, or where
 * the rows do not fit the statement: then the exchange is `malformed`. */
MUST_CHECK bool pg_exchange_parse(struct pg_exchange *exchange, const struct pg_result *rows,
                                  struct instant now);

/* The answer to a statement, or the error of a sync, has arrived whole. */
void pg_exchange_answer_ended(struct pg_exchange *exchange);

/* The sync of a part has been answered; `failed` tells whether a statement, or the sync itself, was
 * refused. */
enum pg_exchange_progress pg_exchange_synced(struct pg_exchange *exchange, bool failed);

/* After the exchange of a misrouted batch has ended: queues the question which path each of its
 * operations takes. */
MUST_CHECK bool pg_exchange_ask_paths(struct pg_exchange *exchange, struct instant now);

#endif
