/* Two services on the same PostgreSQL and Redis, patient ones: what happens between processes, as a
 * cmocka group fixture. */
#ifndef RSVPD_TESTS_PAIR_H
#define RSVPD_TESTS_PAIR_H

#include <stdint.h>

#include "http.h"
#include "load.h"
#include "servers.h"
#include "service.h"

enum { PAIR_SIZE = 2 };

struct pair {
    struct pg_server *pg;
    struct redis_server *redis;
    char *database_url; /* migrated */
    struct service *services[PAIR_SIZE];
    struct http_client *clients[PAIR_SIZE]; /* of their public ports */
};

extern struct pair pair;

/* Starts all of it. */
int pair_setup(void **state);
/* Stops all of it; the services must end well. */
int pair_teardown(void **state);
/* Ends one service in an orderly way, or with SIGKILL. */
void pair_stop(unsigned index);
void pair_kill(unsigned index);
/* Starts it again, on another port. */
void pair_start(unsigned index);
/* The public port of any of the two. */
uint16_t pair_any_port(struct load_random *random);
/* A client of any of the two. */
struct http_client *pair_any_client(struct load_random *random);

#endif
