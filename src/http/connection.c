/* The client connections of one server. */
#include "rsvpd/http/connection.h"

#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
    /* Then most clients have confirmed what they were sent: an acknowledgement may be delayed for
     * 40 ms, and a connection that is in use is not looked at. */
    SETTLE_US = 250 * 1000,
    /* One over the limit can only be told so, and keeps others from being told. */
    SURPLUS_US = 1000 * 1000,
    /* How long either kind is left alone while others make room. */
    FIRST_REQUEST_CROWDED_US = 250 * 1000,
    NEXT_REQUEST_CROWDED_US = 1000 * 1000,
    ENDED_PER_TICK_MAX = 8, /* where descriptors are short: each makes room for one */
};

void connections_init(struct connections *connections, struct crowd *crowd, int64_t keepalive_us,
                      int64_t deadline_us)
{
    *connections = (struct connections){.crowd = crowd,
                                        .keepalive_us = keepalive_us,
                                        .deadline_us = deadline_us,
                                        .take_us = CONNECTION_DEADLINES_TO_TAKE * deadline_us};
    list_init(&connections->surplus);
    list_init(&connections->fresh);
    list_init(&connections->settling);
    list_init(&connections->starting);
    list_init(&connections->idle);
}

struct connection *connection_open(struct connections *connections, int fd,
                                   const struct sockaddr *address, int64_t now_us)
{
    bool within_limit = crowd_enter(connections->crowd);
    struct connection *connection = calloc(1, sizeof *connection);
    connections->count++;
    if (connection != NULL) {
        connection->since_us = now_us;
        connection->fd = fd;
        connection->address = client_address_of(address);
        connection->over_limit = !within_limit;
        list_push_back(within_limit ? &connections->fresh : &connections->surplus,
                       &connection->link);
    }
    return connection;
}

static void leave_list(struct connection *connection)
{
    if (list_linked(&connection->link)) {
        list_remove(&connection->link);
    }
}

void connection_close(struct connections *connections, struct connection **connection)
{
    if (*connection != NULL) {
        leave_list(*connection);
        free(*connection);
        *connection = NULL;
    }
    connections->count--;
    crowd_leave(connections->crowd);
}

void connection_begin_request(struct connection *connection)
{
    leave_list(connection);
    connection->requests++;
}

const struct wire *connection_fault(const struct connection *connection)
{
    const struct wire *wire = &connection->stream.wire;
    return connection->requests == wire->requests && wire->fault != WIRE_SOUND ? wire : NULL;
}

void connection_await_answer(struct connection *connection)
{
    connection->stream.answer_due = true;
}

void connection_end_request(struct connections *connections, struct connection *connection,
                            int64_t now_us)
{
    connection->stream.answer_due = false;
    if (connection->stream.ended) { /* the HTTP library is to look at the end once more */
        (void)shutdown(connection->fd, SHUT_RD);
    }
    if (list_linked(&connection->link)) {
        return;
    }
    connection->since_us = now_us;
    if (tap_has_begun(&connection->stream)) {
        list_push_back(&connections->starting, &connection->link);
    } else {
        connection->look_us = now_us + SETTLE_US;
        list_push_back(&connections->settling, &connection->link);
    }
}

bool connection_awaits_continue(const struct connection *connection)
{
    const struct wire *wire = &connection->stream.wire;
    return connection->requests == wire->requests && wire->expects && wire->state != WIRE_START;
}

static struct connection *first_before(const struct list *list, int64_t before_us)
{
    struct list_node *node = list_first(list);
    struct connection *connection = node == NULL ? NULL : list_entry(node, struct connection, link);
    return connection != NULL && connection->since_us < before_us ? connection : NULL;
}

void connection_start_request(struct connections *connections, struct connection *connection,
                              int64_t now_us)
{
    if (list_linked(&connection->link)) { /* else a request is under way */
        list_remove(&connection->link);
        connection->since_us = now_us;
        list_push_back(&connections->starting, &connection->link);
    }
}

struct connection *connections_take_overdue(struct connections *connections, int64_t now_us)
{
    struct connection *connection =
        first_before(&connections->starting, now_us - connections->deadline_us + 1);
    if (connection != NULL) {
        list_remove(&connection->link);
    }
    return connection;
}

static void end(struct connection *connection)
{
    list_remove(&connection->link);
    (void)shutdown(connection->fd, SHUT_RDWR);
}

void connection_reset(const struct connection *connection)
{
    const struct linger none = {.l_onoff = 1, .l_linger = 0}; /* socket(7), SO_LINGER */
    (void)setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    (void)shutdown(connection->fd, SHUT_RDWR);
}

/* Whether the client's side has confirmed all that it was sent. */
static bool has_taken(const struct connection *connection)
{
    int untaken_bytes;
    return ioctl(connection->fd, SIOCOUTQ, &untaken_bytes) != 0 || untaken_bytes == 0;
}

/* Whether the client sends no more. Where that came together with its last request, nothing else
 * tells: libmicrohttpd has read what it wanted, and waits for an edge. */
static bool has_finished(const struct connection *connection)
{
    char byte;
    return recv(connection->fd, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Finds a place for one whose answer was sent a while ago. True where it was shut down. */
static bool settle_one(struct connections *connections, struct connection *connection,
                       int64_t now_us)
{
    list_remove(&connection->link);
    if (!has_taken(connection)) {
        if (now_us - connection->since_us > connections->take_us) {
            connection_reset(connection);
            return true;
        }
        connection->look_us = now_us + SETTLE_US;
        list_push_back(&connections->settling, &connection->link);
        return false;
    }
    if (has_finished(connection)) {
        (void)shutdown(connection->fd, SHUT_RDWR);
        return true;
    }
    if (connection->look_us > connection->since_us + SETTLE_US) { /* not at the first look */
        connection->since_us = now_us - SETTLE_US;                /* keeps the order, to a tick */
    }
    list_push_back(&connections->idle, &connection->link);
    return false;
}

static bool settle(struct connections *connections, int64_t now_us)
{
    struct list_node *node;
    bool any = false;
    while ((node = list_first(&connections->settling)) != NULL) {
        struct connection *connection = list_entry(node, struct connection, link);
        if (connection->look_us > now_us) {
            break;
        }
        any = settle_one(connections, connection, now_us) || any;
    }
    return any;
}

static bool end_before(const struct list *list, int64_t before_us)
{
    struct connection *connection;
    bool any = false;
    while ((connection = first_before(list, before_us)) != NULL) {
        end(connection);
        any = true;
    }
    return any;
}

/* Ends the one that may go first: who never wanted anything before who waits, the oldest first. */
static bool make_room(struct connections *connections, int64_t now_us)
{
    struct connection *connection =
        first_before(&connections->fresh, now_us - FIRST_REQUEST_CROWDED_US);
    if (connection == NULL) {
        connection = first_before(&connections->idle, now_us - NEXT_REQUEST_CROWDED_US);
    }
    if (connection != NULL) {
        end(connection);
    }
    return connection != NULL;
}

static int64_t count_before(const struct list *list, int64_t before_us)
{
    int64_t count = 0;
    const struct list_node *node = list->head.next;
    while (node != &list->head && count < CROWD_OVER_LIMIT_MAX &&
           list_entry(node, const struct connection, link)->since_us < before_us) {
        count++;
        node = node->next;
    }
    return count;
}

/* Tells the crowd how many could make room, up to as many as could be asked for. */
static void tell_idle(struct connections *connections, int64_t now_us)
{
    int64_t idle = 0;
    if (crowd_is_near_limit(connections->crowd)) {
        idle = count_before(&connections->fresh, now_us - FIRST_REQUEST_CROWDED_US) +
               count_before(&connections->idle, now_us - NEXT_REQUEST_CROWDED_US);
    }
    crowd_tell_idle(connections->crowd, connections->told_idle, idle);
    connections->told_idle = idle;
}

bool connections_tick(struct connections *connections, bool descriptors_short, int64_t now_us)
{
    bool any = settle(connections, now_us);
    any = end_before(&connections->surplus, now_us - SURPLUS_US) || any;
    any = end_before(&connections->fresh, now_us - connections->keepalive_us) || any;
    any = end_before(&connections->idle, now_us - connections->keepalive_us) || any;
    for (int i = 0; descriptors_short && i < ENDED_PER_TICK_MAX; i++) {
        any = make_room(connections, now_us) || any;
    }
    tell_idle(connections, now_us);
    while (connections->told_idle > 0 && crowd_take_debt(connections->crowd)) {
        any = make_room(connections, now_us) || any;
        crowd_tell_idle(connections->crowd, connections->told_idle, connections->told_idle - 1);
        connections->told_idle--;
    }
    return any;
}
