/* A server with routes of the test's own: what is answered at the head, and streams that go on as
 * the test says. */
#include "unit.h"

#include "rsvpd/http/answer.h"
#include "rsvpd/http/listener.h"
#include "rsvpd/http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SECOND_US = 1000 * 1000,
    DEADLINE_US = 2 * SECOND_US,
    BOUND_US = 10 * SECOND_US, /* then what is waited for does not come */
    RECEIVED_SIZE_MAX = 64 * 1024,
};

static const int64_t hour_us = 3600LL * SECOND_US;

/* ---- the source ---- */

/* The one stream of a test. */
static struct source {
    struct request *request;
    const char *text; /* to be sent; NULL: nothing now */
    bool endless;     /* there is always more of it */
    bool ends;
    int closed;
} source;

static ssize_t read_source(void *state, char *out, size_t capacity)
{
    struct source *from = state;
    assert_int_equal(from->closed, 0);
    if (from->endless) {
        memset(out, 'x', capacity);
        return (ssize_t)capacity;
    }
    if (from->text == NULL) {
        return from->ends ? STREAM_ENDS : 0;
    }
    size_t size = strlen(from->text);
    assert_true(size <= capacity);
    memcpy(out, from->text, size);
    from->text = NULL;
    return (ssize_t)size;
}

static void close_source(void *state)
{
    struct source *from = state;
    from->closed++;
}

static void handle_stream(struct request *request)
{
    static const struct stream_source functions = {.read = read_source, .close = close_source};
    source.request = request;
    answer_with_stream(request, 200, "text/event-stream", &functions, &source);
}

static void handle_plain(struct request *request)
{
    answer_with(request, 200, "text/plain", slice_of("plain"));
}

static const struct route all[] = {
    {.pattern = "", .parameters = ""},
    {.pattern = "/v1/stream",
     .get = {handle_stream, ACCESS_OPEN},
     .flags = ROUTE_PUBLIC,
     .parameters = ""},
    {.pattern = "/v1/plain",
     .get = {handle_plain, ACCESS_OPEN},
     .flags = ROUTE_PUBLIC,
     .parameters = ""},
};
static const struct route_table table = {all, LENGTH(all)};

/* ---- the server ---- */

static uv_loop_t loop;
static struct crowd crowd;
static struct metrics *metrics;
static _Atomic bool draining;
static int64_t drain_us;
static struct http_server *server;
static uint16_t port;

static int set_up(NO_STATE)
{
    char error[LISTENER_ERROR_SIZE_BYTES];
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    int fd;
    source = (struct source){0};
    draining = false;
    assert_int_equal(uv_loop_init(&loop), 0);
    crowd_init(&crowd, 100);
    metrics = metrics_create();
    assert_non_null(metrics);
    assert_true(listener_open("127.0.0.1", 0, &fd, 1, error));
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    port = ntohs(address.sin_port);
    server = http_server_create(&(struct http_server_setup){
        .loop = &loop,
        .listen_fd = fd,
        .context = {.routes = &table,
                    .port = ROUTE_PUBLIC,
                    .now_us = clock_mono_us,
                    .metrics = metrics,
                    .process = {.draining = &draining},
                    .limits = {.deadline_us = DEADLINE_US, .drain_us = drain_us}},
        .crowd = &crowd,
        .keepalive_us = hour_us,
    });
    assert_non_null(server);
    return 0;
}

static void close_server(void)
{
    if (server != NULL) {
        http_server_destroy(&server);
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    }
}

static int tear_down(NO_STATE)
{
    close_server();
    assert_int_equal(uv_loop_close(&loop), 0);
    free(metrics);
    return 0;
}

static void turn(void)
{
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    (void)http_server_end_iteration(server);
}

/* ---- a client ---- */

static struct client {
    int fd;
    char received[RECEIVED_SIZE_MAX];
    size_t size;
    bool ended; /* by the server */
} client;

static void ask(const char *request)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    client = (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_true(client.fd >= 0);
    assert_int_equal(connect(client.fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(send(client.fd, request, strlen(request), 0), strlen(request));
}

static void ask_for_stream(void)
{
    ask("GET /stream HTTP/1.1\r\nHost: test\r\n\r\n");
}

static void leave(void)
{
    close(client.fd);
    client.fd = -1;
}

static void take(void)
{
    size_t room = RECEIVED_SIZE_MAX - 1 - client.size;
    ssize_t size = recv(client.fd, client.received + client.size, room, MSG_DONTWAIT);
    client.ended = client.ended || size == 0 || (size < 0 && errno != EAGAIN);
    client.size += size > 0 ? (size_t)size : 0;
    client.received[client.size] = '\0';
}

/* Until the text has come. */
static void expect_text(const char *text)
{
    int64_t by_us = clock_mono_us() + BOUND_US;
    while (strstr(client.received, text) == NULL) {
        turn();
        take();
        if (clock_mono_us() > by_us || client.ended) {
            fail_msg("'%s' has not come, but '%s'", text, client.received);
        }
    }
}

/* Until it holds. */
static void expect_soon(bool (*holds)(void))
{
    int64_t by_us = clock_mono_us() + BOUND_US;
    while (!holds()) {
        turn();
        assert_true(clock_mono_us() <= by_us);
    }
}

static bool source_is_closed(void)
{
    return source.closed == 1;
}

static bool connection_has_ended(void)
{
    take();
    return client.ended;
}

static bool connection_has_left(void)
{
    return atomic_load(&crowd.open) == 0;
}

static bool nothing_is_active(void)
{
    return http_server_active(server) == 0;
}

static void tick_alone_after(int64_t us)
{
    struct instant now = clock_now();
    now.mono_us += us;
    http_server_tick(server, now);
}

static void tick_after(int64_t us)
{
    tick_alone_after(us);
    turn();
}

/* ---- what is answered at the head ---- */

static void say(const char *text)
{
    assert_int_equal(send(client.fd, text, strlen(text), 0), strlen(text));
}

static bool one_is_active(void)
{
    return http_server_active(server) == 1;
}

static void a_body_that_comes_soon_is_dropped(NO_STATE)
{
    ask("POST /nowhere HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nab");
    expect_soon(one_is_active);
    take();
    assert_int_equal(client.size, 0);
    say("cdGET /plain HTTP/1.1\r\nHost: test\r\n\r\n");
    expect_text("HTTP/1.1 404");
    assert_null(strstr(client.received, "Connection: close"));
    expect_text("plain");
    leave();
}

static void who_sends_no_body_is_answered_without_it(NO_STATE)
{
    ask("POST /nowhere HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nab");
    expect_soon(one_is_active);
    tick_after(SECOND_US);
    expect_text("HTTP/1.1 404");
    assert_non_null(strstr(client.received, "Connection: close"));
    say("cd");
    expect_soon(connection_has_ended);
    leave();
}

static void who_awaits_continue_is_answered_at_once(NO_STATE)
{
    ask("POST /nowhere HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n"
        "Expect: 100-continue\r\n\r\n");
    expect_text("HTTP/1.1 404");
    assert_null(strstr(client.received, "100 Continue"));
    leave();
}

/* ---- descriptors ---- */

/* Takes the descriptors that are free away, or gives them back. */
static void limit_descriptors(bool limited)
{
    static rlim_t usual;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limited) {
        int free_one = dup(client.fd);
        assert_true(free_one >= 0);
        close(free_one);
        usual = limit.rlim_cur;
        limit.rlim_cur = (rlim_t)free_one; /* the lowest */
    } else {
        limit.rlim_cur = usual;
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Whether the loop would sleep: nothing that it watches has anything for it. */
static bool loop_rests(void)
{
    turn();
    struct pollfd backend = {.fd = uv_backend_fd(&loop), .events = POLLIN};
    bool more = http_server_end_iteration(server);
    return poll(&backend, 1, 0) == 0 && !more;
}

static void nobody_keeps_a_loop_awake_that_has_no_descriptor(NO_STATE)
{
    ask("GET /plain HTTP/1.1\r\nHost: test\r\n\r\n");
    limit_descriptors(true);
    tick_after(0);
    bool rests = loop_rests();
    tick_after(0);
    rests = rests && loop_rests();
    limit_descriptors(false);
    assert_true(rests);
    tick_after(0);
    expect_text("plain");
    leave();
    expect_soon(connection_has_left);
    ask("GET /plain HTTP/1.1\r\nHost: test\r\n\r\n");
    expect_text("plain"); /* without a tick */
    leave();
}

static void who_is_here_is_served_while_descriptors_are_short(NO_STATE)
{
    ask("GET /plain HTTP/1.1\r\nHost: test\r\n\r\n");
    expect_text("plain");
    limit_descriptors(true);
    tick_after(0);
    client.size = 0;
    say("GET /plain HTTP/1.1\r\nHost: test\r\n\r\n");
    take();
    int64_t by_us = clock_mono_us() + BOUND_US;
    while (client.size == 0 && clock_mono_us() <= by_us) {
        turn();
        take();
    }
    limit_descriptors(false);
    assert_non_null(strstr(client.received, "plain"));
    leave();
}

/* ---- streams ---- */

static void what_comes_is_sent_as_it_comes(NO_STATE)
{
    ask_for_stream();
    expect_text("\r\n\r\n"); /* the head, though there is nothing to send */
    expect_soon(nothing_is_active);
    source.text = "one\n";
    context_wake(source.request);
    expect_text("one\n");
    assert_null(strstr(client.received, "two"));
    source.text = "two\n";
    context_wake(source.request);
    expect_text("two\n");
    assert_int_equal(source.closed, 0);
    leave();
    expect_soon(source_is_closed);
}

static void an_end_ends_the_connection(NO_STATE)
{
    source.text = "one\n";
    source.ends = true;
    ask_for_stream();
    expect_text("Connection: close\r\n");
    expect_text("one\n\r\n0\r\n\r\n");
    expect_soon(source_is_closed);
    expect_soon(connection_has_ended);
    leave();
}

static void who_leaves_is_noticed_at_once(NO_STATE)
{
    ask_for_stream();
    expect_text("\r\n\r\n");
    leave();
    expect_soon(source_is_closed);
}

/* So that streams never take the room of requests. */
static void a_stream_is_no_connection(NO_STATE)
{
    ask_for_stream();
    expect_text("\r\n\r\n");
    expect_soon(connection_has_left);
    assert_int_equal(metrics_get(metrics, METRIC_CONNECTIONS), 0);
    source.text = "one\n";
    context_wake(source.request);
    expect_text("one\n");
    assert_int_equal(source.closed, 0);
    leave();
    expect_soon(source_is_closed);
}

static void a_stream_may_rest_for_long(NO_STATE)
{
    ask_for_stream();
    expect_text("\r\n\r\n");
    expect_soon(nothing_is_active);
    tick_after(hour_us - 2 * SECOND_US);
    source.text = "late\n";
    context_wake(source.request);
    expect_text("late\n");
    leave();
    expect_soon(source_is_closed);
}

static void fill_stream(void)
{
    source.endless = true;
    ask_for_stream();
    expect_text("xxx");
    for (int i = 0; i < 1000; i++) { /* until the kernel takes no more */
        turn();
    }
}

static void who_takes_nothing_is_cut_off(NO_STATE)
{
    fill_stream();
    tick_after(15 * DEADLINE_US + SECOND_US);
    expect_soon(source_is_closed);
    leave();
}

/* Before the loop could tell that its connection is broken. */
static void the_end_of_the_server_ends_who_takes_nothing(NO_STATE)
{
    fill_stream();
    tick_alone_after(15 * DEADLINE_US + SECOND_US);
    assert_int_equal(source.closed, 0);
    close_server();
    assert_int_equal(source.closed, 1);
    leave();
}

/* What the kernel had no room for comes in its place. */
static void who_reads_on_gets_all_of_it(NO_STATE)
{
    char bytes[4096];
    size_t size = 0, runs = 0;
    fill_stream();
    source.endless = false;
    source.text = "last\n";
    source.ends = true;
    int64_t by_us = clock_mono_us() + BOUND_US;
    char end[16] = "";
    ssize_t taken;
    while ((taken = recv(client.fd, bytes, sizeof bytes, MSG_DONTWAIT)) != 0) {
        turn();
        assert_true(clock_mono_us() <= by_us);
        for (ssize_t i = 0; i < taken; i++) {
            memmove(end, end + 1, sizeof end - 2);
            end[sizeof end - 2] = bytes[i];
            runs += bytes[i] == 'x';
            size++;
        }
    }
    assert_string_equal(end, "5\r\nlast\n\r\n0\r\n\r\n");
    assert_true(runs > sizeof bytes && size > runs);
    expect_soon(source_is_closed);
    leave();
}

static void a_drain_ends_streams_within_its_time(NO_STATE)
{
    close_server();
    assert_int_equal(uv_loop_close(&loop), 0);
    free(metrics);
    drain_us = 10 * SECOND_US;
    assert_int_equal(set_up(state), 0);
    drain_us = 0;
    ask_for_stream();
    expect_text("\r\n\r\n");
    expect_soon(nothing_is_active);
    draining = true;
    tick_after(0);
    tick_after(8 * SECOND_US); /* none of one stream */
    assert_int_equal(source.closed, 0);
    tick_after(9 * SECOND_US);
    expect_text("0\r\n\r\n");
    assert_int_equal(source.closed, 1);
    leave();
}

static void a_shutdown_ends_streams_at_once(NO_STATE)
{
    ask_for_stream();
    expect_text("\r\n\r\n");
    expect_soon(nothing_is_active);
    draining = true;
    tick_after(0);
    expect_text("0\r\n\r\n");
    assert_int_equal(source.closed, 1);
    leave();
}

static void a_stream_that_begins_in_a_shutdown_ends_at_once(NO_STATE)
{
    draining = true;
    tick_after(0);
    source.text = "one\n";
    ask_for_stream();
    expect_text("0\r\n\r\n");
    expect_soon(connection_has_ended);
    assert_int_equal(source.closed, 1);
    leave();
}

static void the_end_of_the_server_ends_streams(NO_STATE)
{
    ask_for_stream();
    expect_text("\r\n\r\n");
    expect_soon(nothing_is_active);
    close_server();
    take();
    assert_non_null(strstr(client.received, "0\r\n\r\n"));
    assert_int_equal(source.closed, 1);
    leave();
}

static void head_begins_no_stream(NO_STATE)
{
    ask("HEAD /stream HTTP/1.1\r\nHost: test\r\n\r\n");
    expect_text("Content-Type: text/event-stream\r\n");
    expect_soon(source_is_closed);
    expect_soon(connection_has_ended);
    assert_true(client.size > 4);
    assert_string_equal(client.received + client.size - 4, "\r\n\r\n");
    assert_null(strstr(client.received, "0\r\n\r\n"));
    leave();
}

static void http_1_0_gets_a_stream_until_the_end(NO_STATE)
{
    ask("GET /stream HTTP/1.0\r\n\r\n");
    expect_text("\r\n\r\n");
    source.text = "one\n";
    source.ends = true;
    context_wake(source.request);
    expect_text("\r\n\r\none\n");
    expect_soon(connection_has_ended);
    assert_int_equal(source.closed, 1);
    leave();
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_body_that_comes_soon_is_dropped),
        CASE(who_sends_no_body_is_answered_without_it),
        CASE(who_awaits_continue_is_answered_at_once),
        CASE(nobody_keeps_a_loop_awake_that_has_no_descriptor),
        CASE(who_is_here_is_served_while_descriptors_are_short),
        CASE(what_comes_is_sent_as_it_comes),
        CASE(an_end_ends_the_connection),
        CASE(who_leaves_is_noticed_at_once),
        CASE(a_stream_is_no_connection),
        CASE(a_stream_may_rest_for_long),
        CASE(who_takes_nothing_is_cut_off),
        CASE(the_end_of_the_server_ends_who_takes_nothing),
        CASE(who_reads_on_gets_all_of_it),
        CASE(a_drain_ends_streams_within_its_time),
        CASE(a_shutdown_ends_streams_at_once),
        CASE(a_stream_that_begins_in_a_shutdown_ends_at_once),
        CASE(the_end_of_the_server_ends_streams),
        CASE(head_begins_no_stream),
        CASE(http_1_0_gets_a_stream_until_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
