/* The HTTP server of one loop.
 *
 * DESIGN: libmicrohttpd runs in external epoll mode: its epoll descriptor is one more descriptor of
 * the loop. A request that waits for the service is suspended, and resumed when its answer is made;
 * resumed connections are served at the end of the loop's iteration, all at once. */
#include "rsvpd/http/server.h"
#include "rsvpd/base/log.h"
#include "rsvpd/base/text.h"
#include "rsvpd/http/addresses.h"
#include "rsvpd/http/answer.h"
#include "rsvpd/http/authenticator.h"
#include "rsvpd/http/connection.h"
#include "rsvpd/http/finish.h"
#include "rsvpd/http/gate.h"
#include "rsvpd/http/gzip.h"
#include "rsvpd/http/header.h"
#include "rsvpd/http/lingering.h"
#include "rsvpd/http/refusal.h"
#include "rsvpd/http/requests.h"
#include "rsvpd/http/streams.h"
#include "rsvpd/http/tap.h"

#include <assert.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    /* libmicrohttpd keeps the heads of a request and of its answer in so much memory per
     * connection, and closes the connection without a word where the second finds no room. The
     * largest head leaves it 5 KiB: half of these may hold what comes behind the head. */
    FIELD_SIZE_BYTES = 64, /* what it takes for a field beyond its bytes */
    CONNECTION_MEMORY_BYTES =
        WIRE_HEAD_SIZE_MAX_BYTES + WIRE_FIELDS_MAX * FIELD_SIZE_BYTES + 5 * 1024,
    RUNS_PER_ITERATION_MAX = 4, /* then the other descriptors of the loop have their turn */
};

struct http_server {
    struct http_server_setup setup;
    struct http_context context; /* of its requests */
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    struct tap *tap;
    struct random random;
    struct gzip *gzip;
    struct requests requests;
    struct connections connections;
    struct streams streams;
    struct lingering lingering; /* connections that ended with an answer, while draining */
    struct addresses addresses; /* of its streams */
    bool run_wanted; /* libmicrohttpd has something to do though its descriptor may not tell */
    bool stopped_listening;
    bool stopped_serving; /* requests that begin are refused */
    bool closing;         /* no request goes on */
};

static struct http_server *server_of(const struct request *request)
{
    return request->context->server;
}

/* Whether the process is about to end. */
static bool is_draining(const struct http_server *server)
{
    return atomic_load_explicit(server->context.process.draining, memory_order_relaxed);
}

size_t http_server_active(const struct http_server *server)
{
    return server->requests.active - server->requests.streams + server->lingering.count;
}

size_t http_server_waiting(const struct http_server *server)
{
    return server->requests.waiting;
}

static void on_answered(void *server_, struct request *request)
{
    struct http_server *server = server_;
    if (request->suspended) {
        server->run_wanted = true;
        MHD_resume_connection(request->connection);
    }
}

static void on_woken(void *server_, struct request *request)
{
    struct http_server *server = server_;
    streams_wake(&server->streams, request);
}

/* ---- answers ---- */

/* Lets libmicrohttpd go of the request, which ends in on_completed(). */
static enum MHD_Result send_stream(struct request *request)
{
    struct http_server *server = server_of(request);
    requests_send(&server->requests, request, clock_mono_us());
    if (request->method == HTTP_HEAD) {
        refusal_send(request, MHD_get_reason_phrase_for(request->answer.status));
        return MHD_NO;
    }
    if (!streams_take(&server->streams, request)) {
        return MHD_NO;
    }
    MHD_suspend_connection(request->connection); /* takes it out of its epoll set */
    streams_cut_off(&server->streams, request);
    MHD_resume_connection(request->connection);
    server->run_wanted = true;
    return MHD_YES;
}

static enum MHD_Result send_answer(struct request *request)
{
    const struct answer *answer = &request->answer;
    if (answer->stream.source != NULL) {
        return send_stream(request);
    }
    gzip_answer(server_of(request)->gzip, request);
    finish_answer(request);
    requests_send(&server_of(request)->requests, request, clock_mono_us());
    struct MHD_Response *response = MHD_create_response_from_buffer(
        answer->body.size, (void *)answer->body.data, MHD_RESPMEM_PERSISTENT);
    if (response == NULL) {
        return MHD_NO;
    }
    bool made = MHD_add_response_header(response, "X-Request-Id", request->id) == MHD_YES;
    if (answer->content_type != NULL) {
        made = MHD_add_response_header(response, "Content-Type", answer->content_type) && made;
    }
    for (size_t i = 0; i < answer->header_count; i++) {
        made = MHD_add_response_header(response, answer->headers[i].name,
                                       answer->headers[i].value) == MHD_YES &&
               made;
    }
    if (is_draining(server_of(request))) {
        made = MHD_add_response_header(response, "Connection", "close") == MHD_YES && made;
    }
    enum MHD_Result queued =
        made ? MHD_queue_response(request->connection, answer->status, response) : MHD_NO;
    MHD_destroy_response(response);
    return queued;
}

static const struct sockaddr *address_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return info == NULL ? NULL : info->client_addr;
}

static int socket_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info == NULL ? -1 : info->connect_fd;
}

/* ---- libmicrohttpd's call-backs ---- */

static enum http_method method_named(const char *name)
{
    for (int i = 0; i < HTTP_OTHER; i++) {
        if (strcmp(name, http_method_names[i]) == 0) {
            return (enum http_method)i;
        }
    }
    return HTTP_OTHER;
}

static struct connection *connection_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

static void *on_uri(void *server_, const char *uri, struct MHD_Connection *connection)
{
    struct http_server *server = server_;
    struct connection *context = connection_of(connection);
    if (context == NULL || !context->tapped) {
        return NULL; /* no memory for it */
    }
    connection_begin_request(context); /* from here on the request's deadline holds */
    assert(context->requests <= context->stream.wire.requests);
    struct request *request = requests_begin(&server->requests, context, uri);
    if (request != NULL) {
        request->connection = connection;
    }
    char *query = strchr((char *)uri, '?');
    if (query != NULL) {
        /* We have a copy. libmicrohttpd would take the query apart in the connection's own memory,
         * where a long one, which we allow, leaves no room for the head. The line is in its buffer
         * for reading, so it may change. */
        query[1] = '\0';
    }
    return request;
}

/* Answers a request that has not arrived whole, and lets its connection end. */
static void refuse(struct request *request)
{
    gzip_answer(server_of(request)->gzip, request);
    refusal_send(request, MHD_get_reason_phrase_for(request->answer.status));
    requests_refuse(&server_of(request)->requests, request, clock_mono_us());
}

/* The request has arrived whole, or its answer is made. */
static enum MHD_Result proceed(struct request *request)
{
    if (request->phase == REQUEST_ARRIVING) {
        requests_arrived(request);
        connection_await_answer(request->client);
        gate_take_whole(request);
    }
    if (request->answer.status != 0) {
        request->phase = REQUEST_ANSWERED;
        return send_answer(request);
    }
    requests_wait(&server_of(request)->requests, request);
    MHD_suspend_connection(request->connection);
    return MHD_YES;
}

static enum MHD_Result on_header(void *request_, enum MHD_ValueKind kind, const char *name,
                                 size_t name_size, const char *value, size_t value_size)
{
    struct request *request = request_;
    (void)kind;
    bool noted = header_note(request, slice_make(name, name_size), slice_make(value, value_size));
    request->headless = !noted;
    return noted ? MHD_YES : MHD_NO;
}

/* Takes in a piece of the body. False where memory is exhausted. */
static bool take_body(struct request *request, const char *data, size_t size)
{
    enum gate_verdict verdict = gate_take_body(request, size, connection_fault(request->client));
    switch (verdict) {
    case GATE_PASSED:
        return request_append_body(request, data, size);
    case GATE_ANSWERED:
        request->body_size += size;
        return true;
    case GATE_REFUSED:
        refuse(request);
        return true;
    }
    return false;
}

/* Takes in the head. False where memory is exhausted. */
static bool take_head(struct request *request)
{
    (void)MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, on_header, request);
    if (request->headless) {
        return false;
    }
    request->arrival = (struct request_arrival){
        .fault = connection_fault(request->client),
        .over_limit = request->client->over_limit,
        .ending = server_of(request)->stopped_serving,
    };
    enum gate_verdict verdict = gate_take_head(request);
    if (verdict == GATE_ANSWERED && !connection_awaits_continue(request->client)) {
        requests_drop(&server_of(request)->requests, request, clock_mono_us());
    } else if (verdict != GATE_PASSED) {
        refuse(request);
    }
    return true;
}

static enum MHD_Result on_access(void *server, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *data,
                                 size_t *data_size, void **request_)
{
    struct request *request = *request_;
    (void)server;
    (void)connection;
    (void)url;
    if (request == NULL || server_of(request)->closing || request->phase == REQUEST_TAKEN) {
        return MHD_NO; /* no memory for it, nobody to answer it, or its answer goes on without us */
    }
    bool at_head = !request->handled;
    request->handled = true;
    if (request->phase == REQUEST_REFUSED) { /* perhaps before its head was here */
        bool ends = *data_size == 0 && !at_head;
        *data_size = 0;
        return ends ? MHD_NO : MHD_YES;
    }
    if (at_head) {
        request->method = method_named(method);
        request->of_http_1_0 = strcmp(version, MHD_HTTP_VERSION_1_0) == 0;
        return take_head(request) ? MHD_YES : MHD_NO;
    }
    if (*data_size == 0) {
        return proceed(request);
    }
    bool kept = take_body(request, data, *data_size);
    *data_size = 0;
    return kept ? MHD_YES : MHD_NO;
}

static void on_completed(void *server_, struct MHD_Connection *connection, void **request_,
                         enum MHD_RequestTerminationCode how)
{
    struct http_server *server = server_;
    struct request *request = *request_;
    struct connection *context = connection_of(connection);
    (void)how;
    *request_ = NULL;
    if (request != NULL && request->phase == REQUEST_TAKEN) {
        streams_begin(&server->streams, request, MHD_get_reason_phrase_for(request->answer.status));
    } else if (request != NULL) {
        requests_end(&server->requests, request);
    }
    if (context != NULL) {
        connection_end_request(&server->connections, context, clock_mono_us());
    }
}

static enum MHD_Result on_accept(void *server_, const struct sockaddr *address, socklen_t size)
{
    struct http_server *server = server_;
    (void)address;
    (void)size;
    if (!crowd_takes(server->setup.crowd)) {
        metrics_add(server->context.metrics, METRIC_CONNECTIONS_REFUSED, 1);
        return MHD_NO;
    }
    return MHD_YES;
}

/* Whether it is we who end it, and its client may have sent more than was answered. */
static bool ends_with_answer(const struct http_server *server, const struct connection *connection)
{
    return is_draining(server) && !server->closing && connection->requests > 0 &&
           !connection->stream.ended;
}

/* Without memory for its context a connection ends with its first request. */
static void on_connection(void *server_, struct MHD_Connection *connection, void **context_,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http_server *server = server_;
    struct connection *context = *context_;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        context = connection_open(&server->connections, socket_of(connection),
                                  address_of(connection), clock_mono_us());
        metrics_add(server->context.metrics, METRIC_CONNECTIONS_REFUSED,
                    context != NULL && context->over_limit);
        if (context != NULL && context->fd >= 0) {
            context->library = connection;
            context->tapped = tap_add(server->tap, context->fd, &context->stream);
        }
    } else {
        if (context != NULL && context->tapped) {
            tap_remove(server->tap, context->fd, &context->stream);
        }
        if (context != NULL && ends_with_answer(server, context)) {
            lingering_keep(&server->lingering, context->fd, clock_mono_us());
        }
        connection_close(&server->connections, &context);
    }
    *context_ = context;
    metrics_set(server->context.metrics, METRIC_CONNECTIONS, server->connections.count);
}

static void on_began(void *server_, struct tap_stream *stream)
{
    struct http_server *server = server_;
    connection_start_request(&server->connections, list_entry(stream, struct connection, stream),
                             clock_mono_us());
}

/* Paths and arguments are taken apart by our own routes, which must see them as they came. */
static size_t keep_encoded(void *unused, struct MHD_Connection *connection, char *text)
{
    (void)unused;
    (void)connection;
    return strlen(text);
}

/* The message may quote a request and so name a user: only its constant part goes into the log. */
static void on_message(void *unused, const char *format, va_list arguments)
{
    (void)unused;
    (void)arguments;
    log_event(LOG_DEBUG, "libmicrohttpd", LOG_STR("format", slice_trim(slice_of(format))));
}

/* ---- the loop's side ---- */

/* Lets libmicrohttpd work; connections that are ready though their sockets say nothing new make it
 * come again. */
static void run(struct http_server *server)
{
    int runs = 0;
    MHD_UNSIGNED_LONG_LONG wait_ms;
    do {
        server->run_wanted = false;
        tap_open(server->tap);
        MHD_run(server->daemon);
        tap_close(server->tap);
        bool ready = MHD_get_timeout(server->daemon, &wait_ms) == MHD_YES && wait_ms == 0;
        server->run_wanted = server->run_wanted || ready;
    } while (server->run_wanted && ++runs < RUNS_PER_ITERATION_MAX);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct http_server *server = poll->data;
    (void)status;
    (void)events;
    run(server);
}

bool http_server_end_iteration(struct http_server *server)
{
    if (server->run_wanted) {
        run(server);
    }
    return streams_end_iteration(&server->streams) || server->run_wanted;
}

/* Lets the loop watch libmicrohttpd's descriptor, or not. The library looks away from the listener
 * where descriptors have run out, but not while it has no connection: then whoever waits there, and
 * cannot be taken in, would make the loop come round without a pause. */
static bool watch(struct http_server *server, bool wanted)
{
    if (!wanted) {
        return uv_poll_stop(&server->poll) == 0;
    }
    return uv_is_active((uv_handle_t *)&server->poll) ||
           uv_poll_start(&server->poll, UV_READABLE, on_poll) == 0;
}

/* Takes in the connections that wait at the listener. False where there is no descriptor, or no
 * memory, for one. */
static bool take_waiting(struct http_server *server, int listener)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    int fd;
    while ((fd = accept4(listener, (struct sockaddr *)&address, &size,
                         SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        MHD_add_connection(server->daemon, fd, (const struct sockaddr *)&address, size);
        size = sizeof address;
    }
    return errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS;
}

/* Has requests refused whose first line has not come whole in time. The library has nothing of them
 * yet: it reads the line that is made for it when it goes on. */
static void expire_lines(struct http_server *server, int64_t now_us)
{
    struct connection *connection;
    while ((connection = connections_take_overdue(&server->connections, now_us)) != NULL) {
        if (!tap_has_begun(&connection->stream) || !tap_expire(server->tap, &connection->stream)) {
            (void)shutdown(connection->fd, SHUT_RDWR);
            continue;
        }
        MHD_suspend_connection(connection->library);
        MHD_resume_connection(connection->library);
    }
}

/* Lets those go on that waited for newer keys. */
static void take_ready(struct http_server *server, int64_t now_us)
{
    struct authenticator *authenticator = server->context.authenticator;
    struct request *request;
    while (authenticator != NULL &&
           (request = authenticator_take_with_keys(authenticator, now_us)) != NULL) {
        gate_go_on(request);
    }
}

bool http_server_check_waiting(struct http_server *server)
{
    struct authenticator *authenticator = server->context.authenticator;
    struct request *request;
    if (authenticator == NULL) {
        return false;
    }
    authenticator_begin_iteration(authenticator);
    while ((request = authenticator_take_for_check(authenticator)) != NULL) {
        gate_go_on(request);
    }
    return server->run_wanted || authenticator_any_unchecked(authenticator);
}

void http_server_tick(struct http_server *server, struct instant now)
{
    struct request *request;
    expire_lines(server, now.mono_us);
    while ((request = requests_overdue(&server->requests, now.mono_us)) != NULL) {
        if (request->answer.status == 0) {
            answer_problem(request, PROBLEM_REQUEST_TIMEOUT, NULL);
        }
        refuse(request);
    }
    take_ready(server, now.mono_us);
    streams_tick(&server->streams, now);
    if (is_draining(server)) {
        streams_drain(&server->streams, now.mono_us);
    }
    requests_end_slow(&server->requests, now.mono_us);
    /* libmicrohttpd accepts nobody any more once descriptors have run out, until one of its
     * connections ends: who waits meanwhile would wait for strangers to leave. */
    bool short_of_descriptors =
        !server->stopped_listening && !take_waiting(server, server->setup.listen_fd);
    (void)watch(server, !short_of_descriptors || server->connections.count > 0);
    (void)connections_tick(&server->connections, short_of_descriptors, now.mono_us);
    lingering_tick(&server->lingering, now.mono_us);
    server->run_wanted = true; /* it notices so what was shut down */
}

/* Whatever could go wrong is asked before: from here on the socket is the daemon's. */
static struct MHD_Daemon *start_daemon(struct http_server *server)
{
    const struct http_server_setup *setup = &server->setup;
    unsigned connections = (unsigned)setup->crowd->limit + CROWD_OVER_LIMIT_MAX + 1;
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, on_accept, server,
        on_access, server, MHD_OPTION_EXTERNAL_LOGGER, on_message, NULL, MHD_OPTION_LISTEN_SOCKET,
        setup->listen_fd, MHD_OPTION_CONNECTION_LIMIT, connections,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)setup->connections_per_address_max,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES,
        MHD_OPTION_CONNECTION_TIMEOUT, 0U, MHD_OPTION_URI_LOG_CALLBACK, on_uri, server,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_encoded, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
        server, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
}

/* The kernel keeps what a client does not take, also behind a closed connection: without this for
 * minutes (TCP_USER_TIMEOUT in tcp(7)). The sockets of connections inherit it. */
static void bound_taking(const struct http_server *server)
{
    unsigned bound_ms =
        (unsigned)(CONNECTION_DEADLINES_TO_TAKE * server->context.limits.deadline_us / 1000);
    (void)setsockopt(server->setup.listen_fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &bound_ms,
                     sizeof bound_ms);
}

static void free_parts(struct http_server *server)
{
    addresses_free(&server->addresses);
    gzip_destroy(&server->gzip);
    tap_destroy(&server->tap);
    lingering_close(&server->lingering);
    streams_free(&server->streams);
}

struct http_server *http_server_create(const struct http_server_setup *setup)
{
    struct http_server *server = calloc(1, sizeof *server);
    struct gzip *gzip = gzip_create();
    if (server == NULL || gzip == NULL) {
        log_event(LOG_ERROR, "not enough memory for the HTTP server");
        free(server);
        gzip_destroy(&gzip);
        return NULL;
    }
    server->gzip = gzip;
    server->setup = *setup;
    server->random.state = setup->random_seed;
    server->context = setup->context;
    server->context.random = &server->random;
    server->context.addresses = &server->addresses;
    server->context.server = server;
    server->context.answered = on_answered;
    server->context.woken = on_woken;
    requests_init(&server->requests, &server->context, setup->access_log_every);
    connections_init(&server->connections, setup->crowd, setup->keepalive_us,
                     server->context.limits.deadline_us);
    lingering_init(&server->lingering,
                   CONNECTION_DEADLINES_TO_TAKE * server->context.limits.deadline_us);
    bound_taking(server);
    bool streams = streams_init(&server->streams, setup->loop, &server->context, &server->requests);
    bool counts =
        addresses_init(&server->addresses, setup->connections_per_address_max, setup->random_seed);
    server->tap = tap_is_in_place() && streams && counts ? tap_create(on_began, server) : NULL;
    server->daemon = server->tap == NULL ? NULL : start_daemon(server);
    const union MHD_DaemonInfo *info =
        server->daemon == NULL ? NULL
                               : MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL || uv_poll_init(setup->loop, &server->poll, info->epoll_fd) != 0) {
        log_event(LOG_ERROR, "cannot start the HTTP server");
        if (server->daemon != NULL) {
            (void)MHD_quiesce_daemon(server->daemon); /* gives the socket back */
            MHD_stop_daemon(server->daemon);
        }
        free_parts(server);
        free(server);
        return NULL;
    }
    server->poll.data = server;
    if (!watch(server, true)) {
        log_event(LOG_ERROR, "cannot start the HTTP server");
        (void)MHD_quiesce_daemon(server->daemon);
        http_server_destroy(&server);
        return NULL;
    }
    return server;
}

void http_server_stop_listening(struct http_server *server)
{
    int listener = server->stopped_listening ? -1 : MHD_quiesce_daemon(server->daemon);
    server->stopped_listening = true;
    if (listener < 0) {
        return;
    }
    (void)take_waiting(server, listener);
    close(listener);
    server->run_wanted = true;
}

void http_server_stop_serving(struct http_server *server)
{
    server->stopped_serving = true;
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct http_server *server = handle->data;
    requests_close(&server->requests);
    free_parts(server);
    free(server);
}

void http_server_destroy(struct http_server **server)
{
    (*server)->closing = true;
    streams_stop(&(*server)->streams);
    run(*server); /* it takes no end while any connection is suspended */
    uv_close((uv_handle_t *)&(*server)->poll, on_poll_closed);
    MHD_stop_daemon((*server)->daemon);
    streams_close(&(*server)->streams);
    *server = NULL;
}
