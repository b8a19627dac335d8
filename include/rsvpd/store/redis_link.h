/* A connection to a Redis server in a loop: its socket, and the commands sent through it. */
#ifndef RSVPD_STORE_REDIS_LINK_H
#define RSVPD_STORE_REDIS_LINK_H

#include "rsvpd/base/contract.h"
#include "rsvpd/store/redis_exchange.h"
#include "rsvpd/store/redis_tls.h"

#include <uv.h>

struct redis_link;

/* Called from the loop, never from inside a call of this module. */
struct redis_link_owner {
    void *owner;
    void (*opened)(void *owner);
    /* It cannot be used any more, and must be closed. `reason` is our own or libuv's, constant. */
    void (*failed)(void *owner, const char *reason);
};

/* Where to. */
struct redis_link_target {
    const struct sockaddr *address; /* NULL: the Unix socket of `path` */
    const char *path;
    struct redis_tls_context *tls; /* NULL: without TLS */
    const char *host;              /* whom the certificate must be for */
};

/* Begins to connect to the target, which need not outlive the call. NULL with `reason` set if it
 * cannot begin. */
MUST_CHECK struct redis_link *redis_link_open(uv_loop_t *loop,
                                              const struct redis_link_target *target,
                                              const struct redis_link_owner *owner,
                                              const char **reason);

/* Sends a command of these words. False, with nothing sent and no call-back, if too much is in
 * flight or memory is exhausted. */
MUST_CHECK bool redis_link_send(struct redis_link *link, const struct redis_command *command,
                                int count, const char **words, const size_t *sizes);

const struct redis_exchange *redis_link_exchange(const struct redis_link *link);

/* Ends all commands in flight as lost, and closes the connection; *link becomes NULL first.
 * Call-backs may call it. */
void redis_link_close(struct redis_link **link);

#endif
