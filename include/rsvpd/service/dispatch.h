/* Carries operations to Postgres and back: queues them, sends a batch whenever a connection is
 * free, and ends each operation exactly once, whatever becomes of its batch. */
#ifndef RSVPD_SERVICE_DISPATCH_H
#define RSVPD_SERVICE_DISPATCH_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/metrics.h"
#include "rsvpd/domain/entity_set.h"
#include "rsvpd/domain/ports.h"
#include "rsvpd/service/operations.h"

enum {
    QUEUES_PER_RELATION = 11,
    DISPATCH_QUEUES = QUEUES_PER_RELATION * RELATION_COUNT,
    DISPATCH_SLOTS = DISPATCH_QUEUES * PATH_COUNT, /* of which at most one goes next */
    /* How long what arrives waits for the batch before it, so that batches grow, before another
     * connection takes it: longer than most batches take, short beside what anyone notices. */
    BATCH_DELAY_US = 10 * 1000,
    /* How long nothing is sent because every iteration brings more that can go with it. */
    LINGER_US = 1000,
    /* Of the time left, what whoever joins a queue may have to wait: the rest is for the answer's
     * way, and for what the pace did not foretell. What waits until its deadline is done for
     * nobody. */
    WAIT_PERCENT_MAX = 75,
};

/* What is known of the batches of one queue and path; times are monotonic. */
struct dispatch_slot {
    int64_t batch_delay_until_us; /* while a batch is under way and young, else 0 */
    int64_t ended_us;             /* when one ended last */
    int64_t pace_us; /* smoothed time from one's end to the next one's, of those that wait */
};

/* Called before the operations of a batch end, where their answers tell counts: each that acted
 * (operation_acts) holds its entity's. Of a write that has committed, or settings that were read.
 */
typedef void dispatch_counted_fn(void *listener, const struct batch *batch, int64_t now_us);

struct dispatch {
    struct operations *operations;
    const struct primary_port *primary;
    struct metrics *metrics;
    dispatch_counted_fn *counted;
    void *listener;

    struct batcher queues[DISPATCH_QUEUES];
    bool more_arrived;       /* since the last iteration */
    int64_t linger_until_us; /* monotonic: what came is sent then at the latest; 0: none came */
    struct dispatch_slot slots[DISPATCH_SLOTS];
    size_t admitted_in_flight;                   /* batches of PATH_ADMITTED that are under way */
    size_t contended_in_flight;                  /* batches of PATH_CONTENDED that are under way */
    struct entity_set admitted;                  /* events with settings, as far as is known */
    struct entity_set contended[RELATION_COUNT]; /* entities whose locks others held lately */
    struct identifier last_contended; /* the contended entity whose writes were admitted last */
    bool contended_next;              /* writes of contended entities are admitted next */
    size_t next_slot[POOL_COUNT];     /* which queue and path goes first next time: none starves */
    struct batch *batches;            /* as many as there are connections */
    struct batch *free_batches;
    size_t batch_count;
};

/* `write_connections` and `read_connections` are how many batches can be under way at once. */
MUST_CHECK bool dispatch_init(struct dispatch *dispatch, struct operations *operations,
                              const struct primary_port *primary, struct metrics *metrics,
                              size_t write_connections, size_t read_connections, uint64_t secret);
void dispatch_free(struct dispatch *dispatch);

/* Queues a filled-in operation that is watched already, or ends it at once where it cannot be
 * answered in time. */
void dispatch_submit(struct dispatch *dispatch, struct operation *operation, int64_t now_us);

/* Sends what can be sent, once a iteration brings nothing more to go with it. To be called at the
 * end of every iteration of the loop. True where the next iteration is to come at once. */
bool dispatch_end_iteration(struct dispatch *dispatch, int64_t now_us);

/* The operation's deadline has passed: answers it. */
void dispatch_expire(struct dispatch *dispatch, struct operation *operation, int64_t now_us);

/* The store is done with a batch. */
void dispatch_batch_ended(struct dispatch *dispatch, struct batch *batch,
                          enum batch_outcome outcome, int64_t now_us);

/* The store is known to be away for this pool: everything that waits and was never sent is refused
 * now. */
void dispatch_refuse_waiting(struct dispatch *dispatch, enum pool pool, int64_t now_us);

/* Operations in the queue or on their way, for the metrics. */
void dispatch_report(const struct dispatch *dispatch);

#endif
