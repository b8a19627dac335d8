/* The HTTP server of one loop: connections, requests and their deadlines. The only code that knows
 * libmicrohttpd. */
#ifndef RSVPD_HTTP_SERVER_H
#define RSVPD_HTTP_SERVER_H

#include "rsvpd/http/context.h"
#include "rsvpd/http/crowd.h"

#include <uv.h>

struct http_server_setup {
    uv_loop_t *loop;
    int listen_fd;               /* non-blocking, listening; the server closes it */
    struct http_context context; /* but for its own: `addresses`, `random`, `server` and so on */
    struct crowd *crowd;         /* the limit on connections; of all that share it */
    int64_t keepalive_us;        /* how long a connection may wait for a further request */
    int64_t connections_per_address_max; /* of this server, and as many streams; 0: no limit */
    int64_t access_log_every;            /* 0: none */
    uint64_t random_seed;
};

/* NULL, with the cause in the log, where it cannot be started; then the socket is still the
 * caller's. */
struct http_server *http_server_create(const struct http_server_setup *setup);

/* Sends what has been answered. To be called at the end of every iteration of the loop. True where
 * there is more to do at once. */
bool http_server_end_iteration(struct http_server *server);

/* Lets requests go on that wait for the check of who sends them, as many as one iteration may. To
 * be called after all else that an iteration does. True where there is more to do at once. */
bool http_server_check_waiting(struct http_server *server);

/* Ends what does not arrive in time. To be called every few milliseconds. */
void http_server_tick(struct http_server *server, struct instant now);

/* Takes in the connections that wait to be accepted, and no more. */
void http_server_stop_listening(struct http_server *server);

/* Refuses the requests that begin from here on. */
void http_server_stop_serving(struct http_server *server);

/* Requests that have begun, and whose answer has not been sent whole; but for streams that have not
 * ended, which are for ever. They end by themselves once the process is draining. From then on also
 * those whose clients have not taken the last answer of their connection. */
size_t http_server_active(const struct http_server *server);

/* Those of them that wait for the service. */
size_t http_server_waiting(const struct http_server *server);

/* Ends all connections, and their streams; none may have a request that waits for the service. The
 * loop must run once more before it is closed. */
void http_server_destroy(struct http_server **server);

#endif
