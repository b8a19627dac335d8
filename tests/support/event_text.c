/* The text of server-sent events. */
#include "event_text.h"

#include <stdlib.h>
#include <string.h>

#include "process.h"
#include "test.h"

enum { SIZE_MAX_BYTES = 64 * 1024, SIZE_FIRST_BYTES = 512 };

void event_text_add(struct event_text *text, const char *bytes, size_t size)
{
    size_t wanted = text->size + size + 1;
    if (wanted > SIZE_MAX_BYTES) {
        process_fail("an event is too long");
    }
    if (wanted > text->capacity) {
        text->capacity = wanted > SIZE_FIRST_BYTES ? 2 * wanted : (size_t)SIZE_FIRST_BYTES;
        text->bytes = realloc(text->bytes, text->capacity);
        assert_non_null(text->bytes);
    }
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
    text->bytes[text->size] = '\0';
}

static void copy(char *to, size_t size, const char *from)
{
    if (strlen(from) >= size) {
        process_fail("a field is too long: %s", from);
    }
    strcpy(to, from); /* NOLINT(clang-analyzer-security.insecureAPI.strcpy): it fits */
}

static void take_line(struct event_text *text, const char *line, struct event_stream_event *event)
{
    if (line[0] == ':') {
        text->comments++;
    } else if (strncmp(line, "event: ", 7) == 0) {
        copy(event->type, sizeof event->type, line + 7);
    } else if (strncmp(line, "id: ", 4) == 0) {
        copy(event->id, sizeof event->id, line + 4);
    } else if (strncmp(line, "data: ", 6) == 0 && event->data[0] == '\0') {
        copy(event->data, sizeof event->data, line + 6);
    } else if (strncmp(line, "retry: ", 7) == 0) {
        char *end;
        text->retry_ms = strtol(line + 7, &end, 10);
        if (*end != '\0' || end == line + 7) {
            process_fail("this is no time: %s", line);
        }
    } else {
        process_fail("no event has this line: %s", line);
    }
}

/* Takes what lies before the next empty line, which ends what belongs together. False where there
 * is none. */
static bool take_block(struct event_text *text, struct event_stream_event *event)
{
    char *end = text->size == 0 ? NULL : strstr(text->bytes, "\n\n");
    if (end == NULL) {
        return false;
    }
    *event = (struct event_stream_event){.json = NULL};
    end[1] = '\0';
    for (char *line = text->bytes, *next; *line != '\0'; line = next + 1) {
        next = strchr(line, '\n');
        *next = '\0';
        take_line(text, line, event);
    }
    size_t size = (size_t)(end - text->bytes) + 2;
    text->size -= size;
    memmove(text->bytes, text->bytes + size, text->size + 1);
    return true;
}

bool event_text_next(struct event_text *text, struct event_stream_event *event)
{
    while (take_block(text, event)) {
        if (event->data[0] != '\0') {
            event->json = json_loads(event->data, JSON_REJECT_DUPLICATES, NULL);
            if (event->json == NULL) {
                process_fail("this is no JSON: %s", event->data);
            }
            return true;
        }
    }
    return false;
}

void event_stream_clear(struct event_stream_event *event)
{
    json_decref(event->json);
    event->json = NULL;
}

void event_text_reset(struct event_text *text)
{
    text->size = 0;
    text->retry_ms = -1;
    text->comments = 0;
}

void event_text_free(struct event_text *text)
{
    free(text->bytes);
    text->bytes = NULL;
    text->size = text->capacity = 0;
}
