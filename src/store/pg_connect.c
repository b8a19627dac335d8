/* Connections to Postgres as DATABASE_URL and the PG* variables describe them. */
#include "rsvpd/store/pg_connect.h"
#include "rsvpd/base/slice.h"
#include "rsvpd/store/pg_hosts.h"
#include "rsvpd/store/pg_race.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ports of one or several hosts: libpq itself looks at them only when it connects. */
static bool ports_valid(const PQconninfoOption *options)
{
    struct slice ports = slice_of(pg_hosts_option(options, "port"));
    while (ports.size > 0) {
        struct slice port = slice_cut(&ports, ',');
        int number = 0;
        for (size_t i = 0; i < port.size; i++) {
            if (i > 4 || port.data[i] < '0' || port.data[i] > '9') {
                return false;
            }
            number = number * 10 + (port.data[i] - '0');
        }
        if (port.size > 0 && (number < 1 || number > 65535)) {
            return false;
        }
    }
    return true;
}

bool pg_url_valid(const char *url, char error[PG_ERROR_SIZE_BYTES])
{
    char *message = NULL;
    PQconninfoOption *options = PQconninfoParse(url, &message);
    /* libpq's message can quote the URL, and so a password: say only that it is malformed. */
    snprintf(error, PG_ERROR_SIZE_BYTES, "%s",
             "is not a connection URI that libpq understands, such as "
             "postgresql://user:password@host:5432/database");
    bool valid = options != NULL && ports_valid(options);
    PQconninfoFree(options);
    PQfreemem(message);
    return valid;
}

bool pg_url_parses(const char *url)
{
    char ignored[PG_ERROR_SIZE_BYTES];
    return pg_url_valid(url, ignored);
}

static bool is_plain(const char *value)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._:/,";
    return value[strspn(value, plain)] == '\0';
}

void pg_url_place(const char *url, char place[PG_PLACE_SIZE_BYTES])
{
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    *place = '\0';
    if (options != NULL) {
        const char *host = pg_hosts_option(options, "host");
        const char *address = pg_hosts_option(options, "hostaddr");
        const char *database = pg_hosts_option(options, "dbname");
        host = host[0] == '\0' ? address : host;
        if (host[0] != '\0' && database[0] != '\0' && is_plain(host) && is_plain(database)) {
            snprintf(place, PG_PLACE_SIZE_BYTES, " (host %.100s, database %.100s)", host, database);
        }
    }
    PQconninfoFree(options);
}

/* One that is empty is as good as none. */
static bool is_set(const char *variable)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): it is set only before there are threads */
    const char *value = variable == NULL ? NULL : getenv(variable);
    return value != NULL && value[0] != '\0';
}

/* One attempt at every host, for a session of these attributes. `replication` is NULL but for a
 * session that can stream. */
static PGconn *attempt(const char *url, const char *attributes, const char *replication,
                       char error[PG_ERROR_SIZE_BYTES])
{
    /* What stands before dbname is a default, which the URL overrides; where the environment has a
     * word of its own there is no default of ours. */
    const bool standby = strcmp(attributes, "standby") == 0; /* what the environment says is meant
                                                                of the primary */
    const struct {
        const char *keyword, *value, *environment;
    } defaults[] = {
        {"fallback_application_name", "rsvpd", NULL},
        {"target_session_attrs", attributes, standby ? NULL : "PGTARGETSESSIONATTRS"},
        {"connect_timeout", "2", "PGCONNECT_TIMEOUT"},
        {"tcp_user_timeout", "5000", NULL},
        {"replication", replication, NULL},
    };
    const char *keywords[8] = {0};
    const char *values[8] = {0};
    static_assert(sizeof defaults / sizeof defaults[0] + 2 <= sizeof keywords / sizeof keywords[0],
                  "there is room for all defaults, the URL and the end");
    size_t size = 0;
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
        if (!is_set(defaults[i].environment)) {
            keywords[size] = defaults[i].keyword;
            values[size++] = defaults[i].value;
        }
    }
    keywords[size] = "dbname";
    values[size] = url;
    char message[PG_RACE_MESSAGE_SIZE_BYTES];
    PGconn *connection = pg_race(keywords, values, message);
    if (connection == NULL) {
        char place[PG_PLACE_SIZE_BYTES];
        pg_url_place(url, place);
        pg_error_connection(message, place, error);
    }
    return connection;
}

struct pg_conn *pg_connect(const char *url, enum pg_access access, char error[PG_ERROR_SIZE_BYTES])
{
    char ignored[PG_ERROR_SIZE_BYTES];
    PGconn *connection = attempt(url, access == PG_REPLICA ? "standby" : "read-write", NULL, error);
    if (connection == NULL && access == PG_READS) {
        connection = attempt(url, "any", NULL, ignored); /* the first error says more */
    }
    return connection;
}

struct pg_conn *pg_connect_replication(const char *url, char error[PG_ERROR_SIZE_BYTES])
{
    return attempt(url, "read-write", "database", error);
}

static bool is_on(const char *status)
{
    return status != NULL && strcmp(status, "on") == 0;
}

bool pg_is_read_only(const struct pg_conn *connection)
{
    return is_on(PQparameterStatus(connection, "default_transaction_read_only")) ||
           is_on(PQparameterStatus(connection, "in_hot_standby"));
}
