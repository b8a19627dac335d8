/* Asks the primary for a place in its log, and a replica whether it is past it. */
#include "rsvpd/store/pg_barrier.h"
#include "rsvpd/store/pg_statement.h"
#include "rsvpd/store/sql.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

static const char ask_name[] = "barrier";
static const char mark_name[] = "mark";
static const char check_name[] = "caught_up";

bool pg_barrier_prepare_ask(PGconn *connection)
{
    return PQsendPrepare(connection, ask_name, sql_text("session/barrier"), 0, NULL) == 1 &&
           PQsendPrepare(connection, mark_name, sql_text("session/mark"), 0, NULL) == 1;
}

bool pg_barrier_prepare_check(PGconn *connection)
{
    return PQsendPrepare(connection, check_name, sql_text("session/caught_up"), 0, NULL) == 1;
}

bool pg_barrier_queue_ask(PGconn *connection, bool marks)
{
    bool queued = !marks || PQsendQueryPrepared(connection, mark_name, 0, NULL, NULL, NULL, 0) == 1;
    return queued && PQsendQueryPrepared(connection, ask_name, 0, NULL, NULL, NULL, 0) == 1;
}

static bool copy(const PGresult *rows, int column, char *out, size_t size)
{
    int length = snprintf(out, size, "%s", PQgetvalue(rows, 0, column));
    return length > 0 && (size_t)length < size;
}

bool pg_barrier_parse(struct pg_barrier *barrier, const PGresult *rows)
{
    return PQntuples(rows) == 1 && PQnfields(rows) == 3 &&
           copy(rows, 0, barrier->place, sizeof barrier->place) &&
           copy(rows, 1, barrier->timeline, sizeof barrier->timeline) &&
           copy(rows, 2, barrier->primary, sizeof barrier->primary);
}

static bool parse_check(struct pg_exchange *exchange, const PGresult *rows, struct instant now)
{
    (void)now;
    if (PQntuples(rows) != 1) {
        return false;
    }
    struct slice reason = pg_row_text(rows, 0, 0);
    exchange->declined = reason.size > 0;
    snprintf(exchange->reason, sizeof exchange->reason, "%.*s", (int)reason.size, reason.data);
    return true;
}

bool pg_barrier_queue_check(struct pg_exchange *exchange)
{
    const struct pg_barrier *barrier = exchange->barrier;
    const char *const values[] = {barrier->place, barrier->timeline, barrier->primary};
    assert(exchange->queued == 0); /* before anything is read */
    exchange->columns[exchange->queued] = "s";
    exchange->parsers[exchange->queued++] = parse_check;
    return PQsendQueryPrepared(exchange->connection, check_name, 3, values, NULL, NULL, 1) == 1;
}
