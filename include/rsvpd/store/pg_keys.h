/* Idempotency keys: recalling answers, keeping them, and forgetting them. Whatever queues answers
 * false where the connection is broken. */
#ifndef RSVPD_STORE_PG_KEYS_H
#define RSVPD_STORE_PG_KEYS_H

#include "rsvpd/base/contract.h"
#include "rsvpd/store/pg_exchange.h"

/* Lists the operations of the batch that carry keys. */
void pg_keys_gather(struct pg_exchange *exchange);

/* Asks for kept answers: the same request gets its answer again, another one is refused. */
MUST_CHECK bool pg_keys_queue_look_up(struct pg_exchange *exchange);

/* Of those whose key has no answer yet only the first of each key is done: another request with the
 * key of one that is under way right here must wait for that one's end. */
void pg_keys_hold_back(struct pg_exchange *exchange);

/* Keeps the answers of what was done, refusals excepted; nothing is queued where there are none. */
MUST_CHECK bool pg_keys_queue_store(struct pg_exchange *exchange);

/* Deletes kept answers whose time is over. */
MUST_CHECK bool pg_keys_queue_expire(struct pg_exchange *exchange);

#endif
