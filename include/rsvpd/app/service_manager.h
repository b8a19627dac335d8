/* Tells a service manager, such as systemd, how the process is: the protocol of sd_notify(3), over
 * the datagram socket that NOTIFY_SOCKET names. Where it is not set, nothing here does anything. Of
 * one thread, which never waits for the manager. */
#ifndef RSVPD_APP_SERVICE_MANAGER_H
#define RSVPD_APP_SERVICE_MANAGER_H

#include "rsvpd/base/config.h"
#include "rsvpd/base/contract.h"

#include <sys/socket.h>
#include <sys/un.h>

enum { SERVICE_MANAGER_MESSAGE_SIZE_BYTES = 256 };

struct service_manager {
    int fd; /* -1: there is no manager */
    struct sockaddr_un address;
    socklen_t address_size;
    int64_t alive_every_us; /* how often to say that all is alive; 0: nobody asks */
    int64_t alive_told_us;  /* monotonic */
    int64_t news_every_us;  /* how often it wants news */
    int64_t news_at_us;     /* when it wants the next; monotonic */
    bool ready;             /* it was told that the process serves */
    bool reloading;         /* and that it reads its configuration again */
    bool stopping;
    char status[SERVICE_MANAGER_MESSAGE_SIZE_BYTES / 2]; /* that it was told last */
    char unsent[SERVICE_MANAGER_MESSAGE_SIZE_BYTES]; /* what it had no room for; empty: nothing */
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. The log says where one is of no use. */
void service_manager_init(struct service_manager *manager, config_lookup_fn *lookup);
void service_manager_end(struct service_manager *manager);

/* To be asked every few milliseconds: whether it is time for service_manager_tick. That is once a
 * second; more often before it is ready, if the watchdog wants to hear more often, and while there
 * is something that the manager had no room for. */
MUST_CHECK bool service_manager_wants_news(struct service_manager *manager, int64_t now_us);

/* Tells what is new. `alive`: every loop turns; while it is false the manager
 * hears nothing of the watchdog. `ready`: the process can serve; the manager hears it once. */
void service_manager_tick(struct service_manager *manager, bool alive, bool ready,
                          const char *status, int64_t now_us);

/* The configuration is being read again; and that has ended. */
void service_manager_reloading(struct service_manager *manager, int64_t now_us);
void service_manager_reloaded(struct service_manager *manager);

/* The process ends, which takes at most so long from now. May be called again. */
void service_manager_stopping(struct service_manager *manager, int64_t longest_us);

#endif
