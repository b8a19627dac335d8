/* Statements that change members, waiting lists and settings. Whatever queues answers false where
 * the connection is broken. */
#ifndef RSVPD_STORE_PG_WRITES_H
#define RSVPD_STORE_PG_WRITES_H

#include "rsvpd/store/pg_batch.h"

/* Writes about entities without settings: fails where one has some. */
bool pg_writes_queue_plain(struct pg_batch *run) __attribute__((warn_unused_result));

/* Writes about entities with settings: fails where one has none. */
bool pg_writes_queue_managed(struct pg_batch *run) __attribute__((warn_unused_result));

/* The one change of settings that the batch is, or the next step of it. */
bool pg_writes_queue_configure(struct pg_batch *run) __attribute__((warn_unused_result));

/* Asks which of the two ways each write goes, and sets its path. */
bool pg_writes_queue_paths(struct pg_batch *run) __attribute__((warn_unused_result));

#endif
