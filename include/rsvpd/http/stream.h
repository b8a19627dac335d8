/* An answer that goes on: what it sends comes when there is some. */
#ifndef RSVPD_HTTP_STREAM_H
#define RSVPD_HTTP_STREAM_H

#include "rsvpd/base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct outlet;

enum { STREAM_ENDS = -1 };

/* Where a stream comes from. Both are called on the thread of the loop. */
struct stream_source {
    /* The client has room: writes at most `capacity` bytes and answers how many. 0: there is
     * nothing to send now, and it is asked again after context_wake(). STREAM_ENDS: all is sent.
     * While a client takes nothing it is not asked, so it keeps what is to be sent then. */
    ssize_t (*read)(void *state, char *out, size_t capacity);
    /* It is not asked any more: it has ended, the client has left, or the server ends. Called
     * once. */
    void (*close)(void *state);
};

/* That of one answer. */
struct stream {
    const struct stream_source *source; /* NULL: the answer is a body */
    void *state;                        /* the source's */
    struct outlet *outlet;              /* the server's; NULL: it is not on its way */
    struct list_node look;              /* the server's: to be looked at whether it may go on */
    bool begun;                         /* the answer is on its way */
    bool resting;                       /* it had nothing to send */
    bool ends;                          /* it is its turn in the drain, or it may not go on */
    bool gone;                          /* the client has left, or is too slow */
};

#endif
