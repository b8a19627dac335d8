/* API keys as the service uses them: in two processes, across outages, and what is told of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event_stream.h"
#include "fixture.h"
#include "http.h"
#include "process.h"
#include "servers.h"
#include "service.h"
#include "shell.h"
#include "test.h"

enum { BOUND_MS = PROCESS_BOUND_MS, STATUS_FAILED = 1 };

static const char *const with_tokens[] = {"AUTH_MODE=token", NULL};

/* ---- two services, and keys in files of the shell's directory ---- */

enum { SERVICES = 2, KEY_SIZE = 49 };

static struct service *services[SERVICES];
static struct http_client *clients[SERVICES];

static void stop_services(void)
{
    for (size_t i = 0; i < SERVICES; i++) {
        http_client_destroy(&clients[i]);
        if (services[i] != NULL) {
            service_stop(&services[i]);
        }
    }
}

static void start_services(const char *const *environment)
{
    for (size_t i = 0; i < SERVICES; i++) {
        services[i] = service_start(fixture.database_url, NULL, environment);
        clients[i] = http_client_create(services[i]->port);
    }
}

static int set_up_services(NO_STATE)
{
    pg_execute(fixture.database_url, "TRUNCATE api_keys RESTART IDENTITY");
    start_services(with_tokens);
    return 0;
}

static int tear_down_services(void **state)
{
    stop_services();
    fixture_heal(state);
    return 0;
}

/* A new key; `options` say what it may. */
static void create_key(const char *options, char key[KEY_SIZE + 1])
{
    expect_shell(0, "rsvpd_", "", "rsvpd keys create --name n %s", options);
    char *out = shell_read_file("out");
    snprintf(key, KEY_SIZE + 1, "%s", out);
    free(out);
}

static int ask(struct http_client *client, const char *method, const char *target, const char *key)
{
    char header[128];
    snprintf(header, sizeof header, "X-API-Key: %s", key);
    struct http_response *response =
        http_request(client, method, target,
                     &(struct http_options){.headers = (const char *const[]){header, NULL}});
    const int status = response->status;
    http_response_free(&response);
    return status;
}

#define MEMBERSHIP "/v1/events/e/users/u"

static void await_status(const char *key, int status)
{
    const int64_t until_ms = process_now_ms() + BOUND_MS;
    for (size_t i = 0; i < SERVICES; i++) {
        while (ask(clients[i], "GET", MEMBERSHIP, key) != status) {
            if (process_now_ms() > until_ms) {
                process_fail("service %zu does not come to answer %d", i, status);
            }
            process_nap();
        }
    }
}

/* Where counts are not open. The other one goes on. */
static void a_stream_ends_with_its_key(NO_STATE)
{
    enum { STREAMS = 2 };
    struct event_stream *streams[STREAMS];
    stop_services();
    start_services((const char *const[]){"AUTH_MODE=token", "AUTH_OPEN_COUNTS=false", NULL});
    for (int i = 0; i < STREAMS; i++) {
        char key[KEY_SIZE + 1], line[128];
        struct event_stream_event event;
        create_key("--scope rsvp:read", key);
        await_status(key, 200);
        snprintf(line, sizeof line, "X-API-Key: %s\r\n", key);
        streams[i] = event_stream_open(services[0]->port, "/v1/events/e/rsvp_count/stream", line);
        assert_int_equal(streams[i]->status, 200);
        assert_true(event_stream_next(streams[i], BOUND_MS, &event));
        event_stream_clear(&event);
    }
    expect_shell(0, "revoked key 1", "", "rsvpd keys revoke 1");
    assert_true(event_stream_wait_end(streams[0], BOUND_MS));
    assert_false(event_stream_wait_end(streams[1], 0));
    assert_true(streams[1]->fd >= 0);
    for (int i = 0; i < STREAMS; i++) {
        event_stream_close(&streams[i]);
    }
}

static void a_key_comes_and_goes_in_all_processes(NO_STATE)
{
    char key[KEY_SIZE + 1];
    create_key("--scope rsvp:read", key);
    await_status(key, 200);
    expect_shell(0, "revoked key 1", "", "rsvpd keys revoke 1");
    await_status(key, 401);
}

static void a_key_may_what_its_scope_says(NO_STATE)
{
    char keys[3][KEY_SIZE + 1];
    create_key("--scope rsvp:read", keys[0]);
    create_key("--scope rsvp:write", keys[1]);
    create_key("--scope rsvp:admin", keys[2]);
    for (size_t i = 0; i < LENGTH(keys); i++) {
        await_status(keys[i], 200);
        assert_int_equal(ask(clients[0], "POST", "/v1/events/e/rsvp?user_id=u", keys[i]),
                         i == 0   ? 403
                         : i == 1 ? 201
                                  : 200);
        assert_int_equal(ask(clients[1], "DELETE", "/v1/events/managed", keys[i]) == 403, i < 2);
    }
}

static void an_expired_key_is_refused(NO_STATE)
{
    char key[KEY_SIZE + 1];
    create_key("--scope rsvp:read --expires 2999-01-01T00:00:00Z", key);
    await_status(key, 200);
    pg_execute(fixture.database_url, "UPDATE api_keys SET expires_at = now() + interval '6 s'");
    await_status(key, 401);
}

/* The keys are there before the first request. */
static void a_key_works_at_once_after_a_start(NO_STATE)
{
    char key[KEY_SIZE + 1];
    create_key("--scope rsvp:read", key);
    stop_services();
    start_services(with_tokens);
    for (size_t i = 0; i < SERVICES; i++) {
        assert_int_equal(ask(clients[i], "GET", MEMBERSHIP, key), 200);
    }
}

static void the_last_use_is_kept_to_the_hour(NO_STATE)
{
    static const char noted[] =
        "SELECT coalesce(bool_and(last_used_at = date_trunc('hour', last_used_at)"
        " AND last_used_at > now() - interval '2 h'), false)"
        " FROM api_keys WHERE id = 1";
    char key[KEY_SIZE + 1], other[KEY_SIZE + 1];
    create_key("--scope rsvp:read", key);
    create_key("--scope rsvp:read", other);
    await_status(key, 200);
    pg_await(fixture.database_url, "%s", noted);
    assert_true(pg_query_bool(fixture.database_url,
                              "SELECT last_used_at IS NULL FROM api_keys WHERE id = 2"));
    /* Those of the last seconds are noted at the end. */
    assert_int_equal(ask(clients[0], "GET", MEMBERSHIP, other), 200);
    stop_services();
    assert_true(pg_query_bool(fixture.database_url,
                              "SELECT last_used_at IS NOT NULL FROM api_keys WHERE id = 2"));
}

/* How often the server's log has these words. */
static int count_in_server_log(const char *words)
{
    char path[PROCESS_PATH_SIZE + 8];
    int count = 0;
    snprintf(path, sizeof path, "%s/log", pg_server_directory(fixture.pg));
    char *log = process_read_file(path);
    for (const char *at = log; (at = strstr(at, words)) != NULL; at++) {
        count++;
    }
    free(log);
    return count;
}

static void rubbish_costs_the_database_nothing(NO_STATE)
{
    enum { REQUESTS = 1000, FEW = 100 };
    char key[KEY_SIZE + 1] = "rsvpd_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    pg_execute(fixture.database_url, "ALTER SYSTEM SET log_statement = 'all'");
    pg_execute(fixture.database_url, "SELECT pg_reload_conf()");
    const int64_t until_ms = process_now_ms() + BOUND_MS;
    while (count_in_server_log("FROM api_keys") == 0) { /* the readers' own: it is in force */
        assert_true(process_now_ms() < until_ms);
        process_nap();
    }
    const int before = count_in_server_log("FROM api_keys");
    for (int i = 0; i < REQUESTS; i++) {
        key[10 + i % 26] = (char)('A' + i / 26 % 26);
        assert_int_equal(ask(clients[i % SERVICES], "GET", MEMBERSHIP, key), 401);
    }
    assert_true(count_in_server_log("FROM api_keys") - before < FEW);
    pg_execute(fixture.database_url, "ALTER SYSTEM RESET log_statement");
    pg_execute(fixture.database_url, "SELECT pg_reload_conf()");
}

/* Neither the key nor its digest; of keys that are good, and of those that are not. */
static void no_log_has_a_key(NO_STATE)
{
    char key[KEY_SIZE + 1], digest[17], bad[KEY_SIZE + 1];
    create_key("--scope rsvp:read", key);
    expect_shell(0, "", "", "printf %%s '%s' | sha256sum | cut -c 1-16", key);
    char *out = shell_read_file("out");
    snprintf(digest, sizeof digest, "%.16s", out);
    free(out);
    snprintf(bad, sizeof bad, "%s", key);
    bad[KEY_SIZE - 1] = bad[KEY_SIZE - 1] == 'A' ? 'B' : 'A';
    stop_services();
    start_services((const char *const[]){"AUTH_MODE=token", "LOG_LEVEL=debug", NULL});
    await_status(key, 200);
    await_status(bad, 401);
    for (size_t i = 0; i < SERVICES; i++) {
        char *log = service_stop_and_read_log(&services[i]);
        assert_non_null(strstr(log, "request"));
        key[KEY_SIZE - 1] = '\0'; /* what both have in common */
        assert_null(strstr(log, key));
        assert_null(strstr(log, digest));
        free(log);
    }
}

/* What was read last is good enough until the database is back. */
static void keys_stay_in_force_in_an_outage(NO_STATE)
{
    char key[KEY_SIZE + 1];
    stop_services();
    create_key("--scope rsvp:read", key);
    start_services((const char *const[]){"AUTH_MODE=token", "AUTH_OPEN_COUNTS=false", NULL});
    assert_int_equal(ask(clients[0], "GET", "/v1/events/e/rsvp_count", key), 200);
    pg_server_stop_immediate(fixture.pg);
    service_await_log(services[0],
                      "cannot read the API keys: those that were read last stay in force");
    assert_int_equal(ask(clients[0], "GET", "/v1/events/e/rsvp_count", key), 200);
    assert_int_equal(ask(clients[0], "GET", "/v1/events/e/rsvp_count", "rsvpd_"), 401);
    pg_server_start(fixture.pg);
}

/* A process that cannot know who may come does not serve. */
static void a_service_that_cannot_read_the_keys_does_not_start(NO_STATE)
{
    char *entry = NULL, *url = pg_service_url(fixture.database_url);
    assert_true(asprintf(&entry, "DATABASE_URL=%s", url) > 0);
    pg_execute(fixture.database_url, "REVOKE ALL ON api_keys FROM rsvpd");
    struct service_run run = service_run((const char *const[]){"serve", NULL},
                                         (const char *const[]){entry, "AUTH_MODE=token", NULL});
    pg_grant_service_role(fixture.database_url);
    assert_int_equal(run.status, STATUS_FAILED);
    assert_non_null(strstr(run.err, "cannot read the API keys at the start"));
    assert_non_null(strstr(run.err, "permission denied for table api_keys"));
    assert_non_null(strstr(run.err, "connect as the owner of the tables"));
    service_run_free(&run);
    free(entry);
    free(url);
}

/* There a key may be in force that was revoked. */
static void keys_are_not_read_from_a_standby_that_may_lag(NO_STATE)
{
    char *entry = NULL;
    char *primary_url = pg_fresh_database(fixture.pg, "keys");
    service_migrate(primary_url);
    struct pg_server *standby = pg_server_create_standby(fixture.pg);
    char *standby_url = pg_server_url(standby, "keys");
    char *service_url = pg_service_url(standby_url);
    pg_await(standby_url, "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver)");
    const char *host = strstr(service_url, "host=");
    assert_non_null(host);
    assert_true(asprintf(&entry, "DATABASE_URL=%.*shost=/nonexistent,%s", (int)(host - service_url),
                         service_url, host + strlen("host=")) > 0);
    struct service_run run = service_run((const char *const[]){"serve", NULL},
                                         (const char *const[]){entry, "AUTH_MODE=token", NULL});
    assert_int_equal(run.status, STATUS_FAILED);
    assert_non_null(strstr(run.err, "cannot read the API keys at the start"));
    assert_non_null(strstr(run.err, "it is in recovery and may lack what was written last"));
    service_run_free(&run);
    pg_server_destroy(&standby);
    free(entry);
    free(service_url);
    free(standby_url);
    free(primary_url);
}

/* The reading goes on by itself, whatever became of its session. */
static void a_lost_session_is_replaced(NO_STATE)
{
    struct service *service = service_start(fixture.database_url, NULL, with_tokens);
    pg_execute(fixture.database_url,
               "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'rsvpd'");
    expect_shell(0, "rsvpd_", "", "rsvpd keys create --name n --scope rsvp:read");
    service_await_log(service, "the API keys have changed");
    service_stop(&service);
}

static void an_outage_is_told_once(NO_STATE)
{
    struct service *service = service_start(fixture.database_url, NULL, with_tokens);
    pg_server_stop_immediate(fixture.pg);
    service_await_log(service, "cannot read the API keys: those that were read last stay in force");
    pg_server_start(fixture.pg);
    service_await_log(service, "the API keys can be read again");
    char *log = service_stop_and_read_log(&service);
    const char *first = strstr(log, "cannot read the API keys");
    assert_null(strstr(first + 1, "cannot read the API keys"));
    assert_null(strstr(log, "the API keys have changed"));
    free(log);
}

#define SERVED(name) cmocka_unit_test_setup_teardown(name, set_up_services, tear_down_services)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_that_cannot_read_the_keys_does_not_start),
        cmocka_unit_test(keys_are_not_read_from_a_standby_that_may_lag),
        cmocka_unit_test(a_lost_session_is_replaced),
        SERVED(a_key_comes_and_goes_in_all_processes),
        SERVED(a_stream_ends_with_its_key),
        SERVED(a_key_may_what_its_scope_says),
        SERVED(an_expired_key_is_refused),
        SERVED(a_key_works_at_once_after_a_start),
        SERVED(the_last_use_is_kept_to_the_hour),
        SERVED(rubbish_costs_the_database_nothing),
        SERVED(no_log_has_a_key),
        SERVED(keys_stay_in_force_in_an_outage),
        cmocka_unit_test_teardown(an_outage_is_told_once, fixture_heal),
    };
    return cmocka_run_group_tests(tests, shell_group_setup, shell_group_teardown);
}
