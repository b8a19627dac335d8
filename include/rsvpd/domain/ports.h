/* What the service layer needs of the stores, so that it knows neither libpq nor hiredis, and so
 * that a test can put a model in their place. All calls and call-backs happen on the worker's own
 * thread. */
#ifndef RSVPD_DOMAIN_PORTS_H
#define RSVPD_DOMAIN_PORTS_H

#include "rsvpd/base/clock.h"
#include "rsvpd/domain/batcher.h"
#include "rsvpd/domain/rate_table.h"

/* Reads never wait behind a write's commit: each pool has connections of its own. While the replica
 * is available, it is given those reads that any server may answer that shows everything that was
 * acknowledged before they arrived. */
enum pool { POOL_WRITE, POOL_READ, POOL_REPLICA, POOL_COUNT };

/* How a batch ended. */
enum batch_outcome {
    BATCH_DONE,        /* committed; the operations hold their results */
    BATCH_ROLLED_BACK, /* nothing was done, for a passing reason (a deadlock, a key that has been
                          answered meanwhile): send it again */
    BATCH_LOCKED,      /* nothing was done: it took too long, behind a lock as a rule */
    BATCH_MISROUTED,   /* nothing was done: the path was not right for all; each operation's `path`
                          says now which is */
    BATCH_REJECTED,    /* nothing was done: something in this batch is not acceptable */
    BATCH_UNMET,       /* nothing was done: the precondition of its one operation is not met */
    BATCH_UNAVAILABLE, /* nothing was done: the server cannot work now (read-only, disk full, …) */
    BATCH_DECLINED,    /* nothing was done: the replica cannot answer it. The primary can */
    BATCH_LOST,        /* the connection broke; whether it was done is not known */
    BATCH_UNSURE /* likewise of the server behind the one that answers: as long as that is away,
                    another attempt fails as well */
};

/* The primary: Postgres, which alone decides. */
struct primary_port {
    void *store;
    /* Whether a batch can be sent on this pool at once. */
    bool (*can_send)(void *store, enum pool pool);
    /* Sends a batch, which stays the caller's and is handed to batch_ended exactly once, never from
     * inside this call. Sorts the batch by shard, entity and user. */
    void (*send)(void *store, enum pool pool, struct batch *batch, int64_t now_us);
    /* Whether it makes sense to let requests of this pool wait: false once the store is known not
     * to answer, or to take no writes; and of the replica, where there is none, or once it has
     * declined, for a while. */
    bool (*available)(void *store, enum pool pool);
    /* Where the rows of entities are: batches are of one server. NULL: all in one place. */
    const struct placements *placements;
};

struct primary_listener {
    void *service;
    void (*batch_ended)(void *service, struct batch *batch, enum batch_outcome outcome,
                        int64_t now_us);
    /* Called when `available` may have changed. */
    void (*changed)(void *service, int64_t now_us);
};

/* A count on its way to or from Redis. */
struct redis_count {
    const struct relation *relation;
    struct identifier entity;
    struct count count;
    bool found;   /* of a read: whether there was a usable value */
    void *waiter; /* of a read: the asker's own */
};

enum { REDIS_COUNTS_MAX = 512 };

/* Counts that may be a little old, shared between processes: Redis. Absent where none is
 * configured. */
struct redis_counts_port {
    void *store;
    /* Whether it answers as far as is known. */
    bool (*available)(void *store);
    /* Asks for up to REDIS_COUNTS_MAX counts; `entries` are copied. `read_ended` of the listener
     * is called exactly once, never from inside this call. False where it cannot be asked now. */
    bool (*read)(void *store, const struct redis_count *entries, size_t size, struct instant now);
    /* Hands up to REDIS_COUNTS_MAX counts on, without waiting for an answer; drops them where it
     * cannot. A count never replaces one of a higher version. */
    bool (*publish)(void *store, const struct redis_count *entries, size_t size);
};

struct redis_counts_listener {
    void *service;
    /* The entries in the order asked, with `found` and `count` filled in where it answered in time.
     */
    void (*read_ended)(void *service, const struct redis_count *entries, size_t size,
                       struct instant now);
};

enum { REDIS_RATES_MAX = 512 };

/* How often callers came, added up over all processes: Redis. Absent where none is configured. */
struct redis_rates_port {
    void *store;
    /* Whether it answers as far as is known. */
    bool (*available)(void *store);
    /* Hands up to REDIS_RATES_MAX shares on, which are copied. `exchanged` of the listener is
     * called exactly once, never from inside this call. False where that cannot be done now. */
    bool (*exchange)(void *store, const struct rate_share *shares, size_t size);
};

struct redis_rates_listener {
    void *sharing;
    /* The shares in the order given, with `answered` and `debt_us` filled in where it answered in
     * time. */
    void (*exchanged)(void *sharing, const struct rate_share *shares, size_t size, int64_t sent_us,
                      int64_t now_us);
};

/* What a store knows of its server's health. */
struct dependency_state {
    bool configured;
    bool up;
    int64_t latency_us; /* of the last exchange; -1 before the first */
};

#endif
