/* Reads all members of a relation. */
#include "rsvpd/store/pg_export.h"
#include "rsvpd/store/pg_command.h"

#include <libpq-fe.h>

/* The lines of a COPY that has begun; ends it where all of them were taken. */
static bool take_lines(PGconn *connection, int64_t total, pg_export_fn *take, void *context,
                       char error[PG_ERROR_SIZE_BYTES])
{
    char *line;
    int size;
    while ((size = PQgetCopyData(connection, &line, 0)) > 0) {
        bool taken = take(context, slice_make(line, (size_t)size), total);
        PQfreemem(line);
        if (!taken) {
            *error = '\0';
            return false;
        }
    }
    PGresult *end = PQgetResult(connection);
    bool done = size == -1 && PQresultStatus(end) == PGRES_COMMAND_OK;
    if (!done) {
        pg_error_statement(connection, end, error);
    }
    PQclear(end);
    return done;
}

static bool count_rows(PGconn *connection, const struct relation *relation, int64_t *total,
                       char error[PG_ERROR_SIZE_BYTES])
{
    struct pg_command command = {"export_total", relation, 0, {NULL}};
    PGresult *result = pg_command_run(connection, &command, NULL, error);
    if (result == NULL) {
        return false;
    }
    *total = pg_command_integer(result, 0, 0);
    PQclear(result);
    return true;
}

bool pg_export(const char *url, const struct relation *relation, pg_export_fn *take, void *context,
               char error[PG_ERROR_SIZE_BYTES])
{
    struct pg_command command = {"export", relation, 0, {NULL}};
    bool done = false;
    int64_t total;
    PGconn *connection = pg_command_connect(url, PG_READS, "0", "10s", error);
    if (connection == NULL) {
        return false;
    }
    /* One snapshot for the total and the rows. */
    if (pg_command_control(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", NULL,
                           error) &&
        count_rows(connection, relation, &total, error)) {
        PGresult *begun = pg_command_run(connection, &command, NULL, error);
        done = begun != NULL && take_lines(connection, total, take, context, error);
        PQclear(begun);
    }
    PQfinish(connection);
    return done;
}
