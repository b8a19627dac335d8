/* Statements that change members, waiting lists and settings. */
#include "rsvpd/store/pg_writes.h"
#include "rsvpd/store/pg_reads.h"

#include <assert.h>
#include <libpq-fe.h>

/* ---- rows ---- */

static bool parse_changed(struct pg_exchange *exchange, const PGresult *rows, struct instant now)
{
    size_t next = 0;
    (void)now;
    for (int row = 0; row < PQntuples(rows); row++) {
        struct operation *operation = pg_row_operation_of(exchange, rows, row, &next);
        operation_write(operation)->changed = true;
    }
    return true;
}

static bool parse_admitted(struct pg_exchange *exchange, const PGresult *rows, struct instant now)
{
    static const enum outcome verdicts[] = {OUTCOME_DONE, OUTCOME_DONE, OUTCOME_FULL,
                                            OUTCOME_CLOSED}; /* as admit.sql numbers them */
    size_t next = 0;
    (void)now;
    for (int row = 0; row < PQntuples(rows); row++) {
        struct operation *operation = pg_row_operation_of(exchange, rows, row, &next);
        struct operation_write *write = operation_write(operation);
        int64_t verdict = pg_row_number(rows, row, 2);
        assert(verdict >= 0 && (size_t)verdict < sizeof verdicts / sizeof verdicts[0]);
        operation->verdict = verdicts[verdict];
        write->member = verdict == 0;
        write->waiting = verdict == 1;
        write->changed = pg_row_number(rows, row, 3) != 0;
        write->position = pg_row_number(rows, row, 4);
        write->position_is_exact = pg_row_number(rows, row, 5) != 0;
    }
    return true;
}

/* The entities that have settings: their operations take the path of admission, all others the
 * plain one. */
static bool parse_admitted_entities(struct pg_exchange *exchange, const PGresult *rows,
                                    struct instant now)
{
    const struct batch *batch = exchange->batch;
    (void)now;
    for (size_t i = 0; i < batch->size; i++) {
        batch->operations[i]->path =
            operation_write(batch->operations[i])->key.size > 0 ? PATH_KEYED : PATH_PLAIN;
    }
    for (int row = 0; row < PQntuples(rows); row++) {
        struct identifier entity = pg_row_identifier(rows, row, 0);
        for (size_t i = pg_row_lower_bound(batch, &entity, NULL);
             i < batch->size && identifier_equal(&batch->operations[i]->entity, &entity); i++) {
            batch->operations[i]->path = PATH_ADMITTED;
        }
    }
    return true;
}

/* No row where there is nothing to claim; and several where any may be taken: then the clock says
 * which, as another one is to be taken the next time. */
static bool parse_claimed(struct pg_exchange *exchange, const PGresult *rows, struct instant now)
{
    struct operation_claim *claim = operation_claim(exchange->batch->operations[0]);
    const int count = PQntuples(rows);
    claim->entity = (struct identifier){.size = 0};
    return count == 0 ||
           pg_row_parse_identifier(exchange, rows, (int)(now.mono_us % count), 0, &claim->entity);
}

/* ---- statements ---- */

enum {
    PROMOTE_MAX = 1000, /* users in one step, which holds the entity's lock for a few 10 ms */
    FOUND_MAX = 16,     /* entities of which one is promoted, where they cannot be claimed */
};

static bool is_removed(const struct operation *operation)
{
    return operation->kind == OPERATION_REMOVE;
}

static bool is_added(const struct operation *operation)
{
    return operation->kind == OPERATION_ADD;
}

static bool is_admitted(const struct operation *operation)
{
    return is_added(operation) && !operation_write(operation)->past_capacity;
}

static bool is_summoned(const struct operation *operation)
{
    return is_added(operation) && operation_write(operation)->past_capacity;
}

/* The rows change first. A separate statement of the same transaction reads the counts, because a
 * write that changed nothing may have waited for the transaction that made it so: the first
 * statement's snapshot does not show that transaction's count. */
bool pg_writes_queue_plain(struct pg_exchange *exchange)
{
    bool placed =
        pg_statement_put_pairs(exchange, is_removed, 0) == 0 ||
        pg_statement_queue_arrays(exchange, "insert_placeholders", pg_row_parse_nothing, 2);
    pg_statement_put_pairs(exchange, is_added, 0);
    pg_statement_put_pairs(exchange, is_removed, 2);
    return placed && pg_statement_queue_arrays(exchange, "write", parse_changed, 4) &&
           pg_statement_queue_entities(exchange,
                                       exchange->batch->relation->has_settings
                                           ? "read_counts_unless_admitted"
                                           : "read_counts",
                                       pg_reads_parse_counts);
}

/* Gives free seats to users who wait, at most `max` of each entity. */
static bool queue_promote(struct pg_exchange *exchange, size_t max)
{
    char limit[8];
    pg_encode_int64((int64_t)max, limit);
    pg_statement_put_entities(exchange);
    const struct pg_parameter parameters[] = {pg_parameter_array(&exchange->parameters->arrays[0]),
                                              pg_parameter_number(limit)};
    return pg_statement_queue(exchange, "promote", pg_row_parse_nothing, parameters, 2);
}

static bool queue_admit(struct pg_exchange *exchange)
{
    if (pg_statement_put_pairs(exchange, is_admitted, 0) == 0) {
        return true;
    }
    struct pg_array *arrivals = &exchange->parameters->arrays[2];
    pg_array_clear_int64(arrivals);
    for (size_t i = 0; i < exchange->batch->size; i++) {
        const struct operation *operation = exchange->batch->operations[i];
        if (is_admitted(operation) && operation_acts(operation)) {
            pg_array_add_int64(arrivals, (int64_t)operation->arrival);
        }
    }
    return pg_statement_queue_arrays(exchange, "admit", parse_admitted, 3);
}

/* In this order: users are removed, waiting users are promoted, newcomers are admitted, and users
 * are added past the capacity. The last are last so that nobody in the batch loses a seat to them.
 * Each statement sees what the ones before it did, and nobody else writes while the counters are
 * locked. At most as many users are promoted as were removed. */
bool pg_writes_queue_admitted(struct pg_exchange *exchange)
{
    bool queued = pg_statement_queue_entities(exchange, "lock_admitted", pg_row_parse_nothing);
    size_t removed = pg_statement_put_pairs(exchange, is_removed, 0);
    if (removed > 0) {
        queued = queued &&
                 pg_statement_queue_arrays(exchange, "remove_members", parse_changed, 2) &&
                 queue_promote(exchange, removed);
    }
    queued = queued && queue_admit(exchange);
    if (pg_statement_put_pairs(exchange, is_summoned, 0) > 0) {
        queued =
            queued && pg_statement_queue_arrays(exchange, "add_past_capacity", parse_changed, 2);
    }
    return queued && pg_statement_queue_entities(exchange, "read_counts", pg_reads_parse_counts);
}

/* A timestamptz, or a bigint, which a flag is as well. */
static struct pg_parameter setting_parameter(enum setting setting, struct setting_value value,
                                             char bytes[PG_NUMBER_SIZE_BYTES])
{
    bool is_time = setting_rows[setting].type == SETTING_TIME;
    if (is_time) {
        pg_encode_time_us(value.number, bytes);
    } else {
        pg_encode_int64(value.number, bytes);
    }
    return (struct pg_parameter){value.given ? bytes : NULL, PG_NUMBER_SIZE_BYTES,
                                 is_time ? PG_PARAMETER_TIME : PG_PARAMETER_NUMBER};
}

/* Puts the tags into an array; NULL where none are asked for. */
static struct pg_parameter tags_parameter(const struct tag_list *list, struct pg_array *array)
{
    pg_array_clear_text(array);
    if (list->any) {
        pg_array_add_text(array, slice_of("*"));
    }
    for (struct slice rest = list->tags; rest.size > 0;) {
        pg_array_add_text(array, slice_cut(&rest, ','));
    }
    return (struct pg_parameter){list->given ? array->data : NULL, array->size_bytes,
                                 PG_PARAMETER_ARRAY};
}

static bool queue_precondition(struct pg_exchange *exchange)
{
    const struct operation *operation = exchange->batch->operations[0];
    const struct precondition *precondition = operation_settings(operation)->precondition;
    if (precondition == NULL) {
        return true;
    }
    struct pg_array *arrays = exchange->parameters->arrays;
    const struct pg_parameter parameters[] = {
        pg_parameter_text(&operation->entity),
        tags_parameter(&precondition->match, &arrays[0]),
        tags_parameter(&precondition->none_match, &arrays[1]),
    };
    return pg_statement_queue(exchange, "precondition", pg_row_parse_nothing, parameters, 3);
}

static bool queue_settings(struct pg_exchange *exchange)
{
    const struct operation *operation = exchange->batch->operations[0];
    bool release = operation->kind == OPERATION_CLEAR_SETTINGS;
    const struct settings none = {.limited = false};
    const struct settings *settings = release ? &none : &operation_settings(operation)->wanted;
    char values[SETTING_COUNT][PG_NUMBER_SIZE_BYTES], releasing[PG_NUMBER_SIZE_BYTES];
    struct pg_parameter parameters[1 + SETTING_COUNT + 1];
    parameters[0] = pg_parameter_text(&operation->entity);
    for (enum setting i = 0; i < SETTING_COUNT; i++) {
        parameters[1 + i] = setting_parameter(i, settings_get(settings, i), values[i]);
    }
    pg_encode_int64(release, releasing);
    parameters[1 + SETTING_COUNT] = pg_parameter_number(releasing);
    return pg_statement_queue(exchange, "mark_admitted", pg_row_parse_nothing, parameters, 1) &&
           queue_precondition(exchange) &&
           pg_statement_queue(exchange, "store_settings", pg_row_parse_nothing, parameters,
                              1 + SETTING_COUNT + 1);
}

/* Settings that are cleared stop applying at once. Their row is deleted when all who waited have
 * been promoted, which may take further steps. */
bool pg_writes_queue_configure(struct pg_exchange *exchange)
{
    const struct operation *operation = exchange->batch->operations[0];
    bool goes_on = operation->kind == OPERATION_PROMOTE || operation_settings(operation)->applied;
    const struct pg_parameter entity = pg_parameter_text(&operation->entity);
    return (goes_on ? pg_statement_queue(exchange, "relock", pg_row_parse_nothing, &entity, 1)
                    : queue_settings(exchange)) &&
           queue_promote(exchange, PROMOTE_MAX) &&
           pg_statement_queue(exchange, "clear_settings", pg_row_parse_nothing, &entity, 1) &&
           pg_statement_queue(exchange, "settings", pg_reads_parse_settings, &entity, 1);
}

bool pg_writes_queue_claim(struct pg_exchange *exchange)
{
    char limit[8];
    pg_encode_int64(exchange->sharded ? FOUND_MAX : 1, limit);
    const struct pg_parameter parameter = pg_parameter_number(limit);
    return pg_statement_queue(exchange, exchange->sharded ? "find_promoting" : "claim_promotions",
                              parse_claimed, &parameter, 1);
}

bool pg_writes_queue_paths(struct pg_exchange *exchange)
{
    return pg_statement_queue_entities(exchange, "find_admitted", parse_admitted_entities);
}
