/* The client connections of one server: which of them want nothing now, since when, whether they
 * took their last answer, and which of those end to make room. */
#ifndef RSVPD_HTTP_CONNECTION_H
#define RSVPD_HTTP_CONNECTION_H

#include "rsvpd/base/list.h"
#include "rsvpd/http/client_address.h"
#include "rsvpd/http/crowd.h"
#include "rsvpd/http/tap.h"

#include <stddef.h>

enum {
    /* How many deadlines a client may take to take its answer in, which may be of some 200 KiB. One
     * that is slower holds memory of the kernel's for nothing. */
    CONNECTION_DEADLINES_TO_TAKE = 15,
};

/* Between requests it is in one of its server's lists. libmicrohttpd's own time-out begins anew
 * with every byte, and so would let a client that drips a request's first line hold its connection
 * for ever. */
struct connection {
    struct list_node link;
    int64_t since_us; /* monotonic: it was opened, or its last answer was with the kernel */
    int64_t look_us;  /* when it is looked at next whether the client took that */
    int fd;
    struct MHD_Connection *library; /* the HTTP library's */
    struct ip_address address;
    bool over_limit; /* it is one too many: its requests are refused */
    bool tapped;     /* what comes from it goes through the stream */
    struct tap_stream stream;
    uint64_t requests; /* that the HTTP library has begun */
};

struct connections {
    struct crowd *crowd;  /* shared with other servers */
    int64_t keepalive_us; /* how long a connection may wait for a further request */
    int64_t deadline_us;  /* how long the first line of a request may take */
    int64_t take_us;      /* and how long its client may take to take its answer */
    struct list surplus;  /* over the limit, and have made no request, the oldest first */
    struct list fresh;    /* have made no request, the oldest first */
    struct list settling; /* answered; it is not known that the client took it. By look_us */
    struct list starting; /* a part of a request's first line has come, the longest waiting first */
    struct list idle;     /* wait for a further request, the longest waiting first */
    size_t count;
    int64_t told_idle; /* what the crowd was told last */
};

void connections_init(struct connections *connections, struct crowd *crowd, int64_t keepalive_us,
                      int64_t deadline_us);

/* A client has connected. NULL where there is no memory for it. */
struct connection *connection_open(struct connections *connections, int fd,
                                   const struct sockaddr *address, int64_t now_us);

/* It has ended. NULL is one that there was no memory for. */
void connection_close(struct connections *connections, struct connection **connection);

/* What is wrong with the request that the HTTP library is at, which need not be the one that came
 * last. NULL where nothing is. */
const struct wire *connection_fault(const struct connection *connection);

/* Whether the client sends the body of the request that the HTTP library is at only once it is told
 * to (Expect: 100-continue). */
bool connection_awaits_continue(const struct connection *connection);

/* A part of a request's first line has come. */
void connection_start_request(struct connections *connections, struct connection *connection,
                              int64_t now_us);
/* One whose line has not come whole in time, and which waits for nothing any more; NULL where there
 * is none. */
struct connection *connections_take_overdue(struct connections *connections, int64_t now_us);
/* It makes a request, whose own deadline holds from here on. */
void connection_begin_request(struct connection *connection);
/* The request has come whole. From here on a client that sends no more still gets its answer. */
void connection_await_answer(struct connection *connection);
void connection_end_request(struct connections *connections, struct connection *connection,
                            int64_t now_us);

/* Ends it, and what its client has not taken: the kernel would keep that after the end. */
void connection_reset(const struct connection *connection);

/* Shuts down connections that have wanted nothing for too long, whose clients do not take their
 * answers or will send no more, and those that make room: for newcomers past the limit, and where
 * `descriptors_short`. To be called every few milliseconds.
 * True where some were. */
bool connections_tick(struct connections *connections, bool descriptors_short, int64_t now_us);

#endif
