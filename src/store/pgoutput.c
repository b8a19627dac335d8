/* What PostgreSQL sends on a stream of logical replication. */
#include "rsvpd/store/pgoutput.h"

#include <assert.h>

/* The epoch of PostgreSQL's times, 2000-01-01, as Unix time. */
#define POSTGRES_EPOCH_US INT64_C(946684800000000)

/* Bytes that are read from the front. Once something is missing it stays so, and what is read is
 * 0. */
struct reader {
    struct slice rest;
    bool broken;
};

static uint64_t read_uint(struct reader *reader, size_t size)
{
    uint64_t value = 0;
    if (reader->broken || reader->rest.size < size) {
        reader->broken = true;
        return 0;
    }
    for (size_t i = 0; i < size; i++) {
        value = value << 8 | (unsigned char)reader->rest.data[i];
    }
    reader->rest = slice_skip(reader->rest, size);
    return value;
}

static char read_char(struct reader *reader)
{
    return (char)read_uint(reader, 1);
}

static struct slice read_bytes(struct reader *reader, size_t size)
{
    if (reader->broken || reader->rest.size < size) {
        reader->broken = true;
        return slice_make("", 0);
    }
    struct slice bytes = slice_make(reader->rest.data, size);
    reader->rest = slice_skip(reader->rest, size);
    return bytes;
}

/* A string that ends with a zero. */
static struct slice read_string(struct reader *reader)
{
    const char *end =
        reader->rest.size == 0 ? NULL : memchr(reader->rest.data, '\0', reader->rest.size);
    if (reader->broken || end == NULL) {
        reader->broken = true;
        return slice_make("", 0);
    }
    struct slice string = read_bytes(reader, (size_t)(end - reader->rest.data));
    (void)read_bytes(reader, 1);
    return string;
}

/* Times may be anything; ours are only shown. */
static int64_t read_time(struct reader *reader)
{
    return (int64_t)(read_uint(reader, 8) + (uint64_t)POSTGRES_EPOCH_US);
}

/* ---- columns ---- */

static struct slice read_name(struct reader *reader)
{
    (void)read_uint(reader, 1); /* flags */
    struct slice name = read_string(reader);
    (void)read_uint(reader, 8); /* the type and its modifier */
    return name;
}

static struct pgoutput_value read_value(struct reader *reader)
{
    switch (read_char(reader)) {
    case 'n':
        return (struct pgoutput_value){.known = true};
    case 't':
    case 'b': {
        size_t size = read_uint(reader, 4);
        return (struct pgoutput_value){.known = true, .bytes = read_bytes(reader, size)};
    }
    case 'u':
        return (struct pgoutput_value){.known = false};
    default:
        reader->broken = true;
        return (struct pgoutput_value){.known = false};
    }
}

bool pgoutput_next_value(struct pgoutput_columns *columns, struct pgoutput_value *value)
{
    struct reader reader = {.rest = columns->rest};
    if (columns->left == 0) {
        return false;
    }
    *value = read_value(&reader);
    assert(!reader.broken);
    *columns = (struct pgoutput_columns){reader.rest, columns->left - 1};
    return true;
}

bool pgoutput_next_name(struct pgoutput_columns *columns, struct slice *name)
{
    struct reader reader = {.rest = columns->rest};
    if (columns->left == 0) {
        return false;
    }
    *name = read_name(&reader);
    assert(!reader.broken);
    *columns = (struct pgoutput_columns){reader.rest, columns->left - 1};
    return true;
}

/* Looks at all columns of a row, and at those of a table. */
static struct pgoutput_columns read_row(struct reader *reader)
{
    size_t count = read_uint(reader, 2);
    struct pgoutput_columns columns = {reader->rest, count};
    for (size_t i = 0; i < count && !reader->broken; i++) {
        (void)read_value(reader);
    }
    return columns;
}

static struct pgoutput_columns read_table(struct reader *reader)
{
    size_t count = read_uint(reader, 2);
    struct pgoutput_columns columns = {reader->rest, count};
    for (size_t i = 0; i < count && !reader->broken; i++) {
        (void)read_name(reader);
    }
    return columns;
}

/* ---- messages ---- */

static void read_begin(struct reader *reader, struct pgoutput_message *message)
{
    message->kind = PGOUTPUT_BEGIN;
    message->lsn = read_uint(reader, 8);
    message->committed_us = read_time(reader);
    (void)read_uint(reader, 4); /* the transaction's number */
}

static void read_commit(struct reader *reader, struct pgoutput_message *message)
{
    message->kind = PGOUTPUT_COMMIT;
    (void)read_uint(reader, 1); /* flags */
    message->lsn = read_uint(reader, 8);
    message->end_lsn = read_uint(reader, 8);
    message->committed_us = read_time(reader);
}

static void read_relation(struct reader *reader, struct pgoutput_message *message)
{
    message->kind = PGOUTPUT_RELATION;
    message->relation = (uint32_t)read_uint(reader, 4);
    message->schema = read_string(reader);
    message->name = read_string(reader);
    (void)read_uint(reader, 1); /* the replica identity */
    message->columns = read_table(reader);
}

/* INSERT has the row of after, DELETE that of before, UPDATE that of after and maybe the other. */
static void read_rows(struct reader *reader, enum pgoutput_kind kind,
                      struct pgoutput_message *message)
{
    message->kind = kind;
    message->relation = (uint32_t)read_uint(reader, 4);
    char which = read_char(reader);
    if (kind != PGOUTPUT_INSERT && (which == 'K' || which == 'O')) {
        message->has_before = true;
        message->before = read_row(reader);
        if (kind == PGOUTPUT_UPDATE) {
            which = read_char(reader);
        }
    } else if (kind == PGOUTPUT_DELETE) {
        reader->broken = true;
    }
    if (kind != PGOUTPUT_DELETE) {
        message->after = read_row(reader);
        reader->broken = reader->broken || which != 'N';
    }
}

bool pgoutput_read_message(struct slice bytes, struct pgoutput_message *message)
{
    struct reader reader = {.rest = bytes};
    *message = (struct pgoutput_message){.kind = PGOUTPUT_OTHER};
    switch (read_char(&reader)) {
    case 'B':
        read_begin(&reader, message);
        break;
    case 'C':
        read_commit(&reader, message);
        break;
    case 'R':
        read_relation(&reader, message);
        break;
    case 'I':
        read_rows(&reader, PGOUTPUT_INSERT, message);
        break;
    case 'U':
        read_rows(&reader, PGOUTPUT_UPDATE, message);
        break;
    case 'D':
        read_rows(&reader, PGOUTPUT_DELETE, message);
        break;
    case 'T': /* truncate */
    case 'Y': /* type */
    case 'O': /* origin */
    case 'M': /* a message of pg_logical_emit_message */
        return true;
    default:
        return false;
    }
    return !reader.broken && reader.rest.size == 0;
}

bool pgoutput_read_frame(struct slice bytes, struct pgoutput_frame *frame)
{
    struct reader reader = {.rest = bytes};
    *frame = (struct pgoutput_frame){.kind = PGOUTPUT_DATA};
    switch (read_char(&reader)) {
    case 'w':
        (void)read_bytes(&reader,
                         24); /* two positions, which are those of the message, and a time */
        frame->message = reader.rest;
        return !reader.broken;
    case 'k':
        frame->kind = PGOUTPUT_KEEPALIVE;
        frame->end_lsn = read_uint(&reader, 8);
        (void)read_uint(&reader, 8); /* the server's clock */
        frame->reply_requested = read_uint(&reader, 1) != 0;
        return !reader.broken && reader.rest.size == 0;
    default:
        return false;
    }
}

static char *write_uint64(char *out, uint64_t value)
{
    for (int shift = 56; shift >= 0; shift -= 8) {
        *out++ = (char)(value >> shift);
    }
    return out;
}

void pgoutput_write_status(uint64_t lsn, int64_t unix_us, bool wants_answer,
                           char status[PGOUTPUT_STATUS_SIZE_BYTES])
{
    char *out = status;
    *out++ = 'r';
    out = write_uint64(out, lsn); /* written, flushed, applied: nothing is ours before it is safe */
    out = write_uint64(out, lsn);
    out = write_uint64(out, lsn);
    out = write_uint64(out, (uint64_t)(unix_us - POSTGRES_EPOCH_US));
    *out++ = (char)wants_answer;
    assert(out - status == PGOUTPUT_STATUS_SIZE_BYTES);
}
