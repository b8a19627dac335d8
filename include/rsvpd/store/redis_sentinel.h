/* Asks sentinels where the primary is (redis.io/docs/reference/sentinel-clients): in turn, until
 * one of them tells. */
#ifndef RSVPD_STORE_REDIS_SENTINEL_H
#define RSVPD_STORE_REDIS_SENTINEL_H

#include "rsvpd/base/metrics.h"
#include "rsvpd/store/redis_link.h"
#include "rsvpd/store/redis_url.h"

struct redis_sentinel;

/* One of the two is called once for each redis_sentinel_ask, from inside of it, of a tick or from
 * the loop; none after redis_sentinel_close. */
struct redis_sentinel_owner {
    void *owner;
    /* Where the primary is, as a sentinel says: nothing proves that it is. */
    void (*told)(void *owner, const struct redis_endpoint *primary);
    void (*failed)(void *owner, const char *reason); /* constant */
};

/* NULL when memory is exhausted. */
struct redis_sentinel *redis_sentinel_create(uv_loop_t *loop, struct metrics *metrics,
                                             const struct redis_sentinel_owner *owner);

/* To be called again only after it has called back. What the arguments point to must stay as it is
 * until then. `tls` is NULL where the URL does not ask for it. */
void redis_sentinel_ask(struct redis_sentinel *sentinel, const struct redis_url *url,
                        struct redis_tls_context *tls, int64_t now_us);

/* The one that told last is asked last from now on: what it told was no use. */
void redis_sentinel_distrust(struct redis_sentinel *sentinel);

/* Time-outs. To be called every few milliseconds. */
void redis_sentinel_tick(struct redis_sentinel *sentinel, int64_t now_us);

/* Stops asking, and never asks again. */
void redis_sentinel_close(struct redis_sentinel *sentinel);

/* After the loop has come to its end. */
void redis_sentinel_destroy(struct redis_sentinel **sentinel);

#endif
