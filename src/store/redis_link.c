/* A connection to a Redis server in a loop.
 *
 * DESIGN: libuv moves the bytes, through redis_tls if the URL asks for it; hiredis formats commands
 * and parses answers (redis_exchange). Its own asynchronous connection is not used: an answer
 * without a command makes it abort, and it allocates whatever size a server announces. */
#include "rsvpd/store/redis_link.h"

#include <assert.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>

enum {
    INPUT_SIZE_BYTES = 16 * 1024,
    OUTPUT_SIZE_MAX_BYTES = 1024 * 1024, /* waiting for a server that does not read */
};

struct redis_link {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } socket;
    uv_connect_t connect;
    struct redis_link_owner owner;
    struct redis_exchange *exchange;
    struct redis_tls *tls; /* NULL: the bytes go as they are */
    bool closing;
    char input[INPUT_SIZE_BYTES];
    char plain[INPUT_SIZE_BYTES]; /* what was in the input's records */
};

/* A command, or records, being sent. */
struct output {
    uv_write_t request;
    char *command; /* hiredis'; NULL: records */
    char records[];
};

static void free_link(uv_handle_t *handle)
{
    struct redis_link *link = handle->data;
    redis_exchange_destroy(&link->exchange);
    redis_tls_destroy(&link->tls);
    free(link);
}

static void fail(struct redis_link *link, const char *reason)
{
    if (!link->closing) {
        link->owner.failed(link->owner.owner, reason);
    }
}

/* ---- output ---- */

static void free_output(struct output *output)
{
    if (output->command != NULL) {
        redisFreeCommand(output->command);
    }
    free(output);
}

static void on_sent(uv_write_t *request, int status)
{
    struct redis_link *link = request->handle->data;
    free_output(request->data);
    if (status != 0) {
        fail(link, uv_strerror(status));
    }
}

/* Sends the bytes of the output, which it frees in any case. */
static bool send_output(struct redis_link *link, struct output *output, char *bytes, size_t size)
{
    uv_buf_t buffer = uv_buf_init(bytes, (unsigned)size);
    output->request.data = output;
    if (uv_write(&output->request, &link->socket.stream, &buffer, 1, on_sent) != 0) {
        free_output(output);
        return false;
    }
    return true;
}

static bool too_much_waits(struct redis_link *link)
{
    return uv_stream_get_write_queue_size(&link->socket.stream) > OUTPUT_SIZE_MAX_BYTES;
}

/* Sends the records that there are. */
static bool send_records(struct redis_link *link)
{
    size_t size = redis_tls_unsent(link->tls);
    if (size == 0) {
        return true;
    }
    /* A server that does not read may still cause records: it asks for new keys again and again. */
    struct output *output = too_much_waits(link) ? NULL : malloc(sizeof *output + size);
    if (output == NULL) {
        return false;
    }
    output->command = NULL;
    redis_tls_take(link->tls, output->records, size);
    return send_output(link, output, output->records, size);
}

/* ---- input ---- */

static void give_input(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
    struct redis_link *link = handle->data;
    (void)wanted;
    *buffer = uv_buf_init(link->input, sizeof link->input);
}

/* Takes what the records hold. Returns what is wrong with it, or NULL. */
static const char *read_records(struct redis_link *link)
{
    const char *wrong = NULL;
    size_t size = 1;
    while (wrong == NULL && size > 0 && !link->closing) {
        wrong = redis_tls_read(link->tls, link->plain, sizeof link->plain, &size);
        if (wrong == NULL && size > 0) {
            wrong = redis_exchange_feed(link->exchange, slice_make(link->plain, size));
        }
    }
    return wrong;
}

/* Takes records that came; none begin the handshake. */
static void receive_records(struct redis_link *link, struct slice records)
{
    bool was_open = redis_tls_is_open(link->tls);
    const char *wrong = redis_tls_receive(link->tls, records);
    if (wrong == NULL) {
        wrong = read_records(link);
    }
    /* Also where something is wrong: the server is told. */
    bool sent = link->closing || send_records(link);
    if (wrong != NULL || !sent) {
        fail(link, wrong != NULL ? wrong : "cannot send");
    } else if (!was_open && redis_tls_is_open(link->tls) && !link->closing) {
        link->owner.opened(link->owner.owner);
    }
}

static void on_input(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct redis_link *link = stream->data;
    if (size < 0) {
        fail(link, size == UV_EOF ? "it closed the connection" : uv_strerror((int)size));
        return;
    }
    if (link->tls != NULL) {
        receive_records(link, slice_make(buffer->base, (size_t)size));
        return;
    }
    const char *wrong =
        size == 0 ? NULL
                  : redis_exchange_feed(link->exchange, slice_make(buffer->base, (size_t)size));
    if (wrong != NULL) {
        fail(link, wrong);
    }
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct redis_link *link = connect->data;
    if (status == 0) {
        status = uv_read_start(&link->socket.stream, give_input, on_input);
    }
    if (status != 0) {
        fail(link, uv_strerror(status));
    } else if (link->tls != NULL && !link->closing) {
        receive_records(link, slice_make(NULL, 0));
    } else if (!link->closing) {
        link->owner.opened(link->owner.owner);
    }
}

static bool make_parts(struct redis_link *link, const struct redis_link_target *target)
{
    link->exchange = redis_exchange_create();
    if (link->exchange != NULL && target->tls != NULL) {
        link->tls = redis_tls_create(target->tls, target->host);
    }
    return link->exchange != NULL && (link->tls != NULL || target->tls == NULL);
}

struct redis_link *redis_link_open(uv_loop_t *loop, const struct redis_link_target *target,
                                   const struct redis_link_owner *owner, const char **reason)
{
    struct redis_link *link = calloc(1, sizeof *link);
    int failed = UV_ENOMEM;
    if (link == NULL) {
        goto out;
    }
    link->owner = *owner;
    link->connect.data = link;
    if (!make_parts(link, target)) {
        redis_exchange_destroy(&link->exchange);
        free(link);
        link = NULL;
        goto out;
    }
    if (target->address == NULL) {
        uv_pipe_init(loop, &link->socket.pipe, 0);
        uv_pipe_connect(&link->connect, &link->socket.pipe, target->path, on_connected);
        failed = 0;
    } else {
        uv_tcp_init(loop, &link->socket.tcp);
        failed = uv_tcp_connect(&link->connect, &link->socket.tcp, target->address, on_connected);
        (void)uv_tcp_nodelay(&link->socket.tcp, 1);
    }
    link->socket.handle.data = link;
    if (failed != 0) {
        redis_link_close(&link);
    }
out:
    *reason = failed == 0 ? "" : uv_strerror(failed);
    return link;
}

/* Sends a formatted command, which it frees in any case. */
static bool send_command(struct redis_link *link, char *command, size_t size)
{
    if (link->tls != NULL) {
        const char *wrong = redis_tls_write(link->tls, slice_make(command, size));
        redisFreeCommand(command);
        return wrong == NULL && send_records(link);
    }
    struct output *output = malloc(sizeof *output);
    if (output == NULL) {
        redisFreeCommand(command);
        return false;
    }
    output->command = command;
    return send_output(link, output, command, size);
}

bool redis_link_send(struct redis_link *link, const struct redis_command *command, int count,
                     const char **words, const size_t *sizes)
{
    assert(!link->closing && count > 0);
    char *bytes;
    if (redis_exchange_size(link->exchange) == REDIS_COMMANDS_MAX || too_much_waits(link)) {
        return false;
    }
    long long size = redisFormatCommandArgv(&bytes, count, words, sizes);
    return size > 0 && send_command(link, bytes, (size_t)size) &&
           redis_exchange_expect(link->exchange, command);
}

const struct redis_exchange *redis_link_exchange(const struct redis_link *link)
{
    return link->exchange;
}

void redis_link_close(struct redis_link **link_)
{
    struct redis_link *link = *link_;
    *link_ = NULL;
    link->closing = true;
    redis_exchange_abandon(link->exchange);
    uv_close(&link->socket.handle, free_link);
}
