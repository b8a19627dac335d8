/* The schema: applies the migrations that are built in. */
#include "rsvpd/store/pg_migrate.h"
#include "rsvpd/store/sql.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char directory[] = "migrations/";

/* The built-in migrations stand in the order of their numbers, which begin their names and count
 * from 1. Returns the one of this number, NULL past the last. */
static const struct sql_file *migration(int number)
{
    for (const struct sql_file *file = sql_files; file->name != NULL; file++) {
        if (strncmp(file->name, directory, strlen(directory)) == 0 &&
            strtol(file->name + strlen(directory), NULL, 10) == number) {
            return file;
        }
    }
    return NULL;
}

/* Runs statements without parameters. NULL with `error` filled in where they fail; else to be
 * cleared. */
static PGresult *run(PGconn *connection, const char *sql, char error[PG_ERROR_SIZE_BYTES])
{
    PGresult *result = PQexec(connection, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        pg_first_line(PQerrorMessage(connection), error);
        PQclear(result);
        return NULL;
    }
    return result;
}

static bool run_only(PGconn *connection, const char *sql, char error[PG_ERROR_SIZE_BYTES])
{
    PGresult *result = run(connection, sql, error);
    PQclear(result);
    return result != NULL;
}

/* How many of the built-in migrations a database has, in `applied`. */
static enum schema_state compare(PGconn *connection, int *applied, char error[PG_ERROR_SIZE_BYTES])
{
    enum schema_state state = SCHEMA_UNREACHABLE;
    PGresult *list = NULL;
    PGresult *exists = run(connection, sql_text("schema/has_history"), error);
    *applied = 0;
    if (exists == NULL) {
        goto out;
    }
    state = SCHEMA_BEHIND;
    if (strcmp(PQgetvalue(exists, 0, 0), "t") != 0) {
        goto out;
    }
    list = run(connection, sql_text("schema/list_history"), error);
    if (list == NULL) {
        state = SCHEMA_UNREACHABLE;
        goto out;
    }
    for (int row = 0; row < PQntuples(list); row++) {
        long number = strtol(PQgetvalue(list, row, 0), NULL, 10);
        if (number != row + 1 || migration(row + 1) == NULL) {
            state = SCHEMA_UNKNOWN;
            goto out;
        }
        *applied = row + 1;
    }
    state = migration(*applied + 1) == NULL ? SCHEMA_CURRENT : SCHEMA_BEHIND;
out:
    PQclear(exists);
    PQclear(list);
    return state;
}

enum schema_state pg_schema_state(const char *url, char error[PG_ERROR_SIZE_BYTES])
{
    PGconn *connection = pg_connect(url, error);
    if (connection == NULL) {
        return SCHEMA_UNREACHABLE;
    }
    int applied;
    enum schema_state state = compare(connection, &applied, error);
    PQfinish(connection);
    return state;
}

static bool record(PGconn *connection, int number, const char *name,
                   char error[PG_ERROR_SIZE_BYTES])
{
    char digits[16];
    snprintf(digits, sizeof digits, "%d", number);
    const char *values[] = {digits, name};
    PGresult *result =
        PQexecParams(connection, sql_text("schema/record"), 2, NULL, values, NULL, NULL, 0);
    bool recorded = PQresultStatus(result) == PGRES_COMMAND_OK;
    if (!recorded) {
        pg_first_line(PQerrorMessage(connection), error);
    }
    PQclear(result);
    return recorded;
}

static bool apply(PGconn *connection, int number, const struct sql_file *file,
                  char error[PG_ERROR_SIZE_BYTES])
{
    return run_only(connection, "BEGIN", error) && run_only(connection, file->text, error) &&
           record(connection, number, file->name + strlen(directory), error) &&
           run_only(connection, "COMMIT", error);
}

bool pg_migrate(const char *url, pg_migrated_fn *migrated, char error[PG_ERROR_SIZE_BYTES])
{
    bool done = false;
    int applied;
    PGconn *connection = pg_connect(url, error);
    if (connection == NULL) {
        return false;
    }
    if (!run_only(connection, sql_text("schema/lock"), error) ||
        !run_only(connection, sql_text("schema/create_history"), error)) {
        goto out;
    }
    switch (compare(connection, &applied, error)) {
    case SCHEMA_UNREACHABLE:
        goto out;
    case SCHEMA_UNKNOWN:
        snprintf(error, PG_ERROR_SIZE_BYTES, "%s",
                 "the database has migrations that this rsvpd does not know; use a newer rsvpd");
        goto out;
    case SCHEMA_CURRENT:
    case SCHEMA_BEHIND:
        break;
    }
    const struct sql_file *file;
    while ((file = migration(applied + 1)) != NULL) {
        if (!apply(connection, applied + 1, file, error)) {
            goto out;
        }
        migrated(file->name + strlen(directory));
        applied++;
    }
    done = true;
out:
    PQfinish(connection); /* with it go the lock and a transaction that failed */
    return done;
}
