/* Clients in great number. */
#include "swarm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "load.h"
#include "process.h"

enum {
    ANSWER_SIZE = 4096,
    REQUEST_SIZE = 256,
    EVENTS_MAX = 512,
    POSTS = 1000,
    END_BOUND_MS = 60000,
    GRACE_US = 100000,
    CONNECT_MS = 1000,
    LOOPBACK_SOURCES = 0x7f000101,
    SOURCES = 16,
    HOLDERS_MAX = 8,
    HOLDERS_PART = 50, /* connections looked after at a time: 10,000 in 2 s */
    HOLDERS_PAUSE_MS = 10,
};

struct swarm {
    pid_t pids[HOLDERS_MAX];
    unsigned pid_count;
    struct swarm_result *result; /* shared with the process */
};

struct caller {
    int fd;
    bool busy;
    int64_t sent_us;
    size_t size;
    char answer[ANSWER_SIZE + 1];
};

struct hive {
    struct swarm_options options;
    struct swarm_result *result;
    struct caller *callers;
    unsigned *idle; /* a stack of places in callers */
    unsigned idle_count;
    int epoll;
    uint64_t number; /* of the next request */
};

/* ---- a connection ---- */

/* From the loopback address 127.0.1.N: each has its own ports, and the kernel need not look long
 * for a free one among thousands. */
static int open_connection(uint16_t port, unsigned n)
{
    const struct sockaddr_in source = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(LOOPBACK_SOURCES + n),
    };
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (fd >= 0 &&
        (bind(fd, (const struct sockaddr *)&source, sizeof source) != 0 ||
         connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) &&
        errno != EINPROGRESS) {
        close(fd);
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void connect_caller(struct hive *hive, unsigned place)
{
    struct caller *caller = &hive->callers[place];
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = place};
    caller->busy = false;
    caller->size = 0;
    caller->fd = open_connection(hive->options.port, place % SOURCES);
    epoll_ctl(hive->epoll, EPOLL_CTL_ADD, caller->fd, &event);
    hive->idle[hive->idle_count++] = place;
}

static void break_off(struct hive *hive, unsigned place)
{
    struct caller *caller = &hive->callers[place];
    hive->result->broken += caller->busy;
    close(caller->fd);
    if (!caller->busy) { /* it is among the idle: it takes its own place there */
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = place};
        caller->fd = open_connection(hive->options.port, place % SOURCES);
        epoll_ctl(hive->epoll, EPOLL_CTL_ADD, caller->fd, &event);
        return;
    }
    connect_caller(hive, place);
}

/* ---- requests and answers ---- */

static bool send_request(struct hive *hive, unsigned place)
{
    struct caller *caller = &hive->callers[place];
    char body[64];
    char request[REQUEST_SIZE];
    const uint64_t number = hive->number;
    const int body_size =
        snprintf(body, sizeof body, "{\"user_id\":\"%llu\"}", (unsigned long long)number);
    const int size = snprintf(request, sizeof request,
                              "POST /v1/posts/swarm-%llu/like HTTP/1.1\r\nHost: x\r\n"
                              "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                              (unsigned long long)(number % POSTS), body_size, body);
    if (send(caller->fd, request, (size_t)size, MSG_NOSIGNAL) != size) {
        return false; /* not connected yet, or not any more */
    }
    hive->number++;
    hive->result->sent++;
    caller->sent_us = load_now_us();
    caller->size = 0;
    caller->busy = true;
    return true;
}

/* Sends with connections that are free and connected; gives how many could. */
static void send_some(struct hive *hive, uint64_t wanted)
{
    for (uint64_t tries = hive->idle_count; tries > 0 && wanted > 0; tries--) {
        const unsigned place = hive->idle[--hive->idle_count];
        if (send_request(hive, place)) {
            wanted--;
        } else { /* to the bottom, so that another is tried */
            memmove(hive->idle + 1, hive->idle, hive->idle_count * sizeof *hive->idle);
            hive->idle[0] = place;
            hive->idle_count++;
        }
    }
}

static void count_answer(struct hive *hive, const struct caller *caller)
{
    struct swarm_result *result = hive->result;
    const int status = atoi(caller->answer + strlen("HTTP/1.1 "));
    const uint64_t took_us = (uint64_t)(load_now_us() - caller->sent_us);
    result->worst_us = took_us > result->worst_us ? took_us : result->worst_us;
    result->late += took_us > (uint64_t)hive->options.deadline_ms * 1000 + GRACE_US;
    if (status >= 200 && status <= 299) {
        result->good++;
    } else if (status == 503) {
        result->refused++;
        result->refused_us += took_us;
        result->not_told += strcasestr(caller->answer, "\r\nRetry-After:") == NULL;
    } else if (status == 504) {
        result->unknown++;
    } else {
        result->other++;
    }
}

/* Whether the answer is complete. */
static bool is_complete(const struct caller *caller)
{
    const char *body = strstr(caller->answer, "\r\n\r\n");
    const char *length = strcasestr(caller->answer, "\r\nContent-Length:");
    return body != NULL && length != NULL &&
           caller->size >= (size_t)(body + 4 - caller->answer) +
                               strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
}

static void receive(struct hive *hive, unsigned place)
{
    struct caller *caller = &hive->callers[place];
    const ssize_t size =
        recv(caller->fd, caller->answer + caller->size, ANSWER_SIZE - caller->size, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (size <= 0 || !caller->busy) {
        break_off(hive, place);
        return;
    }
    caller->size += (size_t)size;
    caller->answer[caller->size] = '\0';
    if (!is_complete(caller)) {
        return;
    }
    count_answer(hive, caller);
    caller->busy = false;
    hive->idle[hive->idle_count++] = place;
}

static void work(struct hive *hive)
{
    struct epoll_event events[EVENTS_MAX];
    const int64_t start_us = load_now_us();
    const int64_t end_us = start_us + (int64_t)hive->options.lasts_ms * 1000;
    int64_t now_us;
    while ((now_us = load_now_us()) < end_us) {
        const uint64_t due =
            (uint64_t)(now_us - start_us) * hive->options.rate_per_s / UINT64_C(1000000);
        if (hive->options.rate_per_s == 0) {
            send_some(hive, hive->idle_count);
        } else if (due > hive->number) {
            send_some(hive, due - hive->number);
            hive->number = due; /* what found no free connection is not made up for */
        }
        const int count = epoll_wait(hive->epoll, events, EVENTS_MAX, 1);
        for (int i = 0; i < count; i++) {
            receive(hive, events[i].data.u32);
        }
    }
    hive->result->elapsed_ms = (load_now_us() - start_us) / 1000;
}

/* ---- processes ---- */

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static pid_t fork_child(void)
{
    const pid_t pid = fork();
    if (pid < 0) {
        process_fail("fork: %s", strerror(errno));
    }
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        raise_descriptor_limit();
    }
    return pid;
}

static void run_hive(const struct swarm_options *options, struct swarm_result *result)
{
    struct hive hive = {
        .options = *options,
        .result = result,
        .callers = calloc(options->connections, sizeof *hive.callers),
        .idle = calloc(options->connections, sizeof *hive.idle),
        .epoll = epoll_create1(EPOLL_CLOEXEC),
    };
    for (unsigned i = 0; i < options->connections; i++) {
        connect_caller(&hive, i);
    }
    for (unsigned i = 0; i < options->connections; i++) { /* coming is no part of the load */
        poll(&(struct pollfd){.fd = hive.callers[i].fd, .events = POLLOUT}, 1, CONNECT_MS);
    }
    work(&hive);
}

struct swarm *swarm_start(const struct swarm_options *options)
{
    struct swarm *swarm = calloc(1, sizeof *swarm);
    swarm->result = mmap(NULL, sizeof *swarm->result, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    swarm->pids[swarm->pid_count++] = fork_child();
    if (swarm->pids[0] == 0) {
        run_hive(options, swarm->result);
        _exit(0);
    }
    return swarm;
}

static void swarm_free(struct swarm **swarm)
{
    if ((*swarm)->result != NULL) {
        munmap((*swarm)->result, sizeof *(*swarm)->result);
    }
    free(*swarm);
    *swarm = NULL;
}

void swarm_finish(struct swarm **swarm, struct swarm_result *result)
{
    if (process_wait((*swarm)->pids[0], END_BOUND_MS) != 0) {
        process_fail("the swarm does not end well");
    }
    *result = *(*swarm)->result;
    swarm_free(swarm);
}

void swarm_kill(struct swarm **swarm)
{
    if (*swarm == NULL) {
        return;
    }
    for (unsigned i = 0; i < (*swarm)->pid_count; i++) {
        process_end((*swarm)->pids[i], SIGKILL);
    }
    swarm_free(swarm);
}

/* ---- holding ---- */

/* A closed connection is one that can be read to its end. */
static bool is_closed(int fd)
{
    char byte;
    ssize_t size;
    while ((size = recv(fd, &byte, 1, 0)) > 0) {
    }
    return size == 0 || (errno != EAGAIN && errno != EINTR);
}

static void hold(uint16_t port, unsigned connections)
{
    int *fds = malloc(connections * sizeof *fds);
    for (unsigned i = 0; i < connections; i++) {
        fds[i] = -1;
    }
    for (unsigned i = 0;; i = (i + 1) % connections) {
        if (fds[i] < 0 || is_closed(fds[i])) {
            close(fds[i]);
            fds[i] = open_connection(port, i % SOURCES);
        }
        if (i % HOLDERS_PART == 0) {
            nanosleep(&(struct timespec){.tv_nsec = HOLDERS_PAUSE_MS * 1000000L}, NULL);
        }
    }
}

struct swarm *swarm_hold(uint16_t port, unsigned connections)
{
    struct swarm *swarm = calloc(1, sizeof *swarm);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    const unsigned most = limit.rlim_max > 10100 ? 10000 : (unsigned)limit.rlim_max - 100;
    while (connections > 0 && swarm->pid_count < HOLDERS_MAX) {
        const unsigned part = connections < most ? connections : most;
        const pid_t pid = fork_child();
        if (pid == 0) {
            hold(port, part);
        }
        swarm->pids[swarm->pid_count++] = pid;
        connections -= part;
    }
    return swarm;
}
