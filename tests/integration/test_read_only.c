/* A PostgreSQL that only reads: what can be answered is, at the start as later, and no more. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "fixture.h"
#include "process.h"
#include "relation.h"
#include "servers.h"
#include "service.h"
#include "test.h"

/* One worker: all connections find what the one before found. */
static const char *const one_worker[] = {"WORKERS=1", NULL};

static const struct relation *const rsvp = &relations[RELATION_RSVP];

static void add_member(const char *url)
{
    pg_execute(url, "INSERT INTO rsvps (event_id, user_id) VALUES ('e', 'there');"
                    "INSERT INTO rsvp_counters (event_id, count, version) VALUES ('e', 1, 1)");
}

/* It has found somebody to read from. */
static void await_reads(const struct service *service)
{
    struct http_client *client = http_client_create(service->port);
    const int64_t until_ms = process_now_ms() + PROCESS_BOUND_MS;
    int status = 0;
    while (status != 200) {
        struct http_response *response = relation_get_user(client, rsvp, "e", "there");
        status = response->status;
        http_response_free(&response);
        if (status != 200 && process_now_ms() > until_ms) {
            process_fail("look-ups are not answered");
        }
        process_nap();
    }
    http_client_destroy(&client);
}

/* Reads are answered, writes refused. */
static void expect_read_only(const struct service *service)
{
    await_reads(service);
    struct http_client *client = http_client_create(service->port);
    struct http_response *refused = relation_write(client, rsvp, "POST", "e", "new");
    expect_problem(refused, 503, "store-unavailable");
    http_response_free(&refused);
    expect_member(client, rsvp, "e", "there", true);
    expect_member(client, rsvp, "e", "new", false);
    expect_exact_count(client, rsvp, "e", 1);
    struct http_response *list = http_request(client, "GET", "/v1/events/e/users", NULL);
    expect_status(list, 200);
    http_response_free(&list);
    http_client_destroy(&client);
}

static void expect_writable(const struct service *service, const char *user, int64_t count)
{
    struct http_client *client = http_client_create(service->port);
    expect_write(rsvp, relation_write(client, rsvp, "POST", "e", user), 201, "e", user, true, true,
                 count);
    http_client_destroy(&client);
}

static void a_standby_is_read_until_it_is_promoted(NO_STATE)
{
    char *url = pg_fresh_database(fixture.pg, "standby");
    service_migrate(url);
    add_member(url);
    struct pg_server *standby = pg_server_create_standby(fixture.pg);
    char *standby_url = pg_server_url(standby, "standby");
    struct service *service = service_start_unready(standby_url, NULL, one_worker);
    service_wait_ready(service, 503);
    expect_read_only(service);
    pg_server_promote(standby);
    service_wait_ready(service, 200);
    expect_writable(service, "after", 2);
    /* What was made to read only was made anew. */
    struct http_client *client = http_client_create(service->port);
    expect_member(client, rsvp, "e", "after", true);
    http_client_destroy(&client);
    service_stop(&service);
    pg_server_destroy(&standby);
    free(standby_url);
    free(url);
}

static void set_read_only(const char *url, const char *value)
{
    pg_execute(url, "ALTER SYSTEM SET default_transaction_read_only = %s", value);
    pg_execute(url, "SELECT pg_reload_conf()");
}

/* At the start, and while it runs. */
static void a_server_set_to_read_only_is_read(NO_STATE)
{
    char *url = pg_fresh_database(fixture.pg, "set");
    service_migrate(url);
    add_member(url);
    set_read_only(url, "on");
    struct service *service = service_start_unready(url, NULL, one_worker);
    service_wait_ready(service, 503);
    expect_read_only(service);
    set_read_only(url, "off");
    service_wait_ready(service, 200);
    expect_writable(service, "first", 2);
    pg_execute(url, "DELETE FROM rsvps WHERE user_id = 'first';"
                    "UPDATE rsvp_counters SET count = 1, version = version + 1");
    set_read_only(url, "on");
    service_wait_ready(service, 503);
    expect_read_only(service);
    set_read_only(url, "off");
    service_wait_ready(service, 200);
    expect_writable(service, "second", 2);
    service_stop(&service);
    free(url);
}

/* With two hosts the one that takes writes is read; a standby where it is gone for everybody,
 * and never where it may go on without us. */
static void a_standby_that_may_lag_is_not_read(NO_STATE)
{
    char *url = NULL;
    char *primary_url = pg_fresh_database(fixture.pg, "several");
    service_migrate(primary_url);
    add_member(primary_url);
    struct pg_server *standby = pg_server_create_standby(fixture.pg);
    char *standby_url = pg_server_url(standby, "several");
    assert_true(asprintf(&url, "postgresql://postgres@/several?host=/nonexistent,%s&port=5432",
                         pg_server_directory(standby)) > 0);
    pg_await(standby_url, "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver)");
    struct service *service = service_start_unready(url, NULL, one_worker);
    service_wait_ready(service, 503);
    struct http_client *client = http_client_create(service->port);
    struct http_response *refused = relation_get_user(client, rsvp, "e", "there");
    expect_problem(refused, 503, "store-unavailable");
    http_response_free(&refused);
    http_client_destroy(&client);
    pg_server_stop(fixture.pg);
    expect_read_only(service);
    service_stop(&service);
    pg_server_destroy(&standby);
    pg_server_start(fixture.pg);
    free(standby_url);
    free(primary_url);
    free(url);
}

/* Beside a primary there may be standbys that have less than it acknowledged: no standby can tell
 * whether it is one of them. */
static void one_of_several_standbys_is_not_read(NO_STATE)
{
    char *url = NULL;
    char *primary_url = pg_fresh_database(fixture.pg, "lacks");
    service_migrate(primary_url);
    add_member(primary_url);
    struct pg_server *standby = pg_server_create_standby(fixture.pg);
    assert_true(asprintf(&url,
                         "postgresql://postgres@/lacks?host=/nonexistent,%s,/nowhere&port=5432",
                         pg_server_directory(standby)) > 0);
    pg_server_stop(fixture.pg);
    struct service *service = service_start_unready(url, NULL, one_worker);
    service_await_log(service, "one of several standbys");
    struct http_client *client = http_client_create(service->port);
    struct http_response *refused = relation_get_user(client, rsvp, "e", "there");
    expect_problem(refused, 503, "store-unavailable");
    http_response_free(&refused);
    http_client_destroy(&client);
    pg_server_promote(standby);
    service_wait_ready(service, 200);
    expect_writable(service, "after", 2);
    service_stop(&service);
    pg_server_destroy(&standby);
    pg_server_start(fixture.pg);
    free(primary_url);
    free(url);
}

/* What it has replayed so far is not all that was acknowledged: nothing of it is told. */
static void a_server_that_is_being_restored_is_not_read(NO_STATE)
{
    char *url = pg_fresh_database(fixture.pg, "restored");
    service_migrate(url);
    struct pg_server *restored = pg_server_create_standby(fixture.pg);
    char *restored_url = pg_server_url(restored, "restored");
    pg_server_stop(restored);
    add_member(url);
    pg_execute(url, "SELECT pg_create_restore_point('here')");
    pg_execute(url, "SELECT pg_switch_wal()"); /* which flushes the log; the point alone does not */
    pg_server_restore(restored, fixture.pg, "here");
    pg_server_start(restored);
    pg_await(restored_url, "SELECT pg_get_wal_replay_pause_state() = 'paused'");
    struct service *service = service_start_unready(restored_url, NULL, one_worker);
    service_wait_ready(service, 503);
    struct http_client *client = http_client_create(service->port);
    struct http_response *refused = relation_get_user(client, rsvp, "e", "there");
    expect_problem(refused, 503, "store-unavailable");
    http_response_free(&refused);
    http_client_destroy(&client);
    pg_execute(restored_url, "SELECT pg_wal_replay_resume()");
    service_wait_ready(service, 200);
    expect_writable(service, "after", 2);
    service_stop(&service);
    pg_server_destroy(&restored);
    free(restored_url);
    free(url);
}

/* ---- the log ---- */

/* Sessions that are made anew with the same server do not count, one that started again does. */
static void a_server_that_started_again_is_another_one(NO_STATE)
{
    static const char changes[] = "rsvpd_primary_changes_total";
    static const char *const none[] = {NULL};
    char *url = pg_fresh_database(fixture.pg, "again");
    service_migrate(url);
    struct service *service = service_start(url, NULL, one_worker);
    set_read_only(url, "on");
    service_await_connects(service, service_count_connects(service) + 3);
    service_wait_ready(service, 503);
    set_read_only(url, "off");
    service_wait_ready(service, 200);
    assert_int_equal(service_metric(service, changes, none), 0);
    assert_true(service_metric(service, "rsvpd_schema_version", none) > 0);
    pg_server_stop_immediate(fixture.pg);
    service_wait_ready(service, 503);
    pg_server_start(fixture.pg);
    service_wait_ready(service, 200);
    expect_writable(service, "again", 1);
    assert_int_equal(service_metric(service, changes, none), 1);
    service_stop(&service);
    free(url);
}

/* Nobody asks for anything: each session learns it by itself, those for writes first. */
static void an_idle_service_learns_that_its_server_only_reads(NO_STATE)
{
    char *url = pg_fresh_database(fixture.pg, "idle");
    service_migrate(url);
    add_member(url);
    struct service *service = service_start(url, NULL, one_worker);
    for (int round = 0; round < 3; round++) {
        set_read_only(url, "on");
        service_await_connects(service,
                               service_count_connects(service) +
                                   3); /* a session for writes is gone, and cannot come back */
        service_wait_ready(service, 503);
        expect_read_only(service);
        set_read_only(url, "off");
        service_wait_ready(service, 200);
    }
    expect_writable(service, "first", 2);
    service_stop(&service);
    free(url);
}

/* Whatever is wrong for long, and however often it is tried, its lines become few. */
static void expect_a_quiet_log(const struct service *service)
{
    static const char *const lines[] = {"cannot connect to postgres", "lost a connection to",
                                        "postgres refused a statement", "postgres is unavailable",
                                        "postgres is available again"};
    service_await_connects(service, service_count_connects(service) + 30);
    for (size_t i = 0; i < LENGTH(lines); i++) {
        if (service_count_in_log(service, lines[i]) > 20) {
            process_fail("%zu lines: %s", service_count_in_log(service, lines[i]), lines[i]);
        }
    }
}

static void a_server_that_only_reads_leaves_the_log_quiet(NO_STATE)
{
    char *url = pg_fresh_database(fixture.pg, "quiet");
    service_migrate(url);
    add_member(url);
    set_read_only(url, "on");
    struct service *service = service_start_unready(url, NULL, one_worker);
    service_wait_ready(service, 503);
    expect_a_quiet_log(service);
    set_read_only(url, "off");
    service_wait_ready(service, 200);
    service_stop(&service);
    free(url);
}

/* A session that cannot be set up is not one that answers. */
static void a_role_without_rights_leaves_the_log_quiet(NO_STATE)
{
    char *url = pg_fresh_database(fixture.pg, "revoked");
    service_migrate(url);
    pg_execute(url,
               "CREATE ROLE limited LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO limited;"
               "REVOKE SELECT ON pg_stat_activity FROM PUBLIC");
    char *role_url = pg_server_url(fixture.pg, "revoked");
    char *at = strstr(role_url, "postgres@");
    assert_non_null(at);
    char *limited_url = NULL;
    assert_true(asprintf(&limited_url, "%.*slimited@%s", (int)(at - role_url), role_url,
                         at + strlen("postgres@")) > 0);
    struct service *service = service_start_unready(limited_url, NULL, one_worker);
    service_wait_ready(service, 503);
    expect_a_quiet_log(service);
    assert_int_equal(service_count_in_log(service, "postgres is available again"), 0);
    pg_execute(url, "GRANT SELECT ON pg_stat_activity TO PUBLIC");
    service_wait_ready(service, 200);
    service_stop(&service);
    pg_execute(url, "DROP OWNED BY limited; DROP ROLE limited");
    free(limited_url);
    free(role_url);
    free(url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_standby_is_read_until_it_is_promoted),
        cmocka_unit_test(a_server_set_to_read_only_is_read),
        cmocka_unit_test(a_server_that_started_again_is_another_one),
        cmocka_unit_test(an_idle_service_learns_that_its_server_only_reads),
        cmocka_unit_test(a_standby_that_may_lag_is_not_read),
        cmocka_unit_test(one_of_several_standbys_is_not_read),
        cmocka_unit_test(a_server_that_is_being_restored_is_not_read),
        cmocka_unit_test(a_server_that_only_reads_leaves_the_log_quiet),
        cmocka_unit_test(a_role_without_rights_leaves_the_log_quiet),
    };
    return cmocka_run_group_tests(tests, fixture_setup_servers, fixture_teardown);
}
