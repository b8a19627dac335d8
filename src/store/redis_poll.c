/* A connection of hiredis in a loop of libuv.
 *
 * DESIGN: hiredis brings an adapter of its own, but one that cannot fail to attach: it loses its
 * memory where libuv cannot watch the socket, and leaves hooks in the context that then run on
 * NULL. */
#include "rsvpd/store/redis_poll.h"

#include <hiredis/async.h>
#include <stdlib.h>

struct redis_poll {
    uv_poll_t poll;
    redisAsyncContext *context; /* NULL once hiredis frees it */
    int events;
};

static void on_socket(uv_poll_t *poll, int status, int events)
{
    struct redis_poll *watch = poll->data;
    if (status != 0) { /* hiredis is to find out what is wrong with its socket */
        events = watch->events;
    }
    if (watch->context != NULL && (events & UV_READABLE) != 0) {
        redisAsyncHandleRead(watch->context);
    }
    if (watch->context != NULL && (events & UV_WRITABLE) != 0) {
        redisAsyncHandleWrite(watch->context);
    }
}

/* Should libuv refuse, no answer comes in time, which ends the connection. */
static void watch_for(struct redis_poll *watch, int events)
{
    watch->events = events;
    if (events != 0) {
        (void)uv_poll_start(&watch->poll, events, on_socket);
    } else {
        (void)uv_poll_stop(&watch->poll);
    }
}

static void add_read(void *watch_)
{
    struct redis_poll *watch = watch_;
    watch_for(watch, watch->events | UV_READABLE);
}

static void remove_read(void *watch_)
{
    struct redis_poll *watch = watch_;
    watch_for(watch, watch->events & ~UV_READABLE);
}

static void add_write(void *watch_)
{
    struct redis_poll *watch = watch_;
    watch_for(watch, watch->events | UV_WRITABLE);
}

static void remove_write(void *watch_)
{
    struct redis_poll *watch = watch_;
    watch_for(watch, watch->events & ~UV_WRITABLE);
}

static void free_watch(uv_handle_t *poll)
{
    free(poll->data);
}

static void clean_up(void *watch_)
{
    struct redis_poll *watch = watch_;
    watch->context = NULL;
    uv_close((uv_handle_t *)&watch->poll, free_watch);
}

bool redis_poll_attach(redisAsyncContext *context, uv_loop_t *loop)
{
    struct redis_poll *watch = calloc(1, sizeof *watch);
    if (watch == NULL || uv_poll_init(loop, &watch->poll, context->c.fd) != 0) {
        free(watch);
        return false;
    }
    watch->poll.data = watch;
    watch->context = context;
    context->ev.data = watch;
    context->ev.addRead = add_read;
    context->ev.delRead = remove_read;
    context->ev.addWrite = add_write;
    context->ev.delWrite = remove_write;
    context->ev.cleanup = clean_up;
    return true;
}
