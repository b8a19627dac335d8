/* Connections that want nothing, and those that make room. */
#include "unit.h"

#include "rsvpd/http/connection.h"

#include <sys/socket.h>
#include <unistd.h>

enum { SECOND_US = 1000 * 1000, KEEPALIVE_US = 5 * SECOND_US, LIMIT = 4, CLIENTS_MAX = 8 };
enum { DEADLINE_US = SECOND_US, TAKE_US = CONNECTION_DEADLINES_TO_TAKE * DEADLINE_US };
enum { SETTLED_US = SECOND_US / 4 };

static struct crowd crowd;
static struct connections connections;
static struct client {
    struct connection *connection;
    int ours, theirs; /* the ends of its socket */
} clients[CLIENTS_MAX];
static int client_count;

static int set_up(NO_STATE)
{
    crowd_init(&crowd, LIMIT);
    connections_init(&connections, &crowd, KEEPALIVE_US, DEADLINE_US);
    client_count = 0;
    return 0;
}

static int tear_down(NO_STATE)
{
    while (client_count > 0) {
        struct client *client = &clients[--client_count];
        connection_close(&connections, &client->connection);
        assert_null(client->connection);
        close(client->ours);
        close(client->theirs);
    }
    assert_int_equal(connections.count, 0);
    assert_true(list_empty(&connections.surplus) && list_empty(&connections.fresh) &&
                list_empty(&connections.settling) && list_empty(&connections.idle));
    return 0;
}

static struct client *connect_at(int64_t now_us)
{
    struct client *client = &clients[client_count++];
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    client->ours = ends[0];
    client->theirs = ends[1];
    client->connection = connection_open(&connections, client->ours, NULL, now_us);
    assert_non_null(client->connection);
    return client;
}

/* One whose last request ended then. */
static struct client *idle_since(int64_t now_us)
{
    struct client *client = connect_at(now_us);
    connection_begin_request(client->connection);
    connection_end_request(&connections, client->connection, now_us);
    return client;
}

static bool is_shut(const struct client *client)
{
    char byte;
    return recv(client->theirs, &byte, 1, MSG_DONTWAIT) == 0;
}

static void who_wants_nothing_for_long_is_ended(NO_STATE)
{
    const struct client *fresh = connect_at(0), *idle = idle_since(0);
    struct client *busy = idle_since(0);
    connection_begin_request(busy->connection);
    assert_false(connections_tick(&connections, false, KEEPALIVE_US));
    assert_true(connections_tick(&connections, false, KEEPALIVE_US + 1));
    assert_true(is_shut(idle) && is_shut(fresh) && !is_shut(busy));
}

/* Whether a request came before makes no difference: a load balancer may connect ahead. */
static void who_never_asked_may_wait_as_long_as_who_did(NO_STATE)
{
    const struct client *fresh = connect_at(0);
    assert_false(connections_tick(&connections, false, KEEPALIVE_US));
    assert_false(is_shut(fresh));
    assert_true(connections_tick(&connections, false, KEEPALIVE_US + 1));
    assert_true(is_shut(fresh));
}

/* ---- answers that are not taken ---- */

static void answer(const struct client *client)
{
    assert_int_equal(send(client->ours, "answer", 6, 0), 6);
}

static void take(const struct client *client)
{
    char bytes[6];
    assert_int_equal(recv(client->theirs, bytes, sizeof bytes, MSG_DONTWAIT), sizeof bytes);
}

static bool is_reset(const struct client *client)
{
    struct linger linger = {0};
    socklen_t size = sizeof linger;
    assert_int_equal(getsockopt(client->ours, SOL_SOCKET, SO_LINGER, &linger, &size), 0);
    return linger.l_onoff != 0 && linger.l_linger == 0;
}

static void who_does_not_take_an_answer_is_not_idle(NO_STATE)
{
    const struct client *slow = idle_since(0);
    answer(slow);
    assert_false(connections_tick(&connections, true, KEEPALIVE_US + 1));
    assert_true(list_empty(&connections.idle));
    assert_false(connections_tick(&connections, false, TAKE_US));
    assert_true(connections_tick(&connections, false, TAKE_US + SETTLED_US));
    take(slow);
    assert_true(is_shut(slow) && is_reset(slow));
}

static void who_took_an_answer_slowly_is_idle_from_then_on(NO_STATE)
{
    const struct client *slow = idle_since(0);
    answer(slow);
    assert_false(connections_tick(&connections, false, TAKE_US));
    take(slow);
    assert_false(connections_tick(&connections, false, TAKE_US + SETTLED_US));
    assert_false(connections_tick(&connections, false, TAKE_US + KEEPALIVE_US));
    assert_true(connections_tick(&connections, false, TAKE_US + KEEPALIVE_US + 1));
    assert_true(is_shut(slow) && !is_reset(slow));
}

static void who_has_sent_all_ends_when_the_answer_is_taken(NO_STATE)
{
    const struct client *finished = idle_since(0);
    answer(finished);
    assert_int_equal(shutdown(finished->theirs, SHUT_WR), 0);
    assert_false(connections_tick(&connections, false, SETTLED_US));
    take(finished);
    assert_false(is_shut(finished));
    assert_true(connections_tick(&connections, false, 2 * SETTLED_US));
    assert_true(is_shut(finished) && !is_reset(finished));
}

static void where_descriptors_are_short_the_oldest_make_room(NO_STATE)
{
    const struct client *idle = idle_since(0), *fresh = connect_at(2 * SECOND_US);
    const struct client *young = idle_since(2 * SECOND_US);
    assert_true(connections_tick(&connections, true, 2 * SECOND_US + SECOND_US / 2));
    assert_true(is_shut(idle) && is_shut(fresh) && !is_shut(young));
}

static void newcomers_past_the_limit_get_the_place_of_an_idle_one(NO_STATE)
{
    const struct client *fresh = connect_at(0), *idle = idle_since(0);
    const struct client *young[] = {idle_since(2 * SECOND_US), idle_since(2 * SECOND_US)};
    assert_false(connections_tick(&connections, false, 2 * SECOND_US));
    assert_false(connect_at(2 * SECOND_US)->connection->over_limit);
    assert_true(connections_tick(&connections, false, 2 * SECOND_US));
    assert_true(is_shut(fresh) && !is_shut(idle)); /* who never wanted anything goes first */
    assert_false(connect_at(2 * SECOND_US)->connection->over_limit);
    assert_true(connections_tick(&connections, false, 2 * SECOND_US));
    assert_true(is_shut(idle) && !is_shut(young[0]) && !is_shut(young[1]));
    assert_true(connect_at(2 * SECOND_US)->connection->over_limit);
    assert_false(connections_tick(&connections, false, 2 * SECOND_US));
}

/* Nobody is idle for long enough to make room for it. */
static void who_is_over_the_limit_has_a_moment_to_ask(NO_STATE)
{
    for (int i = 0; i < LIMIT; i++) {
        assert_false(connect_at(0)->connection->over_limit);
    }
    const struct client *surplus = connect_at(0);
    assert_true(surplus->connection->over_limit);
    assert_false(connections_tick(&connections, false, SECOND_US));
    assert_true(connections_tick(&connections, false, SECOND_US + 1));
    assert_true(is_shut(surplus) && !is_shut(&clients[0]));
}

static void who_has_begun_a_line_has_a_deadline(NO_STATE)
{
    const struct client *fresh = connect_at(0), *idle = idle_since(0);
    connection_start_request(&connections, fresh->connection, 1);
    connection_start_request(&connections, idle->connection, 2);
    assert_null(connections_take_overdue(&connections, DEADLINE_US));
    assert_ptr_equal(connections_take_overdue(&connections, DEADLINE_US + 1), fresh->connection);
    assert_null(connections_take_overdue(&connections, DEADLINE_US + 1));
    connection_begin_request(idle->connection); /* the line is whole now */
    assert_null(connections_take_overdue(&connections, KEEPALIVE_US));
}

static void nobody_makes_room_while_there_is_some(NO_STATE)
{
    const struct client *idle = idle_since(0);
    assert_false(connections_tick(&connections, false, 2 * SECOND_US));
    (void)connect_at(2 * SECOND_US);
    assert_false(connections_tick(&connections, false, 2 * SECOND_US));
    assert_false(is_shut(idle));
}

static void who_awaits_continue_does_so_until_the_body_is_here(NO_STATE)
{
    struct connection *connection = connect_at(0)->connection;
    struct wire *wire = &connection->stream.wire;
    wire->requests = 1;
    wire->state = WIRE_BODY;
    connection_begin_request(connection);
    assert_false(connection_awaits_continue(connection));
    wire->expects = true;
    assert_true(connection_awaits_continue(connection));
    wire->state = WIRE_START;
    assert_false(connection_awaits_continue(connection));
    wire->state = WIRE_BODY;
    wire->requests = 2; /* it is of a further request */
    assert_false(connection_awaits_continue(connection));
}

static void a_fault_is_of_the_request_that_is_read(NO_STATE)
{
    struct connection *connection = connect_at(0)->connection;
    struct wire *wire = &connection->stream.wire;
    wire->requests = 1;
    connection_begin_request(connection);
    assert_null(connection_fault(connection));
    wire->fault = WIRE_BAD_LINE;
    assert_ptr_equal(connection_fault(connection), wire);
    wire->requests = 2; /* a further one came behind it */
    assert_null(connection_fault(connection));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_wants_nothing_for_long_is_ended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_never_asked_may_wait_as_long_as_who_did, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(who_does_not_take_an_answer_is_not_idle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_took_an_answer_slowly_is_idle_from_then_on, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(who_has_sent_all_ends_when_the_answer_is_taken, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(where_descriptors_are_short_the_oldest_make_room, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(newcomers_past_the_limit_get_the_place_of_an_idle_one,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_over_the_limit_has_a_moment_to_ask, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(who_has_begun_a_line_has_a_deadline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_makes_room_while_there_is_some, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_awaits_continue_does_so_until_the_body_is_here, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_fault_is_of_the_request_that_is_read, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
