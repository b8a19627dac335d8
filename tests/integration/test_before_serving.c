/* What ends the service before it serves. */
#include <stdio.h>
#include <string.h>

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "service.h"
#include "silent_host.h"
#include "test.h"

enum { URL_SIZE = 512 };

/* Told to end while it waits for the database. This program does not run with ThreadSanitizer: that
 * takes signals first, and was seen to keep one for itself where libpq then waits in poll. There is
 * only one thread so early. */
static void silent_postgres_does_not_keep_the_start(NO_STATE)
{
    char url[URL_SIZE];
    struct silent_host silent;
    silent_host_start(&silent);
    snprintf(url, sizeof url, "postgresql://x@/x?host=%s&port=5432&connect_timeout=1000",
             silent.directory);
    struct service *service = service_start_unready(url, NULL, NULL);
    const int peer = accept(silent.listener, NULL, NULL);
    assert_true(peer >= 0);
    kill(service->pid, SIGHUP); /* which is no reason to end */
    kill(service->pid, SIGTERM);
    assert_int_equal(service_wait_end(&service), 0);
    close(peer);
    silent_host_stop(&silent);
}

static void too_small_a_share_is_refused(NO_STATE)
{
    struct service_run run =
        service_run((const char *const[]){"serve", NULL},
                    (const char *const[]){"DATABASE_URL=postgresql://x@/x?host=/nonexistent",
                                          "WORKERS=4", "MAX_PENDING=807", NULL});
    assert_int_equal(run.status, 2);
    assert_non_null(strstr(run.err, "MAX_PENDING"));
    service_run_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silent_postgres_does_not_keep_the_start),
        cmocka_unit_test(too_small_a_share_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
