/* What operators rely on: health, readiness, draining, metrics and logs. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "expect.h"
#include "fixture.h"
#include "http.h"
#include "process.h"
#include "prometheus.h"
#include "relation.h"
#include "servers.h"
#include "test.h"

enum { POLL_BOUND_MS = PROCESS_BOUND_MS, RAW_TIMEOUT_MS = PROCESS_BOUND_MS };

static const struct relation *const rsvp = &relations[RELATION_RSVP];

static struct service *start_service(const char *const *environment)
{
    return service_start(fixture.database_url, redis_server_url(fixture.redis), environment);
}

/* ---- health ---- */

struct health {
    int status;
    char overall[32];  /* the first line's status */
    char postgres[32]; /* the dependency's; empty: there is no line for it */
    char redis[32];
};

static void read_dependency(struct health *health, const json_t *line)
{
    const char *dependency = json_string_value(json_object_get(line, "dependency"));
    const char *status = json_string_value(json_object_get(line, "status"));
    assert_non_null(dependency);
    assert_non_null(status);
    char *target = strcmp(dependency, "postgres") == 0 ? health->postgres : health->redis;
    assert_true(target == health->postgres || strcmp(dependency, "redis") == 0);
    assert_string_equal(target, ""); /* one line each */
    snprintf(target, sizeof health->redis, "%s", status);
}

/* Reads /readyz?verbose: a JSON object a line, the first about the whole. */
static struct health read_health(struct http_client *client)
{
    struct http_response *response = http_request(client, "GET", "/readyz?verbose", NULL);
    struct health health = {.status = response->status};
    expect_status(response, response->status);
    expect_header(response, "Content-Type", "application/x-ndjson");
    char *rest = response->body;
    for (size_t number = 0; *rest != '\0'; number++) {
        const char *text = strsep(&rest, "\n");
        assert_non_null(rest); /* the last line ends as well */
        json_t *line = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        assert_true(json_is_object(line));
        if (number == 0) {
            assert_null(json_object_get(line, "dependency"));
            const char *status = json_string_value(json_object_get(line, "status"));
            assert_non_null(status);
            snprintf(health.overall, sizeof health.overall, "%s", status);
        } else {
            read_dependency(&health, line);
        }
        json_decref(line);
    }
    assert_string_not_equal(health.overall, "");
    http_response_free(&response);
    return health;
}

/* Polls until redis has that status; the two others are as they are then. */
static struct health wait_for_redis_status(struct http_client *client, const char *status)
{
    const int64_t end_ms = process_now_ms() + POLL_BOUND_MS;
    struct health health = read_health(client);
    while (strcmp(health.redis, status) != 0) {
        if (process_now_ms() > end_ms) {
            process_fail("redis is '%s', expected '%s'", health.redis, status);
        }
        process_nap();
        health = read_health(client);
    }
    return health;
}

static void both_ports_tell_health(NO_STATE)
{
    static const char *const targets[] = {"/livez", "/readyz", "/readyz?verbose", "/livez?verbose"};
    static const char *const refused[] = {"POST", "PUT", "DELETE", "PATCH"};
    struct http_client *const clients[] = {fixture.client, fixture.admin};
    for (size_t i = 0; i < LENGTH(targets) * LENGTH(clients); i++) {
        struct http_client *client = clients[i % LENGTH(clients)];
        const char *target = targets[i / LENGTH(clients)];
        process_note("%s on the %s port", target, i % 2 == 0 ? "public" : "admin");
        struct http_response *response = http_request(client, "GET", target, NULL);
        expect_status(response, 200);
        http_response_free(&response);
        response = http_request(client, "HEAD", target, NULL);
        expect_status(response, 200);
        assert_int_equal(response->body_size, 0);
        http_response_free(&response);
        response = http_request(client, "OPTIONS", target, NULL);
        expect_status(response, 204);
        assert_non_null(http_header(response, "Allow"));
        http_response_free(&response);
        for (size_t method = 0; method < LENGTH(refused); method++) {
            response = http_request(client, refused[method], target, NULL);
            expect_problem(response, 405, "method-not-allowed");
            http_response_free(&response);
        }
    }
}

static void wrong_health_parameters_are_refused(NO_STATE)
{
    static const struct {
        const char *target;
        const char *named;
    } rows[] = {
        {"/readyz?color=1", "color"},
        {"/livez?color", "color"},
        {"/readyz?verbose=1", "verbose"},
        {"/livez?verbose&verbose", "verbose"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        process_note("%s", rows[i].target);
        struct http_response *response = http_request(fixture.client, "GET", rows[i].target, NULL);
        expect_problem_naming(response, 400, "invalid-parameter", rows[i].named);
        http_response_free(&response);
    }
}

static void verbose_names_each_dependency(NO_STATE)
{
    struct http_client *const clients[] = {fixture.client, fixture.admin};
    for (size_t i = 0; i < LENGTH(clients); i++) {
        const struct health health = wait_for_redis_status(clients[i], "up");
        assert_int_equal(health.status, 200);
        assert_string_equal(health.postgres, "up");
        assert_string_equal(health.overall, "ready");
    }
}

/* By name and by address, with and without a user, in another database than the first. */
static void redis_over_tcp_wants_its_password(NO_STATE)
{
    static const struct {
        const char *before, *after;
        bool answers;
    } urls[] = {
        {"redis://:sesame@localhost", "/3", true},
        {"redis://default:sesame@127.0.0.1", "", true},
        {"redis://127.0.0.1", "", false},
        {"redis://:open@127.0.0.1", "", false},
        {"redis://:sesame@127.0.0.1", "/1023", false}, /* it has 16 */
        {"redis://:sesame@nowhere.invalid", "", false},
    };
    struct redis_server *redis = redis_server_create();
    int lock;
    const uint16_t port = port_reserve(&lock);
    redis_server_open(redis, port, "sesame");
    for (size_t i = 0; i <= LENGTH(urls); i++) {
        const bool gone = i == LENGTH(urls); /* then the first again: nobody listens */
        char entry[128];
        if (gone) {
            redis_server_destroy(&redis);
        }
        snprintf(entry, sizeof entry, "REDIS_URL=%s:%u%s", urls[gone ? 0 : i].before,
                 (unsigned)port, urls[gone ? 0 : i].after);
        process_note("%s", entry);
        fixture_restart_service((const char *const[]){entry, NULL});
        if (!gone && urls[i].answers) {
            wait_for_redis_status(fixture.admin, "up");
        } else {
            service_await_log(fixture.service, "redis is unavailable");
            assert_int_equal(service_count_in_log(fixture.service, "sesame"), 0);
            wait_for_redis_status(fixture.admin, "down");
        }
    }
    fixture_restart_service(NULL);
    close(lock);
}

static void without_redis_it_is_degraded_and_ready(NO_STATE)
{
    redis_server_stop(fixture.redis);
    struct health health = wait_for_redis_status(fixture.client, "down");
    assert_int_equal(health.status, 200);
    assert_string_equal(health.overall, "degraded");
    assert_string_equal(health.postgres, "up");
    expect_write(rsvp, relation_write(fixture.client, rsvp, "POST", "degraded", "u1"),
                 .status = 201, .id = "degraded", .user = "u1", .is_in = true, .changed = true,
                 .count = 1);
    expect_member(fixture.client, rsvp, "degraded", "u1", true);
    struct http_response *response = relation_get_count(fixture.client, rsvp, "degraded", "");
    expect_count(response, "event_id", "degraded", "rsvp_count", 1);
    http_response_free(&response);

    redis_server_start(fixture.redis);
    health = wait_for_redis_status(fixture.client, "up");
    assert_int_equal(health.status, 200);
    assert_string_equal(health.overall, "ready");
}

/* A Redis that stands still is no better than none. */
static void with_redis_standing_still_counts_are_answered(NO_STATE)
{
    struct http_response *response =
        relation_write(fixture.client, rsvp, "POST", "redis-still", "u1");
    expect_status(response, 201);
    http_response_free(&response);
    redis_server_pause(fixture.redis);
    for (int i = 0; i < 10; i++) {
        struct http_client *client = http_client_create(fixture.service->port);
        response = relation_get_count(client, rsvp, "redis-still", "");
        expect_count(response, "event_id", "redis-still", "rsvp_count", 1);
        http_response_free(&response);
        http_client_destroy(&client);
    }
    wait_for_redis_status(fixture.client, "down");
    redis_server_resume(fixture.redis);
    wait_for_redis_status(fixture.client, "up");
}

static void redis_that_was_never_wanted_is_not_missed(NO_STATE)
{
    struct service *service = service_start(fixture.database_url, NULL, NULL);
    struct http_client *client = http_client_create(service->port);
    const struct health health = read_health(client);
    assert_int_equal(health.status, 200);
    assert_string_equal(health.overall, "ready");
    expect_write(rsvp, relation_write(client, rsvp, "POST", "no-redis", "u1"), .status = 201,
                 .id = "no-redis", .user = "u1", .is_in = true, .changed = true, .count = 1);
    struct http_response *response = relation_get_count(client, rsvp, "no-redis", "");
    expect_count(response, "event_id", "no-redis", "rsvp_count", 1);
    http_response_free(&response);
    http_client_destroy(&client);
    service_stop(&service);
}

static void without_postgres_it_is_not_ready(NO_STATE)
{
    pg_server_stop(fixture.pg);
    service_wait_ready(fixture.service, 503);
    const struct health health = read_health(fixture.client);
    assert_int_equal(health.status, 503);
    assert_string_equal(health.overall, "unavailable");
    assert_string_equal(health.postgres, "down");
    struct http_client *const clients[] = {fixture.client, fixture.admin};
    for (size_t i = 0; i < LENGTH(clients); i++) {
        struct http_response *response = http_request(clients[i], "GET", "/readyz", NULL);
        expect_status(response, 503);
        http_response_free(&response);
        response = http_request(clients[i], "GET", "/livez", NULL);
        expect_status(response, 200);
        http_response_free(&response);
    }
    pg_server_start(fixture.pg);
    service_wait_ready(fixture.service, 200);
}

/* ---- ending ---- */

/* The drain is so long that only the second signal can end it. */
static void draining_still_serves_until_a_second_signal(NO_STATE)
{
    struct service *service =
        start_service((const char *const[]){"SHUTDOWN_DRAIN_MS=600000", NULL});
    struct http_client *old_client = http_client_create(service->port);
    expect_exact_count(old_client, rsvp, "draining", 0);
    kill(service->pid, SIGTERM);
    service_wait_ready(service, 503);

    struct http_client *new_client = http_client_create(service->port);
    assert_string_equal(read_health(new_client).overall, "draining");
    struct http_client *const clients[] = {old_client, new_client};
    for (size_t i = 0; i < LENGTH(clients); i++) {
        char user[16];
        snprintf(user, sizeof user, "u%zu", i);
        expect_write(rsvp, relation_write(clients[i], rsvp, "POST", "draining", user),
                     .status = 201, .id = "draining", .user = user, .is_in = true, .changed = true,
                     .count = (int64_t)i + 1);
        struct http_response *response = http_request(clients[i], "GET", "/readyz", NULL);
        expect_status(response, 503);
        http_response_free(&response);
        response = http_request(clients[i], "GET", "/livez", NULL);
        expect_status(response, 200);
        http_response_free(&response);
    }
    kill(service->pid, SIGTERM);
    assert_int_equal(service_wait_end(&service), 0);
    http_client_destroy(&old_client);
    http_client_destroy(&new_client);
}

/* It has sent more than the process reads, and takes its answer in slowly: a connection that were
 * closed with the rest unread would be reset, and the answer lost. */
static void an_answer_in_the_drain_arrives_whatever_comes_behind_its_request(NO_STATE)
{
    enum { MEMBERS = 1000, REQUESTS = 500, CLIENT_BUFFER_BYTES = 4096 };
    static const char line[] = "GET /v1/events/piped/users?page_size=1000 HTTP/1.1\r\n";
    char request[512];
    snprintf(request, sizeof request, "%sHost: test\r\nX-Padding: %0200d\r\n\r\n", line, 0);
    pg_execute(fixture.database_url,
               "INSERT INTO rsvps (event_id, user_id)"
               " SELECT 'piped', 'user-' || i FROM generate_series(1, %d) AS i",
               MEMBERS);
    struct service *service =
        start_service((const char *const[]){"SHUTDOWN_DRAIN_MS=600000", NULL});
    kill(service->pid, SIGTERM);
    service_wait_ready(service, 503);
    struct http_raw *raw = http_raw_connect_small(service->port, CLIENT_BUFFER_BYTES);
    assert_non_null(raw);
    for (int i = 0; i < REQUESTS; i++) {
        assert_true(http_raw_send_text(raw, request));
    }
    struct http_response *response = http_raw_receive(raw, RAW_TIMEOUT_MS);
    expect_status(response, 200);
    expect_header(response, "Connection", "close");
    assert_int_equal(json_array_size(json_object_get(response->json, "users")), MEMBERS);
    http_response_free(&response);
    assert_true(http_raw_is_closed(raw, RAW_TIMEOUT_MS));
    http_raw_close(&raw);
    kill(service->pid, SIGTERM);
    assert_int_equal(service_wait_end(&service), 0);
}

static void either_signal_ends_it_well(NO_STATE)
{
    static const int signals[] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < LENGTH(signals); i++) {
        struct service *service =
            start_service((const char *const[]){"SHUTDOWN_DRAIN_MS=300", NULL});
        /* An idle connection and half a request must not keep it. */
        struct http_client *client = http_client_create(service->port);
        expect_exact_count(client, rsvp, "ending", 0);
        struct http_raw *raw = http_raw_connect(service->port);
        assert_non_null(raw);
        assert_true(http_raw_send_text(raw, "POST /v1/events/ending/rsvp HTTP/1.1\r\nHost: t"));
        kill(service->pid, signals[i]);
        process_note("signal %d", signals[i]);
        assert_int_equal(service_wait_end(&service), 0);
        http_client_destroy(&client);
        http_raw_close(&raw);
    }
}

static void wait_until_closed(uint16_t port)
{
    const int64_t end_ms = process_now_ms() + POLL_BOUND_MS;
    struct http_raw *raw;
    while ((raw = http_raw_connect(port)) != NULL) {
        http_raw_close(&raw);
        if (process_now_ms() > end_ms) {
            process_fail("the listener stays open");
        }
        process_nap();
    }
}

static void requests_in_flight_finish(NO_STATE)
{
    struct service *service =
        start_service((const char *const[]){"REQUEST_DEADLINE_MS=60000", NULL});
    pg_server_pause(fixture.pg);
    struct http_raw *raw = http_raw_connect(service->port);
    assert_non_null(raw);
    assert_true(http_raw_send_text(raw, "POST /v1/events/in-flight/rsvp?user_id=u1 HTTP/1.1\r\n"
                                        "Host: test\r\nContent-Length: 0\r\n\r\n"));
    service_wait_queued(service, "writes", 1);
    kill(service->pid, SIGTERM);
    wait_until_closed(service->port);
    pg_server_resume(fixture.pg);
    expect_write(rsvp, http_raw_receive(raw, RAW_TIMEOUT_MS), .status = 201, .id = "in-flight",
                 .user = "u1", .is_in = true, .changed = true, .count = 1);
    http_raw_close(&raw);
    assert_int_equal(service_wait_end(&service), 0);
    expect_member(fixture.client, rsvp, "in-flight", "u1", true);
}

static PGconn *holder;

static int let_go(NO_STATE)
{
    PQfinish(holder);
    holder = NULL;
    return 0;
}

/* A connection that was open already may begin a request at any time: here one that is still
 * waiting when all those that were in flight at first have been answered or given up. */
static void late_requests_do_not_break_the_end(NO_STATE)
{
    enum { LATE_MS = 1500 }; /* half of the deadline */
    struct service *service =
        start_service((const char *const[]){"REQUEST_DEADLINE_MS=3000", "WORKERS=1", NULL});
    static const char *const users[] = {"first", "late"};
    struct http_raw *raws[LENGTH(users)];
    int64_t first_ms = 0;
    for (size_t i = 0; i < LENGTH(users); i++) {
        raws[i] = http_raw_connect(service->port);
        assert_non_null(raws[i]);
    }
    holder = pg_session_begin(fixture.database_url, "LOCK TABLE rsvps");
    for (size_t i = 0; i < LENGTH(users); i++) {
        char request[256];
        snprintf(request, sizeof request,
                 "POST /v1/events/late-%zu/rsvp?user_id=%s HTTP/1.1\r\nHost: test\r\n"
                 "Content-Length: 0\r\n\r\n",
                 i, users[i]);
        while (i > 0 && process_now_ms() < first_ms + LATE_MS) {
            process_nap();
        }
        assert_true(http_raw_send_text(raws[i], request));
        if (i == 0) {
            service_wait_queued(service, "writes", 1);
            first_ms = process_now_ms();
            kill(service->pid, SIGTERM);
            wait_until_closed(service->port);
        }
    }
    for (size_t i = 0; i < LENGTH(users); i++) {
        struct http_response *response = http_raw_receive(raws[i], RAW_TIMEOUT_MS);
        assert_in_range(response->status, 503, 504);
        http_response_free(&response);
        http_raw_close(&raws[i]);
    }
    assert_int_equal(service_wait_end(&service), 0);
}

/* ---- metrics ---- */

#define DURATION "rsvpd_http_request_duration_seconds"

static struct prometheus *read_metrics(struct http_client *admin)
{
    struct http_response *response = http_request(admin, "GET", "/metrics", NULL);
    expect_status(response, 200);
    const char *type = http_header(response, "Content-Type");
    assert_non_null(type);
    assert_int_equal(strncmp(type, "text/plain", strlen("text/plain")), 0);
    struct prometheus *metrics = prometheus_parse(response->body);
    if (metrics->error[0] != '\0') {
        process_fail("/metrics: %s", metrics->error);
    }
    http_response_free(&response);
    return metrics;
}

static void metrics_are_for_the_admin_port_alone(NO_STATE)
{
    struct prometheus *metrics = read_metrics(fixture.admin);
    assert_true(metrics->sample_count > 0);
    prometheus_free(&metrics);
    struct http_response *response = http_request(fixture.client, "GET", "/metrics", NULL);
    expect_problem(response, 404, "not-found");
    http_response_free(&response);
    response = http_request(fixture.admin, "POST", "/metrics", NULL);
    expect_problem(response, 405, "method-not-allowed");
    http_response_free(&response);
    /* And the API is for the public port alone. */
    response = http_request(fixture.admin, "GET", "/v1/events/x/rsvp_count", NULL);
    expect_problem(response, 404, "not-found");
    http_response_free(&response);
}

/* Every series of the histogram has exactly the buckets that dashboards are written for. */
static void duration_buckets_are_the_agreed_ones(NO_STATE)
{
    static const double bounds[] = {.005, .01, .025, .05, .075, .1,  .15, .25,
                                    .5,   .75, 1,    2.5, 5,    7.5, 10,  INFINITY};
    struct prometheus *metrics = read_metrics(fixture.admin);
    size_t bucket = 0;
    for (size_t i = 0; i < metrics->sample_count; i++) {
        const struct prometheus_sample *sample = &metrics->samples[i];
        if (strcmp(sample->name, DURATION "_bucket") != 0) {
            continue;
        }
        const char *le = prometheus_label(sample, "le");
        const double bound = strcmp(le, "+Inf") == 0 ? INFINITY : strtod(le, NULL);
        const double expected = bounds[bucket++ % LENGTH(bounds)];
        if (bound < expected || bound > expected) {
            process_fail("a bucket ends at %s, expected %g", le, expected);
        }
        assert_int_equal(sample->label_count, 4); /* route, method, status, le */
    }
    assert_true(bucket > 0);
    assert_int_equal(bucket % LENGTH(bounds), 0);
    prometheus_free(&metrics);
}

struct counted {
    const char *method;
    const char *target;
    const char *body;
    const char *route;
    int status;
};

/* Routes are patterns: their ids must not become labels. */
static const struct counted counted[] = {
    {"POST", "/v1/events/metrics/rsvp", "{\"user_id\":\"u1\"}", "/v1/events/{event_id}/rsvp", 201},
    {"POST", "/events/metrics/rsvp", "{\"user_id\":\"u1\"}", "/v1/events/{event_id}/rsvp", 200},
    {"POST", "/events/metrics/rsvp", "{}", "/v1/events/{event_id}/rsvp", 400},
    {"GET", "/v1/events/metrics/rsvp", NULL, "/v1/events/{event_id}/rsvp", 405},
    {"DELETE", "/v1/events/metrics/rsvp", "{\"user_id\":\"u1\"}", "/v1/events/{event_id}/rsvp",
     200},
    {"GET", "/v1/events/metrics/users/u1", NULL, "/v1/events/{event_id}/users/{user_id}", 200},
    {"GET", "/v1/events/metrics/rsvp_count", NULL, "/v1/events/{event_id}/rsvp_count", 200},
    {"HEAD", "/v1/events/metrics/rsvp_count", NULL, "/v1/events/{event_id}/rsvp_count", 200},
    {"POST", "/v1/posts/metrics/like", "{\"user_id\":\"u1\"}", "/v1/posts/{post_id}/like", 201},
    {"GET", "/v1/posts/metrics/users/u1", NULL, "/v1/posts/{post_id}/users/{user_id}", 200},
    {"GET", "/v1/posts/metrics/like_count", NULL, "/v1/posts/{post_id}/like_count", 200},
};

static void read_counted(double counts[LENGTH(counted)])
{
    struct prometheus *metrics = read_metrics(fixture.admin);
    for (size_t i = 0; i < LENGTH(counted); i++) {
        char status[8];
        snprintf(status, sizeof status, "%d", counted[i].status);
        counts[i] =
            prometheus_sum(metrics, DURATION "_count",
                           (const char *const[]){"route", counted[i].route, "method",
                                                 counted[i].method, "status", status, NULL});
    }
    prometheus_free(&metrics);
}

/* A request may be counted a moment after its answer is there. */
static void wait_for_counted(const double before[LENGTH(counted)], double more)
{
    const int64_t end_ms = process_now_ms() + POLL_BOUND_MS;
    size_t same = 0;
    while (same < LENGTH(counted)) {
        double now[LENGTH(counted)];
        read_counted(now);
        for (same = 0; same < LENGTH(counted); same++) {
            const double grown = now[same] - before[same];
            if (grown > more) {
                process_fail("%s %s is counted %g times, not %g", counted[same].method,
                             counted[same].target, grown, more);
            }
            if (grown < more) {
                break;
            }
        }
        if (same < LENGTH(counted) && process_now_ms() > end_ms) {
            process_fail("%s %s -> %d is counted too rarely", counted[same].method,
                         counted[same].target, counted[same].status);
        }
        process_nap();
    }
}

static void requests_are_counted_by_route_method_and_status(NO_STATE)
{
    double before[LENGTH(counted)];
    read_counted(before);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < LENGTH(counted); i++) {
            struct http_response *response =
                http_request(fixture.client, counted[i].method, counted[i].target,
                             &(const struct http_options){.body = counted[i].body});
            process_note("%s %s", counted[i].method, counted[i].target);
            expect_status(response, counted[i].status);
            http_response_free(&response);
        }
        /* Take the like back, so that the next round adds it again. */
        struct http_response *response =
            relation_write(fixture.client, &relations[RELATION_LIKE], "DELETE", "metrics", "u1");
        expect_status(response, 200);
        http_response_free(&response);
    }
    wait_for_counted(before, 3);
}

static double not_found_so_far(void)
{
    struct prometheus *metrics = read_metrics(fixture.admin);
    const double sum =
        prometheus_sum(metrics, DURATION "_count", (const char *const[]){"status", "404", NULL});
    prometheus_free(&metrics);
    return sum;
}

/* What clients make up must not make new series. */
static void made_up_paths_and_methods_make_no_series(NO_STATE)
{
    enum { REQUESTS = 50 };
    const double before = not_found_so_far();
    for (int i = 0; i < REQUESTS; i++) {
        char target[64];
        char method[16];
        snprintf(target, sizeof target, "/made-up-%d", i);
        snprintf(method, sizeof method, "MADEUP%d", i);
        struct http_response *response =
            http_request(fixture.client, i % 2 == 0 ? "GET" : method, target, NULL);
        expect_status(response, 404);
        http_response_free(&response);
    }
    const int64_t end_ms = process_now_ms() + POLL_BOUND_MS;
    while (not_found_so_far() < before + (double)REQUESTS) {
        if (process_now_ms() > end_ms) {
            process_fail("requests that are not found are not counted");
        }
        process_nap();
    }
    struct prometheus *metrics = read_metrics(fixture.admin);
    for (size_t i = 0; i < metrics->sample_count; i++) {
        const struct prometheus_sample *sample = &metrics->samples[i];
        for (size_t label = 0; label < sample->label_count; label++) {
            assert_null(strstr(sample->labels[label].value, "made-up"));
            assert_null(strstr(sample->labels[label].value, "MADEUP"));
        }
    }
    assert_true(prometheus_count(metrics, DURATION "_count",
                                 (const char *const[]){"status", "404", NULL}) < 10);
    prometheus_free(&metrics);
}

static void the_rest_of_the_metrics_is_there(NO_STATE)
{
    static const char *const names[] = {
        "rsvpd_build_info",
        "rsvpd_queue_depth",
        "rsvpd_batch_size_bucket",
        "rsvpd_dependency_up",
        "rsvpd_dependency_latency_seconds_bucket",
        "rsvpd_counts_served_total",
        "rsvpd_loop_lag_seconds_bucket",
        "rsvpd_pool_busy_seconds_total",
        "process_start_time_seconds",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_max_fds",
    };
    static const char *const no_labels[] = {NULL};
    struct prometheus *metrics = read_metrics(fixture.admin);
    for (size_t i = 0; i < LENGTH(names); i++) {
        process_note("%s", names[i]);
        if (prometheus_count(metrics, names[i], no_labels) == 0) {
            process_fail("%s is missing", names[i]);
        }
    }
    static const char *const dependencies[] = {"postgres", "redis"};
    for (size_t i = 0; i < LENGTH(dependencies); i++) {
        const double up =
            prometheus_sum(metrics, "rsvpd_dependency_up",
                           (const char *const[]){"dependency", dependencies[i], NULL});
        if (up < 1 || up > 1) {
            process_fail("%s is up: %g", dependencies[i], up);
        }
    }
    prometheus_free(&metrics);
}

/* ---- logs ---- */

typedef void line_fn(const char *line, void *context);

static size_t for_each_line(char *log, line_fn *visit, void *context)
{
    size_t count = 0;
    for (char *rest = log; rest != NULL && *rest != '\0'; count++) {
        visit(strsep(&rest, "\n"), context);
    }
    return count;
}

struct access_line {
    const char *request_id; /* looked for */
    const char *method;
    const char *route;
    int status;
    const char *traceparent; /* NULL: none was sent */
    int found;
};

static json_t *check_line(const char *text)
{
    static const char *const levels = " debug info warn error ";
    json_t *line = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(line)) {
        process_fail("not a JSON object: %s", text);
    }
    char level[32];
    snprintf(level, sizeof level, " %s ", json_string_value(json_object_get(line, "level")));
    const char *time = json_string_value(json_object_get(line, "time"));
    if (expect_parse_time(time) < 0 || strstr(levels, level) == NULL ||
        json_string_length(json_object_get(line, "message")) == 0) {
        process_fail("time, level or message is not as it should be: %s", text);
    }
    return line;
}

static bool has_text(const json_t *line, const char *name, const char *value)
{
    const char *actual = json_string_value(json_object_get(line, name));
    return value == NULL ? actual == NULL : actual != NULL && strcmp(actual, value) == 0;
}

static void check_access_line(const char *text, void *context)
{
    struct access_line *wanted = context;
    json_t *line = check_line(text);
    if (has_text(line, "message", "request") && has_text(line, "request_id", wanted->request_id)) {
        wanted->found++;
        if (!has_text(line, "method", wanted->method) || !has_text(line, "route", wanted->route) ||
            !has_text(line, "traceparent", wanted->traceparent) ||
            !has_text(line, "level", "info") ||
            json_integer_value(json_object_get(line, "status")) != wanted->status ||
            !json_is_number(json_object_get(line, "duration_ms")) ||
            json_number_value(json_object_get(line, "duration_ms")) < 0 ||
            !json_is_integer(json_object_get(line, "bytes"))) {
            process_fail("not as it should be: %s", text);
        }
    }
    json_decref(line);
}

#define TRACEPARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static struct access_line access_lines[] = {
    {"log-1", "POST", "/v1/events/{event_id}/rsvp", 201, TRACEPARENT, 0},
    {"log-2", "GET", "/v1/events/{event_id}/users/{user_id}", 200, NULL, 0},
    {"log-3", "GET", "/v1/events/{event_id}/rsvp_count", 200, TRACEPARENT, 0},
    {"log-4", "PUT", "/v1/events/{event_id}/rsvp", 405, NULL, 0},
    {"log-5", "POST", "/v1/posts/{post_id}/like", 400, NULL, 0},
};

static const char *const access_targets[] = {
    "/v1/events/logs/rsvp?user_id=u1",
    "/v1/events/logs/users/u1",
    "/v1/events/logs/rsvp_count",
    "/v1/events/logs/rsvp",
    "/v1/posts/logs/like",
};

static void each_request_has_one_access_line(NO_STATE)
{
    struct service *service = start_service(NULL);
    struct http_client *client = http_client_create(service->port);
    for (size_t i = 0; i < LENGTH(access_lines); i++) {
        char id[64];
        snprintf(id, sizeof id, "X-Request-Id: %s", access_lines[i].request_id);
        const char *const headers[] = {
            id, access_lines[i].traceparent != NULL ? "traceparent: " TRACEPARENT : NULL, NULL};
        struct http_response *response =
            http_request(client, access_lines[i].method, access_targets[i],
                         &(const struct http_options){.headers = headers});
        expect_status(response, access_lines[i].status);
        http_response_free(&response);
    }
    http_client_destroy(&client);
    char *log = service_stop_and_read_log(&service);
    for (size_t i = 0; i < LENGTH(access_lines); i++) {
        char *copy = strdup(log);
        for_each_line(copy, check_access_line, &access_lines[i]);
        process_note("%s", access_lines[i].request_id);
        assert_int_equal(access_lines[i].found, 1);
        free(copy);
    }
    free(log);
}

static size_t count_occurrences(const char *text, const char *word)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at += strlen(word)) {
        count++;
    }
    return count;
}

/* Runs a service with that setting for a number of requests and gives its log. */
static char *log_of_requests(const char *setting, int requests)
{
    struct service *service = start_service((const char *const[]){setting, "WORKERS=1", NULL});
    struct http_client *client = http_client_create(service->port);
    for (int i = 0; i < requests; i++) {
        struct http_response *response =
            http_request(client, "GET", "/v1/events/sampled/users/u1", NULL);
        expect_status(response, 200);
        http_response_free(&response);
    }
    http_client_destroy(&client);
    return service_stop_and_read_log(&service);
}

#define SAMPLED_ROUTE "/v1/events/{event_id}/users/{user_id}"

static void access_lines_can_be_sampled_or_turned_off(NO_STATE)
{
    char *log = log_of_requests("ACCESS_LOG_EVERY=0", 20);
    assert_int_equal(count_occurrences(log, SAMPLED_ROUTE), 0);
    free(log);
    log = log_of_requests("ACCESS_LOG_EVERY=1", 20);
    assert_int_equal(count_occurrences(log, SAMPLED_ROUTE), 20);
    free(log);
    log = log_of_requests("ACCESS_LOG_EVERY=10", 200);
    assert_in_range(count_occurrences(log, SAMPLED_ROUTE), 1, 100);
    free(log);
    log = log_of_requests("LOG_LEVEL=error", 20);
    assert_int_equal(count_occurrences(log, "\"info\""), 0);
    free(log);
}

static void expect_no_json(const char *line, void *context)
{
    (void)context;
    json_t *value = json_loads(line, 0, NULL);
    if (line[0] == '\0' || value != NULL) {
        process_fail("not a line for people: '%s'", line);
    }
}

static void text_is_for_people(NO_STATE)
{
    char *log = log_of_requests("LOG_FORMAT=text", 3);
    assert_int_equal(count_occurrences(log, SAMPLED_ROUTE), 3);
    assert_true(for_each_line(log, expect_no_json, NULL) >= 3);
    free(log);
}

static void ignore_line(const char *line, void *context)
{
    (void)context;
    json_decref(check_line(line));
}

#define SECRET_USER "unmistakable-user"

/* Each of these names the user, some well and some not. */
static const struct {
    const char *method;
    const char *target;
    const char *body;
    const char *header;
} naming_requests[] = {
    {"POST", "/v1/events/names/rsvp", "{\"user_id\":\"" SECRET_USER "\"}", NULL},
    {"POST", "/v1/events/names/rsvp?user_id=" SECRET_USER, NULL, NULL},
    {"POST", "/v1/events/names/rsvp", NULL, "X-User-Id: " SECRET_USER},
    {"DELETE", "/v1/posts/names/like", "{\"user_id\":\"" SECRET_USER "\"}", NULL},
    {"GET", "/v1/events/names/users/" SECRET_USER, NULL, NULL},
    {"GET", "/v1/events/names/users/" SECRET_USER "?nope=1", NULL, NULL},
    {"GET", "/v1/events/names/users/" SECRET_USER "%20", NULL, NULL},
    {"GET", "/v1/events/names/users/" SECRET_USER "/more", NULL, NULL},
    {"PUT", "/v1/events/names/users/" SECRET_USER, NULL, NULL},
    {"GET", "/v1/users/" SECRET_USER "/events", NULL, NULL},
    {"POST", "/v1/events/names/rsvp?user_id=" SECRET_USER "%20", NULL, NULL},
    {"POST", "/v1/events/names/rsvp", "{\"user_id\":\"" SECRET_USER "\"", NULL},
    {"POST", "/v1/events/names/rsvp", "{\"" SECRET_USER "\":1}", NULL},
    {"POST", "/v1/events/names/rsvp?user_id=" SECRET_USER, "{\"user_id\":\"u1\"}", NULL},
    {"POST", "/v1/events/names/rsvp", NULL, "X-User-Id: " SECRET_USER " "},
    {"POST", "/v1/events/names/rsvp", NULL, "X-User-Id: <" SECRET_USER ">"},
};

static void name_the_user(struct service *service)
{
    struct http_client *client = http_client_create(service->port);
    for (size_t i = 0; i < LENGTH(naming_requests); i++) {
        const char *const headers[] = {naming_requests[i].header, NULL};
        const struct http_options options = {.body = naming_requests[i].body, .headers = headers};
        struct http_response *response =
            http_request(client, naming_requests[i].method, naming_requests[i].target, &options);
        process_note("%s", naming_requests[i].target);
        expect_status(response, response->status);
        http_response_free(&response);
    }
    http_client_destroy(&client);
}

/* Neither when all is well, nor when PostgreSQL goes away under the requests. */
static void logs_hold_no_user_id(NO_STATE)
{
    struct service *service = start_service(NULL);
    name_the_user(service);
    pg_server_stop_immediate(fixture.pg);
    name_the_user(service);
    pg_server_start(fixture.pg);
    service_wait_ready(service, 200);
    char *log = service_stop_and_read_log(&service);
    const char *found = strstr(log, SECRET_USER);
    if (found != NULL) {
        process_fail("a user id is logged: %.200s", found - log > 100 ? found - 100 : log);
    }
    assert_true(for_each_line(log, ignore_line, NULL) >= 2 * LENGTH(naming_requests));
    free(log);
    service_wait_ready(fixture.service, 200);
}

/* What a client sends cannot break a line or forge one; some traceparents have the right length. */
static void log_lines_cannot_be_forged(NO_STATE)
{
    static const char *const headers[] = {
        "traceparent: \"} {\"level\":\"error\"",
        "traceparent: 00-\"0af7651916cd43dd8448eb211c8031-b7ad6b716920333-0\\\",\"a\":\"1",
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-\xff\xfe",
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"\\",
        "X-Request-Id: \"},{\"",
        "User-Agent: \"\\",
        NULL,
    };
    struct service *service = start_service(NULL);
    struct http_client *client = http_client_create(service->port);
    for (size_t i = 0; headers[i] != NULL; i++) {
        const char *const list[] = {headers[i], NULL};
        struct http_response *response =
            http_request(client, "GET", "/v1/events/forged%0A%22/users/%0A",
                         &(const struct http_options){.headers = list});
        expect_status(response, 400);
        http_response_free(&response);
    }
    http_client_destroy(&client);
    char *log = service_stop_and_read_log(&service);
    assert_true(for_each_line(log, ignore_line, NULL) > 0);
    free(log);
}

#define HEALED_TEST(test) cmocka_unit_test_teardown(test, fixture_heal)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ports_tell_health),
        cmocka_unit_test(wrong_health_parameters_are_refused),
        cmocka_unit_test(verbose_names_each_dependency),
        HEALED_TEST(without_redis_it_is_degraded_and_ready),
        cmocka_unit_test(redis_over_tcp_wants_its_password),
        HEALED_TEST(with_redis_standing_still_counts_are_answered),
        cmocka_unit_test(redis_that_was_never_wanted_is_not_missed),
        HEALED_TEST(without_postgres_it_is_not_ready),
        cmocka_unit_test_teardown(late_requests_do_not_break_the_end, let_go),
        cmocka_unit_test(draining_still_serves_until_a_second_signal),
        cmocka_unit_test(an_answer_in_the_drain_arrives_whatever_comes_behind_its_request),
        cmocka_unit_test(either_signal_ends_it_well),
        HEALED_TEST(requests_in_flight_finish),
        cmocka_unit_test(metrics_are_for_the_admin_port_alone),
        cmocka_unit_test(requests_are_counted_by_route_method_and_status),
        cmocka_unit_test(duration_buckets_are_the_agreed_ones),
        cmocka_unit_test(made_up_paths_and_methods_make_no_series),
        cmocka_unit_test(the_rest_of_the_metrics_is_there),
        cmocka_unit_test(each_request_has_one_access_line),
        cmocka_unit_test(access_lines_can_be_sampled_or_turned_off),
        cmocka_unit_test(text_is_for_people),
        HEALED_TEST(logs_hold_no_user_id),
        cmocka_unit_test(log_lines_cannot_be_forged),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
