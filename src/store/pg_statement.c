/* Statements of a batch on their way out, and the values in their rows. */
#include "rsvpd/store/pg_statement.h"
#include "rsvpd/base/log.h"
#include "rsvpd/store/pg_shard_call.h"
#include "rsvpd/store/sql.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

enum {
    STATEMENT_SIZE_MAX_BYTES = 8192,
    NAME_SIZE_BYTES = 64,
    PARAMETERS_MAX = PG_PARAMETER_ARRAYS,
};

/* ---- preparing ---- */

/* The column of a setting. */
#define COLUMN_OF_NUMBER "N"
#define COLUMN_OF_FLAG "n"
#define COLUMN_OF_TIME "T"
#define COLUMN_OF(ID, name, TYPE, ...) COLUMN_OF_##TYPE

/* Files of sql/queries/, prepared for each relation; the last ones where it has settings. Columns
 * of their rows are s: text, n: bigint, t: timestamptz, and N and T: one that may be NULL; NULL
 * where nobody looks at them. */
static const struct statement {
    const char *name;
    bool of_settings;
    const char *columns;
} statements[] = {
    {"insert_placeholders", false, NULL},
    {"write", false, "ss"},
    {"count", false, "snnt"},
    {"read_counts", false, "snnt"},
    {"lookup", false, "n"},
    {"find", false, "nt"},
    {"list_users", false, "st"},
    {"list_entities", false, "st"},
    {"lookup_keys", false, "nssnnnn"},
    {"store_keys", false, NULL},
    {"expire_keys", false, "n"},
    {"erase_keys", false, "n"},
    {"list_kept", false, "ssstnnn"},
    {"durable", false, NULL},
    {"read_counts_unless_admitted", true, "snnt"},
    {"find_admitted", true, "s"},
    {"lock_admitted", true, NULL},
    {"remove_members", true, "ss"},
    {"promote", true, NULL},
    {"admit", true, "ssnnnn"},
    {"mark_admitted", true, NULL},
    {"store_settings", true, NULL},
    {"clear_settings", true, NULL},
    {"settings", true, SETTINGS(COLUMN_OF) "nnntnn"},
    {"precondition", true, NULL},
    {"list_waiting", true, "stn"},
    {"list_waits", true, "st"},
    {"list_events", true, "s" SETTINGS(COLUMN_OF) "nn"},
    {"membership_status", true, "nn"},
    {"add_past_capacity", true, "ss"},
    {"relock", true, NULL},
    {"claim_promotions", true, "st"},
    {"find_promoting", true, "st"},
};

static const struct statement *statement_named(const char *name)
{
    size_t i = 0;
    while (strcmp(statements[i].name, name) != 0) {
        i++;
        assert(i < sizeof statements / sizeof statements[0]);
    }
    return &statements[i];
}

/* What a statement is called in a session. */
static void write_name(const struct relation *relation, const char *statement,
                       char name[NAME_SIZE_BYTES])
{
    int size = snprintf(name, NAME_SIZE_BYTES, "%s_%s", relation->name, statement);
    assert(size > 0 && size < NAME_SIZE_BYTES);
}

static void write_text(const struct relation *relation, const char *statement,
                       char sql[STATEMENT_SIZE_MAX_BYTES])
{
    char file[NAME_SIZE_BYTES];
    snprintf(file, sizeof file, "queries/%s", statement);
    bool fits = sql_expand(sql_text(file), relation, sql, STATEMENT_SIZE_MAX_BYTES);
    assert(fits);
}

static bool queue_prepare(PGconn *connection, const char *statement,
                          const struct relation *relation)
{
    char name[NAME_SIZE_BYTES], sql[STATEMENT_SIZE_MAX_BYTES];
    write_name(relation, statement, name);
    write_text(relation, statement, sql);
    return PQsendPrepare(connection, name, sql, 0, NULL) == 1;
}

bool pg_statement_prepare_all(PGconn *connection, bool sharded)
{
    bool queued = !sharded || pg_shard_call_prepare(connection);
    for (size_t i = 0; i < RELATION_COUNT; i++) {
        for (size_t j = 0; j < sizeof statements / sizeof statements[0] && queued; j++) {
            queued = (statements[j].of_settings && !relations[i].has_settings) ||
                     queue_prepare(connection, statements[j].name, &relations[i]);
        }
    }
    return queued;
}

/* ---- sending ---- */

/* As one of a call, in the shard that was entered last. */
static void add_to_call(const struct pg_exchange *exchange, const char *statement, const char *name,
                        const struct pg_parameter *parameters, int parameter_count, bool has_rows)
{
    struct pg_shard_call *call = exchange->parameters->call;
    if (!pg_shard_call_has_text(call, name)) {
        char sql[STATEMENT_SIZE_MAX_BYTES];
        write_text(exchange->batch->relation, statement, sql);
        pg_shard_call_add_text(call, name, sql);
    }
    pg_shard_call_add(call, name, parameters, (size_t)parameter_count, has_rows);
}

bool pg_statement_queue(struct pg_exchange *exchange, const char *statement, pg_parse_fn *parse,
                        const struct pg_parameter *parameters, int parameter_count)
{
    assert(parameter_count <= PARAMETERS_MAX && exchange->queued < PG_EXCHANGE_STATEMENTS_MAX);
    char name[NAME_SIZE_BYTES];
    const char *values[PARAMETERS_MAX];
    int sizes[PARAMETERS_MAX], formats[PARAMETERS_MAX];
    for (int i = 0; i < parameter_count; i++) {
        values[i] = parameters[i].data;
        sizes[i] = (int)parameters[i].size_bytes;
        formats[i] = 1;
    }
    const char *columns = statement_named(statement)->columns;
    exchange->columns[exchange->queued] = columns;
    exchange->parsers[exchange->queued++] = parse;
    write_name(exchange->batch->relation, statement, name);
    if (exchange->calls) {
        add_to_call(exchange, statement, name, parameters, parameter_count, columns != NULL);
        return true;
    }
    return PQsendQueryPrepared(exchange->connection, name, parameter_count, values, sizes, formats,
                               1) == 1;
}

bool pg_statement_queue_control(struct pg_exchange *exchange, const char *file)
{
    assert(exchange->queued < PG_EXCHANGE_STATEMENTS_MAX);
    exchange->columns[exchange->queued] = NULL;
    exchange->parsers[exchange->queued++] = pg_row_parse_nothing;
    return PQsendQueryParams(exchange->connection, sql_text(file), 0, NULL, NULL, NULL, NULL, 1) ==
           1;
}

bool pg_statement_queue_arrays(struct pg_exchange *exchange, const char *statement,
                               pg_parse_fn *parse, int count)
{
    assert(count <= PG_PARAMETER_ARRAYS);
    struct pg_parameter parameters[PARAMETERS_MAX];
    for (int i = 0; i < count; i++) {
        parameters[i] = pg_parameter_array(&exchange->parameters->arrays[i]);
    }
    return pg_statement_queue(exchange, statement, parse, parameters, count);
}

void pg_statement_clear_texts(struct pg_exchange *exchange, size_t count)
{
    assert(count <= PG_PARAMETER_ARRAYS);
    for (size_t i = 0; i < count; i++) {
        pg_array_clear_text(&exchange->parameters->arrays[i]);
    }
}

void pg_statement_put_entities(struct pg_exchange *exchange)
{
    struct pg_array *entities = &exchange->parameters->arrays[0];
    const struct operation *last = NULL;
    pg_statement_clear_texts(exchange, 1);
    for (size_t i = 0; i < exchange->batch->size; i++) {
        const struct operation *operation = exchange->batch->operations[i];
        if (operation_acts(operation) &&
            (last == NULL || !identifier_equal(&operation->entity, &last->entity))) {
            pg_array_add_text(entities, identifier_slice(&operation->entity));
            last = operation;
        }
    }
}

bool pg_statement_queue_entities(struct pg_exchange *exchange, const char *statement,
                                 pg_parse_fn *parse)
{
    pg_statement_put_entities(exchange);
    return pg_statement_queue_arrays(exchange, statement, parse, 1);
}

size_t pg_statement_put_pairs(struct pg_exchange *exchange, pg_wanted_fn *wanted, size_t first)
{
    assert(first + 2 <= PG_PARAMETER_ARRAYS);
    struct pg_array *entities = &exchange->parameters->arrays[first];
    pg_array_clear_text(entities);
    pg_array_clear_text(entities + 1);
    for (size_t i = 0; i < exchange->batch->size; i++) {
        const struct operation *operation = exchange->batch->operations[i];
        if (wanted(operation) && operation_acts(operation)) {
            pg_array_add_text(entities, identifier_slice(&operation->entity));
            pg_array_add_text(entities + 1, identifier_slice(&operation->user));
        }
    }
    return entities->elements;
}

/* ---- rows ---- */

static bool column_fits(const PGresult *rows, int column, char kind)
{
    enum pg_type type = pg_column_type(kind);
    bool may_be_null = kind == 'N' || kind == 'T';
    bool fits = PQftype(rows, column) == (Oid)type && PQfformat(rows, column) == 1;
    for (int row = 0; row < PQntuples(rows) && fits; row++) {
        fits = PQgetisnull(rows, row, column) != 0
                   ? may_be_null
                   : type == PG_TYPE_TEXT || PQgetlength(rows, row, column) == PG_NUMBER_SIZE_BYTES;
    }
    return fits;
}

bool pg_rows_fit(const PGresult *rows, const char *columns)
{
    bool fit = columns == NULL || PQnfields(rows) == (int)strlen(columns);
    for (int column = 0; columns != NULL && columns[column] != '\0' && fit; column++) {
        fit = column_fits(rows, column, columns[column]);
    }
    return fit;
}

struct operation *pg_row_operation_answered(const struct pg_exchange *exchange)
{
    size_t first = exchange->barrier != NULL ? 1 : 0; /* behind the question of the barrier */
    assert(exchange->answered - first < exchange->batch->size);
    return exchange->batch->operations[exchange->answered - first];
}

bool pg_row_parse_nothing(struct pg_exchange *exchange, const PGresult *rows, struct instant now)
{
    (void)exchange, (void)rows, (void)now;
    return true;
}

int64_t pg_row_number(const PGresult *rows, int row, int column)
{
    return pg_decode_int64(PQgetvalue(rows, row, column));
}

struct slice pg_row_text(const PGresult *rows, int row, int column)
{
    return slice_make(PQgetvalue(rows, row, column), (size_t)PQgetlength(rows, row, column));
}

struct identifier pg_row_identifier(const PGresult *rows, int row, int column)
{
    struct identifier id;
    bool valid = identifier_parse_stored(pg_row_text(rows, row, column), &id);
    assert(valid); /* it equals one that was sent */
    return id;
}

bool pg_row_parse_identifier(const struct pg_exchange *exchange, const PGresult *rows, int row,
                             int column, struct identifier *out)
{
    bool valid = identifier_parse_stored(pg_row_text(rows, row, column), out);
    if (!valid) {
        log_event(LOG_ERROR, "a stored id is invalid: correct the row, which rsvpd did not write",
                  LOG_CSTR("relation", exchange->batch->relation->name));
    }
    return valid;
}

size_t pg_row_lower_bound(const struct batch *batch, const struct identifier *entity,
                          const struct identifier *user)
{
    size_t low = 0, high = batch->size;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct operation *operation = batch->operations[middle];
        int order = identifier_compare(&operation->entity, entity);
        order = order == 0 && user != NULL ? identifier_compare(&operation->user, user) : order;
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_about(const PGresult *rows, int row, const struct operation *operation)
{
    return slice_equal(pg_row_text(rows, row, 0), identifier_slice(&operation->entity)) &&
           slice_equal(pg_row_text(rows, row, 1), identifier_slice(&operation->user));
}

struct operation *pg_row_operation_of(const struct pg_exchange *exchange, const PGresult *rows,
                                      int row, size_t *next)
{
    const struct batch *batch = exchange->batch;
    if (*next >= batch->size || !is_about(rows, row, batch->operations[*next])) {
        struct identifier entity = pg_row_identifier(rows, row, 0);
        struct identifier user = pg_row_identifier(rows, row, 1);
        *next = pg_row_lower_bound(batch, &entity, &user);
        assert(*next < batch->size);
    }
    return batch->operations[(*next)++];
}

struct operation *pg_row_operation_at(const struct pg_exchange *exchange, const PGresult *rows,
                                      int row)
{
    int64_t place = pg_row_number(rows, row, 0) - 1;
    assert(place >= 0 && (size_t)place < exchange->batch->size);
    return exchange->batch->operations[place];
}

void pg_row_set_as_of(const struct pg_exchange *exchange, struct count *count,
                      int64_t server_wall_us, struct instant now)
{
    int64_t since_sent_us = server_wall_us - exchange->sent.wall_us;
    int64_t exchange_us = now.mono_us - exchange->sent.mono_us;
    since_sent_us = since_sent_us < 0 ? 0 : since_sent_us;
    since_sent_us = since_sent_us > exchange_us ? exchange_us : since_sent_us;
    count->as_of_mono_us = exchange->sent.mono_us + since_sent_us;
    count->as_of_wall_us = exchange->sent.wall_us + since_sent_us;
    count->stale = false;
}
