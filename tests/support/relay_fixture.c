#include "relay_fixture.h"

#include <stdio.h>

#include "fixture.h"
#include "servers.h"
#include "test.h"

struct relay_fixture relay_fixture;

struct service_run relay_run(const char *option)
{
    char url[512];
    snprintf(url, sizeof url, "DATABASE_URL=%s", fixture.database_url);
    return service_run((const char *const[]){"relay", option, NULL},
                       (const char *const[]){url, NULL});
}

void relay_fixture_set_up(void)
{
    pg_execute(fixture.database_url,
               "TRUNCATE rsvps, rsvp_counters, likes, like_counters, events, waitlist");
    process_make_directory(relay_fixture.directory, NULL);
    snprintf(relay_fixture.told_path, sizeof relay_fixture.told_path, "%s/told",
             relay_fixture.directory);
    struct service_run run = relay_run("--create");
    assert_string_equal(run.out, "relay: slot and publication rsvpd_relay created\n");
    assert_int_equal(run.status, 0);
    service_run_free(&run);
}

void relay_fixture_tear_down(void)
{
    process_remove_directory(relay_fixture.directory);
    pg_await(fixture.database_url,
             "SELECT NOT EXISTS (SELECT FROM pg_replication_slots WHERE active)");
    struct service_run run = relay_run("--drop");
    service_run_free(&run);
}
