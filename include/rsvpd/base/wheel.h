/* A timer wheel: finds what is due without a timer for each. Times are arguments; nothing is called
 * back. */
#ifndef RSVPD_BASE_WHEEL_H
#define RSVPD_BASE_WHEEL_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/list.h"

#include <stdint.h>

struct wheel {
    struct list *slots; /* of a tick: what is due in it */
    int64_t size;       /* slots; more than the horizon has ticks */
    int64_t tick_us;
    int64_t ticked; /* the last tick that was handled */
};

/* For what is due at most `horizon_us` ahead. False when memory is exhausted. */
MUST_CHECK bool wheel_init(struct wheel *wheel, int64_t tick_us, int64_t horizon_us,
                           int64_t now_us);
void wheel_free(struct wheel *wheel);

/* Puts in what is due then. It is in no list. */
void wheel_add(struct wheel *wheel, struct list_node *node, int64_t due_us);

/* Takes out, one a call, what is due; NULL where nothing is. What was put in while the wheel stood
 * still, or beyond its horizon, may come too early: whoever takes it puts it in again. */
struct list_node *wheel_take(struct wheel *wheel, int64_t now_us);

#endif
