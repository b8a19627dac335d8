/* A pooler between rsvpd and PostgreSQL: one that lends sessions by the transaction is refused by
 * whoever needs a session, one that lends them for good is not. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "fixture.h"
#include "process.h"
#include "servers.h"
#include "service.h"
#include "test.h"

enum { STATUS_FAILED = 1 };

static struct {
    char directory[PROCESS_PATH_SIZE];
    pid_t pid;
    char *url; /* of the database, by the pooler */
} pooler;

static void wait_for_pooler(void)
{
    const int64_t until_ms = process_now_ms() + PROCESS_BOUND_MS;
    while (PQping(pooler.url) != PQPING_OK) {
        if (process_now_ms() > until_ms) {
            process_fail("pgbouncer does not start");
        }
        process_nap();
    }
}

/* Starts it in front of a server, in that mode, with one more setting. */
static void start_pooler_of(const struct pg_server *server, const char *mode, const char *setting)
{
    char path[PROCESS_PATH_SIZE + 32], log[PROCESS_PATH_SIZE + 32], text[1024];
    snprintf(path, sizeof path, "%s/pgbouncer.ini", pooler.directory);
    snprintf(log, sizeof log, "%s/log", pooler.directory);
    snprintf(text, sizeof text,
             "[databases]\n* = host=%s port=5432 user=postgres\n"
             "[pgbouncer]\nunix_socket_dir = %s\nlisten_port = 6432\nauth_type = any\n"
             "pool_mode = %s\nmax_client_conn = 100\ndefault_pool_size = 30\n"
             "ignore_startup_parameters = extra_float_digits\n%s\n",
             pg_server_directory(server), pooler.directory, mode, setting);
    process_write_file(path, text);
    pooler.pid = process_spawn(&(struct process_spec){
        .argv = (const char *const[]){"/usr/sbin/pgbouncer", path, NULL},
        .user = geteuid() == 0 ? "postgres" : NULL,
        .directory = pooler.directory,
        .stdout_path = log,
        .stderr_path = log,
    });
    wait_for_pooler();
}

static void start_pooler(const char *mode, const char *setting)
{
    start_pooler_of(fixture.pg, mode, setting);
}

static void stop_pooler(void)
{
    if (pooler.pid != 0) {
        process_end(pooler.pid, SIGKILL); /* from SIGTERM on, newer ones wait for their clients */
        pooler.pid = 0;
    }
}

static int set_up(void **state)
{
    char log[PROCESS_PATH_SIZE + 32];
    fixture_setup_servers(state);
    process_make_directory(pooler.directory, geteuid() == 0 ? "postgres" : NULL);
    snprintf(log, sizeof log, "%s/log", pooler.directory);
    process_watch_log(log);
    return asprintf(&pooler.url, "postgresql://postgres@/rsvpd?host=%s&port=6432",
                    pooler.directory) < 0;
}

static int tear_down(void **state)
{
    stop_pooler();
    process_remove_directory(pooler.directory);
    free(pooler.url);
    return fixture_teardown(state);
}

static int after_each(NO_STATE)
{
    stop_pooler();
    return 0;
}

static struct service_run run(const char *const *arguments)
{
    char *entry = NULL;
    if (asprintf(&entry, "DATABASE_URL=%s", pooler.url) < 0) {
        process_fail("out of memory");
    }
    struct service_run result = service_run(arguments, (const char *const[]){entry, NULL});
    free(entry);
    return result;
}

static void expect_refusal_for(const char *const *arguments, const char *reason)
{
    struct service_run result = run(arguments);
    if (result.status != STATUS_FAILED || strstr(result.err, reason) == NULL) {
        process_fail("%s: status %d, expected '%s':\n%s", arguments[0], result.status, reason,
                     result.err);
    }
    service_run_free(&result);
}

static void expect_refusal(const char *const *arguments)
{
    expect_refusal_for(arguments, "pool_mode=session");
}

/* Sessions that rest in the pool, so that there is a choice. */
static void fill_pool(void)
{
    PGconn *sessions[5];
    for (size_t i = 0; i < 5; i++) {
        sessions[i] = PQconnectdb(pooler.url);
        assert_int_equal(PQstatus(sessions[i]), CONNECTION_OK);
        pg_session_execute(sessions[i], "BEGIN");
    }
    for (size_t i = 0; i < 5; i++) {
        PQfinish(sessions[i]);
    }
}

static void refuses_sessions_by_the_transaction(const char *setting)
{
    static const char *const commands[][4] = {
        {"serve", NULL},
        {"verify", NULL},
        {"export", "--relation", "rsvp", NULL},
    };
    start_pooler("transaction", setting);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        expect_refusal(commands[i]);
    }
    fill_pool();
    expect_refusal(commands[0]);
    stop_pooler();
}

static void sessions_by_the_transaction_are_refused(NO_STATE)
{
    refuses_sessions_by_the_transaction("");
    refuses_sessions_by_the_transaction("server_round_robin = 1");
    start_pooler("statement", "");
    expect_refusal((const char *const[]){"serve", NULL});
}

static void sessions_for_good_are_taken(NO_STATE)
{
    start_pooler("session", "");
    struct service *service = service_start(pooler.url, NULL, NULL);
    service_stop(&service);
}

/* The mode is right, and the pool too small: that is what it says. */
static void a_pool_that_is_full_is_told(NO_STATE)
{
    start_pooler("session", "max_db_connections = 1");
    expect_refusal_for((const char *const[]){"serve", NULL}, "its pool may be full");
}

/* The pooler changes its mind while the service runs. */
static void a_connection_that_comes_later_is_refused_too(NO_STATE)
{
    start_pooler("session", "");
    struct service *service = service_start(pooler.url, NULL, NULL);
    stop_pooler();
    service_wait_ready(service, 503);
    start_pooler("transaction", "");
    service_await_log(service, "pool_mode=session");
    service_wait_ready(service, 503);
    stop_pooler();
    start_pooler("session", "");
    service_wait_ready(service, 200);
    service_stop(&service);
}

/* In front of a standby, whose primary is in the list and has no pooler. */
static void sessions_of_a_replica_by_the_transaction_are_refused(NO_STATE)
{
    char variable[2 * PROCESS_PATH_SIZE + 128];
    char *url = pg_server_url(fixture.pg, "rsvpd");
    pg_grant_replica_reads(url);
    struct pg_server *standby = pg_server_create_standby(fixture.pg);
    snprintf(variable, sizeof variable,
             "DATABASE_READ_URL=postgresql://postgres@/rsvpd?host=%s,%s&port=5432,6432",
             pg_server_directory(fixture.pg), pooler.directory);
    start_pooler_of(standby, "transaction", "");
    const char *const alone[] = {"WORKERS=1", "PG_READ_CONNECTIONS=1", variable, NULL};
    struct service *service = service_start(url, NULL, alone);
    service_await_log(service, "pool_mode=session");
    stop_pooler();
    start_pooler_of(standby, "session", "");
    service_await_log(service, "the replica is read");
    service_stop(&service);
    pg_server_destroy(&standby);
    free(url);
}

/* Its lock lives as long as the transaction that needs it, whoever's session that is. */
static void migrations_need_no_session(NO_STATE)
{
    char *url = pg_fresh_database(fixture.pg, "rsvpd");
    start_pooler("transaction", "");
    for (int i = 0; i < 2; i++) {
        struct service_run result = run((const char *const[]){"migrate", NULL});
        if (result.status != 0) {
            process_fail("migrate: %s", result.err);
        }
        service_run_free(&result);
    }
    assert_int_equal(
        pg_query_int64(url, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), 0);
    free(url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(sessions_by_the_transaction_are_refused, after_each),
        cmocka_unit_test_teardown(sessions_for_good_are_taken, after_each),
        cmocka_unit_test_teardown(a_pool_that_is_full_is_told, after_each),
        cmocka_unit_test_teardown(a_connection_that_comes_later_is_refused_too, after_each),
        cmocka_unit_test_teardown(sessions_of_a_replica_by_the_transaction_are_refused, after_each),
        cmocka_unit_test_teardown(migrations_need_no_session, after_each),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
