/* Connections that want nothing: when they end, whom they make room for, and what a client costs
 * that does not take its answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>
#include <sys/resource.h>

#include "expect.h"
#include "fixture.h"
#include "http.h"
#include "process.h"
#include "prometheus.h"
#include "service.h"
#include "test.h"

enum {
    RAW_TIMEOUT_MS = PROCESS_BOUND_MS,
    POLL_BOUND_MS = PROCESS_BOUND_MS,
    CLIENTS = 4,
    PAGES = 40, /* asked for at once: 6 MB in all */
    /* What the kernel may hold of answers that nobody takes, a connection. */
    UNTAKEN_MAX_BYTES = 320 * 1024,
};

/* The status of a request over the connection; 0 where it is closed instead. */
static int ask(struct http_raw *raw)
{
    (void)http_raw_send_text(raw, "GET /livez HTTP/1.1\r\nHost: test\r\n\r\n");
    struct http_response *response = http_raw_receive(raw, RAW_TIMEOUT_MS);
    const int status = response->status;
    http_response_free(&response);
    return status;
}

/* Asks over new connections until one is served, which it answers: room is made while they come. */
static struct http_raw *connect_served(uint16_t port)
{
    const int64_t end_ms = process_now_ms() + POLL_BOUND_MS;
    for (;;) {
        struct http_raw *raw = http_raw_connect(port);
        assert_non_null(raw);
        if (ask(raw) == 200) {
            return raw;
        }
        http_raw_close(&raw);
        if (process_now_ms() > end_ms) {
            process_fail("newcomers are still refused on port %u", (unsigned)port);
        }
        process_nap();
    }
}

static void expect_newcomers_served(uint16_t port)
{
    struct http_raw *raw = connect_served(port);
    http_raw_close(&raw);
}

static void hold_all(struct http_raw **raws, size_t count, uint16_t port, bool with_a_request)
{
    for (size_t i = 0; i < count; i++) {
        raws[i] = with_a_request ? connect_served(port) : http_raw_connect(port);
        assert_non_null(raws[i]);
    }
}

static void let_go(struct http_raw **raws, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        http_raw_close(&raws[i]);
    }
}

/* Two workers: the idle connections need not be at the one where the newcomer arrives. */
static void whoever_holds_all_connections_idle_locks_nobody_out(NO_STATE)
{
    struct http_raw *raws[CLIENTS];
    fixture_restart_service((const char *const[]){"MAX_CONNECTIONS=4", "WORKERS=2", NULL});
    for (int with_a_request = 0; with_a_request <= 1; with_a_request++) {
        hold_all(raws, CLIENTS, fixture.service->port, with_a_request);
        for (int newcomer = 0; newcomer < 3; newcomer++) {
            expect_newcomers_served(fixture.service->port);
        }
        let_go(raws, CLIENTS);
    }
}

static void the_admin_port_answers_whoever_holds_its_connections(NO_STATE)
{
    struct http_raw *raws[128]; /* as many as it has */
    hold_all(raws, sizeof raws / sizeof raws[0], fixture.service->admin_port, false);
    expect_newcomers_served(fixture.service->admin_port);
    let_go(raws, sizeof raws / sizeof raws[0]);
}

static void idle_connections_end_after_the_time_that_is_set(NO_STATE)
{
    fixture_restart_service((const char *const[]){"KEEPALIVE_TIMEOUT_MS=1000", NULL});
    for (int with_a_request = 0; with_a_request <= 1; with_a_request++) {
        struct http_raw *raw = http_raw_connect(fixture.service->port);
        assert_non_null(raw);
        if (with_a_request) {
            assert_int_equal(ask(raw), 200);
        }
        assert_true(http_raw_is_closed(raw, RAW_TIMEOUT_MS));
        http_raw_close(&raw);
    }
}

/* On a new connection, and on one that has made a request. */
static void a_line_that_does_not_come_whole_is_answered(NO_STATE)
{
    fixture_restart_service((const char *const[]){"REQUEST_DEADLINE_MS=200", NULL});
    for (int with_a_request = 0; with_a_request <= 1; with_a_request++) {
        struct http_raw *raw = http_raw_connect(fixture.service->port);
        assert_non_null(raw);
        if (with_a_request) {
            assert_int_equal(ask(raw), 200);
        }
        assert_true(http_raw_send_text(raw, "GET /live"));
        struct http_response *response = http_raw_receive(raw, RAW_TIMEOUT_MS);
        expect_problem(response, 408, "request-timeout");
        http_response_free(&response);
        assert_true(http_raw_is_closed(raw, RAW_TIMEOUT_MS));
        http_raw_close(&raw);
    }
}

/* ---- clients that do not take their answers ---- */

/* An event whose listing is as large as one can be. */
static void make_large_event(void)
{
    PGconn *session = PQconnectdb(fixture.database_url);
    pg_session_execute(session,
                       "INSERT INTO rsvps (event_id, user_id) "
                       "SELECT 'large', rpad(n::text, 128, 'x') FROM generate_series(1, 1000) AS n "
                       "ON CONFLICT DO NOTHING");
    PQfinish(session);
}

/* Asks for large pages, one behind the other, and takes no answer. */
static struct http_raw *ask_without_taking(void)
{
    struct http_raw *raw = http_raw_connect(fixture.service->port);
    assert_non_null(raw);
    for (int i = 0; i < PAGES; i++) {
        assert_true(http_raw_send_text(
            raw, "GET /v1/events/large/users?page_size=1000 HTTP/1.1\r\nHost: test\r\n\r\n"));
    }
    return raw;
}

/* Bytes that the kernel holds on the service's side of all its connections, also of those that the
 * service has closed (proc(5), net/tcp). */
static uint64_t untaken_bytes(void)
{
    FILE *table = fopen("/proc/net/tcp", "r");
    char line[512];
    uint64_t total = 0;
    assert_non_null(table);
    while (fgets(line, sizeof line, table) != NULL) {
        unsigned port;
        unsigned long long queued;
        if (sscanf(line, "%*s %*8x:%x %*x:%*x %*x %llx:", &port, &queued) == 2 &&
            port == fixture.service->port) {
            total += queued;
        }
    }
    fclose(table);
    return total;
}

/* Waits until as much is held as will be: the same at several looks. */
static uint64_t settled_untaken_bytes(void)
{
    const int64_t end_ms = process_now_ms() + POLL_BOUND_MS;
    uint64_t bytes = 0;
    for (int same = 0; same < 20 && process_now_ms() < end_ms;) {
        const uint64_t before = bytes;
        process_nap();
        bytes = untaken_bytes();
        same = bytes > 0 && bytes == before ? same + 1 : 0;
    }
    return bytes;
}

static void an_answer_that_nobody_takes_costs_a_bounded_buffer(NO_STATE)
{
    fixture_restart_service(NULL);
    make_large_event();
    struct http_raw *raw = ask_without_taking();
    const uint64_t bytes = settled_untaken_bytes();
    process_note("%llu bytes are held", (unsigned long long)bytes);
    assert_in_range(bytes, 1, UNTAKEN_MAX_BYTES);
    http_raw_close(&raw);
}

static void await_something_held(void)
{
    const int64_t end_ms = process_now_ms() + POLL_BOUND_MS;
    while (untaken_bytes() == 0 && process_now_ms() < end_ms) {
        process_nap();
    }
    assert_true(untaken_bytes() > 0);
}

static void await_nothing_held(void)
{
    const int64_t end_ms = process_now_ms() + POLL_BOUND_MS;
    while (untaken_bytes() > 0) {
        if (process_now_ms() > end_ms) {
            process_fail("%llu bytes are held still", (unsigned long long)untaken_bytes());
        }
        process_nap();
    }
}

/* However the client drips on: it is cut off in the middle of an answer. */
static void an_answer_has_to_be_taken_in_time(NO_STATE)
{
    size_t size;
    fixture_restart_service((const char *const[]){"REQUEST_DEADLINE_MS=100", NULL});
    struct http_raw *raw = ask_without_taking();
    await_something_held();
    await_nothing_held();
    (void)http_raw_receive_all(raw, RAW_TIMEOUT_MS, &size);
    assert_true(size < (size_t)PAGES * 100 * 1000);
    http_raw_close(&raw);
}

/* All of the answer is with the kernel, and the connection stays, or is closed by the service. */
static void what_the_kernel_holds_of_an_answer_has_to_be_taken_in_time(NO_STATE)
{
    static const char *const headers[] = {"", "Connection: close\r\n"};
    fixture_restart_service((const char *const[]){"REQUEST_DEADLINE_MS=300", NULL});
    make_large_event();
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "GET /v1/events/large/users?page_size=1000 HTTP/1.1\r\nHost: test\r\n%s\r\n",
                 headers[i]);
        struct http_raw *raw = http_raw_connect_small(fixture.service->port, 4096);
        assert_non_null(raw);
        assert_true(http_raw_send_text(raw, text));
        await_something_held();
        await_nothing_held();
        http_raw_close(&raw);
    }
}

/* ---- descriptors ---- */

static size_t open_connections(void)
{
    struct http_response *response = http_request(fixture.admin, "GET", "/metrics", NULL);
    assert_int_equal(response->status, 200);
    struct prometheus *metrics = prometheus_parse(response->body);
    const double count =
        prometheus_sum(metrics, "rsvpd_http_connections", (const char *const[]){NULL});
    prometheus_free(&metrics);
    http_response_free(&response);
    return (size_t)count;
}

/* With fewer descriptors than MAX_CONNECTIONS needs, clients take no more of them than leaves the
 * admin port (128 connections) and a worker (128) theirs. The last test: who lowers a hard limit
 * may be unable to raise it again. */
static void clients_leave_descriptors_to_others(NO_STATE)
{
    enum { DESCRIPTORS = 900, OTHERS = 128 + 128 };
    static struct http_raw *raws[DESCRIPTORS - 100];
    const size_t count = sizeof raws / sizeof raws[0];
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){DESCRIPTORS, DESCRIPTORS}), 0);
    fixture_restart_service((const char *const[]){"WORKERS=1", NULL});
    hold_all(raws, count, fixture.service->port, false);
    expect_newcomers_served(fixture.service->port); /* whoever came before has been taken in */
    assert_in_range(open_connections(), 1, DESCRIPTORS - OTHERS);
    let_go(raws, count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_holds_all_connections_idle_locks_nobody_out),
        cmocka_unit_test(the_admin_port_answers_whoever_holds_its_connections),
        cmocka_unit_test(idle_connections_end_after_the_time_that_is_set),
        cmocka_unit_test(a_line_that_does_not_come_whole_is_answered),
        cmocka_unit_test(an_answer_that_nobody_takes_costs_a_bounded_buffer),
        cmocka_unit_test(an_answer_has_to_be_taken_in_time),
        cmocka_unit_test(what_the_kernel_holds_of_an_answer_has_to_be_taken_in_time),
        cmocka_unit_test(clients_leave_descriptors_to_others),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
