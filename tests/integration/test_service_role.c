/* The service's role has the rights that it needs, which every other test shows, and no others. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "fixture.h"
#include "process.h"
#include "servers.h"
#include "test.h"

#define NO_RIGHT "42501"

/* The SQLSTATE with which the statement ends for the role; empty: it is done. */
static void try(const char *sql, char code[6])
{
    char *url = pg_service_url(fixture.database_url);
    PGconn *session = PQconnectdb(url);
    assert_int_equal(PQstatus(session), CONNECTION_OK);
    PGresult *result = PQexec(session, sql);
    const char *found = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    snprintf(code, 6, "%s", found != NULL ? found : "");
    PQclear(result);
    PQfinish(session);
    free(url);
}

static void the_role_may_not_do_what_the_service_does_not(NO_STATE)
{
    static const char *const statements[] = {
        "CREATE TABLE mine (i int)",
        "CREATE SCHEMA mine",
        "CREATE ROLE another",
        "CREATE DATABASE another",
        "DROP TABLE rsvps",
        "ALTER TABLE rsvps ADD COLUMN mine int",
        "CREATE INDEX ON likes (created_at)",
        "TRUNCATE rsvps",
        "TRUNCATE idempotency_keys",
        "UPDATE rsvps SET user_id = 'another'",
        "UPDATE waitlist SET ticket = 1",
        "DELETE FROM rsvp_counters",
        "DELETE FROM like_counters",
        "UPDATE rsvp_counters SET event_id = 'another'",
        "UPDATE idempotency_keys SET count = 7",
        "INSERT INTO api_keys (name, sha256, scopes) VALUES ('mine', sha256('x'), '{}')",
        "UPDATE api_keys SET scopes = '{rsvp:admin}'",
        "UPDATE api_keys SET sha256 = sha256('mine')",
        "UPDATE api_keys SET revoked_at = NULL",
        "UPDATE api_keys SET expires_at = NULL",
        "DELETE FROM api_keys",
        "SELECT name FROM api_keys",
        "SELECT * FROM api_keys",
        "UPDATE rsvpd_secrets SET key = sha256('mine')",
        "INSERT INTO rsvpd_secrets (name, key) VALUES ('mine', '')",
        "DELETE FROM rsvpd_migrations",
        "INSERT INTO rsvpd_migrations (number, name) VALUES (9999, 'mine')",
        "COPY rsvps TO PROGRAM 'cat'",
        "SELECT rolpassword FROM pg_authid",
    };
    for (size_t i = 0; i < LENGTH(statements); i++) {
        char code[6];
        process_note("%s", statements[i]);
        try(statements[i], code);
        /* Only an owner may change a table: its absence has the same state. */
        assert_string_equal(code, NO_RIGHT);
    }
}

static void the_role_is_no_more_than_a_login(NO_STATE)
{
    assert_true(pg_query_bool(fixture.database_url,
                              "SELECT rolcanlogin AND NOT (rolsuper OR rolcreatedb OR rolcreaterole"
                              " OR rolreplication OR rolbypassrls)"
                              " AND NOT EXISTS (SELECT FROM pg_auth_members WHERE member = r.oid)"
                              " FROM pg_roles AS r WHERE rolname = 'rsvpd'"));
}

/* It may be run at any time, and takes back what was granted beside it. */
static void the_file_may_be_run_again(NO_STATE)
{
    char code[6];
    pg_execute(fixture.database_url, "GRANT ALL ON api_keys, rsvps TO rsvpd");
    try("SELECT name FROM api_keys", code);
    assert_string_equal(code, "");
    pg_grant_service_role(fixture.database_url);
    try("SELECT name FROM api_keys", code);
    assert_string_equal(code, NO_RIGHT);
    try("TRUNCATE rsvps", code);
    assert_string_equal(code, NO_RIGHT);
    try("SELECT id, sha256, scopes, expires_at FROM api_keys WHERE revoked_at IS NULL", code);
    assert_string_equal(code, "");
    try("UPDATE api_keys SET last_used_at = now()", code);
    assert_string_equal(code, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_role_may_not_do_what_the_service_does_not),
        cmocka_unit_test(the_role_is_no_more_than_a_login),
        cmocka_unit_test(the_file_may_be_run_again),
    };
    return cmocka_run_group_tests(tests, fixture_setup_servers, fixture_teardown);
}
