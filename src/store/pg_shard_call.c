/* Statements of a batch as one call at one server. */
#include "rsvpd/store/pg_shard_call.h"
#include "rsvpd/base/hash_table.h"
#include "rsvpd/base/text.h"
#include "rsvpd/store/sql.h"

#include <assert.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    COLUMNS_MAX = 16,
    TYPE_BYTEA = 17,
    HEADER_SIZE_BYTES = 4,
    FIELD_HEADER_SIZE_BYTES = 8,
    NAMES_MAX = 16,
    NAME_SIZE_BYTES = 64,
    NUMBER_SIZE_BYTES = 24, /* and what stands beside it */
    /* These are far more than a batch needs: arguments have each of its identifiers four times at
       most, and a text has 8 KiB at most. Memory that is not written takes no place. */
    TEXTS_MAX_BYTES = NAMES_MAX * 9 * 1024,
    ARGUMENTS_MAX_BYTES = 512 * 1024,
    STATEMENTS_MAX_BYTES = 1024 * 1024,
};

static const char call_name[] = "at_shards";

/* An array of text in its binary format (see pg_codec.c). */
struct list_of_texts {
    struct text text;
    uint32_t elements;
};

/* A statement whose text is in the call. What workers call it has a hash of the text in it: a
 * session of theirs may be older than this binary, where a pooler keeps the coordinator's, and have
 * another text by the same name. */
struct named_text {
    char name[NAME_SIZE_BYTES];
    char own_name[NAME_SIZE_BYTES]; /* at the workers */
};

struct pg_shard_call {
    struct list_of_texts texts;      /* a name and a text for each statement, once */
    struct list_of_texts statements; /* see citus.sql */
    struct text shards;              /* an array as text */
    struct text arguments;           /* of the statement that is being added */
    size_t name_count;
    struct named_text names[NAMES_MAX];
    char shards_memory[PLACEMENTS_MAX * NUMBER_SIZE_BYTES];
    char texts_memory[TEXTS_MAX_BYTES];
    char statements_memory[STATEMENTS_MAX_BYTES];
    char arguments_memory[ARGUMENTS_MAX_BYTES];
};

struct pg_shard_call *pg_shard_call_create(void)
{
    return calloc(1, sizeof(struct pg_shard_call));
}

void pg_shard_call_destroy(struct pg_shard_call **call)
{
    free(*call);
    *call = NULL;
}

bool pg_shard_call_prepare(PGconn *connection)
{
    return PQsendQueryParams(connection, sql_text("distributed/setup"), 0, NULL, NULL, NULL, NULL,
                             0) == 1 &&
           PQsendPrepare(connection, call_name, sql_text("distributed/at_shards"), 0, NULL) == 1;
}

/* ---- numbers in network order ---- */

static void append_uint32(struct text *out, uint32_t number)
{
    const uint32_t bytes = htobe32(number);
    text_add(out, slice_make((const char *)&bytes, sizeof bytes));
}

static uint32_t read_uint32(const char *at)
{
    uint32_t bytes;
    memcpy(&bytes, at, sizeof bytes);
    return be32toh(bytes);
}

/* ---- arguments, as SQL ---- */

/* Inside of quotes; in an array, inside of double quotes as well. */
static void append_quoted(struct text *out, struct slice text, bool in_array)
{
    size_t plain = 0; /* from here on nothing has been added */
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '\'' || (in_array && (c == '"' || c == '\\'))) {
            text_add(out, slice_make(text.data + plain, i - plain));
            text_add_cstr(out, c == '\'' ? "'" : "\\");
            plain = i;
        }
    }
    text_add(out, slice_make(text.data + plain, text.size - plain));
}

static void append_element(struct text *out, struct slice element, bool is_text)
{
    if (is_text) {
        text_add_cstr(out, "\"");
        append_quoted(out, element, true);
        text_add_cstr(out, "\"");
    } else {
        text_add_int(out, pg_decode_int64(element.data));
    }
}

/* An array that pg_codec built. */
static void append_array(struct text *out, const struct pg_parameter *array)
{
    bool is_text = read_uint32(array->data + 8) == PG_TYPE_TEXT;
    text_add_cstr(out, "'{");
    for (size_t at = PG_ARRAY_HEADER_SIZE_BYTES; at < array->size_bytes;) {
        size_t size = read_uint32(array->data + at);
        if (at > PG_ARRAY_HEADER_SIZE_BYTES) {
            text_add_cstr(out, ",");
        }
        append_element(out, slice_make(array->data + at + 4, size), is_text);
        at += 4 + size;
    }
    text_add_cstr(out, "}'");
}

static void append_argument(struct text *out, const struct pg_parameter *parameter)
{
    if (parameter->data == NULL) {
        text_add_cstr(out, "NULL");
        return;
    }
    switch (parameter->type) {
    case PG_PARAMETER_NUMBER:
        text_add_int(out, pg_decode_int64(parameter->data));
        break;
    case PG_PARAMETER_TIME: {
        long long time_us = (long long)pg_decode_time_us(parameter->data);
        text_add_format(out,
                        "'epoch'::timestamptz + %lld * interval '1 second'"
                        " + %lld * interval '1 microsecond'",
                        time_us / 1000000, time_us % 1000000);
        break;
    }
    case PG_PARAMETER_TEXT:
        text_add_cstr(out, "'");
        append_quoted(out, slice_make(parameter->data, parameter->size_bytes), false);
        text_add_cstr(out, "'");
        break;
    case PG_PARAMETER_ARRAY:
        append_array(out, parameter);
        break;
    }
}

/* ---- the call ---- */

static void clear_list(struct list_of_texts *list, char *memory, size_t size_bytes)
{
    *list = (struct list_of_texts){.text = text_over(memory, size_bytes)};
    append_uint32(&list->text, 1); /* dimensions */
    append_uint32(&list->text, 0); /* no NULLs */
    append_uint32(&list->text, PG_TYPE_TEXT);
    append_uint32(&list->text, 0); /* the number of elements: add_element */
    append_uint32(&list->text, 1); /* the first index */
}

static void add_element(struct list_of_texts *list, struct slice element)
{
    uint32_t elements = htobe32(++list->elements);
    append_uint32(&list->text, (uint32_t)element.size);
    text_add(&list->text, element);
    memcpy(list->text.data + 12, &elements, sizeof elements);
    assert(!list->text.truncated);
}

void pg_shard_call_clear(struct pg_shard_call *call)
{
    clear_list(&call->texts, call->texts_memory, sizeof call->texts_memory);
    clear_list(&call->statements, call->statements_memory, sizeof call->statements_memory);
    call->name_count = 0;
    call->shards = text_over(call->shards_memory, sizeof call->shards_memory);
}

void pg_shard_call_enter(struct pg_shard_call *call, const struct operation *operation)
{
    char digits[NUMBER_SIZE_BYTES];
    struct text shard = text_over(digits, sizeof digits);
    text_add_int(&shard, operation->place.shard);
    text_add_cstr(&call->shards, call->shards.size == 0 ? "{" : ",");
    text_add(&call->shards, text_slice(&shard));
    add_element(&call->statements, slice_of(""));
    add_element(&call->statements, text_slice(&shard));
    add_element(&call->statements, slice_of(""));
}

static const struct named_text *find_text(const struct pg_shard_call *call, const char *name)
{
    const struct named_text *found = NULL;
    for (size_t i = 0; i < call->name_count && found == NULL; i++) {
        found = strcmp(call->names[i].name, name) == 0 ? &call->names[i] : NULL;
    }
    return found;
}

bool pg_shard_call_has_text(const struct pg_shard_call *call, const char *name)
{
    return find_text(call, name) != NULL;
}

void pg_shard_call_add_text(struct pg_shard_call *call, const char *name, const char *sql)
{
    assert(call->name_count < NAMES_MAX && !pg_shard_call_has_text(call, name));
    struct named_text *text = &call->names[call->name_count++];
    const uint32_t hash = (uint32_t)hash_bytes(0, slice_of(sql));
    int size = snprintf(text->name, NAME_SIZE_BYTES, "%s", name);
    int own_size = snprintf(text->own_name, NAME_SIZE_BYTES, "%s_%08" PRIx32, name, hash);
    assert(size < NAME_SIZE_BYTES && own_size > 0 && own_size < NAME_SIZE_BYTES);
    add_element(&call->texts, slice_of(text->own_name));
    add_element(&call->texts, slice_of(sql));
}

void pg_shard_call_add(struct pg_shard_call *call, const char *name,
                       const struct pg_parameter *parameters, size_t count, bool wants_rows)
{
    const struct named_text *text = find_text(call, name);
    assert(text != NULL);
    struct text *arguments = &call->arguments;
    *arguments = text_over(call->arguments_memory, sizeof call->arguments_memory);
    for (size_t i = 0; i < count; i++) {
        text_add_cstr(arguments, i == 0 ? "(" : ",");
        append_argument(arguments, &parameters[i]);
    }
    text_add_cstr(arguments, count > 0 ? ")" : "");
    assert(!arguments->truncated);
    add_element(&call->statements, slice_of(text->own_name));
    add_element(&call->statements, text_slice(arguments));
    add_element(&call->statements, slice_of(wants_rows ? "rows" : ""));
}

bool pg_shard_call_queue(struct pg_shard_call *call, PGconn *connection, const struct batch *batch,
                         int64_t deadline_us)
{
    const struct operation *first = batch->operations[0];
    char time_out[32], lock_time_out[32];
    const long long deadline_ms = deadline_us / 1000;
    int part = batch->short_lock_timeout ? 4 * 5 : 4; /* as in short_lock_timeout.sql */
    snprintf(time_out, sizeof time_out, "%lldms", deadline_ms);
    snprintf(lock_time_out, sizeof lock_time_out, "%lldms", deadline_ms / part);
    text_add(&call->shards, slice_make("}", 2)); /* with its end, as it goes as text */
    assert(!call->shards.truncated);
    const char *values[] = {first->entity.data, call->shards.data,     time_out,
                            lock_time_out,      call->texts.text.data, call->statements.text.data};
    const int sizes[] = {first->entity.size,         0,
                         (int)strlen(time_out),      (int)strlen(lock_time_out),
                         (int)call->texts.text.size, (int)call->statements.text.size};
    const int formats[] = {1, 0, 1, 1, 1, 1};
    return PQsendQueryPrepared(connection, call_name, 6, values, sizes, formats, 1) == 1;
}

/* ---- its answer ---- */

/* Adds a row in the format of record_send: how many columns there are, and of each the type, the
 * size (-1: NULL) and the value. False where it does not fit the columns or memory is exhausted. */
static bool add_row(PGresult *out, const char *columns, struct slice row)
{
    const int count = (int)strlen(columns), at_row = PQntuples(out);
    size_t at = HEADER_SIZE_BYTES;
    bool fits = row.size >= at && read_uint32(row.data) == (uint32_t)count;
    for (int i = 0; i < count && fits; i++) {
        fits = row.size - at >= FIELD_HEADER_SIZE_BYTES &&
               read_uint32(row.data + at) == (uint32_t)pg_column_type(columns[i]);
        int32_t size = fits ? (int32_t)read_uint32(row.data + at + 4) : 0;
        at += FIELD_HEADER_SIZE_BYTES;
        fits = fits && size <= (int64_t)(row.size - at);
        if (fits) {
            char *value = (char *)row.data + at; /* PQsetvalue copies it */
            fits = PQsetvalue(out, at_row, i, size < 0 ? NULL : value, size) == 1;
            at += size < 0 ? 0 : (size_t)size;
        }
    }
    return fits && at == row.size;
}

/* No rows yet, of these columns. NULL when memory is exhausted. */
static PGresult *new_rows(const char *columns)
{
    char no_name[] = "";
    PGresAttDesc descriptions[COLUMNS_MAX] = {{0}};
    int count = 0;
    for (; columns[count] != '\0'; count++) {
        assert(count < COLUMNS_MAX);
        descriptions[count].name = no_name;
        descriptions[count].format = 1;
        descriptions[count].typid = (Oid)pg_column_type(columns[count]);
    }
    PGresult *rows = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    if (rows != NULL && count > 0 && PQsetResultAttrs(rows, count, descriptions) != 1) {
        PQclear(rows);
        rows = NULL;
    }
    return rows;
}

/* Takes the rows of one statement, up to the NULL behind them, which is passed. */
static bool take_rows(struct pg_shard_answer *answer, const char *columns, PGresult *out)
{
    const PGresult *all = answer->rows;
    bool fits = PQnfields(all) == 1 && PQftype(all, 0) == TYPE_BYTEA && PQfformat(all, 0) == 1;
    while (fits && answer->next < PQntuples(all) && PQgetisnull(all, answer->next, 0) == 0) {
        const struct slice row =
            slice_make(PQgetvalue(all, answer->next, 0), (size_t)PQgetlength(all, answer->next, 0));
        fits = add_row(out, columns, row);
        answer->next++;
    }
    return fits && answer->next++ < PQntuples(all);
}

struct pg_result *pg_shard_answer_next(struct pg_shard_answer *answer, const char *columns)
{
    columns = columns == NULL ? "" : columns;
    PGresult *rows = new_rows(columns);
    if (rows != NULL && !take_rows(answer, columns, rows)) {
        PQclear(rows);
        rows = NULL;
    }
    return rows;
}
