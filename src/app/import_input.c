/* The input of an import. */
#include "rsvpd/app/import_input.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static_assert((int)IMPORT_BUFFER_SIZE_BYTES >= CSV_BUFFER_SIZE_MIN_BYTES, "csv_lines has room");
static_assert((int)IMPORT_CHUNK_SIZE_BYTES >= CSV_LINE_SIZE_MAX_BYTES,
              "an empty chunk takes a line");

static bool fail(const char *what, const char *name, int error)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): glibc's strerror is safe since 2.32 */
    fprintf(stderr, "rsvpd import: cannot %s %s: %s\n", what, name, strerror(error));
    return false;
}

/* ---- reading ---- */

/* Returns the next line, or a piece of a long one; CSV_NEEDS_INPUT if the file cannot be read. */
static enum csv_event next_line(struct import_input *input, struct slice *line)
{
    enum csv_event event;
    while ((event = csv_lines_next(&input->lines, input->ended, line)) == CSV_NEEDS_INPUT) {
        size_t room;
        char *to = csv_lines_room(&input->lines, &room);
        ssize_t size = read(input->fd, to, room);
        if (size < 0 && errno != EINTR) {
            (void)fail("read", input->name, errno);
            return CSV_NEEDS_INPUT;
        }
        input->ended = size == 0;
        if (size > 0) {
            csv_lines_fill(&input->lines, (size_t)size);
            input->read_bytes += size;
        }
    }
    return event;
}

static bool read_header(struct import_input *input, const struct import_kind *kind)
{
    struct slice line;
    struct import_problem problem;
    switch (next_line(input, &line)) {
    case CSV_NEEDS_INPUT:
        return false;
    case CSV_END:
        fprintf(stderr, "rsvpd import: %s is empty: it needs a header, %s\n", input->name,
                kind->header);
        return false;
    case CSV_LINE:
        assert(line.size <= sizeof input->header_text);
        memcpy(input->header_text, line.data, line.size);
        input->header = slice_make(input->header_text, line.size);
        if (import_read_header(csv_line_content(csv_without_mark(input->header)), kind,
                               &input->columns, &problem)) {
            return true;
        }
        fprintf(stderr, "rsvpd import: line 1: %s\n", problem.text);
        return false;
    default:
        fprintf(stderr, "rsvpd import: line 1 is no header: it is longer than %d bytes\n",
                CSV_LINE_SIZE_MAX_BYTES);
        return false;
    }
}

bool import_input_open(struct import_input *input, const char *path, const struct import_kind *kind)
{
    struct stat status;
    bool is_stdin = path == NULL || strcmp(path, "-") == 0;
    input->fd = STDIN_FILENO;
    input->name = is_stdin ? "standard input" : path;
    if (!is_stdin && (input->fd = open(path, O_RDONLY | O_CLOEXEC)) < 0) {
        return fail("open", path, errno);
    }
    if (fstat(input->fd, &status) == 0 && S_ISREG(status.st_mode)) {
        input->size_bytes = status.st_size;
    }
    input->lines = csv_lines_over(input->buffer, sizeof input->buffer);
    return read_header(input, kind);
}

/* ---- bad lines ---- */

static void write_skipped(struct import_input *input, struct slice line, bool is_rest)
{
    assert(input->skipped != NULL && line.size > 0);
    if (input->skipped_mid_line && !is_rest) {
        putc('\n', input->skipped);
    }
    fwrite(line.data, 1, line.size, input->skipped);
    input->skipped_mid_line = line.data[line.size - 1] != '\n';
}

bool import_input_skip_to(struct import_input *input, const char *path)
{
    struct stat in, out;
    assert(input->skipped == NULL && input->header.size > 0);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) {
        return fail("open", path, errno);
    }
    input->skipped = fdopen(fd, "w");
    if (input->skipped == NULL || fstat(input->fd, &in) != 0 || fstat(fd, &out) != 0) {
        return fail("open", path, errno);
    }
    if (S_ISREG(in.st_mode) && in.st_dev == out.st_dev && in.st_ino == out.st_ino) {
        fprintf(stderr, "rsvpd import: %s is the input: bad lines need another file\n", path);
        return false;
    }
    if (S_ISREG(out.st_mode) && ftruncate(fd, 0) != 0) {
        return fail("write", path, errno);
    }
    write_skipped(input, input->header, false);
    return true;
}

bool import_input_flush(struct import_input *input)
{
    if (input->skipped == NULL || (fflush(input->skipped) == 0 && !ferror(input->skipped))) {
        return true;
    }
    return fail("write", "the file of bad lines", errno);
}

void import_input_close(struct import_input *input)
{
    if (input->skipped != NULL) {
        (void)fclose(input->skipped); /* after a flush that told whether it went well */
    }
    if (input->fd > STDIN_FILENO) {
        close(input->fd);
    }
}

/* Reports a bad line. False if it ends the import. */
static bool reject(struct import_input *input, int64_t number, struct slice line,
                   const char *reason)
{
    fprintf(stderr, "rsvpd import: line %" PRId64 ": %s\n", number, reason);
    input->bad_count++;
    if (input->skipped == NULL) {
        return false;
    }
    write_skipped(input, line, false);
    return true;
}

/* ---- chunks ---- */

static bool is_full(const struct import_chunk *chunk)
{
    return chunk->count == IMPORT_CHUNK_ROWS ||
           chunk->size + CSV_LINE_SIZE_MAX_BYTES > sizeof chunk->text;
}

static bool add_line(struct import_input *input, struct slice line)
{
    struct import_chunk *chunk = &input->chunk;
    struct import_problem problem;
    int64_t number = input->lines.number;
    assert(!is_full(chunk));
    input->line_count++;
    if (!import_read_row(csv_line_content(line), &input->columns, &chunk->rows[chunk->count],
                         &problem)) {
        return reject(input, number, line, problem.text);
    }
    assert(line.size <= sizeof chunk->text - chunk->size);
    memcpy(chunk->text + chunk->size, line.data, line.size);
    chunk->lines[chunk->count] = slice_make(chunk->text + chunk->size, line.size);
    chunk->numbers[chunk->count++] = number;
    chunk->size += line.size;
    return true;
}

static bool reject_long_line(struct import_input *input, struct slice line)
{
    char reason[64];
    snprintf(reason, sizeof reason, "it is longer than %d bytes", CSV_LINE_SIZE_MAX_BYTES);
    input->line_count++;
    return reject(input, input->lines.number, line, reason);
}

bool import_input_read(struct import_input *input)
{
    struct slice line;
    bool good = true;
    assert(!input->finished);
    input->chunk.count = input->chunk.size = 0;
    while (good && !is_full(&input->chunk)) {
        switch (next_line(input, &line)) {
        case CSV_NEEDS_INPUT:
            return false;
        case CSV_LINE:
            good = add_line(input, line);
            break;
        case CSV_LONG_LINE:
            good = reject_long_line(input, line);
            break;
        case CSV_LONG_REST:
            write_skipped(input, line, true);
            break;
        case CSV_END:
            input->finished = true;
            return true;
        }
    }
    return good;
}

bool import_input_refuse(struct import_input *input, const bool *refused, const char *reason)
{
    struct import_chunk *chunk = &input->chunk;
    size_t kept = 0;
    for (size_t i = 0; i < chunk->count; i++) {
        if (refused[i]) {
            if (!reject(input, chunk->numbers[i], chunk->lines[i], reason)) {
                return false;
            }
            continue;
        }
        chunk->rows[kept] = chunk->rows[i];
        chunk->numbers[kept] = chunk->numbers[i];
        chunk->lines[kept++] = chunk->lines[i];
    }
    assert(kept < chunk->count); /* else the caller would ask for ever */
    chunk->count = kept;
    return true;
}
