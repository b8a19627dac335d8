/* The real binary ($RSVPD_BINARY) as a child: serving, or running a subcommand to its end. Its
 * environment is a plain PATH, the sanitizers' options of the test program, and what the test
 * gives; nothing else leaks in. Everything here fails the running test when it cannot do its job;
 * call it from the main thread. */
#ifndef RSVPD_TESTS_SERVICE_H
#define RSVPD_TESTS_SERVICE_H

#include <stdint.h>
#include <sys/types.h>

#include "process.h"

struct service {
    uint16_t port;
    uint16_t admin_port;
    pid_t pid;                         /* 0: ended */
    char directory[PROCESS_PATH_SIZE]; /* its working directory */
    char log_path[PROCESS_PATH_SIZE];  /* its stderr */
    int port_locks[2];                 /* see port_reserve() */
};

struct service_run {
    int status; /* exit status; 128 + N: ended by signal N */
    char *out;
    char *err;
    pid_t pid;
    char directory[PROCESS_PATH_SIZE];
};

/* Applies the migrations, and gives the service's role its rights. */
void service_migrate(const char *database_url);

/* In the environment of all that connects to PostgreSQL: a busy machine can take longer than the
 * two seconds that are the default. */
#define SERVICE_PATIENT_CONNECT "PGCONNECT_TIMEOUT=60"

/* From now on services have the deadline and the time to connect that are their defaults: for
 * programs where they pass. */
void service_keep_defaults(void);

/* Starts `serve` on free ports and returns when /readyz answers 200. Where the URL of the database
 * is that of its owner, the service is given its own role's. redis_url may be NULL.
 * environment is NULL-terminated NAME=VALUE, or NULL, and wins over what is set here: DATABASE_URL,
 * REDIS_URL, PORT, ADMIN_PORT, SHUTDOWN_DRAIN_MS=0, WORKERS=2, and a REQUEST_DEADLINE_MS that no
 * slow machine comes to. */
struct service *service_start(const char *database_url, const char *redis_url,
                              const char *const *environment);
/* The same, returning at once; for services that are not going to be ready. */
struct service *service_start_unready(const char *database_url, const char *redis_url,
                                      const char *const *environment);
/* Starts `relay` as the role of the relay, with its standard output appended to that file, and
 * returns at once. All else here holds for it as well, but for its public port, which it has none
 * of. */
struct service *service_start_relay(const char *database_url, const char *out_path,
                                    const char *const *environment);
/* Waits until /readyz on the admin port answers with that status, at most PROCESS_BOUND_MS. */
void service_wait_ready(const struct service *service, int status);
/* Waits until /readyz answers 200 and says "ready", or "degraded" without Redis, at most
 * PROCESS_BOUND_MS. */
void service_await_status(const struct service *service, const char *status);
/* The sum of the samples of a metric, with these pairs of label and value (NULL ends them). */
int64_t service_metric(const struct service *service, const char *name, const char *const *labels);
/* How often the service has begun to connect to PostgreSQL. */
int64_t service_count_connects(const struct service *service);
/* Waits, at most PROCESS_BOUND_MS, until it has begun to so often. */
void service_await_connects(const struct service *service, int64_t count);
/* Waits, at most PROCESS_BOUND_MS, until so many operations of the queue ("writes", "lookups",
 * "counts"), or more where it is not 0, wait for PostgreSQL or are with it, as /metrics tells: a
 * worker has writes of its own now and then. */
void service_wait_queued(const struct service *service, const char *queue, long depth);
/* SIGTERM; it must end with status 0 and no sanitizer's report. *service becomes NULL. */
void service_stop(struct service **service);
/* The same, and gives all that it logged, its last words included; the caller frees it. */
char *service_stop_and_read_log(struct service **service);
/* SIGKILL; reports are looked for as well. */
void service_kill(struct service **service);
/* For one that was told to end already: its exit status, with the same checks and clean-up. */
int service_wait_end(struct service **service);
/* For group teardowns after failures: kills what still runs and checks nothing. */
void service_discard(struct service **service);
/* All that it has logged so far; the caller frees it. */
char *service_read_log(const struct service *service);
/* How often it has logged these words. */
size_t service_count_in_log(const struct service *service, const char *words);
/* Waits, at most PROCESS_BOUND_MS, until it has logged these words; and until so often. */
void service_await_log(const struct service *service, const char *words);
void service_await_in_log(const struct service *service, const char *words, size_t times);
/* Processor time that it has taken so far. */
long service_cpu_ms(const struct service *service);

/* Runs the binary with these arguments (NULL-terminated, without the program) to its end.
 * environment is all it gets besides PATH and the sanitizers' options; NULL: nothing. */
struct service_run service_run(const char *const *arguments, const char *const *environment);
/* The two halves of service_run(), to run several at once. */
struct service_run service_run_begin(const char *const *arguments, const char *const *environment);
void service_run_end(struct service_run *run);
void service_run_free(struct service_run *run);

/* A TCP port on loopback that is free now and that no other test program gets while *lock, a
 * descriptor, is open. Below the range that the kernel gives to outgoing connections. */
uint16_t port_reserve(int *lock);

#endif
