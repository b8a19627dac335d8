/* Statements that read, and how their rows are parsed into the operations. */
#include "rsvpd/store/pg_reads.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdlib.h>

/* ---- rows ---- */

static bool parse_found(struct pg_exchange *exchange, const PGresult *rows, struct instant now)
{
    (void)now;
    for (int row = 0; row < PQntuples(rows); row++) {
        struct operation *operation = pg_row_operation_at(exchange, rows, row);
        struct operation_membership *found = operation_membership(operation);
        found->member = true;
        found->created_at_us = pg_decode_time_us(PQgetvalue(rows, row, 1));
    }
    return true;
}

/* The second column, where there is one, tells who waits. */
static bool parse_looked_up(struct pg_exchange *exchange, const PGresult *rows, struct instant now)
{
    (void)now;
    for (int row = 0; row < PQntuples(rows); row++) {
        struct operation *operation = pg_row_operation_at(exchange, rows, row);
        struct operation_membership *found = operation_membership(operation);
        found->waiting = PQnfields(rows) > 1 && pg_row_number(rows, row, 1) != 0;
        found->member = !found->waiting;
    }
    return true;
}

/* A page of a listing. Each listing has a statement of its own. */
static bool parse_page(struct pg_exchange *exchange, const PGresult *rows, struct instant now)
{
    struct operation *operation = exchange->batch->operations[exchange->answered];
    struct operation_listing *listing = operation_listing(operation);
    size_t size = (size_t)PQntuples(rows);
    struct page *page = malloc(sizeof *page + size * sizeof page->lines[0]);
    (void)now;
    free(listing->page); /* of an attempt that was lost */
    listing->page = page;
    if (page == NULL) {
        return false;
    }
    page->size = 0;
    for (size_t i = 0; i < size; i++) {
        struct identifier id;
        if (!pg_row_parse_identifier(exchange, rows, (int)i, 0, &id)) {
            operation->verdict = OUTCOME_FAILED; /* this listing alone, and whenever it is tried */
            return true;
        }
        page->lines[i] = (struct page_line){
            .id = id,
            .created_at_us = pg_decode_time_us(PQgetvalue(rows, (int)i, 1)),
            .ticket = PQnfields(rows) > 2 ? pg_row_number(rows, (int)i, 2) : 0,
        };
        page->size++;
    }
    return true;
}

/* An entity without a row has never had a member, as of the moment when the batch was sent. */
bool pg_reads_parse_counts(struct pg_exchange *exchange, const PGresult *rows, struct instant now)
{
    const struct batch *batch = exchange->batch;
    for (size_t i = 0; i < batch->size; i++) {
        if (operation_acts(batch->operations[i])) {
            batch->operations[i]->count = (struct count){.as_of_mono_us = exchange->sent.mono_us,
                                                         .as_of_wall_us = exchange->sent.wall_us};
        }
    }
    for (int row = 0; row < PQntuples(rows); row++) {
        struct identifier entity = pg_row_identifier(rows, row, 0);
        struct count count = {.value = pg_row_number(rows, row, 1),
                              .version = pg_row_number(rows, row, 2)};
        pg_row_set_as_of(exchange, &count, pg_decode_time_us(PQgetvalue(rows, row, 3)), now);
        for (size_t i = pg_row_lower_bound(batch, &entity, NULL);
             i < batch->size && identifier_equal(&batch->operations[i]->entity, &entity); i++) {
            if (operation_acts(batch->operations[i])) {
                batch->operations[i]->count = count;
            }
        }
    }
    return true;
}

/* The columns of settings.sql behind those of the settings. */
enum {
    COLUMN_WAITING = SETTING_COUNT,
    COLUMN_COUNT,
    COLUMN_VERSION,
    COLUMN_READ_AT,
    COLUMN_GIVEN,
    COLUMN_INCOMPLETE
};

static struct setting_value setting_of(const PGresult *rows, enum setting setting)
{
    int column = (int)setting;
    if (PQgetisnull(rows, 0, column) != 0) {
        return (struct setting_value){.given = false};
    }
    return (struct setting_value){.given = true,
                                  .number = setting_rows[setting].type == SETTING_TIME
                                                ? pg_decode_time_us(PQgetvalue(rows, 0, column))
                                                : pg_row_number(rows, 0, column)};
}

/* Each operation has a statement of its own; one that changes settings is alone in its batch. */
bool pg_reads_parse_settings(struct pg_exchange *exchange, const PGresult *rows, struct instant now)
{
    bool alone = exchange->batch->kind != OPERATION_SETTINGS;
    struct operation *operation = exchange->batch->operations[alone ? 0 : exchange->answered];
    struct operation_settings *answer = operation_settings(operation);
    struct settings *settings = &answer->found;
    *settings = (struct settings){.limited = false};
    answer->waiting_count = 0;
    answer->incomplete = false;
    operation->count = (struct count){.as_of_mono_us = exchange->sent.mono_us,
                                      .as_of_wall_us = exchange->sent.wall_us};
    if (PQntuples(rows) == 1) {
        for (enum setting i = 0; i < SETTING_COUNT; i++) {
            settings_set(settings, i, setting_of(rows, i));
        }
        settings->given = pg_row_number(rows, 0, COLUMN_GIVEN) != 0;
        answer->waiting_count = pg_row_number(rows, 0, COLUMN_WAITING);
        operation->count.value = pg_row_number(rows, 0, COLUMN_COUNT);
        operation->count.version = pg_row_number(rows, 0, COLUMN_VERSION);
        answer->incomplete = pg_row_number(rows, 0, COLUMN_INCOMPLETE) != 0;
        pg_row_set_as_of(exchange, &operation->count,
                         pg_decode_time_us(PQgetvalue(rows, 0, COLUMN_READ_AT)), now);
    }
    return true;
}

/* ---- statements ---- */

static bool is_any(const struct operation *operation)
{
    (void)operation;
    return true;
}

static bool queue_pairs(struct pg_exchange *exchange, const char *statement, pg_parse_fn *parse)
{
    pg_statement_put_pairs(exchange, is_any, 0);
    return pg_statement_queue_arrays(exchange, statement, parse, 2);
}

bool pg_reads_queue_lookups(struct pg_exchange *exchange)
{
    return queue_pairs(exchange,
                       exchange->batch->relation->has_settings ? "membership_status" : "lookup",
                       parse_looked_up);
}

bool pg_reads_queue_finds(struct pg_exchange *exchange)
{
    return queue_pairs(exchange, "find", parse_found);
}

bool pg_reads_queue_counts(struct pg_exchange *exchange)
{
    return pg_statement_queue_entities(exchange, "count", pg_reads_parse_counts);
}

/* One statement for each listing; all of them share one round trip. */
bool pg_reads_queue_lists(struct pg_exchange *exchange)
{
    static const char *const names[] = {[OPERATION_LIST_USERS] = "list_users",
                                        [OPERATION_LIST_ENTITIES] = "list_entities",
                                        [OPERATION_LIST_WAITING] = "list_waiting",
                                        [OPERATION_LIST_WAITS] = "list_waits"};
    const enum operation_kind kind = exchange->batch->kind;
    bool of_user = kind == OPERATION_LIST_ENTITIES || kind == OPERATION_LIST_WAITS;
    bool queued = true;
    for (size_t i = 0; i < exchange->batch->size && queued; i++) {
        const struct operation *operation = exchange->batch->operations[i];
        const struct operation_listing *listing = operation_listing(operation);
        char limit[8], ticket[8];
        pg_encode_int64((int64_t)listing->page_size, limit);
        pg_encode_int64(listing->after_ticket, ticket);
        const struct pg_parameter parameters[] = {
            pg_parameter_text(of_user ? &operation->user : &operation->entity),
            kind == OPERATION_LIST_WAITING ? (struct pg_parameter){ticket, sizeof ticket}
                                           : pg_parameter_text(&listing->after),
            {limit, sizeof limit},
        };
        queued = pg_statement_queue(exchange, names[kind], parse_page, parameters, 3);
    }
    return queued;
}

/* One statement for each. */
bool pg_reads_queue_settings(struct pg_exchange *exchange)
{
    bool queued = true;
    for (size_t i = 0; i < exchange->batch->size && queued; i++) {
        const struct pg_parameter entity =
            pg_parameter_text(&exchange->batch->operations[i]->entity);
        queued = pg_statement_queue(exchange, "settings", pg_reads_parse_settings, &entity, 1);
    }
    return queued;
}
