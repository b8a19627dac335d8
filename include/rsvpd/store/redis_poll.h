/* A connection of hiredis in a loop of libuv. */
#ifndef RSVPD_STORE_REDIS_POLL_H
#define RSVPD_STORE_REDIS_POLL_H

#include <stdbool.h>

#include <uv.h>

struct redisAsyncContext; /* hiredis' own */

/* Lets the loop watch the connection's socket until hiredis frees the context. False, with the
 * context as it was, where there is no memory or the loop cannot watch it. */
bool redis_poll_attach(struct redisAsyncContext *context, uv_loop_t *loop)
    __attribute__((warn_unused_result));

#endif
