/* Looks the name of a host up, off the loop's thread. An address needs no thread. */
#ifndef RSVPD_STORE_REDIS_LOOKUP_H
#define RSVPD_STORE_REDIS_LOOKUP_H

#include "rsvpd/base/contract.h"

#include <stdbool.h>
#include <uv.h>

/* One look-up at a time. Zeroed at first; must live until it has called back. */
struct redis_lookup {
    uv_getaddrinfo_t request;
    bool busy; /* begun, and has not called back */
    unsigned *attempt;
    void *owner;
    void (*found)(void *owner, const struct sockaddr *address); /* valid during the call */
    void (*failed)(void *owner, const char *reason);            /* libuv's, constant */
};

/* Begins; one of the two is called once, from inside of it or from the loop: found from inside of
 * it where the host is an address. `attempt` tells which
 * of the name's addresses is next; it is 0 at first, and must live as long. */
void redis_lookup_begin(struct redis_lookup *lookup, uv_loop_t *loop, const char *host, int port,
                        unsigned *attempt);

#endif
