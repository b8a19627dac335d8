/* A session of an operator's command. */
#include "rsvpd/store/pg_command.h"
#include "rsvpd/store/pg_await.h"
#include "rsvpd/store/sql.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SQL_SIZE_BYTES = 4096 };

struct pg_conn *pg_command_connect(const char *url, enum pg_access access,
                                   const char *statement_timeout, const char *lock_timeout,
                                   char error[PG_ERROR_SIZE_BYTES])
{
    PGconn *connection = pg_connect(url, access, error);
    if (connection == NULL) {
        return NULL;
    }
    struct pg_command setup = {"setup", &relations[0], 2, {statement_timeout, lock_timeout}};
    PGresult *result = pg_command_run(connection, &setup, NULL, error);
    if (result == NULL) {
        PQfinish(connection);
        return NULL;
    }
    PQclear(result);
    return connection;
}

/* Takes what came back: NULL, with the error and its SQLSTATE, where it is one. */
static PGresult *accept(PGconn *connection, PGresult *result, char state[6],
                        char error[PG_ERROR_SIZE_BYTES])
{
    ExecStatusType status = PQresultStatus(result);
    const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (state != NULL) {
        snprintf(state, 6, "%s", code == NULL ? "" : code);
    }
    if (status != PGRES_FATAL_ERROR && status != PGRES_BAD_RESPONSE) {
        return result;
    }
    pg_error_statement(connection, result, error);
    PQclear(result);
    return NULL;
}

PGresult *pg_command_run(PGconn *connection, const struct pg_command *command, char state[6],
                         char error[PG_ERROR_SIZE_BYTES])
{
    return pg_command_run_within(connection, PG_AWAIT_FOREVER_US, command, state, error);
}

PGresult *pg_command_run_within(PGconn *connection, int64_t timeout_us,
                                const struct pg_command *command, char state[6],
                                char error[PG_ERROR_SIZE_BYTES])
{
    assert(command->parameters <= PG_COMMAND_PARAMETERS_MAX);
    char name[64], sql[SQL_SIZE_BYTES];
    snprintf(name, sizeof name, "%s%s", strchr(command->name, '/') == NULL ? "commands/" : "",
             command->name);
    bool fits = sql_expand(sql_text(name), command->relation, sql, sizeof sql);
    assert(fits);
    return accept(connection,
                  pg_await_query(connection, sql, command->parameters, command->values, timeout_us),
                  state, error);
}

bool pg_command_execute(PGconn *connection, const struct pg_command *command, int64_t *changed,
                        char state[6], char error[PG_ERROR_SIZE_BYTES])
{
    PGresult *result = pg_command_run(connection, command, state, error);
    if (result != NULL && changed != NULL) {
        *changed = strtoll(PQcmdTuples(result), NULL, 10);
    }
    PQclear(result);
    return result != NULL;
}

bool pg_command_control(PGconn *connection, const char *statement, char state[6],
                        char error[PG_ERROR_SIZE_BYTES])
{
    PGresult *result = accept(connection, PQexec(connection, statement), state, error);
    PQclear(result);
    return result != NULL;
}

bool pg_command_retryable(const char state[6])
{
    static const char *const states[] = {
        "40001", /* serialization_failure */
        "40P01", /* deadlock_detected */
        "55P03", /* lock_not_available: lock_timeout */
    };
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        if (strcmp(state, states[i]) == 0) {
            return true;
        }
    }
    return false;
}

int64_t pg_command_integer(const PGresult *result, int row, int column)
{
    return strtoll(PQgetvalue(result, row, column), NULL, 10);
}
