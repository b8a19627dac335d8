/* Comma-separated values: lines, and the fields of a line. */
#include "rsvpd/base/csv.h"

#include <assert.h>

static const char after_quote[] = "there is text behind a closing quote";
static const char open_quote[] = "a quote is not closed";
static const char stray_quote[] = "there is a quote inside a field that is not quoted";
static const char too_many_fields[] = "there are too many fields";

/* Takes a field without quotes off the front of the line. */
static bool parse_plain(struct slice *line, struct slice *field, const char **problem)
{
    const char *comma = line->size == 0 ? NULL : memchr(line->data, ',', line->size);
    field->data = line->data;
    field->size = comma == NULL ? line->size : (size_t)(comma - line->data);
    if (field->size > 0 && memchr(field->data, '"', field->size) != NULL) {
        *problem = stray_quote;
        return false;
    }
    *line = slice_make(line->data + field->size, line->size - field->size);
    return true;
}

/* The same for a quoted field. If it had doubled quotes, it is written at `*unquoted`, which then
 * moves on. */
static bool parse_quoted(struct slice *line, struct slice *field, char **unquoted,
                         const char **problem)
{
    bool doubled = false;
    size_t i = 1;
    for (;; i++) {
        if (i >= line->size) {
            *problem = open_quote;
            return false;
        }
        if (line->data[i] == '"') {
            if (i + 1 == line->size || line->data[i + 1] != '"') {
                break;
            }
            doubled = true;
            i++;
        }
    }
    *field = slice_make(line->data + 1, i - 1);
    *line = slice_make(line->data + i + 1, line->size - i - 1);
    if (line->size > 0 && line->data[0] != ',') {
        *problem = after_quote;
        return false;
    }
    if (doubled) {
        char *out = *unquoted;
        for (size_t from = 0; from < field->size; from++) {
            *out++ = field->data[from];
            from += field->data[from] == '"';
        }
        *field = slice_make(*unquoted, (size_t)(out - *unquoted));
        *unquoted = out;
    }
    return true;
}

bool csv_split(struct slice line, struct csv_record *record, const char **problem)
{
    assert(line.size <= sizeof record->unquoted);
    char *unquoted = record->unquoted;
    for (record->count = 0;;) {
        if (record->count == CSV_FIELDS_MAX) {
            *problem = too_many_fields;
            return false;
        }
        struct slice *field = &record->fields[record->count++];
        bool quoted = line.size > 0 && line.data[0] == '"';
        if (quoted ? !parse_quoted(&line, field, &unquoted, problem)
                   : !parse_plain(&line, field, problem)) {
            return false;
        }
        if (line.size == 0) {
            return true;
        }
        line = slice_make(line.data + 1, line.size - 1); /* the comma */
    }
}

struct csv_lines csv_lines_over(char *buffer, size_t capacity)
{
    assert(capacity >= CSV_BUFFER_SIZE_MIN_BYTES);
    return (struct csv_lines){.buffer = buffer, .capacity = capacity};
}

char *csv_lines_room(struct csv_lines *lines, size_t *room)
{
    if (lines->start > 0) {
        memmove(lines->buffer, lines->buffer + lines->start, lines->end - lines->start);
        lines->end -= lines->start;
        lines->scanned -= lines->start;
        lines->start = 0;
    }
    *room = lines->capacity - lines->end;
    return lines->buffer + lines->end;
}

void csv_lines_fill(struct csv_lines *lines, size_t size)
{
    assert(size <= lines->capacity - lines->end);
    lines->end += size;
}

enum csv_event csv_lines_next(struct csv_lines *lines, bool at_end, struct slice *line)
{
    const char *start = lines->buffer + lines->start;
    const char *feed = memchr(lines->buffer + lines->scanned, '\n', lines->end - lines->scanned);
    size_t size = feed == NULL ? lines->end - lines->start : (size_t)(feed + 1 - start);
    bool whole = feed != NULL || at_end;
    if (size == 0) {
        return at_end ? CSV_END : CSV_NEEDS_INPUT;
    }
    if (!whole && !lines->inside_of_long && size <= CSV_LINE_SIZE_MAX_BYTES) {
        lines->scanned = lines->end;
        return CSV_NEEDS_INPUT;
    }
    *line = slice_make(start, size);
    lines->start += size;
    lines->scanned = lines->start;
    bool rest = lines->inside_of_long;
    bool is_long = rest || size > CSV_LINE_SIZE_MAX_BYTES;
    lines->inside_of_long = is_long && !whole;
    lines->number += !rest;
    return rest ? CSV_LONG_REST : is_long ? CSV_LONG_LINE : CSV_LINE;
}
