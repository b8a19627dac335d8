/* Erases everything that is held about a user. */
#include "rsvpd/service/erasure.h"

#include <assert.h>

enum {
    LINES_MAX = 500,       /* of a page: what is removed at once, about a batch */
    KEYS_MAX = 1000,       /* kept answers in one transaction */
    POOL_SHARE = 4,        /* an erasure takes at most this part of the operations that are free */
    TIME_SHARE = 2,        /* the removals of a page take at most this part of the time left, */
    TIME_SHARE_FAILED = 4, /* and this part once others were in the way of one */
};

/* What is looked through, in this order (erasure.h says why). */
static const struct source {
    enum operation_kind kind; /* lists it, or erases it at once */
    enum relation_id relation;
} sources[] = {
    {OPERATION_LIST_WAITS, RELATION_RSVP},
#define MEMBERSHIPS(ID, ...) {OPERATION_LIST_ENTITIES, RELATION_##ID},
    RELATIONS(MEMBERSHIPS)
#undef MEMBERSHIPS
        {OPERATION_ERASE_KEYS, RELATION_RSVP}, /* of all: they share a table */
};
enum { SOURCES = sizeof sources / sizeof sources[0] };

static void advance(struct operation *asked, int64_t now_us);

static int64_t *erased_of(struct operation_erasure *erasure)
{
    const struct source *source = &sources[erasure->source];
    return source->kind == OPERATION_LIST_WAITS ? &erasure->waits_erased
           : source->kind == OPERATION_LIST_ENTITIES
               ? &erasure->memberships_erased[source->relation]
               : &erasure->keys_erased;
}

static size_t lines_max(const struct eraser *eraser)
{
    const struct operations *operations = eraser->operations;
    size_t share = (operations->capacity - operations->taken) / POOL_SHARE;
    return share < 1 ? 1 : share < LINES_MAX ? share : LINES_MAX;
}

static void note_outcome(struct operation_erasure *erasure, enum outcome outcome)
{
    if (outcome != OUTCOME_DONE) {
        erasure->outcome = erasure->outcome == OUTCOME_DONE ? outcome : erasure->outcome;
        erasure->failed = true;
    }
}

/* Of what the rest needs. What is refused for itself is in nobody else's way. */
static void note_need(struct operation_erasure *erasure, enum outcome outcome)
{
    note_outcome(erasure, outcome);
    erasure->stopped = erasure->stopped || (outcome != OUTCOME_DONE && outcome != OUTCOME_FAILED);
}

/* A step has ended that erases: where that is done or may be, the same request goes on. An attempt
 * that was lost may have erased what the last one did not find. */
static void note_step(struct operation_erasure *erasure, const struct operation *step,
                      enum outcome outcome, int64_t erased)
{
    note_outcome(erasure, outcome);
    *erased_of(erasure) += erased;
    erasure->under_way =
        erasure->under_way || erased > 0 || step->attempted || outcome == OUTCOME_UNKNOWN;
}

/* An operation of those that the erasure consists of. NULL, and noted, where none is to be had. */
static struct operation *take(struct operation *asked, enum operation_kind kind,
                              enum relation_id relation, operation_done_fn *done)
{
    const struct eraser *eraser = operation_erasure(asked)->eraser;
    struct operation *operation = operations_take(eraser->operations);
    if (operation == NULL) {
        note_need(operation_erasure(asked), OUTCOME_OVERLOADED);
        return NULL;
    }
    operation->kind = kind;
    operation->relation = &relations[relation];
    operation->user = asked->user;
    operation->deadline_us = asked->deadline_us;
    operation->done = done;
    operation->owner = asked;
    operation->trace = asked->trace;
    return operation;
}

static void submit(struct operation *asked, struct operation *operation, int64_t now_us)
{
    const struct eraser *eraser = operation_erasure(asked)->eraser;
    operation_erasure(asked)->pending++;
    operations_watch(eraser->operations, operation);
    dispatch_submit(eraser->dispatch, operation, now_us);
}

/* One of the operations has ended, or all of them have been submitted. */
static void one_less(struct operation *asked, int64_t now_us)
{
    struct operation_erasure *erasure = operation_erasure(asked);
    assert(erasure->pending > 0);
    if (--erasure->pending == 0) {
        advance(asked, now_us);
    }
}

static void removed(struct operation *operation, enum outcome outcome, int64_t now_us)
{
    struct operation *asked = operation->owner;
    struct operation_erasure *erasure = operation_erasure(asked);
    erasure->reached = erasure->reached || outcome == OUTCOME_DONE || outcome == OUTCOME_FAILED;
    note_step(erasure, operation, outcome,
              outcome == OUTCOME_DONE && operation_write(operation)->changed);
    one_less(asked, now_us);
}

/* Submits the removal of each line, as far as there are operations for it. Each ends in time for
 * what comes after it: somebody may hold the lock of an event for long. */
static void remove_lines(struct operation *asked, const struct page *page, size_t lines,
                         int64_t now_us)
{
    struct operation_erasure *erasure = operation_erasure(asked);
    int64_t share = erasure->failed ? TIME_SHARE_FAILED : TIME_SHARE;
    int64_t deadline_us = now_us + (asked->deadline_us - now_us) / share;
    erasure->reached = false;
    for (size_t i = 0; i < lines && !erasure->stopped; i++) {
        struct operation *removal =
            take(asked, OPERATION_REMOVE, sources[erasure->source].relation, removed);
        if (removal != NULL) {
            removal->entity = page->lines[i].id;
            removal->deadline_us = deadline_us;
            submit(asked, removal, now_us);
        }
    }
}

static void listed(struct operation *operation, enum outcome outcome, int64_t now_us)
{
    struct operation *asked = operation->owner;
    struct operation_erasure *erasure = operation_erasure(asked);
    const struct operation_listing *listing = operation_listing(operation);
    note_need(erasure, outcome);
    erasure->more = false;
    if (outcome == OUTCOME_DONE && listing->page->size > 0) {
        const struct page *page = listing->page;
        size_t max = lines_max(erasure->eraser); /* others took operations since it was asked for */
        size_t lines = page->size < max ? page->size : max;
        erasure->found = true;
        erasure->more = lines < page->size || page->size == listing->page_size;
        erasure->after = page->lines[lines - 1].id;
        remove_lines(asked, page, lines, now_us);
    }
    one_less(asked, now_us);
}

static void keys_erased(struct operation *operation, enum outcome outcome, int64_t now_us)
{
    struct operation *asked = operation->owner;
    struct operation_erasure *erasure = operation_erasure(asked);
    int64_t erased = outcome == OUTCOME_DONE ? operation_expiry(operation)->keys_expired : 0;
    note_need(erasure, outcome);
    note_step(erasure, operation, outcome, erased);
    /* An attempt that was lost may have erased the answer of a write that came meanwhile. */
    erasure->found = erasure->found || erased > 0 || operation->attempted;
    erasure->more = erased == KEYS_MAX;
    one_less(asked, now_us);
}

static void end(struct operation *asked, int64_t now_us)
{
    struct operation_erasure *erasure = operation_erasure(asked);
    const struct eraser *eraser = erasure->eraser;
    enum outcome outcome = erasure->under_way ? OUTCOME_DONE : erasure->outcome;
    asked->answered = true;
    asked->done(asked, outcome, now_us);
    operations_release(eraser->operations, asked);
}

/* Asks for the next page of a source, or erases what is kept in it. */
static void go_on(struct operation *asked, int64_t now_us)
{
    struct operation_erasure *erasure = operation_erasure(asked);
    const struct source *source = &sources[erasure->source];
    bool keys = source->kind == OPERATION_ERASE_KEYS;
    erasure->reached = true;
    struct operation *operation =
        take(asked, source->kind, source->relation, keys ? keys_erased : listed);
    if (operation == NULL) {
        end(asked, now_us);
        return;
    }
    if (keys) {
        operation_expiry(operation)->keys_max = KEYS_MAX;
    } else {
        operation_listing(operation)->page_size = lines_max(erasure->eraser);
        operation_listing(operation)->after = erasure->after;
    }
    submit(asked, operation, now_us);
}

/* Whether it ends here; else what comes next is set. */
static bool is_over(struct operation *asked, int64_t now_us)
{
    struct operation_erasure *erasure = operation_erasure(asked);
    int64_t given_us = asked->deadline_us - asked->submitted_us;
    /* Where all of a page was in vain, the next page of the same is too, perhaps. */
    if (!erasure->more || !erasure->reached) {
        erasure->source++;
        erasure->after.size = 0;
    }
    if (erasure->source == SOURCES) {
        erasure->complete = !erasure->found && !erasure->failed;
        erasure->stopped = erasure->stopped || !erasure->found || erasure->failed;
        erasure->source = 0;
        erasure->found = false;
    }
    return erasure->stopped || (asked->deadline_us - now_us) * 4 <= given_us;
}

/* All operations have ended: on to the next page, the next source, or all sources once more. */
static void advance(struct operation *asked, int64_t now_us)
{
    if (is_over(asked, now_us)) {
        end(asked, now_us);
    } else {
        go_on(asked, now_us);
    }
}

void erasure_begin(const struct eraser *eraser, struct operation *operation, int64_t now_us)
{
    struct operation_erasure *erasure = operation_erasure(operation);
    *erasure = (struct operation_erasure){.eraser = eraser, .outcome = OUTCOME_DONE};
    operation->state = OPERATION_WAITING;
    operation->submitted_us = now_us;
    go_on(operation, now_us);
}
