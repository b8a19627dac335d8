/* One session with whichever of several hosts gives it first. */
#ifndef RSVPD_STORE_PG_RACE_H
#define RSVPD_STORE_PG_RACE_H

#include "rsvpd/base/contract.h"

struct pg_conn;

enum { PG_RACE_MESSAGE_SIZE_BYTES = 2048 };

/* Connects as PQconnectdbParams does with these keywords and values, whose last keyword is dbname:
 * a connection string, which may name several hosts. Blocks until a host has given the session
 * that is wanted, all have refused it, or connect_timeout is over, which is the time for all of
 * them together. Says nothing on standard error. NULL where there is none: `message` then has what
 * the hosts said. To be closed with PQfinish. */
MUST_CHECK struct pg_conn *pg_race(const char *const *keywords, const char *const *values,
                                   char message[PG_RACE_MESSAGE_SIZE_BYTES]);

#endif
