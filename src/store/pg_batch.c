/* A batch's way through one connection.
 *
 * DESIGN: A batch is a list of statements and one sync. Each statement is queued together with what
 * takes its answer in, so the order in which they are sent is said once. Where writes carry
 * idempotency keys the list comes in parts of one transaction: the kept answers are asked for, what
 * has none is done as it would be without a key, and its answers are kept. A transaction in parts
 * is begun and committed by name, so that the server ends it where we do not come back. */
#include "rsvpd/store/pg_batch.h"
#include "rsvpd/store/sql.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

enum { STATEMENT_SIZE_MAX_BYTES = 8192, PARAMETERS_MAX = PG_BATCH_ARRAYS };

/* ---- preparing ---- */

/* Files of sql/queries/, prepared for each relation; the last ones where it has settings. */
static const struct {
    const char *name;
    bool of_settings;
} statements[] = {
    {"hold", false},        {"write", false},      {"count", false},         {"lookup", false},
    {"find", false},        {"list_users", false}, {"list_entities", false}, {"recall", false},
    {"remember", false},    {"forget", false},     {"settled", true},        {"managed", true},
    {"lock", true},         {"leave", true},       {"promote", true},        {"admit", true},
    {"manage", true},       {"configure", true},   {"release", true},        {"settings", true},
    {"list_waiting", true}, {"standing", true},
};

static bool queue_prepare(PGconn *connection, const char *statement,
                          const struct relation *relation)
{
    char file[64], name[64], sql[STATEMENT_SIZE_MAX_BYTES];
    snprintf(file, sizeof file, "queries/%s", statement);
    snprintf(name, sizeof name, "%s_%s", relation->name, statement);
    bool fits = sql_expand(sql_text(file), relation, sql, sizeof sql);
    assert(fits);
    return PQsendPrepare(connection, name, sql, 0, NULL) == 1;
}

bool pg_batch_prepare(PGconn *connection)
{
    bool queued = true;
    for (size_t i = 0; i < RELATION_COUNT; i++) {
        for (size_t j = 0; j < sizeof statements / sizeof statements[0] && queued; j++) {
            queued = (statements[j].of_settings && !relations[i].has_settings) ||
                     queue_prepare(connection, statements[j].name, &relations[i]);
        }
    }
    return queued;
}

/* ---- answers ---- */

/* The moment at which Postgres read, on our clocks: its own clock says when within the exchange,
 * and cannot say anything outside of it, however wrong it goes. */
static void set_as_of(const struct pg_batch *run, struct count *count, int64_t server_wall_us,
                      struct instant now)
{
    int64_t since_sent_us = server_wall_us - run->sent.wall_us;
    int64_t exchange_us = now.mono_us - run->sent.mono_us;
    since_sent_us = since_sent_us < 0 ? 0 : since_sent_us;
    since_sent_us = since_sent_us > exchange_us ? exchange_us : since_sent_us;
    count->as_of_mono_us = run->sent.mono_us + since_sent_us;
    count->as_of_wall_us = run->sent.wall_us + since_sent_us;
    count->stale = false;
}

/* The first operation of the sorted batch that is not below the key; the batch's end where there is
 * none. */
static size_t lower_bound(const struct batch *batch, const struct identifier *entity,
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

static struct identifier decode_identifier(const PGresult *rows, int row, int column)
{
    struct identifier id;
    struct slice text =
        slice_make(PQgetvalue(rows, row, column), (size_t)PQgetlength(rows, row, column));
    bool valid = identifier_parse(text, &id);
    assert(valid); /* it equals one that was sent */
    return id;
}

/* What a statement that makes no rows, or none that say anything, is answered with. */
static bool take_nothing(struct pg_batch *run, const PGresult *rows, struct instant now)
{
    (void)run, (void)rows, (void)now;
    return true;
}

/* The operation of the sorted batch that a row is about, by its first two columns. */
static struct operation *operation_of(const struct pg_batch *run, const PGresult *rows, int row)
{
    struct identifier entity = decode_identifier(rows, row, 0);
    struct identifier user = decode_identifier(rows, row, 1);
    size_t place = lower_bound(run->batch, &entity, &user);
    assert(place < run->batch->size);
    return run->batch->operations[place];
}

static int64_t number_at(const PGresult *rows, int row, int column)
{
    return pg_decode_int64(PQgetvalue(rows, row, column));
}

static bool take_changed(struct pg_batch *run, const PGresult *rows, struct instant now)
{
    (void)now;
    for (int row = 0; row < PQntuples(rows); row++) {
        operation_of(run, rows, row)->changed = true;
    }
    return true;
}

static bool take_admitted(struct pg_batch *run, const PGresult *rows, struct instant now)
{
    static const enum outcome verdicts[] = {OUTCOME_DONE, OUTCOME_DONE, OUTCOME_FULL,
                                            OUTCOME_CLOSED}; /* as admit.sql numbers them */
    (void)now;
    for (int row = 0; row < PQntuples(rows); row++) {
        struct operation *operation = operation_of(run, rows, row);
        int64_t verdict = number_at(rows, row, 2);
        operation->verdict = verdicts[verdict];
        operation->member = verdict == 0;
        operation->waiting = verdict == 1;
        operation->changed = number_at(rows, row, 3) != 0;
        operation->place = number_at(rows, row, 4);
    }
    return true;
}

/* The operation whose place in the batch, counted from 1, is a row's first column. */
static struct operation *operation_at(const struct pg_batch *run, const PGresult *rows, int row)
{
    int64_t place = number_at(rows, row, 0) - 1;
    assert(place >= 0 && (size_t)place < run->batch->size);
    return run->batch->operations[place];
}

static bool take_found(struct pg_batch *run, const PGresult *rows, struct instant now)
{
    (void)now;
    for (int row = 0; row < PQntuples(rows); row++) {
        struct operation *operation = operation_at(run, rows, row);
        operation->member = true;
        operation->created_at_us = pg_decode_time_us(PQgetvalue(rows, row, 1));
    }
    return true;
}

/* The second column, where there is one, tells who waits. */
static bool take_looked_up(struct pg_batch *run, const PGresult *rows, struct instant now)
{
    (void)now;
    for (int row = 0; row < PQntuples(rows); row++) {
        struct operation *operation = operation_at(run, rows, row);
        operation->waiting = PQnfields(rows) > 1 && number_at(rows, row, 1) != 0;
        operation->member = !operation->waiting;
    }
    return true;
}

/* The page of the listing whose statement this is the answer to: each has one. */
static bool take_page(struct pg_batch *run, const PGresult *rows, struct instant now)
{
    struct operation *operation = run->batch->operations[run->answered];
    size_t size = (size_t)PQntuples(rows);
    struct page *page = malloc(sizeof *page + size * sizeof page->lines[0]);
    (void)now;
    free(operation->page); /* of an attempt that was lost */
    operation->page = page;
    if (page == NULL) {
        return false;
    }
    page->size = size;
    for (size_t i = 0; i < size; i++) {
        page->lines[i] = (struct page_line){
            .id = decode_identifier(rows, (int)i, 0),
            .created_at_us = pg_decode_time_us(PQgetvalue(rows, (int)i, 1)),
            .ticket = PQnfields(rows) > 2 ? number_at(rows, (int)i, 2) : 0,
        };
    }
    return true;
}

/* An entity without a row never had a member: that was so when the batch was sent. */
static bool take_counts(struct pg_batch *run, const PGresult *rows, struct instant now)
{
    const struct batch *batch = run->batch;
    for (size_t i = 0; i < batch->size; i++) {
        if (operation_acts(batch->operations[i])) {
            batch->operations[i]->count = (struct count){.as_of_mono_us = run->sent.mono_us,
                                                         .as_of_wall_us = run->sent.wall_us};
        }
    }
    for (int row = 0; row < PQntuples(rows); row++) {
        struct identifier entity = decode_identifier(rows, row, 0);
        struct count count = {.value = number_at(rows, row, 1), .version = number_at(rows, row, 2)};
        set_as_of(run, &count, pg_decode_time_us(PQgetvalue(rows, row, 3)), now);
        for (size_t i = lower_bound(batch, &entity, NULL);
             i < batch->size && identifier_equal(&batch->operations[i]->entity, &entity); i++) {
            if (operation_acts(batch->operations[i])) {
                batch->operations[i]->count = count;
            }
        }
    }
    return true;
}

/* ---- what is asked under an idempotency key ---- */

static const char *action_of(const struct operation *operation)
{
    static const char *const actions[RELATION_COUNT][2] = {
        [RELATION_RSVP] = {"POST rsvp", "DELETE rsvp"},
        [RELATION_LIKE] = {"POST like", "DELETE like"},
    };
    return actions[operation->relation->id][operation->kind == OPERATION_REMOVE];
}

static struct slice text_at(const PGresult *rows, int row, int column)
{
    return slice_make(PQgetvalue(rows, row, column), (size_t)PQgetlength(rows, row, column));
}

/* Answers that are kept already: the same request gets its answer again, another one is refused. */
static bool take_recalled(struct pg_batch *run, const PGresult *rows, struct instant now)
{
    (void)now;
    for (int row = 0; row < PQntuples(rows); row++) {
        int64_t place = number_at(rows, row, 0) - 1;
        assert(place >= 0 && (size_t)place < run->keyed_size);
        struct operation *operation = run->keyed[place];
        if (!slice_equal(text_at(rows, row, 1), slice_of(action_of(operation))) ||
            !slice_equal(text_at(rows, row, 2), identifier_slice(&operation->entity))) {
            operation->verdict = OUTCOME_KEY_REUSED;
            continue;
        }
        operation->replayed = true;
        operation->verdict = OUTCOME_DONE;
        operation->changed = number_at(rows, row, 3) != 0;
        operation->count.value = number_at(rows, row, 4);
        operation->place = number_at(rows, row, 5);
        operation->waiting = operation->place > 0;
        operation->member = operation->kind == OPERATION_ADD && !operation->waiting;
    }
    return true;
}

/* ---- settings ---- */

/* Each operation has a statement of its own; one that changes settings is alone in its batch. */
static bool take_settings(struct pg_batch *run, const PGresult *rows, struct instant now)
{
    bool alone = run->batch->kind != OPERATION_SETTINGS;
    struct operation *operation = run->batch->operations[alone ? 0 : run->answered];
    struct settings *settings = &operation->settings;
    *settings = (struct settings){.limited = false};
    operation->waiting_count = 0;
    operation->count =
        (struct count){.as_of_mono_us = run->sent.mono_us, .as_of_wall_us = run->sent.wall_us};
    if (PQntuples(rows) == 1) {
        settings->limited = PQgetisnull(rows, 0, 0) == 0;
        settings->capacity = settings->limited ? number_at(rows, 0, 0) : 0;
        settings->waitlist = number_at(rows, 0, 1) != 0;
        settings->opens = PQgetisnull(rows, 0, 2) == 0;
        settings->opens_at_us = settings->opens ? pg_decode_time_us(PQgetvalue(rows, 0, 2)) : 0;
        settings->closes = PQgetisnull(rows, 0, 3) == 0;
        settings->closes_at_us = settings->closes ? pg_decode_time_us(PQgetvalue(rows, 0, 3)) : 0;
        operation->waiting_count = number_at(rows, 0, 4);
        operation->count.value = number_at(rows, 0, 5);
        operation->count.version = number_at(rows, 0, 6);
        set_as_of(run, &operation->count, pg_decode_time_us(PQgetvalue(rows, 0, 7)), now);
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
        struct identifier entity = decode_identifier(rows, row, 0);
        for (size_t i = lower_bound(batch, &entity, NULL);
             i < batch->size && identifier_equal(&batch->operations[i]->entity, &entity); i++) {
            batch->operations[i]->path = PATH_MANAGED;
        }
    }
    return true;
}

static bool take_forgotten(struct pg_batch *run, const PGresult *rows, struct instant now)
{
    (void)now;
    run->batch->operations[0]->forgotten = number_at(rows, 0, 0);
    return true;
}

/* ---- statements ---- */

static int by_entity_and_user(const void *a_, const void *b_)
{
    const struct operation *a = *(const struct operation *const *)a_;
    const struct operation *b = *(const struct operation *const *)b_;
    int order = identifier_compare(&a->entity, &b->entity);
    return order != 0 ? order : identifier_compare(&a->user, &b->user);
}

/* A parameter in its binary format; NULL where `data` is. */
struct parameter {
    const char *data;
    size_t size_bytes;
};

static struct parameter array_parameter(const struct pg_array *array)
{
    return (struct parameter){array->data, array->size_bytes};
}

static struct parameter text_parameter(const struct identifier *id)
{
    return (struct parameter){id->data, id->size};
}

/* Queues a statement, and what its answer will be taken in by. */
static bool queue_statement(struct pg_batch *run, const char *statement, pg_take_fn *take,
                            const struct parameter *parameters, int parameter_count)
{
    char name[64];
    const char *values[PARAMETERS_MAX];
    int sizes[PARAMETERS_MAX], formats[PARAMETERS_MAX];
    for (int i = 0; i < parameter_count; i++) {
        values[i] = parameters[i].data;
        sizes[i] = (int)parameters[i].size_bytes;
        formats[i] = 1;
    }
    assert(run->queued < PG_BATCH_STATEMENTS_MAX);
    run->takes[run->queued++] = take;
    snprintf(name, sizeof name, "%s_%s", run->batch->relation->name, statement);
    return PQsendQueryPrepared(run->connection, name, parameter_count, values, sizes, formats, 1) ==
           1;
}

/* One whose parameters are the first arrays that were put together. */
static bool queue_arrays(struct pg_batch *run, const char *statement, pg_take_fn *take, int count)
{
    struct parameter parameters[PARAMETERS_MAX];
    for (int i = 0; i < count; i++) {
        parameters[i] = array_parameter(&run->parameters->arrays[i]);
    }
    return queue_statement(run, statement, take, parameters, count);
}

static void clear_texts(struct pg_batch *run, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pg_array_clear_text(&run->parameters->arrays[i]);
    }
}

/* Asks about the entities of the operations that act, each once: the batch is sorted. */
static bool queue_entities(struct pg_batch *run, const char *statement, pg_take_fn *take)
{
    struct pg_array *entities = &run->parameters->arrays[0];
    const struct operation *last = NULL;
    clear_texts(run, 1);
    for (size_t i = 0; i < run->batch->size; i++) {
        const struct operation *operation = run->batch->operations[i];
        if (operation_acts(operation) &&
            (last == NULL || !identifier_equal(&operation->entity, &last->entity))) {
            pg_array_add_text(entities, identifier_slice(&operation->entity));
            last = operation;
        }
    }
    return queue_arrays(run, statement, take, 1);
}

/* Entities and users of the operations of one kind that act, into the two arrays from `first` on;
 * answers how many. */
static size_t put_pairs(struct pg_batch *run, enum operation_kind kind, size_t first)
{
    struct pg_array *entities = &run->parameters->arrays[first];
    pg_array_clear_text(entities);
    pg_array_clear_text(entities + 1);
    for (size_t i = 0; i < run->batch->size; i++) {
        const struct operation *operation = run->batch->operations[i];
        if (operation->kind == kind && operation_acts(operation)) {
            pg_array_add_text(entities, identifier_slice(&operation->entity));
            pg_array_add_text(entities + 1, identifier_slice(&operation->user));
        }
    }
    return entities->elements;
}

/* The rows change first; the counts are read after, by a statement of its own in the same
 * transaction, so that for writes that changed nothing they are those of after whatever made them
 * change nothing. */
static bool queue_plain_writes(struct pg_batch *run)
{
    bool held =
        put_pairs(run, OPERATION_REMOVE, 0) == 0 || queue_arrays(run, "hold", take_nothing, 2);
    put_pairs(run, OPERATION_ADD, 0);
    put_pairs(run, OPERATION_REMOVE, 2);
    return held && queue_arrays(run, "write", take_changed, 4) &&
           queue_entities(run, run->batch->relation->has_settings ? "settled" : "count",
                          take_counts);
}

/* First who leaves, then who moves up, then who comes: each statement sees what the ones before it
 * did, and nobody else writes while the counters are locked. */
static bool queue_managed_writes(struct pg_batch *run)
{
    bool queued = queue_entities(run, "lock", take_nothing);
    if (put_pairs(run, OPERATION_REMOVE, 0) > 0) {
        queued = queued && queue_arrays(run, "leave", take_changed, 2) &&
                 queue_entities(run, "promote", take_nothing);
    }
    if (put_pairs(run, OPERATION_ADD, 0) > 0) {
        struct pg_array *arrivals = &run->parameters->arrays[2];
        pg_array_clear_int64(arrivals);
        for (size_t i = 0; i < run->batch->size; i++) {
            const struct operation *operation = run->batch->operations[i];
            if (operation->kind == OPERATION_ADD && operation_acts(operation)) {
                pg_array_add_int64(arrivals, (int64_t)operation->arrival);
            }
        }
        queued = queued && queue_arrays(run, "admit", take_admitted, 3);
    }
    return queued && queue_entities(run, "count", take_counts);
}

static bool queue_pairs(struct pg_batch *run, const char *statement, pg_take_fn *take)
{
    put_pairs(run, run->batch->kind, 0);
    return queue_arrays(run, statement, take, 2);
}

/* One statement for each listing: they share the way to Postgres and back. */
static bool queue_lists(struct pg_batch *run)
{
    static const char *const names[] = {[OPERATION_LIST_USERS] = "list_users",
                                        [OPERATION_LIST_ENTITIES] = "list_entities",
                                        [OPERATION_LIST_WAITING] = "list_waiting"};
    const enum operation_kind kind = run->batch->kind;
    bool queued = true;
    for (size_t i = 0; i < run->batch->size && queued; i++) {
        const struct operation *operation = run->batch->operations[i];
        char limit[8], ticket[8];
        pg_encode_int64((int64_t)operation->page_size, limit);
        pg_encode_int64(operation->after_ticket, ticket);
        const struct parameter parameters[] = {
            text_parameter(kind == OPERATION_LIST_ENTITIES ? &operation->user : &operation->entity),
            kind == OPERATION_LIST_WAITING ? (struct parameter){ticket, sizeof ticket}
                                           : text_parameter(&operation->after),
            {limit, sizeof limit},
        };
        queued = queue_statement(run, names[kind], take_page, parameters, 3);
    }
    return queued;
}

/* One statement for each. */
static bool queue_settings(struct pg_batch *run)
{
    bool queued = true;
    for (size_t i = 0; i < run->batch->size && queued; i++) {
        const struct parameter entity = text_parameter(&run->batch->operations[i]->entity);
        queued = queue_statement(run, "settings", take_settings, &entity, 1);
    }
    return queued;
}

static struct parameter optional_parameter(bool given, const char bytes[8])
{
    return (struct parameter){given ? bytes : NULL, 8};
}

/* An entity without settings is one with none of them: whoever waits moves up by the same
 * statement, before they go. */
static bool queue_configure(struct pg_batch *run)
{
    const struct operation *operation = run->batch->operations[0];
    bool release = run->batch->kind == OPERATION_RELEASE;
    const struct settings none = {.limited = false};
    const struct settings *settings = release ? &none : &operation->settings;
    char capacity[8], waitlist[8], opens[8], closes[8];
    pg_encode_int64(settings->capacity, capacity);
    pg_encode_int64(settings->waitlist, waitlist);
    pg_encode_time_us(settings->opens_at_us, opens);
    pg_encode_time_us(settings->closes_at_us, closes);
    const struct parameter parameters[] = {
        text_parameter(&operation->entity),
        optional_parameter(settings->limited, capacity),
        {waitlist, sizeof waitlist},
        optional_parameter(settings->opens, opens),
        optional_parameter(settings->closes, closes),
    };
    return queue_statement(run, "manage", take_nothing, parameters, 1) &&
           queue_statement(run, "configure", take_nothing, parameters, 5) &&
           queue_entities(run, "promote", take_nothing) &&
           (!release || queue_statement(run, "release", take_nothing, parameters, 1)) &&
           queue_statement(run, "settings", take_settings, parameters, 1);
}

static bool queue_forget(struct pg_batch *run)
{
    char limit[8];
    pg_encode_int64((int64_t)run->batch->operations[0]->page_size, limit);
    const struct parameter parameter = {limit, sizeof limit};
    return queue_statement(run, "forget", take_forgotten, &parameter, 1);
}

/* ---- keys ---- */

static int by_user_and_key(const void *a_, const void *b_)
{
    const struct operation *a = *(const struct operation *const *)a_;
    const struct operation *b = *(const struct operation *const *)b_;
    int order = identifier_compare(&a->user, &b->user);
    order = order != 0 ? order : identifier_compare(&a->idempotency_key, &b->idempotency_key);
    return order != 0 ? order : (a->arrival > b->arrival) - (a->arrival < b->arrival);
}

static bool same_key(const struct operation *a, const struct operation *b)
{
    return identifier_equal(&a->user, &b->user) &&
           identifier_equal(&a->idempotency_key, &b->idempotency_key);
}

static void gather_keys(struct pg_batch *run)
{
    const struct batch *batch = run->batch;
    run->keyed_size = 0;
    for (size_t i = 0; i < batch->size && batch->kind == OPERATION_ADD; i++) {
        if (batch->operations[i]->idempotency_key.size > 0) {
            run->keyed[run->keyed_size++] = batch->operations[i];
        }
    }
    qsort(run->keyed, run->keyed_size, sizeof run->keyed[0], by_user_and_key);
}

/* Of those whose key has no answer yet only the first of each key is done: another request with the
 * key of one that is under way right here must wait for that one's end. */
static void hold_others_back(struct pg_batch *run)
{
    const struct operation *first = NULL;
    for (size_t i = 0; i < run->keyed_size; i++) {
        struct operation *operation = run->keyed[i];
        if (first != NULL && same_key(first, operation) && operation_acts(operation)) {
            operation->verdict = OUTCOME_IN_FLIGHT;
        }
        first = operation_acts(operation) ? operation : first;
    }
}

static bool queue_recall(struct pg_batch *run)
{
    struct pg_array *arrays = run->parameters->arrays;
    clear_texts(run, 2);
    for (size_t i = 0; i < run->keyed_size; i++) {
        pg_array_add_text(&arrays[0], identifier_slice(&run->keyed[i]->user));
        pg_array_add_text(&arrays[1], identifier_slice(&run->keyed[i]->idempotency_key));
    }
    return queue_arrays(run, "recall", take_recalled, 2);
}

/* Whether the answer to a write that carries a key is to be kept. */
static bool is_to_remember(const struct operation *operation)
{
    return operation_acts(operation) && operation->verdict == OUTCOME_DONE;
}

static bool queue_remember(struct pg_batch *run)
{
    struct pg_array *arrays = run->parameters->arrays;
    clear_texts(run, 4);
    for (size_t i = 4; i < 7; i++) {
        pg_array_clear_int64(&arrays[i]);
    }
    for (size_t i = 0; i < run->keyed_size; i++) {
        const struct operation *operation = run->keyed[i];
        if (is_to_remember(operation)) {
            pg_array_add_text(&arrays[0], identifier_slice(&operation->user));
            pg_array_add_text(&arrays[1], identifier_slice(&operation->idempotency_key));
            pg_array_add_text(&arrays[2], slice_of(action_of(operation)));
            pg_array_add_text(&arrays[3], identifier_slice(&operation->entity));
            pg_array_add_int64(&arrays[4], operation->changed);
            pg_array_add_int64(&arrays[5], operation->count.value);
            pg_array_add_int64(&arrays[6], operation->place);
        }
    }
    return arrays[0].elements == 0 || queue_arrays(run, "remember", take_nothing, 7);
}

/* ---- the whole ---- */

static bool queue_work(struct pg_batch *run)
{
    switch (run->batch->kind) {
    case OPERATION_ADD:
    case OPERATION_REMOVE:
        return run->batch->path == PATH_MANAGED ? queue_managed_writes(run)
                                                : queue_plain_writes(run);
    case OPERATION_LOOKUP:
        return queue_pairs(run, run->batch->relation->has_settings ? "standing" : "lookup",
                           take_looked_up);
    case OPERATION_COUNT:
        return queue_entities(run, "count", take_counts);
    case OPERATION_FIND:
        return queue_pairs(run, "find", take_found);
    case OPERATION_LIST_USERS:
    case OPERATION_LIST_ENTITIES:
    case OPERATION_LIST_WAITING:
        return queue_lists(run);
    case OPERATION_SETTINGS:
        return queue_settings(run);
    case OPERATION_CONFIGURE:
    case OPERATION_RELEASE:
        return queue_configure(run);
    case OPERATION_FORGET:
        return queue_forget(run);
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

/* A statement of a transaction's own: sql/session/. */
static bool queue_control(struct pg_batch *run, const char *file)
{
    assert(run->queued < PG_BATCH_STATEMENTS_MAX);
    run->takes[run->queued++] = take_nothing;
    return PQsendQueryParams(run->connection, sql_text(file), 0, NULL, NULL, NULL, NULL, 1) == 1;
}

/* Without keys the whole batch is one part, which the sync commits. */
static bool queue_part(struct pg_batch *run)
{
    bool queued = false;
    run->queued = 0;
    run->answered = 0;
    switch (run->part) {
    case PG_PART_WHOLE:
        queued = queue_work(run);
        break;
    case PG_PART_RECALL:
        queued = queue_control(run, "session/begin") && queue_recall(run);
        break;
    case PG_PART_WORK:
        hold_others_back(run);
        queued = !any_acts(run->batch) || queue_work(run);
        break;
    case PG_PART_REMEMBER:
        queued = queue_remember(run) && queue_control(run, "session/commit");
        break;
    case PG_PART_UNDO:
        queued = queue_control(run, "session/rollback");
        break;
    case PG_PART_ASK:
        queued = queue_entities(run, "managed", take_managed);
        break;
    }
    return queued && PQpipelineSync(run->connection) == 1;
}

/* As it was before an attempt that was lost. */
static void reset(struct operation *operation)
{
    operation->verdict = OUTCOME_DONE;
    operation->changed = false;
    operation->member = operation->kind == OPERATION_ADD;
    operation->waiting = false;
    operation->replayed = false;
    operation->place = 0;
}

static bool start(struct pg_batch *run, enum pg_batch_part part, struct instant now)
{
    run->sent = now;
    run->part = part;
    for (size_t i = 0; i < run->batch->size; i++) {
        reset(run->batch->operations[i]);
    }
    gather_keys(run);
    if (part == PG_PART_WHOLE && run->keyed_size > 0) {
        run->part = PG_PART_RECALL;
    }
    return queue_part(run);
}

bool pg_batch_begin(struct pg_batch *run, struct instant now)
{
    struct batch *batch = run->batch;
    qsort(batch->operations, batch->size, sizeof batch->operations[0], by_entity_and_user);
    return start(run, PG_PART_WHOLE, now);
}

bool pg_batch_ask_paths(struct pg_batch *run, struct instant now)
{
    return start(run, PG_PART_ASK, now);
}

bool pg_batch_take(struct pg_batch *run, const PGresult *rows, struct instant now)
{
    return run->takes[run->answered](run, rows, now);
}

void pg_batch_answered(struct pg_batch *run)
{
    run->answered++;
}

enum pg_batch_progress pg_batch_synced(struct pg_batch *run, bool failed)
{
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
