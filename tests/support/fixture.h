/* What most integration tests stand on: one PostgreSQL, one Redis and one service for the whole
 * program, as cmocka group fixtures. */
#ifndef RSVPD_TESTS_FIXTURE_H
#define RSVPD_TESTS_FIXTURE_H

#include "http.h"
#include "servers.h"
#include "service.h"

struct fixture {
    struct pg_server *pg;
    struct redis_server *redis;
    char *database_url; /* migrated */
    struct service *service;
    struct http_client *client; /* of the service's public port */
    struct http_client *admin;  /* of its admin port */
};

extern struct fixture fixture;

/* Starts all of it, the service with its defaults. */
int fixture_setup(void **state);
/* Stops all of it; the service must end well. */
int fixture_teardown(void **state);
/* Only the two servers and the migrated database: for tests that start services of their own. */
int fixture_setup_servers(void **state);
/* Ends the service in an orderly way and starts another one with this environment (or NULL). */
void fixture_restart_service(const char *const *environment);
/* A test's teardown: the servers run, however it ended. */
int fixture_heal(void **state);

#endif
