/* What a request means: one worker's engine, from an operation to its answer. Knows the stores only
 * through their ports; does no I/O of its own. All calls happen on the worker's thread. */
#ifndef RSVPD_SERVICE_SERVICE_H
#define RSVPD_SERVICE_SERVICE_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/metrics.h"
#include "rsvpd/domain/ports.h"
#include "rsvpd/service/hub.h"

struct count_memory;
struct service;
struct tracer;

struct service_setup {
    const struct primary_port *primary;
    const struct redis_counts_port *redis; /* NULL where there is no Redis */
    struct count_memory *counts;           /* of the process */
    struct metrics *metrics;
    hub_write_fn *write_event; /* how a count is told to streams; NULL where there are none */
    struct tracer *tracer;     /* NULL: nothing is traced */
    size_t counts_max;         /* of each relation that this worker holds at a time */
    size_t pending_max;        /* operations at a time */
    size_t write_connections;  /* that the primary has */
    size_t read_connections;
    size_t replica_connections; /* 0: there is none */
    int64_t deadline_us;        /* the longest that an operation may take */
    int64_t count_local_lifetime_us;
    int64_t count_redis_lifetime_us;
    int64_t
        expire_keys_every_us; /* how often kept answers whose time is over are deleted; 0: never */
    int64_t promote_every_us; /* how often unfinished promotions are looked for; 0: never */
    uint64_t hash_secret;
    struct instant now;
};

/* Copies the setup; what it points to must outlive the service. NULL when memory is exhausted. */
struct service *service_create(const struct service_setup *setup);

/* There must be no operation under way that still waits for its answer. Does nothing where there
 * is no service. */
void service_destroy(struct service **service);

/* A cleared operation to fill in (kind, relation, entity, user, deadline_us, done, owner; for a
 * count not_before_us) and submit. NULL when as many are pending as may be: the request is to be
 * refused. */
MUST_CHECK struct operation *service_take(struct service *service);

/* Gives back an operation that was taken and not submitted. */
void service_give_back(struct service *service, struct operation *operation);

/* Takes the operation over. `done` is called exactly once, perhaps before this returns. */
void service_submit(struct service *service, struct operation *operation, int64_t now_us);

/* Where streams of counts are opened. */
struct hub *service_hub(struct service *service);

/* How old a count may be at most, in microseconds, for somebody who accepts `max_stale_ms` of age
 * behind a shared cache of `cache_us`. */
int64_t service_count_bound_us(int64_t max_stale_ms, int64_t cache_us);

/* Ends what is past its deadline. To be called every few milliseconds. */
void service_tick(struct service *service, struct instant now);

/* Sends what has gathered, unless more may come that can go with it. To be called at the end of
 * every iteration of the loop. True where the next iteration is to come at once, whatever the
 * sockets say. */
bool service_end_iteration(struct service *service, struct instant now);

/* For the stores: what they report, with the service as listener. */
void service_batch_ended(void *listener, struct batch *batch, enum batch_outcome outcome,
                         int64_t now_us);
void service_primary_changed(void *listener, int64_t now_us);
void service_redis_read_ended(void *listener, const struct redis_count *entries, size_t size,
                              struct instant now);

#endif
