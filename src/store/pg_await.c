/* Waits for answers for a limited time. */
#include "rsvpd/store/pg_await.h"
#include "rsvpd/base/clock.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>

enum { WAIT_MAX_MS = 1000 * 1000 }; /* at a time */

/* False where the answer cannot come any more. */
static bool wait_for_more(PGconn *connection, int64_t left_us)
{
    struct pollfd socket = {.fd = PQsocket(connection), .events = POLLIN};
    int64_t left_ms = left_us / 1000 + 1;
    if (poll(&socket, 1, left_ms < WAIT_MAX_MS ? (int)left_ms : WAIT_MAX_MS) < 0) {
        return errno == EINTR;
    }
    return PQconsumeInput(connection) == 1;
}

bool pg_await_answer(PGconn *connection, int64_t until_us)
{
    while (PQisBusy(connection) != 0) {
        int64_t left_us = until_us - clock_mono_us();
        if (left_us <= 0 || !wait_for_more(connection, left_us)) {
            return false;
        }
    }
    return true;
}

/* It comes again and again until the stream has ended. */
static bool is_stream(const PGresult *result)
{
    const ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COPY_BOTH || status == PGRES_COPY_IN || status == PGRES_COPY_OUT;
}

PGresult *pg_await_last(PGconn *connection, int64_t timeout_us)
{
    const int64_t until_us = clock_mono_us() + timeout_us;
    PGresult *last = NULL;
    while (pg_await_answer(connection, until_us)) {
        PGresult *next = PQgetResult(connection);
        if (next == NULL) {
            return last;
        }
        PQclear(last);
        last = next;
        if (is_stream(last)) {
            return last;
        }
    }
    PQclear(last);
    return NULL;
}

PGresult *pg_await_query(PGconn *connection, const char *sql, int count, const char *const *values,
                         int64_t timeout_us)
{
    bool sent = PQsendQueryParams(connection, sql, count, NULL, values, NULL, NULL, 0) == 1;
    return sent ? pg_await_last(connection, timeout_us) : NULL;
}
