/* Delivers one batch after the other to the relay's target: on a thread of libuv's pool, again and
 * again until it is confirmed, with pauses that grow. */
#ifndef RSVPD_APP_RELAY_DELIVERY_H
#define RSVPD_APP_RELAY_DELIVERY_H

#include "rsvpd/app/relay_target.h"
#include "rsvpd/base/metrics.h"
#include "rsvpd/base/random.h"
#include "rsvpd/domain/breaker.h"

#include <uv.h>

struct relay_delivery_setup {
    uv_loop_t *loop;
    struct relay_target *target;
    struct feed *feed;
    struct metrics *metrics;
    void *owner;
    /* The target has confirmed a batch. */
    void (*confirmed)(void *owner);
    /* Nothing can be delivered any more. */
    void (*hopeless)(void *owner, const char *reason);
    /* It has come to rest after relay_deliverer_end. */
    void (*ended)(void *owner);
};

struct relay_deliverer {
    struct relay_delivery_setup setup;
    const struct feed_batch *batch; /* being delivered; NULL: none */
    uv_timer_t pause;               /* before the next attempt, and how long the end may take */
    struct breaker breaker;
    struct random random;
    bool ending;

    /* Of the thread that delivers, while busy. */
    bool busy;
    uv_work_t work;
    enum relay_delivery result;
    int64_t after_s;
    char reason[RELAY_REASON_SIZE_BYTES];
};

void relay_deliverer_init(struct relay_deliverer *deliverer,
                          const struct relay_delivery_setup *setup);

/* To be called at the end of every iteration: what has gathered goes out, if nothing is on its
 * way. */
void relay_deliverer_end_iteration(struct relay_deliverer *deliverer);

/* Ends a pause between attempts: something may have changed about the target. */
void relay_deliverer_hurry(struct relay_deliverer *deliverer);

/* No batch begins any more; the one on its way has a few seconds to arrive. Calls `ended`, maybe at
 * once. */
void relay_deliverer_end(struct relay_deliverer *deliverer);

#endif
