/* API keys as the service uses them: in two processes, across outages, and what is told of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "process.h"
#include "servers.h"
#include "service.h"
#include "shell.h"
#include "test.h"

enum { BOUND_MS = 20000, STATUS_FAILED = 1 };

static const char *const with_tokens[] = {"AUTH_MODE=token", NULL};

static void await_log(const struct service *service, const char *words)
{
    const int64_t until_ms = process_now_ms() + BOUND_MS;
    for (bool told = false; !told; process_nap()) {
        char *log = service_read_log(service);
        told = strstr(log, words) != NULL;
        free(log);
        if (!told && process_now_ms() > until_ms) {
            process_fail("the log does not tell: %s", words);
        }
    }
}

/* A process that cannot know who may come does not serve. */
static void a_service_that_cannot_read_the_keys_does_not_start(NO_STATE)
{
    char *entry = NULL, *url = pg_service_url(fixture.database_url);
    assert_true(asprintf(&entry, "DATABASE_URL=%s", url) > 0);
    pg_execute(fixture.database_url, "REVOKE ALL ON api_keys FROM rsvpd");
    struct service_run run = service_run((const char *const[]){"serve", NULL},
                                         (const char *const[]){entry, "AUTH_MODE=token", NULL});
    pg_grant_service_role(fixture.database_url);
    assert_int_equal(run.status, STATUS_FAILED);
    assert_non_null(strstr(run.err, "cannot read the API keys at the start"));
    assert_non_null(strstr(run.err, "permission denied for table api_keys"));
    service_run_free(&run);
    free(entry);
    free(url);
}

/* The reading goes on by itself, whatever became of its session. */
static void a_lost_session_is_replaced(NO_STATE)
{
    struct service *service = service_start(fixture.database_url, NULL, with_tokens);
    pg_execute(fixture.database_url,
               "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'rsvpd'");
    expect_shell(0, "rsvpd_", "", "rsvpd keys create --name n --scope rsvp:read");
    await_log(service, "the API keys have changed");
    service_stop(&service);
}

static void an_outage_is_told_once(NO_STATE)
{
    struct service *service = service_start(fixture.database_url, NULL, with_tokens);
    pg_server_stop_immediate(fixture.pg);
    await_log(service, "cannot read the API keys: those that were read last stay in force");
    pg_server_start(fixture.pg);
    await_log(service, "the API keys can be read again");
    char *log = service_stop_and_read_log(&service);
    const char *first = strstr(log, "cannot read the API keys");
    assert_null(strstr(first + 1, "cannot read the API keys"));
    assert_null(strstr(log, "the API keys have changed"));
    free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_that_cannot_read_the_keys_does_not_start),
        cmocka_unit_test(a_lost_session_is_replaced),
        cmocka_unit_test_teardown(an_outage_is_told_once, fixture_heal),
    };
    return cmocka_run_group_tests(tests, shell_group_setup, shell_group_teardown);
}
