/* Random keys that all processes on one database share. */
#include "rsvpd/store/pg_secret.h"
#include "rsvpd/store/sql.h"

#include <libpq-fe.h>
#include <stdio.h>

bool pg_secret_load(const char *url, const char *name, unsigned char key[MAC_KEY_SIZE_BYTES],
                    char error[PG_ERROR_SIZE_BYTES])
{
    PGconn *connection = pg_connect(url, error);
    if (connection == NULL) {
        return false;
    }
    PGresult *result =
        PQexecParams(connection, sql_text("schema/secret"), 1, NULL, &name, NULL, NULL, 1);
    bool loaded = false;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        pg_first_line(PQerrorMessage(connection), error);
    } else if (PQntuples(result) != 1 || PQgetlength(result, 0, 0) != MAC_KEY_SIZE_BYTES) {
        snprintf(error, PG_ERROR_SIZE_BYTES, "the key '%s' is missing from rsvpd_secrets", name);
    } else {
        memcpy(key, PQgetvalue(result, 0, 0), MAC_KEY_SIZE_BYTES);
        loaded = true;
    }
    PQclear(result);
    PQfinish(connection);
    return loaded;
}
