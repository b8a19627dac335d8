/* A Redis that sends what it likes. */
#include "fake_redis.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include "process.h"

enum { PEERS_MAX = 64, POLL_MS = 5, INPUT_SIZE = 16384, FILLER_TURNS = 64, BOUND_MS = 60000 };

const struct fake_redis_trick fake_redis_tricks[] = {
    /* What nobody asked for. */
    {FAKE_REDIS_UNASKED, "+HELLO\r\n", NULL, false, false},
    {FAKE_REDIS_UNASKED, ":1\r\n", NULL, false, true},
    {FAKE_REDIS_UNASKED, "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n", NULL, false, false},
    {FAKE_REDIS_UNASKED, ">2\r\n$10\r\ninvalidate\r\n*0\r\n", NULL, false, false},
    {FAKE_REDIS_UNASKED, "", "+OK\r\n", false, false},
    {FAKE_REDIS_BEHIND, "+OK\r\n", NULL, false, false},
    {FAKE_REDIS_BEHIND, "*1\r\n$-1\r\n", NULL, false, false},
    {FAKE_REDIS_BEHIND, "\r\n", NULL, false, false},
    /* Sizes. */
    {FAKE_REDIS_FIRST, "*2147483647\r\n", NULL, false, false},
    {FAKE_REDIS_LIST, "*2147483647\r\n", NULL, false, false},
    {FAKE_REDIS_LIST, "*2147483647\r\n", "$1\r\na\r\n", false, false},
    {FAKE_REDIS_LIST, "*1\r\n$2147483647\r\n", "xxxxxxxx", false, false},
    {FAKE_REDIS_LIST, "*1\r\n$9223372036854775807\r\n", "xxxxxxxx", false, false},
    {FAKE_REDIS_LIST, "*1\r\n$-2147483648\r\n", NULL, false, false},
    {FAKE_REDIS_LIST, "*-2\r\n", NULL, false, false},
    {FAKE_REDIS_LIST, "*0\r\n", NULL, false, false},
    {FAKE_REDIS_LIST, "*2\r\n$-1\r\n$-1\r\n", NULL, false, false},
    {FAKE_REDIS_LIST, "*99999999999999999999999\r\n", NULL, false, false},
    {FAKE_REDIS_VALUE, ":99999999999999999999999\r\n", NULL, false, false},
    {FAKE_REDIS_VALUE, "$2147483647\r\n", "xxxxxxxx", false, false},
    {FAKE_REDIS_VALUE, "+", "xxxxxxxx", false, false},
    {FAKE_REDIS_VALUE, "-", "xxxxxxxx", false, false},
    {FAKE_REDIS_FIRST, "-", "ERR ", false, true},
    /* Depth. */
    {FAKE_REDIS_LIST, "", "*1\r\n", false, false},
    {FAKE_REDIS_LIST, "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n$-1\r\n", NULL, false,
     false},
    /* Another form, another protocol. */
    {FAKE_REDIS_LIST, "$-1\r\n", NULL, false, false},
    {FAKE_REDIS_LIST, "+OK\r\n", NULL, false, false},
    {FAKE_REDIS_LIST, "*1\r\n:5\r\n", NULL, false, false},
    {FAKE_REDIS_LIST, "%1\r\n+a\r\n+b\r\n", NULL, false, false},
    {FAKE_REDIS_VALUE, "*1\r\n$1\r\na\r\n", NULL, false, false},
    {FAKE_REDIS_FIRST, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", NULL, true, false},
    {FAKE_REDIS_FIRST, "\x16\x03\x01\x02", NULL, true, false},
    {FAKE_REDIS_FIRST, "", "\r\n", false, false},
    /* Parts. */
    {FAKE_REDIS_FIRST, "", NULL, true, false},
    {FAKE_REDIS_LIST, "*1\r\n$60\r\n00000", NULL, true, false},
    {FAKE_REDIS_LIST, "*1\r\n$60\r\n0000000000000000000000000000000000000000", NULL, false, true},
    {FAKE_REDIS_VALUE, "-LOADING Redis is loading\r\n", NULL, false, true},
    {FAKE_REDIS_LIST, "-MOVED 3999 127.0.0.1:6381\r\n", NULL, false, false},
};
const size_t fake_redis_trick_count = sizeof fake_redis_tricks / sizeof fake_redis_tricks[0];

struct peer {
    int fd; /* -1: free */
    const struct fake_redis_trick *trick;
    redisReader *reader;
    size_t answered;
    bool began; /* the trick is being played */
    char output[INPUT_SIZE];
    size_t size, sent;
};

struct fake_redis {
    const struct fake_redis_trick *tricks;
    size_t trick_count;
    int listener;
    pthread_t thread;
    atomic_bool stops;
    atomic_size_t next, played;
    struct peer peers[PEERS_MAX];
};

/* ---- one connection ---- */

static void end_peer(struct fake_redis *fake, struct peer *peer)
{
    atomic_fetch_add(&fake->played, peer->began);
    redisReaderFree(peer->reader);
    close(peer->fd);
    *peer = (struct peer){.fd = -1};
}

static void accept_peer(struct fake_redis *fake)
{
    struct peer *peer = fake->peers;
    while (peer < fake->peers + PEERS_MAX - 1 && peer->fd >= 0) {
        peer++;
    }
    const int fd = accept4(fake->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 || peer->fd >= 0) {
        close(fd);
        return;
    }
    *peer = (struct peer){
        .fd = fd,
        .trick = &fake->tricks[atomic_fetch_add(&fake->next, 1) % fake->trick_count],
        .reader = redisReaderCreate(),
    };
}

static void say(struct peer *peer, const char *bytes)
{
    const size_t size = strlen(bytes);
    if (size <= sizeof peer->output - peer->size) { /* else it does not read: no matter */
        memcpy(peer->output + peer->size, bytes, size);
        peer->size += size;
    }
}

/* As a Redis without keys. */
static void say_answer(struct peer *peer, const redisReply *command)
{
    char head[32];
    if (strcmp(command->element[0]->str, "MGET") != 0) {
        say(peer, ":1\r\n");
        return;
    }
    snprintf(head, sizeof head, "*%zu\r\n", command->elements - 1);
    say(peer, head);
    for (size_t i = 1; i < command->elements; i++) {
        say(peer, "$-1\r\n");
    }
}

static bool is_time(const struct peer *peer, bool is_list)
{
    const bool later = peer->answered >= 2;
    switch (peer->trick->moment) {
    case FAKE_REDIS_FIRST:
        return true;
    case FAKE_REDIS_UNASKED:
        return peer->answered == 1;
    case FAKE_REDIS_LIST:
    case FAKE_REDIS_BEHIND:
        return later && is_list;
    case FAKE_REDIS_VALUE:
        return later && !is_list;
    }
    return false;
}

static void answer(struct peer *peer, const redisReply *command)
{
    const enum fake_redis_moment moment = peer->trick->moment;
    const bool is_list = strcmp(command->element[0]->str, "MGET") == 0;
    const bool begins = !peer->began && is_time(peer, is_list);
    if (!begins || moment == FAKE_REDIS_UNASKED || moment == FAKE_REDIS_BEHIND) {
        say_answer(peer, command);
    }
    if (begins) {
        peer->began = true;
        say(peer, peer->trick->bytes);
    }
    peer->answered++;
}

/* False where the connection has ended. */
static bool listen_to(struct peer *peer)
{
    char input[INPUT_SIZE];
    const ssize_t size = recv(peer->fd, input, sizeof input, 0);
    void *command = NULL;
    if (size == 0 || (size < 0 && errno != EAGAIN)) {
        return false;
    }
    if (size < 0 || redisReaderFeed(peer->reader, input, (size_t)size) != REDIS_OK) {
        return size < 0;
    }
    while (redisReaderGetReply(peer->reader, &command) == REDIS_OK && command != NULL) {
        answer(peer, command);
        freeReplyObject(command);
    }
    return true;
}

static bool send_rest(struct peer *peer)
{
    const bool drips = peer->began && peer->trick->drips;
    const size_t rest = peer->size - peer->sent;
    const ssize_t size =
        rest == 0 ? 0 : send(peer->fd, peer->output + peer->sent, drips ? 1 : rest, MSG_NOSIGNAL);
    if (size < 0) {
        return errno == EAGAIN;
    }
    peer->sent += (size_t)size;
    if (peer->sent == peer->size) {
        peer->sent = peer->size = 0;
    }
    return peer->size > 0 || !peer->began || !peer->trick->closes;
}

/* False where the connection has ended. */
static bool speak(struct peer *peer)
{
    bool goes_on = send_rest(peer);
    for (int i = 0; i < FILLER_TURNS && goes_on && peer->began && peer->trick->filler != NULL &&
                    peer->size == 0;
         i++) {
        while (peer->size + strlen(peer->trick->filler) <= sizeof peer->output) {
            say(peer, peer->trick->filler);
        }
        goes_on = send_rest(peer);
    }
    return goes_on;
}

/* ---- all of them ---- */

static void *serve(void *fake_)
{
    struct fake_redis *fake = fake_;
    while (!atomic_load(&fake->stops)) {
        struct pollfd polled[PEERS_MAX + 1] = {{.fd = fake->listener, .events = POLLIN}};
        for (size_t i = 0; i < PEERS_MAX; i++) {
            polled[i + 1] = (struct pollfd){.fd = fake->peers[i].fd, .events = POLLIN};
        }
        poll(polled, PEERS_MAX + 1, POLL_MS);
        for (size_t i = 0; i < PEERS_MAX; i++) {
            struct peer *peer = &fake->peers[i];
            if (peer->fd >= 0 && (!listen_to(peer) || !speak(peer))) {
                end_peer(fake, peer);
            }
        }
        if (polled[0].revents != 0) {
            accept_peer(fake);
        }
    }
    return NULL;
}

struct fake_redis *fake_redis_create(const char *url, const struct fake_redis_trick *tricks,
                                     size_t count)
{
    struct fake_redis *fake = calloc(1, sizeof *fake);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    fake->tricks = tricks;
    fake->trick_count = count;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", url + strlen("unix://"));
    unlink(address.sun_path); /* whoever listened there left it */
    for (size_t i = 0; i < PEERS_MAX; i++) {
        fake->peers[i].fd = -1;
    }
    fake->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bind(fake->listener, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fake->listener, PEERS_MAX) != 0 ||
        pthread_create(&fake->thread, NULL, serve, fake) != 0) {
        process_fail("the fake Redis does not start");
    }
    return fake;
}

void fake_redis_destroy(struct fake_redis **fake)
{
    if (*fake == NULL) {
        return;
    }
    atomic_store(&(*fake)->stops, true);
    pthread_join((*fake)->thread, NULL);
    for (size_t i = 0; i < PEERS_MAX; i++) {
        if ((*fake)->peers[i].fd >= 0) {
            end_peer(*fake, &(*fake)->peers[i]);
        }
    }
    close((*fake)->listener);
    free(*fake);
    *fake = NULL;
}

size_t fake_redis_played(const struct fake_redis *fake)
{
    return atomic_load(&fake->played);
}

void fake_redis_await(const struct fake_redis *fake, size_t played)
{
    const int64_t end_ms = process_now_ms() + BOUND_MS;
    while (fake_redis_played(fake) < played) {
        if (process_now_ms() > end_ms) {
            process_fail("only %zu of %zu tricks ended with their connection",
                         fake_redis_played(fake), played);
        }
        process_nap();
    }
}
