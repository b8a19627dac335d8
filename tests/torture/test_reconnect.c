/* The service while its connections to the stores break and one call at a time fails: it connects
 * again, no answer is wrong meanwhile, and nothing is leaked. */
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "fixture.h"
#include "process.h"
#include "steps.h"
#include "test.h"
#include "torture.h"

enum { BUDGET_RECONNECT = 3 }; /* of each kind */

static void break_connections(void)
{
    char *ended = steps_query("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                              " WHERE application_name = 'rsvpd'");
    free(ended);
    redisContext *redis = redisConnectUnix(strchr(redis_server_url(fixture.redis), '/') + 2);
    assert_non_null(redis);
    freeReplyObject(redisCommand(redis, "CLIENT KILL TYPE normal"));
    redisFree(redis);
}

static void run_reconnect(void)
{
    steps_disturb(true);
    steps_begin_run();
    break_connections();
    steps_take(steps_few, STEPS_FEW, false);
    steps_finish_run();
    steps_disturb(false);
}

static void reconnects(void **state)
{
    const enum fail_group group = (enum fail_group)(uintptr_t)*state;
    steps_start_service();
    struct torture_tally tally = torture_each(group, BUDGET_RECONNECT, run_reconnect);
    process_note("it ends, after one of all these calls had failed");
    service_stop(&fixture.service);
    torture_report("reconnecting", &tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STEPS_GROUP_TEST(reconnects, MEMORY),
        STEPS_GROUP_TEST(reconnects, LIBPQ),
        STEPS_GROUP_TEST(reconnects, HIREDIS),
        STEPS_GROUP_TEST(reconnects, LIBUV),
    };
    return cmocka_run_group_tests(tests, steps_set_up, steps_tear_down);
}
