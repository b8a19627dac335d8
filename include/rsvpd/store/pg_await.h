/* Waits for answers for a limited time. For threads that may block. */
#ifndef RSVPD_STORE_PG_AWAIT_H
#define RSVPD_STORE_PG_AWAIT_H

#include "rsvpd/base/contract.h"

#include <stdbool.h>
#include <stdint.h>

struct pg_conn; /* libpq's PGconn */

/* Waits until the next result of what was sent can be taken without blocking. False where there is
 * none until then (clock_mono_us), or the connection broke. */
MUST_CHECK bool pg_await_answer(struct pg_conn *connection, int64_t until_us);

#endif
