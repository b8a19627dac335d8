/* One event loop on a thread of its own, with one of everything: HTTP server, service, stores.
 * Shares with other workers what is known of counts, and what it publishes about itself. */
#ifndef RSVPD_APP_WORKER_H
#define RSVPD_APP_WORKER_H

#include "rsvpd/base/cidr.h"
#include "rsvpd/base/config.h"
#include "rsvpd/base/contract.h"
#include "rsvpd/base/origin_list.h"
#include "rsvpd/base/secret.h"
#include "rsvpd/http/server.h"
#include "rsvpd/store/pg_secrets.h"
#include "rsvpd/store/redis_url.h"

struct count_memory;
struct credentials;
struct tracer;
struct worker;

struct worker_setup {
    const struct config *config;    /* must outlive the worker, like all that is pointed to */
    struct secret *database_secret; /* DATABASE_URL and REDIS_URL, which may be replaced */
    struct secret *redis_secret;
    struct secret *replica_secret;     /* DATABASE_READ_URL, likewise; NULL: there is no replica */
    const struct redis_url *redis_url; /* at first; NULL where there is no Redis */
    int listen_fd;                     /* becomes the worker's */
    struct http_process process;
    const struct credentials *credentials; /* NULL: callers are trusted */
    struct count_memory *counts;           /* of the process; must outlive the worker */
    const struct rates *rates;             /* likewise */
    struct stream_limit *streams;          /* of all workers */
    struct crowd *crowd;                   /* the connections of all workers */
    uint64_t hash_secret;
    const struct pg_secrets *secrets;
    struct tracer *tracer; /* of this worker alone; NULL: nothing is traced */
    const struct cidr_list *trusted_proxies;
    const struct origin_list *cors_origins;
    void (*ended)(
        void *listener); /* called on the worker's thread when it has nothing left to do */
    void *listener;
};

/* What a worker tells about itself; may be read on any thread. */
struct worker_state {
    int64_t turned_us; /* monotonic: when its loop last turned */
    struct dependency_state postgres, redis;
};

/* NULL where resources are missing. */
struct worker *worker_create(const struct worker_setup *setup);

/* Starts its thread. False where there is none to be had. */
MUST_CHECK bool worker_run(struct worker *worker);

struct worker_state worker_state(const struct worker *worker);
const struct metrics *worker_metrics(const struct worker *worker);

/* Tells it, from any thread, to take no more connections, finish the requests that it has, and end.
 */
void worker_finish(struct worker *worker);

/* Waits for its thread; after `ended` was called. False where a thread of libuv's pool is still at
 * work for it, such as one that connects to a store which does not answer: then the worker stays,
 * and the process has to end by _exit, which waits for nobody. */
MUST_CHECK bool worker_join(struct worker **worker);

#endif
