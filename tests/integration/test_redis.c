/* What Redis may hold and be without a count ever lying. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "fake_redis.h"
#include "fixture.h"
#include "http.h"
#include "process.h"
#include "relation.h"
#include "test.h"

enum { BOUND_MS = PROCESS_BOUND_MS, TRICKS_BOUND_MS = 60000 };

static const struct relation *const rsvp = &relations[RELATION_RSVP];

/* ---- several databases on one Redis ---- */

static void expect_count_of(const struct service *service, int count)
{
    struct http_client *client = http_client_create(service->port);
    struct http_response *response = relation_get_count(client, rsvp, "shared", "");
    expect_count(response, "event_id", "shared", "rsvp_count", count);
    http_response_free(&response);
    http_client_destroy(&client);
}

static void add_member(const struct service *service)
{
    struct http_client *client = http_client_create(service->port);
    struct http_response *response = relation_write(client, rsvp, "POST", "shared", "u1");
    expect_status(response, 201);
    http_response_free(&response);
    http_client_destroy(&client);
}

/* Until a count of the event is in Redis. */
static void await_publication(void)
{
    const int64_t end_ms = process_now_ms() + BOUND_MS;
    while (redis_server_ask_int64(fixture.redis, "EVAL %s 0",
                                  "return #redis.call('KEYS', '*:shared')") == 0) {
        if (process_now_ms() > end_ms) {
            process_fail("the count is not published");
        }
        process_nap();
    }
}

static char *clone_database(const char *original, const char *name)
{
    char *maintenance = pg_server_url(fixture.pg, "postgres");
    pg_await_sessions(original, 0);
    pg_execute(maintenance, "CREATE DATABASE \"%s\" TEMPLATE original", name);
    free(maintenance);
    return pg_server_url(fixture.pg, name);
}

/* A member of the first of them is counted there alone, though all share one Redis. */
static void expect_apart(char *urls[], size_t size)
{
    struct service *services[3];
    assert_true(size <= LENGTH(services));
    redis_server_flush(fixture.redis);
    for (size_t i = 0; i < size; i++) {
        services[i] = service_start(urls[i], redis_server_url(fixture.redis), NULL);
    }
    add_member(services[0]);
    await_publication();
    for (size_t i = 1; i < size; i++) {
        expect_count_of(services[i], 0);
    }
    expect_count_of(services[0], 1);
    for (size_t i = 0; i < size; i++) {
        service_stop(&services[i]);
        free(urls[i]);
    }
}

static void databases_may_share_a_redis(NO_STATE)
{
    char *urls[3] = {pg_fresh_database(fixture.pg, "original"),
                     pg_fresh_database(fixture.pg, "another")};
    service_migrate(urls[0]);
    service_migrate(urls[1]);
    urls[2] = clone_database(urls[0], "clone");
    expect_apart(urls, LENGTH(urls));
}

/* As pg_dump leaves it, restored into a cluster that was made in the same way: the same secrets and
 * the same number. */
static void a_dump_restored_elsewhere_may_share_a_redis(NO_STATE)
{
    struct pg_server *elsewhere = pg_server_create_anew();
    char *maintenance = pg_server_url(elsewhere, "postgres");
    char *urls[2] = {pg_fresh_database(fixture.pg, "dumped"), pg_server_url(elsewhere, "dumped")};
    const int64_t oid = pg_query_int64(
        urls[0], "SELECT oid::bigint FROM pg_database WHERE datname = current_database()");
    pg_execute(maintenance, "CREATE DATABASE dumped OID = %lld", (long long)oid);
    for (size_t i = 0; i < LENGTH(urls); i++) {
        service_migrate(urls[i]);
        pg_execute(urls[i], "UPDATE rsvpd_secrets SET key = sha256('the same')");
    }
    expect_apart(urls, LENGTH(urls));
    free(maintenance);
    pg_server_destroy(&elsewhere);
}

/* ---- a Redis that refuses ---- */

/* Where the log last has the word; NULL: nowhere. */
static const char *last_in(const char *log, const char *word)
{
    const char *last = NULL;
    for (const char *at = log; (at = strstr(at, word)) != NULL; at++) {
        last = at;
    }
    return last;
}

/* Waits until the last word of the log about Redis is that it answers. */
static void await_answers(const struct service *service)
{
    const int64_t end_ms = process_now_ms() + BOUND_MS;
    bool is_told = false;
    while (!is_told) {
        char *log = service_read_log(service);
        const char *answers = last_in(log, "redis is available");
        is_told = answers != NULL && answers > last_in(log, "redis is unavailable");
        free(log);
        if (!is_told && process_now_ms() > end_ms) {
            process_fail("the log does not say that Redis answers");
        }
        process_nap();
    }
}

/* What makes it refuse, what ends that, and the word of the log. */
static const struct {
    const char *begin, *end, *word;
} refusals[] = {
    {"REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "READONLY"},
    {"CONFIG SET maxmemory-policy noeviction maxmemory 1", "CONFIG SET maxmemory 0", "OOM"},
    {"ACL SETUSER default -mget", "ACL SETUSER default +mget", "NOPERM"},
    {"ACL SETUSER default -set", "ACL SETUSER default +set", "refuses a command"},
    {"ACL SETUSER default -eval", "ACL SETUSER default +eval", "NOPERM"},
    {"ACL SETUSER default -time", "ACL SETUSER default +time", "refuses a command"},
    {"ACL SETUSER default resetkeys ~other:*", "ACL SETUSER default ~*", "NOPERM"},
};

/* Nobody asks it for anything meanwhile: it finds out by itself, says so once, and uses Redis again
 * when it can. */
static void redis_that_refuses_is_degraded(NO_STATE)
{
    struct service *service =
        service_start(fixture.database_url, redis_server_url(fixture.redis),
                      (const char *const[]){"WORKERS=1", "RATE_LIMIT_KEY=1000/1", NULL});
    for (size_t i = 0; i < LENGTH(refusals); i++) {
        process_note("%s", refusals[i].begin);
        service_await_status(service, "ready");
        const size_t logged = service_count_in_log(service, refusals[i].word);
        const size_t late = service_count_in_log(service, "in time"); /* on a busy machine */
        redis_server_execute(fixture.redis, refusals[i].begin);
        service_await_in_log(service, refusals[i].word, logged + 1);
        service_await_status(service, "degraded");
        expect_count_of(service, 0);
        redis_server_execute(fixture.redis, refusals[i].end);
        await_answers(service);
        service_await_status(service, "ready");
        assert_in_range(service_count_in_log(service, refusals[i].word) - logged, 1,
                        1 + service_count_in_log(service, "in time") - late);
    }
    service_stop(&service);
}

/* ---- a Redis that sends what it likes ---- */

static void ask_and_write(const struct service *service, int number)
{
    char event[32], other[32];
    snprintf(event, sizeof event, "asked-%d", number);
    snprintf(other, sizeof other, "other-%d", number);
    struct http_client *client = http_client_create(service->port);
    struct http_response *response = relation_write(client, rsvp, "POST", event, "u1");
    expect_status(response, 201);
    http_response_free(&response);
    response = relation_get_count(client, rsvp, event, "");
    expect_count(response, "event_id", event, "rsvp_count", 1);
    http_response_free(&response);
    response = relation_get_count(client, rsvp, other, ""); /* it is read from Redis */
    expect_count(response, "event_id", other, "rsvp_count", 0);
    http_response_free(&response);
    http_client_destroy(&client);
}

/* Each worker has a connection, and meets the next trick with each that it makes. */
static void whatever_redis_sends_the_service_goes_on(NO_STATE)
{
    static const char *const environment[] = {"WORKERS=16", "PG_WRITE_CONNECTIONS=1",
                                              "PG_READ_CONNECTIONS=1", NULL};
    redis_server_kill(fixture.redis);
    struct fake_redis *fake = fake_redis_create(redis_server_url(fixture.redis), fake_redis_tricks,
                                                fake_redis_trick_count);
    struct service *service =
        service_start(fixture.database_url, redis_server_url(fixture.redis), environment);
    const int64_t end_ms = process_now_ms() + TRICKS_BOUND_MS;
    for (int number = 0; fake_redis_played(fake) < fake_redis_trick_count; number++) {
        ask_and_write(service, number);
        if (process_now_ms() > end_ms) {
            process_fail("only %zu of %zu tricks ended with their connection",
                         fake_redis_played(fake), fake_redis_trick_count);
        }
        process_nap();
    }
    service_stop(&service);
    fake_redis_destroy(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(databases_may_share_a_redis, fixture_heal),
        cmocka_unit_test_teardown(a_dump_restored_elsewhere_may_share_a_redis, fixture_heal),
        cmocka_unit_test_teardown(redis_that_refuses_is_degraded, fixture_heal),
        cmocka_unit_test_teardown(whatever_redis_sends_the_service_goes_on, fixture_heal),
    };
    return cmocka_run_group_tests(tests, fixture_setup_servers, fixture_teardown);
}
