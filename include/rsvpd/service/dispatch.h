/* Carries operations to Postgres and back: queues them, sends a batch whenever a connection is
 * free, and ends each operation exactly once, whatever becomes of its batch. */
#ifndef RSVPD_SERVICE_DISPATCH_H
#define RSVPD_SERVICE_DISPATCH_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/metrics.h"
#include "rsvpd/base/tracer.h"
#include "rsvpd/domain/contention.h"
#include "rsvpd/domain/entity_set.h"
#include "rsvpd/domain/pace.h"
#include "rsvpd/domain/ports.h"
#include "rsvpd/service/operations.h"

enum {
    QUEUES_PER_RELATION = 15,
    DISPATCH_QUEUES = QUEUES_PER_RELATION * RELATION_COUNT,
    DISPATCH_SLOTS = DISPATCH_QUEUES * PATH_COUNT, /* of which at most one goes next */
};

/* Called before the operations of a batch end, where their answers tell counts: each that acted
 * (operation_acts) holds its entity's. Of a write that has committed, or settings that were read.
 */
typedef void dispatch_counted_fn(void *listener, const struct batch *batch, int64_t now_us);

struct dispatch {
    struct operations *operations;
    const struct primary_port *primary;
    struct metrics *metrics;
    struct tracer *tracer; /* NULL: nothing is traced */
    dispatch_counted_fn *counted;
    void *listener;

    struct batcher queues[DISPATCH_QUEUES];
    struct linger linger;
    struct pace paces[DISPATCH_SLOTS];
    struct contention contention;
    struct entity_set admitted;   /* events with settings, as far as is known */
    size_t next_slot[POOL_COUNT]; /* which queue and path goes first next time: none starves */
    struct batch *batches;        /* as many as there are connections */
    struct batch *free_batches;
    size_t batch_count;
};

/* How many batches can be under way at once, of each pool. */
struct dispatch_connections {
    size_t writes, reads, replica;
};

MUST_CHECK bool dispatch_init(struct dispatch *dispatch, struct operations *operations,
                              const struct primary_port *primary, struct metrics *metrics,
                              const struct dispatch_connections *connections, uint64_t secret);
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

/* The store is known to be away for this pool: everything that waits is refused now, but what an
 * earlier attempt may have done. */
void dispatch_refuse_waiting(struct dispatch *dispatch, enum pool pool, int64_t now_us);

/* Operations in the queue or on their way, for the metrics. */
void dispatch_report(const struct dispatch *dispatch);

#endif
