/* A sentinel that answers what it likes. */
#include "fake_sentinel.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "process.h"

enum { PEERS_MAX = 16, POLL_MS = 5, INPUT_SIZE = 1024 };

struct fake_sentinel {
    int listener;
    uint16_t port;
    int peers[PEERS_MAX]; /* -1: none */
    pthread_t thread;
    atomic_bool stops;
    const char *_Atomic answer;
    atomic_size_t asked;
};

/* False where the connection has ended. */
static bool listen_to(struct fake_sentinel *fake, int peer)
{
    char input[INPUT_SIZE];
    const ssize_t size = recv(peer, input, sizeof input, MSG_DONTWAIT);
    if (size <= 0) {
        return size < 0;
    }
    const char *answer = atomic_load(&fake->answer);
    if (answer == NULL) {
        return true;
    }
    return *answer != '\0' && send(peer, answer, strlen(answer), MSG_NOSIGNAL) > 0;
}

static void accept_peer(struct fake_sentinel *fake)
{
    int *peer = fake->peers;
    while (peer < fake->peers + PEERS_MAX - 1 && *peer >= 0) {
        peer++;
    }
    if (*peer >= 0) {
        close(*peer); /* of one that was not answered for long */
    }
    *peer = accept4(fake->listener, NULL, NULL, SOCK_CLOEXEC);
    atomic_fetch_add(&fake->asked, 1);
}

static void *serve(void *fake_)
{
    struct fake_sentinel *fake = fake_;
    while (!atomic_load(&fake->stops)) {
        struct pollfd polled[PEERS_MAX + 1] = {{.fd = fake->listener, .events = POLLIN}};
        for (size_t i = 0; i < PEERS_MAX; i++) {
            polled[i + 1] = (struct pollfd){.fd = fake->peers[i], .events = POLLIN};
        }
        poll(polled, PEERS_MAX + 1, POLL_MS);
        for (size_t i = 0; i < PEERS_MAX; i++) {
            if (polled[i + 1].revents != 0 && !listen_to(fake, fake->peers[i])) {
                close(fake->peers[i]);
                fake->peers[i] = -1;
            }
        }
        if (polled[0].revents != 0) {
            accept_peer(fake);
        }
    }
    return NULL;
}

struct fake_sentinel *fake_sentinel_create(const char *answer)
{
    struct fake_sentinel *fake = calloc(1, sizeof *fake);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    atomic_store(&fake->answer, answer);
    for (size_t i = 0; i < PEERS_MAX; i++) {
        fake->peers[i] = -1;
    }
    fake->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fake->listener, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fake->listener, PEERS_MAX) != 0 ||
        getsockname(fake->listener, (struct sockaddr *)&address, &size) != 0 ||
        pthread_create(&fake->thread, NULL, serve, fake) != 0) {
        process_fail("the fake sentinel does not start");
    }
    fake->port = ntohs(address.sin_port);
    return fake;
}

void fake_sentinel_destroy(struct fake_sentinel **fake)
{
    if (*fake == NULL) {
        return;
    }
    atomic_store(&(*fake)->stops, true);
    pthread_join((*fake)->thread, NULL);
    for (size_t i = 0; i < PEERS_MAX; i++) {
        if ((*fake)->peers[i] >= 0) {
            close((*fake)->peers[i]);
        }
    }
    close((*fake)->listener);
    free(*fake);
    *fake = NULL;
}

uint16_t fake_sentinel_port(const struct fake_sentinel *fake)
{
    return fake->port;
}

void fake_sentinel_answer(struct fake_sentinel *fake, const char *answer)
{
    atomic_store(&fake->answer, answer);
}

size_t fake_sentinel_asked(const struct fake_sentinel *fake)
{
    return atomic_load(&fake->asked);
}
