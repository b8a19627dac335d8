/* Many clients that watch counts, and one that changes them: opens streams of one service, writes
 * through another one, and measures from a write until each stream is told of it.
 *
 * Each stream watches one event; event number i of M is that of the streams i, i + M, … Writes go
 * round the events at a fixed rate, each by another user, so the count that a stream is told says
 * which write it is. The clock of a lag begins when the write is sent, before its commit. The
 * result is one JSON object on standard output. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    LINE_SIZE_BYTES = 512,
    READ_SIZE_BYTES = 16 * 1024,
    EVENTS_MAX = 256,
    OPENING_MAX = 256, /* streams that wait for their first event */
    OPEN_WITHIN_US = 120 * 1000 * 1000,
    LAST_WITHIN_US = 5 * 1000 * 1000, /* how long after the last write events are waited for */
    LAG_MAX_MS = 60000,
    WRITES_KEPT = 16, /* of one event, whose times are known */
};

struct options {
    uint16_t port, writer_port;
    size_t streams, events;
    double rate, seconds;
    const char *prefix; /* of the events */
};

/* A stream, and the line that has not come whole. */
struct watcher {
    int fd;
    bool told; /* it had its first event */
    size_t size;
    char line[LINE_SIZE_BYTES];
};

struct event {
    int64_t count; /* after the last write that was sent */
    int64_t sent_us[WRITES_KEPT];
};

static struct options options;
static struct watcher *watchers;
static struct event *events;
static uint64_t lags[LAG_MAX_MS + 1]; /* by milliseconds */
static uint64_t received, measured, opened;
static int epoll;

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void die(const char *what)
{
    fprintf(stderr, "watchers: %s: %s\n", what,
            strerror(errno)); /* NOLINT(concurrency-mt-unsafe) */
    exit(EXIT_FAILURE);
}

static int connect_to(uint16_t port)
{
    const int one = 1;
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        die("cannot connect");
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void send_text(int fd, const char *text)
{
    size_t size = strlen(text);
    if (send(fd, text, size, MSG_NOSIGNAL) != (ssize_t)size) {
        die("cannot send");
    }
}

/* ---- streams ---- */

static void open_watcher(size_t i)
{
    char request[LINE_SIZE_BYTES];
    struct epoll_event interest = {.events = EPOLLIN, .data.u64 = i};
    struct watcher *watcher = &watchers[i];
    watcher->fd = connect_to(options.port);
    snprintf(request, sizeof request,
             "GET /v1/events/%s-%zu/rsvp_count/stream HTTP/1.1\r\nHost: bench\r\n\r\n",
             options.prefix, i % options.events);
    send_text(watcher->fd, request);
    if (fcntl(watcher->fd, F_SETFL, O_NONBLOCK) != 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, watcher->fd, &interest) != 0) {
        die("cannot watch a stream");
    }
}

static void take_line(struct watcher *watcher, int64_t at_us)
{
    static const char member[] = "\"rsvp_count\":";
    const char *found =
        strncmp(watcher->line, "data: ", 6) == 0 ? strstr(watcher->line, member) : NULL;
    if (found == NULL) {
        return;
    }
    const struct event *event = &events[(size_t)(watcher - watchers) % options.events];
    int64_t count = strtoll(found + strlen(member), NULL, 10);
    bool kept = count > 0 && count > event->count - WRITES_KEPT && count <= event->count;
    opened += !watcher->told;
    received++;
    if (watcher->told && kept) {
        int64_t lag_ms = (at_us - event->sent_us[count % WRITES_KEPT]) / 1000;
        lags[lag_ms > LAG_MAX_MS ? LAG_MAX_MS : lag_ms]++;
        measured++;
    }
    watcher->told = true;
}

static void read_watcher(struct watcher *watcher)
{
    static char bytes[READ_SIZE_BYTES];
    ssize_t size = recv(watcher->fd, bytes, sizeof bytes, 0);
    if (size <= 0) {
        if (size < 0 && errno == EAGAIN) {
            return;
        }
        die("a stream has ended");
    }
    int64_t at_us = now_us();
    for (ssize_t i = 0; i < size; i++) {
        if (bytes[i] == '\n') {
            watcher->line[watcher->size] = '\0';
            take_line(watcher, at_us);
            watcher->size = 0;
        } else if (watcher->size < LINE_SIZE_BYTES - 1) {
            watcher->line[watcher->size++] = bytes[i];
        }
    }
}

static void wait_for_streams(int64_t until_us)
{
    struct epoll_event ready[EVENTS_MAX];
    int64_t left_us = until_us - now_us();
    int count = epoll_wait(epoll, ready, EVENTS_MAX, left_us > 0 ? (int)(left_us / 1000) : 0);
    for (int i = 0; i < count; i++) {
        read_watcher(&watchers[ready[i].data.u64]);
    }
}

static void open_all(void)
{
    int64_t by_us = now_us() + OPEN_WITHIN_US;
    for (size_t i = 0; i < options.streams; i++) {
        open_watcher(i);
        while (i + 1 - opened >= OPENING_MAX && now_us() < by_us) {
            wait_for_streams(by_us);
        }
    }
    while (opened < options.streams) {
        if (now_us() >= by_us) {
            fprintf(stderr, "watchers: only %llu streams were opened\n",
                    (unsigned long long)opened);
            exit(EXIT_FAILURE);
        }
        wait_for_streams(by_us);
    }
}

/* ---- writes ---- */

/* Sends the next write, and takes in what is there of the answers to those before. */
static void write_next(int fd, uint64_t number)
{
    static char answers[READ_SIZE_BYTES];
    char request[LINE_SIZE_BYTES];
    struct event *event = &events[number % options.events];
    snprintf(request, sizeof request,
             "POST /v1/events/%s-%zu/rsvp?user_id=u%llu HTTP/1.1\r\nHost: bench\r\n"
             "Content-Length: 0\r\n\r\n",
             options.prefix, (size_t)(number % options.events), (unsigned long long)number);
    event->count++;
    event->sent_us[event->count % WRITES_KEPT] = now_us();
    send_text(fd, request);
    while (recv(fd, answers, sizeof answers, MSG_DONTWAIT) > 0) {
    }
}

static uint64_t write_all(void)
{
    int fd = connect_to(options.writer_port);
    int64_t begun_us = now_us(), end_us = begun_us + (int64_t)(options.seconds * 1e6);
    uint64_t written = 0;
    for (;;) {
        int64_t due_us = begun_us + (int64_t)((double)written * 1e6 / options.rate);
        if (due_us >= end_us) {
            break;
        }
        if (now_us() >= due_us) {
            write_next(fd, written++);
        } else {
            wait_for_streams(due_us);
        }
    }
    for (int64_t last_us = now_us() + LAST_WITHIN_US; now_us() < last_us;) {
        wait_for_streams(last_us);
    }
    return written;
}

/* ---- all of it ---- */

static double percentile(double part)
{
    uint64_t seen = 0;
    for (size_t i = 0; i <= LAG_MAX_MS; i++) {
        seen += lags[i];
        if ((double)seen >= part * (double)measured) {
            return (double)i;
        }
    }
    return LAG_MAX_MS;
}

static void parse(char **arguments)
{
    options = (struct options){.port = (uint16_t)strtoul(arguments[1], NULL, 10),
                               .writer_port = (uint16_t)strtoul(arguments[2], NULL, 10),
                               .streams = strtoul(arguments[3], NULL, 10),
                               .events = strtoul(arguments[4], NULL, 10),
                               .rate = strtod(arguments[5], NULL),
                               .seconds = strtod(arguments[6], NULL),
                               .prefix = arguments[7]};
}

int main(int count, char **arguments)
{
    struct rlimit limit;
    if (count != 8) {
        fprintf(stderr, "usage: watchers PORT WRITER_PORT STREAMS EVENTS WRITES_A_SECOND SECONDS "
                        "PREFIX\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    parse(arguments);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    watchers = calloc(options.streams, sizeof *watchers);
    events = calloc(options.events, sizeof *events);
    if (epoll < 0 || watchers == NULL || events == NULL) {
        die("cannot start");
    }
    open_all();
    fprintf(stderr, "opened\n"); /* whoever measures begins here */
    uint64_t first = received;
    uint64_t written = write_all();
    printf(
        "{\"written\":%llu,\"received\":%llu,\"measured\":%llu,\"lag_ms\":{\"p50\":%.0f,\"p99\":%."
        "0f,\"max\":%.0f}}\n",
        (unsigned long long)written, (unsigned long long)(received - first),
        (unsigned long long)measured, percentile(0.5), percentile(0.99), percentile(1));
    return 0;
}
