/* What a service manager hears of the real process, from its start to its end. */
#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"
#include "process.h"
#include "test.h"

enum { BOUND_S = PROCESS_BOUND_MS / 1000, MESSAGE_SIZE = 512 };

static struct {
    char directory[PROCESS_PATH_SIZE];
    char variable[PROCESS_PATH_SIZE + 32]; /* NOTIFY_SOCKET=… */
    int listener;
    struct service *service;
} manager;

static int set_up(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval bound = {.tv_sec = BOUND_S};
    fixture_setup_servers(state);
    process_make_directory(manager.directory, NULL);
    snprintf(address.sun_path, sizeof address.sun_path, "%.90s/notify", manager.directory);
    snprintf(manager.variable, sizeof manager.variable, "NOTIFY_SOCKET=%s", address.sun_path);
    manager.listener = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(manager.listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(setsockopt(manager.listener, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound),
                     0);
    return 0;
}

static int tear_down(void **state)
{
    service_discard(&manager.service);
    close(manager.listener);
    process_remove_directory(manager.directory);
    return fixture_teardown(state);
}

/* Receives until a message begins with this, and gives it. */
static const char *await_message(const char *beginning)
{
    static char message[MESSAGE_SIZE];
    do {
        const ssize_t size = recv(manager.listener, message, sizeof message - 1, 0);
        if (size < 0) {
            process_fail("the manager does not hear: %s", beginning);
        }
        message[size] = '\0';
    } while (strncmp(message, beginning, strlen(beginning)) != 0);
    return message;
}

static int64_t monotonic_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void start(const char *const *environment)
{
    manager.service = service_start_unready(fixture.database_url, NULL, environment);
}

static void hears_a_whole_life(NO_STATE)
{
    int64_t told_us;
    start((const char *const[]){manager.variable, "WATCHDOG_USEC=200000", "SHUTDOWN_DRAIN_MS=300",
                                "REQUEST_DEADLINE_MS=1000", NULL});
    await_message("READY=1\nSTATUS=ready\n");
    service_wait_ready(manager.service, 200); /* it is true */
    for (int i = 0; i < 5; i++) {
        await_message("WATCHDOG=1\n");
    }
    const int64_t before_us = monotonic_us();
    kill(manager.service->pid, SIGHUP);
    const char *reloading = await_message("RELOADING=1\n");
    assert_int_equal(sscanf(reloading, "RELOADING=1\nMONOTONIC_USEC=%" SCNd64 "\n", &told_us), 1);
    assert_in_range(told_us, before_us, monotonic_us());
    await_message("READY=1\n");
    kill(manager.service->pid, SIGTERM);
    await_message("STOPPING=1\nEXTEND_TIMEOUT_USEC=6300000\n"); /* drain, deadline, and 5 s */
    await_message("STATUS=draining\n");
    await_message("WATCHDOG=1\n"); /* the drain is watched, too */
    await_message("STOPPING=1\nEXTEND_TIMEOUT_USEC=6000000\n");
    assert_int_equal(service_wait_end(&manager.service), 0);
}

/* It is not ready before it has reached its database. */
static void hears_what_is_missing(NO_STATE)
{
    start((const char *const[]){manager.variable, NULL});
    await_message("READY=1\n");
    pg_server_stop(fixture.pg);
    await_message("STATUS=unavailable\n");
    pg_server_start(fixture.pg);
    await_message("STATUS=ready\n");
    service_stop(&manager.service);
}

/* SIGHUP while it reads already: each reload is told, and the last word is that it serves. */
static void hears_of_many_reloads(NO_STATE)
{
    start((const char *const[]){manager.variable, NULL});
    await_message("READY=1\n");
    for (int i = 0; i < 20; i++) {
        kill(manager.service->pid, SIGHUP);
    }
    await_message("RELOADING=1\n");
    await_message("READY=1\n");
    service_stop(&manager.service);
    await_message("STOPPING=1\n");
}

/* ---- a loop that stands still ---- */

enum { THREADS_MAX = 64, STUCK_MS = 1000 };

/* Stops all threads but the main one. */
static size_t stop_threads(pid_t pid, pid_t stopped[THREADS_MAX])
{
    char path[64];
    size_t count = 0;
    const struct dirent *entry;
    snprintf(path, sizeof path, "/proc/%ld/task", (long)pid);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        const pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);
        if (thread > 0 && thread != pid) {
            assert_true(count < THREADS_MAX);
            assert_int_equal(ptrace(PTRACE_SEIZE, thread, NULL, NULL), 0);
            assert_int_equal(ptrace(PTRACE_INTERRUPT, thread, NULL, NULL), 0);
            assert_int_equal(waitpid(thread, NULL, __WALL), thread);
            stopped[count++] = thread;
        }
    }
    closedir(folder);
    return count;
}

static int livez(void)
{
    struct http_client *client = http_client_create(manager.service->admin_port);
    struct http_response *response = http_request(client, "GET", "/livez", NULL);
    const int status = response->status;
    http_response_free(&response);
    http_client_destroy(&client);
    return status;
}

/* The messages that are there. */
static bool hears_of_watchdog_now(void)
{
    char message[MESSAGE_SIZE];
    bool heard = false;
    ssize_t size;
    while ((size = recv(manager.listener, message, sizeof message - 1, MSG_DONTWAIT)) > 0) {
        message[size] = '\0';
        heard = heard || strcmp(message, "WATCHDOG=1\n") == 0;
    }
    return heard;
}

/* The main thread, which tells the manager, goes on. The threads are let go before anything is
 * judged: a process with stopped threads could not be ended. */
static void a_loop_that_hangs_ends_the_word_for_the_watchdog(NO_STATE)
{
    pid_t stopped[THREADS_MAX];
    start((const char *const[]){manager.variable, "WATCHDOG_USEC=200000", "WORKERS=1", NULL});
    await_message("READY=1\n");
    await_message("WATCHDOG=1\n");
    const size_t count = stop_threads(manager.service->pid, stopped);
    const int64_t end_ms = process_now_ms() + BOUND_S * 1000;
    while (livez() != 503 && process_now_ms() < end_ms) {
        (void)hears_of_watchdog_now();
        process_nap();
    }
    const int64_t since_ms = process_now_ms();
    (void)hears_of_watchdog_now(); /* of the time before it was noticed */
    bool stuck = true;
    while (process_now_ms() < since_ms + STUCK_MS) {
        stuck = stuck && livez() == 503;
        process_nap();
    }
    const bool heard = hears_of_watchdog_now();
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(ptrace(PTRACE_DETACH, stopped[i], NULL, NULL), 0);
    }
    assert_true(stuck);
    assert_false(heard);
    await_message("WATCHDOG=1\n");
    assert_int_equal(livez(), 200);
    service_stop(&manager.service);
    await_message("STOPPING=1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hears_a_whole_life),
        cmocka_unit_test_teardown(hears_what_is_missing, fixture_heal),
        cmocka_unit_test(hears_of_many_reloads),
        cmocka_unit_test(a_loop_that_hangs_ends_the_word_for_the_watchdog),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
