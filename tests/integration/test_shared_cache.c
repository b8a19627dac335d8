/* A shared cache in front of the service that revalidates: nginx with proxy_cache_revalidate. A
 * 304 renews the body that the cache has, so the service must not give one for another moment. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "event_stream.h"
#include "expect.h"
#include "fixture.h"
#include "process.h"
#include "relation.h"
#include "test.h"

enum {
    /* Of a count's age: 4 s of the service, and max-age=1, which nginx counts in whole seconds of
     * its clock: a body lives for up to two. */
    BOUND_MS = 6000,
    WATCHED_MS = 7000, /* so long that a body kept alive would be too old */
    POLL_BOUND_MS = PROCESS_BOUND_MS,
    TEXT_SIZE = 2048
};

static struct {
    char directory[PROCESS_PATH_SIZE];
    uint16_t port;
    int port_lock;
    pid_t pid;
    struct http_client *client;
} cache;

/* Paths are below what -p says. */
static const char configuration[] = "daemon off;\nmaster_process off;\npid pid;\nerror_log log;\n"
                                    "events {}\n"
                                    "http {\n"
                                    "  access_log off;\n"
                                    "  client_body_temp_path body;\n  proxy_temp_path temp;\n"
                                    "  fastcgi_temp_path fastcgi;\n  uwsgi_temp_path uwsgi;\n"
                                    "  scgi_temp_path scgi;\n"
                                    "  proxy_cache_path cache keys_zone=counts:1m;\n"
                                    "  server {\n"
                                    "    listen 127.0.0.1:%u;\n"
                                    "    location / {\n"
                                    "      proxy_pass http://127.0.0.1:%u;\n"
                                    "      proxy_cache counts;\n      proxy_cache_revalidate on;\n"
                                    "      add_header X-Cache $upstream_cache_status;\n"
                                    "    }\n  }\n}\n";

static void start_cache(void)
{
    static const char nginx[] = "/usr/sbin/nginx";
    char text[TEXT_SIZE], path[PROCESS_PATH_SIZE + 16];
    cache.port = port_reserve(&cache.port_lock);
    process_make_directory(cache.directory, NULL);
    snprintf(text, sizeof text, configuration, (unsigned)cache.port,
             (unsigned)fixture.service->port);
    snprintf(path, sizeof path, "%s/conf", cache.directory);
    process_write_file(path, text);
    const struct process_spec spec = {
        .argv = (const char *const[]){nginx, "-c", path, "-p", cache.directory, NULL}};
    cache.pid = process_spawn(&spec);
    cache.client = http_client_create(cache.port);
}

static int setup(void **state)
{
    int status = fixture_setup(state);
    start_cache();
    const int64_t end_ms = process_now_ms() + POLL_BOUND_MS;
    for (int answered = 0; answered == 0;) {
        struct http_response *response = http_request(cache.client, "GET", "/livez", NULL);
        answered = response->status;
        http_response_free(&response);
        if (process_now_ms() > end_ms) {
            process_fail("nginx does not answer");
        }
        process_nap();
    }
    return status;
}

static int teardown(void **state)
{
    http_client_destroy(&cache.client);
    process_end(cache.pid, SIGTERM);
    close(cache.port_lock);
    process_remove_directory(cache.directory);
    return fixture_teardown(state);
}

/* Asks through the cache; whether the answer is stale. What is not must be young enough. */
static bool ask(const struct relation *relation, int *hits)
{
    const int64_t asked_ms = expect_now_ms();
    struct http_response *response = relation_get_count(cache.client, relation, "cached", "");
    expect_status(response, 200);
    const char *how = http_header(response, "X-Cache");
    assert_non_null(how);
    *hits += strcmp(how, "HIT") == 0 || strcmp(how, "REVALIDATED") == 0;
    bool stale = json_is_true(json_object_get(response->json, "stale"));
    int64_t as_of_ms =
        expect_parse_time(json_string_value(json_object_get(response->json, "as_of")));
    if (!stale && asked_ms - as_of_ms > BOUND_MS) {
        process_fail("%s was %lld ms old, and is not stale", response->body,
                     (long long)(asked_ms - as_of_ms));
    }
    http_response_free(&response);
    return stale;
}

static void no_old_moment_is_kept_alive(NO_STATE)
{
    int hits = 0;
    for (int64_t end_ms = process_now_ms() + WATCHED_MS; process_now_ms() < end_ms;) {
        for (size_t i = 0; i < RELATION_COUNT; i++) {
            assert_false(ask(&relations[i], &hits));
        }
        process_nap();
    }
    assert_true(hits > 0); /* the cache did cache */
}

static void wait_until_stale(const struct relation *relation, bool stale)
{
    const int64_t end_ms = process_now_ms() + POLL_BOUND_MS;
    int hits = 0;
    while (ask(relation, &hits) != stale) {
        if (process_now_ms() > end_ms) {
            process_fail("the count never gets %s", stale ? "stale" : "fresh again");
        }
        process_nap();
    }
}

static void staleness_comes_and_goes(void **state)
{
    wait_until_stale(*state, false);
    pg_server_stop(fixture.pg);
    wait_until_stale(*state, true);
    pg_server_start(fixture.pg);
    wait_until_stale(*state, false);
}

/* It would hold events back, but for X-Accel-Buffering. */
static void streams_come_through(void **state)
{
    const struct relation *relation = *state;
    char target[TEXT_SIZE];
    struct event_stream_event event;
    snprintf(target, sizeof target, "/v1/%s/passed/%s/stream", relation->collection,
             relation->count_member);
    struct event_stream *stream = event_stream_open(cache.port, target, NULL);
    assert_int_equal(stream->status, 200);
    for (int64_t count = 0; count < 2; count++) {
        assert_true(event_stream_next(stream, POLL_BOUND_MS, &event));
        assert_string_equal(event.type, relation->count_member);
        assert_int_equal(json_integer_value(json_object_get(event.json, relation->count_member)),
                         count);
        event_stream_clear(&event);
        struct http_response *response =
            relation_write(fixture.client, relation, "POST", "passed", count == 0 ? "a" : "b");
        expect_status(response, 201);
        http_response_free(&response);
    }
    event_stream_close(&stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_old_moment_is_kept_alive),
        RELATION_TESTS(streams_come_through),
        RELATION_TESTS(staleness_comes_and_goes),
    };
    return cmocka_run_group_tests_name("shared cache", tests, setup, teardown);
}
