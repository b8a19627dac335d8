/* Limits of rates: over the workers of a process, over processes, and whatever Redis does. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "expect.h"
#include "fixture.h"
#include "process.h"
#include "prometheus.h"
#include "test.h"

enum { PROCESSES = 2, BOUND_MS = PROCESS_BOUND_MS, TEXT_SIZE = 128 };

static struct service *services[PROCESSES];
static struct http_client *clients[PROCESSES];

/* `limits` is a NULL-terminated environment. */
static void start(size_t count, const char *const *limits)
{
    redis_server_flush(fixture.redis); /* what other tests left */
    for (size_t i = 0; i < count; i++) {
        services[i] = service_start(fixture.database_url, redis_server_url(fixture.redis), limits);
        clients[i] = http_client_create(services[i]->port);
    }
}

static void stop(void)
{
    for (size_t i = 0; i < PROCESSES; i++) {
        if (services[i] != NULL) {
            http_client_destroy(&clients[i]);
            service_stop(&services[i]);
        }
    }
}

static int heal(void **state)
{
    for (size_t i = 0; i < PROCESSES; i++) {
        if (services[i] != NULL) { /* the test failed */
            http_client_destroy(&clients[i]);
            service_discard(&services[i]);
        }
    }
    return fixture_heal(state);
}

/* Whether a look-up of the user's is admitted; it must be refused as it should else. */
static bool admits(struct http_client *client, const char *user)
{
    char target[TEXT_SIZE];
    snprintf(target, sizeof target, "/v1/events/101a/users/%s", user);
    struct http_response *response = http_request(client, "GET", target, NULL);
    bool admitted = response->status == 200;
    if (!admitted) {
        expect_problem(response, 429, "rate-limited");
        assert_true(atoi(http_header(response, "Retry-After")) >= 1);
    }
    assert_non_null(http_header(response, "RateLimit"));
    http_response_free(&response);
    return admitted;
}

/* How many of so many requests are admitted. */
static int count_admitted(struct http_client *client, const char *user, int requests)
{
    int admitted = 0;
    for (int i = 0; i < requests; i++) {
        admitted += admits(client, user);
    }
    return admitted;
}

/* Connections are spread over the workers; together they let as many pass as the limit says. */
static void the_workers_of_a_process_share_a_limit_exactly(NO_STATE)
{
    enum { CONNECTIONS = 24, LIMIT = 50 };
    start(1, (const char *const[]){"WORKERS=4", "RATE_LIMIT_USER=50/86400", NULL});
    int admitted = 0;
    for (int i = 0; i < CONNECTIONS; i++) {
        struct http_client *client = http_client_create(services[0]->port);
        admitted += count_admitted(client, "spread", 5);
        http_client_destroy(&client);
    }
    assert_int_equal(admitted, LIMIT);
    stop();
}

/* How many the process admits of one whom another process has refused by now, until it knows of it
 * too. */
static int count_until_refused(struct http_client *client, const char *user)
{
    const int64_t end_ms = process_now_ms() + BOUND_MS;
    int admitted = 0;
    for (; admits(client, user); admitted++) {
        if (process_now_ms() > end_ms) {
            process_fail("the other process does not learn of it: %d more were admitted", admitted);
        }
        process_nap();
    }
    return admitted;
}

static void processes_share_a_limit_through_redis(NO_STATE)
{
    /* None comes back while the test runs; and what fits into half a second here is far less than
     * half of it. */
    enum { LIMIT = 1000 };
    start(PROCESSES, (const char *const[]){"RATE_LIMIT_USER=1000/86400", NULL});
    assert_int_equal(count_admitted(clients[0], "wanderer", LIMIT + 10), LIMIT);
    int more = count_until_refused(clients[1], "wanderer");
    assert_in_range(more, 1, LIMIT / 2);
    /* Somebody else has nothing to do with it. */
    assert_int_equal(count_admitted(clients[1], "other", 10), 10);
    stop();
}

/* A caller of both processes at once: never more than the limit and what fits into the time of an
 * exchange, which is less than twice the limit that they would get without one. */
static void a_caller_who_spreads_gets_little_more(NO_STATE)
{
    enum { LIMIT = 2000 };
    static const struct timespec pace = {.tv_nsec = 2 * 1000 * 1000};
    start(PROCESSES, (const char *const[]){"RATE_LIMIT_USER=2000/86400", NULL});
    int admitted = 0;
    for (int refused = 0; refused < 10; refused = refused < 10 ? refused : 10) {
        for (size_t i = 0; i < PROCESSES; i++) {
            bool yes = admits(clients[i], "both");
            admitted += yes;
            refused += !yes;
        }
        assert_true(admitted < 2 * LIMIT);
        nanosleep(&pace, NULL);
    }
    assert_in_range(admitted, LIMIT, LIMIT + LIMIT / 2);
    stop();
}

static void without_redis_each_process_holds_its_own(NO_STATE)
{
    enum { LIMIT = 60 };
    start(PROCESSES, (const char *const[]){"RATE_LIMIT_USER=60/86400", NULL});
    assert_int_equal(count_admitted(clients[0], "u1", LIMIT / 2), LIMIT / 2);
    redis_server_flush(fixture.redis);
    assert_int_equal(count_admitted(clients[0], "u1", LIMIT), LIMIT / 2);
    redis_server_pause(fixture.redis);
    assert_int_equal(count_admitted(clients[0], "u2", 2 * LIMIT), LIMIT);
    assert_int_equal(count_admitted(clients[1], "u2", 2 * LIMIT), LIMIT);
    redis_server_resume(fixture.redis);
    redis_server_stop(fixture.redis);
    assert_int_equal(count_admitted(clients[0], "u3", 2 * LIMIT), LIMIT);
    assert_int_equal(count_admitted(clients[1], "u3", 2 * LIMIT), LIMIT);
    /* An empty Redis comes back: nobody is refused for it, and nobody forgets. */
    redis_server_start(fixture.redis);
    service_wait_ready(services[0], 200);
    assert_int_equal(count_admitted(clients[0], "u4", LIMIT), LIMIT);
    assert_int_equal(count_admitted(clients[0], "u3", LIMIT), 0);
    stop();
}

/* What Redis holds of callers, by the script that counts it. */
static int64_t count_in_redis(const char *pattern)
{
    return redis_server_ask_int64(fixture.redis, "EVAL %s 0 %s",
                                  "return #redis.call('KEYS', ARGV[1])", pattern);
}

static void redis_learns_no_names_and_forgets_in_time(NO_STATE)
{
    start(1, (const char *const[]){"RATE_LIMIT_USER=2/2", NULL});
    assert_int_equal(count_admitted(clients[0], "secretive", 2), 2);
    const int64_t end_ms = process_now_ms() + BOUND_MS;
    bool seen = false, gone = false;
    while (!seen || !gone) {
        int64_t callers = redis_server_ask_int64(
            fixture.redis, "EVAL %s 0",
            "local n = 0\n"
            "for _, key in ipairs(redis.call('KEYS', 'rsvpd:2:*:rate:*')) do\n"
            "  if redis.call('PTTL', key) > 252 then n = n + 1 end\n"
            "  if redis.call('PTTL', key) > 2251 then return -1 end\n"
            "end\n"
            "return n");
        assert_in_range(callers, 0, 1);
        seen = seen || callers == 1;
        gone = seen && callers == 0;
        if (process_now_ms() > end_ms) {
            process_fail("seen %d, gone %d", seen, gone);
        }
        process_nap();
    }
    assert_int_equal(count_in_redis("*secretive*"), 0);
    stop();
}

/* What others may have left under a caller's key: each counts as nothing. */
static const char *const leftovers[] = {
    "redis.call('SET', key, 'rubbish')",
    "redis.call('SET', key, '1764345678123456:86400000')",
    "redis.call('SET', key, string.rep(string.char(255), 16))",
    "redis.call('SET', key, string.rep('x', 16))",
    "redis.call('SET', key, struct.pack('>i8i8', 0, 172800000001))",
    "redis.call('SET', key, struct.pack('>i8i8', 2 ^ 62, 172800000001))",
    "redis.call('SET', key, string.rep(string.char(255), 24))",
    "redis.call('DEL', key) redis.call('LPUSH', key, 'rubbish')",
};

/* Waits until Redis holds a caller who owes one request of 86.4 s, or a little less. */
static void wait_until_one_is_owed(void)
{
    static const char script[] =
        "local key = redis.call('KEYS', 'rsvpd:2:*:rate:*')[1]\n"
        "if not key or redis.call('TYPE', key).ok ~= 'string' then return 0 end\n"
        "local value = redis.call('GET', key)\n"
        "if #value ~= 16 or redis.call('PTTL', key) < 0 then return 0 end\n"
        "local at, owed = struct.unpack('>i8i8', value)\n"
        "return owed";
    const int64_t end_ms = process_now_ms() + BOUND_MS;
    int64_t owed;
    while ((owed = redis_server_ask_int64(fixture.redis, "EVAL %s 0", script)) < 60000000) {
        if (process_now_ms() > end_ms) {
            process_fail("owed: %lld", (long long)owed);
        }
        process_nap();
    }
    assert_in_range(owed, 60000000, 86400000);
}

static void what_others_left_in_redis_counts_as_nothing(NO_STATE)
{
    start(1, (const char *const[]){"RATE_LIMIT_USER=1000/86400", NULL});
    assert_true(admits(clients[0], "u1"));
    wait_until_one_is_owed();
    for (size_t i = 0; i < LENGTH(leftovers); i++) {
        char script[2 * TEXT_SIZE];
        snprintf(script, sizeof script,
                 "local key = redis.call('KEYS', 'rsvpd:2:*:rate:*')[1]\n%s\nreturn 1\n",
                 leftovers[i]);
        process_note("%s", leftovers[i]);
        assert_int_equal(redis_server_ask_int64(fixture.redis, "EVAL %s 0", script), 1);
        assert_true(admits(clients[0], "u1"));
        wait_until_one_is_owed();
    }
    stop();
}

/* ---- what answers say ---- */

static const struct {
    const char *method, *target, *body, *header;
    int status;
} kinds[] = {
    {"POST", "/v1/events/e1/rsvp", "{\"user_id\":\"u1\"}", NULL, 201},
    {"POST", "/v1/events/e1/rsvp", "{\"user_id\":\"u1\"}", NULL, 200},
    {"GET", "/v1/events/e1/users/u1", NULL, NULL, 200},
    {"HEAD", "/v1/events/e1/users/u1", NULL, NULL, 200},
    {"GET", "/v1/events/e1/rsvp_count", NULL, NULL, 200},
    {"GET", "/v1/events/e1/rsvp_count", NULL, "If-None-Match: *", 304},
    {"GET", "/v1/events/e1/users", NULL, NULL, 200},
    {"OPTIONS", "/v1/events/e1/rsvp", NULL, NULL, 204},
    {"GET", "/v1/events/e1/nothing", NULL, NULL, 404},
    {"PUT", "/v1/events/e1/rsvp", NULL, NULL, 405},
    {"POST", "/v1/events/e1/rsvp", "{", NULL, 400},
    {"POST", "/v1/events/e1/rsvp", NULL, NULL, 400},
    {"POST", "/v1/events/e1/rsvp", "{\"user_id\":\"u1\"}", "Content-Encoding: gzip", 415},
    {"POST", "/v1/events/e1/rsvp", "{\"user_id\":\"u1\"}", "Origin: https://elsewhere.example",
     403},
    {"GET", "/v1/events/%20/rsvp_count", NULL, NULL, 400},
    {"GET", "/v1/events/e1/rsvp_count?unknown=1", NULL, NULL, 400},
    {"GET", "/v1/problems/rate-limited", NULL, NULL, 200},
};

static struct http_response *send_kind(size_t kind)
{
    const char *headers[] = {kinds[kind].header, NULL};
    const struct http_options options = {.body = kinds[kind].body, .headers = headers};
    return http_request(clients[0], kinds[kind].method, kinds[kind].target, &options);
}

static void every_answer_tells_the_limit(NO_STATE)
{
    start(1, (const char *const[]){"RATE_LIMIT_ADDRESS=17/86400", NULL});
    static_assert(LENGTH(kinds) == 17, "the last of them is the last that is admitted");
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        char expected[TEXT_SIZE];
        struct http_response *response = send_kind(i);
        process_note("%s %s", kinds[i].method, kinds[i].target);
        expect_status(response, kinds[i].status);
        expect_header(response, "RateLimit-Policy", "\"address\";q=17;w=86400");
        snprintf(expected, sizeof expected, "\"address\";r=%zu;t=", LENGTH(kinds) - 1 - i);
        assert_memory_equal(http_header(response, "RateLimit"), expected, strlen(expected));
        http_response_free(&response);
    }
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        struct http_response *response = send_kind(i);
        expect_status(response, 429);
        expect_header(response, "RateLimit-Policy", "\"address\";q=17;w=86400");
        assert_memory_equal(http_header(response, "RateLimit"), "\"address\";r=0;t=", 16);
        assert_in_range(atoi(http_header(response, "Retry-After")), 1, 86400 / 17 + 1);
        http_response_free(&response);
    }
    for (int i = 0; i < 20; i++) { /* health is exempt */
        struct http_response *response = http_request(clients[0], "GET", "/livez", NULL);
        expect_status(response, 200);
        expect_header(response, "RateLimit", NULL);
        expect_header(response, "RateLimit-Policy", NULL);
        http_response_free(&response);
    }
    stop();
}

static void without_limits_nothing_is_told(NO_STATE)
{
    start(1, NULL);
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        struct http_response *response = send_kind(i);
        assert_int_not_equal(response->status, 429);
        expect_header(response, "RateLimit", NULL);
        http_response_free(&response);
    }
    stop();
}

/* The ways to name a user, each as good as the others. */
static struct http_response *send_as(const char *user, unsigned way)
{
    char target[TEXT_SIZE], body[TEXT_SIZE], header[TEXT_SIZE];
    const char *headers[] = {header, NULL};
    snprintf(target, sizeof target, "/v1/events/e2/users/%s", user);
    snprintf(body, sizeof body, "{\"user_id\":\"%s\"}", user);
    snprintf(header, sizeof header, "X-User-Id: %s", user);
    switch (way) {
    case 0:
        return http_request(clients[0], "GET", target, NULL);
    case 1:
        return http_request(clients[0], "POST", "/v1/events/e2/rsvp",
                            &(struct http_options){.body = body});
    case 2:
        snprintf(target, sizeof target, "/v1/events/e2/rsvp?user_id=%s", user);
        return http_request(clients[0], "DELETE", target, NULL);
    default:
        return http_request(clients[0], "POST", "/v1/posts/p2/like",
                            &(struct http_options){.headers = headers});
    }
}

static void a_user_counts_wherever_they_are_named(NO_STATE)
{
    enum { WAYS = 4 };
    start(1, (const char *const[]){"RATE_LIMIT_USER=4/86400", NULL});
    for (unsigned i = 0; i < 2 * WAYS; i++) {
        struct http_response *response = send_as("u1", i % WAYS);
        if (i < WAYS) {
            assert_in_range(response->status, 200, 201);
        } else {
            expect_problem(response, 429, "rate-limited");
        }
        expect_header(response, "RateLimit-Policy", "\"user\";q=4;w=86400");
        http_response_free(&response);
    }
    struct http_response *response = send_as("u2", 1);
    expect_status(response, 201);
    http_response_free(&response);
    /* Who is asked about in a list, or nobody, has no limit. */
    response = http_request(clients[0], "GET", "/v1/events/e2/users?user_id=u1", NULL);
    expect_status(response, 200);
    expect_header(response, "RateLimit", NULL);
    http_response_free(&response);
    stop();
}

static void a_burst_passes_and_then_what_comes_back(NO_STATE)
{
    start(1, (const char *const[]){"RATE_LIMIT_USER=3/6", NULL});
    int64_t begin_ms = process_now_ms();
    assert_int_equal(count_admitted(clients[0], "u1", 3), 3);
    struct http_response *response = send_as("u1", 0);
    expect_status(response, 429);
    expect_header(response, "Retry-After", "2");
    expect_header(response, "RateLimit", "\"user\";r=0;t=6");
    http_response_free(&response);
    const int64_t end_ms = begin_ms + BOUND_MS;
    int admitted = 0;
    while (admitted < 2 && process_now_ms() < end_ms) {
        admitted += admits(clients[0], "u1");
        process_nap();
    }
    assert_int_equal(admitted, 2);
    assert_true(process_now_ms() - begin_ms >= 4000); /* not before they came back */
    stop();
}

static void refusals_and_exchanges_are_counted(NO_STATE)
{
    start(1, (const char *const[]){"RATE_LIMIT_USER=5/86400", NULL});
    assert_int_equal(count_admitted(clients[0], "u1", 8), 5);
    struct http_client *admin = http_client_create(services[0]->admin_port);
    const int64_t end_ms = process_now_ms() + BOUND_MS;
    double refused = 0, exchanged = 0;
    while (exchanged == 0 && process_now_ms() < end_ms) {
        struct http_response *response = http_request(admin, "GET", "/metrics", NULL);
        struct prometheus *metrics = prometheus_parse(response->body);
        assert_string_equal(metrics->error, "");
        refused = prometheus_sum(metrics, "rsvpd_rate_limited_total",
                                 (const char *const[]){"limit", "user", NULL});
        exchanged = prometheus_sum(metrics, "rsvpd_rate_shares_total",
                                   (const char *const[]){"outcome", "exchanged", NULL});
        prometheus_free(&metrics);
        http_response_free(&response);
        process_nap();
    }
    assert_true(refused == 3);
    assert_true(exchanged >= 1);
    http_client_destroy(&admin);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_workers_of_a_process_share_a_limit_exactly, heal),
        cmocka_unit_test_teardown(processes_share_a_limit_through_redis, heal),
        cmocka_unit_test_teardown(a_caller_who_spreads_gets_little_more, heal),
        cmocka_unit_test_teardown(without_redis_each_process_holds_its_own, heal),
        cmocka_unit_test_teardown(redis_learns_no_names_and_forgets_in_time, heal),
        cmocka_unit_test_teardown(what_others_left_in_redis_counts_as_nothing, heal),
        cmocka_unit_test_teardown(every_answer_tells_the_limit, heal),
        cmocka_unit_test_teardown(without_limits_nothing_is_told, heal),
        cmocka_unit_test_teardown(a_user_counts_wherever_they_are_named, heal),
        cmocka_unit_test_teardown(a_burst_passes_and_then_what_comes_back, heal),
        cmocka_unit_test_teardown(refusals_and_exchanges_are_counted, heal),
    };
    return cmocka_run_group_tests(tests, fixture_setup_servers, fixture_teardown);
}
