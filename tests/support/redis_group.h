/* A Redis with replicas, and the sentinels that watch over them: on TCP ports of loopback, in
 * private directories. Everything here fails the running test when it cannot do its job; call it
 * from the main thread. */
#ifndef RSVPD_TESTS_REDIS_GROUP_H
#define RSVPD_TESTS_REDIS_GROUP_H

#include <stdint.h>

#include "servers.h"

enum { REDIS_GROUP_NODES = 3, REDIS_GROUP_SENTINELS = 3 };
/* What its sentinels call it. */
#define REDIS_GROUP_NAME "counts"

struct redis_group;

/* Returns once every sentinel knows all others and both replicas. */
struct redis_group *redis_group_create(void);
void redis_group_destroy(struct redis_group **group);

/* Whatever was done to it: all run, and are as after redis_group_create, with some primary. */
void redis_group_heal(struct redis_group *group);

/* host:port,host:port,… of the sentinels; lives as long as the group. */
const char *redis_group_sentinels(const struct redis_group *group);

/* Which of the nodes is the primary, as all sentinels that run say. */
unsigned redis_group_primary(const struct redis_group *group);
/* Until that is another one than so, and says so itself. Returns it. */
unsigned redis_group_await_failover(const struct redis_group *group, unsigned former);
/* Has a sentinel begin a failover of a primary that is well. */
void redis_group_fail_over(const struct redis_group *group);

struct redis_server *redis_group_node(const struct redis_group *group, unsigned node);
uint16_t redis_group_port(const struct redis_group *group, unsigned node);

void redis_group_stop_sentinels(struct redis_group *group);
void redis_group_start_sentinels(struct redis_group *group);

/* What a sentinel of its own calls the primary, whom the others do not know; with these lines in
 * its configuration. It ends with the group. Returns its port. */
#define REDIS_GROUP_GUARDED_NAME "guarded"
uint16_t redis_group_guard(struct redis_group *group, const char *lines);

#endif
