/* Adds many members, settings or waiting users at once. */
#include "rsvpd/store/pg_import.h"
#include "rsvpd/store/pg_codec.h"
#include "rsvpd/store/pg_command.h"
#include "rsvpd/store/pg_placements.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ATTEMPTS = 20, /* at a chunk that others are in the way of */
    COPY_BUFFER_SIZE_BYTES = 65536,
    COPY_COLUMNS = 4 + SETTING_COUNT,
    COPY_ROW_SIZE_MAX_BYTES =
        2 + COPY_COLUMNS * 4 + 4 + 2 * IDENTIFIER_SIZE_MAX_BYTES + 8 + SETTING_COUNT * 8,
};

static_assert(COPY_ROW_SIZE_MAX_BYTES <= COPY_BUFFER_SIZE_BYTES, "a row fits the buffer");

/* Users of one event who get seats in one transaction; import_promoting.sql says of how many. */
static const char promoted_max[] = "500";

/* The statements of a chunk, once its lines are staged. */
struct steps {
    const char *before, *apply, *after; /* NULL: none */
    bool refuses;                       /* what `apply` says must not be is not done */
    bool promotes;                      /* seats may be left for those who wait */
};

static const struct steps kind_steps[IMPORT_WHAT_COUNT] = {
    [IMPORT_MEMBERS] = {NULL, "import_apply", NULL, true, false},
    [IMPORT_SETTINGS] = {"import_mark_admitted", "import_settings", "import_free", true, true},
    [IMPORT_WAITLISTS] = {"import_insert_placeholders", "import_waitlist", "import_free", true,
                          true},
};
static const struct steps past_capacity_steps = {"import_lock", "import_apply", "import_unqueue",
                                                 false, false};

struct pg_import {
    PGconn *connection;
    const struct relation *relation;
    const struct steps *steps;
    size_t size; /* of what is in the buffer */
    char buffer[COPY_BUFFER_SIZE_BYTES];
};

struct pg_import *pg_import_open(const char *url, const struct import_kind *kind,
                                 bool past_capacity, char error[PG_ERROR_SIZE_BYTES])
{
    PGconn *connection = pg_command_connect(url, PG_WRITES, "10min", "10s", error);
    if (connection == NULL) {
        return NULL;
    }
    const bool locks = kind->what != IMPORT_MEMBERS || past_capacity; /* events, in all shards */
    if (locks && !pg_placements_are_one(connection, error)) {
        PQfinish(connection);
        return NULL;
    }
    struct pg_command stage = {"import_stage", kind->relation, 0, {NULL}};
    struct pg_import *import = malloc(sizeof *import);
    if (import == NULL) {
        snprintf(error, PG_ERROR_SIZE_BYTES, "out of memory");
        PQfinish(connection);
        return NULL;
    }
    import->connection = connection;
    import->relation = kind->relation;
    import->steps = past_capacity ? &past_capacity_steps : &kind_steps[kind->what];
    if (!pg_command_execute(connection, &stage, NULL, NULL, error)) {
        pg_import_close(&import);
    }
    return import;
}

void pg_import_close(struct pg_import **import)
{
    if (*import != NULL) {
        PQfinish((*import)->connection);
        free(*import);
        *import = NULL;
    }
}

/* ---- COPY's binary format (PostgreSQL manual, COPY, section "Binary Format") ---- */

static void put(struct pg_import *import, const void *bytes, size_t size)
{
    assert(size <= sizeof import->buffer - import->size);
    memcpy(import->buffer + import->size, bytes, size);
    import->size += size;
}

/* An integer of so many bytes, the highest first. */
static void put_integer(struct pg_import *import, int64_t number, size_t size)
{
    char bytes[8];
    assert(size <= sizeof bytes);
    pg_encode_int64(number, bytes);
    put(import, bytes + sizeof bytes - size, size);
}

static void put_null(struct pg_import *import)
{
    put_integer(import, -1, 4);
}

static void put_text(struct pg_import *import, const struct identifier *id)
{
    put_integer(import, id->size, 4);
    put(import, id->data, id->size);
}

/* NULL where none is given. */
static void put_time(struct pg_import *import, bool given, int64_t unix_us)
{
    char time[8];
    if (!given) {
        put_null(import);
        return;
    }
    pg_encode_time_us(unix_us, time);
    put_integer(import, sizeof time, 4);
    put(import, time, sizeof time);
}

static void put_setting(struct pg_import *import, enum setting setting, struct setting_value value)
{
    switch (setting_rows[setting].type) {
    case SETTING_NUMBER:
        put_integer(import, 8, 4);
        put_integer(import, value.number, 8);
        return;
    case SETTING_FLAG:
        put_integer(import, 1, 4);
        put_integer(import, value.number, 1);
        return;
    case SETTING_TIME:
        put_time(import, true, value.number);
        return;
    }
}

/* NULL where the line has none. */
static void put_settings(struct pg_import *import, const struct settings *settings)
{
    for (enum setting i = 0; i < SETTING_COUNT; i++) {
        struct setting_value value = settings_get(settings, i);
        if (settings->given && value.given) {
            put_setting(import, i, value);
        } else {
            put_null(import);
        }
    }
}

static void put_row(struct pg_import *import, const struct import_row *row, size_t place)
{
    put_integer(import, COPY_COLUMNS, 2);
    put_integer(import, 4, 4);
    put_integer(import, (int64_t)place, 4);
    put_text(import, &row->entity);
    if (row->user.size > 0) {
        put_text(import, &row->user);
    } else {
        put_null(import);
    }
    put_time(import, row->created_us != IMPORT_NOW, row->created_us);
    put_settings(import, &row->settings);
}

static bool flush(struct pg_import *import)
{
    bool sent = PQputCopyData(import->connection, import->buffer, (int)import->size) == 1;
    import->size = 0;
    return sent;
}

static bool send_rows(struct pg_import *import, const struct import_row *rows, size_t count)
{
    import->size = 0;
    put(import, "PGCOPY\n\377\r\n\0", 11);
    put_integer(import, 0, 4); /* flags */
    put_integer(import, 0, 4); /* the header's extension */
    for (size_t i = 0; i < count; i++) {
        if (import->size + COPY_ROW_SIZE_MAX_BYTES > sizeof import->buffer && !flush(import)) {
            return false;
        }
        put_row(import, &rows[i], i);
    }
    if (import->size + 2 > sizeof import->buffer && !flush(import)) {
        return false;
    }
    put_integer(import, -1, 2); /* the end */
    return flush(import) && PQputCopyEnd(import->connection, NULL) == 1;
}

/* Ends what the COPY left and tells how it went. */
static bool end_copy(struct pg_import *import, char state[6], char error[PG_ERROR_SIZE_BYTES])
{
    bool copied = true;
    PGresult *result;
    while ((result = PQgetResult(import->connection)) != NULL) {
        if (copied && PQresultStatus(result) != PGRES_COMMAND_OK) {
            const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
            snprintf(state, 6, "%s", code == NULL ? "" : code);
            pg_error_statement(import->connection, result, error);
            copied = false;
        }
        PQclear(result);
    }
    return copied;
}

static bool stage(struct pg_import *import, const struct import_row *rows, size_t count,
                  char state[6], char error[PG_ERROR_SIZE_BYTES])
{
    struct pg_command copy = {"import_copy", import->relation, 0, {NULL}};
    PGresult *ready = pg_command_run(import->connection, &copy, state, error);
    if (ready == NULL) {
        return false;
    }
    PQclear(ready);
    if (!send_rows(import, rows, count)) {
        pg_error_statement(import->connection, NULL, error);
        return false;
    }
    return end_copy(import, state, error);
}

/* ---- a chunk ---- */

/* Reads what import_apply answers: how many were added, and which must not be. */
static bool parse_answer(const PGresult *result, size_t count, bool *refused, int64_t *added)
{
    bool any = false;
    for (int row = 0; row < PQntuples(result); row++) {
        if (PQgetisnull(result, row, 0)) {
            *added = pg_command_integer(result, row, 1);
        } else {
            int64_t place = pg_command_integer(result, row, 0);
            assert(place >= 0 && (size_t)place < count);
            refused[place] = true;
            any = true;
        }
    }
    return !any;
}

/* A step that answers nothing; NULL: none. */
static bool run_step(struct pg_import *import, const char *name, char state[6],
                     char error[PG_ERROR_SIZE_BYTES])
{
    struct pg_command command = {name, import->relation, 0, {NULL}};
    return name == NULL || pg_command_execute(import->connection, &command, NULL, state, error);
}

static enum pg_import_outcome apply_once(struct pg_import *import, const struct import_row *rows,
                                         size_t count, bool *refused, int64_t *added, char state[6],
                                         char error[PG_ERROR_SIZE_BYTES])
{
    const struct steps *steps = import->steps;
    struct pg_command apply = {steps->apply, import->relation, 0, {NULL}};
    memset(refused, 0, count * sizeof *refused);
    if (!pg_command_control(import->connection, "BEGIN", state, error) ||
        !stage(import, rows, count, state, error) ||
        !run_step(import, steps->before, state, error)) {
        return PG_IMPORT_FAILED;
    }
    PGresult *result = pg_command_run(import->connection, &apply, state, error);
    if (result == NULL) {
        return PG_IMPORT_FAILED;
    }
    bool allowed = parse_answer(result, count, refused, added) || !steps->refuses;
    PQclear(result);
    if (!run_step(import, steps->after, state, error) ||
        !pg_command_control(import->connection, allowed ? "COMMIT" : "ROLLBACK", state, error)) {
        return PG_IMPORT_FAILED;
    }
    return allowed ? PG_IMPORT_APPLIED : PG_IMPORT_REFUSED;
}

/* Ends what failed; whether it may be tried again. */
static bool may_retry(struct pg_import *import, const char state[6], int attempt)
{
    char ignored[PG_ERROR_SIZE_BYTES];
    return pg_command_control(import->connection, "ROLLBACK", NULL, ignored) &&
           pg_command_retryable(state) && attempt < ATTEMPTS;
}

/* ---- free seats ---- */

/* Gives some of the free seats to those who wait, in a transaction; `left`: there may be more. */
static bool promote_once(struct pg_import *import, bool *left, char state[6],
                         char error[PG_ERROR_SIZE_BYTES])
{
    struct pg_command find = {"import_promoting", import->relation, 0, {NULL}};
    if (!pg_command_control(import->connection, "BEGIN", state, error)) {
        return false;
    }
    PGresult *found = pg_command_run(import->connection, &find, state, error);
    if (found == NULL) {
        return false;
    }
    struct pg_command promote = {
        "queries/promote", import->relation, 2, {PQgetvalue(found, 0, 0), promoted_max}};
    *left = !PQgetisnull(found, 0, 0);
    bool done = !*left || pg_command_execute(import->connection, &promote, NULL, state, error);
    PQclear(found);
    return done && pg_command_control(import->connection, "COMMIT", state, error);
}

static bool promote_all(struct pg_import *import, char error[PG_ERROR_SIZE_BYTES])
{
    bool left = true;
    for (int attempt = 1; left; attempt++) {
        char state[6] = "";
        if (promote_once(import, &left, state, error)) {
            attempt = 0;
        } else if (!may_retry(import, state, attempt)) {
            return false;
        }
    }
    return true;
}

enum pg_import_outcome pg_import_apply(struct pg_import *import, const struct import_row *rows,
                                       size_t count, bool *refused, int64_t *added,
                                       char error[PG_ERROR_SIZE_BYTES])
{
    enum pg_import_outcome outcome;
    char state[6];
    int attempt = 0;
    do {
        *state = '\0';
        outcome = apply_once(import, rows, count, refused, added, state, error);
    } while (outcome == PG_IMPORT_FAILED && may_retry(import, state, ++attempt));
    if (outcome == PG_IMPORT_APPLIED && import->steps->promotes && !promote_all(import, error)) {
        return PG_IMPORT_FAILED;
    }
    return outcome;
}
