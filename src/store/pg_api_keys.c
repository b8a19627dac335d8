/* API keys as the service reads them, and notes when they were used.
 *
 * DESIGN: Each exchange has a deadline of its own: a server that was lost without a word must not
 * keep a key that was revoked in force. */
#include "rsvpd/store/pg_api_keys.h"
#include "rsvpd/store/pg_await.h"
#include "rsvpd/store/pg_codec.h"
#include "rsvpd/store/pg_vet.h"
#include "rsvpd/store/sql.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

enum { EXCHANGE_US = 3 * 1000 * 1000, COLUMN_COUNT = 5 };

#define STATEMENT_TIMEOUT "2s"
#define LOCK_TIMEOUT "1s"

static_assert((int)PG_API_KEY_USES_MAX <= (int)BATCH_SIZE_MAX, "they fit an array");

struct parameters {
    int count, format; /* 0: text, 1: binary */
    const char *values[2];
    int sizes[2];
};

/* Sends a statement of sql/ and takes its answer, in binary. NULL where it fails. */
static PGresult *exchange(PGconn *session, const char *name, const struct parameters *parameters,
                          char error[PG_ERROR_SIZE_BYTES])
{
    const int formats[] = {parameters->format, parameters->format};
    bool sent = PQsendQueryParams(session, sql_text(name), parameters->count, NULL,
                                  parameters->values, parameters->sizes, formats, 1) == 1;
    PGresult *result = sent ? pg_await_last(session, EXCHANGE_US) : NULL;
    if (PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK) {
        return result;
    }
    pg_error_statement(session, result, error);
    PQclear(result);
    return NULL;
}

struct pg_conn *pg_api_keys_connect(const char *url, char error[PG_ERROR_SIZE_BYTES])
{
    PGconn *session = pg_connect(url, PG_READS, error);
    if (session == NULL) {
        return NULL;
    }
    const struct parameters timeouts = {.count = 2, .values = {STATEMENT_TIMEOUT, LOCK_TIMEOUT}};
    PGresult *result = exchange(session, "session/setup", &timeouts, error);
    bool suits =
        result != NULL && (!pg_is_read_only(session) || pg_vet_replayed(session, url, error));
    PQclear(result);
    if (!suits) {
        PQfinish(session);
        return NULL;
    }
    return session;
}

void pg_api_keys_close(struct pg_conn **session)
{
    PQfinish(*session);
    *session = NULL;
}

/* The widest of the scopes, which are separated by blanks; words that are none count for nothing.
 */
static enum scope parse_scopes(struct slice scopes)
{
    enum scope widest = SCOPE_NONE;
    while (scopes.size > 0) {
        enum scope scope = scope_named(slice_cut(&scopes, ' '));
        widest = scope > widest ? scope : widest;
    }
    return widest;
}

/* A time of an answer, or what it is where there is none. */
static int64_t parse_time_us(const PGresult *result, int row, int column, int64_t without)
{
    return PQgetisnull(result, row, column) ? without
                                            : pg_decode_time_us(PQgetvalue(result, row, column));
}

/* What a row tells. False where it is none of ours. */
static bool parse_key(const PGresult *result, int row, struct api_key *key)
{
    if (PQgetlength(result, row, 0) != DIGEST_SIZE_BYTES ||
        PQgetlength(result, row, 1) != PG_NUMBER_SIZE_BYTES) {
        return false;
    }
    memcpy(key->digest, PQgetvalue(result, row, 0), DIGEST_SIZE_BYTES);
    key->id = pg_decode_int64(PQgetvalue(result, row, 1));
    key->scope =
        parse_scopes(slice_make(PQgetvalue(result, row, 2), (size_t)PQgetlength(result, row, 2)));
    key->expires_us = parse_time_us(result, row, 3, INT64_MAX);
    key->used_us = parse_time_us(result, row, 4, 0);
    return true;
}

static struct api_keys *parse_keys(const PGresult *result, char error[PG_ERROR_SIZE_BYTES])
{
    int count = PQntuples(result);
    struct api_key *rows = calloc((size_t)count + 1, sizeof *rows);
    struct api_keys *keys = NULL;
    bool ours = rows != NULL && PQnfields(result) == COLUMN_COUNT;
    for (int i = 0; ours && i < count; i++) {
        ours = parse_key(result, i, &rows[i]);
    }
    if (ours) {
        keys = api_keys_create(rows, (size_t)count);
    }
    if (keys == NULL) {
        snprintf(error, PG_ERROR_SIZE_BYTES, "%s",
                 rows != NULL && !ours ? "api_keys is not as 'rsvpd migrate' made it"
                                       : "out of memory");
    }
    free(rows);
    return keys;
}

struct api_keys *pg_api_keys_read(struct pg_conn *session, char error[PG_ERROR_SIZE_BYTES])
{
    PGresult *result = exchange(session, "api_keys/read", &(struct parameters){0}, error);
    struct api_keys *keys = result == NULL ? NULL : parse_keys(result, error);
    PQclear(result);
    return keys;
}

bool pg_api_keys_note(struct pg_conn *session, const struct api_key_use *uses, size_t count,
                      char error[PG_ERROR_SIZE_BYTES])
{
    struct pg_array *arrays = calloc(2, sizeof *arrays);
    if (arrays == NULL) {
        snprintf(error, PG_ERROR_SIZE_BYTES, "%s", "out of memory");
        return false;
    }
    pg_array_clear_int64(&arrays[0]);
    pg_array_clear_int64(&arrays[1]);
    for (size_t i = 0; i < count; i++) {
        pg_array_add_int64(&arrays[0], uses[i].id);
        pg_array_add_int64(&arrays[1], uses[i].used_us);
    }
    const struct parameters parameters = {
        .count = 2,
        .format = 1,
        .values = {arrays[0].data, arrays[1].data},
        .sizes = {(int)arrays[0].size_bytes, (int)arrays[1].size_bytes},
    };
    PGresult *result = exchange(session, "api_keys/note_uses", &parameters, error);
    free(arrays);
    PQclear(result);
    return result != NULL;
}
