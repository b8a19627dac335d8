/* Where the relay hands changes to: standard output, or a webhook. */
#ifndef RSVPD_APP_RELAY_TARGET_H
#define RSVPD_APP_RELAY_TARGET_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/secret.h"
#include "rsvpd/domain/feed.h"
#include "rsvpd/store/http_post.h"

#include <stdatomic.h>

enum { RELAY_REASON_SIZE_BYTES = HTTP_POST_REASON_SIZE_BYTES };

enum relay_delivery {
    RELAY_CONFIRMED,
    RELAY_LATER, /* the same is to be delivered again */
    RELAY_ENDS,  /* nothing can be delivered any more */
};

struct relay_target;

/* RELAY_TARGET and RELAY_SECRET, read again with each delivery. Both outlive it. What is standard
 * output stays so, and so does a webhook. NULL where memory is exhausted. */
MUST_CHECK struct relay_target *relay_target_create(struct secret *place, struct secret *secret);

/* Whether a value of RELAY_TARGET is good, which is read while the relay runs. */
bool relay_target_is_output(const char *value);
bool relay_target_is_webhook(const char *value);
void relay_target_destroy(struct relay_target **target);

/* Cuts short what is being delivered. From any thread. */
void relay_target_cancel(struct relay_target *target);

/* A batch that has not been delivered yet comes next. */
void relay_target_begin(struct relay_target *target);

/* Delivers the batch; blocks, so on a thread that may. Unless it is confirmed, `reason` says why
 * not, and `after_s` how long the target wants to be left alone (0: it does not say). */
MUST_CHECK enum relay_delivery relay_target_deliver(struct relay_target *target,
                                                    const struct feed_batch *batch,
                                                    char reason[RELAY_REASON_SIZE_BYTES],
                                                    int64_t *after_s);

#endif
