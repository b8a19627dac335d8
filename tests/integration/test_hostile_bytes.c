/* Thousands of requests that no decent client sends, each on a connection of its own, whole or in
 * pieces: whatever they are, the next decent request is answered, and nothing of them stays
 * behind. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "fixture.h"
#include "http.h"
#include "load.h"
#include "mutation.h"
#include "process.h"
#include "prometheus.h"
#include "relation.h"
#include "service.h"
#include "test.h"

#define USER "hostile-user-"

enum {
    ROUNDS = 2000,
    WARM_ROUNDS = 1000, /* what is kept for reuse has grown by then */
    SLOW_CONNECTIONS = 8,
    PIECES_MAX = 12,
    RAW_TIMEOUT_MS = PROCESS_BOUND_MS,
    ANSWER_WITHIN_MS = 10, /* what comes later is not looked at */
    POLL_BOUND_MS = PROCESS_BOUND_MS,
    WORKERS = 2,
    SESSIONS_PER_WORKER = 4, /* two for writes, two for reads */
    OWN_CONNECTIONS = 2,     /* of the fixture's client and admin client */
    GROWTH_MAX_KIB = 16 * 1024,
    /* A round takes half a millisecond, under sanitizers a few; a connection that keeps a processor
     * busy until its deadline takes 2000. */
    CPU_MAX_MS = ROUNDS * 10,
};

static const struct relation *const rsvp = &relations[RELATION_RSVP];

#define FIELDS " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"

static const char *const decent_requests[] = {
    "POST /v1/events/hostile/rsvp" FIELDS "Content-Type: application/json\r\n"
    "Content-Length: 28\r\n\r\n{\"user_id\":\"" USER "1\"}\r\n",
    "POST /v1/posts/hostile/like?user_id=" USER "1" FIELDS "\r\n",
    "POST /v1/events/hostile/rsvp" FIELDS "X-User-Id: " USER
    "1\r\nIdempotency-Key: \"k-1\"\r\n\r\n",
    "DELETE /events/hostile/rsvp" FIELDS "X-User-Id: " USER "1\r\n\r\n",
    "GET /v1/events/hostile/users/" USER "1" FIELDS "Accept: */*\r\n\r\n",
    "GET /v1/events/hostile/rsvp_count?max_stale_ms=1000" FIELDS "If-None-Match: W/\"1\"\r\n\r\n",
    "GET /v1/events/hostile/users?page_size=1&page_token=AAAA" FIELDS "\r\n",
    "GET /v1/rsvp_counts?event_id=hostile&event_id=b" FIELDS "\r\n",
    "GET /v1/users/" USER "1/posts?post_id=hostile" FIELDS "\r\n",
    "PUT /v1/events/hostile-settings" FIELDS "Content-Length: 34\r\n\r\n"
    "{\"capacity\":500,\"closes_at\":null}\r\n",
    "OPTIONS *" FIELDS "\r\n",
};

/* ---- answers ---- */

/* What only somebody who knows the inside would say. */
static const char *const internals[] = {
    "HTTP/1.1 500", "SQLSTATE",  "libpq",     "PGRES",    "hiredis", "rsvp_counters",
    "SELECT",       "INSERT",    ".c:",       "/src/",    "/tmp/",   "assert",
    "Assertion",    "Sanitizer", "backtrace", "rsvpd:2:",
};

/* Reads the answers, if there are any; the service ends the connection behind the last of them. */
static void check_answers(struct http_raw *raw)
{
    size_t size;
    const char *bytes = http_raw_receive_all(raw, ANSWER_WITHIN_MS, &size);
    if (size > 0 && strncmp(bytes, "HTTP/1.", 7) != 0) {
        process_fail("this is no answer: %.200s", bytes);
    }
    for (size_t i = 0; i < LENGTH(internals); i++) {
        if (memmem(bytes, size, internals[i], strlen(internals[i])) != NULL) {
            process_fail("an answer says '%s': %.2000s", internals[i], bytes);
        }
    }
}

/* ---- connections ---- */

/* One whose request comes in pieces, one in each round. */
struct slow {
    struct http_raw *raw; /* NULL: free */
    char *bytes;
    size_t size, sent, piece;
};

static struct slow slow_connections[SLOW_CONNECTIONS];

static struct http_raw *connect_to_service(void)
{
    struct http_raw *raw = http_raw_connect(fixture.service->port);
    if (raw == NULL) {
        process_fail("the service does not take a connection");
    }
    return raw;
}

/* Ends a connection, with its answers looked at or not. By a reset, which the service sees at once;
 * an orderly end that comes together with bytes it may see only when a time limit passes. */
static void end(struct http_raw **raw, struct load_random *random)
{
    const unsigned choice = load_random_below(random, 8);
    if (choice == 1) {
        http_raw_finish(*raw);
    }
    if (choice > 0) {
        check_answers(*raw);
    }
    http_raw_abort(raw);
}

static void advance(struct slow *slow, struct load_random *random)
{
    const size_t rest = slow->size - slow->sent;
    const size_t size = rest < slow->piece ? rest : slow->piece;
    const bool taken = http_raw_send(slow->raw, slow->bytes + slow->sent, size);
    slow->sent += size;
    if (!taken || slow->sent == slow->size) {
        end(&slow->raw, random);
        free(slow->bytes);
    }
}

static bool begin_slow(const struct mutant *mutant, struct load_random *random)
{
    size_t i = 0;
    while (i < SLOW_CONNECTIONS && slow_connections[i].raw != NULL) {
        i++;
    }
    if (i == SLOW_CONNECTIONS || mutant->size == 0) {
        return false;
    }
    slow_connections[i] = (struct slow){
        .raw = connect_to_service(),
        .bytes = malloc(mutant->size),
        .size = mutant->size,
        .piece = mutant->size / (2 + load_random_below(random, PIECES_MAX - 2)) + 1,
    };
    memcpy(slow_connections[i].bytes, mutant->bytes, mutant->size);
    return true;
}

static void advance_all(struct load_random *random)
{
    for (size_t i = 0; i < SLOW_CONNECTIONS; i++) {
        if (slow_connections[i].raw != NULL) {
            advance(&slow_connections[i], random);
        }
    }
}

static void end_slow_connections(void)
{
    struct load_random random = load_random_stream(ROUNDS);
    for (int i = 0; i < PIECES_MAX; i++) {
        advance_all(&random);
    }
    for (size_t i = 0; i < SLOW_CONNECTIONS; i++) {
        assert_null(slow_connections[i].raw);
    }
}

static void send_mutant(struct load_random *random)
{
    static struct mutant mutant;
    mutate(&mutant, decent_requests[load_random_below(random, LENGTH(decent_requests))], random);
    if (load_random_below(random, 10) == 0 && begin_slow(&mutant, random)) {
        return;
    }
    struct http_raw *raw = connect_to_service();
    http_raw_send(raw, mutant.bytes, mutant.size);
    end(&raw, random);
}

/* A decent request on a connection of its own. */
static void expect_service(void)
{
    struct http_raw *raw = connect_to_service();
    http_raw_send_text(raw, "GET /v1/events/steady/users/" USER "1 HTTP/1.1\r\nHost: h\r\n\r\n");
    struct http_response *response = http_raw_receive(raw, RAW_TIMEOUT_MS);
    expect_json(response, 200,
                "{\"event_id\":\"steady\",\"user_id\":\"" USER
                "1\",\"has_rsvped\":true,\"status\":\"going\"}");
    http_response_free(&response);
    http_raw_close(&raw);
}

/* ---- what stays behind ---- */

static size_t descriptors(void)
{
    char path[64];
    size_t count = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)fixture.service->pid);
    DIR *directory = opendir(path);
    assert_non_null(directory);
    while (readdir(directory) != NULL) {
        count++;
    }
    closedir(directory);
    return count;
}

static double connections(void)
{
    struct http_response *response = http_request(fixture.admin, "GET", "/metrics", NULL);
    struct prometheus *metrics = prometheus_parse(response->body);
    const double open =
        prometheus_sum(metrics, "rsvpd_http_connections", (const char *const[]){NULL});
    prometheus_free(&metrics);
    http_response_free(&response);
    return open;
}

/* Of memory that is not shared, now. */
static long resident_kib(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", (int)fixture.service->pid);
    char *status = process_read_file(path);
    const char *line = strstr(status, "RssAnon:");
    assert_non_null(line);
    const long kib = strtol(line + strlen("RssAnon:"), NULL, 10);
    free(status);
    return kib;
}

/* Waits until every worker has all its connections to the stores, which are descriptors as well. */
static void await_stores(void)
{
    const int64_t end_ms = process_now_ms() + POLL_BOUND_MS;
    pg_await_looked_after(fixture.database_url, WORKERS * SESSIONS_PER_WORKER);
    while (redis_server_client_count(fixture.redis) < WORKERS) {
        if (process_now_ms() > end_ms) {
            process_fail("not every worker has a connection to Redis");
        }
        process_nap();
    }
}

/* Waits until only the fixture's own connections are open: those that were just ended may be open
 * for a moment; and until so many descriptors are, or any number where it is 0. */
static void expect_open(size_t expected)
{
    const int64_t end_ms = process_now_ms() + POLL_BOUND_MS;
    for (;;) {
        const bool last_look = process_now_ms() > end_ms;
        const double connections_open = connections();
        const size_t descriptors_open = descriptors();
        if (connections_open == (double)OWN_CONNECTIONS &&
            (expected == 0 || descriptors_open == expected)) {
            return;
        }
        if (last_look) {
            process_fail("%g connections are open instead of %d, %zu descriptors instead of %zu",
                         connections_open, OWN_CONNECTIONS, descriptors_open, expected);
        }
        process_nap();
    }
}

static void expect_no_user_logged(void)
{
    char *log = service_read_log(fixture.service);
    const char *found = strstr(log, USER);
    if (found != NULL) {
        process_fail("a user id is logged: %.200s", found - log > 100 ? found - 100 : log);
    }
    free(log);
}

static void next_request_is_answered(NO_STATE)
{
    struct http_response *response =
        relation_write(fixture.client, rsvp, "POST", "steady", USER "1");
    expect_status(response, 201);
    http_response_free(&response);
    await_stores();
    expect_open(0);
    const size_t descriptors_before = descriptors();
    const long cpu_before_ms = service_cpu_ms(fixture.service);
    long warm_kib = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct load_random random = load_random_stream(round);
        process_note("round %u", round);
        send_mutant(&random);
        advance_all(&random);
        expect_service();
        warm_kib = round == WARM_ROUNDS ? resident_kib() : warm_kib;
    }
    end_slow_connections();
    expect_open(descriptors_before);
    expect_no_user_logged();
    const long cpu_ms = service_cpu_ms(fixture.service) - cpu_before_ms;
    print_message("processor time: %ld ms\n", cpu_ms);
    assert_true(cpu_ms < CPU_MAX_MS);
    print_message("memory: %ld KiB, then %ld KiB\n", warm_kib, resident_kib());
    assert_true(resident_kib() < warm_kib + GROWTH_MAX_KIB);
}

/* Memory is measured, so freed memory must not wait long in the address sanitizer's quarantine. */
static int set_up(void **state)
{
    char options[1024];
    const char *given = getenv("ASAN_OPTIONS");
    snprintf(options, sizeof options, "ASAN_OPTIONS=%s:quarantine_size_mb=1",
             given != NULL ? given : "");
    fixture_setup(state);
    fixture_restart_service((const char *const[]){options, "WORKERS=2", NULL});
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(next_request_is_answered),
    };
    service_keep_defaults();
    return cmocka_run_group_tests(tests, set_up, fixture_teardown);
}
