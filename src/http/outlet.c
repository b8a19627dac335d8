/* The socket of a stream. */
#include "rsvpd/http/outlet.h"
#include "rsvpd/base/list.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    SIZE_LINE_BYTES = 24,
    PARTS_MAX = 3,
    /* What waits in the kernel for a slow reader is old news by the time it is read, and takes
     * memory. What was sent and not confirmed does not count (TCP_NOTSENT_LOWAT in tcp(7)). */
    UNSENT_MAX_BYTES = 4096,
};

struct outlet {
    uv_poll_t poll;
    struct outlet_listener listener;
    int fd;
    bool chunked;
    char *rest; /* that the kernel has no room for; NULL: nothing */
    size_t rest_size;
};

static void on_closed(uv_handle_t *handle)
{
    free(list_entry(handle, struct outlet, poll));
}

struct outlet *outlet_create(uv_loop_t *loop, int fd, bool chunked,
                             const struct outlet_listener *listener)
{
    const int one = 1, unsent_max = UNSENT_MAX_BYTES;
    struct outlet *outlet = malloc(sizeof *outlet);
    if (outlet == NULL || uv_poll_init(loop, &outlet->poll, fd) != 0) {
        free(outlet);
        return NULL;
    }
    outlet->listener = *listener;
    outlet->fd = fd;
    outlet->chunked = chunked;
    outlet->rest = NULL;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_max, sizeof unsent_max);
    return outlet;
}

void outlet_close(struct outlet **outlet)
{
    if (*outlet != NULL) {
        free((*outlet)->rest);
        uv_close((uv_handle_t *)&(*outlet)->poll, on_closed);
        close((*outlet)->fd);
        *outlet = NULL;
    }
}

static void on_event(uv_poll_t *poll, int status, int events);

static bool watch(struct outlet *outlet, bool room)
{
    return uv_poll_start(&outlet->poll, UV_DISCONNECT | (room ? UV_WRITABLE : 0), on_event) == 0;
}

bool outlet_start(struct outlet *outlet)
{
    return watch(outlet, outlet->rest != NULL);
}

/* Sends what waits. False where some of it still does, or it cannot be. */
static bool send_rest(struct outlet *outlet)
{
    ssize_t sent = send(outlet->fd, outlet->rest, outlet->rest_size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
        return false; /* where it is broken, that is told as well */
    }
    outlet->rest_size -= (size_t)sent;
    memmove(outlet->rest, outlet->rest + sent, outlet->rest_size);
    if (outlet->rest_size > 0) {
        return false;
    }
    free(outlet->rest);
    outlet->rest = NULL;
    return watch(outlet, false);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct outlet *outlet = list_entry(poll, struct outlet, poll);
    if (status < 0 || (events & UV_DISCONNECT) != 0) {
        (void)uv_poll_stop(poll);
        outlet->listener.left(outlet->listener.owner);
    } else if (outlet->rest != NULL && send_rest(outlet)) {
        outlet->listener.has_room(outlet->listener.owner);
    }
}

/* Keeps what lies behind the first `sent` bytes of these parts. */
static enum outlet_state keep_rest(struct outlet *outlet, const struct iovec parts[PARTS_MAX],
                                   size_t size, size_t sent)
{
    outlet->rest = malloc(size - sent);
    if (outlet->rest == NULL || !watch(outlet, true)) {
        return OUTLET_BROKEN;
    }
    outlet->rest_size = 0;
    for (size_t i = 0; i < PARTS_MAX; i++) {
        size_t skip = sent < parts[i].iov_len ? sent : parts[i].iov_len;
        sent -= skip;
        memcpy(outlet->rest + outlet->rest_size, (const char *)parts[i].iov_base + skip,
               parts[i].iov_len - skip);
        outlet->rest_size += parts[i].iov_len - skip;
    }
    return OUTLET_FULL;
}

static enum outlet_state send_parts(struct outlet *outlet, struct iovec parts[PARTS_MAX])
{
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = PARTS_MAX};
    size_t size = 0;
    assert(outlet->rest == NULL);
    for (size_t i = 0; i < PARTS_MAX; i++) {
        size += parts[i].iov_len;
    }
    ssize_t sent = sendmsg(outlet->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        return OUTLET_BROKEN;
    }
    size_t taken = sent < 0 ? 0 : (size_t)sent;
    return taken == size ? OUTLET_HAS_ROOM : keep_rest(outlet, parts, size, taken);
}

static struct iovec part_of(struct slice bytes)
{
    return (struct iovec){.iov_base = (void *)bytes.data, .iov_len = bytes.size};
}

static enum outlet_state send_one(struct outlet *outlet, struct slice bytes)
{
    struct iovec parts[PARTS_MAX] = {part_of(bytes), part_of(slice_of("")), part_of(slice_of(""))};
    return send_parts(outlet, parts);
}

enum outlet_state outlet_send_head(struct outlet *outlet, struct slice head)
{
    return send_one(outlet, head);
}

enum outlet_state outlet_send(struct outlet *outlet, struct slice part)
{
    char line[SIZE_LINE_BYTES];
    assert(part.size > 0); /* that would be the end */
    if (!outlet->chunked) {
        return send_one(outlet, part);
    }
    int size = snprintf(line, sizeof line, "%zx\r\n", part.size);
    struct iovec parts[PARTS_MAX] = {part_of(slice_make(line, (size_t)size)), part_of(part),
                                     part_of(slice_of("\r\n"))};
    return send_parts(outlet, parts);
}

enum outlet_state outlet_send_end(struct outlet *outlet)
{
    return outlet->chunked ? send_one(outlet, slice_of("0\r\n\r\n")) : OUTLET_HAS_ROOM;
}

void outlet_reset(const struct outlet *outlet)
{
    const struct linger none = {.l_onoff = 1, .l_linger = 0}; /* socket(7), SO_LINGER */
    (void)setsockopt(outlet->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    (void)shutdown(outlet->fd, SHUT_RDWR);
}
