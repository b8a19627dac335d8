/* Statements that change members, waiting lists and settings. */
#include "rsvpd/store/pg_writes.h"
#include "rsvpd/store/pg_reads.h"
#include "rsvpd/store/pg_statement.h"

#include <assert.h>
#include <libpq-fe.h>

/* ---- rows ---- */

static bool take_changed(struct pg_batch *run, const PGresult *rows, struct instant now)
{
    (void)now;
    for (int row = 0; row < PQntuples(rows); row++) {
        pg_row_operation_of(run, rows, row)->changed = true;
    }
    return true;
}

static bool take_admitted(struct pg_batch *run, const PGresult *rows, struct instant now)
{
    static const enum outcome verdicts[] = {OUTCOME_DONE, OUTCOME_DONE, OUTCOME_FULL,
                                            OUTCOME_CLOSED}; /* as admit.sql numbers them */
    (void)now;
    for (int row = 0; row < PQntuples(rows); row++) {
        struct operation *operation = pg_row_operation_of(run, rows, row);
        int64_t verdict = pg_row_number(rows, row, 2);
        assert(verdict >= 0 && (size_t)verdict < sizeof verdicts / sizeof verdicts[0]);
        operation->verdict = verdicts[verdict];
        operation->member = verdict == 0;
        operation->waiting = verdict == 1;
        operation->changed = pg_row_number(rows, row, 3) != 0;
        operation->place = pg_row_number(rows, row, 4);
    }
    return true;
}

/* The entities that have settings: their operations go another way, all others the usual one. */
static bool take_managed(struct pg_batch *run, const PGresult *rows, struct instant now)
{
    const struct batch *batch = run->batch;
    (void)now;
    for (size_t i = 0; i < batch->size; i++) {
        batch->operations[i]->path =
            batch->operations[i]->idempotency_key.size > 0 ? PATH_KEYED : PATH_PLAIN;
    }
    for (int row = 0; row < PQntuples(rows); row++) {
        struct identifier entity = pg_row_identifier(rows, row, 0);
        for (size_t i = pg_row_lower_bound(batch, &entity, NULL);
             i < batch->size && identifier_equal(&batch->operations[i]->entity, &entity); i++) {
            batch->operations[i]->path = PATH_MANAGED;
        }
    }
    return true;
}

/* ---- statements ---- */

/* The rows change first; the counts are read after, by a statement of its own in the same
 * transaction, so that for writes that changed nothing they are those of after whatever made them
 * change nothing. */
bool pg_writes_queue_plain(struct pg_batch *run)
{
    bool held = pg_statement_put_pairs(run, OPERATION_REMOVE, 0) == 0 ||
                pg_statement_queue_arrays(run, "hold", pg_row_take_nothing, 2);
    pg_statement_put_pairs(run, OPERATION_ADD, 0);
    pg_statement_put_pairs(run, OPERATION_REMOVE, 2);
    return held && pg_statement_queue_arrays(run, "write", take_changed, 4) &&
           pg_statement_queue_entities(run,
                                       run->batch->relation->has_settings ? "settled" : "counted",
                                       pg_reads_take_counts);
}

/* First who leaves, then who moves up, then who comes: each statement sees what the ones before it
 * did, and nobody else writes while the counters are locked. */
bool pg_writes_queue_managed(struct pg_batch *run)
{
    bool queued = pg_statement_queue_entities(run, "lock", pg_row_take_nothing);
    if (pg_statement_put_pairs(run, OPERATION_REMOVE, 0) > 0) {
        queued = queued && pg_statement_queue_arrays(run, "leave", take_changed, 2) &&
                 pg_statement_queue_entities(run, "promote", pg_row_take_nothing);
    }
    if (pg_statement_put_pairs(run, OPERATION_ADD, 0) > 0) {
        struct pg_array *arrivals = &run->parameters->arrays[2];
        pg_array_clear_int64(arrivals);
        for (size_t i = 0; i < run->batch->size; i++) {
            const struct operation *operation = run->batch->operations[i];
            if (operation->kind == OPERATION_ADD && operation_acts(operation)) {
                pg_array_add_int64(arrivals, (int64_t)operation->arrival);
            }
        }
        queued = queued && pg_statement_queue_arrays(run, "admit", take_admitted, 3);
    }
    return queued && pg_statement_queue_entities(run, "counted", pg_reads_take_counts);
}

static struct pg_parameter optional_parameter(bool given, const char bytes[8])
{
    return (struct pg_parameter){given ? bytes : NULL, 8};
}

/* Puts the tags into an array; NULL where none are asked for. */
static struct pg_parameter tags_parameter(const struct tag_list *list, struct pg_array *array)
{
    pg_array_clear_text(array);
    if (list->any) {
        pg_array_add_text(array, slice_of("*"));
    }
    for (size_t i = 0; i < list->size; i++) {
        pg_array_add_text(array, slice_make(list->tags[i].data, list->tags[i].size));
    }
    return (struct pg_parameter){list->given ? array->data : NULL, array->size_bytes};
}

static bool queue_precondition(struct pg_batch *run)
{
    const struct operation *operation = run->batch->operations[0];
    const struct precondition *precondition = operation->precondition;
    if (precondition == NULL) {
        return true;
    }
    struct pg_array *arrays = run->parameters->arrays;
    const struct pg_parameter parameters[] = {
        pg_parameter_text(&operation->entity),
        tags_parameter(&precondition->match, &arrays[0]),
        tags_parameter(&precondition->none_match, &arrays[1]),
    };
    return pg_statement_queue(run, "precondition", pg_row_take_nothing, parameters, 3);
}

/* An entity without settings is one with none of them: whoever waits moves up by the same
 * statement, before they go. */
bool pg_writes_queue_configure(struct pg_batch *run)
{
    const struct operation *operation = run->batch->operations[0];
    bool release = operation->kind == OPERATION_RELEASE;
    const struct settings none = {.limited = false};
    const struct settings *settings = release ? &none : &operation->settings;
    char capacity[8], waitlist[8], opens[8], closes[8];
    pg_encode_int64(settings->capacity, capacity);
    pg_encode_int64(settings->waitlist, waitlist);
    pg_encode_time_us(settings->opens_at_us, opens);
    pg_encode_time_us(settings->closes_at_us, closes);
    const struct pg_parameter parameters[] = {
        pg_parameter_text(&operation->entity),
        optional_parameter(settings->limited, capacity),
        {waitlist, sizeof waitlist},
        optional_parameter(settings->opens, opens),
        optional_parameter(settings->closes, closes),
    };
    return pg_statement_queue(run, "manage", pg_row_take_nothing, parameters, 1) &&
           queue_precondition(run) &&
           pg_statement_queue(run, "configure", pg_row_take_nothing, parameters, 5) &&
           pg_statement_queue_entities(run, "promote", pg_row_take_nothing) &&
           (!release || pg_statement_queue(run, "release", pg_row_take_nothing, parameters, 1)) &&
           pg_statement_queue(run, "settings", pg_reads_take_settings, parameters, 1);
}

bool pg_writes_queue_paths(struct pg_batch *run)
{
    return pg_statement_queue_entities(run, "managed", take_managed);
}
