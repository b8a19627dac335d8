/* The admin port of a process. */
#include "rsvpd/app/admin_port.h"
#include "rsvpd/base/clock.h"
#include "rsvpd/base/log.h"
#include "rsvpd/http/listener.h"
#include "rsvpd/http/routes.h"

enum { DEADLINE_US = 5 * 1000 * 1000 };

bool admin_port_open(struct admin_port *port, const struct config *config, uv_loop_t *loop,
                     const struct http_process *process)
{
    char error[LISTENER_ERROR_SIZE_BYTES];
    int fd;
    if (!listener_open(config->admin_bind_address, (uint16_t)config->admin_port, &fd, 1, error)) {
        log_event(LOG_ERROR, "cannot open the admin port", LOG_CSTR("variable", "ADMIN_PORT"),
                  LOG_CSTR("reason", error));
        return false;
    }
    crowd_init(&port->clients, ADMIN_PORT_CONNECTIONS_MAX);
    port->metrics = metrics_create();
    if (port->metrics == NULL) {
        log_event(LOG_ERROR, "not enough memory for the admin port");
        return false;
    }
    port->server = http_server_create(&(struct http_server_setup){
        .loop = loop,
        .listen_fd = fd,
        .context = {.routes = &routes,
                    .port = ROUTE_ADMIN,
                    .now_us = clock_mono_us,
                    .metrics = port->metrics,
                    .process = *process,
                    .limits = {.deadline_us = DEADLINE_US}},
        .crowd = &port->clients,
        .keepalive_us = config->keepalive_timeout_ms * 1000,
        .random_seed = clock_entropy(),
    });
    return port->server != NULL;
}

void admin_port_tick(struct admin_port *port, struct instant now)
{
    http_server_tick(port->server, now);
}

void admin_port_end_iteration(struct admin_port *port)
{
    if (port->server != NULL) {
        (void)http_server_end_iteration(port->server); /* what is left waits for the next tick */
    }
}

void admin_port_close(struct admin_port *port)
{
    http_server_destroy(&port->server);
}
