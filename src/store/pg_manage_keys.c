/* API keys as an operator manages them. */
#include "rsvpd/store/pg_manage_keys.h"
#include "rsvpd/domain/api_keys.h"
#include "rsvpd/store/pg_command.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

/* Runs one statement in a session of its own. NULL with `error` filled in where it fails. */
static PGresult *run(const char *url, const struct pg_command *command,
                     char error[PG_ERROR_SIZE_BYTES])
{
    PGconn *connection = pg_command_connect(url, PG_WRITES, "30s", "10s", error);
    if (connection == NULL) {
        return NULL;
    }
    PGresult *result = pg_command_run(connection, command, NULL, error);
    PQfinish(connection);
    return result;
}

bool pg_key_create(const char *url, const struct pg_new_key *key, int64_t *id,
                   char error[PG_ERROR_SIZE_BYTES])
{
    char digest[2 * DIGEST_SIZE_BYTES + 1], expires[32], most[32];
    for (size_t i = 0; i < DIGEST_SIZE_BYTES; i++) {
        snprintf(digest + 2 * i, 3, "%02x", key->digest[i]);
    }
    snprintf(expires, sizeof expires, "%" PRId64, key->expires_us);
    snprintf(most, sizeof most, "%d", (int)API_KEYS_MAX);
    const struct pg_command command = {
        "create_api_key",
        &relations[0],
        5,
        {key->name, digest, key->scopes, key->expires_us == INT64_MAX ? NULL : expires, most}};
    PGresult *result = run(url, &command, error);
    if (result == NULL) {
        return false;
    }
    bool stored = PQntuples(result) == 1;
    if (stored) {
        *id = pg_command_integer(result, 0, 0);
    } else {
        snprintf(error, PG_ERROR_SIZE_BYTES,
                 "%s keys are in force, and there may be no more: revoke some", most);
    }
    PQclear(result);
    return stored;
}

static const char *value_or_null(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column);
}

bool pg_key_list(const char *url, void (*each)(const struct pg_key_line *line),
                 char error[PG_ERROR_SIZE_BYTES])
{
    PGresult *result =
        run(url, &(struct pg_command){"list_api_keys", &relations[0], 0, {0}}, error);
    if (result == NULL) {
        return false;
    }
    for (int row = 0; row < PQntuples(result); row++) {
        each(&(struct pg_key_line){
            .id = value_or_null(result, row, 0),
            .scopes = value_or_null(result, row, 1),
            .created_at = value_or_null(result, row, 2),
            .expires_at = value_or_null(result, row, 3),
            .revoked_at = value_or_null(result, row, 4),
            .last_used_at = value_or_null(result, row, 5),
            .name = value_or_null(result, row, 6),
        });
    }
    PQclear(result);
    return true;
}

enum pg_key_revocation pg_key_revoke(const char *url, const char *id,
                                     char error[PG_ERROR_SIZE_BYTES])
{
    PGresult *result =
        run(url, &(struct pg_command){"revoke_api_key", &relations[0], 1, {id}}, error);
    if (result == NULL) {
        return PG_KEY_FAILED;
    }
    enum pg_key_revocation revocation = PQntuples(result) == 0             ? PG_KEY_UNKNOWN
                                        : *PQgetvalue(result, 0, 1) == 't' ? PG_KEY_REVOKED
                                                                           : PG_KEY_WAS_REVOKED;
    PQclear(result);
    return revocation;
}
