/* The operations of one worker: a pool made at the start, and the wheel that ends each at its
 * deadline. */
#ifndef RSVPD_SERVICE_OPERATIONS_H
#define RSVPD_SERVICE_OPERATIONS_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/wheel.h"
#include "rsvpd/domain/operation.h"

enum { WHEEL_TICK_US = 10 * 1000 };

struct operations {
    struct operation *slab;
    size_t slab_used, capacity;
    size_t taken; /* and not given back yet */
    struct list free;
    struct wheel deadlines;
};

/* For `capacity` operations with deadlines at most `deadline_us` ahead. False when memory is
 * exhausted. */
MUST_CHECK bool operations_init(struct operations *operations, size_t capacity, int64_t deadline_us,
                                int64_t now_us);
void operations_free(struct operations *operations);

/* A cleared operation, NULL when all are taken. */
struct operation *operations_take(struct operations *operations);

/* Gives it back, and frees its page; it is in no list any more but perhaps the wheel's. */
void operations_release(struct operations *operations, struct operation *operation);

/* Puts the operation into the wheel by its deadline. */
void operations_watch(struct operations *operations, struct operation *operation);

/* Takes out of the wheel, one a call, an operation whose deadline has passed; NULL when there is
 * none. */
struct operation *operations_expired(struct operations *operations, int64_t now_us);

#endif
