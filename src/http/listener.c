/* Listening sockets. */
#include "rsvpd/http/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BACKLOG = 4096,
    /* The kernel doubles it. It would let the buffer of a client that does not read grow to
     * megabytes (tcp_wmem in tcp(7)); this takes most answers at once. */
    SEND_BUFFER_BYTES = 128 * 1024,
};

union any_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t make_address(const char *text, uint16_t port, union any_address *address)
{
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, text, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons(port);
        return sizeof address->v4;
    }
    address->v6.sin6_family = AF_INET6;
    address->v6.sin6_port = htons(port);
    return inet_pton(AF_INET6, text, &address->v6.sin6_addr) == 1 ? sizeof address->v6 : 0;
}

/* A bound socket; those that it accepts have its send buffer. -1 with errno set where there is
 * none. */
static int open_bound(const union any_address *address, socklen_t size, bool shared)
{
    const int on = 1, send_buffer_bytes = SEND_BUFFER_BYTES;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer_bytes, sizeof send_buffer_bytes) == 0 &&
        (!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
        bind(fd, &address->any, size) == 0) {
        return fd;
    }
    int cause = errno;
    close(fd);
    errno = cause;
    return -1;
}

bool listener_open(const char *address_text, uint16_t port, int *fds, int count,
                   char error[LISTENER_ERROR_SIZE_BYTES])
{
    union any_address address;
    socklen_t size = make_address(address_text, port, &address);
    int opened = 0;
    /* Shared sockets would bind next to those of another process of ours and take half of its
     * connections; one that is not shared shows whether somebody is there. */
    int probe = size == 0 ? -1 : open_bound(&address, size, false);
    bool done = probe >= 0 && close(probe) == 0;
    while (done && opened < count) {
        fds[opened] = open_bound(&address, size, true);
        done = fds[opened] >= 0;
        opened += done;
        done = done && listen(fds[opened - 1], BACKLOG) == 0;
    }
    if (done) {
        return true;
    }
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): glibc's strerror is safe since 2.32 */
    const char *why = strerror(errno);
    snprintf(error, LISTENER_ERROR_SIZE_BYTES, "cannot listen on %s port %u: %s", address_text,
             (unsigned)port, why);
    while (opened > 0) {
        close(fds[--opened]);
    }
    return false;
}
