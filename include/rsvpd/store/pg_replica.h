/* A replica for one worker, which is read in place of the primary by batches whose answers show
 * everything that was acknowledged before they were sent. Where it cannot, it declines a batch:
 * the primary answers it, and the replica is left alone for a while. */
#ifndef RSVPD_STORE_PG_REPLICA_H
#define RSVPD_STORE_PG_REPLICA_H

#include "rsvpd/base/metrics.h"
#include "rsvpd/base/secret.h"
#include "rsvpd/domain/ports.h"

#include <uv.h>

struct pg_replica;
struct pg_parameters;

struct pg_replica_setup {
    uv_loop_t *loop;
    struct secret *primary_url, *url; /* DATABASE_URL, DATABASE_READ_URL; must outlive it */
    size_t connections;
    int64_t deadline_us;              /* of a request */
    struct pg_parameters *parameters; /* of the store, which shares them */
    struct metrics *metrics;
    uint64_t random_seed;
    /* A batch has ended; never from inside pg_replica_send. */
    void (*batch_ended)(void *owner, struct batch *batch, enum batch_outcome outcome,
                        int64_t now_us);
    void *owner;
};

/* NULL when memory is exhausted. */
struct pg_replica *pg_replica_create(const struct pg_replica_setup *setup);

/* Whether batches are to go here. */
bool pg_replica_available(const struct pg_replica *replica);

/* Whether a batch can be sent at once. */
bool pg_replica_can_send(const struct pg_replica *replica);

/* Takes a batch, which is sent when the iteration ends. */
void pg_replica_send(struct pg_replica *replica, struct batch *batch);

/* Asks the primary, once for all batches that were taken in this iteration. To be called at the end
 * of every iteration. */
void pg_replica_end_iteration(struct pg_replica *replica, struct instant now);

/* Time-outs and reconnects. To be called every few milliseconds. */
void pg_replica_tick(struct pg_replica *replica, struct instant now);

/* Closes the connections and makes no new ones. What was under way is declined. */
void pg_replica_close(struct pg_replica *replica);

/* After the loop has come to its end. */
void pg_replica_destroy(struct pg_replica **replica);

#endif
