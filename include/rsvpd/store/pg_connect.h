/* Connections to Postgres as DATABASE_URL and the PG* variables describe them. */
#ifndef RSVPD_STORE_PG_CONNECT_H
#define RSVPD_STORE_PG_CONNECT_H

#include "rsvpd/base/contract.h"
#include "rsvpd/store/pg_error.h"

#include <stdbool.h>

/* Whether libpq understands `url` (a URI or a keyword/value string, libpq manual section 34.1.1);
 * if not, `error` says why without repeating the URL. */
MUST_CHECK bool pg_url_valid(const char *url, char error[PG_ERROR_SIZE_BYTES]);

/* The same, where the reason does not matter. */
bool pg_url_parses(const char *url);

/* What a session is wanted for. */
enum pg_access {
    PG_WRITES,  /* takes writes */
    PG_READS,   /* takes writes too, where any host does; else it may be a server that only reads */
    PG_REPLICA, /* is a standby */
};

/* Connects and waits for it: for start-up and for threads other than a loop's. Tries every host,
 * all together for two seconds unless the URL says otherwise, and takes the first that accepts
 * writes; for PG_READS then once more, and takes the first that answers; for PG_REPLICA the first
 * standby. NULL with `error` filled in where there is none. To be closed with PQfinish. */
MUST_CHECK struct pg_conn *pg_connect(const char *url, enum pg_access access,
                                      char error[PG_ERROR_SIZE_BYTES]);

/* The same for PG_WRITES, for a session that can also stream what the log says of the database: its
 * user must have the attribute REPLICATION. */
MUST_CHECK struct pg_conn *pg_connect_replication(const char *url, char error[PG_ERROR_SIZE_BYTES]);

/* Whether its transactions cannot write, as far as the server has told: it tells of every change
 * with the next answer. */
bool pg_is_read_only(const struct pg_conn *connection);

enum { PG_PLACE_SIZE_BYTES = 256 };

/* " (host h, database d)": where the URL leads, for messages. Empty where a part of it has other
 * characters than names, addresses and paths are made of: it may be the rest of a password that was
 * not escaped. */
void pg_url_place(const char *url, char place[PG_PLACE_SIZE_BYTES]);

#endif
