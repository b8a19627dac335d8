/* Whether a connection is fit for use. Blocks: for start-up and for threads other than a loop's. On
 * false, `error` says what is wrong. */
#ifndef RSVPD_STORE_PG_VET_H
#define RSVPD_STORE_PG_VET_H

#include "rsvpd/base/contract.h"
#include "rsvpd/store/pg_connect.h"

#include <stdbool.h>

/* Whether it has a session of its own. A pooler may lend sessions by the transaction instead: then
 * settings, prepared statements and locks get lost. Costs one exchange if there is no pooler. `url`
 * and `access` are what it was connected with. */
MUST_CHECK bool pg_vet_session(struct pg_conn *connection, const char *url, enum pg_access access,
                               char error[PG_ERROR_SIZE_BYTES]);

/* Whether the tables have the columns that the migrations made, of the same types: answers are read
 * as such. And whether they have the unique indexes and defaults that writes need. More columns and
 * indexes do no harm. */
MUST_CHECK bool pg_vet_tables(struct pg_conn *connection, char error[PG_ERROR_SIZE_BYTES]);

/* Whether it reads everything that was ever acknowledged: it is on the primary, or on a standby
 * that has replayed all it received. If there is another host, a standby that still receives is
 * refused: its primary may take writes that it lacks. If there are more, so is every standby: an
 * acknowledged write is only at one of them. `url` is what it was connected with. */
MUST_CHECK bool pg_vet_replayed(struct pg_conn *connection, const char *url,
                                char error[PG_ERROR_SIZE_BYTES]);

#endif
