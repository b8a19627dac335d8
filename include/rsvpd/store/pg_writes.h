/* Statements that change members, waiting lists and settings. All functions that queue
 * statements return false if the connection is broken. */
#ifndef RSVPD_STORE_PG_WRITES_H
#define RSVPD_STORE_PG_WRITES_H

#include "rsvpd/base/contract.h"
#include "rsvpd/store/pg_statement.h"

/* Writes about entities without settings. The batch fails if one has settings. */
MUST_CHECK bool pg_writes_queue_plain(struct pg_exchange *exchange);

/* Writes about entities with settings. The batch fails if one has none. */
MUST_CHECK bool pg_writes_queue_admitted(struct pg_exchange *exchange);

/* The only operation of the batch, a change of settings, or its next step. */
MUST_CHECK bool pg_writes_queue_configure(struct pg_exchange *exchange);

/* Claims an entity that still has seats to give. */
MUST_CHECK bool pg_writes_queue_claim(struct pg_exchange *exchange);

/* Asks which entities have settings, and sets the path of each write. */
MUST_CHECK bool pg_writes_queue_paths(struct pg_exchange *exchange);

#endif
