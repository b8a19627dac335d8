/* Adds many members at once. */
#include "rsvpd/store/pg_import.h"
#include "rsvpd/store/pg_codec.h"
#include "rsvpd/store/pg_command.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ATTEMPTS = 20, /* at a chunk that others are in the way of */
    COPY_BUFFER_SIZE_BYTES = 65536,
    COPY_ROW_SIZE_MAX_BYTES = 2 + 4 * 4 + 4 + 2 * IDENTIFIER_SIZE_MAX_BYTES + 8,
};

struct pg_import {
    PGconn *connection;
    const struct relation *relation;
    bool past_capacity;
    size_t size; /* of what is in the buffer */
    char buffer[COPY_BUFFER_SIZE_BYTES];
};

struct pg_import *pg_import_open(const char *url, const struct relation *relation,
                                 bool past_capacity, char error[PG_ERROR_SIZE_BYTES])
{
    PGconn *connection = pg_command_connect(url, PG_WRITES, "10min", "10s", error);
    if (connection == NULL) {
        return NULL;
    }
    struct pg_command stage = {"import_stage", relation, 0, {NULL}};
    struct pg_import *import = malloc(sizeof *import);
    if (import == NULL) {
        snprintf(error, PG_ERROR_SIZE_BYTES, "out of memory");
        PQfinish(connection);
        return NULL;
    }
    import->connection = connection;
    import->relation = relation;
    import->past_capacity = past_capacity;
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
    memcpy(import->buffer + import->size, bytes, size);
    import->size += size;
}

/* An integer of so many bytes, the highest first. */
static void put_integer(struct pg_import *import, int64_t number, size_t size)
{
    char bytes[8];
    pg_encode_int64(number, bytes);
    put(import, bytes + sizeof bytes - size, size);
}

static void put_text(struct pg_import *import, const struct identifier *id)
{
    put_integer(import, id->size, 4);
    put(import, id->data, id->size);
}

static void put_row(struct pg_import *import, const struct import_row *row, size_t place)
{
    put_integer(import, 4, 2); /* columns */
    put_integer(import, 4, 4);
    put_integer(import, (int64_t)place, 4);
    put_text(import, &row->entity);
    put_text(import, &row->user);
    if (row->created_us == IMPORT_NOW) {
        put_integer(import, -1, 4); /* NULL */
    } else {
        char time[8];
        pg_encode_time_us(row->created_us, time);
        put_integer(import, sizeof time, 4);
        put(import, time, sizeof time);
    }
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
static bool take_answer(const PGresult *result, bool *refused, int64_t *added)
{
    bool any = false;
    for (int row = 0; row < PQntuples(result); row++) {
        if (PQgetisnull(result, row, 0)) {
            *added = pg_command_integer(result, row, 1);
        } else {
            refused[pg_command_integer(result, row, 0)] = true;
            any = true;
        }
    }
    return !any;
}

static enum pg_import_outcome apply_once(struct pg_import *import, const struct import_row *rows,
                                         size_t count, bool *refused, int64_t *added, char state[6],
                                         char error[PG_ERROR_SIZE_BYTES])
{
    struct pg_command apply = {"import_apply", import->relation, 0, {NULL}};
    struct pg_command lock = {"import_lock", import->relation, 0, {NULL}};
    struct pg_command unqueue = {"import_unqueue", import->relation, 0, {NULL}};
    memset(refused, 0, count * sizeof *refused);
    if (!pg_command_control(import->connection, "BEGIN", state, error) ||
        !stage(import, rows, count, state, error) ||
        (import->past_capacity &&
         !pg_command_execute(import->connection, &lock, NULL, state, error))) {
        return PG_IMPORT_FAILED;
    }
    PGresult *result = pg_command_run(import->connection, &apply, state, error);
    if (result == NULL) {
        return PG_IMPORT_FAILED;
    }
    bool allowed = take_answer(result, refused, added) || import->past_capacity;
    PQclear(result);
    if (import->past_capacity &&
        !pg_command_execute(import->connection, &unqueue, NULL, state, error)) {
        return PG_IMPORT_FAILED;
    }
    if (!pg_command_control(import->connection, allowed ? "COMMIT" : "ROLLBACK", state, error)) {
        return PG_IMPORT_FAILED;
    }
    return allowed ? PG_IMPORT_APPLIED : PG_IMPORT_REFUSED;
}

enum pg_import_outcome pg_import_apply(struct pg_import *import, const struct import_row *rows,
                                       size_t count, bool *refused, int64_t *added,
                                       char error[PG_ERROR_SIZE_BYTES])
{
    char ignored[PG_ERROR_SIZE_BYTES];
    for (int attempt = 1;; attempt++) {
        char state[6] = "";
        enum pg_import_outcome outcome =
            apply_once(import, rows, count, refused, added, state, error);
        if (outcome != PG_IMPORT_FAILED) {
            return outcome;
        }
        if (!pg_command_control(import->connection, "ROLLBACK", NULL, ignored) ||
            !pg_command_retryable(state) || attempt == ATTEMPTS) {
            return PG_IMPORT_FAILED;
        }
    }
}
