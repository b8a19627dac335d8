/* Clients that send their requests and say at once that they send no more (nc -N, shutdown(2)):
 * they get their answers. The database holds each request until the end has come as well. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "expect.h"
#include "fixture.h"
#include "http.h"
#include "process.h"
#include "servers.h"
#include "test.h"

enum {
    RECEIVE_BOUND_MS = PROCESS_BOUND_MS,
    TEXT_SIZE = 1024,
    SESSIONS = 4, /* of a worker: two for writes, two for reads */
};

static PGconn *holder;
/* Another client's: libmicrohttpd looks after its oldest connection in another way. */
static struct http_raw *oldest;

/* One worker, so that all connections are together. */
static void start(const char *deadline)
{
    fixture_restart_service((const char *const[]){"WORKERS=1", deadline, NULL});
    http_raw_close(&oldest);
    oldest = http_raw_connect(fixture.service->port);
    assert_non_null(oldest);
    assert_true(http_raw_send_text(oldest, "GET /livez HTTP/1.1\r\nHost: test\r\n\r\n"));
    struct http_response *response = http_raw_receive(oldest, RECEIVE_BOUND_MS);
    expect_status(response, 200);
    http_response_free(&response);
}

static void hold(const char *table)
{
    holder =
        pg_session_begin(fixture.database_url, "LOCK TABLE %s IN ACCESS EXCLUSIVE MODE", table);
}

static void release(void)
{
    pg_session_execute(holder, "ROLLBACK");
    PQfinish(holder);
    holder = NULL;
}

static int let_go(NO_STATE)
{
    PQfinish(holder);
    holder = NULL;
    http_raw_close(&oldest);
    return 0;
}

static struct http_raw *send_and_finish(const char *text)
{
    struct http_raw *raw = http_raw_connect(fixture.service->port);
    assert_non_null(raw);
    assert_true(http_raw_send_text(raw, text));
    http_raw_finish(raw);
    return raw;
}

static void expect_answer(struct http_raw *raw, int status)
{
    struct http_response *response = http_raw_receive(raw, RECEIVE_BOUND_MS);
    expect_status(response, status);
    http_response_free(&response);
}

/* And nothing behind it. */
static void expect_end(struct http_raw **raw)
{
    assert_true(http_raw_is_closed(*raw, RECEIVE_BOUND_MS));
    http_raw_close(raw);
}

static const struct exchange {
    const char *table; /* what it waits for */
    const char *text;
    int status;
} exchanges[] = {
    {"rsvps", "POST /v1/events/half/rsvp?user_id=a HTTP/1.1\r\nHost: test\r\n\r\n", 201},
    {"rsvps",
     "POST /v1/events/half/rsvp?user_id=b HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n",
     201},
    {"rsvps", "POST /v1/events/half/rsvp?user_id=c HTTP/1.0\r\n\r\n", 201},
    {"rsvps",
     "POST /v1/events/half/rsvp HTTP/1.1\r\nHost: test\r\nContent-Length: 15\r\n\r\n"
     "{\"user_id\":\"d\"}",
     201},
    {"rsvps",
     "POST /v1/events/half/rsvp HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
     "f\r\n{\"user_id\":\"e\"}\r\n0\r\n\r\n",
     201},
    {"rsvps", "DELETE /v1/events/half/rsvp?user_id=f HTTP/1.1\r\nHost: test\r\n\r\n", 200},
    {"rsvps", "GET /v1/events/half/users/a HTTP/1.1\r\nHost: test\r\n\r\n", 200},
    {"rsvps", "GET /v1/events/half/users?page_size=5 HTTP/1.1\r\nHost: test\r\n\r\n", 200},
    {"rsvp_counters",
     "GET /v1/events/half/rsvp_count?max_stale_ms=0 HTTP/1.1\r\nHost: test\r\n\r\n", 200},
    {"likes", "POST /v1/posts/half/like?user_id=a HTTP/1.1\r\nHost: test\r\n\r\n", 201},
};

static void each_kind_of_request_is_answered(NO_STATE)
{
    start(NULL);
    for (size_t i = 0; i < sizeof exchanges / sizeof exchanges[0]; i++) {
        process_note("%.*s", (int)strcspn(exchanges[i].text, "\r"), exchanges[i].text);
        hold(exchanges[i].table);
        struct http_raw *raw = send_and_finish(exchanges[i].text);
        release();
        expect_answer(raw, exchanges[i].status);
        expect_end(&raw);
    }
}

static void all_requests_of_a_pipeline_are_answered(NO_STATE)
{
    start(NULL);
    hold("rsvps");
    struct http_raw *raw =
        send_and_finish("POST /v1/events/pipe/rsvp?user_id=a HTTP/1.1\r\nHost: test\r\n\r\n"
                        "GET /livez HTTP/1.1\r\nHost: test\r\n\r\n"
                        "POST /v1/events/pipe/rsvp?user_id=b HTTP/1.1\r\nHost: test\r\n\r\n"
                        "GET /v1/events/pipe/users/a HTTP/1.1\r\nHost: test\r\n\r\n");
    release();
    expect_answer(raw, 201);
    expect_answer(raw, 200);
    expect_answer(raw, 201);
    expect_answer(raw, 200);
    expect_end(&raw);
}

/* It is with PostgreSQL, and waits for a lock there, when that stands still: what was not sent yet
 * would be refused. All sessions are there before: a new one would wait for the lock, too. No wait
 * for a lock ends before, after a quarter of the deadline. */
static void what_is_not_done_in_time_is_told_so(NO_STATE)
{
    start("REQUEST_DEADLINE_MS=4000");
    pg_await_looked_after(fixture.database_url, SESSIONS);
    hold("rsvps");
    struct http_raw *raw =
        send_and_finish("POST /v1/events/late/rsvp?user_id=a HTTP/1.1\r\nHost: test\r\n\r\n");
    pg_await_lock_waiter(fixture.database_url);
    pg_server_pause(fixture.pg);
    expect_answer(raw, 504);
    expect_end(&raw);
    pg_server_resume(fixture.pg);
    release();
}

static int let_go_and_heal(void **state)
{
    (void)let_go(state);
    return fixture_heal(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(each_kind_of_request_is_answered, let_go),
        cmocka_unit_test_teardown(all_requests_of_a_pipeline_are_answered, let_go),
        cmocka_unit_test_teardown(what_is_not_done_in_time_is_told_so, let_go_and_heal),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
