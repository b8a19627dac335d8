/* What is said to operators of a failure of PostgreSQL. */
#include "rsvpd/store/pg_error.h"

#include "rsvpd/base/text.h"

#include <libpq-fe.h>
#include <string.h>

#define GRANT_REPLICATION                                                                          \
    "a superuser gives it by ALTER ROLE, or where the service is managed, its role for that"

#define TLS_FAILED "TLS cannot be set up as sslmode asks"

/* Parts of the messages of libpq, and of a server that refuses a session (which libpq gives without
 * an SQLSTATE), and what they mean. All that apply are said: there may be several hosts. */
static const struct {
    const char *part, *words;
} kinds[] = {
    {"out of memory", "out of memory"},
    {"could not translate host name", "the host's name cannot be found"},
    {"could not parse network address", "the host's address is malformed"},
    {"Connection refused", "connection refused: no server listens there"},
    {"No such file or directory", "no server listens on a socket in that directory"},
    {"Permission denied", "the socket may not be used by this user"},
    {"timeout expired", "no answer in time"},
    {"timed out", "no answer in time"},
    {"unreachable", "the network or host cannot be reached"},
    {"No route to host", "the network or host cannot be reached"},
    {"reset by peer", "the server closed the connection"},
    {"Broken pipe", "the server closed the connection"},
    {"server closed the connection", "the server closed the connection"},
    {"terminating connection", "the server ended the session"},
    {"authentication failed", "the server refuses the user or the password"},
    {"no password supplied", "the server wants a password, and none is given"},
    {"no pg_hba.conf entry", "pg_hba.conf has no entry for this client, user and database"},
    {"pg_hba.conf rejects", "pg_hba.conf rejects this client, user and database"},
    {"role \"", "the user does not exist there, or may not log in"},
    {":  database \"", "the database does not exist there, or takes no connections"},
    {"permission denied for database", "the user may not connect to the database"},
    {"to start walsender", "the user lacks REPLICATION: " GRANT_REPLICATION},
    {"to start WAL sender", "the user lacks REPLICATION: " GRANT_REPLICATION}, /* from 16 on */
    {"too many", "the server has no connection left"},
    {"remaining connection slots", "the server has no connection left"},
    {"starting up", "the server is starting up"},
    {"shutting down", "the server is shutting down"},
    {"in recovery mode", "the server is recovering"},
    {"not yet accepting", "the server is starting up"},
    {"session is read-only", "the server is read-only"},
    {"is in hot standby mode", "the server is read-only"},
    {"not in hot standby mode", "the server is no standby"},
    {"SSL SYSCALL error: EOF", "the server closed the connection"},
    {"SSL connection has been closed", "the server closed the connection"},
    {"SSL error", TLS_FAILED},
    {"SSL connection: ", TLS_FAILED},
    {"SSL context", TLS_FAILED},
    {"SSL engine", TLS_FAILED},
    {"private SSL key", TLS_FAILED},
    {"SSL protocol", TLS_FAILED},
    {"support SSL", TLS_FAILED},
    {"SSL negotiation", TLS_FAILED},
    {"SSL exchange", TLS_FAILED},
    {"SSL response", TLS_FAILED},
    {"certificate", "a certificate is missing or not accepted"},
    {"GSS", "GSS encryption or authentication failed"},
    {" value: \"", "a parameter of the URL, or a PG* variable, has an invalid value"},
    {"invalid value", "a parameter of the URL, or a PG* variable, has an invalid value"},
    {"invalid integer", "a parameter of the URL, or a PG* variable, has an invalid value"},
    {"invalid port", "a parameter of the URL, or a PG* variable, has an invalid value"},
    {"invalid connection option",
     "a parameter of the URL, or a PG* variable, has an invalid value"},
    {"invalid URI", "a parameter of the URL, or a PG* variable, has an invalid value"},
    {"invalid percent", "a parameter of the URL, or a PG* variable, has an invalid value"},
    {"definition of service", "the service's definition cannot be found"},
    {"service file", "the service's definition cannot be found"},
    {"invalid socket", "the server closed the connection"},
    {"could not send data", "the server closed the connection"},
    {"could not receive data", "the server closed the connection"},
};

/* Classes of SQLSTATE whose messages quote what they are about: data, other servers' errors, a
 * text of somebody's own SQL. */
static const char *const quoting[] = {"08", "22", "28", "HV", "P0"};

static void finish(struct text *text)
{
    text->data[text->size] = '\0';
}

void pg_error_connection(const char *message, const char *place, char error[PG_ERROR_SIZE_BYTES])
{
    struct text text = text_over(error, PG_ERROR_SIZE_BYTES - 1);
    const char *said = "";
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strstr(message, kinds[i].part) != NULL && strcmp(said, kinds[i].words) != 0) {
            text_add_cstr(&text, *said == '\0' ? "" : "; ");
            text_add_cstr(&text, kinds[i].words);
            said = kinds[i].words;
        }
    }
    if (*said == '\0') {
        text_add_cstr(&text, "the connection failed; the server's log may say why");
    }
    text_add_cstr(&text, place);
    finish(&text);
}

static bool quotes_data(const char *state)
{
    for (size_t i = 0; i < sizeof quoting / sizeof quoting[0]; i++) {
        if (strncmp(state, quoting[i], strlen(quoting[i])) == 0) {
            return true;
        }
    }
    return false;
}

void pg_error_statement(const PGconn *connection, const PGresult *result,
                        char error[PG_ERROR_SIZE_BYTES])
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (state == NULL) {
        bool unanswered = result == NULL && PQtransactionStatus(connection) == PQTRANS_ACTIVE;
        pg_error_connection(unanswered ? "timeout expired" : PQerrorMessage(connection), "", error);
        return;
    }
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    struct text text = text_over(error, PG_ERROR_SIZE_BYTES - 1);
    if (message == NULL || quotes_data(state)) {
        message = "the server refused it; its log has the words";
    }
    text_add(&text, slice_make(message, strcspn(message, "\n")));
    text_add_format(&text, " (SQLSTATE %.5s)", state);
    if (strcmp(state, "42501") == 0) {
        text_add_cstr(&text,
                      strstr(message, "replication slot") != NULL
                          ? ": the role lacks REPLICATION: " GRANT_REPLICATION
                          : ": grant it to this role, or connect as the owner of the tables");
    }
    finish(&text);
}
