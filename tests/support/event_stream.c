/* A reader of server-sent events. */
#include "event_stream.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "process.h"

enum { HEAD_BOUND_MS = PROCESS_BOUND_MS, REQUEST_SIZE = 32 * 1024 };

/* ---- bytes ---- */

/* Reads once, waiting for up to that. False where nothing came. */
static bool receive(struct event_stream *stream, int bound_ms)
{
    struct pollfd pollfd = {.fd = stream->fd, .events = POLLIN};
    size_t room = sizeof stream->raw - stream->raw_size;
    if (stream->ended || room == 0 || poll(&pollfd, 1, bound_ms) <= 0) {
        return false;
    }
    ssize_t size = recv(stream->fd, stream->raw + stream->raw_size, room, 0);
    if (size <= 0) {
        /* The end of what is not chunked; anything else breaks off. */
        stream->ended = size == 0 && !stream->chunked;
        close(stream->fd);
        stream->fd = -1; /* which poll() passes over */
        return stream->ended;
    }
    stream->raw_size += (size_t)size;
    stream->heard_ms = process_now_ms();
    return true;
}

static void drop_raw(struct event_stream *stream, size_t size)
{
    stream->raw_size -= size;
    memmove(stream->raw, stream->raw + size, stream->raw_size);
}

static void take_text(struct event_stream *stream, size_t size)
{
    event_text_add(&stream->text, stream->raw, size);
    drop_raw(stream, size);
}

/* Takes the size of a chunk, or what lies behind one. False where it has not come whole. */
static bool take_chunk_line(struct event_stream *stream)
{
    char *end = memmem(stream->raw, stream->raw_size, "\r\n", 2);
    if (end == NULL) {
        return false;
    }
    char *rest;
    stream->chunk_left = strtoul(stream->raw, &rest, 16);
    if (rest == stream->raw || rest != end) {
        process_fail("a chunk is malformed: %.*s", (int)stream->raw_size, stream->raw);
    }
    stream->in_chunk = true;
    drop_raw(stream, (size_t)(end - stream->raw) + 2);
    return true;
}

/* Moves what is text of the stream from raw to text. */
static void unframe(struct event_stream *stream)
{
    if (!stream->chunked) {
        take_text(stream, stream->raw_size);
        return;
    }
    while (!stream->ended) {
        if (!stream->in_chunk && !take_chunk_line(stream)) {
            return;
        }
        size_t size = stream->chunk_left < stream->raw_size ? stream->chunk_left : stream->raw_size;
        take_text(stream, size);
        stream->chunk_left -= size;
        if (stream->chunk_left > 0 || stream->raw_size < 2) {
            return;
        }
        if (memcmp(stream->raw, "\r\n", 2) != 0) {
            process_fail("a chunk does not end where it says");
        }
        drop_raw(stream, 2);
        stream->in_chunk = false;
        /* The last chunk has no data; its text was empty. */
        stream->ended = size == 0;
    }
}

/* ---- the head ---- */

/* False where the connection ends before it. */
static bool read_head(struct event_stream *stream)
{
    const char *end;
    int64_t end_ms = process_now_ms() + HEAD_BOUND_MS;
    while ((end = memmem(stream->raw, stream->raw_size, "\r\n\r\n", 4)) == NULL) {
        if (process_now_ms() > end_ms) {
            process_fail("no head of an answer came: %.*s", (int)stream->raw_size, stream->raw);
        }
        if (!receive(stream, HEAD_BOUND_MS) && stream->fd < 0) {
            return false;
        }
    }
    size_t size = (size_t)(end - stream->raw) + 4;
    if (size >= sizeof stream->head) {
        process_fail("the head is too long");
    }
    memcpy(stream->head, stream->raw, size);
    drop_raw(stream, size);
    if (strncmp(stream->head, "HTTP/1.", 7) != 0) {
        process_fail("this is no head: %s", stream->head);
    }
    stream->status = (int)strtol(stream->head + strlen("HTTP/1.1 "), NULL, 10);
    const char *encoding = event_stream_header(stream, "Transfer-Encoding");
    stream->chunked = encoding != NULL && strncasecmp(encoding, "chunked\r\n", 9) == 0;
    unframe(stream);
    return true;
}

const char *event_stream_header(const struct event_stream *stream, const char *name)
{
    size_t size = strlen(name);
    const char *line = stream->head;
    while ((line = strstr(line, "\r\n")) != NULL) {
        line += 2;
        if (strncasecmp(line, name, size) == 0 && line[size] == ':') {
            return line + size + 1 + strspn(line + size + 1, " ");
        }
    }
    return NULL;
}

/* NULL where the connection ends before there is a head. */
static struct event_stream *open_stream(uint16_t port, const char *request, int buffer_bytes)
{
    struct event_stream *stream = calloc(1, sizeof *stream);
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    stream->text.retry_ms = -1;
    stream->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (buffer_bytes > 0) {
        setsockopt(stream->fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
    }
    size_t size = strlen(request);
    bool asked = connect(stream->fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
                 send(stream->fd, request, size, MSG_NOSIGNAL) == (ssize_t)size;
    if (!asked || !read_head(stream)) {
        event_stream_close(&stream);
    }
    return stream;
}

static const char *write_request(const char *target, const char *lines)
{
    static char request[REQUEST_SIZE];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: test\r\n%s\r\n", target,
             lines == NULL ? "" : lines);
    return request;
}

struct event_stream *event_stream_open_raw(uint16_t port, const char *request, int buffer_bytes)
{
    struct event_stream *stream = open_stream(port, request, buffer_bytes);
    if (stream == NULL) {
        process_fail("port %u gives no answer where it is asked for a stream", (unsigned)port);
    }
    return stream;
}

struct event_stream *event_stream_open(uint16_t port, const char *target, const char *lines)
{
    return event_stream_open_raw(port, write_request(target, lines), 0);
}

struct event_stream *event_stream_try_open(uint16_t port, const char *target, const char *lines)
{
    return open_stream(port, write_request(target, lines), 0);
}

void event_stream_close(struct event_stream **stream)
{
    if (*stream != NULL) {
        if ((*stream)->fd >= 0) {
            close((*stream)->fd);
        }
        event_text_free(&(*stream)->text);
        free(*stream);
        *stream = NULL;
    }
}

/* ---- events ---- */

bool event_stream_next(struct event_stream *stream, int bound_ms, struct event_stream_event *event)
{
    int64_t end_ms = process_now_ms() + bound_ms;
    for (;;) {
        if (event_text_next(&stream->text, event)) {
            return true;
        }
        int64_t left_ms = end_ms - process_now_ms();
        if (left_ms < 0 || stream->ended || stream->fd < 0) {
            return false;
        }
        if (!receive(stream, (int)left_ms) && left_ms == 0) {
            return false;
        }
        unframe(stream);
    }
}

void event_stream_wait_any(struct event_stream *const *streams, size_t size, int bound_ms)
{
    struct pollfd pollfds[EVENT_STREAM_WAIT_MAX];
    if (size > EVENT_STREAM_WAIT_MAX) {
        process_fail("so many streams cannot be waited for: %zu", size);
    }
    for (size_t i = 0; i < size; i++) {
        pollfds[i] = (struct pollfd){.fd = streams[i] == NULL ? -1 : streams[i]->fd};
        pollfds[i].events = POLLIN;
    }
    (void)poll(pollfds, size, bound_ms);
}

bool event_stream_wait_end(struct event_stream *stream, int bound_ms)
{
    struct event_stream_event event;
    int64_t end_ms = process_now_ms() + bound_ms;
    while (event_stream_next(stream, (int)(end_ms - process_now_ms()), &event)) {
        event_stream_clear(&event);
    }
    return stream->ended;
}
