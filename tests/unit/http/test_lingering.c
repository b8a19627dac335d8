/* Connections that are closed in stages: the client has its answer, whatever it has sent. */
#include "unit.h"

#include "rsvpd/http/lingering.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BOUND_US = 1000000,
    CLIENT_BUFFER_BYTES = 4096,
    LARGE_BYTES = 64 * 1024, /* more than such a client's side takes ahead */
    LOOKS_MAX = 5000,
    LOOK_US = 1000,
};

static struct lingering lingering;
static int client;

/* What is left of a connection that the server has closed after that many bytes of an answer, while
 * that many of further requests were unread. */
static void close_one(size_t answered, size_t unread)
{
    static char bytes[LARGE_BYTES];
    const int buffer = CLIENT_BUFFER_BYTES;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer), 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, size), 0);
    int server = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(server >= 0);
    close(listener);
    assert_int_equal(send(client, bytes, unread, 0), unread);
    assert_int_equal(send(server, bytes, answered, MSG_NOSIGNAL), answered);
    lingering_keep(&lingering, server, 0);
    close(server);
}

static int set_up(NO_STATE)
{
    lingering_init(&lingering, BOUND_US);
    client = -1;
    return 0;
}

static int tear_down(NO_STATE)
{
    lingering_close(&lingering);
    if (client >= 0) {
        close(client);
    }
    return 0;
}

static void look(int64_t now_us)
{
    lingering_tick(&lingering, now_us);
}

/* Within the bound: by what the clients do. */
static void expect_left(size_t left)
{
    for (int i = 0; i < LOOKS_MAX && lingering.count > left; i++) {
        look(BOUND_US);
        usleep(LOOK_US);
    }
    assert_int_equal(lingering.count, left);
}

/* Reads that many bytes and the end, while the server looks now and then. */
static void expect_answer(size_t size)
{
    char bytes[1024];
    size_t got = 0;
    ssize_t now = -1;
    for (int i = 0; i < LOOKS_MAX && now != 0; i++) {
        look(BOUND_US);
        now = recv(client, bytes, sizeof bytes, MSG_DONTWAIT);
        if (now < 0) {
            assert_int_equal(errno, EAGAIN); /* and not ECONNRESET */
            usleep(LOOK_US);
        } else {
            got += (size_t)now;
        }
    }
    assert_int_equal(now, 0);
    assert_int_equal(got, size);
}

static void a_client_that_has_all_is_not_waited_for(NO_STATE)
{
    close_one(100, 0);
    expect_left(0);
    expect_answer(100);
}

static void what_it_had_sent_resets_nothing(NO_STATE)
{
    close_one(LARGE_BYTES, LARGE_BYTES);
    look(BOUND_US);
    assert_int_equal(lingering.count, 1); /* the client has not read anything */
    expect_answer(LARGE_BYTES);
    expect_left(0);
}

static void what_it_sends_afterwards_resets_nothing(NO_STATE)
{
    close_one(LARGE_BYTES, 0);
    look(BOUND_US);
    assert_int_equal(send(client, "GET", 3, 0), 3);
    look(BOUND_US);
    expect_answer(LARGE_BYTES);
    expect_left(0);
}

static void one_that_leaves_is_not_waited_for(NO_STATE)
{
    close_one(LARGE_BYTES, 0);
    close(client);
    client = -1;
    expect_left(0);
}

static void one_that_takes_nothing_has_its_time(NO_STATE)
{
    close_one(LARGE_BYTES, 0);
    look(BOUND_US);
    assert_int_equal(lingering.count, 1);
    look(BOUND_US + 1);
    assert_int_equal(lingering.count, 0);
}

static void each_ends_by_itself(NO_STATE)
{
    close_one(LARGE_BYTES, 0);
    int slow = client;
    close_one(100, 0);
    expect_left(1);
    lingering_close(&lingering);
    assert_int_equal(lingering.count, 0);
    close(slow);
}

static void without_a_descriptor_it_closes_at_once(NO_STATE)
{
    lingering_keep(&lingering, -1, 0);
    assert_int_equal(lingering.count, 0);
}

static void so_many_and_no_more(NO_STATE)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    for (int i = 0; i < LINGERING_MAX + 1; i++) {
        lingering_keep(&lingering, pair[0], 0);
    }
    assert_int_equal(lingering.count, LINGERING_MAX);
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_client_that_has_all_is_not_waited_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_it_had_sent_resets_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_it_sends_afterwards_resets_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_leaves_is_not_waited_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_takes_nothing_has_its_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_ends_by_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_descriptor_it_closes_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(so_many_and_no_more, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
