/* Waits for answers for a limited time. For threads that may block. */
#ifndef RSVPD_STORE_PG_AWAIT_H
#define RSVPD_STORE_PG_AWAIT_H

#include "rsvpd/base/contract.h"

#include <stdbool.h>
#include <stdint.h>

struct pg_conn;   /* libpq's PGconn */
struct pg_result; /* and PGresult */

#define PG_AWAIT_FOREVER_US (INT64_MAX / 2)

/* Waits until the next result of what was sent can be taken without blocking. False where there is
 * none until then (clock_mono_us), or the connection broke. */
MUST_CHECK bool pg_await_answer(struct pg_conn *connection, int64_t until_us);

/* Takes the last result of what was sent, or the one that a stream begins with; to be cleared. NULL
 * where it is not there in that time, or the connection broke: pg_error_statement tells which. Then
 * the session is of no use any more. */
MUST_CHECK struct pg_result *pg_await_last(struct pg_conn *connection, int64_t timeout_us);

/* Sends a statement with `count` parameters as text, and takes its result likewise. */
MUST_CHECK struct pg_result *pg_await_query(struct pg_conn *connection, const char *sql, int count,
                                            const char *const *values, int64_t timeout_us);

#endif
