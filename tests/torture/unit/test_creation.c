/* What is made at the start, while one call at a time fails: it is made whole, or not at all and
 * with nothing left of it. */
#include "fail.h"

#include "unit.h"

#include "fake_primary.h"
#include "fake_redis_counts.h"
#include "rsvpd/base/config.h"
#include "rsvpd/base/metrics.h"
#include "rsvpd/domain/count_memory.h"
#include "rsvpd/service/service.h"

#include <stdlib.h>

/* Makes it and takes it apart; false where it was not made. */
typedef bool make_fn(void);

static bool make_service(void)
{
    static struct fake_primary primary;
    static struct fake_redis_counts shared;
    struct metrics *metrics = metrics_create();
    fake_primary_init(&primary, 1, 1);
    fake_redis_counts_init(&shared);
    struct count_memory *counts = count_memory_create(1024, 42);
    struct service *service = metrics == NULL || counts == NULL
                                  ? NULL
                                  : service_create(&(struct service_setup){
                                        .primary = &primary.port,
                                        .redis = &shared.port,
                                        .counts = counts,
                                        .metrics = metrics,
                                        .counts_max = 1024,
                                        .pending_max = 64,
                                        .write_connections = 1,
                                        .read_connections = 1,
                                        .deadline_us = 2000 * 1000,
                                        .count_local_lifetime_us = 1000 * 1000,
                                        .count_redis_lifetime_us = 2500 * 1000,
                                        .hash_secret = 42,
                                    });
    bool made = service != NULL;
    service_destroy(&service);
    count_memory_destroy(&counts);
    fake_primary_free(&primary);
    free(metrics);
    return made;
}

static const char *environment(const char *name)
{
    return strcmp(name, "DATABASE_URL") == 0 ? "postgresql:///x" : NULL;
}

static bool make_config(void)
{
    struct config config;
    struct config_error error = {.line = ""};
    bool made = config_load(&config, environment, false, &error);
    assert_true(made || error.line[0] != '\0');
    config_free(&config);
    return made;
}

static void test_each_call_fails(void **state)
{
    make_fn *make = *(make_fn **)*state;
    fail_arm(fail_control, FAIL_calloc, 0);
    assert_true(make());
    int calls[FAIL_KIND_COUNT], tried = 0;
    for (int kind = 0; kind < FAIL_KIND_COUNT; kind++) {
        calls[kind] = atomic_load(&fail_control->calls[kind]);
    }
    for (int kind = 0; kind < FAIL_KIND_COUNT; kind++) {
        for (int at = 1; at <= calls[kind]; at++, tried++) {
            fail_arm(fail_control, (enum fail_kind)kind, at);
            assert_false(make());
            assert_true(atomic_load(&fail_control->failed));
        }
    }
    assert_true(tried > 0);
}

int main(void)
{
    static make_fn *const makes[] = {make_service, make_config};
    const struct CMUnitTest tests[] = {
        {"service", test_each_call_fails, NULL, NULL, (void *)(uintptr_t)&makes[0]},
        {"config", test_each_call_fails, NULL, NULL, (void *)(uintptr_t)&makes[1]},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
