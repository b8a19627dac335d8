/* What is said to operators of a failure of PostgreSQL. The one place where words of libpq's or of
 * a server's are let through: they quote what they are about, and so passwords out of a URL that
 * was not escaped well, or ids of users. */
#ifndef RSVPD_STORE_PG_ERROR_H
#define RSVPD_STORE_PG_ERROR_H

struct pg_conn;   /* libpq's PGconn */
struct pg_result; /* libpq's PGresult */

enum { PG_ERROR_SIZE_BYTES = 512 };

/* Of a connection that could not be made, or broke: the kinds of failure that libpq's message tells
 * of, in words of ours. `place` is where it was to go, or "". */
void pg_error_connection(const char *message, const char *place, char error[PG_ERROR_SIZE_BYTES]);

/* Of a statement: the server's primary message and SQLSTATE, the message left out where errors of
 * its class quote data. Without an answer of the server's (`result` may be NULL), of the connection
 * that it was sent on. */
void pg_error_statement(const struct pg_conn *connection, const struct pg_result *result,
                        char error[PG_ERROR_SIZE_BYTES]);

#endif
