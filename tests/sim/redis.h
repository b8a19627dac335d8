/* Redis as the service sees it through its port: the keys that a server holds, and each worker's
 * client in front of it. Answers may be late, lost or old; a client that waited too long leaves the
 * server alone for a while. What comes out of the server is a value of ours that was true at its
 * `as_of`, or one that can be told from such: the rest the store's codec keeps back. */
#ifndef RSVPD_SIM_REDIS_H
#define RSVPD_SIM_REDIS_H

#include "names.h"

#include "rsvpd/domain/breaker.h"
#include "rsvpd/domain/ports.h"

struct worker;
struct world;

enum damage {
    DAMAGE_FLUSH,        /* all keys are lost */
    DAMAGE_LOSE,         /* one is */
    DAMAGE_NEVER_EXPIRE, /* they outlive their time */
    DAMAGE_RESTORE,      /* an old value is back */
    DAMAGE_FUTURE,       /* a wrong value that claims to be from the future */
    DAMAGE_PAST,         /* a wrong value, too old to be believed */
    DAMAGE_VERSION,      /* a true value that claims a version too high */
    DAMAGE_COUNT
};

struct redis_server {
    bool up;
    struct redis_key {
        bool held;
        struct count count; /* value, version and wall time travel; no more */
        struct count old;   /* what it was before */
        int64_t expires_us;
    } keys[RELATION_COUNT][ENTITIES_MAX];
    struct exchange *exchanges; /* that are under way */
};

struct redis_client {
    struct redis_counts_port port;
    struct breaker breaker;
    bool up, connecting;
    uint64_t connection; /* which: answers on an earlier one are lost */
    size_t reads;        /* under way */
};

void redis_server_init(struct redis_server *server);
void redis_server_free(struct redis_server *server);
void redis_server_damage(struct world *world, enum damage damage);

void redis_client_init(struct worker *worker);
void redis_client_tick(struct worker *worker);

#endif
