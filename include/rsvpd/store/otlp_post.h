/* Hands documents to a collector of traces, by libcurl on a thread that may wait for it. */
#ifndef RSVPD_STORE_OTLP_POST_H
#define RSVPD_STORE_OTLP_POST_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"
#include "rsvpd/store/http_post.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum otlp_post_result {
    OTLP_POST_TAKEN,
    OTLP_POST_REFUSED, /* it makes no sense to send the same again */
    OTLP_POST_LATER    /* the collector cannot be reached, or says that it cannot take more now */
};

struct otlp_post;

struct otlp_post_setup {
    const char *endpoint;              /* to which /v1/traces is added */
    const char *traces_endpoint;       /* as it is; empty: the other one */
    const char *headers;               /* a well-formed list of pairs; see base/pair_list */
    const _Atomic int64_t *give_up_us; /* monotonic: a transfer ends by then; 0: in its own time */
};

/* NULL where resources are missing. */
MUST_CHECK struct otlp_post *otlp_post_create(const struct otlp_post_setup *setup);
void otlp_post_destroy(struct otlp_post **post);

/* Sends a JSON document. Blocks. Unless it was taken, `reason` says why not, and `after_s` how long
 * the collector wants to be left alone (0: it does not say). */
MUST_CHECK enum otlp_post_result otlp_post_send(struct otlp_post *post, struct slice document,
                                                char reason[HTTP_POST_REASON_SIZE_BYTES],
                                                int64_t *after_s);

#endif
