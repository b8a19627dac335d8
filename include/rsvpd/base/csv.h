/* Comma-separated values (RFC 4180): lines out of input that comes in pieces, and the fields of a
 * line.
 *
 * A record is one line: line breaks inside quotes, which RFC 4180 allows, are refused. So a quote
 * that somebody forgot to close spoils its own line and not the rest of the file. Lines end in LF
 * or CRLF, the last one may end with the input. */
#ifndef RSVPD_BASE_CSV_H
#define RSVPD_BASE_CSV_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    CSV_FIELDS_MAX = 16,
    CSV_LINE_SIZE_MAX_BYTES = 4096,                         /* with its end */
    CSV_BUFFER_SIZE_MIN_BYTES = CSV_LINE_SIZE_MAX_BYTES * 2 /* of csv_lines */
};

struct csv_record {
    size_t count;
    struct slice fields[CSV_FIELDS_MAX];    /* in the line, or in `unquoted` */
    char unquoted[CSV_LINE_SIZE_MAX_BYTES]; /* fields that had quotes in their quotes */
};

/* Splits a line, given without its end, into fields. The fields live as long as the line and the
 * record, which must not move. False if the line is malformed: `problem` says how. */
MUST_CHECK bool csv_split(struct slice line, struct csv_record *record, const char **problem);

/* Cuts what was put into its buffer into lines. */
struct csv_lines {
    char *buffer;
    size_t capacity;
    size_t start, end;   /* what is in the buffer and not given out yet */
    size_t scanned;      /* no line ends between start and here */
    int64_t number;      /* of the line given out last; the first is 1 */
    bool inside_of_long; /* the line given out last was too long and has not ended yet */
};

enum csv_event {
    CSV_NEEDS_INPUT,
    CSV_LINE,      /* a whole line with its end */
    CSV_LONG_LINE, /* the beginning of a line that is too long, or all of it */
    CSV_LONG_REST, /* more of that same line */
    CSV_END,
};

/* Over a buffer of at least CSV_BUFFER_SIZE_MIN_BYTES, which stays the caller's. */
struct csv_lines csv_lines_over(char *buffer, size_t capacity);

/* Where the next bytes of input go, and how many fit: at least one after CSV_NEEDS_INPUT. Lines
 * that were returned before become invalid. */
char *csv_lines_room(struct csv_lines *lines, size_t *room);
void csv_lines_fill(struct csv_lines *lines, size_t size);

/* Returns the next line. `at_end`: no more input will come. The result does not depend on how the
 * input was cut into pieces, except for the pieces of a line that is too long. */
enum csv_event csv_lines_next(struct csv_lines *lines, bool at_end, struct slice *line);

/* A line without its end. */
static inline struct slice csv_line_content(struct slice line)
{
    line.size -= line.size > 0 && line.data[line.size - 1] == '\n';
    line.size -= line.size > 0 && line.data[line.size - 1] == '\r';
    return line;
}

/* The first line of a file without the byte order mark that some programs write. */
static inline struct slice csv_without_mark(struct slice line)
{
    bool marked = line.size >= 3 && memcmp(line.data, "\xEF\xBB\xBF", 3) == 0;
    return marked ? slice_make(line.data + 3, line.size - 3) : line;
}

#endif
