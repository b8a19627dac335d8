/* What clients can do: bad ones, and too many. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fault.h"
#include "process.h"
#include "swarm.h"

enum {
    PESTS = 200,
    TURN_MS = 20,
    CROWDED = 20000, /* connections */
    PEAK_CONNECTIONS = 512,
    PEAK_MS = 4000,
    OVERLOAD_TIMES = 3,
    OVERLOAD_CONNECTIONS = 4000,
    STORE_OVERLOAD_CONNECTIONS = 7500, /* more than are answered in a deadline */
    OVERLOAD_MS = 10000,
    GOODPUT_PERCENT = 80,
    REFUSAL_MS = 100, /* "fast", on average */
    DEADLINE_MS = 2000,
    STORE_BYTES_PER_S = 131072, /* to and from a store that is the narrowest part, a connection */
    STORE_PEAK_CONNECTIONS = 2000,
};

/* ---- pests ---- */

/* What a bad client sends: at once, and then turn by turn. */
struct pest {
    const char *opening;
    size_t opening_size; /* 0: its length */
    const char *drip;    /* NULL: nothing more */
    unsigned drips;      /* in a iteration */
    unsigned count;      /* of such clients; 0: PESTS */
    unsigned turns;      /* until it hangs up; 0: when the service does */
    bool resets;         /* hangs up with a reset */
    bool reads;
};

static int connect_pest(uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int window = 4096; /* little is taken for one that does not read */
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    connect(fd, (const struct sockaddr *)&address, sizeof address);
    return fd;
}

static void hang_up(int *fd, bool resets)
{
    const struct linger linger = {.l_onoff = resets, .l_linger = 0};
    setsockopt(*fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(*fd);
    *fd = -1;
}

/* Whether the service has hung up. */
static bool has_ended(int fd, bool reads)
{
    char bytes[4096];
    ssize_t size;
    do {
        size = recv(fd, bytes, reads ? sizeof bytes : 1, reads ? 0 : MSG_PEEK);
    } while (reads && size > 0);
    return size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR && errno != ENOTCONN);
}

static void take_turn(const struct pest *pest, uint16_t port, int *fd, unsigned *turn)
{
    if (*fd >= 0 && *turn > 1 &&
        (has_ended(*fd, pest->reads) || (pest->turns > 0 && *turn >= pest->turns))) {
        hang_up(fd, pest->resets);
    }
    if (*fd < 0) {
        *fd = connect_pest(port);
        *turn = 0;
    } else if (*turn == 1) {
        send(*fd, pest->opening,
             pest->opening_size > 0 ? pest->opening_size : strlen(pest->opening), MSG_NOSIGNAL);
    } else if (pest->drip != NULL) {
        for (unsigned i = 0; i < pest->drips; i++) {
            send(*fd, pest->drip, strlen(pest->drip), MSG_NOSIGNAL);
        }
    }
    ++*turn;
}

static void pester(struct stand *stand, int64_t until_ms, const struct pest *pest)
{
    int fds[PESTS];
    unsigned turns[PESTS] = {0};
    const size_t count = pest->count > 0 ? pest->count : PESTS;
    for (size_t i = 0; i < PESTS; i++) {
        fds[i] = -1;
    }
    while (process_now_ms() < until_ms && !crowd_has_ended(stand->crowd)) {
        for (size_t i = 0; i < count; i++) {
            take_turn(pest, stand->services[0]->port, &fds[i], &turns[i]);
        }
        stand_wait_ms(stand, TURN_MS);
    }
    for (size_t i = 0; i < PESTS; i++) {
        if (fds[i] >= 0) {
            hang_up(&fds[i], pest->resets);
        }
    }
}

#define GET "GET /v1/events/pest/rsvp_count HTTP/1.1\r\nHost: x\r\n\r\n"
#define DELETE_HEAD                                                                                \
    "DELETE /v1/events/pest/rsvp HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"

static void slow_headers(struct stand *stand, int64_t until_ms)
{
    pester(stand, until_ms,
           &(const struct pest){.opening = "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
                                .drip = "a",
                                .drips = 1,
                                .reads = true});
}

static void slow_bodies(struct stand *stand, int64_t until_ms)
{
    pester(stand, until_ms,
           &(const struct pest){.opening = DELETE_HEAD "Content-Length: 10000\r\n\r\n",
                                .drip = " ",
                                .drips = 1,
                                .reads = true});
}

static void never_reading(struct stand *stand, int64_t until_ms)
{
    pester(stand, until_ms,
           &(const struct pest){.opening = GET, .drip = GET, .drips = 10, .count = 10});
}

static void aborting(struct stand *stand, int64_t until_ms)
{
    pester(stand, until_ms,
           &(const struct pest){.opening =
                                    DELETE_HEAD "Content-Length: 17\r\n\r\n{\"user_id\":\"pest\"",
                                .turns = 2,
                                .resets = true});
}

static void hanging_up(struct stand *stand, int64_t until_ms)
{
    pester(stand, until_ms,
           &(const struct pest){.opening =
                                    DELETE_HEAD "Content-Length: 18\r\n\r\n{\"user_id\":\"pest\"}",
                                .count = 50,
                                .turns = 2,
                                .resets = true});
}

static void pipelining(struct stand *stand, int64_t until_ms)
{
    pester(stand, until_ms,
           &(const struct pest){
               .opening = GET GET GET GET, .drip = GET, .drips = 1, .count = 20, .reads = true});
}

static void huge_headers(struct stand *stand, int64_t until_ms)
{
    char *kilobytes = malloc((1 << 20) + 64);
    const int start = sprintf(kilobytes, "GET / HTTP/1.1\r\nHost: x\r\nX-Huge: ");
    memset(kilobytes + start, 'a', 1 << 20);
    pester(stand, until_ms,
           &(const struct pest){.opening = kilobytes,
                                .opening_size = (size_t)start + (1 << 20),
                                .count = 20,
                                .reads = true});
    free(kilobytes);
}

static void cutting_chunks(struct stand *stand, int64_t until_ms)
{
    pester(stand, until_ms,
           &(const struct pest){.opening = DELETE_HEAD
                                "Transfer-Encoding: chunked\r\n\r\nff\r\n{\"user_id\"",
                                .turns = 3,
                                .reads = true});
}

static void speaking_oddly(struct stand *stand, int64_t until_ms)
{
    static const struct pest pests[] = {
        {.opening = "GET /v1/events/pest/rsvp_count HTTP/1.0\r\n\r\n", .turns = 4, .reads = true},
        {.opening = "GET /v1/events/pest/rsvp_count HTTP/9.9\r\nHost: x\r\n\r\n",
         .turns = 4,
         .reads = true},
        {.opening = "GET /v1/events/p\0st HTTP/1.1\r\nHo\0st: x\r\n\r\n",
         .opening_size = 42,
         .turns = 4,
         .reads = true},
        {.opening = "\0\0\0\0\0\0\0\0\r\n\r\n", .opening_size = 12, .turns = 4, .reads = true},
        {.opening = "\x16\x03\x01\x02", .opening_size = 4, .turns = 4, .reads = true},
    };
    const size_t kinds = sizeof pests / sizeof pests[0];
    const int64_t part_ms = (until_ms - process_now_ms()) / (int64_t)kinds;
    for (size_t i = 0; i < kinds; i++) {
        pester(stand, process_now_ms() + part_ms, &pests[i]);
    }
}

/* ---- very many ---- */

static struct swarm *swarm;

static void hold_connections(struct stand *stand)
{
    swarm = swarm_hold(stand->services[0]->port, CROWDED);
}

static void end_swarm(struct stand *stand)
{
    (void)stand;
    swarm_kill(&swarm);
}

static struct {
    unsigned connections; /* that ask too much */
    struct swarm_result peak;
    struct swarm_result over;
} overload;

static unsigned good_per_s(const struct swarm_result *result)
{
    return (unsigned)(result->good * 1000 / (uint64_t)(result->elapsed_ms + 1));
}

/* With the crowd there, which takes its part of the machine. */
static void find_peak_with(struct stand *stand, unsigned connections)
{
    swarm = swarm_start(&(const struct swarm_options){
        .port = stand->services[0]->port,
        .connections = connections,
        .lasts_ms = PEAK_MS,
        .deadline_ms = DEADLINE_MS,
    });
    swarm_finish(&swarm, &overload.peak);
}

static void find_peak(struct stand *stand)
{
    overload.connections = OVERLOAD_CONNECTIONS;
    find_peak_with(stand, PEAK_CONNECTIONS);
}

static void find_peak_of_store(struct stand *stand)
{
    /* So that the processors have time left for those who are refused. */
    relay_set_weather(stand->pg_relay,
                      &(const struct relay_weather){.bytes_per_s = STORE_BYTES_PER_S});
    overload.connections = STORE_OVERLOAD_CONNECTIONS;
    find_peak_with(stand, STORE_PEAK_CONNECTIONS);
}

static void widen_store(struct stand *stand)
{
    relay_set_weather(stand->pg_relay, &(const struct relay_weather){.bytes_per_s = 0});
}

static void ask_too_much(struct stand *stand, int64_t until_ms)
{
    (void)until_ms;
    swarm = swarm_start(&(const struct swarm_options){
        .port = stand->services[0]->port,
        .connections = overload.connections,
        .rate_per_s = OVERLOAD_TIMES * good_per_s(&overload.peak),
        .lasts_ms = OVERLOAD_MS,
        .deadline_ms = DEADLINE_MS,
    });
    swarm_finish(&swarm, &overload.over);
}

static void judge_overload(struct stand *stand, struct verdict *verdict)
{
    const struct swarm_result *over = &overload.over;
    const unsigned peak = good_per_s(&overload.peak);
    const unsigned goodput = good_per_s(over);
    (void)stand;
    verdict_add(verdict,
                "peak %u/s, asked %llu/s, goodput %u/s, %llu refused in %llu us on average, %llu "
                "without Retry-After, %llu unknown, %llu broken, %llu other, %llu late, worst %llu "
                "ms",
                peak, (unsigned long long)(over->sent * 1000 / (uint64_t)(over->elapsed_ms + 1)),
                goodput, (unsigned long long)over->refused,
                (unsigned long long)(over->refused > 0 ? over->refused_us / over->refused : 0),
                (unsigned long long)over->not_told, (unsigned long long)over->unknown,
                (unsigned long long)over->broken, (unsigned long long)over->other,
                (unsigned long long)over->late, (unsigned long long)over->worst_us / 1000);
    if (goodput * 100 < peak * GOODPUT_PERCENT) {
        verdict_fail(verdict, "goodput fell to %u of %u a second", goodput, peak);
    }
    if (over->not_told > 0 || over->other > 0) {
        verdict_fail(verdict, "refused otherwise than by 503 with Retry-After");
    }
    if (over->refused > 0 && over->refused_us / over->refused > REFUSAL_MS * 1000) {
        verdict_fail(verdict, "refusals are slow");
    }
}

#define PESTERED(fault_name, fault_promise, what, in_short)                                        \
    {                                                                                              \
        .name = fault_name, .promise = fault_promise ": others are served normally",               \
        .lasts_ms = 5000, .back_ms = 1000, .is_short = in_short, .slower_max = 2, .go_on = what    \
    }

#define OVERLOADED(fault_name, what, ...)                                                          \
    {                                                                                              \
        .name = fault_name,                                                                        \
        .promise = "three times what " what ": goodput >= 80 % of the peak, the rest gets 503 "    \
                   "fast, with Retry-After",                                                       \
        .tolerated = CROWD_REFUSALS, .lasts_ms = OVERLOAD_MS, .memory_kib = 32 * 1024,             \
        .back_ms = 3000, .go_on = ask_too_much, .judge = judge_overload, .clean_up = end_swarm,    \
        __VA_ARGS__                                                                                \
    }

const struct fault faults_clients[] = {
    PESTERED("slow-headers", "slow headers", slow_headers, false),
    PESTERED("slow-bodies", "slow bodies", slow_bodies, true),
    PESTERED("no-read", "pipelined requests whose answers nobody reads", never_reading, true),
    PESTERED("aborted", "requests aborted in their bodies", aborting, false),
    {
        .name = "hung-up",
        .promise = "clients gone before the answer: others are served normally",
        .lasts_ms = 5000,
        .back_ms = 1000,
        .slower_max = 2,
        .go_on = hanging_up,
    },
    PESTERED("pipelined", "pipelined requests", pipelining, false),
    PESTERED("huge-headers", "headers of 1 MiB", huge_headers, true),
    PESTERED("cut-chunks", "chunked bodies cut off", cutting_chunks, false),
    PESTERED("odd-protocol", "HTTP/1.0, bad versions, NULs, no HTTP at all", speaking_oddly, false),
    {
        .name = "connections",
        .promise = "20,000 connections: those there before are served normally",
        .lasts_ms = 8000,
        .back_ms = 1000,
        .slower_max = 2,
        .begin = hold_connections,
        .end = end_swarm,
        .clean_up = end_swarm,
    },
    OVERLOADED("overload", "the machine can do, as far as it can ask that of itself",
               .begin = find_peak),
    OVERLOADED("overload-store", "PostgreSQL can do", .is_remote = true,
               .begin = find_peak_of_store, .end = widen_store),
};
const size_t faults_clients_count = sizeof faults_clients / sizeof faults_clients[0];
