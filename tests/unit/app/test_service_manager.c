/* What a service manager hears, over a real socket of its protocol. */
#include "unit.h"

#include "rsvpd/app/service_manager.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TICK_US = 10000, WATCHDOG_US = 100000, SECOND_US = 1000000 };

/* The variables of the process. */
static const char *notify_socket, *watchdog_usec, *watchdog_pid;

static const char *look_up(const char *name)
{
    return strcmp(name, "NOTIFY_SOCKET") == 0   ? notify_socket
           : strcmp(name, "WATCHDOG_USEC") == 0 ? watchdog_usec
           : strcmp(name, "WATCHDOG_PID") == 0  ? watchdog_pid
                                                : NULL;
}

static struct service_manager manager;
static int listener = -1; /* the manager's side */
static char path[64];

/* Listens at the name, as the manager does, and opens the process's side. */
static void open_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(name);
    memcpy(address.sun_path, name, size);
    if (name[0] == '@') {
        address.sun_path[0] = '\0';
    }
    listener = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)),
                     0);
    notify_socket = name;
    service_manager_init(&manager, look_up);
}

static int set_up(void **state)
{
    (void)state;
    notify_socket = watchdog_usec = watchdog_pid = NULL;
    snprintf(path, sizeof path, "/tmp/rsvpd-notify-%ld", (long)getpid());
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    service_manager_end(&manager);
    if (listener >= 0) {
        close(listener);
        listener = -1;
    }
    unlink(path);
    return 0;
}

/* The next message is this; NULL: there is none. */
static void expect_message(const char *expected)
{
    char message[SERVICE_MANAGER_MESSAGE_SIZE_BYTES + 1];
    ssize_t size = recv(listener, message, sizeof message - 1, 0);
    message[size < 0 ? 0 : size] = '\0';
    assert_string_equal(message, expected == NULL ? "" : expected);
}

static void test_readiness_is_told_once(NO_STATE)
{
    open_at(path);
    assert_true(service_manager_wants_news(&manager, 0));
    service_manager_tick(&manager, true, false, "unavailable", 0);
    expect_message("STATUS=unavailable\n");
    service_manager_tick(&manager, true, false, "unavailable", TICK_US);
    expect_message(NULL);
    service_manager_tick(&manager, true, true, "ready", TICK_US);
    expect_message("READY=1\nSTATUS=ready\n");
    service_manager_tick(&manager, true, true, "degraded", TICK_US);
    expect_message("STATUS=degraded\n");
    service_manager_tick(&manager, true, false, "unavailable", TICK_US);
    expect_message("STATUS=unavailable\n");
    service_manager_tick(&manager, true, true, "ready", TICK_US);
    expect_message("STATUS=ready\n");
    expect_message(NULL); /* nobody asked for a watchdog */
}

static void test_names_of_the_abstract_namespace_are_known(NO_STATE)
{
    char name[64];
    snprintf(name, sizeof name, "@rsvpd-notify-%ld", (long)getpid());
    open_at(name);
    service_manager_tick(&manager, true, true, "ready", 0);
    expect_message("READY=1\nSTATUS=ready\n");
}

static void test_the_watchdog_is_fed_at_half_of_its_time_while_all_is_alive(NO_STATE)
{
    char pid[24];
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    watchdog_usec = "100000";
    watchdog_pid = pid;
    open_at(path);
    service_manager_tick(&manager, true, true, "ready", WATCHDOG_US);
    expect_message("READY=1\nSTATUS=ready\n");
    expect_message("WATCHDOG=1\n");
    int fed = 0;
    char message[64];
    for (int64_t now_us = WATCHDOG_US + TICK_US; now_us <= 11 * (int64_t)WATCHDOG_US;
         now_us += TICK_US) {
        service_manager_tick(&manager, true, true, "ready", now_us);
        fed += recv(listener, message, sizeof message, 0) > 0;
    }
    assert_int_equal(fed, 20); /* twice in each of ten times */
    for (int64_t now_us = 11 * (int64_t)WATCHDOG_US; now_us <= 20 * (int64_t)WATCHDOG_US;
         now_us += TICK_US) {
        service_manager_tick(&manager, false, true, "ready", now_us);
    }
    expect_message(NULL);
    service_manager_tick(&manager, true, true, "ready", 20 * (int64_t)WATCHDOG_US);
    expect_message("WATCHDOG=1\n");
}

static void test_a_watchdog_of_another_process_is_not_fed(NO_STATE)
{
    watchdog_usec = "100000";
    watchdog_pid = "1";
    open_at(path);
    service_manager_tick(&manager, true, true, "ready", WATCHDOG_US);
    expect_message("READY=1\nSTATUS=ready\n");
    expect_message(NULL);
}

static void test_a_watchdog_without_a_time_is_not_fed(NO_STATE)
{
    static const char *const values[] = {"", "0", "1", "-5", "100000 ", "99999999999999999999"};
    for (size_t i = 0; i < LENGTH(values); i++) {
        watchdog_usec = values[i];
        open_at(path);
        service_manager_tick(&manager, true, true, "ready", WATCHDOG_US);
        expect_message("READY=1\nSTATUS=ready\n");
        expect_message(NULL);
        tear_down(NULL);
    }
}

static void test_a_reload_has_a_beginning_and_an_end(NO_STATE)
{
    open_at(path);
    service_manager_reloading(&manager, 5); /* READY=1 at its end would be too early */
    service_manager_reloaded(&manager);
    expect_message(NULL);
    service_manager_tick(&manager, true, true, "ready", 0);
    expect_message("READY=1\nSTATUS=ready\n");
    service_manager_reloading(&manager, 123456789);
    expect_message("RELOADING=1\nMONOTONIC_USEC=123456789\n");
    service_manager_reloaded(&manager);
    expect_message("READY=1\n");
    service_manager_reloaded(&manager);
    expect_message(NULL);
}

static void test_the_end_says_how_long_it_takes(NO_STATE)
{
    open_at(path);
    service_manager_tick(&manager, true, true, "ready", 0);
    expect_message("READY=1\nSTATUS=ready\n");
    service_manager_reloading(&manager, 1);
    expect_message("RELOADING=1\nMONOTONIC_USEC=1\n");
    service_manager_stopping(&manager, 605000000);
    expect_message("STOPPING=1\nEXTEND_TIMEOUT_USEC=605000000\n");
    service_manager_reloaded(&manager); /* which says nothing: the process ends */
    service_manager_reloading(&manager, 2);
    expect_message(NULL);
    service_manager_tick(&manager, true, false, "draining", 0);
    expect_message("STATUS=draining\n");
}

/* A process that is told to end before it was ready never says that it is. */
static void test_what_ends_is_not_ready(NO_STATE)
{
    open_at(path);
    service_manager_stopping(&manager, 1);
    expect_message("STOPPING=1\nEXTEND_TIMEOUT_USEC=1\n");
    service_manager_tick(&manager, true, true, "ready", 0);
    expect_message("STATUS=ready\n");
}

/* The queue of a socket has room for few messages. */
static void test_what_a_full_queue_refuses_is_told_later(NO_STATE)
{
    static const char *const words[] = {"degraded", "unavailable"};
    char message[64], last[64] = "";
    ssize_t size;
    int heard = 0;
    open_at(path);
    for (int i = 0; i < 10000; i++) {
        service_manager_tick(&manager, true, false, words[i % 2], 0);
    }
    service_manager_tick(&manager, true, true, "ready", 0); /* it has no room for this */
    while ((size = recv(listener, message, sizeof message - 1, 0)) > 0) {
        heard++;
    }
    assert_true(heard > 0 && heard < 10000);
    for (int i = 0; i < 3; i++) {
        service_manager_tick(&manager, true, true, "ready", 0);
    }
    while ((size = recv(listener, message, sizeof message - 1, 0)) > 0) {
        message[size] = '\0';
        snprintf(last, sizeof last, "%s", message);
    }
    assert_string_equal(last, "READY=1\nSTATUS=ready\n");
}

static void test_without_a_manager_nothing_happens(NO_STATE)
{
    static const char *const names[] = {NULL, "", "relative/path", "vsock:2:1234", "/", "@"};
    char long_name[256];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[0] = '/';
    long_name[sizeof long_name - 1] = '\0';
    for (size_t i = 0; i <= LENGTH(names); i++) {
        notify_socket = i == LENGTH(names) ? long_name : names[i];
        service_manager_init(&manager, look_up);
        assert_false(service_manager_wants_news(&manager, 0));
        service_manager_tick(&manager, true, true, "ready", 0);
        service_manager_reloading(&manager, 0);
        service_manager_reloaded(&manager);
        service_manager_stopping(&manager, 0);
        service_manager_end(&manager);
    }
}

/* How often it wants news in ten seconds, asked every few milliseconds. */
static int count_news(bool ready)
{
    int wanted = 0;
    open_at(path);
    for (int64_t now_us = 0; now_us < 10 * SECOND_US; now_us += TICK_US) {
        if (service_manager_wants_news(&manager, now_us)) {
            wanted++;
            service_manager_tick(&manager, true, ready, "word", now_us);
        }
    }
    return wanted;
}

static void test_news_are_wanted_once_a_second(NO_STATE)
{
    assert_int_equal(count_news(true), 10 + 1); /* the first one soon again */
}

static void test_the_start_does_not_wait_for_news(NO_STATE)
{
    assert_int_equal(count_news(false), 100);
}

/* However its time and the seconds go together, it hears in time. */
static void test_the_watchdog_hears_in_time(NO_STATE)
{
    static const char *const values[] = {"100000", "2000000", "2200000", "3900000", "20000000"};
    for (size_t i = 0; i < LENGTH(values); i++) {
        char message[SERVICE_MANAGER_MESSAGE_SIZE_BYTES];
        int64_t period_us = strtoll(values[i], NULL, 10), heard_us = -1;
        watchdog_usec = values[i];
        open_at(path);
        for (int64_t now_us = SECOND_US; now_us < 100 * SECOND_US; now_us += TICK_US) {
            if (service_manager_wants_news(&manager, now_us)) {
                service_manager_tick(&manager, true, true, "ready", now_us);
            }
            while (recv(listener, message, sizeof message, 0) > 0) {
                heard_us = strncmp(message, "WATCHDOG", 8) == 0 ? now_us : heard_us;
            }
            assert_true(heard_us < 0 || now_us - heard_us <= period_us * 3 / 4);
        }
        assert_true(heard_us > 0);
        tear_down(NULL);
    }
}

/* What takes the place of the watchdog's word in a full queue does not cost it half of its time. */
static void test_a_word_for_the_watchdog_that_is_lost_is_told_again(NO_STATE)
{
    char message[64];
    ssize_t size;
    bool heard = false;
    watchdog_usec = "100000";
    open_at(path);
    service_manager_tick(&manager, true, true, "ready", 0);
    while (manager.unsent[0] == '\0') {
        service_manager_reloading(&manager, 1);
    }
    manager.unsent[0] = '\0';
    service_manager_tick(&manager, true, true, "ready", WATCHDOG_US);
    assert_string_equal(manager.unsent, "WATCHDOG=1\n");
    service_manager_reloading(&manager, 2);
    while (recv(listener, message, sizeof message, 0) > 0) {
    }
    for (int i = 0; i < 2; i++) {
        service_manager_tick(&manager, true, true, "ready", WATCHDOG_US + TICK_US);
    }
    while ((size = recv(listener, message, sizeof message, 0)) > 0) {
        heard = heard || strncmp(message, "WATCHDOG=1\n", (size_t)size) == 0;
    }
    assert_true(heard);
}

/* Messages go to the path, whoever listens there by now. */
static void test_a_manager_may_go_and_come_back(NO_STATE)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    open_at(path);
    close(listener);
    unlink(path);
    service_manager_tick(&manager, true, true, "ready", 0);
    listener = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    memcpy(address.sun_path, path, strlen(path));
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    service_manager_tick(&manager, true, true, "degraded", 0);
    expect_message("STATUS=degraded\n");
}

int main(void)
{
#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_readiness_is_told_once),
        CASE(test_names_of_the_abstract_namespace_are_known),
        CASE(test_the_watchdog_is_fed_at_half_of_its_time_while_all_is_alive),
        CASE(test_a_watchdog_of_another_process_is_not_fed),
        CASE(test_a_watchdog_without_a_time_is_not_fed),
        CASE(test_a_reload_has_a_beginning_and_an_end),
        CASE(test_the_end_says_how_long_it_takes),
        CASE(test_what_ends_is_not_ready),
        CASE(test_what_a_full_queue_refuses_is_told_later),
        CASE(test_without_a_manager_nothing_happens),
        CASE(test_news_are_wanted_once_a_second),
        CASE(test_the_start_does_not_wait_for_news),
        CASE(test_the_watchdog_hears_in_time),
        CASE(test_a_word_for_the_watchdog_that_is_lost_is_told_again),
        CASE(test_a_manager_may_go_and_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
