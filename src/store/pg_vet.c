/* Whether a connection is fit for use.
 *
 * DESIGN: PostgreSQL tells a new connection which process serves it. A pooler makes that number up,
 * and may lend sessions for a connection or for a transaction. So it is tested: while a second
 * connection holds a transaction open, a pooler that lends by the transaction gives the session of
 * one connection to the other. Pools hand out the session used last, or the one that rested
 * longest; three rounds detect both. */
#include "rsvpd/store/pg_vet.h"
#include "rsvpd/store/pg_await.h"
#include "rsvpd/store/pg_hosts.h"
#include "rsvpd/store/sql.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_TIMEOUT_US = 5 * 1000 * 1000 }; /* the catalogs may have to be read from a disk */
enum { ANSWER_TIMEOUT_US = 2 * 1000 * 1000, ROUNDS = 3, PID_SIZE_BYTES = 16 };

/* Sets a setting: a proxy may dedicate a session to a client that sets one. */
static const char ask_first[] =
    "SELECT pg_backend_pid(), set_config('rsvpd.session', 'own', false)";
static const char ask_again[] = "SELECT pg_backend_pid()";
static const char begin_transaction[] = "BEGIN; SELECT pg_backend_pid()";
static const char end_transaction[] = "COMMIT; SELECT pg_backend_pid()";

/* Reads the process that served the last of these statements. False if there is no answer in time.
 */
static bool ask_pid(PGconn *connection, const char *sql, char pid[PID_SIZE_BYTES])
{
    PGresult *result = NULL;
    if (PQsendQuery(connection, sql) == 1) {
        result = pg_await_last(connection, ANSWER_TIMEOUT_US);
    }
    bool answered = PQresultStatus(result) == PGRES_TUPLES_OK;
    if (answered) {
        snprintf(pid, PID_SIZE_BYTES, "%s", PQgetvalue(result, 0, 0));
    }
    PQclear(result);
    return answered;
}

/* Whether the session stays the first connection's own while a second one works. */
static bool keeps_session(PGconn *connection, PGconn *second, const char *own)
{
    char pid[PID_SIZE_BYTES];
    for (int round = 0; round < ROUNDS; round++) {
        if (!ask_pid(second, begin_transaction, pid) || strcmp(pid, own) == 0 ||
            !ask_pid(connection, ask_again, pid) || strcmp(pid, own) != 0 ||
            !ask_pid(second, end_transaction, pid) || strcmp(pid, own) == 0) {
            return false;
        }
    }
    return true;
}

/* Whether an answer to the last statement is still missing. */
static bool is_unanswered(PGconn *connection)
{
    return PQtransactionStatus(connection) == PQTRANS_ACTIVE;
}

bool pg_vet_session(struct pg_conn *connection, const char *url, enum pg_access access,
                    char error[PG_ERROR_SIZE_BYTES])
{
    char own[PID_SIZE_BYTES];
    if (!ask_pid(connection, ask_first, own)) {
        pg_error_connection(PQstatus(connection) == CONNECTION_OK ? "timeout expired"
                                                                  : PQerrorMessage(connection),
                            "", error);
        return false;
    }
    if (strtol(own, NULL, 10) == PQbackendPID(connection)) {
        return true;
    }
    PGconn *second = pg_connect(url, access, error);
    if (second == NULL) {
        return false;
    }
    bool kept = keeps_session(connection, second, own);
    if (!kept) {
        snprintf(error, PG_ERROR_SIZE_BYTES, "%s",
                 is_unanswered(connection) || is_unanswered(second)
                     ? "a pooler gave no answer to a second connection in time: its pool may be "
                       "full; make it larger (default_pool_size), or connect to PostgreSQL itself"
                     : "a pooler lends sessions by the transaction, and rsvpd needs sessions of "
                       "its own: connect to PostgreSQL itself, or set pool_mode=session");
    }
    PQfinish(second);
    return kept;
}

#define MEMBERS(ID, name, collection, id, flag, settings, table) table " "
#define COUNTERS(ID, name, ...) name "_counters "
#define IDENTIFIERS(ID, name, collection, id, ...) id " "

/* The tables of members and of counters, and their columns of entities: one of each a relation. */
static const char *const relation_words[] = {RELATIONS(MEMBERS), RELATIONS(COUNTERS),
                                             RELATIONS(IDENTIFIERS)};

/* Whether the statement finds nothing that is not as the migrations made it. */
static bool finds_nothing(PGconn *connection, const char *name, char error[PG_ERROR_SIZE_BYTES])
{
    PGresult *result =
        pg_await_query(connection, sql_text(name), 3, relation_words, LOOK_TIMEOUT_US);
    bool answered = PQresultStatus(result) == PGRES_TUPLES_OK;
    bool ours = answered && PQntuples(result) == 0;
    if (!answered) {
        pg_error_statement(connection, result, error);
    } else if (!ours) {
        snprintf(error, PG_ERROR_SIZE_BYTES,
                 "the schema is not as 'rsvpd migrate' made it: %.300s; put it back",
                 PQgetvalue(result, 0, 0));
    }
    PQclear(result);
    return ours;
}

bool pg_vet_tables(struct pg_conn *connection, char error[PG_ERROR_SIZE_BYTES])
{
    return finds_nothing(connection, "schema/columns", error) &&
           finds_nothing(connection, "schema/keys", error);
}

bool pg_vet_replayed(struct pg_conn *connection, const char *url, char error[PG_ERROR_SIZE_BYTES])
{
    const size_t hosts = pg_hosts_count(url);
    if (hosts == 0 || hosts > 2) {
        snprintf(error, PG_ERROR_SIZE_BYTES, "%s",
                 "it is one of several standbys, and may lack what was written last");
        return false;
    }
    const char *values[] = {hosts > 1 ? "true" : "false"};
    PGresult *result =
        pg_await_query(connection, sql_text("session/replayed"), 1, values, LOOK_TIMEOUT_US);
    bool answered = PQresultStatus(result) == PGRES_TUPLES_OK;
    bool replayed = answered && strcmp(PQgetvalue(result, 0, 0), "t") == 0;
    if (!answered) {
        pg_error_statement(connection, result, error);
    } else if (!replayed) {
        snprintf(error, PG_ERROR_SIZE_BYTES, "%s",
                 "it is in recovery and may lack what was written last");
    }
    PQclear(result);
    return replayed;
}
