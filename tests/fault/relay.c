/* A fault proxy between the service and a store. */
#include "relay.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "load.h"
#include "process.h"

enum {
    LINKS_MAX = 128,
    PIECE_SIZE = 16384,
    PIECES_MAX = 64, /* under way in one direction; more wait in the sender's socket */
    RESEND_MS = 200, /* the least that Linux waits before it sends again */
    TURN_MS = 1,
    PATH_SIZE = PROCESS_PATH_SIZE + 64,
};

struct piece {
    int64_t due_us;
    size_t size;
    size_t sent;
    char bytes[PIECE_SIZE];
};

/* One direction of a connection: a ring of pieces. */
struct pool {
    struct piece *pieces[PIECES_MAX];
    size_t first;
    size_t count;
    bool ended;      /* the sender has; the receiver hears of it after the last piece */
    int64_t free_us; /* when what was taken will have passed, as many bytes a second as may */
};

struct link {
    int ends[2]; /* the service's and the store's; -1: no connection */
    struct pool pools[2];
};

struct relay {
    char directory[PROCESS_PATH_SIZE];
    char path[PATH_SIZE];
    struct sockaddr_un store;
    int listener;
    struct link links[LINKS_MAX];
    struct load_random random;
    atomic_int delay_ms;
    atomic_int loss_percent;
    atomic_int partitioned;
    atomic_int bytes_per_s;
    atomic_bool cut;
    atomic_bool stopping;
    pthread_t thread;
};

static void link_close(struct link *link)
{
    for (unsigned i = 0; i < 2; i++) {
        close(link->ends[i]);
        link->ends[i] = -1;
        while (link->pools[i].count > 0) {
            free(link->pools[i].pieces[link->pools[i].first++ % PIECES_MAX]);
            link->pools[i].count--;
        }
        link->pools[i] = (struct pool){.first = 0};
    }
}

static void accept_one(struct relay *relay)
{
    struct link *link = NULL;
    for (size_t i = 0; i < LINKS_MAX && link == NULL; i++) {
        link = relay->links[i].ends[0] < 0 ? &relay->links[i] : NULL;
    }
    if (link == NULL) {
        return; /* it waits in the listener's queue */
    }
    const int from = accept4(relay->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (from < 0) {
        return;
    }
    const int to = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (to < 0 || connect(to, (const struct sockaddr *)&relay->store, sizeof relay->store) != 0) {
        close(to);
        close(from);
        return;
    }
    link->ends[0] = from;
    link->ends[1] = to;
}

/* Reads what the sender of that pool sent. */
static void lane_take(struct relay *relay, struct link *link, unsigned side)
{
    struct pool *pool = &link->pools[side];
    if (pool->count == PIECES_MAX || pool->ended) {
        return;
    }
    struct piece *piece = malloc(sizeof *piece);
    const ssize_t size = recv(link->ends[side], piece->bytes, PIECE_SIZE, MSG_DONTWAIT);
    if (size <= 0) {
        pool->ended = size == 0 || (errno != EAGAIN && errno != EINTR);
        free(piece);
        return;
    }
    const bool lost =
        (int)load_random_below(&relay->random, 100) < atomic_load(&relay->loss_percent);
    const int64_t delay_ms = atomic_load(&relay->delay_ms) + (lost ? RESEND_MS : 0);
    const int64_t now_us = load_now_us();
    const int bytes_per_s = atomic_load(&relay->bytes_per_s);
    pool->free_us = pool->free_us > now_us ? pool->free_us : now_us;
    pool->free_us += bytes_per_s > 0 ? size * 1000000 / bytes_per_s : 0;
    piece->due_us = pool->free_us + delay_ms * 1000;
    piece->size = (size_t)size;
    piece->sent = 0;
    pool->pieces[(pool->first + pool->count++) % PIECES_MAX] = piece;
}

/* Hands over what is due; false when the receiver is gone, or the pool has come to its end. */
static bool lane_give(struct link *link, unsigned side)
{
    struct pool *pool = &link->pools[side];
    const int64_t now_us = load_now_us();
    while (pool->count > 0 && pool->pieces[pool->first]->due_us <= now_us) {
        struct piece *piece = pool->pieces[pool->first];
        const ssize_t size = send(link->ends[1 - side], piece->bytes + piece->sent,
                                  piece->size - piece->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        piece->sent += (size_t)size;
        if (piece->sent < piece->size) {
            return true;
        }
        free(piece);
        pool->first = (pool->first + 1) % PIECES_MAX;
        pool->count--;
    }
    return pool->count > 0 || !pool->ended;
}

static void link_turn(struct relay *relay, struct link *link)
{
    for (unsigned side = 0; side < 2; side++) {
        lane_take(relay, link, side);
    }
    if (!lane_give(link, 0) || !lane_give(link, 1)) {
        link_close(link);
    }
}

/* Sleeps until there may be something to do. */
static bool wait_for_bytes(struct relay *relay)
{
    struct pollfd polls[1 + 2 * LINKS_MAX];
    nfds_t count = 0;
    bool pending = false;
    polls[count++] = (struct pollfd){.fd = relay->listener, .events = POLLIN};
    for (size_t i = 0; i < LINKS_MAX; i++) {
        const struct link *link = &relay->links[i];
        for (unsigned side = 0; side < 2 && link->ends[0] >= 0; side++) {
            pending = pending || link->pools[side].count > 0;
            polls[count++] = (struct pollfd){
                .fd = link->pools[side].ended ? -1 : link->ends[side],
                .events = POLLIN,
            };
        }
    }
    poll(polls, count, pending ? TURN_MS : 20);
    return (polls[0].revents & POLLIN) != 0;
}

static void *run(void *context)
{
    struct relay *relay = context;
    while (!atomic_load(&relay->stopping)) {
        if (atomic_exchange(&relay->cut, false)) {
            for (size_t i = 0; i < LINKS_MAX; i++) {
                link_close(&relay->links[i]);
            }
        }
        if (atomic_load(&relay->partitioned)) {
            process_nap();
            continue;
        }
        if (wait_for_bytes(relay)) {
            accept_one(relay);
        }
        for (size_t i = 0; i < LINKS_MAX; i++) {
            if (relay->links[i].ends[0] >= 0) {
                link_turn(relay, &relay->links[i]);
            }
        }
    }
    return NULL;
}

struct relay *relay_create(const char *path)
{
    struct relay *relay = calloc(1, sizeof *relay);
    struct sockaddr_un here = {.sun_family = AF_UNIX};
    process_make_directory(relay->directory, NULL);
    snprintf(relay->path, sizeof relay->path, "%s%s", relay->directory, strrchr(path, '/'));
    snprintf(here.sun_path, sizeof here.sun_path, "%.100s", relay->path);
    relay->store.sun_family = AF_UNIX;
    snprintf(relay->store.sun_path, sizeof relay->store.sun_path, "%s", path);
    relay->random = load_random_stream(LOAD_CLIENTS_MAX);
    for (size_t i = 0; i < LINKS_MAX; i++) {
        relay->links[i].ends[0] = relay->links[i].ends[1] = -1;
    }
    relay->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bind(relay->listener, (const struct sockaddr *)&here, sizeof here) != 0 ||
        listen(relay->listener, LINKS_MAX) != 0 ||
        pthread_create(&relay->thread, NULL, run, relay) != 0) {
        process_fail("no relay at %s: %s", relay->path, strerror(errno));
    }
    return relay;
}

const char *relay_directory(const struct relay *relay)
{
    return relay->directory;
}

const char *relay_path(const struct relay *relay)
{
    return relay->path;
}

void relay_set_weather(struct relay *relay, const struct relay_weather *weather)
{
    atomic_store(&relay->delay_ms, weather->delay_ms);
    atomic_store(&relay->loss_percent, weather->loss_percent);
    atomic_store(&relay->partitioned, weather->partitioned);
    atomic_store(&relay->bytes_per_s, weather->bytes_per_s);
}

void relay_cut(struct relay *relay)
{
    atomic_store(&relay->cut, true);
}

void relay_destroy(struct relay **pointer)
{
    struct relay *relay = *pointer;
    if (relay == NULL) {
        return;
    }
    *pointer = NULL;
    atomic_store(&relay->stopping, true);
    pthread_join(relay->thread, NULL);
    for (size_t i = 0; i < LINKS_MAX; i++) {
        link_close(&relay->links[i]);
    }
    close(relay->listener);
    process_remove_directory(relay->directory);
    free(relay);
}
