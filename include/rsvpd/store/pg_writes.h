/* Statements that change members, waiting lists and settings. Whatever queues answers false where
 * the connection is broken. */
#ifndef RSVPD_STORE_PG_WRITES_H
#define RSVPD_STORE_PG_WRITES_H

#include "rsvpd/base/contract.h"
#include "rsvpd/store/pg_exchange.h"

/* Writes about entities without settings: fails where one has some. */
MUST_CHECK bool pg_writes_queue_plain(struct pg_exchange *exchange);

/* Writes about entities with settings: fails where one has none. */
MUST_CHECK bool pg_writes_queue_admitted(struct pg_exchange *exchange);

/* The one change of settings that the batch is, or the next step of it. */
MUST_CHECK bool pg_writes_queue_configure(struct pg_exchange *exchange);

/* Claims an entity that still has seats to give. */
MUST_CHECK bool pg_writes_queue_claim(struct pg_exchange *exchange);

/* Asks which of the two ways each write goes, and sets its path. */
MUST_CHECK bool pg_writes_queue_paths(struct pg_exchange *exchange);

#endif
