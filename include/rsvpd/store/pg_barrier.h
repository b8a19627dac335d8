/* How far a replica must have replayed the primary's log to be read in its place, so that it shows
 * everything that was acknowledged before the primary was asked. */
#ifndef RSVPD_STORE_PG_BARRIER_H
#define RSVPD_STORE_PG_BARRIER_H

#include "rsvpd/base/contract.h"

#include <stdbool.h>

struct pg_conn;   /* libpq's PGconn */
struct pg_result; /* libpq's PGresult */
struct pg_exchange;

/* A place in the log, as sql/session/barrier.sql reads it. */
struct pg_barrier {
    char place[24];    /* a pg_lsn */
    char timeline[12]; /* in hexadecimal digits */
    char primary[48];  /* when the primary started: which run of which server it is */
};

/* All functions that queue statements return false if the connection is broken. */

/* Prepares what is asked of the primary, or what is asked of a replica. */
MUST_CHECK bool pg_barrier_prepare_ask(struct pg_conn *connection);
MUST_CHECK bool pg_barrier_prepare_check(struct pg_conn *connection);

/* Asks the primary; `marks`: after marking it as the one that takes writes. */
MUST_CHECK bool pg_barrier_queue_ask(struct pg_conn *connection, bool marks);
/* Reads its answer. False where it is none: the mark is missing, say. */
MUST_CHECK bool pg_barrier_parse(struct pg_barrier *barrier, const struct pg_result *rows);

/* Asks a replica, in front of what the exchange reads, whether it is past the exchange's barrier.
 * Where it is not, the exchange's `declined` says why, and it has read nothing. */
MUST_CHECK bool pg_barrier_queue_check(struct pg_exchange *exchange);

#endif
