/* Reads all of what can be exported. */
#include "rsvpd/store/pg_export.h"
#include "rsvpd/store/pg_command.h"

#include <libpq-fe.h>
#include <string.h>

/* clang-format off */
static const struct pg_export_kind kinds[] = {
#define MEMBERS(ID, name, ...) {name, &relations[RELATION_##ID], "export", "export_total"},
    RELATIONS(MEMBERS)
    {"settings", &relations[RELATION_RSVP], "export_settings", "export_settings_total"},
    {"waitlist", &relations[RELATION_RSVP], "export_waitlist", "export_waitlist_total"},
};
/* clang-format on */

const struct pg_export_kind *pg_export_kind_named(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

/* The lines of a COPY that has begun; ends it where all of them were taken. */
static bool parse_lines(PGconn *connection, int64_t total, pg_export_fn *on_line, void *context,
                        char error[PG_ERROR_SIZE_BYTES])
{
    char *line;
    int size;
    while ((size = PQgetCopyData(connection, &line, 0)) > 0) {
        bool accepted = on_line(context, slice_make(line, (size_t)size), total);
        PQfreemem(line);
        if (!accepted) {
            *error = '\0';
            return false;
        }
    }
    PGresult *last = PQgetResult(connection);
    bool done = size == -1 && PQresultStatus(last) == PGRES_COMMAND_OK;
    if (!done) {
        pg_error_statement(connection, last, error);
    }
    PQclear(last);
    return done;
}

static bool count_rows(PGconn *connection, const struct pg_export_kind *kind, int64_t *total,
                       char error[PG_ERROR_SIZE_BYTES])
{
    struct pg_command command = {kind->total, kind->relation, 0, {NULL}};
    PGresult *result = pg_command_run(connection, &command, NULL, error);
    if (result == NULL) {
        return false;
    }
    *total = pg_command_integer(result, 0, 0);
    PQclear(result);
    return true;
}

bool pg_export(const char *url, const struct pg_export_kind *kind, pg_export_fn *on_line,
               void *context, char error[PG_ERROR_SIZE_BYTES])
{
    struct pg_command command = {kind->rows, kind->relation, 0, {NULL}};
    bool done = false;
    int64_t total;
    PGconn *connection = pg_command_connect(url, PG_READS, "0", "10s", error);
    if (connection == NULL) {
        return false;
    }
    /* One snapshot for the total and the rows. */
    if (pg_command_control(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", NULL,
                           error) &&
        count_rows(connection, kind, &total, error)) {
        PGresult *begun = pg_command_run(connection, &command, NULL, error);
        done = begun != NULL && parse_lines(connection, total, on_line, context, error);
        PQclear(begun);
    }
    PQfinish(connection);
    return done;
}
