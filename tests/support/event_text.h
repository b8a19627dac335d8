/* The text of server-sent events, as strict as the HTML standard's form is simple: it fails the
 * running test at a line that no event has. From the main thread only. */
#ifndef RSVPD_TESTS_EVENT_TEXT_H
#define RSVPD_TESTS_EVENT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

enum { EVENT_TEXT_DATA_SIZE = 4096 };

/* What has come of one stream. All zero but for retry_ms at its begin. */
struct event_text {
    long retry_ms;     /* the last one told; -1: none */
    unsigned comments; /* so far */

    char *bytes; /* that were not handed on yet */
    size_t size, capacity;
};

struct event_stream_event {
    char type[64], id[64]; /* "": none */
    char data[EVENT_TEXT_DATA_SIZE];
    json_t *json; /* the data */
};

void event_text_add(struct event_text *text, const char *bytes, size_t size);
/* The next event, to be cleared by event_stream_clear. False where none has come whole. */
bool event_text_next(struct event_text *text, struct event_stream_event *event);
void event_stream_clear(struct event_stream_event *event);

/* Forgets what was not handed on, and what was told: another stream may begin. */
void event_text_reset(struct event_text *text);
/* Gives its memory back. */
void event_text_free(struct event_text *text);

#endif
