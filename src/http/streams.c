/* The streams of one server. */
#include "rsvpd/http/streams.h"
#include "rsvpd/http/authenticator.h"
#include "rsvpd/http/connection.h"
#include "rsvpd/http/context.h"
#include "rsvpd/http/head.h"
#include "rsvpd/http/outlet.h"
#include "rsvpd/http/who.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BLOCK_SIZE_BYTES = 1024, /* that a source is asked for at a time */
    BLOCKS_MAX = 16,         /* at a time; then others have their turn */
    LOOK_TICK_US = 100 * 1000,
};

bool streams_init(struct streams *streams, uv_loop_t *loop, const struct http_context *context,
                  struct requests *requests)
{
    *streams = (struct streams){.loop = loop,
                                .context = context,
                                .requests = requests,
                                .nothing = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    bool made =
        wheel_init(&streams->looks, LOOK_TICK_US, AUTHENTICATOR_LOOK_LATEST_US, clock_mono_us());
    return made && streams->nothing >= 0;
}

void streams_free(struct streams *streams)
{
    wheel_free(&streams->looks);
    if (streams->nothing >= 0) {
        close(streams->nothing);
    }
}

/* ---- sending ---- */

/* The socket is closed, and the request has ended. */
static void finish(struct streams *streams, struct request *request)
{
    if (list_linked(&request->answer.stream.look)) {
        list_remove(&request->answer.stream.look);
    }
    outlet_close(&request->answer.stream.outlet);
    requests_end(streams->requests, request);
}

static ssize_t read_source(const struct streams *streams, struct request *request, char *block)
{
    const struct stream *stream = &request->answer.stream;
    return streams->stopped || stream->ends
               ? STREAM_ENDS
               : stream->source->read(stream->state, block, BLOCK_SIZE_BYTES);
}

/* Sends what the stream has. */
static void pump(struct streams *streams, struct request *request)
{
    char block[BLOCK_SIZE_BYTES];
    struct stream *stream = &request->answer.stream;
    enum outlet_state state = stream->gone ? OUTLET_BROKEN : OUTLET_HAS_ROOM;
    ssize_t size = 1;
    for (int i = 0; state == OUTLET_HAS_ROOM && size > 0 && i < BLOCKS_MAX; i++) {
        size = read_source(streams, request, block);
        state = size > 0   ? outlet_send(stream->outlet, slice_make(block, (size_t)size))
                : size < 0 ? outlet_send_end(stream->outlet)
                           : OUTLET_HAS_ROOM;
    }
    if (state == OUTLET_BROKEN || size < 0) {
        finish(streams, request);
    } else if (state == OUTLET_FULL) {
        requests_stream_sends(streams->requests, request, clock_mono_us());
    } else if (size == 0) {
        requests_stream_rests(streams->requests, request);
    } else {
        streams_wake(streams, request);
    }
}

/* Those that have something to send. */
static void pump_woken(struct streams *streams)
{
    struct list batch;
    struct list_node *node;
    list_init(&batch);
    list_splice_back(&batch, &streams->requests->woken);
    while ((node = list_pop_front(&batch)) != NULL) {
        pump(streams, list_entry(node, struct request, link));
    }
}

void streams_wake(struct streams *streams, struct request *request)
{
    requests_stream_wakes(streams->requests, request);
}

bool streams_end_iteration(struct streams *streams)
{
    pump_woken(streams);
    return !list_empty(&streams->requests->woken);
}

/* ---- a socket that changes hands ---- */

static void on_room(void *request_)
{
    struct request *request = request_;
    request->context->woken(request->context->server, request);
}

static void on_left(void *request_)
{
    struct request *request = request_;
    request->answer.stream.gone = true;
    on_room(request);
}

bool streams_take(struct streams *streams, struct request *request)
{
    const struct outlet_listener listener = {
        .left = on_left, .has_room = on_room, .owner = request};
    int fd = fcntl(request->client->fd, F_DUPFD_CLOEXEC, 0);
    bool chunked = !request->of_http_1_0;
    struct outlet *outlet = fd < 0 ? NULL : outlet_create(streams->loop, fd, chunked, &listener);
    if (outlet == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    request->answer.stream.outlet = outlet;
    return true;
}

void streams_cut_off(const struct streams *streams, struct request *request)
{
    int failed = dup3(streams->nothing, request->client->fd, O_CLOEXEC);
    NOT_HANDLED_YET(failed < 0); /* both are open */
    request->phase = REQUEST_TAKEN;
}

/* Lets it go on, until it is looked at again, or ends it. */
static void look_at(struct streams *streams, struct request *request, struct instant now)
{
    struct stream *stream = &request->answer.stream;
    int64_t look_us;
    if (!who_may_go_on(request, now, &look_us)) {
        stream->ends = true;
        context_wake(request); /* one that still sends ends thereafter */
    } else if (look_us < INT64_MAX) {
        wheel_add(&streams->looks, &stream->look, look_us);
    }
}

void streams_begin(struct streams *streams, struct request *request, const char *reason)
{
    struct outlet *outlet = request->answer.stream.outlet;
    const char *framing = request->of_http_1_0 ? "" : "Transfer-Encoding: chunked\r\n";
    struct text head = head_write(request, reason, framing, 0);
    request->client = NULL;
    enum outlet_state state =
        head.truncated ? OUTLET_BROKEN : outlet_send_head(outlet, text_slice(&head));
    request->answer.stream.gone = state == OUTLET_BROKEN || !outlet_start(outlet);
    if (state == OUTLET_FULL && !request->answer.stream.gone) { /* of answers before this one */
        requests_stream_sends(streams->requests, request, clock_mono_us());
    } else {
        streams_wake(streams, request);
    }
    look_at(streams, request, clock_now());
}

/* ---- the end ---- */

void streams_tick(struct streams *streams, struct instant now)
{
    struct list_node *node;
    while ((node = wheel_take(&streams->looks, now.mono_us)) != NULL) {
        look_at(streams, list_entry(node, struct request, answer.stream.look), now);
    }
}

void streams_stop(struct streams *streams)
{
    struct request *request;
    streams->stopped = true;
    while ((request = requests_resting(streams->requests)) != NULL) {
        streams_wake(streams, request);
    }
}

void streams_drain(struct streams *streams, int64_t now_us)
{
    int64_t drain_us = streams->context->limits.drain_us;
    int64_t spread_us = drain_us - drain_us / 10;
    struct request *request;
    if (streams->drain_us == 0) {
        streams->drain_us = now_us;
        streams->drained_max = streams->requests->streams;
    }
    int64_t passed_us = now_us - streams->drain_us;
    if (passed_us >= spread_us) {
        streams_stop(streams);
        return;
    }
    size_t due = (size_t)((int64_t)streams->drained_max * passed_us / spread_us);
    while (streams->drained < due && (request = requests_resting(streams->requests)) != NULL) {
        request->answer.stream.ends = true;
        streams->drained++;
        streams_wake(streams, request);
    }
}

void streams_close(struct streams *streams)
{
    struct request *request;
    pump_woken(streams);
    while ((request = requests_any_outlet(streams->requests)) != NULL) {
        finish(streams, request); /* its client takes nothing */
    }
}
