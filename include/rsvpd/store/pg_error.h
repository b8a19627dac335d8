/* Messages for operators about failures of PostgreSQL. Only here messages of libpq or of the server
 * pass: they may quote a password from a URL that was not escaped well, or ids of users. */
#ifndef RSVPD_STORE_PG_ERROR_H
#define RSVPD_STORE_PG_ERROR_H

struct pg_conn;   /* libpq's PGconn */
struct pg_result; /* libpq's PGresult */

enum { PG_ERROR_SIZE_BYTES = 512 };

/* For a connection that failed or broke: our own words for the kinds of failure in libpq's message.
 * `place` says where it was to go, or is "". */
void pg_error_connection(const char *message, const char *place, char error[PG_ERROR_SIZE_BYTES]);

/* For a statement: the server's primary message and SQLSTATE, without the message if errors of its
 * class quote data; where a right is missing, what to do. If the server did not answer (`result`
 * may be NULL): about the connection. */
void pg_error_statement(const struct pg_conn *connection, const struct pg_result *result,
                        char error[PG_ERROR_SIZE_BYTES]);

#endif
