/* Migrations beside others, with few rights, and where nothing can be written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "fixture.h"
#include "process.h"
#include "servers.h"
#include "service.h"
#include "test.h"

enum { STATUS_FAILED = 1, STATUS_USAGE = 2 };

/* The lock that migrations take, as versions before took it: for a session. */
#define LOCK "SELECT pg_advisory_lock(823746120459)"
#define UNLOCK "SELECT pg_advisory_unlock(823746120459)"

/* Takes back all migrations but the first three. */
#define UNDO_ALL_BUT_3                                                                             \
    "DELETE FROM rsvpd_migrations WHERE number > 3;"                                               \
    "DROP TABLE events, waitlist; ALTER TABLE rsvp_counters DROP COLUMN managed;"                  \
    "DROP TABLE api_keys, rsvpd_primary; DELETE FROM rsvpd_secrets WHERE name = "                  \
    "'redis_namespace';"                                                                           \
    "ALTER TABLE idempotency_keys DROP COLUMN place_exact"

static char *entry_of(const char *url)
{
    char *entry = NULL;
    if (asprintf(&entry, "DATABASE_URL=%s", url) < 0) {
        process_fail("out of memory");
    }
    return entry;
}

/* Runs `rsvpd migrate --wait WAIT`, which must end so, with these words on stderr (NULL: none). */
static void migrate(const char *url, const char *wait, int status, const char *const *words)
{
    char *entry = entry_of(url);
    struct service_run run = service_run((const char *const[]){"migrate", "--wait", wait, NULL},
                                         (const char *const[]){entry, NULL});
    if (run.status != status) {
        process_fail("migrate --wait %s: status %d, expected %d:\n%s", wait, run.status, status,
                     run.err);
    }
    for (; words != NULL && *words != NULL; words++) {
        if (strstr(run.err, *words) == NULL) {
            process_fail("migrate --wait %s: expected '%s':\n%s", wait, *words, run.err);
        }
    }
    service_run_free(&run);
    free(entry);
}

static PGconn *session(const char *url, const char *sql)
{
    PGconn *connection = PQconnectdb(url);
    assert_int_equal(PQstatus(connection), CONNECTION_OK);
    pg_session_execute(connection, "SET application_name = 'the holder'");
    pg_session_execute(connection, sql);
    return connection;
}

static void who_holds_the_lock_is_told_and_waited_for_no_longer(NO_STATE)
{
    char *url = pg_fresh_database(fixture.pg, "held");
    PGconn *holder = session(url, LOCK);
    char pid[32];
    snprintf(pid, sizeof pid, "process %d", PQbackendPID(holder));
    const char *const words[] = {"waiting for another migration",
                                 pid,
                                 "the holder",
                                 "idle",
                                 "cannot migrate: another migration holds the lock",
                                 "--wait",
                                 NULL};
    migrate(url, "0", STATUS_FAILED, words);
    migrate(url, "1", STATUS_FAILED, words);
    assert_false(pg_query_bool(url, "SELECT to_regclass('rsvps') IS NOT NULL"));
    PQfinish(holder);
    migrate(url, "0", 0, NULL);
    free(url);
}

/* It goes on as soon as the lock is free, and leaves nothing locked. */
static void the_lock_is_last_contended(NO_STATE)
{
    char *url = pg_fresh_database(fixture.pg, "waits");
    char *entry = entry_of(url);
    PGconn *holder = session(url, LOCK);
    struct service_run run = service_run_begin((const char *const[]){"migrate", NULL},
                                               (const char *const[]){entry, NULL});
    pg_await_lock_waiter(url);
    pg_session_execute(holder, UNLOCK);
    service_run_end(&run);
    assert_int_equal(run.status, 0);
    assert_non_null(strstr(run.out, "applied 0001"));
    assert_int_equal(
        pg_query_int64(url, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), 0);
    service_run_free(&run);
    PQfinish(holder);
    free(entry);
    free(url);
}

/* A lock on a table is no better than the other. */
static void a_locked_table_is_waited_for_no_longer(NO_STATE)
{
    char *url = pg_fresh_database(fixture.pg, "table");
    service_migrate(url);
    pg_execute(url, UNDO_ALL_BUT_3);
    PGconn *holder = session(url, "BEGIN; LOCK TABLE rsvp_counters IN ACCESS SHARE MODE");
    char pid[32];
    snprintf(pid, sizeof pid, "process %d", PQbackendPID(holder));
    const char *const words[] = {"cannot migrate: a lock on a table is in the way",
                                 pid,
                                 "the holder",
                                 "idle in transaction",
                                 "rsvp_counters",
                                 "--wait",
                                 NULL};
    migrate(url, "0", STATUS_FAILED, words);
    migrate(url, "1", STATUS_FAILED, words);
    assert_int_equal(pg_query_int64(url, "SELECT max(number) FROM rsvpd_migrations"), 3);
    PQfinish(holder);
    free(url);
}

/* Others use the table while a migration waits for one who has it. */
static void a_migration_that_waits_stops_nobody(NO_STATE)
{
    char *url = pg_fresh_database(fixture.pg, "passes");
    char *entry = entry_of(url);
    service_migrate(url);
    pg_execute(url, UNDO_ALL_BUT_3);
    PGconn *holder = session(url, "BEGIN; LOCK TABLE rsvp_counters IN ACCESS SHARE MODE");
    struct service_run run = service_run_begin((const char *const[]){"migrate", NULL},
                                               (const char *const[]){entry, NULL});
    pg_await_lock_waiter(url);
    PGconn *other = session(url, "SET statement_timeout = '20s'");
    pg_session_execute(other, "UPDATE rsvp_counters SET count = count + 1");
    assert_int_equal(pg_query_int64(url, "SELECT max(number) FROM rsvpd_migrations"), 3);
    pg_session_execute(holder, "COMMIT");
    service_run_end(&run);
    assert_int_equal(run.status, 0);
    assert_non_null(strstr(run.err, "waiting for a lock on a table"));
    service_run_free(&run);
    PQfinish(other);
    PQfinish(holder);
    free(entry);
    free(url);
}

static void what_is_no_number_of_seconds_is_refused(NO_STATE)
{
    static const char *const waits[] = {"", "-1", "1s", "1.5", "x", "1000000", " 1"};
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        process_note("--wait '%s'", waits[i]);
        migrate(fixture.database_url, waits[i], STATUS_USAGE,
                (const char *const[]){"--wait", NULL});
    }
}

/* The role of the service may read and write rows, and nothing else. */
static void with_nothing_to_do_no_right_is_wanted(NO_STATE)
{
    char *url = pg_fresh_database(fixture.pg, "rights");
    char *plain = NULL;
    const char *rest = strstr(url, "@");
    assert_true(asprintf(&plain, "postgresql://plain%s", rest) > 0);
    service_migrate(url);
    pg_execute(url, "REVOKE ALL ON SCHEMA public FROM PUBLIC; CREATE ROLE plain LOGIN;"
                    "GRANT USAGE ON SCHEMA public TO plain;"
                    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO plain");
    migrate(plain, "0", 0, NULL);
    struct service *service = service_start(plain, NULL, NULL);
    service_stop(&service);
    pg_execute(url, "DELETE FROM rsvpd_migrations WHERE number = (SELECT max(number) FROM "
                    "rsvpd_migrations)");
    migrate(plain, "0", STATUS_FAILED, (const char *const[]){"permission denied", NULL});
    pg_execute(url, "DROP OWNED BY plain; DROP ROLE plain");
    free(plain);
    free(url);
}

static void with_nothing_to_do_no_server_that_writes_is_wanted(NO_STATE)
{
    char *url = pg_fresh_database(fixture.pg, "read_only");
    pg_execute(url, "ALTER DATABASE read_only SET default_transaction_read_only = on");
    migrate(url, "0", STATUS_FAILED, (const char *const[]){"read-only", NULL});
    pg_execute(url, "BEGIN READ WRITE;"
                    "ALTER DATABASE read_only RESET default_transaction_read_only;"
                    "COMMIT");
    service_migrate(url);
    pg_execute(url, "ALTER DATABASE read_only SET default_transaction_read_only = on");
    migrate(url, "0", 0, NULL);
    free(url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_holds_the_lock_is_told_and_waited_for_no_longer),
        cmocka_unit_test(the_lock_is_last_contended),
        cmocka_unit_test(a_locked_table_is_waited_for_no_longer),
        cmocka_unit_test(a_migration_that_waits_stops_nobody),
        cmocka_unit_test(what_is_no_number_of_seconds_is_refused),
        cmocka_unit_test(with_nothing_to_do_no_right_is_wanted),
        cmocka_unit_test(with_nothing_to_do_no_server_that_writes_is_wanted),
    };
    return cmocka_run_group_tests(tests, fixture_setup_servers, fixture_teardown);
}
