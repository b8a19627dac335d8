/* Redis for one worker: one connection, a deadline for every command, and its reconnecting.
 * Implements redis_counts_port and redis_rates_port. */
#ifndef RSVPD_STORE_REDIS_STORE_H
#define RSVPD_STORE_REDIS_STORE_H

#include "rsvpd/base/metrics.h"
#include "rsvpd/domain/ports.h"
#include "rsvpd/store/redis_address.h"

enum redis_state {
    REDIS_DOWN,       /* no connection; a tick makes one, as the breaker allows */
    REDIS_FINDING,    /* finds out where to connect to */
    REDIS_CONNECTING, /* until the probe has been answered, and it is the primary */
    REDIS_UP,         /* reads and publishes counts */
    REDIS_STATE_COUNT
};

/* Whether a store may go from one state to the other: the table of all changes. */
bool redis_store_may_change(enum redis_state from, enum redis_state to);

struct redis_store;

struct redis_store_setup {
    uv_loop_t *loop;
    struct redis_address_setup address;
    const char *namespace;          /* of the keys; must outlive the store */
    int64_t ttl_ms;                 /* how long a published count lives */
    const unsigned char *rates_key; /* of MAC_KEY_SIZE_BYTES, names callers whose shares are
                                       exchanged; NULL: none are. Must outlive the store */
    struct metrics *metrics;
    uint64_t random_seed;
};

/* NULL when memory is exhausted. Connects at the first tick. */
struct redis_store *redis_store_create(const struct redis_store_setup *setup);

/* Whom to tell; must be set before the loop runs. */
void redis_store_listen(struct redis_store *store, const struct redis_counts_listener *listener);

const struct redis_counts_port *redis_store_port(const struct redis_store *store);

/* The same of the exchange of shares, where there is a key for it. */
void redis_store_listen_to_rates(struct redis_store *store,
                                 const struct redis_rates_listener *listener);
const struct redis_rates_port *redis_store_rates_port(const struct redis_store *store);

/* Time-outs, reconnects, pings. To be called every few milliseconds. */
void redis_store_tick(struct redis_store *store, struct instant now);

struct dependency_state redis_store_state(const struct redis_store *store);

/* Closes the connection and makes no new one. */
void redis_store_close(struct redis_store *store);

/* After the loop has come to its end. */
void redis_store_destroy(struct redis_store **store);

#endif
