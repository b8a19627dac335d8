/* What is said of connections that fail: never the words of libpq or the server. */
#include "unit.h"

#include "rsvpd/store/pg_error.h"

#define AT "connection to server at \"sesame\" (127.0.0.1), port 1 failed: "

static void test_connections(NO_STATE)
{
    static const struct {
        const char *message, *words;
    } cases[] = {
        {"could not translate host name \"sesame@h\" to address: Name or service not known\n",
         "the host's name cannot be found"},
        {AT "Connection refused\n\tIs the server running on that host?\n", "connection refused"},
        {"connection to server on socket \"/sesame/.s.PGSQL.5432\" failed: No such file or "
         "directory\n\tIs the server running locally and accepting connections on that socket?\n",
         "no server listens on a socket in that directory"},
        {AT "timeout expired\n", "no answer in time"},
        {AT "FATAL:  password authentication failed for user \"sesame\"\n",
         "the server refuses the user or the password"},
        {AT "fe_sendauth: no password supplied\n",
         "the server wants a password, and none is given"},
        {AT "FATAL:  database \"sesame\" does not exist\n",
         "the database does not exist there, or takes no connections"},
        {AT "FATAL:  role \"sesame\" does not exist\n",
         "the user does not exist there, or may not log in"},
        {AT
         "FATAL:  permission denied for database \"sesame\"\nDETAIL:  User does not have CONNECT "
         "privilege.\n",
         "the user may not connect to the database"},
        {AT "FATAL:  must be superuser or replication role to start walsender\n",
         "the user lacks REPLICATION: a superuser gives it by ALTER ROLE"},
        {AT
         "FATAL:  permission denied to start WAL sender\nDETAIL:  Only roles with the REPLICATION "
         "attribute may start a WAL sender process.\n",
         "the user lacks REPLICATION: a superuser gives it by ALTER ROLE"},
        {AT "FATAL:  sorry, too many clients already\n", "the server has no connection left"},
        {AT "FATAL:  the database system is starting up\n", "the server is starting up"},
        {AT "session is read-only\n", "the server is read-only"},
        {AT "server is in hot standby mode\n", "the server is read-only"},
        {AT "server is not in hot standby mode\n", "the server is no standby"},
        {AT "server does not support SSL, but SSL was required\n",
         "TLS cannot be set up as sslmode asks"},
        {AT "SSL error: certificate verify failed\n",
         "TLS cannot be set up as sslmode asks; a certificate is missing or not accepted"},
        {"SSL SYSCALL error: EOF detected\n", "the server closed the connection (there)"},
        {"SSL SYSCALL error: Connection timed out\n", "no answer in time (there)"},
        {"SSL connection has been closed unexpectedly\n",
         "the server closed the connection (there)"},
        {"invalid sslmode value: \"sesame\"\n",
         "a parameter of the URL, or a PG* variable, has an invalid value"},
        {"invalid integer value \"sesame\" for connection option \"keepalives\"\n",
         "a parameter of the URL, or a PG* variable, has an invalid value"},
        {"server closed the connection unexpectedly\n\tbefore or while processing the request.\n"
         "invalid socket\n",
         "the server closed the connection (there)"},
        {"invalid socket\n", "the server closed the connection (there)"},
        {"service file \"/sesame\" not found\n", "the service's definition cannot be found"},
        {"definition of service \"sesame\" not found\n",
         "the service's definition cannot be found"},
        {AT "Connection refused\n" AT "session is read-only\n",
         "connection refused: no server listens there; the server is read-only"},
        {"SCHWERWIEGEND:  Datenbank \xe2\x80\x9esesame\xe2\x80\x9c existiert nicht\n",
         "the connection failed; the server's log may say why"},
        {"", "the connection failed; the server's log may say why"},
    };
    char error[PG_ERROR_SIZE_BYTES];
    for (size_t i = 0; i < LENGTH(cases); i++) {
        pg_error_connection(cases[i].message, " (there)", error);
        assert_null(strstr(error, "sesame"));
        if (strncmp(error, cases[i].words, strlen(cases[i].words)) != 0 ||
            strstr(error, " (there)") == NULL) {
            fail_msg("%s: %s", cases[i].message, error);
        }
    }
}

/* Everything that can be said at once fits. */
static void test_size(NO_STATE)
{
    static const char all[] =
        "out of memory could not translate host name could not parse network address Connection "
        "refused No such file or directory Permission denied timeout expired unreachable server "
        "closed the connection terminating connection authentication failed no password supplied "
        "no pg_hba.conf entry pg_hba.conf rejects role \" :  database \" permission denied for "
        "database too many";
    char error[PG_ERROR_SIZE_BYTES];
    pg_error_connection(all, " (there)", error);
    assert_true(strlen(error) < sizeof error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connections),
        cmocka_unit_test(test_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
