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

/* The page of the listing whose statement is answered, with room for so many lines, and for details
 * of that size of each. NULL when memory is exhausted. */
static struct page *new_page(const struct pg_exchange *exchange, size_t lines, size_t details_size)
{
    struct operation_listing *listing = operation_listing(pg_row_operation_answered(exchange));
    size_t size = sizeof(struct page) + lines * sizeof(struct page_line);
    struct page *page = malloc(size + lines * details_size);
    free(listing->page); /* of an attempt that was lost */
    listing->page = page;
    if (page != NULL) {
        void *details = details_size == 0 ? NULL : (char *)page + size;
        *page = (struct page){.kept = details, .events = details};
    }
    return page;
}

/* The first column of a line is an identifier. Where that is invalid, the listing fails alone, and
 * whenever it is tried. */
static bool add_line(const struct pg_exchange *exchange, const PGresult *rows, int row,
                     int id_column, struct page_line line)
{
    struct operation *operation = pg_row_operation_answered(exchange);
    struct page *page = operation_listing(operation)->page;
    if (!pg_row_parse_identifier(exchange, rows, row, id_column, &line.id)) {
        operation->verdict = OUTCOME_FAILED;
        return false;
    }
    page->lines[page->size++] = line;
    return true;
}

/* A page of a listing. Each listing has a statement of its own. */
static bool parse_page(struct pg_exchange *exchange, const PGresult *rows, struct instant now)
{
    const struct page *page = new_page(exchange, (size_t)PQntuples(rows), 0);
    (void)now;
    for (int row = 0; page != NULL && row < PQntuples(rows); row++) {
        struct page_line line = {
            .created_at_us = pg_decode_time_us(PQgetvalue(rows, row, 1)),
            .ticket = PQnfields(rows) > 2 ? pg_row_number(rows, row, 2) : 0,
        };
        if (!add_line(exchange, rows, row, 0, line)) {
            break;
        }
    }
    return page != NULL;
}

/* A text of a row, as far as it fits. */
static uint8_t copy_text(const PGresult *rows, int row, int column, char *out, size_t size_max)
{
    struct slice text = pg_row_text(rows, row, column);
    size_t size = text.size < size_max ? text.size : size_max;
    memcpy(out, text.data, size);
    return (uint8_t)size;
}

/* A page of kept answers. */
static bool parse_kept(struct pg_exchange *exchange, const PGresult *rows, struct instant now)
{
    const struct page *page =
        new_page(exchange, (size_t)PQntuples(rows), sizeof(struct kept_answer));
    (void)now;
    for (int row = 0; page != NULL && row < PQntuples(rows); row++) {
        struct kept_answer *kept = &page->kept[row];
        kept->key.size = copy_text(rows, row, 0, kept->key.data, sizeof kept->key.data);
        kept->action_size = copy_text(rows, row, 1, kept->action, sizeof kept->action);
        kept->changed = pg_row_number(rows, row, 4) != 0;
        kept->count = pg_row_number(rows, row, 5);
        kept->position = pg_row_number(rows, row, 6);
        struct page_line line = {.created_at_us = pg_decode_time_us(PQgetvalue(rows, row, 3))};
        if (!add_line(exchange, rows, row, 2, line)) {
            break;
        }
    }
    return page != NULL;
}

/* Reads the settings of a row, whose first one stands in a column. */
static void read_settings(const PGresult *rows, int row, int first, struct settings *settings)
{
    for (enum setting i = 0; i < SETTING_COUNT; i++) {
        int column = first + (int)i;
        struct setting_value value = {.given = PQgetisnull(rows, row, column) == 0};
        if (value.given) {
            value.number = setting_rows[i].type == SETTING_TIME
                               ? pg_decode_time_us(PQgetvalue(rows, row, column))
                               : pg_row_number(rows, row, column);
        }
        settings_set(settings, i, value);
    }
}

/* A page of events with their settings. */
static bool parse_events(struct pg_exchange *exchange, const PGresult *rows, struct instant now)
{
    const struct page *page =
        new_page(exchange, (size_t)PQntuples(rows), sizeof(struct event_state));
    (void)now;
    for (int row = 0; page != NULL && row < PQntuples(rows); row++) {
        struct event_state *event = &page->events[row];
        event->settings = (struct settings){.given = true};
        read_settings(rows, row, 1, &event->settings);
        event->waiting_count = pg_row_number(rows, row, 1 + SETTING_COUNT);
        event->count = pg_row_number(rows, row, 2 + SETTING_COUNT);
        if (!add_line(exchange, rows, row, 0, (struct page_line){.ticket = 0})) {
            break;
        }
    }
    return page != NULL;
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

/* Each operation has a statement of its own; one that changes settings is alone in its batch. */
bool pg_reads_parse_settings(struct pg_exchange *exchange, const PGresult *rows, struct instant now)
{
    bool alone = exchange->batch->kind != OPERATION_SETTINGS;
    struct operation *operation =
        alone ? exchange->batch->operations[0] : pg_row_operation_answered(exchange);
    struct operation_settings *answer = operation_settings(operation);
    struct settings *settings = &answer->found;
    *settings = (struct settings){.limited = false};
    answer->waiting_count = 0;
    answer->incomplete = false;
    operation->count = (struct count){.as_of_mono_us = exchange->sent.mono_us,
                                      .as_of_wall_us = exchange->sent.wall_us};
    if (PQntuples(rows) == 1) {
        read_settings(rows, 0, 0, settings);
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

/* What a page follows. */
static struct pg_parameter after_parameter(const struct operation_listing *listing,
                                           enum operation_kind kind,
                                           const char ticket[PG_NUMBER_SIZE_BYTES])
{
    return kind == OPERATION_LIST_WAITING ? pg_parameter_number(ticket)
           : kind == OPERATION_LIST_KEPT
               ? (struct pg_parameter){listing->after_key.data, listing->after_key.size,
                                       PG_PARAMETER_TEXT}
               : pg_parameter_text(&listing->after);
}

/* One statement for each listing; all of them share one round trip. */
bool pg_reads_queue_lists(struct pg_exchange *exchange)
{
    static const struct {
        const char *name;
        pg_parse_fn *parse;
    } statements[] = {
        [OPERATION_LIST_USERS] = {"list_users", parse_page},
        [OPERATION_LIST_ENTITIES] = {"list_entities", parse_page},
        [OPERATION_LIST_WAITING] = {"list_waiting", parse_page},
        [OPERATION_LIST_WAITS] = {"list_waits", parse_page},
        [OPERATION_LIST_KEPT] = {"list_kept", parse_kept},
        [OPERATION_LIST_EVENTS] = {"list_events", parse_events},
    };
    const enum operation_kind kind = exchange->batch->kind;
    bool of_user = kind == OPERATION_LIST_ENTITIES || kind == OPERATION_LIST_WAITS ||
                   kind == OPERATION_LIST_KEPT;
    int first = kind == OPERATION_LIST_EVENTS ? 1 : 0; /* that is of nobody */
    bool queued = true;
    for (size_t i = 0; i < exchange->batch->size && queued; i++) {
        const struct operation *operation = exchange->batch->operations[i];
        const struct operation_listing *listing = operation_listing(operation);
        char limit[8], ticket[8];
        pg_encode_int64((int64_t)listing->page_size, limit);
        pg_encode_int64(listing->after_ticket, ticket);
        const struct pg_parameter parameters[] = {
            pg_parameter_text(of_user ? &operation->user : &operation->entity),
            after_parameter(listing, kind, ticket),
            pg_parameter_number(limit),
        };
        queued = pg_statement_queue(exchange, statements[kind].name, statements[kind].parse,
                                    parameters + first, 3 - first);
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
