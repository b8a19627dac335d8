/* Gathers operations of one kind until a connection is free, and forms them into a batch.
 *
 * DESIGN: Under light load a batch holds one operation and costs nothing extra; under heavy load it
 * holds hundreds and one commit pays for all. Two writes of the same user on the same entity never
 * share a batch nor run at once: the first holds the key from its arrival to its end, the others
 * wait in a chain behind it, so that each gets the answer of its own write, in order of arrival.
 * Lookups need no order and take no keys. */
#ifndef RSVPD_DOMAIN_BATCHER_H
#define RSVPD_DOMAIN_BATCHER_H

#include "rsvpd/base/contract.h"
#include "rsvpd/domain/operation.h"

enum {
    BATCH_SIZE_MAX = 512,      /* operations in a batch */
    BATCH_STATEMENTS_MAX = 16, /* of a kind that takes a statement for each operation */
};
static_assert(BATCH_STATEMENTS_MAX <= BATCH_SIZE_MAX, "no batch is larger than a batch");

/* Operations that go to Postgres as one transaction. All of one relation, of one kind and of one
 * server (placement.h). */
struct batch {
    const struct relation *relation;
    enum operation_kind kind; /* OPERATION_ADD for writes of either direction, and likewise
                                 OPERATION_STORE_SETTINGS for a release */
    enum write_path path;     /* of such writes */
    bool by_replica;          /* it was sent to the replica */
    bool short_lock_timeout;  /* somebody may hold a lock on its entity: it waits for less long */
    size_t size;
    struct operation *operations[BATCH_SIZE_MAX];
    int64_t sent_at_us;      /* monotonic */
    int64_t waited_since_us; /* when the first of its operations was submitted, monotonic */
    struct batch *next;      /* in the service's list of free batches */
};

struct batcher {
    const struct relation *relation;
    enum operation_kind kind;
    unsigned batch_max;            /* operations in a batch */
    bool keyed;                    /* one operation a key at a time */
    struct list ready[PATH_COUNT]; /* operations in the order in which they are to go */
    struct hash_table keys;        /* keyed: the first operation of each key that is under way */
    size_t size;                   /* operations in the batcher or in batches that it formed */
    uint64_t arrivals;             /* operations that ever came */
};

/* For about `expected` operations at a time, at most `batch_max` (up to BATCH_SIZE_MAX) in a batch.
 * False when memory is exhausted. */
MUST_CHECK bool batcher_init(struct batcher *batcher, const struct relation *relation,
                             enum operation_kind kind, unsigned batch_max, size_t expected,
                             uint64_t secret);
void batcher_free(struct batcher *batcher);

/* Takes an operation in, and notes its place in the order of arrival. It stays the caller's memory,
 * and stays linked here until batcher_finish or batcher_withdraw. */
void batcher_push(struct batcher *batcher, struct operation *operation);

/* Whether an operation of that path may go. Whatever is no write of one user is PATH_PLAIN. */
bool batcher_has_ready(const struct batcher *batcher, enum write_path path);

/* Whether an operation may go into a batch with those that it has by now. */
typedef bool batcher_takes_fn(const void *context, const struct batch *batch,
                              const struct operation *operation);

/* Moves operations from the front of a path's queue into `batch`, as many as may go together, and
 * passes over those that `takes` does not take; NULL takes all. */
void batcher_form(struct batcher *batcher, enum write_path path, batcher_takes_fn *takes,
                  const void *context, struct batch *batch);

/* Puts a batch's operations back into the queues of their paths, before all whose sequence is
 * higher: they are to be sent again. The batch is empty then. */
void batcher_return(struct batcher *batcher, struct batch *batch);

/* An operation that is to be sent again lets all go first that have come meanwhile: to be called
 * before batcher_return. Its arrival stays. */
void batcher_put_behind(struct batcher *batcher, struct operation *operation);

/* An operation that was sent has ended: the next one on its key may go. */
void batcher_finish(struct batcher *batcher, struct operation *operation);

/* Takes out an operation that waits (ready or chained). */
void batcher_withdraw(struct batcher *batcher, struct operation *operation);

/* Takes out all that wait, and puts them at the end of `withdrawn` by their links, those of one key
 * in the order of arrival; but not those of which an earlier attempt may have done something. */
void batcher_withdraw_unattempted(struct batcher *batcher, struct list *withdrawn);

#endif
