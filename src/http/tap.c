/* Lets libmicrohttpd read from its clients only what http/wire gives on.
 *
 * DESIGN: libmicrohttpd has no place for a filter between a socket and its parser, but it reads its
 * sockets by the C library's `recv` alone, through the dynamic linker. A definition in the
 * executable comes before that of the C library, so the one below is what it calls (ELF symbol
 * interposition, ld.so(8)). It acts only on a thread that is just running a server, and only on the
 * sockets of that server's connections; for all others (libpq and hiredis call it as well) it is
 * what it was. tap_is_in_place tells before a server starts whether it holds, and the server
 * asserts for each request that its first line went through here.
 *
 * libmicrohttpd waits for epoll's edges: it takes an answer shorter than it asked for as the sign
 * that the socket is empty. So we read until we have as much as it wants, or the socket is. */
#include "rsvpd/http/tap.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    READ_SIZE_MAX_BYTES = 16 * 1024,
    INPUT_SIZE_BYTES = WIRE_HEAD_SIZE_MAX_BYTES + READ_SIZE_MAX_BYTES,
    OUTPUT_SIZE_BYTES = 2 * INPUT_SIZE_BYTES + WIRE_GROWTH_MAX_BYTES,
};

struct tap {
    struct tap_stream **streams; /* by descriptor; NULL where it is no connection of ours */
    size_t stream_count;
    void (*began)(void *owner, struct tap_stream *stream);
    void *owner;
    char input[INPUT_SIZE_BYTES];
    char output[OUTPUT_SIZE_BYTES];
};

static _Thread_local struct tap *current;

struct tap *tap_create(void (*began)(void *owner, struct tap_stream *stream), void *owner)
{
    struct tap *tap = malloc(sizeof *tap);
    if (tap != NULL) {
        tap->streams = NULL;
        tap->stream_count = 0;
        tap->began = began;
        tap->owner = owner;
    }
    return tap;
}

void tap_destroy(struct tap **tap)
{
    if (*tap != NULL) {
        free((*tap)->streams);
        free(*tap);
        *tap = NULL;
    }
}

bool tap_add(struct tap *tap, int fd, struct tap_stream *stream)
{
    size_t index = (size_t)fd;
    if (index >= tap->stream_count) {
        size_t count = 2 * index + 1;
        struct tap_stream **streams = calloc(count, sizeof(struct tap_stream *));
        if (streams == NULL) {
            return false;
        }
        if (tap->stream_count > 0) {
            memcpy(streams, tap->streams, tap->stream_count * sizeof(struct tap_stream *));
        }
        free(tap->streams);
        tap->streams = streams;
        tap->stream_count = count;
    }
    assert(tap->streams[index] == NULL);
    tap->streams[index] = stream;
    return true;
}

void tap_remove(struct tap *tap, int fd, struct tap_stream *stream)
{
    assert(tap->streams[fd] == stream);
    tap->streams[fd] = NULL;
    free(stream->bytes);
    stream->bytes = NULL;
}

void tap_open(struct tap *tap)
{
    assert(current == NULL);
    current = tap;
}

void tap_close(struct tap *tap)
{
    assert(current == tap);
    current = NULL;
}

/* ---- reading ---- */

/* What the library is given. */
struct room {
    char *data;
    size_t size, used;
};

/* Keeps what has no room yet, and a line that is not complete. False when memory is exhausted. */
static bool keep(struct tap_stream *stream, struct slice ready, struct slice pending)
{
    size_t size = ready.size + pending.size;
    char *bytes = NULL;
    if (size > 0) {
        bytes = malloc(size);
        if (bytes == NULL) {
            return false;
        }
        if (ready.size > 0) {
            memcpy(bytes, ready.data, ready.size);
        }
        if (pending.size > 0) {
            memcpy(bytes + ready.size, pending.data, pending.size);
        }
    }
    free(stream->bytes);
    stream->bytes = bytes;
    stream->ready_size = ready.size;
    stream->pending_size = pending.size;
    return true;
}

/* Gives the library what waits for it. */
static void hand_over(struct tap_stream *stream, struct room *room)
{
    size_t left = room->size - room->used;
    size_t size = stream->ready_size < left ? stream->ready_size : left;
    memcpy(room->data + room->used, stream->bytes, size);
    room->used += size;
    stream->ready_size -= size;
    size_t kept = stream->ready_size + stream->pending_size;
    memmove(stream->bytes, stream->bytes + size, kept);
    if (kept == 0) {
        free(stream->bytes);
        stream->bytes = NULL;
    }
}

bool tap_has_begun(const struct tap_stream *stream)
{
    return stream->wire.state == WIRE_START && stream->pending_size > 0 && stream->ready_size == 0;
}

bool tap_expire(struct tap *tap, struct tap_stream *stream)
{
    struct wire_output out = {.data = tap->output};
    assert(tap_has_begun(stream));
    wire_expire(&stream->wire, slice_make(stream->bytes, stream->pending_size), &out);
    return keep(stream, slice_make(out.data, out.size), slice_of(""));
}

/* Takes in `size` bytes that were read behind what was pending. False when memory is exhausted. */
static bool take_in(struct tap *tap, struct tap_stream *stream, size_t size, struct room *room)
{
    bool had_begun = tap_has_begun(stream);
    struct slice in = slice_make(tap->input, stream->pending_size + size);
    bool fits = 2 * in.size + WIRE_GROWTH_MAX_BYTES <= room->size - room->used;
    struct wire_output out = {.data = fits ? room->data + room->used : tap->output};
    size_t taken = wire_feed(&stream->wire, in, &out);
    size_t given = out.size < room->size - room->used ? out.size : room->size - room->used;
    if (!fits) {
        memcpy(room->data + room->used, out.data, given);
    }
    room->used += given;
    if (given == out.size && taken == in.size && stream->bytes == NULL) {
        return true;
    }
    if (!keep(stream, slice_make(out.data + given, out.size - given),
              slice_make(in.data + taken, in.size - taken))) {
        return false;
    }
    if (!had_begun && tap_has_begun(stream)) {
        tap->began(tap->owner, stream);
    }
    return true;
}

/* As recv(2). */
static ssize_t read_through(struct tap *tap, struct tap_stream *stream, int fd, struct room *room)
{
    while (room->used < room->size) {
        if (stream->ready_size > 0) {
            hand_over(stream, room);
            continue;
        }
        size_t wanted = room->size - room->used;
        wanted = wanted < READ_SIZE_MAX_BYTES ? wanted : (size_t)READ_SIZE_MAX_BYTES;
        assert(stream->pending_size < WIRE_HEAD_SIZE_MAX_BYTES);
        if (stream->pending_size > 0) {
            memcpy(tap->input, stream->bytes, stream->pending_size);
        }
        ssize_t size = recvfrom(fd, tap->input + stream->pending_size, wanted, 0, NULL, NULL);
        stream->ended = stream->ended || size == 0;
        if (size == 0 && stream->answer_due) {
            break;
        }
        if (size <= 0) {
            return room->used > 0 ? (ssize_t)room->used : size;
        }
        if (!take_in(tap, stream, (size_t)size, room)) {
            errno = ENOMEM;
            return -1;
        }
        if ((size_t)size < wanted) {
            break;
        }
    }
    if (room->used == 0) {
        errno = EAGAIN;
        return -1;
    }
    return (ssize_t)room->used;
}

/* Named by the assembler's name, since the C library's headers may have the other one as a macro or
 * an inline function. */
ssize_t tap_recv(int fd, void *buffer, size_t size, int flags) __asm__("recv")
    __attribute__((visibility("default")));

ssize_t tap_recv(int fd, void *buffer, size_t size, int flags)
{
    struct tap *tap = current;
    struct tap_stream *stream =
        tap != NULL && fd >= 0 && (size_t)fd < tap->stream_count ? tap->streams[fd] : NULL;
    if (stream == NULL) {
        return recvfrom(fd, buffer, size, flags, NULL, NULL);
    }
    struct room room = {.data = buffer, .size = size};
    return read_through(tap, stream, fd, &room);
}

bool tap_is_in_place(void)
{
    /* What every library that has no symbol of this name itself is bound to. */
    ssize_t (*bound)(int, void *, size_t, int) = NULL;
    void *found = dlsym(RTLD_DEFAULT, "recv");
    memcpy(&bound, &found, sizeof bound);
    return bound == tap_recv;
}
