/* Writes one JSON text (RFC 8259): where commas go, names, escapes, numbers and times. */
#ifndef RSVPD_BASE_JSON_WRITER_H
#define RSVPD_BASE_JSON_WRITER_H

#include "rsvpd/base/text.h"

enum { JSON_DEPTH_MAX = 32 };

/* A JSON text that is being written. Its fields are the writer's own. */
struct json_writer {
    struct text *out;
    uint32_t objects; /* the levels that are open, the innermost in the lowest bit: 1 for an object
                       */
    unsigned depth;   /* how many levels are open */
    bool comma;       /* whatever comes next on this level follows something */
};

/* Writes behind what `out` holds already; `out` stays the caller's. */
static inline struct json_writer json_writer_over(struct text *out)
{
    return (struct json_writer){.out = out};
}

/* Each function below writes one value. `name` is the name of the member, a constant that needs no
 * escapes; outside of an object it is NULL. A wrong `name`, or a second value on the outermost
 * level, is a programmer's error. What does not fit is left out, and `out` is truncated. */

void json_write_object_begin(struct json_writer *json, const char *name);
void json_write_object_end(struct json_writer *json);
void json_write_array_begin(struct json_writer *json, const char *name);
void json_write_array_end(struct json_writer *json);

/* Bytes that are not valid UTF-8 become U+FFFD, so that the result is valid JSON whatever came in.
 */
void json_write_string(struct json_writer *json, const char *name, struct slice value);
void json_write_int(struct json_writer *json, const char *name, int64_t value);
void json_write_bool(struct json_writer *json, const char *name, bool value);
void json_write_null(struct json_writer *json, const char *name);

/* A string as text_add_time has it; the time in microseconds since the Unix epoch. */
void json_write_time(struct json_writer *json, const char *name, int64_t unix_us);

/* A number of milliseconds, with three digits behind the point. */
void json_write_milliseconds(struct json_writer *json, const char *name, int64_t microseconds);

/* Whether everything fitted. Call it only after the outermost value has ended. */
MUST_CHECK bool json_writer_complete(const struct json_writer *json);

#endif
