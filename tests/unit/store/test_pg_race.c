/* What is said where no host gives a session. No PostgreSQL listens anywhere. */
#include "unit.h"

#include "rsvpd/store/pg_race.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- names of our own ---- */

enum { MANY = 16, SLOW_S = 3 };

typedef int look_up(const char *, const char *, const struct addrinfo *, struct addrinfo **);
typedef int tell_time(clockid_t, struct timespec *);

static time_t slept_s; /* which the look-ups have taken */

/* In front of the C library's. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
    tell_time *const next = (tell_time *)dlsym(RTLD_NEXT, "clock_gettime");
    const int status = next(clock, now);
    now->tv_sec += slept_s;
    return status;
}

/* The same: "many.test" has the address 127.0.0.2 many times, and 127.0.0.1 last; "slow.test" takes
 * its time for 127.0.0.1. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    look_up *const next = (look_up *)dlsym(RTLD_NEXT, "getaddrinfo");
    if (name != NULL && strcmp(name, "slow.test") == 0) {
        slept_s += SLOW_S;
        return next("127.0.0.1", service, hints, found);
    }
    if (name == NULL || (strcmp(name, "many.test") != 0 && strcmp(name, "two.test") != 0)) {
        return next(name, service, hints, found);
    }
    const int count = strcmp(name, "two.test") == 0 ? 2 : MANY;
    int status = 0;
    *found = NULL;
    for (int i = 0; i < count && status == 0; i++) {
        struct addrinfo *further = NULL;
        status = next(i == 0 ? "127.0.0.1" : "127.0.0.2", service, hints, &further);
        if (status == 0) {
            further->ai_next = *found;
            *found = further;
        }
    }
    return status;
}

/* Says nothing. */
static int listen_at(const char *host, uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = inet_addr(host);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return listener;
}

/* A server that refuses each client after a while; it ends once it had far too many. */
struct refuser {
    uint16_t port;
    pid_t pid;
};

static void refuse_slowly(int listener)
{
    enum { AFTER_MS = 500, CLIENTS_MAX = 8 };
    for (int i = 0; i < CLIENTS_MAX; i++) {
        const int client = accept(listener, NULL, NULL);
        (void)poll(NULL, 0, AFTER_MS);
        close(client);
    }
}

static struct refuser start_refuser(void)
{
    struct refuser refuser = {.port = 0};
    const int listener = listen_at("127.0.0.1", &refuser.port);
    refuser.pid = fork();
    assert_true(refuser.pid >= 0);
    if (refuser.pid == 0) {
        refuse_slowly(listener);
        _exit(EXIT_SUCCESS);
    }
    close(listener);
    return refuser;
}

/* Fails if it had too many. */
static void stop_refuser(const struct refuser *refuser)
{
    assert_int_equal(waitpid(refuser->pid, NULL, WNOHANG), 0);
    assert_int_equal(kill(refuser->pid, SIGKILL), 0);
    assert_int_equal(waitpid(refuser->pid, NULL, 0), refuser->pid);
}

/* ---- cases ---- */

static void expect_message(const char *url, const char *part)
{
    char message[PG_RACE_MESSAGE_SIZE_BYTES];
    const char *const keywords[] = {"dbname", NULL};
    const char *const values[] = {url, NULL};
    assert_null(pg_race(keywords, values, message));
    if (strstr(message, part) == NULL) {
        fail_msg("'%s' gives: %s", url, message);
    }
}

static void test_every_host_is_tried(NO_STATE)
{
    static const char both[] = "host=/nonexistent,127.0.0.1 port=1 dbname=db";
    expect_message(both, "No such file or directory");
    expect_message(both, "Connection refused");
    expect_message("host=127.0.0.1,/nonexistent port=1, dbname=db", "No such file or directory");
}

/* Though the first one takes the connection and keeps it. */
static void test_every_address_of_a_name_is_tried(NO_STATE)
{
    char url[128];
    uint16_t port;
    const int listener = listen_at("127.0.0.2", &port);
    snprintf(url, sizeof url, "host=two.test port=%u dbname=db connect_timeout=2", (unsigned)port);
    expect_message(url, "Connection refused");
    close(listener);
}

/* All of the first one's addresses are silent. */
static void test_a_name_of_many_addresses_leaves_others_their_turn(NO_STATE)
{
    char url[128];
    uint16_t port;
    const int listener = listen_at("127.0.0.2", &port);
    snprintf(url, sizeof url, "host=many.test,127.0.0.1 port=%u,1 dbname=db connect_timeout=2",
             (unsigned)port);
    expect_message(url, "Connection refused");
    close(listener);
}

/* Each is asked while another one has not refused yet, and there is no limit. */
static void test_hosts_that_refuse_slowly_are_not_asked_for_ever(NO_STATE)
{
    char url[192];
    const struct refuser refusers[] = {start_refuser(), start_refuser(), start_refuser()};
    snprintf(url, sizeof url,
             "host=127.0.0.1,127.0.0.1,127.0.0.1 port=%u,%u,%u dbname=db connect_timeout=0"
             " sslmode=disable gssencmode=disable",
             (unsigned)refusers[0].port, (unsigned)refusers[1].port, (unsigned)refusers[2].port);
    expect_message(url, "server closed the connection");
    for (size_t i = 0; i < LENGTH(refusers); i++) {
        stop_refuser(&refusers[i]);
    }
}

/* It takes longer than the hosts have. */
static void test_a_slow_name_server_takes_no_time_from_hosts(NO_STATE)
{
    expect_message("host=slow.test,slow.test port=1 dbname=db connect_timeout=2",
                   "Connection refused");
}

static void test_a_name_that_is_none(NO_STATE)
{
    static const char both[] = "host=nobody.invalid,127.0.0.1 port=1 dbname=db";
    expect_message(both, "could not translate host name");
    expect_message(both, "Connection refused");
}

/* Others in the process want descriptors, too. */
static void test_only_so_many_hosts_are_asked_at_a_time(NO_STATE)
{
    enum { HOSTS = 500, DESCRIPTORS = 64 };
    char url[HOSTS * 16 + 128] = "host=127.0.0.2";
    struct rlimit before, few;
    uint16_t port;
    const int listener = listen_at("127.0.0.2", &port);
    for (int i = 1; i < HOSTS; i++) {
        strcat(url, ",127.0.0.2");
    }
    snprintf(url + strlen(url), 128, " port=%u dbname=db connect_timeout=2", (unsigned)port);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = (struct rlimit){DESCRIPTORS, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    char message[PG_RACE_MESSAGE_SIZE_BYTES];
    assert_null(
        pg_race((const char *const[]){"dbname", NULL}, (const char *const[]){url, NULL}, message));
    assert_string_equal(message, "timeout expired\n");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    close(listener);
}

static void test_a_timeout_that_is_no_number_is_told(NO_STATE)
{
    expect_message("host=127.0.0.1 port=1 dbname=db connect_timeout=sesame", "invalid integer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_host_is_tried),
        cmocka_unit_test(test_every_address_of_a_name_is_tried),
        cmocka_unit_test(test_a_name_of_many_addresses_leaves_others_their_turn),
        cmocka_unit_test(test_hosts_that_refuse_slowly_are_not_asked_for_ever),
        cmocka_unit_test(test_a_slow_name_server_takes_no_time_from_hosts),
        cmocka_unit_test(test_a_name_that_is_none),
        cmocka_unit_test(test_only_so_many_hosts_are_asked_at_a_time),
        cmocka_unit_test(test_a_timeout_that_is_no_number_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
