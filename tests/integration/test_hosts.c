/* Several hosts in DATABASE_URL, one of which takes connections and never says a word. Its time,
 * connect_timeout, is longer than any test: where it is waited for, nothing else happens. And one
 * that falls silent once it has given a session. */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "fixture.h"
#include "process.h"
#include "relation.h"
#include "servers.h"
#include "service.h"
#include "silent_host.h"
#include "test.h"

static const char *const one_worker[] = {"WORKERS=1", NULL};

static const struct relation *const rsvp = &relations[RELATION_RSVP];

static struct silent_host silent;

static int set_up(void **state)
{
    silent_host_start(&silent);
    return fixture_setup_servers(state);
}

static int tear_down(void **state)
{
    silent_host_stop(&silent);
    return fixture_teardown(state);
}

/* The silent host first, then the one that works. */
static char *url_of_both(const char *database)
{
    char *url = NULL;
    assert_true(asprintf(&url,
                         "postgresql://postgres@/%s?host=%s,%s&port=5432&connect_timeout=1000",
                         database, silent.directory, pg_server_directory(fixture.pg)) > 0);
    return url;
}

static void set_read_only(const char *url, const char *value)
{
    pg_execute(url, "ALTER SYSTEM SET default_transaction_read_only = %s", value);
    pg_execute(url, "SELECT pg_reload_conf()");
}

static void expect_writable(const struct service *service)
{
    struct http_client *client = http_client_create(service->port);
    expect_write(rsvp, relation_write(client, rsvp, "POST", "e", "u"), 201, "e", "u", true, true,
                 1);
    http_client_destroy(&client);
}

static void a_silent_host_does_not_hold_up_the_next(NO_STATE)
{
    char *alone = pg_fresh_database(fixture.pg, "beside");
    char *both = url_of_both("beside");
    service_migrate(alone);
    struct service *service = service_start(both, NULL, one_worker);
    expect_writable(service);
    service_stop(&service);
    free(both);
    free(alone);
}

/* As a standby is that is promoted a moment after it was asked. */
static void a_host_is_asked_again_while_another_is_silent(NO_STATE)
{
    char *alone = pg_fresh_database(fixture.pg, "again");
    char *both = url_of_both("again");
    service_migrate(alone);
    struct service *service = service_start(both, NULL, one_worker);
    const int64_t before = service_count_connects(service);
    set_read_only(alone, "on");
    service_wait_ready(service, 503);
    /* An attempt that finds the host to be read-only goes on, because it waits for the other one.
     */
    service_await_connects(service, before + 1);
    set_read_only(alone, "off");
    service_wait_ready(service, 200);
    expect_writable(service);
    service_stop(&service);
    free(both);
    free(alone);
}

/* ---- after the connection ---- */

/* Whatever new sessions are judged by reads this table, which can be locked: the catalog of indexes
 * for the schema, and a function that tells whether tables are in shards. */
static char *make_lockable(const char *database, const char *what)
{
    char *url = pg_fresh_database(fixture.pg, database);
    service_migrate(url);
    pg_execute(url,
               "CREATE SCHEMA lockable;"
               " CREATE TABLE lockable.gate AS SELECT * FROM pg_index;"
               " CREATE VIEW lockable.pg_index AS SELECT * FROM lockable.gate;"
               " CREATE FUNCTION lockable.to_regprocedure(text) RETURNS regprocedure"
               "  LANGUAGE plpgsql AS $$ BEGIN PERFORM FROM lockable.gate; RETURN NULL; END $$;"
               " GRANT USAGE ON SCHEMA lockable TO PUBLIC;"
               " GRANT SELECT ON ALL TABLES IN SCHEMA lockable TO PUBLIC;"
               " DROP %s",
               what);
    pg_execute(url, "ALTER DATABASE %s SET search_path = lockable, pg_catalog, public", database);
    return url;
}

/* Else it would keep the thread that connects, and with it all connections. */
static void expect_silence_given_up(const char *database, const char *not_by)
{
    char *url = make_lockable(database, not_by);
    struct service *service = service_start(url, NULL, one_worker);
    struct pg_conn *holder =
        pg_session_begin(url, "LOCK TABLE lockable.gate IN ACCESS EXCLUSIVE MODE");
    pg_execute(url,
               "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
               " WHERE application_name = 'rsvpd' AND datname = '%s'",
               database);
    pg_await_lock_waiter(url);
    service_await_log(service, "no answer in time");
    PQfinish(holder);
    service_wait_ready(service, 200);
    expect_writable(service);
    service_stop(&service);
    free(url);
}

static void a_session_that_falls_silent_about_the_schema_is_given_up(NO_STATE)
{
    expect_silence_given_up("schema", "FUNCTION lockable.to_regprocedure");
}

static void a_session_that_falls_silent_about_shards_is_given_up(NO_STATE)
{
    expect_silence_given_up("shards", "VIEW lockable.pg_index");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_silent_host_does_not_hold_up_the_next),
        cmocka_unit_test(a_host_is_asked_again_while_another_is_silent),
        cmocka_unit_test(a_session_that_falls_silent_about_the_schema_is_given_up),
        cmocka_unit_test(a_session_that_falls_silent_about_shards_is_given_up),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
