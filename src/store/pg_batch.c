/* A batch's way through one connection.
 *
 * DESIGN: A batch is a list of statements and one sync. Each statement is queued together with what
 * takes its answer in, so the order in which they are sent is said once. Where writes carry
 * idempotency keys the list comes in parts of one transaction: the kept answers are asked for, what
 * has none is done as it would be without a key, and its answers are kept. A transaction in parts
 * is begun and committed by name, so that the server ends it where we do not come back. */
#include "rsvpd/store/pg_batch.h"
#include "rsvpd/store/pg_keys.h"
#include "rsvpd/store/pg_reads.h"
#include "rsvpd/store/pg_statement.h"
#include "rsvpd/store/pg_writes.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdlib.h>

static int by_entity_and_user(const void *a_, const void *b_)
{
    const struct operation *a = *(const struct operation *const *)a_;
    const struct operation *b = *(const struct operation *const *)b_;
    int order = identifier_compare(&a->entity, &b->entity);
    return order != 0 ? order : identifier_compare(&a->user, &b->user);
}

static bool queue_work(struct pg_batch *run)
{
    switch (run->batch->kind) {
    case OPERATION_ADD:
    case OPERATION_REMOVE:
        return run->batch->path == PATH_ADMITTED ? pg_writes_queue_managed(run)
                                                 : pg_writes_queue_plain(run);
    case OPERATION_LOOKUP:
        return pg_reads_queue_lookups(run);
    case OPERATION_COUNT:
        return pg_reads_queue_counts(run);
    case OPERATION_FIND:
        return pg_reads_queue_finds(run);
    case OPERATION_LIST_USERS:
    case OPERATION_LIST_ENTITIES:
    case OPERATION_LIST_WAITING:
        return pg_reads_queue_lists(run);
    case OPERATION_SETTINGS:
        return pg_reads_queue_settings(run);
    case OPERATION_STORE_SETTINGS:
    case OPERATION_CLEAR_SETTINGS:
    case OPERATION_PROMOTE:
        return pg_writes_queue_configure(run);
    case OPERATION_CLAIM_PROMOTIONS:
        return pg_writes_queue_claim(run);
    case OPERATION_EXPIRE_KEYS:
        return pg_keys_queue_forget(run);
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

/* What is sent first of the transaction. */
static bool queue_patience(struct pg_batch *run)
{
    return !run->batch->short_lock_timeout ||
           pg_statement_queue_control(run, "session/short_lock_timeout");
}

/* What is sent last of a transaction of writes, whose commit is going to be acknowledged. */
static bool queue_durable(struct pg_batch *run)
{
    return run->batch->kind != OPERATION_ADD ||
           pg_statement_queue(run, "durable", pg_row_parse_nothing, NULL, 0);
}

/* Without keys the whole batch is one part, which the sync commits. */
static bool queue_part(struct pg_batch *run)
{
    bool queued = false;
    run->queued = 0;
    run->answered = 0;
    switch (run->part) {
    case PG_PART_WHOLE:
        queued = queue_patience(run) && queue_work(run) && queue_durable(run);
        break;
    case PG_PART_RECALL:
        queued = pg_statement_queue_control(run, "session/begin") && queue_patience(run) &&
                 pg_keys_queue_recall(run);
        break;
    case PG_PART_WORK:
        pg_keys_hold_back(run);
        queued = !any_acts(run->batch) || queue_work(run);
        break;
    case PG_PART_REMEMBER:
        queued = pg_keys_queue_remember(run) && queue_durable(run) &&
                 pg_statement_queue_control(run, "session/commit");
        break;
    case PG_PART_UNDO:
        queued = pg_statement_queue_control(run, "session/rollback");
        break;
    case PG_PART_ASK:
        queued = pg_writes_queue_paths(run);
        break;
    }
    return queued && PQpipelineSync(run->connection) == 1;
}

/* As it was before an attempt that was lost. */
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

static bool start(struct pg_batch *run, enum pg_batch_part part, struct instant now)
{
    run->sent = now;
    run->part = part;
    run->malformed = false;
    for (size_t i = 0; i < run->batch->size; i++) {
        reset(run->batch->operations[i]);
    }
    pg_keys_gather(run);
    if (part == PG_PART_WHOLE && run->keyed_size > 0) {
        run->part = PG_PART_RECALL;
    }
    return queue_part(run);
}

bool pg_batch_begin(struct pg_batch *run, struct instant now)
{
    struct batch *batch = run->batch;
    assert(batch->size > 0 && batch->size <= BATCH_SIZE_MAX);
    qsort(batch->operations, batch->size, sizeof(struct operation *), by_entity_and_user);
    return start(run, PG_PART_WHOLE, now);
}

bool pg_batch_ask_paths(struct pg_batch *run, struct instant now)
{
    return start(run, PG_PART_ASK, now);
}

bool pg_batch_take(struct pg_batch *run, const PGresult *rows, struct instant now)
{
    assert(run->answered < run->queued);
    run->malformed = !pg_rows_fit(rows, run->columns[run->answered]);
    return !run->malformed && run->parsers[run->answered](run, rows, now);
}

void pg_batch_answered(struct pg_batch *run)
{
    assert(run->answered < run->queued);
    run->answered++;
}

enum pg_batch_progress pg_batch_synced(struct pg_batch *run, bool failed)
{
    assert(failed || run->answered == run->queued);
    switch (run->part) {
    case PG_PART_RECALL:
        run->part = failed ? PG_PART_UNDO : PG_PART_WORK;
        break;
    case PG_PART_WORK:
        run->part = failed ? PG_PART_UNDO : PG_PART_REMEMBER;
        break;
    case PG_PART_REMEMBER:
        if (!failed) {
            return PG_BATCH_ENDED;
        }
        run->part = PG_PART_UNDO;
        break;
    case PG_PART_WHOLE:
    case PG_PART_UNDO:
    case PG_PART_ASK:
        return PG_BATCH_ENDED;
    }
    return queue_part(run) ? PG_BATCH_GOES_ON : PG_BATCH_BROKEN;
}
