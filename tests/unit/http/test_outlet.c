/* The socket of a stream: what it keeps for a slow reader, and whether it arrives. */
#include "unit.h"

#include "rsvpd/http/outlet.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PART_BYTES = 1024,
    PARTS_MAX = 1024, /* as much as a socket takes by itself, and more */
    READER_BUFFER_BYTES = 4096,
    KEPT_MAX_BYTES = 64 * 1024, /* by both sides, for a reader with so small a buffer */
};

static uv_loop_t loop;
static struct outlet *outlet;
static int reader;
static unsigned left, had_room;

static void on_left(void *owner)
{
    assert_ptr_equal(owner, &loop);
    left++;
}

static void on_room(void *owner)
{
    assert_ptr_equal(owner, &loop);
    had_room++;
}

/* Both ends of a connection over TCP. */
static void connect_pair(int ends[2])
{
    const int buffer = READER_BUFFER_BYTES;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    ends[1] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(setsockopt(ends[1], SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer), 0);
    assert_int_equal(connect(ends[1], (struct sockaddr *)&address, size), 0);
    ends[0] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(ends[0] >= 0);
    close(listener);
}

static void open_outlet(bool chunked)
{
    const struct outlet_listener listener = {.left = on_left, .has_room = on_room, .owner = &loop};
    int ends[2];
    connect_pair(ends);
    reader = ends[1];
    left = had_room = 0;
    outlet = outlet_create(&loop, ends[0], chunked, &listener);
    assert_non_null(outlet);
}

static int set_up(NO_STATE)
{
    assert_int_equal(uv_loop_init(&loop), 0);
    return 0;
}

static int tear_down(NO_STATE)
{
    outlet_close(&outlet);
    close(reader);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    return 0;
}

static void fill_part(char part[PART_BYTES], size_t number)
{
    for (size_t i = 0; i < PART_BYTES; i++) {
        part[i] = (char)('a' + (number + i) % 26);
    }
}

/* Sends parts until there is no room. Answers how many. */
static size_t fill(void)
{
    char part[PART_BYTES];
    for (size_t parts = 0; parts < PARTS_MAX; parts++) {
        fill_part(part, parts);
        enum outlet_state state = outlet_send(outlet, slice_make(part, sizeof part));
        assert_true(state != OUTLET_BROKEN);
        if (state == OUTLET_FULL) {
            return parts + 1;
        }
    }
    return PARTS_MAX;
}

/* Reads these parts, while the loop goes round. */
static void expect_parts(size_t parts)
{
    char expected[PART_BYTES], part[PART_BYTES];
    for (size_t i = 0; i < parts; i++) {
        size_t size = 0;
        fill_part(expected, i);
        while (size < sizeof part) {
            ssize_t got = recv(reader, part + size, sizeof part - size, MSG_DONTWAIT);
            assert_true(got > 0 || (got < 0 && errno == EAGAIN));
            size += got > 0 ? (size_t)got : 0;
            (void)uv_run(&loop, UV_RUN_NOWAIT);
        }
        assert_memory_equal(part, expected, sizeof part);
    }
}

static void little_waits_for_a_slow_reader_and_all_of_it_arrives(NO_STATE)
{
    open_outlet(false);
    assert_true(outlet_start(outlet));
    size_t parts = fill();
    assert_in_range(parts, 1, KEPT_MAX_BYTES / PART_BYTES);
    assert_int_equal(had_room, 0);
    expect_parts(parts);
    assert_int_equal(had_room, 1);
    assert_int_equal(left, 0);
}

static void what_waits_before_the_start_arrives_as_well(NO_STATE)
{
    open_outlet(false);
    size_t parts = fill();
    assert_true(outlet_start(outlet));
    expect_parts(parts);
    assert_int_equal(had_room, 1);
}

static void parts_are_chunks(NO_STATE)
{
    static const char expected[] = "head\r\n\r\n4\r\nnews\r\n0\r\n\r\n";
    char text[sizeof expected];
    open_outlet(true);
    assert_true(outlet_start(outlet));
    assert_int_equal(outlet_send_head(outlet, slice_of("head\r\n\r\n")), OUTLET_HAS_ROOM);
    assert_int_equal(outlet_send(outlet, slice_of("news")), OUTLET_HAS_ROOM);
    assert_int_equal(outlet_send_end(outlet), OUTLET_HAS_ROOM);
    assert_int_equal(recv(reader, text, sizeof expected - 1, MSG_WAITALL), sizeof expected - 1);
    assert_memory_equal(text, expected, sizeof expected - 1);
}

static void who_leaves_is_noticed_once(NO_STATE)
{
    open_outlet(false);
    assert_true(outlet_start(outlet));
    assert_int_equal(shutdown(reader, SHUT_RDWR), 0);
    while (left == 0) {
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
    assert_int_equal(uv_run(&loop, UV_RUN_NOWAIT), 0); /* it waits for nothing any more */
    assert_int_equal(left, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(little_waits_for_a_slow_reader_and_all_of_it_arrives,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_waits_before_the_start_arrives_as_well, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(parts_are_chunks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_leaves_is_noticed_once, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("http/outlet", tests, NULL, NULL);
}
