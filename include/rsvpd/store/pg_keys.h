/* Idempotency keys: looks answers up, stores them, and deletes expired ones. All functions that
 * queue statements return false if the connection is broken. */
#ifndef RSVPD_STORE_PG_KEYS_H
#define RSVPD_STORE_PG_KEYS_H

#include "rsvpd/base/contract.h"
#include "rsvpd/store/pg_statement.h"

/* Lists the operations of the batch that carry keys. */
void pg_keys_gather(struct pg_exchange *exchange);

/* Looks up stored answers. The same request gets its answer again; a different request under the
 * same key is refused. */
MUST_CHECK bool pg_keys_queue_look_up(struct pg_exchange *exchange);

/* Of operations with the same key and no stored answer, lets only the first be done. The others are
 * refused: a request with their key is in flight. */
void pg_keys_hold_back(struct pg_exchange *exchange);

/* Stores the answers of the operations that were done, not of refused ones. Queues nothing if there
 * are none. */
MUST_CHECK bool pg_keys_queue_store(struct pg_exchange *exchange);

/* Deletes expired answers. */
MUST_CHECK bool pg_keys_queue_expire(struct pg_exchange *exchange);

/* Deletes the answers that are kept for a user. */
MUST_CHECK bool pg_keys_queue_erase(struct pg_exchange *exchange);

#endif
