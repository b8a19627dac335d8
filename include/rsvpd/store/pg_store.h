/* Postgres for one worker: a few connections in pipeline mode, each with one batch at a time, and
 * their reconnecting. Implements primary_port. */
#ifndef RSVPD_STORE_PG_STORE_H
#define RSVPD_STORE_PG_STORE_H

#include "rsvpd/base/metrics.h"
#include "rsvpd/base/secret.h"
#include "rsvpd/domain/ports.h"

#include <uv.h>

struct pg_store;

struct pg_store_setup {
    uv_loop_t *loop;
    struct secret *url;         /* DATABASE_URL; must outlive the store */
    struct secret *replica_url; /* DATABASE_READ_URL, likewise; NULL: there is no replica */
    size_t write_connections, read_connections, replica_connections;
    int64_t deadline_us; /* of a request: Postgres ends what takes longer */
    struct metrics *metrics;
    uint64_t random_seed;
};

/* Starts connecting. NULL when memory is exhausted. */
struct pg_store *pg_store_create(const struct pg_store_setup *setup);

/* Whom to tell; must be set before the loop runs. */
void pg_store_listen(struct pg_store *store, const struct primary_listener *listener);

const struct primary_port *pg_store_port(const struct pg_store *store);

/* Sends what was taken and waits for others of the same iteration. To be called at the end of every
 * iteration of the loop. */
void pg_store_end_iteration(struct pg_store *store);

/* Time-outs, reconnects, refreshing. To be called every few milliseconds. */
void pg_store_tick(struct pg_store *store, struct instant now);

/* Whether a connection answers now, and how long the last exchange took. */
struct dependency_state pg_store_state(const struct pg_store *store);

/* Closes the connections and makes no new ones. What was with Postgres is reported as lost. */
void pg_store_close(struct pg_store *store);

/* After the loop has come to its end. */
void pg_store_destroy(struct pg_store **store);

#endif
