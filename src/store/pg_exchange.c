/* The exchange of one batch over one connection.
 *
 * DESIGN: A batch becomes a list of statements and one sync. Each statement is queued together with
 * the function that parses its answer, so their order is written once. If writes carry idempotency
 * keys, the transaction has several parts: stored answers are looked up, writes without one are
 * done as they would be without a key, and their answers are stored. Such a transaction has an
 * explicit BEGIN and COMMIT: if we do not come back, the server rolls it back. */
#include "rsvpd/store/pg_exchange.h"
#include "rsvpd/store/pg_barrier.h"
#include "rsvpd/store/pg_keys.h"
#include "rsvpd/store/pg_reads.h"
#include "rsvpd/store/pg_shard_call.h"
#include "rsvpd/store/pg_statement.h"
#include "rsvpd/store/pg_writes.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdlib.h>

/* Those of a shard together: where all is in one place, there is one. */
static int by_shard_entity_and_user(const void *a_, const void *b_)
{
    const struct operation *a = *(const struct operation *const *)a_;
    const struct operation *b = *(const struct operation *const *)b_;
    int order = (a->place.shard > b->place.shard) - (a->place.shard < b->place.shard);
    order = order != 0 ? order : identifier_compare(&a->entity, &b->entity);
    return order != 0 ? order : identifier_compare(&a->user, &b->user);
}

static bool queue_work(struct pg_exchange *exchange)
{
    switch (exchange->batch->kind) {
    case OPERATION_ADD:
    case OPERATION_REMOVE:
        return exchange->batch->path == PATH_ADMITTED ? pg_writes_queue_admitted(exchange)
                                                      : pg_writes_queue_plain(exchange);
    case OPERATION_LOOKUP:
        return pg_reads_queue_lookups(exchange);
    case OPERATION_COUNT:
        return pg_reads_queue_counts(exchange);
    case OPERATION_FIND:
        return pg_reads_queue_finds(exchange);
    case OPERATION_LIST_USERS:
    case OPERATION_LIST_ENTITIES:
    case OPERATION_LIST_WAITING:
    case OPERATION_LIST_WAITS:
    case OPERATION_LIST_KEPT:
    case OPERATION_LIST_EVENTS:
        return pg_reads_queue_lists(exchange);
    case OPERATION_SETTINGS:
        return pg_reads_queue_settings(exchange);
    case OPERATION_STORE_SETTINGS:
    case OPERATION_CLEAR_SETTINGS:
    case OPERATION_PROMOTE:
        return pg_writes_queue_configure(exchange);
    case OPERATION_CLAIM_PROMOTIONS:
        return pg_writes_queue_claim(exchange);
    case OPERATION_EXPIRE_KEYS:
        return pg_keys_queue_expire(exchange);
    case OPERATION_ERASE_KEYS:
        return pg_keys_queue_erase(exchange);
    case OPERATION_ERASE:
        break;
    }
    assert(false && "a kind that no batch has");
    return false;
}

static bool any_acts(const struct batch *batch)
{
    for (size_t i = 0; i < batch->size; i++) {
        if (operation_acts(batch->operations[i])) {
            return true;
        }
    }
    return false;
}

/* In front of what a replica is to read. */
static bool queue_barrier(struct pg_exchange *exchange)
{
    return exchange->barrier == NULL || pg_barrier_queue_check(exchange);
}

/* The first statement of a transaction of writes. */
static bool queue_lock_timeout(struct pg_exchange *exchange)
{
    return !exchange->batch->short_lock_timeout ||
           pg_statement_queue_control(exchange, "session/short_lock_timeout");
}

/* The last statement of a transaction of writes, before its commit is acknowledged. An erasure ends
 * with one as well: that nothing is left must not be a thing that a failover undoes. */
static bool queue_durable(struct pg_exchange *exchange)
{
    enum operation_kind kind = exchange->batch->kind;
    return (kind != OPERATION_ADD && kind != OPERATION_ERASE_KEYS) ||
           pg_statement_queue(exchange, "durable", pg_row_parse_nothing, NULL, 0);
}

/* Keys are at the coordinator, and what they are for is at a worker: both are kept, or neither. */
static bool queue_two_phases(struct pg_exchange *exchange)
{
    return !exchange->sharded || !any_acts(exchange->batch) ||
           pg_statement_queue_control(exchange, "distributed/two_phases");
}

/* Without keys the whole batch is one part, and its sync commits it. */
static bool queue_statements(struct pg_exchange *exchange)
{
    bool queued = false;
    switch (exchange->part) {
    case PG_PART_WHOLE:
        queued = queue_barrier(exchange) && queue_lock_timeout(exchange) && queue_work(exchange) &&
                 queue_durable(exchange);
        break;
    case PG_PART_LOOK_UP_KEYS:
        queued = pg_statement_queue_control(exchange, "session/begin") &&
                 queue_lock_timeout(exchange) && pg_keys_queue_look_up(exchange);
        break;
    case PG_PART_WORK:
        queued = !any_acts(exchange->batch) || queue_work(exchange);
        break;
    case PG_PART_STORE_KEYS:
        queued = pg_keys_queue_store(exchange) && queue_two_phases(exchange) &&
                 queue_durable(exchange) && pg_statement_queue_control(exchange, "session/commit");
        break;
    case PG_PART_ROLL_BACK:
        queued = pg_statement_queue_control(exchange, "session/rollback");
        break;
    case PG_PART_ASK_PATHS:
        queued = pg_writes_queue_paths(exchange);
        break;
    }
    return queued;
}

/* ---- a part as one call ---- */

/* Whether the statements of a part are to be one call at the batch's server: whatever is about
 * events and posts. Idempotency keys are the coordinator's own. */
static bool is_call(const struct pg_exchange *exchange)
{
    return exchange->sharded && operation_is_about_entity(exchange->batch->operations[0]) &&
           (exchange->part == PG_PART_WHOLE || exchange->part == PG_PART_ASK_PATHS ||
            (exchange->part == PG_PART_WORK && any_acts(exchange->batch)));
}

/* Cuts the operations of the next shard off: what statements are about. False behind the last. */
static bool next_run(const struct batch *whole, size_t *first, struct batch *run)
{
    run->relation = whole->relation;
    run->kind = whole->kind;
    run->path = whole->path;
    run->short_lock_timeout = whole->short_lock_timeout;
    run->size = 0;
    while (*first < whole->size && (run->size == 0 || whole->operations[*first]->place.shard ==
                                                          run->operations[0]->place.shard)) {
        run->operations[run->size++] = whole->operations[(*first)++];
    }
    return run->size > 0;
}

static size_t count_runs(const struct batch *batch)
{
    size_t runs = 1;
    for (size_t i = 1; i < batch->size; i++) {
        runs += batch->operations[i]->place.shard != batch->operations[i - 1]->place.shard;
    }
    return runs;
}

/* More shards than there can be: some have become others while operations waited. The call has no
 * statements, for a shard that is not known: it is refused, and all are placed again. */
static bool queue_refused_call(struct pg_exchange *exchange)
{
    static const struct operation nowhere = {.place = {0, 0}};
    struct pg_shard_call *call = exchange->parameters->call;
    exchange->columns[0] = NULL;
    exchange->parsers[0] = pg_row_parse_nothing;
    exchange->queued = 1;
    pg_shard_call_clear(call);
    pg_shard_call_enter(call, &nowhere);
    return pg_shard_call_queue(call, exchange->connection, exchange->batch, exchange->deadline_us);
}

/* The statements of each shard, in the order of shards: batches of several connections take their
 * locks in one order. */
static bool queue_call(struct pg_exchange *exchange)
{
    struct pg_shard_call *call = exchange->parameters->call;
    struct batch *whole = exchange->batch, *run = &exchange->parameters->run;
    size_t first = 0, runs = 0;
    bool queued = true;
    if (count_runs(whole) > PLACEMENTS_MAX) {
        return queue_refused_call(exchange);
    }
    pg_shard_call_clear(call);
    exchange->batch = run;
    while (queued && next_run(whole, &first, run)) {
        size_t before = exchange->queued;
        pg_shard_call_enter(call, run->operations[0]);
        if (exchange->part == PG_PART_ASK_PATHS) {
            queued = pg_writes_queue_paths(exchange);
        } else {
            queued = !any_acts(run) || queue_work(exchange);
        }
        if (first == whole->size && exchange->part != PG_PART_ASK_PATHS) {
            queued = queued && queue_durable(exchange);
        }
        exchange->run_statements[runs++] = exchange->queued - before;
    }
    exchange->batch = whole;
    return queued && pg_shard_call_queue(call, exchange->connection, whole, exchange->deadline_us);
}

static bool queue_part(struct pg_exchange *exchange)
{
    exchange->queued = 0;
    exchange->answered = 0;
    if (exchange->part == PG_PART_WORK) {
        pg_keys_hold_back(exchange);
    }
    exchange->calls = is_call(exchange);
    return (exchange->calls ? queue_call(exchange) : queue_statements(exchange)) &&
           PQpipelineSync(exchange->connection) == 1;
}

/* Clears the results of an attempt that was lost. */
static void reset(struct operation *operation)
{
    operation->verdict = OUTCOME_DONE;
    if (operation_is_write(operation)) {
        struct operation_write *write = operation_write(operation);
        write->changed = false;
        write->member = operation->kind == OPERATION_ADD;
        write->waiting = false;
        write->replayed = false;
        write->position = 0;
        write->position_is_exact = true;
    } else if (operation_is_membership(operation)) {
        operation_membership(operation)->member = false;
        operation_membership(operation)->waiting = false;
    }
}

static bool start(struct pg_exchange *exchange, enum pg_exchange_part part, struct instant now)
{
    exchange->sent = now;
    exchange->part = part;
    exchange->malformed = false;
    exchange->declined = false;
    for (size_t i = 0; i < exchange->batch->size; i++) {
        reset(exchange->batch->operations[i]);
    }
    pg_keys_gather(exchange);
    if (part == PG_PART_WHOLE && exchange->keyed_size > 0) {
        exchange->part = PG_PART_LOOK_UP_KEYS;
    }
    return queue_part(exchange);
}

bool pg_exchange_begin(struct pg_exchange *exchange, struct instant now)
{
    struct batch *batch = exchange->batch;
    assert(batch->size > 0 && batch->size <= BATCH_SIZE_MAX);
    qsort(batch->operations, batch->size, sizeof(struct operation *), by_shard_entity_and_user);
    return start(exchange, PG_PART_WHOLE, now);
}

bool pg_exchange_ask_paths(struct pg_exchange *exchange, struct instant now)
{
    return start(exchange, PG_PART_ASK_PATHS, now);
}

static bool parse_statement(struct pg_exchange *exchange, size_t statement, const PGresult *rows,
                            struct instant now)
{
    exchange->malformed = !pg_rows_fit(rows, exchange->columns[statement]);
    return !exchange->malformed && exchange->parsers[statement](exchange, rows, now);
}

/* `answered` counts the statements of a shard while they are parsed. */
static bool parse_run(struct pg_exchange *exchange, size_t first, size_t count,
                      struct pg_shard_answer *answer, struct instant now)
{
    bool parsed = true;
    for (size_t i = 0; i < count && parsed; i++) {
        PGresult *rows = pg_shard_answer_next(answer, exchange->columns[first + i]);
        exchange->answered = i;
        exchange->malformed = rows == NULL;
        parsed = rows != NULL && parse_statement(exchange, first + i, rows, now);
        PQclear(rows);
    }
    return parsed;
}

static bool parse_call(struct pg_exchange *exchange, const PGresult *rows, struct instant now)
{
    struct pg_shard_answer answer = {.rows = rows};
    struct batch *whole = exchange->batch, *run = &exchange->parameters->run;
    size_t first = 0, statement = 0;
    bool parsed = true;
    exchange->batch = run;
    for (size_t i = 0; parsed && next_run(whole, &first, run); i++) {
        parsed = i < PLACEMENTS_MAX &&
                 parse_run(exchange, statement, exchange->run_statements[i], &answer, now);
        statement += parsed ? exchange->run_statements[i] : 0;
    }
    exchange->batch = whole;
    /* The end of the call itself is still to come: pg_exchange_answer_ended. */
    exchange->answered = parsed ? exchange->queued - 1 : 0;
    return parsed;
}

bool pg_exchange_parse(struct pg_exchange *exchange, const PGresult *rows, struct instant now)
{
    assert(exchange->answered < exchange->queued);
    if (exchange->declined) {
        return true;
    }
    return exchange->calls ? parse_call(exchange, rows, now)
                           : parse_statement(exchange, exchange->answered, rows, now);
}

void pg_exchange_answer_ended(struct pg_exchange *exchange)
{
    assert(exchange->answered <= exchange->queued);
    /* A sync that commits may be refused as well: its error comes behind the last statement's
     * answer, and ends as a statement's does. */
    if (exchange->answered < exchange->queued) {
        exchange->answered++;
    }
}

enum pg_exchange_progress pg_exchange_synced(struct pg_exchange *exchange, bool failed)
{
    assert(failed || exchange->answered == exchange->queued);
    switch (exchange->part) {
    case PG_PART_LOOK_UP_KEYS:
        exchange->part = failed ? PG_PART_ROLL_BACK : PG_PART_WORK;
        break;
    case PG_PART_WORK:
        exchange->part = failed ? PG_PART_ROLL_BACK : PG_PART_STORE_KEYS;
        break;
    case PG_PART_STORE_KEYS:
        if (!failed) {
            return PG_EXCHANGE_ENDED;
        }
        exchange->part = PG_PART_ROLL_BACK;
        break;
    case PG_PART_WHOLE:
    case PG_PART_ROLL_BACK:
    case PG_PART_ASK_PATHS:
        return PG_EXCHANGE_ENDED;
    }
    return queue_part(exchange) ? PG_EXCHANGE_GOES_ON : PG_EXCHANGE_BROKEN;
}
