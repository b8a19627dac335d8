/* A connection to a Redis server in a loop.
 *
 * DESIGN: libuv moves the bytes; hiredis formats commands and parses answers (redis_exchange). Its
 * own asynchronous connection is not used: an answer without a command makes it abort, and it
 * allocates whatever size a server announces. */
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
    bool closing;
    char input[INPUT_SIZE_BYTES];
};

/* A command that is being sent. */
struct output {
    uv_write_t request;
    char *bytes; /* hiredis' */
};

static void free_link(uv_handle_t *handle)
{
    struct redis_link *link = handle->data;
    redis_exchange_destroy(&link->exchange);
    free(link);
}

static void fail(struct redis_link *link, const char *reason)
{
    if (!link->closing) {
        link->owner.failed(link->owner.owner, reason);
    }
}

static void give_input(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
    struct redis_link *link = handle->data;
    (void)wanted;
    *buffer = uv_buf_init(link->input, sizeof link->input);
}

static void on_input(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct redis_link *link = stream->data;
    if (size < 0) {
        fail(link, size == UV_EOF ? "it closed the connection" : uv_strerror((int)size));
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
    } else if (!link->closing) {
        link->owner.opened(link->owner.owner);
    }
}

struct redis_link *redis_link_open(uv_loop_t *loop, const struct sockaddr *address,
                                   const char *path, const struct redis_link_owner *owner,
                                   const char **reason)
{
    struct redis_link *link = calloc(1, sizeof *link);
    int failed = UV_ENOMEM;
    if (link == NULL) {
        goto out;
    }
    link->owner = *owner;
    link->connect.data = link;
    link->exchange = redis_exchange_create();
    if (link->exchange == NULL) {
        free(link);
        link = NULL;
        goto out;
    }
    if (address == NULL) {
        uv_pipe_init(loop, &link->socket.pipe, 0);
        uv_pipe_connect(&link->connect, &link->socket.pipe, path, on_connected);
        failed = 0;
    } else {
        uv_tcp_init(loop, &link->socket.tcp);
        failed = uv_tcp_connect(&link->connect, &link->socket.tcp, address, on_connected);
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

static void on_sent(uv_write_t *request, int status)
{
    struct output *output = request->data;
    struct redis_link *link = request->handle->data;
    redisFreeCommand(output->bytes);
    free(output);
    if (status != 0) {
        fail(link, uv_strerror(status));
    }
}

bool redis_link_send(struct redis_link *link, const struct redis_command *command, int count,
                     const char **words, const size_t *sizes)
{
    assert(!link->closing && count > 0);
    struct output *output = NULL;
    if (redis_exchange_size(link->exchange) == REDIS_COMMANDS_MAX ||
        uv_stream_get_write_queue_size(&link->socket.stream) > OUTPUT_SIZE_MAX_BYTES ||
        (output = malloc(sizeof *output)) == NULL) {
        return false;
    }
    long long size = redisFormatCommandArgv(&output->bytes, count, words, sizes);
    if (size < 0) {
        free(output);
        return false;
    }
    uv_buf_t buffer = uv_buf_init(output->bytes, (unsigned)size);
    output->request.data = output;
    if (uv_write(&output->request, &link->socket.stream, &buffer, 1, on_sent) != 0) {
        redisFreeCommand(output->bytes);
        free(output);
        return false;
    }
    return redis_exchange_expect(link->exchange, command);
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
