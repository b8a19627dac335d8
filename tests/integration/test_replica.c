/* A replica that is read in place of the primary: it shows everything that was acknowledged, or the
 * primary is read, and nobody notices which. */
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

enum { BOUND_MS = PROCESS_BOUND_MS, READS = 20, URL_SIZE = 1024 };

static const struct relation *const rsvp = &relations[RELATION_RSVP];

/* Of all tests that leave it as it was. */
static struct pg_server *shared_replica;

/* A service on a primary and a replica. */
static struct {
    char *database;    /* its name */
    char *url;         /* of the primary */
    char *replica_url; /* as its owner */
    struct pg_server *replica;
    struct service *service;
    struct http_client *client;
    unsigned users; /* written so far */
} stand;

static void start_service_on(const char *url, const char *read_url)
{
    char variable[URL_SIZE];
    snprintf(variable, sizeof variable, "DATABASE_READ_URL=%s", read_url);
    const char *const environment[] = {"WORKERS=1", "REQUEST_DEADLINE_MS=10000", variable, NULL};
    stand.service = service_start(url, NULL, environment);
    stand.client = http_client_create(stand.service->port);
}

static void start_service(const char *url, const struct pg_server *replica)
{
    char *owner = pg_server_url(replica, stand.database);
    char *role = pg_service_url(owner);
    start_service_on(url, role);
    free(role);
    free(owner);
}

static void make_database(const char *name)
{
    stand.database = strdup(name);
    stand.url = pg_fresh_database(fixture.pg, name);
    service_migrate(stand.url);
    pg_grant_replica_reads(stand.url);
}

static void set_up(const char *name)
{
    make_database(name);
    stand.replica = shared_replica;
    stand.replica_url = pg_server_url(stand.replica, name);
    start_service(stand.url, stand.replica);
}

static int tear_down(void **state)
{
    if (stand.client != NULL) {
        http_client_destroy(&stand.client);
    }
    if (stand.service != NULL) {
        service_discard(&stand.service);
    }
    if (stand.replica != NULL) {
        pg_server_heal(stand.replica);
    }
    if (stand.replica != shared_replica) {
        pg_server_destroy(&stand.replica);
    }
    free(stand.database);
    free(stand.url);
    free(stand.replica_url);
    memset(&stand, 0, sizeof stand);
    return fixture_heal(state);
}

static int64_t reads_by(const char *source)
{
    return service_metric(stand.service, "rsvpd_reads_total",
                          (const char *const[]){"source", source, NULL});
}

static int64_t declined(const char *reason)
{
    return service_metric(stand.service, "rsvpd_replica_declined_total",
                          (const char *const[]){"reason", reason, NULL});
}

static void expect_listed(const char *user, const char *event)
{
    char target[64];
    snprintf(target, sizeof target, "/v1/users/%s/events", user);
    struct http_response *list = http_request(stand.client, "GET", target, NULL);
    expect_status(list, 200);
    if ((strstr(list->body, "\"event_id\"") != NULL) != (event != NULL)) {
        fail_msg("%s: %s", target, list->body);
    }
    http_response_free(&list);
}

/* A user is added, seen, listed, removed, and gone. */
static void write_and_read(void)
{
    char user[32];
    snprintf(user, sizeof user, "u%u", stand.users++);
    struct http_response *response = relation_write(stand.client, rsvp, "POST", "e", user);
    expect_status(response, 201);
    http_response_free(&response);
    expect_member(stand.client, rsvp, "e", user, true);
    expect_listed(user, "e");
    response = relation_write(stand.client, rsvp, "DELETE", "e", user);
    expect_status(response, 200);
    http_response_free(&response);
    expect_member(stand.client, rsvp, "e", user, false);
    expect_listed(user, NULL);
}

/* Writes and reads until so many more reads have come from there; each read is right. */
static void await_reads_by(const char *source, int64_t more)
{
    const int64_t from = reads_by(source), until_ms = process_now_ms() + BOUND_MS;
    while (reads_by(source) < from + more) {
        if (process_now_ms() > until_ms) {
            char *log = service_read_log(stand.service);
            process_fail("nothing is read from the %s:\n%s", source, log);
        }
        write_and_read();
    }
}

static void await_declined_as_behind(void)
{
    const int64_t from = declined("behind"), until_ms = process_now_ms() + BOUND_MS;
    while (declined("behind") == from) {
        if (process_now_ms() > until_ms) {
            process_fail("the replica declines nothing");
        }
        write_and_read();
    }
}

/* It has something to do meanwhile. */
static void await_log(const char *words)
{
    const int64_t until_ms = process_now_ms() + BOUND_MS;
    while (service_count_in_log(stand.service, words) == 0) {
        if (process_now_ms() > until_ms) {
            process_fail("the log does not say '%s':\n%s", words, service_read_log(stand.service));
        }
        write_and_read();
    }
}

static void what_was_acknowledged_is_read_from_the_replica(NO_STATE)
{
    set_up("reads");
    await_reads_by("replica", READS);
    expect_exact_count(stand.client, rsvp, "e", 0);
    service_stop(&stand.service);
}

static void a_replica_that_is_behind_is_not_read(NO_STATE)
{
    set_up("behind");
    await_reads_by("replica", READS);
    pg_execute(stand.replica_url, "SELECT pg_wal_replay_pause()");
    pg_await(stand.replica_url, "SELECT pg_get_wal_replay_pause_state() = 'paused'");
    await_declined_as_behind();
    await_reads_by("primary", READS);
    pg_execute(stand.replica_url, "SELECT pg_wal_replay_resume()");
    await_reads_by("replica", READS);
    service_stop(&stand.service);
}

static void a_replica_that_dies_is_missed_by_nobody(NO_STATE)
{
    set_up("dies");
    await_reads_by("replica", READS);
    pg_server_stop_immediate(stand.replica);
    await_reads_by("primary", READS);
    pg_server_start(stand.replica);
    await_reads_by("replica", READS);
    service_stop(&stand.service);
}

static void a_replica_that_stands_still_is_missed_by_nobody(NO_STATE)
{
    set_up("stands_still");
    await_reads_by("replica", READS);
    pg_server_pause(stand.replica);
    await_reads_by("primary", READS);
    pg_server_resume(stand.replica);
    await_reads_by("replica", READS);
    service_stop(&stand.service);
}

/* What others write there is nobody's answer. */
static void a_replica_that_was_promoted_is_not_read(NO_STATE)
{
    make_database("promoted");
    stand.replica = pg_server_create_standby(fixture.pg);
    stand.replica_url = pg_server_url(stand.replica, "promoted");
    start_service(stand.url, stand.replica);
    await_reads_by("replica", READS);
    pg_server_promote(stand.replica);
    pg_execute(stand.replica_url, "INSERT INTO rsvps (event_id, user_id) VALUES ('e', 'other')");
    for (int i = 0; i < READS; i++) {
        expect_member(stand.client, rsvp, "e", "other", false);
    }
    await_reads_by("primary", READS);
    const int64_t from = reads_by("replica");
    await_reads_by("primary", READS);
    assert_int_equal(reads_by("replica"), from);
    service_stop(&stand.service);
}

/* The first standby of the list is promoted: the next one is read. */
static void after_a_promotion_the_next_standby_is_read(NO_STATE)
{
    char *both = NULL;
    make_database("next");
    stand.replica = pg_server_create_standby(fixture.pg);
    assert_true(asprintf(&both, "postgresql://rsvpd@/next?host=%s,%s&port=5432",
                         pg_server_directory(stand.replica),
                         pg_server_directory(shared_replica)) > 0);
    start_service_on(stand.url, both);
    await_reads_by("replica", READS);
    pg_server_promote(stand.replica);
    await_log("the server is no standby");
    await_reads_by("replica", READS);
    service_stop(&stand.service);
    free(both);
}

/* Somebody promotes the server that the replica follows, while the primary goes on: the replica's
 * log grows past the primary's, with other changes. */
static void a_replica_that_follows_another_promoted_server_is_not_read(NO_STATE)
{
    make_database("forked");
    struct pg_server *other = pg_server_create_standby(fixture.pg);
    char *other_url = pg_server_url(other, "forked");
    stand.replica = pg_server_create_standby(other);
    stand.replica_url = pg_server_url(stand.replica, "forked");
    start_service(stand.url, stand.replica);
    await_reads_by("replica", READS);
    pg_server_promote(other);
    pg_execute(other_url, "INSERT INTO rsvps (event_id, user_id)"
                          " SELECT 'e', n::text FROM generate_series(1, 20000) AS n");
    pg_await(stand.replica_url, "SELECT count(*) = 20000 FROM rsvps WHERE event_id = 'e'");
    for (int i = 0; i < READS; i++) {
        expect_member(stand.client, rsvp, "e", "1", false);
    }
    await_log("another timeline");
    service_stop(&stand.service);
    pg_server_destroy(&other);
    free(other_url);
}

/* Without a promotion a copy of the primary is on the same timeline, and it may be behind a replica
 * of the old one. */
static void a_replica_of_a_server_that_was_replaced_by_its_copy_is_not_read(NO_STATE)
{
    set_up("replaced");
    await_reads_by("replica", READS);
    struct pg_server *twin = pg_server_create_twin(fixture.pg);
    char *twin_url = pg_server_url(twin, "replaced");
    pg_execute(stand.url, "INSERT INTO rsvps (event_id, user_id)"
                          " SELECT 'e', n::text FROM generate_series(1, 20000) AS n");
    pg_await(stand.replica_url, "SELECT count(*) = 20000 FROM rsvps WHERE event_id = 'e'");
    http_client_destroy(&stand.client);
    service_stop(&stand.service);
    start_service(twin_url, stand.replica);
    for (int i = 0; i < READS; i++) {
        expect_member(stand.client, rsvp, "e", "1", false);
    }
    await_log("the mark of the primary");
    assert_int_equal(reads_by("replica"), 0);
    service_stop(&stand.service);
    pg_server_destroy(&twin);
    free(twin_url);
}

/* The primary fails over to a standby that has less than the replica. That follows the old one, and
 * would show what is lost. Once it follows the new one it is read again. */
static void after_a_failover_only_a_replica_of_the_new_primary_is_read(NO_STATE)
{
    make_database("failover");
    struct pg_server *old = pg_server_create_twin(fixture.pg);
    char *old_url = pg_server_url(old, "failover"), *both = NULL;
    struct pg_server *new = pg_server_create_standby(old);
    char *new_url = pg_server_url(new, "failover");
    assert_true(asprintf(&both, "postgresql://postgres@/failover?host=%s,%s&port=5432",
                         pg_server_directory(old), pg_server_directory(new)) > 0);
    stand.replica = pg_server_create_standby(old);
    stand.replica_url = pg_server_url(stand.replica, "failover");
    start_service(both, stand.replica);
    await_reads_by("replica", READS);
    pg_server_stop(new);
    pg_execute(old_url, "INSERT INTO rsvps (event_id, user_id)"
                        " SELECT 'e', n::text FROM generate_series(1, 20000) AS n");
    pg_await(stand.replica_url, "SELECT count(*) = 20000 FROM rsvps WHERE event_id = 'e'");
    pg_server_stop_immediate(old);
    pg_server_start(new);
    pg_server_promote(new);
    service_wait_ready(stand.service, 200);
    for (int i = 0; i < READS; i++) {
        expect_member(stand.client, rsvp, "e", "1", false);
    }
    await_reads_by("primary", READS);
    pg_server_destroy(&stand.replica);
    stand.replica = pg_server_create_standby(new);
    http_client_destroy(&stand.client);
    service_stop(&stand.service);
    start_service(both, stand.replica);
    await_reads_by("replica", READS);
    service_stop(&stand.service);
    pg_server_destroy(&old);
    pg_server_destroy(&new);
    free(old_url);
    free(new_url);
    free(both);
}

/* Without the right to see what the replica receives nothing is proved, and the log says what to
 * do. */
static void a_role_that_may_not_see_the_timeline_reads_from_the_primary(NO_STATE)
{
    set_up("no_right");
    pg_execute(stand.url, "REVOKE pg_read_all_stats FROM rsvpd");
    await_log("grant pg_read_all_stats");
    pg_grant_replica_reads(stand.url);
    await_reads_by("replica", READS);
    service_stop(&stand.service);
}

/* The URL comes from a file, which is put right while the service runs. */
static void the_url_of_the_replica_can_be_changed(NO_STATE)
{
    char path[PROCESS_PATH_SIZE + 16], variable[PROCESS_PATH_SIZE + 48];
    make_database("rotated");
    stand.replica = shared_replica;
    stand.replica_url = pg_server_url(stand.replica, "rotated");
    char *role = pg_service_url(stand.replica_url);
    snprintf(path, sizeof path, "%s/read-url", pg_server_directory(stand.replica));
    snprintf(variable, sizeof variable, "DATABASE_READ_URL_FILE=%s", path);
    process_write_file(path, "postgresql://rsvpd@/rotated?host=/nonexistent");
    stand.service =
        service_start(stand.url, NULL, (const char *const[]){"WORKERS=1", variable, NULL});
    stand.client = http_client_create(stand.service->port);
    await_reads_by("primary", READS);
    assert_int_equal(reads_by("replica"), 0);
    process_write_file(path, role);
    await_reads_by("replica", READS);
    service_stop(&stand.service);
    free(role);
}

/* A standby is asked for; what takes writes is none. */
static void a_primary_is_not_read_as_its_own_replica(NO_STATE)
{
    make_database("itself");
    start_service(stand.url, fixture.pg);
    await_log("the server is no standby");
    assert_int_equal(reads_by("replica"), 0);
    service_stop(&stand.service);
}

static int group_set_up(void **state)
{
    int failed = fixture_setup_servers(state);
    shared_replica = pg_server_create_standby(fixture.pg);
    return failed;
}

static int group_tear_down(void **state)
{
    pg_server_destroy(&shared_replica);
    return fixture_teardown(state);
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_acknowledged_is_read_from_the_replica),
        TEST(a_replica_that_is_behind_is_not_read),
        TEST(a_replica_that_dies_is_missed_by_nobody),
        TEST(a_replica_that_stands_still_is_missed_by_nobody),
        TEST(a_replica_that_was_promoted_is_not_read),
        TEST(after_a_promotion_the_next_standby_is_read),
        TEST(a_replica_that_follows_another_promoted_server_is_not_read),
        TEST(a_replica_of_a_server_that_was_replaced_by_its_copy_is_not_read),
        TEST(after_a_failover_only_a_replica_of_the_new_primary_is_read),
        TEST(a_role_that_may_not_see_the_timeline_reads_from_the_primary),
        TEST(the_url_of_the_replica_can_be_changed),
        TEST(a_primary_is_not_read_as_its_own_replica),
    };
    return cmocka_run_group_tests(tests, group_set_up, group_tear_down);
}
