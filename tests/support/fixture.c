/* The servers and the service that a test program stands on. */
#include "fixture.h"

#include <stdlib.h>

#include "test.h"

struct fixture fixture;

static void start_service(const char *const *environment)
{
    fixture.service =
        service_start(fixture.database_url, redis_server_url(fixture.redis), environment);
    fixture.client = http_client_create(fixture.service->port);
    fixture.admin = http_client_create(fixture.service->admin_port);
}

static void stop_service(void)
{
    http_client_destroy(&fixture.client);
    http_client_destroy(&fixture.admin);
    if (fixture.service != NULL) {
        service_stop(&fixture.service);
    }
}

int fixture_setup_servers(NO_STATE)
{
    fixture.pg = pg_server_create();
    fixture.redis = redis_server_create();
    fixture.database_url = pg_fresh_database(fixture.pg, "rsvpd");
    service_migrate(fixture.database_url);
    return 0;
}

int fixture_setup(void **state)
{
    fixture_setup_servers(state);
    start_service(NULL);
    return 0;
}

int fixture_teardown(NO_STATE)
{
    stop_service();
    redis_server_destroy(&fixture.redis);
    pg_server_destroy(&fixture.pg);
    free(fixture.database_url);
    fixture.database_url = NULL;
    return 0;
}

void fixture_restart_service(const char *const *environment)
{
    stop_service();
    start_service(environment);
}

int fixture_heal(NO_STATE)
{
    pg_server_heal(fixture.pg);
    redis_server_heal(fixture.redis);
    return 0;
}
