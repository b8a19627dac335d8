/* Server sessions whose connections were given up while they had writes. Such a session may still
 * do its writes, so nothing is written before it is ended. */
#ifndef RSVPD_STORE_PG_FENCE_H
#define RSVPD_STORE_PG_FENCE_H

#include "rsvpd/base/config.h"
#include "rsvpd/base/contract.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pg_conn;   /* libpq's PGconn */
struct pg_result; /* libpq's PGresult */

enum { PG_FENCE_SESSIONS_MAX = 32, PG_SERVER_START_SIZE_BYTES = 48 };
static_assert((int)PG_FENCE_SESSIONS_MAX >= CONFIG_PG_CONNECTIONS_MAX,
              "each link for writes may lose a session");

/* A session, as sql/session/identity.sql reads it. All is empty before it is known. */
struct pg_session {
    char pid[16], start[48];                       /* which session it is */
    char server_start[PG_SERVER_START_SIZE_BYTES]; /* tells its server from others, and from itself
                                                      started again */
    uint64_t schema_version;                       /* of its database, when the session began */
};

/* All zero: there are none. */
struct pg_fence {
    struct pg_session sessions[PG_FENCE_SESSIONS_MAX];
    size_t count;
    size_t ending_count; /* a connection is ending so many of them, from the front */
};

/* Reads the rows of identity.sql. */
void pg_session_parse(struct pg_session *session, const struct pg_result *rows);

/* Adds a session. Each link adds one at most, because it gets no writes before all are ended. A
 * session whose pid is not known has done nothing yet, and is not added. */
void pg_fence_add(struct pg_fence *fence, const struct pg_session *session);

/* Whether there are sessions to end, and no connection is ending any. */
bool pg_fence_waits(const struct pg_fence *fence);

/* Queues a statement that ends each session, and where those are a coordinator's (`sharded`), what
 * they do at workers. False if the connection is broken. */
MUST_CHECK bool pg_fence_queue(struct pg_fence *fence, struct pg_conn *connection, bool sharded);

/* The sessions that were being ended are ended. Those added later remain. */
void pg_fence_ended(struct pg_fence *fence);

/* The connection that was ending sessions is gone: none of them is known to be ended. */
void pg_fence_undone(struct pg_fence *fence);

#endif
