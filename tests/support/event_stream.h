/* A reader of server-sent events over HTTP/1.x. From the main thread only. */
#ifndef RSVPD_TESTS_EVENT_STREAM_H
#define RSVPD_TESTS_EVENT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event_text.h"

enum { EVENT_STREAM_TEXT_SIZE = 4096, EVENT_STREAM_WAIT_MAX = 64 };

struct event_stream {
    int fd;
    int status;                        /* of the answer */
    char head[EVENT_STREAM_TEXT_SIZE]; /* all of it, with the empty line */
    bool chunked, ended;               /* how it is framed; whether it has ended as that says */
    struct event_text text;            /* with the comments so far, and the last retry */
    int64_t heard_ms;                  /* process_now_ms() when anything came last */

    /* What was read and not handed on yet. */
    char raw[2 * EVENT_STREAM_TEXT_SIZE];
    size_t raw_size;
    size_t chunk_left;
    bool in_chunk;
};

/* Sends GET with these further lines of its head (each with its line end; NULL: none) in HTTP/1.1,
 * and reads the head of the answer. */
struct event_stream *event_stream_open(uint16_t port, const char *target, const char *lines);
/* The same, but NULL where the connection ends before there is an answer. */
struct event_stream *event_stream_try_open(uint16_t port, const char *target, const char *lines);
/* The whole request is the caller's, and how much the reader's side takes in before it is read (0:
 * as usual). */
struct event_stream *event_stream_open_raw(uint16_t port, const char *request, int buffer_bytes);
void event_stream_close(struct event_stream **stream);

/* The value of a field in the head, up to its line end; NULL: there is none. */
const char *event_stream_header(const struct event_stream *stream, const char *name);

/* The next event, to be cleared by event_stream_clear. False where none comes in that time, or the
 * stream has ended. */
bool event_stream_next(struct event_stream *stream, int bound_ms, struct event_stream_event *event);

/* Waits until there is something to read of any of them (NULL: none), at most
 * EVENT_STREAM_WAIT_MAX, or that time has passed. */
void event_stream_wait_any(struct event_stream *const *streams, size_t size, int bound_ms);

/* Reads on to the end, whatever comes. False where it does not end well in that time. */
bool event_stream_wait_end(struct event_stream *stream, int bound_ms);

#endif
