/* rsvpd relay while one call at a time fails: it goes on, and a model that replays what it told
 * ends with the rows of the tables; or it says why it cannot start, and ends. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "process.h"
#include "relay_fixture.h"
#include "servers.h"
#include "service.h"
#include "test.h"
#include "told.h"
#include "torture.h"

#define SLOT "rsvpd_relay"
#define SECRET "RELAY_SECRET=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

enum { BUDGET_READING = 2, BUDGET_START = 1 /* of each kind */, BOUND_MS = 60000 };

static char target[64];
static struct service *relay;
static pid_t receiver;
static int receiver_lock;
static int run_number;

/* ---- what happens ---- */

/* A pair that comes out as one change, one that comes out as none, and others: several batches. */
static void write_rows(void)
{
    run_number++;
    pg_execute(fixture.database_url,
               "INSERT INTO rsvps (event_id, user_id)"
               " SELECT 'e%d', 'u' || i FROM generate_series(1, 5) AS i",
               run_number);
    pg_execute(fixture.database_url,
               "INSERT INTO waitlist (event_id, ticket, user_id) VALUES ('e%d', 1, 'w')",
               run_number);
    pg_execute(fixture.database_url,
               "DELETE FROM waitlist WHERE event_id = 'e%d';"
               " INSERT INTO rsvps (event_id, user_id) VALUES ('e%d', 'w')",
               run_number, run_number);
    pg_execute(fixture.database_url,
               "INSERT INTO likes (post_id, user_id, created_at) VALUES ('p%d', 'u', '-infinity');"
               " DELETE FROM likes WHERE post_id = 'p%d'",
               run_number, run_number);
    pg_execute(fixture.database_url, "DELETE FROM rsvps WHERE event_id = 'e%d' AND user_id = 'u1'",
               run_number);
}

static void end_sessions(void)
{
    pg_execute(fixture.database_url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                     " WHERE usename = 'rsvpd_relay'");
}

/* ---- the relay ---- */

static void start_relay(void)
{
    relay = service_start_relay(
        fixture.database_url, relay_fixture.told_path,
        (const char *const[]){torture_environment, "RELAY_BATCH_MAX=3", target, SECRET, NULL});
}

static void run_reading(void)
{
    torture_arm();
    end_sessions();
    write_rows();
    told_expect_tables(fixture.database_url, SLOT, relay_fixture.told_path);
}

/* Nothing happened to the server. */
static void expect_same_log(void)
{
    char *log = service_read_log(relay);
    const char *other = strstr(log, "the log of PostgreSQL is another one");
    if (other != NULL) {
        process_fail("it takes the server's log for another one: %s", other);
    }
    free(log);
}

static void expect_each_call(const char *name)
{
    fail_arm(torture_control, (enum fail_kind)0, 0);
    start_relay();
    service_wait_ready(relay, 200);
    struct torture_tally tally = torture_each(FAIL_GROUP_COUNT, BUDGET_READING, run_reading);
    expect_same_log();
    process_note("it ends, after one of all these calls had failed");
    service_stop(&relay);
    torture_report(name, &tally);
}

static void reads_for_standard_output(NO_STATE)
{
    snprintf(target, sizeof target, "RELAY_TARGET=-");
    expect_each_call("reading for standard output");
}

static void start_receiver(void)
{
    char port[16], program[PROCESS_PATH_SIZE];
    const char *source = getenv("RSVPD_SOURCE_DIR");
    assert_non_null(source);
    snprintf(port, sizeof port, "%u", port_reserve(&receiver_lock));
    snprintf(program, sizeof program, "%s/tests/torture/receiver.py", source);
    const char *const argv[] = {"/usr/bin/python3", program, port, relay_fixture.told_path, NULL};
    receiver = process_spawn(&(struct process_spec){.argv = argv});
    snprintf(target, sizeof target, "RELAY_TARGET=http://127.0.0.1:%s/", port);
}

static void reads_for_a_webhook(NO_STATE)
{
    start_receiver();
    expect_each_call("reading for a webhook");
}

/* It reads the slot, or says why not and ends; the next one does. */
static void run_start(void)
{
    write_rows();
    torture_arm();
    start_relay();
    struct http_client *admin = http_client_create(relay->admin_port);
    const int64_t end_ms = process_now_ms() + BOUND_MS;
    bool ready = false;
    int status = -1;
    while (!ready && status < 0) {
        struct http_response *response = http_request(admin, "GET", "/readyz", NULL);
        ready = response->status == 200;
        http_response_free(&response);
        status = process_wait(relay->pid, 0);
        if (process_now_ms() > end_ms) {
            process_fail("neither ready nor ended");
        }
        process_nap();
    }
    http_client_destroy(&admin);
    if (!ready) {
        char *log = service_read_log(relay);
        bool told = strstr(log, "\"level\":\"error\"") != NULL || strstr(log, "rsvpd: ") != NULL;
        if (!told || (status != 1 && status != 2) || !atomic_load(&torture_control->failed)) {
            process_fail("it ended with status %d, saying only: %s", status, log);
        }
        free(log);
        relay->pid = 0;
        service_discard(&relay);
        start_relay();
    }
    told_expect_tables(fixture.database_url, SLOT, relay_fixture.told_path);
    service_stop(&relay);
}

static void starts(NO_STATE)
{
    snprintf(target, sizeof target, "RELAY_TARGET=-");
    struct torture_tally tally = torture_each(FAIL_GROUP_COUNT, BUDGET_START, run_start);
    torture_report("starting the relay", &tally);
}

/* ---- the fixture ---- */

static int set_up(NO_STATE)
{
    relay_fixture_set_up();
    return 0;
}

static int tear_down(NO_STATE)
{
    if (relay != NULL) {
        service_discard(&relay);
    }
    if (receiver != 0) {
        (void)process_end(receiver, SIGKILL);
        close(receiver_lock);
        receiver = 0;
    }
    relay_fixture_tear_down();
    return 0;
}

static int group_set_up(test_state state)
{
    torture_set_up();
    int failed = fixture_setup_servers(state);
    if (failed == 0) {
        pg_grant_relay_role(fixture.database_url);
    }
    return failed;
}

static int group_tear_down(test_state state)
{
    int failed = fixture_teardown(state);
    torture_tear_down();
    return failed;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_for_standard_output, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reads_for_a_webhook, set_up, tear_down),
        cmocka_unit_test_setup_teardown(starts, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, group_set_up, group_tear_down);
}
