/* An open-loop HTTP/1.1 load generator for one host: requests are due on a schedule that no answer
 * can delay, and a latency counts from the moment at which the request was due.
 *
 * DESIGN. A closed loop (wrk, pgbench) sends the next request when an answer is in, so a service
 * that stalls is asked less while it stalls, and all the requests that clients would have made
 * meanwhile are missing from the figures. Here request number i is due at start + i / rate whatever
 * happens. Where every connection is busy it waits for one, and that time counts: to its client it
 * is latency. A connection has one request in flight; the idle ones are used in turn, so that all
 * of them are.
 *
 * The requests are the records of a stream file (bench/streams.py) in their order; one that is too
 * short for the run is an error. Whatever was due in the warm-up is sent but not counted. The
 * result is one JSON object on standard output; latencies are kept in a histogram of 1 us to 60 s
 * with three digits, so that memory and the cost of a record do not depend on the length of the
 * run.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 1024,
    ANSWER_SIZE_MAX_BYTES = 16384,
    EVENTS_MAX = 256,
    /* What is not answered this long after the last request was due, never is. */
    DRAIN_MS = 10000,
    LATENCY_MAX_US = 60 * 1000 * 1000,
    /* 2^10 sub-buckets for each power of two are within 0.1 % of the value. */
    DIGIT_BITS = 10,
    BUCKETS = (27 - DIGIT_BITS + 1) << DIGIT_BITS, /* LATENCY_MAX_US is below 2^26 */
};

static const char stream_magic[8] = {'R', 'S', 'V', 'P', 'R', 'E', 'Q', '1'};

/* The file: this, the records' offsets in the file and the end of the last, the records. */
struct stream_header {
    char magic[sizeof stream_magic];
    uint64_t records;
};

struct stream {
    const char *bytes;
    const uint64_t *offsets; /* records + 1 of them */
    uint64_t records;
};

struct connection {
    int fd;
    uint64_t due_ns; /* when the request in flight was due; meaningless while idle */
    bool in_flight;
    bool counted; /* whether the request in flight was due after the warm-up */
    size_t size_bytes;
    char answer[ANSWER_SIZE_MAX_BYTES + 1];
};

struct histogram {
    uint64_t buckets[BUCKETS];
    uint64_t values;
    uint64_t max_us;
    double sum_us;
};

struct load {
    struct stream stream;
    uint16_t port;
    size_t connection_count;
    double rate_per_s;
    uint64_t warmup_ns;
    uint64_t duration_ns;

    struct connection *connections;
    size_t idle[CONNECTIONS_MAX]; /* a ring of places in connections */
    size_t idle_first;
    size_t idle_count;
    size_t lost; /* connections that broke */
    int epoll_fd;
    uint64_t start_ns;
    uint64_t total; /* requests that the whole run schedules */
    uint64_t sent;
    uint64_t in_flight;

    uint64_t warmup_good; /* answers 200 to 299 to what was due in the warm-up */
    /* Of what was due after the warm-up: */
    uint64_t good;         /* answers 200 to 299 */
    uint64_t other_status; /* answers with another status */
    uint64_t failed;       /* their connection broke, or the answer was not HTTP as we know it */
    uint64_t unanswered;   /* neither answered nor failed at the end */
    struct histogram latencies;
};

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("openloop: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Small values have a bucket each; from 2^11 on, each power of two has 2^10. */
static size_t histogram_bucket_of(uint64_t value_us)
{
    int top_bit = 63 - __builtin_clzll(value_us | 1);
    int shift = top_bit > DIGIT_BITS ? top_bit - DIGIT_BITS : 0;
    return ((size_t)shift << DIGIT_BITS) + (size_t)(value_us >> shift);
}

/* The largest value that falls into the bucket. */
static uint64_t histogram_value_of(size_t bucket)
{
    size_t shift = bucket >> DIGIT_BITS;
    shift = shift > 0 ? shift - 1 : 0;
    return (((uint64_t)bucket - ((uint64_t)shift << DIGIT_BITS) + 1) << shift) - 1;
}

static void histogram_add(struct histogram *histogram, uint64_t value_us)
{
    value_us = value_us < LATENCY_MAX_US ? value_us : LATENCY_MAX_US;
    histogram->buckets[histogram_bucket_of(value_us)]++;
    histogram->values++;
    histogram->sum_us += (double)value_us;
    histogram->max_us = value_us > histogram->max_us ? value_us : histogram->max_us;
}

static uint64_t histogram_quantile(const struct histogram *histogram, double quantile)
{
    uint64_t rank = (uint64_t)ceil(quantile * (double)histogram->values);
    uint64_t seen = 0;
    for (size_t bucket = 0; bucket < BUCKETS; bucket++) {
        seen += histogram->buckets[bucket];
        if (seen >= rank && seen > 0) {
            uint64_t value = histogram_value_of(bucket);
            return value < histogram->max_us ? value : histogram->max_us;
        }
    }
    return 0;
}

static struct stream stream_open(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        die("%s: %s", path, strerror(errno));
    }
    size_t size = (size_t)status.st_size;
    /* Populated: a page fault in the run would be latency of ours. */
    void *bytes = mmap(NULL, size > 0 ? size : 1, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (bytes == MAP_FAILED) {
        die("%s: %s", path, strerror(errno));
    }
    close(fd);
    const struct stream_header *header = bytes;
    if (size < sizeof *header || memcmp(header->magic, stream_magic, sizeof stream_magic) != 0 ||
        header->records >= size / sizeof(uint64_t)) {
        die("%s is not a stream of requests", path);
    }
    return (struct stream){
        .bytes = bytes,
        .offsets = (const void *)(header + 1),
        .records = header->records,
    };
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        die("cannot connect to port %u: %s", port, strerror(errno));
    }
    return fd;
}

static void set_idle(struct load *load, size_t place)
{
    load->idle[(load->idle_first + load->idle_count) % load->connection_count] = place;
    load->idle_count++;
}

static struct connection *take_idle(struct load *load)
{
    struct connection *connection = &load->connections[load->idle[load->idle_first]];
    load->idle_first = (load->idle_first + 1) % load->connection_count;
    load->idle_count--;
    return connection;
}

static void connect_all(struct load *load)
{
    load->connections = calloc(load->connection_count, sizeof *load->connections);
    load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (load->connections == NULL || load->epoll_fd < 0) {
        die("%s", strerror(errno));
    }
    for (size_t i = 0; i < load->connection_count; i++) {
        load->connections[i].fd = connect_to(load->port);
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};
        if (epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, load->connections[i].fd, &event) != 0) {
            die("epoll_ctl: %s", strerror(errno));
        }
        set_idle(load, i);
    }
}

/* When request `number` is due, after the start. */
static uint64_t due_after_ns(const struct load *load, uint64_t number)
{
    return (uint64_t)((double)number * 1e9 / load->rate_per_s);
}

static void lose(struct load *load, struct connection *connection)
{
    if (connection->in_flight) {
        load->in_flight--;
        load->failed += connection->counted;
        connection->in_flight = false;
    }
    close(connection->fd); /* leaves the epoll set with it */
    connection->fd = -1;
    load->lost++;
}

static void send_next(struct load *load, struct connection *connection)
{
    uint64_t number = load->sent++;
    uint64_t after_ns = due_after_ns(load, number);
    connection->due_ns = load->start_ns + after_ns;
    connection->counted = after_ns >= load->warmup_ns;
    connection->in_flight = true;
    connection->size_bytes = 0;
    load->in_flight++;

    const uint64_t *offset = load->stream.offsets + number % load->stream.records;
    size_t size = (size_t)(offset[1] - offset[0]);
    /* A request fits into the buffer of a socket on which nothing is in flight. */
    if (send(connection->fd, load->stream.bytes + offset[0], size, MSG_NOSIGNAL) != (ssize_t)size) {
        lose(load, connection);
    }
}

/* Sends what is due while there are idle connections. */
static void send_due(struct load *load)
{
    uint64_t elapsed_ns = now_ns() - load->start_ns;
    while (load->idle_count > 0 && load->sent < load->total &&
           due_after_ns(load, load->sent) <= elapsed_ns) {
        struct connection *connection = take_idle(load);
        if (connection->fd >= 0) {
            send_next(load, connection);
        }
    }
}

enum answer_state {
    ANSWER_PARTIAL,
    ANSWER_COMPLETE,
    ANSWER_BROKEN, /* not HTTP/1.1 with a Content-Length, or too large, or the last of its
                      connection */
};

/* The value of the header field, past its blanks; NULL where it is not there. `head` ends at `end`.
 */
static const char *find_field(const char *head, const char *end, const char *name)
{
    size_t size = strlen(name);
    const char *line = head;
    while ((line = memchr(line, '\n', (size_t)(end - line))) != NULL) {
        line++;
        if ((size_t)(end - line) > size && strncasecmp(line, name, size) == 0 &&
            line[size] == ':') {
            return line + size + 1 + strspn(line + size + 1, " \t");
        }
    }
    return NULL;
}

static enum answer_state examine(struct connection *connection, int *status)
{
    char *answer = connection->answer;
    answer[connection->size_bytes] = '\0';
    const char *end = memmem(answer, connection->size_bytes, "\r\n\r\n", 4);
    if (end == NULL) {
        return connection->size_bytes < ANSWER_SIZE_MAX_BYTES ? ANSWER_PARTIAL : ANSWER_BROKEN;
    }
    const char *length = find_field(answer, end, "content-length");
    const char *lifetime = find_field(answer, end, "connection");
    if (strncmp(answer, "HTTP/1.1 ", 9) != 0 || length == NULL ||
        (lifetime != NULL && strncasecmp(lifetime, "close", 5) == 0)) {
        return ANSWER_BROKEN;
    }
    *status = (int)strtol(answer + 9, NULL, 10);
    size_t wanted = (size_t)(end + 4 - answer) + strtoul(length, NULL, 10);
    if (connection->size_bytes < wanted) {
        return wanted <= ANSWER_SIZE_MAX_BYTES ? ANSWER_PARTIAL : ANSWER_BROKEN;
    }
    return connection->size_bytes == wanted ? ANSWER_COMPLETE : ANSWER_BROKEN;
}

static void complete(struct load *load, struct connection *connection, int status)
{
    bool good = status >= 200 && status <= 299;
    if (connection->counted) {
        histogram_add(&load->latencies, (now_ns() - connection->due_ns) / 1000);
        load->good += good;
        load->other_status += !good;
    } else {
        load->warmup_good += good;
    }
    connection->in_flight = false;
    load->in_flight--;
    set_idle(load, (size_t)(connection - load->connections));
}

static void receive(struct load *load, struct connection *connection)
{
    int status = 0;
    ssize_t size = recv(connection->fd, connection->answer + connection->size_bytes,
                        ANSWER_SIZE_MAX_BYTES - connection->size_bytes, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (size <= 0 || !connection->in_flight) {
        lose(load, connection);
        return;
    }
    connection->size_bytes += (size_t)size;
    switch (examine(connection, &status)) {
    case ANSWER_PARTIAL:
        break;
    case ANSWER_COMPLETE:
        complete(load, connection, status);
        break;
    case ANSWER_BROKEN:
        lose(load, connection);
        break;
    }
}

/* Sleeps until an answer is here, or a request is due that a connection is free for, or it is all
 * over. */
static void wait_for_events(struct load *load, uint64_t end_ns)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t now = now_ns();
    uint64_t wake_ns = end_ns;
    if (load->idle_count > 0 && load->sent < load->total) {
        wake_ns = load->start_ns + due_after_ns(load, load->sent);
    }
    uint64_t wait_ns = wake_ns > now ? wake_ns - now : 0;
    struct timespec timeout = {
        .tv_sec = (time_t)(wait_ns / 1000000000),
        .tv_nsec = (long)(wait_ns % 1000000000),
    };
    int count = epoll_pwait2(load->epoll_fd, events, EVENTS_MAX, &timeout, NULL);
    if (count < 0 && errno != EINTR) {
        die("epoll_pwait2: %s", strerror(errno));
    }
    for (int i = 0; i < count; i++) {
        receive(load, &load->connections[events[i].data.u64]);
    }
}

/* What has no answer yet counts with the time that it has waited so far. */
static void give_up(struct load *load)
{
    uint64_t now = now_ns();
    for (size_t i = 0; i < load->connection_count; i++) {
        const struct connection *connection = &load->connections[i];
        if (connection->in_flight && connection->counted) {
            load->unanswered++;
            histogram_add(&load->latencies, (now - connection->due_ns) / 1000);
        }
    }
    uint64_t elapsed_ns = now - load->start_ns;
    for (uint64_t number = load->sent; number < load->total; number++) {
        uint64_t after_ns = due_after_ns(load, number);
        if (after_ns >= load->warmup_ns) {
            load->unanswered++;
            histogram_add(&load->latencies,
                          elapsed_ns > after_ns ? (elapsed_ns - after_ns) / 1000 : 0);
        }
    }
}

static void run(struct load *load)
{
    load->start_ns = now_ns();
    uint64_t end_ns =
        load->start_ns + load->warmup_ns + load->duration_ns + (uint64_t)DRAIN_MS * 1000000;
    while ((load->sent < load->total || load->in_flight > 0) && now_ns() < end_ns &&
           load->lost < load->connection_count) {
        send_due(load);
        wait_for_events(load, end_ns);
    }
    give_up(load);
}

static void print_result(const struct load *load)
{
    const struct histogram *latencies = &load->latencies;
    printf("{\"rate_per_s\": %.1f, \"duration_s\": %.3f, \"connections\": %zu, \"warmup_good\": "
           "%" PRIu64 ", \"good\": %" PRIu64 ", \"other_status\": %" PRIu64 ", \"failed\": %" PRIu64
           ", \"unanswered\": %" PRIu64 ", \"lost_connections\": %zu, ",
           load->rate_per_s, (double)load->duration_ns / 1e9, load->connection_count,
           load->warmup_good, load->good, load->other_status, load->failed, load->unanswered,
           load->lost);
    printf("\"latency_us\": {\"p50\": %" PRIu64 ", \"p95\": %" PRIu64 ", \"p99\": %" PRIu64
           ", \"p99.9\": %" PRIu64 ", \"max\": %" PRIu64 ", \"mean\": %.1f}}\n",
           histogram_quantile(latencies, 0.50), histogram_quantile(latencies, 0.95),
           histogram_quantile(latencies, 0.99), histogram_quantile(latencies, 0.999),
           latencies->max_us,
           latencies->values > 0 ? latencies->sum_us / (double)latencies->values : 0.0);
}

static double parse_number(const char *text, double min, double max)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= min && value <= max)) {
        die("'%s' is not a number from %g to %g", text, min, max);
    }
    return value;
}

static void parse_arguments(struct load *load, int count, char **arguments)
{
    bool again = count == 8 && strcmp(arguments[7], "again") == 0;
    if (count != 7 && !again) {
        fputs("usage: openloop PORT CONNECTIONS REQUESTS_PER_SECOND WARMUP_MS DURATION_MS STREAM "
              "[again]\n",
              stderr);
        exit(2);
    }
    load->port = (uint16_t)parse_number(arguments[1], 1, 65535);
    load->connection_count = (size_t)parse_number(arguments[2], 1, CONNECTIONS_MAX);
    load->rate_per_s = parse_number(arguments[3], 1, 1e6);
    load->warmup_ns = (uint64_t)parse_number(arguments[4], 0, 60000) * 1000000;
    load->duration_ns = (uint64_t)parse_number(arguments[5], 1, 600000) * 1000000;
    load->stream = stream_open(arguments[6]);
    load->total =
        (uint64_t)(load->rate_per_s * (double)(load->warmup_ns + load->duration_ns) / 1e9);
    if (load->stream.records == 0 || (load->total > load->stream.records && !again)) {
        die("the run takes %" PRIu64 " requests and %s has %" PRIu64, load->total, arguments[6],
            load->stream.records);
    }
}

int main(int count, char **arguments)
{
    static struct load load;
    parse_arguments(&load, count, arguments);
    /* The kernel rounds sleeps up by 50 us unless it is told not to; the schedule is finer than
     * that. */
    prctl(PR_SET_TIMERSLACK, 1);
    connect_all(&load);
    run(&load);
    print_result(&load);
    return 0;
}
