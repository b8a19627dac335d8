/* Where a database has the entities: reads the shards, if there are any. Blocks, like pg_vet.h. */
#ifndef RSVPD_STORE_PG_PLACEMENTS_H
#define RSVPD_STORE_PG_PLACEMENTS_H

#include "rsvpd/domain/placement.h"
#include "rsvpd/store/pg_connect.h"

/* None where the tables are not distributed. False, with `error` filled in, where they cannot be
 * read, or where the engine places entities otherwise than placement_of() does. */
MUST_CHECK bool pg_placements_read(struct pg_conn *connection, struct placements *placements,
                                   char error[PG_ERROR_SIZE_BYTES]);

/* Reads the rows of sql/distributed/shards.sql, which was sent at that time. False, with none and
 * `*problem` fit for the log, where they are not as many as can be, one is in several copies, or
 * one is on the coordinator. */
MUST_CHECK bool pg_placements_parse(const struct pg_result *rows, struct placements *placements,
                                    int64_t sent_us, const char **problem);

/* Whether everything is in one place, for a command that works nowhere else: else false, with
 * `error` filled in. */
MUST_CHECK bool pg_placements_are_one(struct pg_conn *connection, char error[PG_ERROR_SIZE_BYTES]);

/* Likewise, where that is known. */
MUST_CHECK bool pg_placements_refuse_shards(bool sharded, char error[PG_ERROR_SIZE_BYTES]);

#endif
