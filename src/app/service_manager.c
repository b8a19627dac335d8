/* Tells a service manager how the process is.
 *
 * DESIGN: The protocol is a few lines of text in a datagram, so libsystemd is not linked for it. A
 * message that does not fit the manager's queue is sent again at the next tick, unless a newer one
 * has taken its place. */
#include "rsvpd/app/service_manager.h"
#include "rsvpd/base/log.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    NEWS_EVERY_US = 1000 * 1000,
    NEWS_AT_START_EVERY_US = 100 * 1000, /* whoever waits for the start waits no longer */
};

/* A path, or '@' and a name in the abstract namespace. */
static bool parse_address(struct service_manager *manager, const char *text)
{
    size_t size = strlen(text);
    manager->address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if ((text[0] != '/' && text[0] != '@') || size < 2 ||
        size >= sizeof manager->address.sun_path) {
        return false;
    }
    memcpy(manager->address.sun_path, text, size);
    if (text[0] == '@') {
        manager->address.sun_path[0] = '\0';
    }
    manager->address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    return true;
}

/* A number above 0; 0 where the text is none. */
static int64_t parse_number(const char *text)
{
    size_t size = text == NULL ? 0 : strlen(text);
    bool digits = size > 0 && size <= 18 && strspn(text, "0123456789") == size;
    return digits ? strtoll(text, NULL, 10) : 0;
}

/* The watchdog waits for the process that WATCHDOG_PID names, or, without it, for any. */
static void read_watchdog(struct service_manager *manager, config_lookup_fn *lookup)
{
    const char *period = lookup("WATCHDOG_USEC"), *pid = lookup("WATCHDOG_PID");
    if (period == NULL || (pid != NULL && parse_number(pid) != getpid())) {
        return;
    }
    manager->alive_every_us = parse_number(period) / 2;
    if (manager->alive_every_us == 0) {
        log_event(LOG_WARN, "cannot feed the watchdog", LOG_CSTR("variable", "WATCHDOG_USEC"),
                  LOG_CSTR("reason", "it is not a number of microseconds"));
        return;
    }
    /* A whole number of them is the time after which it is told: it is never told late. */
    int64_t parts = (manager->alive_every_us + NEWS_EVERY_US - 1) / NEWS_EVERY_US;
    manager->news_every_us = manager->alive_every_us / parts;
}

void service_manager_init(struct service_manager *manager, config_lookup_fn *lookup)
{
    const char *name = lookup("NOTIFY_SOCKET"), *reason = NULL;
    *manager = (struct service_manager){.fd = -1, .news_every_us = NEWS_EVERY_US};
    if (name == NULL || *name == '\0') {
        return;
    }
    if (!parse_address(manager, name)) {
        reason = "it is neither a path nor '@' and a name, or too long";
    } else if ((manager->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0) {
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): glibc's strerror is safe since 2.32 */
        reason = strerror(errno);
    }
    if (reason != NULL) {
        log_event(LOG_WARN, "cannot tell the service manager",
                  LOG_CSTR("variable", "NOTIFY_SOCKET"), LOG_CSTR("reason", reason));
        return;
    }
    read_watchdog(manager, lookup);
}

void service_manager_end(struct service_manager *manager)
{
    if (manager->fd >= 0) {
        close(manager->fd);
        manager->fd = -1;
    }
}

/* Sends what is unsent. A manager that is gone is no fault of the process: it hears the next one.
 */
static void send_unsent(struct service_manager *manager)
{
    ssize_t sent =
        sendto(manager->fd, manager->unsent, strlen(manager->unsent), MSG_DONTWAIT | MSG_NOSIGNAL,
               (const struct sockaddr *)&manager->address, manager->address_size);
    if (sent >= 0 || (errno != EAGAIN && errno != ENOBUFS && errno != EINTR)) {
        manager->unsent[0] = '\0';
    }
}

static void tell(struct service_manager *manager, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void tell(struct service_manager *manager, const char *format, ...)
{
    if (manager->fd < 0) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(manager->unsent, sizeof manager->unsent, format, arguments);
    va_end(arguments);
    assert(size > 0 && (size_t)size < sizeof manager->unsent);
    send_unsent(manager);
}

bool service_manager_wants_news(struct service_manager *manager, int64_t now_us)
{
    if (manager->fd < 0 || (now_us < manager->news_at_us && manager->unsent[0] == '\0')) {
        return false;
    }
    bool soon = !manager->ready && manager->news_every_us > NEWS_AT_START_EVERY_US;
    manager->news_at_us = now_us + (soon ? NEWS_AT_START_EVERY_US : manager->news_every_us);
    return true;
}

void service_manager_tick(struct service_manager *manager, bool alive, bool ready,
                          const char *status, int64_t now_us)
{
    assert(strlen(status) < sizeof manager->status);
    if (manager->fd < 0) {
        return;
    }
    if (manager->unsent[0] != '\0') {
        send_unsent(manager);
        return;
    }
    bool first = ready && !manager->ready && !manager->stopping;
    if (first || strcmp(status, manager->status) != 0) {
        manager->ready = manager->ready || first;
        memcpy(manager->status, status, strlen(status) + 1);
        tell(manager, "%sSTATUS=%s\n", first ? "READY=1\n" : "", status);
    }
    if (alive && manager->alive_every_us > 0 &&
        now_us - manager->alive_told_us >= manager->alive_every_us && manager->unsent[0] == '\0') {
        tell(manager, "WATCHDOG=1\n");
        bool told = manager->unsent[0] == '\0'; /* or another message may take its place */
        manager->alive_told_us = told ? now_us : manager->alive_told_us;
    }
}

void service_manager_reloading(struct service_manager *manager, int64_t now_us)
{
    if (manager->ready && !manager->stopping) {
        manager->reloading = true;
        tell(manager, "RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\n", now_us);
    }
}

void service_manager_reloaded(struct service_manager *manager)
{
    if (manager->reloading && !manager->stopping) {
        tell(manager, "READY=1\n");
    }
    manager->reloading = false;
}

void service_manager_stopping(struct service_manager *manager, int64_t longest_us)
{
    manager->stopping = true;
    tell(manager, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRId64 "\n", longest_us);
}
