/* Tells when a client leaves, while the HTTP library does not look after it. */
#ifndef RSVPD_HTTP_CLIENT_WATCH_H
#define RSVPD_HTTP_CLIENT_WATCH_H

#include "rsvpd/base/contract.h"

#include <uv.h>

struct client_watch;

/* Calls `left` once when the client ends its side of the connection, or the connection breaks.
 * NULL where there is no memory for it, or the loop cannot watch the socket. */
MUST_CHECK struct client_watch *client_watch_start(uv_loop_t *loop, int fd,
                                                   void (*left)(void *owner), void *owner);

/* Before the socket is closed. NULL is none. */
void client_watch_stop(struct client_watch **watch);

#endif
