/* Tells when a client leaves. */
#include "rsvpd/http/client_watch.h"
#include "rsvpd/base/list.h"

#include <stdlib.h>

struct client_watch {
    uv_poll_t poll;
    void (*left)(void *owner);
    void *owner;
};

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct client_watch *watch = list_entry(poll, struct client_watch, poll);
    (void)status;
    (void)events;
    (void)uv_poll_stop(poll);
    watch->left(watch->owner);
}

static void on_closed(uv_handle_t *handle)
{
    free(list_entry(handle, struct client_watch, poll));
}

struct client_watch *client_watch_start(uv_loop_t *loop, int fd, void (*left)(void *owner),
                                        void *owner)
{
    struct client_watch *watch = malloc(sizeof *watch);
    if (watch == NULL || uv_poll_init(loop, &watch->poll, fd) != 0) {
        free(watch);
        return NULL;
    }
    watch->left = left;
    watch->owner = owner;
    if (uv_poll_start(&watch->poll, UV_DISCONNECT, on_event) != 0) {
        client_watch_stop(&watch);
    }
    return watch;
}

void client_watch_stop(struct client_watch **watch)
{
    if (*watch != NULL) {
        uv_close((uv_handle_t *)&(*watch)->poll, on_closed);
        *watch = NULL;
    }
}
