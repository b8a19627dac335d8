/* Connections that are closed in stages (RFC 9112 section 9.6): our side is shut, what the client
 * still sends is read and dropped until it has taken its last answer. Where a socket is closed with
 * bytes unread, or bytes come afterwards, the kernel resets the connection, and the answer may be
 * lost: that of a write, for one, which was done. */
#ifndef RSVPD_HTTP_LINGERING_H
#define RSVPD_HTTP_LINGERING_H

#include "rsvpd/base/list.h"

#include <stddef.h>
#include <stdint.h>

enum { LINGERING_MAX = 256 }; /* further ones close at once */

struct lingering {
    struct list sockets; /* the longest waiting first */
    size_t count;
    int64_t bound_us; /* how long a client may take to take its answer */
};

void lingering_init(struct lingering *lingering, int64_t bound_us);

/* Keeps a socket open that is about to be closed by whoever has it. Where there is no memory, or no
 * descriptor, for it, it closes at once. */
void lingering_keep(struct lingering *lingering, int fd, int64_t now_us);

/* Closes those whose clients have taken all, have gone, or are too slow. To be called every few
 * milliseconds. */
void lingering_tick(struct lingering *lingering, int64_t now_us);

/* Closes all of them. */
void lingering_close(struct lingering *lingering);

#endif
