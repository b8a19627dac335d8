/* What all processes on one database share. */
#include "rsvpd/store/pg_secrets.h"
#include "rsvpd/store/pg_await.h"
#include "rsvpd/store/sql.h"

#include <libpq-fe.h>
#include <stdio.h>

enum { ANSWER_TIMEOUT_US = 10 * 1000 * 1000 };
enum { NAMESPACE_SIZE = REDIS_NAMESPACE_SIZE_BYTES - 1 };

static bool parse_secrets(const PGresult *result, struct pg_secrets *secrets)
{
    if (PQntuples(result) != 1 || PQgetlength(result, 0, 0) != MAC_KEY_SIZE_BYTES ||
        PQgetlength(result, 0, 1) != NAMESPACE_SIZE) {
        return false;
    }
    memcpy(secrets->page_token_key, PQgetvalue(result, 0, 0), MAC_KEY_SIZE_BYTES);
    memcpy(secrets->redis_namespace, PQgetvalue(result, 0, 1), REDIS_NAMESPACE_SIZE_BYTES);
    return true;
}

bool pg_secrets_load(const char *url, struct pg_secrets *secrets, char error[PG_ERROR_SIZE_BYTES])
{
    PGconn *connection = pg_connect(url, PG_READS, error);
    if (connection == NULL) {
        return false;
    }
    PGresult *result = NULL;
    if (PQsendQueryParams(connection, sql_text("schema/secrets"), 0, NULL, NULL, NULL, NULL, 1) ==
        1) {
        result = pg_await_last(connection, ANSWER_TIMEOUT_US);
    }
    bool loaded = false;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        pg_error_statement(connection, result, error);
    } else if (!parse_secrets(result, secrets)) {
        snprintf(error, PG_ERROR_SIZE_BYTES, "%s",
                 "rsvpd_secrets lacks the row 'page_token' or 'redis_namespace'; put it back from "
                 "a backup");
    } else {
        loaded = true;
    }
    PQclear(result);
    PQfinish(connection);
    return loaded;
}
