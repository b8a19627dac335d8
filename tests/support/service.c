/* The real binary as a child of the test program. */
#include "service.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "http.h"
#include "prometheus.h"
#include "servers.h"

enum {
    READY_TIMEOUT_MS = PROCESS_BOUND_MS,
    END_TIMEOUT_MS = PROCESS_BOUND_MS,
    PATIENT_DEADLINE_MS = 15000,
    FIRST_PORT = 20000,
    PORT_COUNT = 11000,
    START_ATTEMPTS = 5,
    ENVIRONMENT_MAX = 64,
};

static const char *const sanitizer_marks[] = {"AddressSanitizer", "ThreadSanitizer",
                                              "LeakSanitizer", "UndefinedBehaviorSanitizer",
                                              "runtime error:"};

/* ---- ports ---- */

/* Claims the port among test programs. The name is in the abstract namespace, where it vanishes
 * with its holder. Needed because the service binds with SO_REUSEPORT: two could share one port
 * unseen. */
static int lock_port(int port)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int length =
        snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "rsvpd-test-%d", port);
    const int lock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
    if (bind(lock, (const struct sockaddr *)&address, size) != 0) {
        close(lock);
        return -1;
    }
    return lock;
}

static bool port_is_free(int port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)},
    };
    const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool is_free = bind(probe, (const struct sockaddr *)&address, sizeof address) == 0;
    close(probe);
    return is_free;
}

uint16_t port_reserve(int *lock)
{
    static unsigned step = 0;
    for (unsigned attempt = 0; attempt < PORT_COUNT; attempt++) {
        const unsigned offset = ((unsigned)getpid() * 97U + step++) % PORT_COUNT;
        const int port = FIRST_PORT + (int)offset;
        *lock = lock_port(port);
        if (*lock >= 0 && port_is_free(port)) {
            return (uint16_t)port;
        }
        if (*lock >= 0) {
            close(*lock);
        }
    }
    process_fail("no free port");
}

/* ---- the environment ---- */

static bool defaults_are_kept;

void service_keep_defaults(void)
{
    defaults_are_kept = true;
}

struct environment {
    char *entries[ENVIRONMENT_MAX + 1];
    size_t count;
};

/* Sets NAME=VALUE, in place of an entry of the same name. */
static void environment_put(struct environment *environment, const char *entry)
{
    const size_t name_length = strcspn(entry, "=") + 1;
    size_t i = 0;
    while (i < environment->count && strncmp(environment->entries[i], entry, name_length) != 0) {
        i++;
    }
    if (i == ENVIRONMENT_MAX) {
        process_fail("too many environment variables");
    }
    free(environment->entries[i]);
    environment->entries[i] = strdup(entry);
    environment->count += i == environment->count;
}

static void environment_set(struct environment *environment, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void environment_set(struct environment *environment, const char *format, ...)
{
    char entry[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(entry, sizeof entry, format, arguments);
    va_end(arguments);
    environment_put(environment, entry);
}

static void environment_init(struct environment *environment)
{
    static const char *const passed[] = {"ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS",
                                         "UBSAN_OPTIONS"};
    *environment = (struct environment){.count = 0};
    environment_put(environment, "PATH=/usr/local/bin:/usr/bin:/bin");
    if (!defaults_are_kept) {
        environment_put(environment, SERVICE_PATIENT_CONNECT);
    }
    for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++) {
        if (getenv(passed[i]) != NULL) {
            environment_set(environment, "%s=%s", passed[i], getenv(passed[i]));
        }
    }
}

static void environment_put_all(struct environment *environment, const char *const *entries)
{
    for (size_t i = 0; entries != NULL && entries[i] != NULL; i++) {
        environment_put(environment, entries[i]);
    }
}

static void environment_free(struct environment *environment)
{
    for (size_t i = 0; i < environment->count; i++) {
        free(environment->entries[i]);
    }
}

static const char *binary_path(void)
{
    const char *path = getenv("RSVPD_BINARY");
    if (path == NULL) {
        process_fail("RSVPD_BINARY does not name the binary");
    }
    return path;
}

/* -- sanitizers' reports
 * --------------------------------------------------------------------------- */

static void check_reports(const char *log)
{
    for (size_t i = 0; i < sizeof sanitizer_marks / sizeof sanitizer_marks[0]; i++) {
        const char *report = strstr(log, sanitizer_marks[i]);
        if (report != NULL) {
            process_fail("a sanitizer reports:\n%.3000s", report);
        }
    }
}

/* ---- running to the end ---- */

struct service_run service_run_begin(const char *const *arguments, const char *const *environment)
{
    struct service_run run = {.status = -1};
    char out_path[PROCESS_PATH_SIZE + 16];
    char err_path[PROCESS_PATH_SIZE + 16];
    const char *argv[16] = {binary_path()};
    struct environment full;
    for (size_t i = 0; i < 14 && arguments[i] != NULL; i++) {
        argv[i + 1] = arguments[i];
    }
    process_make_directory(run.directory, NULL);
    snprintf(out_path, sizeof out_path, "%s/out", run.directory);
    snprintf(err_path, sizeof err_path, "%s/err", run.directory);
    environment_init(&full);
    environment_put_all(&full, environment);
    const struct process_spec spec = {
        .argv = argv,
        .environment = (const char *const *)full.entries,
        .directory = run.directory,
        .stdout_path = out_path,
        .stderr_path = err_path,
    };
    run.pid = process_spawn(&spec);
    environment_free(&full);
    return run;
}

void service_run_end(struct service_run *run)
{
    char path[PROCESS_PATH_SIZE + 16];
    run->status = process_wait(run->pid, END_TIMEOUT_MS);
    snprintf(path, sizeof path, "%s/out", run->directory);
    run->out = process_read_file(path);
    snprintf(path, sizeof path, "%s/err", run->directory);
    run->err = process_read_file(path);
    process_remove_directory(run->directory);
    if (run->status < 0) {
        process_end(run->pid, SIGKILL);
        process_fail("the binary does not end by itself\n%s", run->err);
    }
    check_reports(run->err);
}

struct service_run service_run(const char *const *arguments, const char *const *environment)
{
    struct service_run run = service_run_begin(arguments, environment);
    service_run_end(&run);
    return run;
}

void service_run_free(struct service_run *run)
{
    free(run->out);
    free(run->err);
    *run = (struct service_run){.status = 0};
}

void service_migrate(const char *database_url)
{
    struct environment environment;
    environment_init(&environment);
    environment_set(&environment, "DATABASE_URL=%s", database_url);
    struct service_run run = service_run((const char *const[]){"migrate", NULL},
                                         (const char *const *)environment.entries);
    environment_free(&environment);
    if (run.status != 0) {
        process_fail("migrate ended with status %d\n%s", run.status, run.err);
    }
    service_run_free(&run);
    pg_distribute(database_url);
    pg_grant_service_role(database_url);
}

/* ---- serving ---- */

/* `url` is the database's, of the role that the command is for; out_path may be NULL: as stderr. */
static void spawn(struct service *service, const char *command, const char *url,
                  const char *out_path, const char *redis_url, const char *const *environment)
{
    struct environment full;
    service->port = port_reserve(&service->port_locks[0]);
    service->admin_port = port_reserve(&service->port_locks[1]);
    environment_init(&full);
    environment_set(&full, "DATABASE_URL=%s", url);
    if (redis_url != NULL) {
        environment_set(&full, "REDIS_URL=%s", redis_url);
    }
    environment_set(&full, "PORT=%u", service->port);
    environment_set(&full, "ADMIN_PORT=%u", service->admin_port);
    if (!defaults_are_kept) {
        environment_set(&full, "REQUEST_DEADLINE_MS=%d", PATIENT_DEADLINE_MS);
    }
    environment_set(&full, "SHUTDOWN_DRAIN_MS=0");
    environment_set(&full, "WORKERS=2");
    environment_put_all(&full, environment);
    const char *const argv[] = {binary_path(), command, NULL};
    const struct process_spec spec = {
        .argv = argv,
        .environment = (const char *const *)full.entries,
        .directory = service->directory,
        .stdout_path = out_path != NULL ? out_path : service->log_path,
        .stderr_path = service->log_path,
    };
    service->pid = process_spawn(&spec);
    environment_free(&full);
}

static struct service *create(void)
{
    struct service *service = calloc(1, sizeof *service);
    process_make_directory(service->directory, NULL);
    snprintf(service->log_path, sizeof service->log_path, "%.100s/log", service->directory);
    process_watch_log(service->log_path);
    return service;
}

struct service *service_start_unready(const char *database_url, const char *redis_url,
                                      const char *const *environment)
{
    struct service *service = create();
    char *url = pg_service_url(database_url);
    spawn(service, "serve", url, NULL, redis_url, environment);
    free(url);
    return service;
}

struct service *service_start_relay(const char *database_url, const char *out_path,
                                    const char *const *environment)
{
    struct service *service = create();
    char *url = pg_relay_url(database_url);
    spawn(service, "relay", url, out_path, NULL, environment);
    free(url);
    return service;
}

static void clean_up(struct service **service)
{
    close((*service)->port_locks[0]);
    close((*service)->port_locks[1]);
    process_unwatch_log((*service)->log_path);
    process_remove_directory((*service)->directory);
    free(*service);
    *service = NULL;
}

/* Polls /readyz; false if the service ended instead, which leaves it without a pid. */
static bool wait_ready(struct service *service)
{
    struct http_client *client = http_client_create(service->admin_port);
    const int64_t end_ms = process_now_ms() + READY_TIMEOUT_MS;
    bool ready = false;
    while (!ready && service->pid != 0) {
        struct http_response *response = http_request(client, "GET", "/readyz", NULL);
        ready = response->status == 200;
        http_response_free(&response);
        if (!ready && process_wait(service->pid, 0) >= 0) {
            service->pid = 0;
        }
        if (process_now_ms() > end_ms) {
            process_fail("the service does not become ready");
        }
        process_nap();
    }
    http_client_destroy(&client);
    return ready;
}

struct service *service_start(const char *database_url, const char *redis_url,
                              const char *const *environment)
{
    for (int attempt = 0; attempt < START_ATTEMPTS; attempt++) {
        struct service *service = service_start_unready(database_url, redis_url, environment);
        if (wait_ready(service)) {
            return service;
        }
        /* Someone outside of these tests took the port between the look and the start. */
        char *log = service_read_log(service);
        const bool port_taken = strstr(log, "in use") != NULL;
        free(log);
        if (!port_taken) {
            process_fail("the service ended instead of serving");
        }
        clean_up(&service);
    }
    process_fail("no port stays free long enough");
}

void service_await_status(const struct service *service, const char *status)
{
    struct http_client *client = http_client_create(service->admin_port);
    const int64_t end_ms = process_now_ms() + READY_TIMEOUT_MS;
    bool is_so = false;
    while (!is_so) {
        struct http_response *response = http_request(client, "GET", "/readyz", NULL);
        is_so = response->status == 200 && strstr(response->body, status) != NULL;
        if (!is_so && process_now_ms() > end_ms) {
            process_fail("/readyz says %s, not %s", response->body, status);
        }
        http_response_free(&response);
        process_nap();
    }
    http_client_destroy(&client);
}

int64_t service_metric(const struct service *service, const char *name, const char *const *labels)
{
    struct http_client *client = http_client_create(service->admin_port);
    struct http_response *response = http_request(client, "GET", "/metrics", NULL);
    if (response->status != 200) {
        process_fail("/metrics answers %d", response->status);
    }
    struct prometheus *metrics = prometheus_parse(response->body);
    const int64_t sum = (int64_t)prometheus_sum(metrics, name, labels);
    prometheus_free(&metrics);
    http_response_free(&response);
    http_client_destroy(&client);
    return sum;
}

int64_t service_count_connects(const struct service *service)
{
    return service_metric(service, "rsvpd_dependency_connects_total",
                          (const char *const[]){"dependency", "postgres", NULL});
}

void service_await_connects(const struct service *service, int64_t count)
{
    const int64_t end_ms = process_now_ms() + PROCESS_BOUND_MS;
    while (service_count_connects(service) < count) {
        if (process_now_ms() > end_ms) {
            process_fail("it does not try to connect");
        }
        process_nap();
    }
}

void service_wait_ready(const struct service *service, int status)
{
    struct http_client *client = http_client_create(service->admin_port);
    const int64_t end_ms = process_now_ms() + READY_TIMEOUT_MS;
    int seen = 0;
    while (seen != status) {
        if (process_now_ms() > end_ms) {
            process_fail("/readyz answers %d, not %d", seen, status);
        }
        struct http_response *response = http_request(client, "GET", "/readyz", NULL);
        seen = response->status;
        http_response_free(&response);
        process_nap();
    }
    http_client_destroy(&client);
}

static long queue_depth(struct http_client *admin, const char *queue)
{
    char name[64];
    snprintf(name, sizeof name, "\nrsvpd_queue_depth{queue=\"%s\"} ", queue);
    struct http_response *response = http_request(admin, "GET", "/metrics", NULL);
    const char *line = strstr(response->body, name);
    const long depth = line != NULL ? strtol(line + strlen(name), NULL, 10) : -1;
    http_response_free(&response);
    return depth;
}

void service_wait_queued(const struct service *service, const char *queue, long depth)
{
    struct http_client *admin = http_client_create(service->admin_port);
    const int64_t end_ms = process_now_ms() + READY_TIMEOUT_MS;
    long seen;
    while ((seen = queue_depth(admin, queue)) < depth || (depth == 0 && seen > 0)) {
        if (process_now_ms() > end_ms) {
            process_fail("%ld %s are queued, expected %ld", seen, queue, depth);
        }
        process_nap();
    }
    http_client_destroy(&admin);
}

static void check_log(const struct service *service)
{
    char *log = service_read_log(service);
    check_reports(log);
    free(log);
}

int service_wait_end(struct service **service)
{
    const int status = process_wait((*service)->pid, END_TIMEOUT_MS);
    if (status < 0) {
        process_fail("the service does not end");
    }
    (*service)->pid = 0;
    check_log(*service);
    clean_up(service);
    return status;
}

char *service_stop_and_read_log(struct service **service)
{
    kill((*service)->pid, SIGTERM);
    const int status = process_wait((*service)->pid, END_TIMEOUT_MS);
    if (status != 0) {
        process_fail("the service did not end well: %d", status);
    }
    (*service)->pid = 0;
    char *log = service_read_log(*service);
    check_reports(log);
    clean_up(service);
    return log;
}

void service_stop(struct service **service)
{
    free(service_stop_and_read_log(service));
}

void service_kill(struct service **service)
{
    process_end((*service)->pid, SIGKILL);
    (*service)->pid = 0;
    check_log(*service);
    clean_up(service);
}

void service_discard(struct service **service)
{
    if (*service == NULL) {
        return;
    }
    if ((*service)->pid != 0) {
        process_end((*service)->pid, SIGKILL);
    }
    clean_up(service);
}

char *service_read_log(const struct service *service)
{
    return process_read_file(service->log_path);
}

size_t service_count_in_log(const struct service *service, const char *words)
{
    char *log = service_read_log(service);
    size_t count = 0;
    for (const char *at = log; (at = strstr(at, words)) != NULL; at++) {
        count++;
    }
    free(log);
    return count;
}

void service_await_in_log(const struct service *service, const char *words, size_t times)
{
    const int64_t end_ms = process_now_ms() + PROCESS_BOUND_MS;
    size_t count;
    while ((count = service_count_in_log(service, words)) < times) {
        if (process_now_ms() > end_ms) {
            process_fail("the log has %zu times instead of %zu: %s\n%s", count, times, words,
                         service_read_log(service));
        }
        process_nap();
    }
}

void service_await_log(const struct service *service, const char *words)
{
    service_await_in_log(service, words, 1);
}

long service_cpu_ms(const struct service *service)
{
    enum { USER_TIME = 14, KERNEL_TIME = 15 }; /* proc_pid_stat(5) */
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)service->pid);
    char *stat = process_read_file(path);
    const char *at = strrchr(stat, ')'); /* ends the second field, which may hold blanks */
    unsigned long ticks = 0;
    for (int field = 3; at != NULL && field <= KERNEL_TIME; field++) {
        at = strchr(at + 1, ' ');
        if (at != NULL && field >= USER_TIME) {
            ticks += strtoul(at, NULL, 10);
        }
    }
    free(stat);
    return (long)(ticks * 1000 / (unsigned long)sysconf(_SC_CLK_TCK));
}
