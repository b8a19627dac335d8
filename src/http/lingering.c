/* Connections that are closed in stages. */
#include "rsvpd/http/lingering.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    DROP_SIZE_BYTES = 16 * 1024,
    DROPS_MAX = 16, /* at a time: then others have their turn */
};

struct lingerer {
    struct list_node link;
    int fd;
    int64_t since_us;
};

void lingering_init(struct lingering *lingering, int64_t bound_us)
{
    *lingering = (struct lingering){.bound_us = bound_us};
    list_init(&lingering->sockets);
}

void lingering_keep(struct lingering *lingering, int fd, int64_t now_us)
{
    struct lingerer *lingerer = lingering->count < LINGERING_MAX ? malloc(sizeof *lingerer) : NULL;
    if (lingerer == NULL) {
        return;
    }
    *lingerer = (struct lingerer){.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0), .since_us = now_us};
    if (lingerer->fd < 0) {
        free(lingerer);
        return;
    }
    (void)shutdown(lingerer->fd, SHUT_WR);
    list_push_back(&lingering->sockets, &lingerer->link);
    lingering->count++;
}

/* It is in no list any more. */
static void end(struct lingering *lingering, struct lingerer *lingerer)
{
    close(lingerer->fd);
    free(lingerer);
    lingering->count--;
}

/* Drops what has come. False where nothing more will: the client's side has ended, or is gone. */
static bool drop_input(const struct lingerer *lingerer)
{
    char bytes[DROP_SIZE_BYTES];
    ssize_t size = 1;
    for (int i = 0; size > 0 && i < DROPS_MAX; i++) {
        size = recv(lingerer->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    }
    return size > 0 || (size < 0 && (errno == EAGAIN || errno == EINTR));
}

/* Whether the client's side has confirmed all, with the end of ours. */
static bool has_taken(const struct lingerer *lingerer)
{
    int untaken_bytes;
    return ioctl(lingerer->fd, SIOCOUTQ, &untaken_bytes) != 0 || untaken_bytes == 0;
}

static bool is_over(const struct lingering *lingering, const struct lingerer *lingerer,
                    int64_t now_us)
{
    return !drop_input(lingerer) || has_taken(lingerer) ||
           now_us - lingerer->since_us > lingering->bound_us;
}

void lingering_tick(struct lingering *lingering, int64_t now_us)
{
    struct list_node *next;
    for (struct list_node *node = list_first(&lingering->sockets); node != NULL; node = next) {
        struct lingerer *lingerer = list_entry(node, struct lingerer, link);
        next = node->next == &lingering->sockets.head ? NULL : node->next;
        if (is_over(lingering, lingerer, now_us)) {
            list_remove(node);
            end(lingering, lingerer);
        }
    }
}

void lingering_close(struct lingering *lingering)
{
    struct list_node *node;
    while ((node = list_pop_front(&lingering->sockets)) != NULL) {
        end(lingering, list_entry(node, struct lingerer, link));
    }
}
