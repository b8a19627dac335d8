/* Locks that somebody else holds in the database: an operator's session, a transaction that hangs.
 */
#include <stdio.h>
#include <stdlib.h>

#include <libpq-fe.h>

#include "event.h"
#include "expect.h"
#include "fixture.h"
#include "http.h"
#include "process.h"
#include "prometheus.h"
#include "service.h"
#include "test.h"

enum { RECEIVE_BOUND_MS = PROCESS_BOUND_MS, POLL_BOUND_MS = PROCESS_BOUND_MS, TIMES = 5 };

static PGconn *holder;

static int let_go(NO_STATE)
{
    PQfinish(holder);
    holder = NULL;
    return 0;
}

static struct http_raw *send_join(const char *id, const char *user)
{
    char text[256];
    struct http_raw *raw = http_raw_connect(fixture.service->port);
    assert_non_null(raw);
    snprintf(text, sizeof text,
             "POST /v1/events/%s/rsvp?user_id=%s HTTP/1.1\r\nHost: test\r\n"
             "Content-Length: 0\r\n\r\n",
             id, user);
    assert_true(http_raw_send_text(raw, text));
    return raw;
}

static unsigned times_rolled_back(void)
{
    static const char *const labels[] = {"reason", "rolled_back", NULL};
    struct http_response *response = http_request(fixture.admin, "GET", "/metrics", NULL);
    expect_status(response, 200);
    struct prometheus *metrics = prometheus_parse(response->body);
    const double times = prometheus_sum(metrics, "rsvpd_batches_retried_total", labels);
    prometheus_free(&metrics);
    http_response_free(&response);
    return (unsigned)times;
}

static void await_rolled_back(unsigned times)
{
    const int64_t end_ms = process_now_ms() + POLL_BOUND_MS;
    while (times_rolled_back() < times) {
        if (process_now_ms() > end_ms) {
            process_fail("rolled back %u times, expected %u", times_rolled_back(), times);
        }
        process_nap();
    }
}

/* The first wait for a lock lasts a quarter of the deadline. Were all as long, the deadline would
 * come with the fourth. */
static void known_lock_is_waited_for_shortly(NO_STATE)
{
    static const char *const environment[] = {"REQUEST_DEADLINE_MS=8000", "WORKERS=1", NULL};
    fixture_restart_service(environment);
    event_do(fixture.client, "POST", "held", "first", .status = "going", .changed = true,
             .count = 1);
    holder = pg_session_begin(fixture.database_url,
                              "SELECT FROM rsvp_counters WHERE event_id = 'held' FOR UPDATE");
    struct http_raw *raw = send_join("held", "second");
    await_rolled_back(TIMES);
    event_do(fixture.client, "POST", "free", "third", .status = "going", .changed = true,
             .count = 1);
    pg_session_execute(holder, "ROLLBACK");
    struct http_response *response = http_raw_receive(raw, RECEIVE_BOUND_MS);
    expect_event_write(response, "held", "second", .status = "going", .changed = true, .count = 2);
    http_raw_close(&raw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(known_lock_is_waited_for_shortly, let_go),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
