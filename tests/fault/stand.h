/* What a fault happens to: a PostgreSQL, a Redis, one or two services on them, the crowd that uses
 * these, and the ledger of what it asked. */
#ifndef RSVPD_TESTS_STAND_H
#define RSVPD_TESTS_STAND_H

#include <stdbool.h>
#include <stdint.h>

#include <libpq-fe.h>

#include "crowd.h"
#include "ledger.h"
#include "relay.h"
#include "servers.h"
#include "service.h"

enum { STAND_SERVICES_MAX = 2, STAND_SESSIONS_MAX = 256 };

struct stand {
    struct pg_server *pg;
    struct redis_server *redis;
    struct pg_server *standby; /* of pg; NULL: none */
    struct relay *pg_relay;    /* between services and PostgreSQL; NULL: none */
    struct relay *redis_relay;
    char *database_url; /* where the tests themselves look */
    char *service_url;  /* what the services are given */
    char *redis_url;    /* what the services are given; NULL: none */
    struct service *services[STAND_SERVICES_MAX];
    unsigned service_count;
    const char *const *environment; /* of the services */
    struct crowd *crowd;
    struct ledger *ledger;
    bool is_short;                        /* the short form: correctness alone is judged */
    PGconn *sessions[STAND_SESSIONS_MAX]; /* of the fault itself; NULL: none */
};

/* What the processes under test hold. */
struct stand_resources {
    int64_t descriptors; /* of all services together */
    int64_t memory_kib;  /* resident, the same */
    int64_t peak_kib;    /* the most that was ever resident, the same */
    int64_t pg_sessions;
    int64_t redis_clients;
};

/* Finds the servers running, with an empty database; starts no services yet. */
void stand_set_up(struct stand *stand, bool is_short);
/* Puts relays in front of both stores, for services started from then on. */
void stand_put_relays(struct stand *stand);
/* environment may be NULL. */
void stand_start_services(struct stand *stand, unsigned count, const char *const *environment);
/* One that ended: again, with the same environment, on another port, of which the crowd is told. */
void stand_start_service(struct stand *stand, unsigned index);
/* Ends all but the servers, whatever state they are in, and heals those. */
void stand_tear_down(struct stand *stand);
/* Ends the servers. */
void stand_remove(struct stand *stand);

/* Waits; less long when a client of the crowd found a violation. */
void stand_wait_ms(const struct stand *stand, int64_t ms);
struct stand_resources stand_measure(const struct stand *stand);

/* Ends the crowd and compares what it knows with the database and with the service's answers; fails
 * the test where they differ. What was open is known afterwards. */
void stand_check(struct stand *stand, struct crowd_report *report);

/* Opens a session for the fault's own use, which stand_close_sessions or the teardown closes; false
 * where PostgreSQL takes no more. */
bool stand_open_session(struct stand *stand, const char *url);
void stand_close_sessions(struct stand *stand);

#endif
