/* Erases everything that is held about a user: who they go with and what they like, what they wait
 * for, and the answers that are kept for them.
 *
 * DESIGN: An erasure writes nothing of its own kind. It lists what there is, a page at a time, and
 * submits the removal of each line as if the user had asked for it. So counters, seats that are
 * given on, waiting lists, versions, locks and retries are those of every other write, and each
 * step is a transaction that leaves everything sound. It can end anywhere and be begun again.
 * What cannot be removed in a part of the time, since somebody holds its lock, is left, and the
 * rest goes on.
 *
 * It is complete once it has gone through all sources and found nothing in any. The order of the
 * sources makes that mean that nothing is left: a user moves from a waiting list to the members,
 * never back, and an answer is kept in the transaction of its write. So whatever was written before
 * the last source was looked at is seen in one of them. What the user writes afterwards stays, all
 * of it. */
#ifndef RSVPD_SERVICE_ERASURE_H
#define RSVPD_SERVICE_ERASURE_H

#include "rsvpd/service/dispatch.h"

/* What erasures of one worker work with. */
struct eraser {
    struct operations *operations;
    struct dispatch *dispatch;
};

/* Begins a filled-in OPERATION_ERASE. It goes on until all is erased or three quarters of the time
 * to its deadline are over; then it ends as done, with what was erased. If surely nothing was
 * erased, it ends as what it needed first did. It need not be watched: the operations that it waits
 * for are. */
void erasure_begin(const struct eraser *eraser, struct operation *operation, int64_t now_us);

#endif
