/* Two services on the same servers. */
#include "pair.h"

#include <stdlib.h>

#include "test.h"

struct pair pair;

void pair_start(unsigned index)
{
    pair.services[index] = service_start(pair.database_url, redis_server_url(pair.redis), NULL);
    pair.clients[index] = http_client_create(pair.services[index]->port);
}

void pair_stop(unsigned index)
{
    http_client_destroy(&pair.clients[index]);
    service_stop(&pair.services[index]);
}

void pair_kill(unsigned index)
{
    http_client_destroy(&pair.clients[index]);
    service_kill(&pair.services[index]);
}

int pair_setup(NO_STATE)
{
    pair.pg = pg_server_create();
    pair.redis = redis_server_create();
    pair.database_url = pg_fresh_database(pair.pg, "pair");
    service_migrate(pair.database_url);
    for (unsigned i = 0; i < PAIR_SIZE; i++) {
        pair_start(i);
    }
    return 0;
}

int pair_teardown(NO_STATE)
{
    for (unsigned i = 0; i < PAIR_SIZE; i++) {
        if (pair.services[i] != NULL) {
            pair_stop(i);
        }
    }
    redis_server_destroy(&pair.redis);
    pg_server_destroy(&pair.pg);
    free(pair.database_url);
    pair.database_url = NULL;
    return 0;
}

uint16_t pair_any_port(struct load_random *random)
{
    return pair.services[load_random_below(random, PAIR_SIZE)]->port;
}

struct http_client *pair_any_client(struct load_random *random)
{
    return pair.clients[load_random_below(random, PAIR_SIZE)];
}
