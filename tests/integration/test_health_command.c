/* rsvpd health: what it asks, what it says, and with which status it ends. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"
#include "process.h"
#include "test.h"

enum { ENTRY_SIZE = 64, STATUS_BAD = 1, STATUS_USAGE = 2, BOUND_MS = PROCESS_BOUND_MS };

/* Runs it with these arguments (NULL: none), and with what is set besides the port. */
static void expect_health_of(uint16_t port, const char *argument, const char *variable, int status,
                             const char *out, const char *err)
{
    char entry[ENTRY_SIZE];
    snprintf(entry, sizeof entry, "ADMIN_PORT=%u", (unsigned)port);
    process_note("health %s, %s", argument == NULL ? "" : argument,
                 variable == NULL ? entry : variable);
    struct service_run run = service_run((const char *const[]){"health", argument, NULL},
                                         (const char *const[]){entry, variable, NULL});
    if (run.status != status || strcmp(run.out, out) != 0 || strstr(run.err, err) == NULL ||
        (*err == '\0' && *run.err != '\0')) {
        process_fail("status %d, expected %d, '%s' and '%s':\n%s%s", run.status, status, out, err,
                     run.out, run.err);
    }
    service_run_free(&run);
}

static void expect_health(const char *argument, const char *variable, int status, const char *out,
                          const char *err)
{
    expect_health_of(fixture.service->admin_port, argument, variable, status, out, err);
}

static void says_that_all_is_well(NO_STATE)
{
    expect_health(NULL, NULL, 0, "alive, postgres up, redis up\n", "");
    expect_health("--ready", NULL, 0, "ready, postgres up, redis up\n", "");
}

/* Asks until it says this, with status 0. */
static void await_health(uint16_t port, const char *argument, const char *variable, const char *out)
{
    char entry[ENTRY_SIZE];
    const int64_t end_ms = process_now_ms() + BOUND_MS;
    bool said = false;
    snprintf(entry, sizeof entry, "ADMIN_PORT=%u", (unsigned)port);
    while (!said) {
        struct service_run run = service_run((const char *const[]){"health", argument, NULL},
                                             (const char *const[]){entry, variable, NULL});
        said = run.status == 0 && strcmp(run.out, out) == 0;
        if (!said && process_now_ms() > end_ms) {
            process_fail("it says: %s%s", run.out, run.err);
        }
        service_run_free(&run);
    }
}

/* A service on all addresses is asked on loopback. */
static void asks_all_addresses_on_loopback(NO_STATE)
{
    expect_health(NULL, "ADMIN_BIND_ADDRESS=0.0.0.0", 0, "alive, postgres up, redis up\n", "");
    struct service *service = service_start_unready(
        fixture.database_url, NULL, (const char *const[]){"ADMIN_BIND_ADDRESS=::1", NULL});
    await_health(service->admin_port, "--ready", "ADMIN_BIND_ADDRESS=::1", "ready, postgres up\n");
    static const char *const addresses[] = {"ADMIN_BIND_ADDRESS=::", "ADMIN_BIND_ADDRESS=0:0::0"};
    for (size_t i = 0; i < LENGTH(addresses); i++) {
        expect_health_of(service->admin_port, NULL, addresses[i], 0, "alive, postgres up\n", "");
    }
    service_stop(&service);
}

/* A secret whose file is being replaced is no reason to end a container. */
static void other_variables_do_not_matter(NO_STATE)
{
    static const char *const wrong[] = {"DATABASE_URL=nonsense",
                                        "DATABASE_URL_FILE=/nonexistent/file", "WORKERS=none",
                                        "BIND_ADDRESS=0.0.0.0"};
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        expect_health("--ready", wrong[i], 0, "ready, postgres up, redis up\n", "");
    }
}

static void says_what_is_missing(NO_STATE)
{
    redis_server_stop(fixture.redis);
    await_health(fixture.service->admin_port, "--ready", NULL,
                 "degraded, postgres up, redis down\n");
    pg_server_stop(fixture.pg);
    service_wait_ready(fixture.service, 503);
    expect_health("--ready", NULL, STATUS_BAD, "",
                  "/readyz: unavailable, postgres down, redis down\n");
    expect_health(NULL, NULL, 0, "alive, postgres down, redis down\n", "");
}

/* ---- what is no service ---- */

static int listen_somewhere(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return listener;
}

static void says_that_nothing_answers(NO_STATE)
{
    uint16_t port;
    char where[ENTRY_SIZE];
    const int listener = listen_somewhere(&port);
    snprintf(where, sizeof where, "rsvpd: http://127.0.0.1:%u/livez: no whole answer",
             (unsigned)port);
    expect_health_of(port, NULL, NULL, STATUS_BAD, "", where); /* nobody accepts */
    close(listener);
    snprintf(where, sizeof where, "rsvpd: http://127.0.0.1:%u/readyz: ", (unsigned)port);
    expect_health_of(port, "--ready", NULL, STATUS_BAD, "", where);
}

/* Runs it against a server that answers with these bytes. */
static void check_answer(const char *bytes, const char *err)
{
    uint16_t port;
    char entry[ENTRY_SIZE], request[1024];
    const int listener = listen_somewhere(&port);
    process_note("%s", bytes);
    snprintf(entry, sizeof entry, "ADMIN_PORT=%u", (unsigned)port);
    struct service_run run = service_run_begin((const char *const[]){"health", NULL},
                                               (const char *const[]){entry, NULL});
    const int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(peer >= 0);
    assert_true(recv(peer, request, sizeof request, 0) > 0);
    assert_int_equal(send(peer, bytes, strlen(bytes), MSG_NOSIGNAL), strlen(bytes));
    shutdown(peer, SHUT_WR);
    service_run_end(&run);
    if (run.status != STATUS_BAD || *run.out != '\0' || strstr(run.err, err) == NULL) {
        process_fail("status %d, '%s', '%s'", run.status, run.out, run.err);
    }
    assert_ptr_equal(strchr(run.err, '\n'), run.err + strlen(run.err) - 1);
    service_run_free(&run);
    close(peer);
    close(listener);
}

#define OK "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
#define NOT_OURS "/livez: what answers there is not rsvpd\n"

static void other_servers_are_not_taken_for_rsvpd(NO_STATE)
{
    static const struct {
        const char *bytes, *err;
    } cases[] = {
        {OK "hello", NOT_OURS},
        {OK, NOT_OURS},
        {OK "{\"status\":\"UP\"}", NOT_OURS},
        {OK "{\"status\":\"alive\\u001b[2J\"}", NOT_OURS},
        {OK "{\"status\":7}", NOT_OURS},
        {OK "[\"status\"]", NOT_OURS},
        {OK "{\"status\":\"alive\"}\nnonsense", NOT_OURS},
        {OK "{\"status\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
         NOT_OURS},
        {"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n{\"code\":\"x\"}",
         "/livez: status 404\n"},
        {"HTTP/1.1 503 No\r\nConnection: close\r\n\r\n{\"status\":\"stuck\"}", "/livez: stuck\n"},
        {"SSH-2.0-OpenSSH\r\n", "/livez: "},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        check_answer(cases[i].bytes, cases[i].err);
    }
}

static void wrong_usage_is_told_apart(NO_STATE)
{
    expect_health("now", NULL, STATUS_USAGE, "", "unexpected argument 'now'");
    expect_health("--ready=yes", NULL, STATUS_USAGE, "", "unexpected argument");
    expect_health(NULL, "ADMIN_BIND_ADDRESS=localhost", STATUS_USAGE, "", "ADMIN_BIND_ADDRESS");
    expect_health_of(0, NULL, NULL, STATUS_USAGE, "", "ADMIN_PORT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_that_all_is_well),
        cmocka_unit_test(asks_all_addresses_on_loopback),
        cmocka_unit_test(other_variables_do_not_matter),
        cmocka_unit_test_teardown(says_what_is_missing, fixture_heal),
        cmocka_unit_test(says_that_nothing_answers),
        cmocka_unit_test(other_servers_are_not_taken_for_rsvpd),
        cmocka_unit_test(wrong_usage_is_told_apart),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
