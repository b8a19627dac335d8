/* Sessions that must be ended before anything else is written. */
#include "rsvpd/store/pg_fence.h"
#include "rsvpd/store/sql.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pg_session_parse(struct pg_session *session, const struct pg_result *rows)
{
    if (PQntuples(rows) == 1) {
        snprintf(session->pid, sizeof session->pid, "%s", PQgetvalue(rows, 0, 0));
        snprintf(session->start, sizeof session->start, "%s", PQgetvalue(rows, 0, 1));
        snprintf(session->server_start, sizeof session->server_start, "%s", PQgetvalue(rows, 0, 2));
        session->schema_version = strtoull(PQgetvalue(rows, 0, 3), NULL, 10);
    }
}

void pg_fence_add(struct pg_fence *fence, const struct pg_session *session)
{
    if (session->pid[0] != '\0') {
        assert(fence->count < PG_FENCE_SESSIONS_MAX);
        fence->sessions[fence->count++] = *session;
    }
}

bool pg_fence_waits(const struct pg_fence *fence)
{
    return fence->count > 0 && fence->ending_count == 0;
}

bool pg_fence_queue(struct pg_fence *fence, struct pg_conn *connection, bool sharded)
{
    const char *sql = sql_text(sharded ? "distributed/fence" : "session/fence");
    assert(pg_fence_waits(fence));
    bool queued = true;
    for (size_t i = 0; i < fence->count && queued; i++) {
        const char *values[] = {fence->sessions[i].pid, fence->sessions[i].start};
        queued = PQsendQueryParams(connection, sql, 2, NULL, values, NULL, NULL, 0) == 1;
    }
    fence->ending_count = fence->count;
    return queued;
}

void pg_fence_ended(struct pg_fence *fence)
{
    assert(fence->ending_count > 0 && fence->ending_count <= fence->count);
    fence->count -= fence->ending_count;
    memmove(fence->sessions, fence->sessions + fence->ending_count,
            fence->count * sizeof fence->sessions[0]);
    fence->ending_count = 0;
}

void pg_fence_undone(struct pg_fence *fence)
{
    fence->ending_count = 0;
}
