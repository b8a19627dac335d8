/* The streams of one server, from the moment at which their sockets leave the HTTP library: what
 * their sources have is sent, and a shutdown ends them bit by bit.
 *
 * DESIGN: libmicrohttpd goes through all suspended connections whenever one of them is resumed, and
 * keeps 20 KiB for each: thousands of streams would slow every request down. So the socket of a
 * stream is taken away from it. It is left with another one in its place, which it closes. From
 * then on the client is no connection of the server any more: streams have a limit of their own. */
#ifndef RSVPD_HTTP_STREAMS_H
#define RSVPD_HTTP_STREAMS_H

#include "rsvpd/base/wheel.h"
#include "rsvpd/http/requests.h"

#include <uv.h>

struct streams {
    uv_loop_t *loop;
    const struct http_context *context;
    struct requests *requests;
    int nothing;        /* a socket that the library is left with in place of one that was taken */
    struct wheel looks; /* those to be looked at whether they may go on */
    int64_t drain_us;   /* monotonic: when the drain began; 0 before */
    size_t drained_max; /* streams that there were then */
    size_t drained;     /* of them, those that were ended */
    bool stopped;       /* those that there are end, and further ones at once */
};

/* `context` and `requests` are the server's, and outlive it. False where there is no descriptor, or
 * memory, to be had; then, too, it is to be freed. */
MUST_CHECK bool streams_init(struct streams *streams, uv_loop_t *loop,
                             const struct http_context *context, struct requests *requests);
/* None may be open. */
void streams_free(struct streams *streams);

/* A request whose answer is a stream goes on in three steps, all of which must happen:
 *
 * 1. It gets a descriptor of its own for its client's socket. False, with nothing done, where there
 *    is no memory, or no descriptor, for it. */
MUST_CHECK bool streams_take(struct streams *streams, struct request *request);
/* 2. The HTTP library has stopped watching the client's descriptor: it now stands for nothing. */
void streams_cut_off(const struct streams *streams, struct request *request);
/* 3. The HTTP library has let go of the request, and the socket is ours alone: the head is sent,
 *    with `reason` for its status, and all that the source has. */
void streams_begin(struct streams *streams, struct request *request, const char *reason);

/* Its source may have something to send: it is asked in streams_end_iteration. */
void streams_wake(struct streams *streams, struct request *request);
/* Sends what there is. To be called at the end of every iteration. True where there is more. */
bool streams_end_iteration(struct streams *streams);

/* Ends those whose clients may not read on: a token or key is good no more. To be called every few
 * milliseconds. */
void streams_tick(struct streams *streams, struct instant now);

/* While the process is draining: ends those whose turn it is, so that clients do not all come back
 * at once, and that none is left when the drain is over. To be called every few milliseconds. */
void streams_drain(struct streams *streams, int64_t now_us);
/* Ends all that rest; others as soon as they have sent what they have. */
void streams_stop(struct streams *streams);
/* Ends all at once, whatever their clients have taken. */
void streams_close(struct streams *streams);

#endif
