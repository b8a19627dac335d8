/* Sessions on the server whose connections were given up while they had writes. Whatever was with
 * one may still be done while it lives: nothing is written past it before it is ended. */
#ifndef RSVPD_STORE_PG_FENCE_H
#define RSVPD_STORE_PG_FENCE_H

#include "rsvpd/base/config.h"
#include "rsvpd/base/contract.h"

#include <stdbool.h>
#include <stddef.h>

struct pg_conn;   /* libpq's PGconn */
struct pg_result; /* libpq's PGresult */

enum { PG_FENCE_SESSIONS_MAX = 32 };
static_assert((int)PG_FENCE_SESSIONS_MAX >= CONFIG_PG_CONNECTIONS_MAX,
              "each link for writes may lose a session");

/* What tells a session apart from all others, as sql/session/identity.sql has it; the pid is empty
 * before it is known. */
struct pg_session {
    char pid[16], start[48];
};

/* Zeroed, there are none. */
struct pg_fence {
    struct pg_session sessions[PG_FENCE_SESSIONS_MAX];
    size_t count;
    size_t ending_count; /* of which a connection is ending these, from the front */
};

/* Reads the rows of identity.sql. */
void pg_session_parse(struct pg_session *session, const struct pg_result *rows);

/* A link adds one at most: it gets no further writes before all are ended. One whose pid is not
 * known has done nothing yet. */
void pg_fence_add(struct pg_fence *fence, const struct pg_session *session);

/* Whether there are sessions that nobody is ending. */
bool pg_fence_waits(const struct pg_fence *fence);

/* Queues the ending of all there are. False where the connection is broken. */
MUST_CHECK bool pg_fence_queue(struct pg_fence *fence, struct pg_conn *connection);

/* Those that were being ended are: later ones remain. */
void pg_fence_ended(struct pg_fence *fence);

/* The connection that was ending them is gone. */
void pg_fence_undone(struct pg_fence *fence);

#endif
