/* What Redis may hold and be without a count ever lying. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "expect.h"
#include "fixture.h"
#include "http.h"
#include "process.h"
#include "relation.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

enum { BOUND_MS = 20000 };

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

static void databases_may_share_a_redis(void **state)
{
    (void)state;
    char *urls[3] = {pg_fresh_database(fixture.pg, "original"),
                     pg_fresh_database(fixture.pg, "another")};
    struct service *services[LENGTH(urls)];
    service_migrate(urls[0]);
    service_migrate(urls[1]);
    urls[2] = clone_database(urls[0], "clone");
    for (size_t i = 0; i < LENGTH(urls); i++) {
        services[i] = service_start(urls[i], redis_server_url(fixture.redis), NULL);
    }
    add_member(services[0]);
    await_publication();
    expect_count_of(services[1], 0);
    expect_count_of(services[2], 0);
    expect_count_of(services[0], 1);
    for (size_t i = 0; i < LENGTH(urls); i++) {
        service_stop(&services[i]);
        free(urls[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(databases_may_share_a_redis, fixture_heal),
    };
    return cmocka_run_group_tests(tests, fixture_setup_servers, fixture_teardown);
}
