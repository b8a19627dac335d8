/* Sends webhooks, by libcurl on a thread that may wait for the answer. */
#ifndef RSVPD_STORE_WEBHOOK_POST_H
#define RSVPD_STORE_WEBHOOK_POST_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"
#include "rsvpd/store/http_post.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum webhook_post_result {
    WEBHOOK_POST_TAKEN, /* 2xx */
    WEBHOOK_POST_LATER, /* it did not arrive, or was not taken: any other answer */
    WEBHOOK_POST_GONE,  /* 410: nothing is wanted there any more */
};

struct webhook_message {
    const char *url; /* one that fetch_url_valid lets pass */
    const char *id, *signature;
    int64_t timestamp_s;
    struct slice body; /* JSON */
};

/* Once `*cancelled` is true, a transfer ends. NULL where resources are missing. To be destroyed
 * with http_post_destroy. */
MUST_CHECK struct http_post *webhook_post_create(const _Atomic bool *cancelled);

/* Blocks. Unless it was taken, `reason` says why not, and `after_s` how long the receiver wants to
 * be left alone (0: it does not say). The connection is kept for the next one. */
MUST_CHECK enum webhook_post_result webhook_post_send(struct http_post *post,
                                                      const struct webhook_message *message,
                                                      char reason[HTTP_POST_REASON_SIZE_BYTES],
                                                      int64_t *after_s);

#endif
