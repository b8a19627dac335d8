/* What can happen to a service itself, and to the machine that it runs on. */
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fault.h"
#include "process.h"

enum { BETWEEN_KILLS_MS = 1000 };

/* ---- kill -9 ---- */

static void kill_again_and_again(struct stand *stand, int64_t until_ms)
{
    do {
        service_kill(&stand->services[1]);
        stand_wait_ms(stand, BETWEEN_KILLS_MS / 2);
        stand_start_service(stand, 1);
        stand_wait_ms(stand, BETWEEN_KILLS_MS);
    } while (process_now_ms() < until_ms && !crowd_has_ended(stand->crowd));
}

/* ---- a rolling restart ---- */

static const char haproxy[] = "/usr/sbin/haproxy";

static struct {
    char directory[PROCESS_PATH_SIZE];
    pid_t pid; /* 0: not running */
    uint16_t port;
    int port_lock;
} balancer;

static const char *const draining[] = {"SHUTDOWN_DRAIN_MS=2000", NULL};

static const char *needs_haproxy(void)
{
    return access(haproxy, X_OK) == 0 ? NULL : "haproxy is not installed";
}

/* A command of HAProxy's runtime interface; what it answers. */
static void tell_balancer(const char *command, char *answer, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%.80s/stats", balancer.directory);
    const int end = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t got = 0;
    ssize_t more = 1;
    if (connect(end, (const struct sockaddr *)&address, sizeof address) == 0) {
        dprintf(end, "%s\n", command);
        while (more > 0 && got < size - 1) {
            more = read(end, answer + got, size - 1 - got);
            got += more > 0 ? (size_t)more : 0;
        }
    }
    close(end);
    answer[got] = '\0';
}

/* Gives the service its place behind the balancer, and waits until it is asked. */
static void join_balancer(const struct stand *stand, unsigned index)
{
    char command[128];
    char answer[16384];
    char wanted[64];
    const int64_t end_ms = process_now_ms() + PROCESS_BOUND_MS;
    snprintf(command, sizeof command, "set server services/s%u addr 127.0.0.1 port %u", index,
             stand->services[index]->port);
    tell_balancer(command, answer, sizeof answer);
    snprintf(wanted, sizeof wanted, "s%u 127.0.0.1 2", index); /* 2: running (HAProxy, 9.3) */
    do {
        process_nap();
        tell_balancer("show servers state services", answer, sizeof answer);
        if (process_now_ms() > end_ms) {
            process_fail("the balancer does not find service %u\n%s", index, answer);
        }
    } while (strstr(answer, wanted) == NULL);
}

static void write_configuration(const char *path)
{
    char text[2048];
    snprintf(text, sizeof text,
             "global\n"
             "    stats socket %s/stats level admin\n"
             "defaults\n"
             "    mode http\n"
             "    timeout connect 1s\n"
             "    timeout client 30s\n"
             "    timeout server 10s\n"
             "    option redispatch\n"
             "    retries 3\n"
             "frontend clients\n"
             "    bind 127.0.0.1:%u\n"
             "    default_backend services\n"
             "backend services\n"
             "    option httpchk GET /readyz\n"
             "    timeout check 2s\n"
             "    default-server check inter 200ms fall 3 rise 1\n"
             "    server s0 127.0.0.1:1 disabled\n"
             "    server s1 127.0.0.1:1 disabled\n",
             balancer.directory, balancer.port);
    process_write_file(path, text);
}

static void start_balancer(struct stand *stand)
{
    static char path[PROCESS_PATH_SIZE + 16];
    static char log[PROCESS_PATH_SIZE + 16];
    char answer[256];
    (void)stand;
    process_make_directory(balancer.directory, NULL);
    balancer.port = port_reserve(&balancer.port_lock);
    snprintf(path, sizeof path, "%s/haproxy.cfg", balancer.directory);
    snprintf(log, sizeof log, "%s/log", balancer.directory);
    process_watch_log(log);
    write_configuration(path);
    const struct process_spec spec = {
        .argv = (const char *const[]){haproxy, "-db", "-f", path, NULL},
        .stdout_path = log,
        .stderr_path = log,
    };
    balancer.pid = process_spawn(&spec);
    do {
        process_nap();
        tell_balancer("enable server services/s0; enable server services/s1", answer,
                      sizeof answer);
    } while (process_wait(balancer.pid, 0) < 0 && answer[0] == '\0');
}

static uint16_t put_balancer(struct stand *stand)
{
    join_balancer(stand, 0);
    join_balancer(stand, 1);
    return balancer.port;
}

static void restart_each(struct stand *stand, int64_t until_ms)
{
    do {
        for (unsigned i = 0; i < 2 && !crowd_has_ended(stand->crowd); i++) {
            service_stop(&stand->services[i]);
            stand->services[i] =
                service_start(stand->service_url, stand->redis_url, stand->environment);
            join_balancer(stand, i);
        }
    } while (process_now_ms() < until_ms && !crowd_has_ended(stand->crowd));
}

static void stop_balancer(struct stand *stand)
{
    (void)stand;
    if (balancer.pid != 0) {
        process_end(balancer.pid, SIGKILL);
        balancer.pid = 0;
        close(balancer.port_lock);
        process_remove_directory(balancer.directory);
    }
}

/* ---- the clock ---- */

static char clock_file[PROCESS_PATH_SIZE + 32];
static char clock_directory[PROCESS_PATH_SIZE];
static char preload[256];
static char clock_variable[256];
static const char *const faked[] = {preload, clock_variable, "FAKETIME_NO_CACHE=1",
                                    "FAKETIME_DONT_FAKE_MONOTONIC=1", NULL};

static const char *needs_faketime(void)
{
    glob_t found;
    const int status = glob("/usr/lib/*/faketime/libfaketimeMT.so.1", 0, NULL, &found);
    if (status != 0) {
        return "libfaketime is not installed";
    }
    snprintf(preload, sizeof preload, "LD_PRELOAD=%s", found.gl_pathv[0]);
    globfree(&found);
    return NULL;
}

static void set_clock(const char *offset)
{
    char path[PROCESS_PATH_SIZE + 64];
    snprintf(path, sizeof path, "%s.new", clock_file);
    process_write_file(path, offset);
    rename(path, clock_file);
}

static void put_clock(struct stand *stand)
{
    (void)stand;
    process_make_directory(clock_directory, NULL);
    snprintf(clock_file, sizeof clock_file, "%s/offset", clock_directory);
    snprintf(clock_variable, sizeof clock_variable, "FAKETIME_TIMESTAMP_FILE=%s", clock_file);
    set_clock("+0\n");
}

static void step_clock(struct stand *stand, int64_t until_ms)
{
    const int64_t part_ms = (until_ms - process_now_ms()) / 3;
    static const char *const offsets[] = {"+3600\n", "-3600\n", "+0\n"};
    for (size_t i = 0; i < 3; i++) {
        set_clock(offsets[i]);
        stand_wait_ms(stand, part_ms);
    }
}

static void remove_clock(struct stand *stand)
{
    (void)stand;
    process_remove_directory(clock_directory);
}

/* ---- descriptors ---- */

enum { IDLERS = 100 };

static struct http_raw *idlers[IDLERS];

static void set_descriptor_limit(const struct stand *stand, rlim_t soft)
{
    struct rlimit limit;
    const pid_t pid = stand->services[0]->pid;
    prlimit(pid, RLIMIT_NOFILE, NULL, &limit);
    limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
    if (prlimit(pid, RLIMIT_NOFILE, &limit, NULL) != 0) {
        process_fail("the limit of descriptors cannot be set");
    }
}

static void exhaust_descriptors(struct stand *stand)
{
    set_descriptor_limit(stand, 64);
    for (size_t i = 0; i < IDLERS; i++) {
        idlers[i] = http_raw_connect(stand->services[0]->port);
    }
}

enum { NEWCOMERS = 32, NEWCOMER_BOUND_MS = 3000 };

static unsigned newcomers_served;

static void ask_as_newcomers(const struct stand *stand)
{
    struct http_client *clients[NEWCOMERS];
    newcomers_served = 0;
    for (size_t i = 0; i < NEWCOMERS; i++) {
        clients[i] = http_client_create(stand->services[0]->port);
        struct http_response *response =
            http_request(clients[i], "GET", "/livez",
                         &(const struct http_options){.timeout_ms = NEWCOMER_BOUND_MS});
        newcomers_served += response->status == 200;
        http_response_free(&response);
    }
    for (size_t i = 0; i < NEWCOMERS; i++) {
        http_client_destroy(&clients[i]);
    }
}

static void close_idlers(struct stand *stand)
{
    (void)stand;
    for (size_t i = 0; i < IDLERS; i++) {
        if (idlers[i] != NULL) {
            http_raw_close(&idlers[i]);
        }
    }
}

/* Whoever comes then is served, at either worker, although nobody has left. */
static void free_descriptors(struct stand *stand)
{
    set_descriptor_limit(stand, RLIM_INFINITY);
    ask_as_newcomers(stand);
    close_idlers(stand);
}

static void judge_newcomers(struct stand *stand, struct verdict *verdict)
{
    (void)stand;
    verdict_add(verdict, "%u of %d newcomers served", newcomers_served, NEWCOMERS);
    if (newcomers_served < NEWCOMERS) {
        verdict_fail(verdict, "only %u of %d newcomers were served", newcomers_served, NEWCOMERS);
    }
}

/* ---- the log ---- */

static struct {
    char directory[PROCESS_PATH_SIZE];
    char pipe[PROCESS_PATH_SIZE + 16];
    char program[PROCESS_PATH_SIZE + 16];
    char *binary; /* the real one; NULL: nothing is in front of it */
    int reader;   /* -1: nobody reads */
} log_pipe = {.reader = -1};

/* The services write their log into a pipe that is open and that nobody empties. */
static void put_pipe(struct stand *stand)
{
    char script[2 * PROCESS_PATH_SIZE + 512];
    (void)stand;
    process_make_directory(log_pipe.directory, NULL);
    snprintf(log_pipe.pipe, sizeof log_pipe.pipe, "%s/pipe", log_pipe.directory);
    snprintf(log_pipe.program, sizeof log_pipe.program, "%s/rsvpd", log_pipe.directory);
    log_pipe.binary = strdup(getenv("RSVPD_BINARY"));
    snprintf(script, sizeof script, "#!/bin/sh\nexec '%s' \"$@\" 2>'%s'\n", log_pipe.binary,
             log_pipe.pipe);
    process_write_file(log_pipe.program, script);
    if (chmod(log_pipe.program, 0700) != 0 || mkfifo(log_pipe.pipe, 0600) != 0) {
        process_fail("no pipe at %s", log_pipe.pipe);
    }
    log_pipe.reader = open(log_pipe.pipe, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    setenv("RSVPD_BINARY", log_pipe.program, 1);
}

static void close_pipe(struct stand *stand)
{
    (void)stand;
    close(log_pipe.reader);
    log_pipe.reader = -1;
}

static void remove_pipe(struct stand *stand)
{
    if (log_pipe.reader >= 0) {
        close_pipe(stand);
    }
    if (log_pipe.binary != NULL) {
        setenv("RSVPD_BINARY", log_pipe.binary, 1);
        free(log_pipe.binary);
        log_pipe.binary = NULL;
        process_remove_directory(log_pipe.directory);
    }
}

const struct fault faults_service[] = {
    {
        .name = "service-killed",
        .promise = "kill -9 of one of two services: no acknowledged write lost, no counter off",
        .services = 2,
        .tolerated = CROWD_LOSSES,
        .lasts_ms = 8000,
        .back_ms = 1000,
        .is_short = true,
        .go_on = kill_again_and_again,
    },
    {
        .name = "rolling-restart",
        .promise = "SIGTERM to each of two services behind HAProxy: not one failed request",
        .services = 2,
        .lasts_ms = 10000,
        .back_ms = 1000,
        .is_short = true,
        .environment = draining,
        .obstacle = needs_haproxy,
        .prepare = start_balancer,
        .front = put_balancer,
        .go_on = restart_each,
        .clean_up = stop_balancer,
    },
    {
        .name = "clock-step",
        .promise = "the clock stepped by an hour, both ways: keeps serving",
        .tolerated = CROWD_OLD_CLOCK,
        .lasts_ms = 9000,
        .back_ms = 1000,
        .environment = faked,
        .obstacle = needs_faketime,
        .prepare = put_clock,
        .go_on = step_clock,
        .clean_up = remove_clock,
    },
    {
        .name = "descriptors",
        .promise = "descriptors exhausted: keeps serving",
        .lasts_ms = 5000,
        .back_ms = 1000,
        .is_short = true,
        .begin = exhaust_descriptors,
        .end = free_descriptors,
        .judge = judge_newcomers,
        .clean_up = close_idlers,
    },
    {
        .name = "log-pipe",
        .promise = "the log's pipe full, then closed: keeps serving",
        .lasts_ms = 5000,
        .back_ms = 1000,
        .is_short = true,
        .prepare = put_pipe,
        .begin = close_pipe,
        .clean_up = remove_pipe,
    },
};
const size_t faults_service_count = sizeof faults_service / sizeof faults_service[0];
