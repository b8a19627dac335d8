/* Whether a connection is one that we can work on. For start-up and for threads other than a
 * loop's: it blocks. What is wrong is in `error` where the answer is no. */
#ifndef RSVPD_STORE_PG_VET_H
#define RSVPD_STORE_PG_VET_H

#include "rsvpd/base/contract.h"
#include "rsvpd/store/pg_connect.h"

#include <stdbool.h>

/* Whether it has a session of its own. A pooler may lend one by the transaction instead: settings,
 * prepared statements and locks of a session are somebody else's then. Costs one exchange where
 * nothing stands in between. */
MUST_CHECK bool pg_vet_session(struct pg_conn *connection, const char *url,
                               char error[PG_ERROR_SIZE_BYTES]);

/* Whether the tables have the columns that the migrations made, of the same types: answers are read
 * as such. More columns do no harm. */
MUST_CHECK bool pg_vet_tables(struct pg_conn *connection, char error[PG_ERROR_SIZE_BYTES]);

/* Whether nothing that was ever acknowledged is missing from what it reads: it is the primary, or a
 * standby that has replayed all it received. Where other hosts are there, their primary may go on
 * without us: then a standby that still receives will not do. */
MUST_CHECK bool pg_vet_replayed(struct pg_conn *connection, char error[PG_ERROR_SIZE_BYTES]);

#endif
