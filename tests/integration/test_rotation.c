/* Signals: files of the configuration are read again, and nothing that is silent keeps the end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <signal.h>
#include <unistd.h>

#include "expect.h"
#include "fixture.h"
#include "http.h"
#include "process.h"
#include "prometheus.h"
#include "relation.h"
#include "test.h"

enum { BOUND_MS = PROCESS_BOUND_MS, PATH_SIZE = PROCESS_PATH_SIZE + 32, URL_SIZE = 512 };

#define GARBAGE "open-sesame://"

static const struct relation *const rsvp = &relations[RELATION_RSVP];

static struct {
    char directory[PROCESS_PATH_SIZE];
    char database_url[PATH_SIZE], redis_url[PATH_SIZE], log_level[PATH_SIZE]; /* files */
    char rate_limit_user[PATH_SIZE];
    uint16_t redis_port;
    int redis_lock;
    struct service *service;
} rotation;

static void write_database_url(const char *user_and_password)
{
    char url[URL_SIZE];
    const char *place = strchr(fixture.database_url, '@');
    snprintf(url, sizeof url, "postgresql://%s%s\n", user_and_password, place);
    process_write_file(rotation.database_url, url);
}

static void write_redis_url(const char *password)
{
    char url[URL_SIZE];
    snprintf(url, sizeof url, "redis://app:%s@127.0.0.1:%u/0\n", password,
             (unsigned)rotation.redis_port);
    process_write_file(rotation.redis_url, url);
}

/* The role app must show a password from now on. */
static void want_password_of_app(void)
{
    char path[PROCESS_PATH_SIZE + 32], *rules = NULL, *old;
    snprintf(path, sizeof path, "%s/data/pg_hba.conf", pg_server_directory(fixture.pg));
    old = process_read_file(path);
    assert_true(asprintf(&rules, "local all app scram-sha-256\n%s", old) > 0);
    process_write_file(path, rules);
    free(rules);
    free(old);
    pg_execute(fixture.database_url, "CREATE ROLE app SUPERUSER LOGIN PASSWORD 'one'");
    pg_execute(fixture.database_url, "SELECT pg_reload_conf()");
}

static void start_service(void)
{
    char variables[4][PATH_SIZE + 32];
    snprintf(variables[0], sizeof variables[0], "DATABASE_URL_FILE=%s", rotation.database_url);
    snprintf(variables[1], sizeof variables[1], "REDIS_URL_FILE=%s", rotation.redis_url);
    snprintf(variables[2], sizeof variables[2], "LOG_LEVEL_FILE=%s", rotation.log_level);
    snprintf(variables[3], sizeof variables[3], "RATE_LIMIT_USER_FILE=%s",
             rotation.rate_limit_user);
    rotation.service =
        service_start("", NULL,
                      (const char *const[]){variables[0], variables[1], variables[2], variables[3],
                                            "KEEPALIVE_TIMEOUT_MS=60000", NULL});
}

static int set_up(void **state)
{
    fixture_setup_servers(state);
    process_make_directory(rotation.directory, NULL);
    snprintf(rotation.database_url, PATH_SIZE, "%s/database_url", rotation.directory);
    snprintf(rotation.redis_url, PATH_SIZE, "%s/redis_url", rotation.directory);
    snprintf(rotation.log_level, PATH_SIZE, "%s/log_level", rotation.directory);
    snprintf(rotation.rate_limit_user, PATH_SIZE, "%s/rate_limit_user", rotation.directory);
    want_password_of_app();
    rotation.redis_port = port_reserve(&rotation.redis_lock);
    redis_server_execute(fixture.redis, "CONFIG SET bind 127.0.0.1");
    redis_server_execute(fixture.redis, "CONFIG SET port %u", (unsigned)rotation.redis_port);
    redis_server_execute(fixture.redis, "ACL SETUSER app on >one ~* +@all");
    write_database_url("app:one");
    write_redis_url("one");
    process_write_file(rotation.log_level, "info\n");
    process_write_file(rotation.rate_limit_user, "off\n");
    start_service();
    return 0;
}

static int tear_down(void **state)
{
    service_discard(&rotation.service);
    close(rotation.redis_lock);
    process_remove_directory(rotation.directory);
    return fixture_teardown(state);
}

static int write_once(const char *event, const char *user)
{
    struct http_client *client = http_client_create(rotation.service->port);
    struct http_response *response = relation_write(client, rsvp, "POST", event, user);
    const int status = response->status;
    http_response_free(&response);
    http_client_destroy(&client);
    return status;
}

/* All sessions of the service's end; then writes are done again, over new ones. */
static void lose_sessions(void)
{
    pg_execute(
        fixture.database_url,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'app'");
    const int64_t end_ms = process_now_ms() + BOUND_MS;
    while (pg_query_int64(fixture.database_url,
                          "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' "
                          "AND state = 'idle'") < 8 ||
           write_once("lost", "u1") / 100 != 2) {
        if (process_now_ms() > end_ms) {
            process_fail("the sessions do not come back");
        }
        process_nap();
    }
}

/* With no signal at all. */
static void the_next_session_has_the_new_password(NO_STATE)
{
    lose_sessions();
    pg_execute(fixture.database_url, "ALTER ROLE app PASSWORD 'two'");
    write_database_url("app:two");
    lose_sessions();
}

/* Writes until a count of the event is in Redis. */
static void await_publication(const char *event)
{
    char script[128], user[32];
    const int64_t end_ms = process_now_ms() + BOUND_MS;
    snprintf(script, sizeof script, "return #redis.call('KEYS', '*:%s')", event);
    for (int i = 0; redis_server_ask_int64(fixture.redis, "EVAL %s 0", script) == 0; i++) {
        snprintf(user, sizeof user, "u%d", i);
        write_once(event, user);
        if (process_now_ms() > end_ms) {
            process_fail("no count is published");
        }
        process_nap();
    }
}

static void the_next_connection_to_redis_has_the_new_password(NO_STATE)
{
    await_publication("before");
    redis_server_execute(fixture.redis, "ACL SETUSER app resetpass >two");
    write_redis_url("two");
    redis_server_ask_int64(fixture.redis, "CLIENT KILL USER app");
    await_publication("after");
}

static void hangup_reloads(NO_STATE)
{
    kill(rotation.service->pid, SIGHUP);
    service_await_log(rotation.service,
                      "\"message\":\"reloaded\",\"changed\":\"\",\"failed\":\"\"");
    pg_execute(fixture.database_url, "ALTER ROLE app PASSWORD 'three'");
    write_database_url("app:three");
    process_write_file(rotation.log_level, "debug\n");
    kill(rotation.service->pid, SIGHUP);
    service_await_log(
        rotation.service,
        "\"message\":\"reloaded\",\"changed\":\"DATABASE_URL LOG_LEVEL\",\"failed\":\"\"");
    assert_int_equal(write_once("hangup", "u1"), 201);
    lose_sessions();
}

/* The last good value stays, and nothing of the other one is shown. */
static void what_is_no_value_changes_nothing(NO_STATE)
{
    process_write_file(rotation.database_url, GARBAGE "\n");
    process_write_file(rotation.log_level, "loud\n");
    unlink(rotation.redis_url);
    kill(rotation.service->pid, SIGHUP);
    service_await_log(
        rotation.service,
        "\"message\":\"reloaded\",\"changed\":\"\",\"failed\":\"DATABASE_URL REDIS_URL "
        "LOG_LEVEL\"");
    service_await_log(rotation.service, "\"variable\":\"DATABASE_URL\"");
    service_await_log(rotation.service, "\"variable\":\"REDIS_URL\"");
    lose_sessions();
    assert_int_equal(service_count_in_log(rotation.service, GARBAGE), 0);
    write_database_url("app:three");
    write_redis_url("two");
}

/* Gives another limit, and waits until it is in force. */
static void limit_users(const char *limit, const char *reloaded)
{
    char words[128];
    process_write_file(rotation.rate_limit_user, limit);
    snprintf(words, sizeof words, "\"message\":\"reloaded\",%s", reloaded);
    const size_t before = service_count_in_log(rotation.service, words);
    kill(rotation.service->pid, SIGHUP);
    service_await_in_log(rotation.service, words, before + 1);
}

static void limits_of_rates_are_read_again(NO_STATE)
{
    for (int i = 0; i < 5; i++) {
        assert_int_equal(write_once("limits", "busy") / 100, 2);
    }
    limit_users("2/3600\n", "\"changed\":\"RATE_LIMIT_USER\",\"failed\":\"\"");
    assert_int_equal(write_once("limits", "busy"), 200);
    assert_int_equal(write_once("limits", "busy"), 200);
    assert_int_equal(write_once("limits", "busy"), 429);
    limit_users("many\n", "\"changed\":\"\",\"failed\":\"RATE_LIMIT_USER\"");
    assert_int_equal(write_once("limits", "busy"), 429); /* the last good one stays */
    limit_users("1000/60\n", "\"changed\":\"RATE_LIMIT_USER\",\"failed\":\"\"");
    assert_int_equal(write_once("limits", "busy"), 200); /* an hour's debt is none of a minute */
    limit_users("off\n", "\"changed\":\"RATE_LIMIT_USER\",\"failed\":\"\"");
    assert_int_equal(write_once("limits", "busy"), 200);
}

/* The environment of a process that runs cannot change. */
static void what_is_fixed_is_named(NO_STATE)
{
    kill(rotation.service->pid, SIGHUP);
    service_await_log(rotation.service,
                      "\"fixed\":\"PORT ADMIN_PORT WORKERS REQUEST_DEADLINE_MS KEEPALIVE_TIMEOUT_MS"
                      " SHUTDOWN_DRAIN_MS\"");
}

/* Those that mean nothing here, and SIGHUP again and again. */
static void other_signals_do_nothing(NO_STATE)
{
    static const int numbers[] = {SIGUSR1, SIGUSR2, SIGPIPE, SIGHUP};
    for (int i = 0; i < 100; i++) {
        kill(rotation.service->pid, numbers[i % 4]);
        assert_int_equal(write_once("signals", "u1") / 100, 2);
    }
    kill(rotation.service->pid, SIGHUP);
    service_stop(&rotation.service);
}

/* ---- stores that do not answer ---- */

static void silent_postgres_does_not_keep_the_end(NO_STATE)
{
    char *url = NULL;
    assert_true(asprintf(&url, "%s&connect_timeout=1000", fixture.database_url) > 0);
    rotation.service = service_start(url, NULL, NULL);
    const int64_t before = service_count_connects(rotation.service);
    pg_server_pause(fixture.pg);
    service_await_connects(rotation.service, before + 1); /* to a silent server */
    service_stop(&rotation.service);
    free(url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_session_has_the_new_password),
        cmocka_unit_test(the_next_connection_to_redis_has_the_new_password),
        cmocka_unit_test(hangup_reloads),
        cmocka_unit_test(limits_of_rates_are_read_again),
        cmocka_unit_test(what_is_fixed_is_named),
        cmocka_unit_test(what_is_no_value_changes_nothing),
        cmocka_unit_test(other_signals_do_nothing),
        cmocka_unit_test_teardown(silent_postgres_does_not_keep_the_end, fixture_heal),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
