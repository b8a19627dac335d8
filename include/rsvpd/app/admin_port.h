/* The admin port of a process: health and metrics, in a loop that is not busy with clients. */
#ifndef RSVPD_APP_ADMIN_PORT_H
#define RSVPD_APP_ADMIN_PORT_H

#include "rsvpd/base/clock.h"
#include "rsvpd/base/config.h"
#include "rsvpd/base/contract.h"
#include "rsvpd/http/server.h"

enum { ADMIN_PORT_CONNECTIONS_MAX = 128 };

struct admin_port {
    struct http_server *server; /* NULL: it is not open */
    struct metrics *metrics;    /* of the loop's thread; the owner frees them at the end */
    struct crowd clients;
};

/* Opens ADMIN_PORT. False, with the cause in the log, where it cannot be. */
MUST_CHECK bool admin_port_open(struct admin_port *port, const struct config *config,
                                uv_loop_t *loop, const struct http_process *process);

/* To be called every few milliseconds, and at the end of every iteration of the loop. */
void admin_port_tick(struct admin_port *port, struct instant now);
void admin_port_end_iteration(struct admin_port *port);

/* The loop must run once more before it is closed. */
void admin_port_close(struct admin_port *port);

#endif
