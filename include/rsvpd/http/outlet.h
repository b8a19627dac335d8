/* The socket of a stream, once the HTTP library has let go of it: what is sent goes to the kernel
 * at once, what finds no room there waits, and it tells when the client leaves. */
#ifndef RSVPD_HTTP_OUTLET_H
#define RSVPD_HTTP_OUTLET_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"

#include <uv.h>

struct outlet;

/* Never called from inside a function of the outlet. */
struct outlet_listener {
    void (*left)(void *owner);     /* the client ended its side, or the connection broke; once */
    void (*has_room)(void *owner); /* what waited is with the kernel */
    void *owner;
};

/* A connected socket that does not block, which is the outlet's from now on. `chunked`: how it is
 * framed (RFC 9112 section 7.1). NULL, and the socket still the caller's, where memory is exhausted
 * or the loop cannot watch it. */
MUST_CHECK struct outlet *outlet_create(uv_loop_t *loop, int fd, bool chunked,
                                        const struct outlet_listener *listener);

/* Closes the socket. NULL is none. */
void outlet_close(struct outlet **outlet);

/* From here on the listener is told. False where the loop cannot watch the socket. */
MUST_CHECK bool outlet_start(struct outlet *outlet);

enum outlet_state {
    OUTLET_HAS_ROOM,
    OUTLET_FULL,  /* a part waits: nothing may be sent before has_room() is called */
    OUTLET_BROKEN /* it is of no use any more */
};

/* Sends the head, a part of the body, or its end. */
MUST_CHECK enum outlet_state outlet_send_head(struct outlet *outlet, struct slice head);
MUST_CHECK enum outlet_state outlet_send(struct outlet *outlet, struct slice part);
MUST_CHECK enum outlet_state outlet_send_end(struct outlet *outlet);

/* Breaks the connection off, so that the kernel keeps nothing that its client has not taken. The
 * listener hears that it has left. */
void outlet_reset(const struct outlet *outlet);

#endif
