/* The service while one call at a time fails as it starts, ends and looks for a host: it serves, or
 * says why not and ends. */
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "process.h"
#include "steps.h"
#include "test.h"
#include "torture.h"

enum {
    BUDGET_START = 2, /* of each kind */
    BUDGET_END = 1,
};

/* It serves, or says why not and ends. */
static void run_start(void)
{
    steps_begin_run();
    struct http_client *admin;
    fixture.service = service_start_unready(
        fixture.database_url, redis_server_url(fixture.redis),
        (const char *const[]){
            torture_environment, "WORKERS=2", "NOTIFY_SOCKET=@rsvpd-that-is-nowhere",
            "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:9", "TRACE_SAMPLE=1", NULL});
    admin = http_client_create(fixture.service->admin_port);
    const int64_t end_ms = process_now_ms() + STEPS_RECOVERS_WITHIN_MS;
    bool ended = false, ready = false;
    while (!ended && !ready) {
        struct http_response *response = http_request(admin, "GET", "/readyz", NULL);
        ready = response->status == 200;
        http_response_free(&response);
        ended = steps_service_ended();
        if (process_now_ms() > end_ms) {
            process_fail("neither ready nor ended");
        }
        process_nap();
    }
    http_client_destroy(&admin);
    if (ready) {
        steps_take(steps_few, STEPS_FEW, false);
        steps_finish_run();
        service_stop(&fixture.service);
        return;
    }
    char *log = service_read_log(fixture.service);
    bool told = strstr(log, "\"level\":\"error\"") != NULL || strstr(log, "rsvpd: ") != NULL;
    const int status = service_wait_end(&fixture.service);
    if (!told || (status != 1 && status != 2) || !atomic_load(&torture_control->failed)) {
        process_fail("it ended with status %d, saying only: %s", status, log);
    }
    free(log);
}

static void starts(NO_STATE)
{
    struct torture_tally tally = torture_each(FAIL_GROUP_COUNT, BUDGET_START, run_start);
    torture_report("starting", &tally);
}

/* It was told to end, and ends well. */
static void run_end(void)
{
    steps_new_words();
    steps_start_service();
    struct http_client *client = http_client_create(fixture.service->port);
    steps_take_one(client, &steps_few[0], false);
    torture_arm();
    service_stop(&fixture.service);
    http_client_destroy(&client);
}

static void ends(NO_STATE)
{
    struct torture_tally tally = torture_each(FAIL_GROUP_COUNT, BUDGET_END, run_end);
    torture_report("ending", &tally);
}

/* A Redis that is named by a host, where none listens: it serves without. */
static void resolves(NO_STATE)
{
    static const enum fail_kind kinds[] = {FAIL_uv_getaddrinfo, FAIL_uv_tcp_connect};
    fail_arm(torture_control, (enum fail_kind)0, 0);
    fixture.service = service_start(fixture.database_url, "redis://localhost:1/0",
                                    (const char *const[]){torture_environment, "WORKERS=1", NULL});
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        steps_new_words();
        process_note("%s fails", fail_names[kinds[i]]);
        fail_arm(torture_control, kinds[i], 1);
        const int64_t end_ms = process_now_ms() + STEPS_RECOVERS_WITHIN_MS;
        while (!atomic_load(&torture_control->failed)) {
            if (process_now_ms() > end_ms) {
                process_fail("it is not called");
            }
            process_nap();
        }
        steps_take(steps_few, STEPS_FEW, false);
    }
    service_stop(&fixture.service);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(starts, steps_discard),
        cmocka_unit_test_teardown(ends, steps_discard),
        cmocka_unit_test_teardown(resolves, steps_discard),
    };
    return cmocka_run_group_tests(tests, steps_set_up, steps_tear_down);
}
