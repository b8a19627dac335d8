/* A batch's way through one connection.
 *
 * DESIGN: A batch is a list of statements and one sync. Each statement is queued together with what
 * takes its answer in, so the order in which they are sent is said once. */
#include "rsvpd/store/pg_batch.h"
#include "rsvpd/store/sql.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

enum { STATEMENT_SIZE_MAX_BYTES = 8192, PARAMETERS_MAX = 4 };

/* ---- preparing ---- */

static const char *const statement_names[] = {"hold", "write",      "lookup",       "count",
                                              "find", "list_users", "list_entities"};
enum { STATEMENTS_PER_RELATION = sizeof statement_names / sizeof statement_names[0] };

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
    for (size_t i = 0; i < RELATION_COUNT * STATEMENTS_PER_RELATION && queued; i++) {
        queued = queue_prepare(connection, statement_names[i % STATEMENTS_PER_RELATION],
                               &relations[i / STATEMENTS_PER_RELATION]);
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

static bool take_written(struct pg_batch *run, const PGresult *rows, struct instant now)
{
    const struct batch *batch = run->batch;
    (void)now;
    for (size_t i = 0; i < batch->size; i++) {
        batch->operations[i]->changed = false;
        batch->operations[i]->member = batch->operations[i]->kind == OPERATION_ADD;
    }
    for (int row = 0; row < PQntuples(rows); row++) {
        struct identifier entity = decode_identifier(rows, row, 0);
        struct identifier user = decode_identifier(rows, row, 1);
        size_t place = lower_bound(batch, &entity, &user);
        assert(place < batch->size);
        batch->operations[place]->changed = true;
    }
    return true;
}

static bool take_found(struct pg_batch *run, const PGresult *rows, struct instant now)
{
    (void)now;
    for (size_t i = 0; i < run->batch->size; i++) {
        run->batch->operations[i]->member = false; /* whatever an attempt that was lost has found */
    }
    for (int row = 0; row < PQntuples(rows); row++) {
        int64_t place = pg_decode_int64(PQgetvalue(rows, row, 0)) - 1;
        assert(place >= 0 && (size_t)place < run->batch->size);
        run->batch->operations[place]->member = true;
        if (run->batch->kind == OPERATION_FIND) {
            run->batch->operations[place]->created_at_us =
                pg_decode_time_us(PQgetvalue(rows, row, 1));
        }
    }
    return true;
}

/* The page of the listing whose statement this is the answer to: each has one. */
static bool take_page(struct pg_batch *run, const PGresult *rows, struct instant now)
{
    struct operation *operation = run->batch->operations[run->answered];
    (void)now;
    size_t size = (size_t)PQntuples(rows);
    struct page *page = malloc(sizeof *page + size * sizeof page->lines[0]);
    free(operation->page); /* of an attempt that was lost */
    operation->page = page;
    if (page == NULL) {
        return false;
    }
    page->size = size;
    for (size_t i = 0; i < size; i++) {
        page->lines[i].id = decode_identifier(rows, (int)i, 0);
        page->lines[i].created_at_us = pg_decode_time_us(PQgetvalue(rows, (int)i, 1));
    }
    return true;
}

/* An entity without a row never had a member: that was so when the batch was sent. */
static bool take_counts(struct pg_batch *run, const PGresult *rows, struct instant now)
{
    const struct batch *batch = run->batch;
    for (size_t i = 0; i < batch->size; i++) {
        batch->operations[i]->count =
            (struct count){.as_of_mono_us = run->sent.mono_us, .as_of_wall_us = run->sent.wall_us};
    }
    for (int row = 0; row < PQntuples(rows); row++) {
        struct identifier entity = decode_identifier(rows, row, 0);
        struct count count = {.value = pg_decode_int64(PQgetvalue(rows, row, 1)),
                              .version = pg_decode_int64(PQgetvalue(rows, row, 2))};
        set_as_of(run, &count, pg_decode_time_us(PQgetvalue(rows, row, 3)), now);
        for (size_t i = lower_bound(batch, &entity, NULL);
             i < batch->size && identifier_equal(&batch->operations[i]->entity, &entity); i++) {
            batch->operations[i]->count = count;
        }
    }
    return true;
}

/* ---- sending ---- */

static int by_entity_and_user(const void *a_, const void *b_)
{
    const struct operation *a = *(const struct operation *const *)a_;
    const struct operation *b = *(const struct operation *const *)b_;
    int order = identifier_compare(&a->entity, &b->entity);
    return order != 0 ? order : identifier_compare(&a->user, &b->user);
}

/* A parameter in its binary format. */
struct parameter {
    const char *data;
    size_t size_bytes;
};

static struct parameter array_parameter(const struct pg_text_array *array)
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

/* Asks for the counts of the batch's entities, each once: the batch is sorted. */
static bool queue_counts(struct pg_batch *run)
{
    struct pg_text_array *entities = &run->parameters->texts[0];
    pg_text_array_clear(entities);
    for (size_t i = 0; i < run->batch->size; i++) {
        const struct identifier *entity = &run->batch->operations[i]->entity;
        if (i == 0 || !identifier_equal(entity, &run->batch->operations[i - 1]->entity)) {
            pg_text_array_add(entities, entity);
        }
    }
    struct parameter parameter = array_parameter(entities);
    return queue_statement(run, "count", take_counts, &parameter, 1);
}

/* The rows change first; the counts are read after, by a statement of its own in the same
 * transaction, so that for writes that changed nothing they are those of after whatever made them
 * change nothing. */
static bool queue_writes(struct pg_batch *run)
{
    struct pg_text_array *a = run->parameters->texts;
    const struct batch *batch = run->batch;
    for (int i = 0; i < PARAMETERS_MAX; i++) {
        pg_text_array_clear(&a[i]);
    }
    for (size_t i = 0; i < batch->size; i++) {
        const struct operation *operation = batch->operations[i];
        int first = operation->kind == OPERATION_ADD ? 0 : 2;
        pg_text_array_add(&a[first], &operation->entity);
        pg_text_array_add(&a[first + 1], &operation->user);
    }
    const struct parameter parameters[] = {array_parameter(&a[0]), array_parameter(&a[1]),
                                           array_parameter(&a[2]), array_parameter(&a[3])};
    bool held = a[2].elements == 0 || queue_statement(run, "hold", take_nothing, parameters + 2, 2);
    return held && queue_statement(run, "write", take_written, parameters, 4) && queue_counts(run);
}

static bool queue_lookups(struct pg_batch *run, const char *statement)
{
    struct pg_text_array *a = run->parameters->texts;
    pg_text_array_clear(&a[0]);
    pg_text_array_clear(&a[1]);
    for (size_t i = 0; i < run->batch->size; i++) {
        pg_text_array_add(&a[0], &run->batch->operations[i]->entity);
        pg_text_array_add(&a[1], &run->batch->operations[i]->user);
    }
    const struct parameter parameters[] = {array_parameter(&a[0]), array_parameter(&a[1])};
    return queue_statement(run, statement, take_found, parameters, 2);
}

/* One statement for each listing: they share the way to Postgres and back. */
static bool queue_lists(struct pg_batch *run)
{
    bool users = run->batch->kind == OPERATION_LIST_USERS;
    bool queued = true;
    for (size_t i = 0; i < run->batch->size && queued; i++) {
        const struct operation *operation = run->batch->operations[i];
        char limit[8];
        pg_encode_int64((int64_t)operation->page_size, limit);
        const struct parameter parameters[] = {
            text_parameter(users ? &operation->entity : &operation->user),
            text_parameter(&operation->after),
            {limit, sizeof limit},
        };
        queued =
            queue_statement(run, users ? "list_users" : "list_entities", take_page, parameters, 3);
    }
    return queued;
}

static bool queue_statements(struct pg_batch *run)
{
    switch (run->batch->kind) {
    case OPERATION_ADD:
    case OPERATION_REMOVE:
        return queue_writes(run);
    case OPERATION_LOOKUP:
        return queue_lookups(run, "lookup");
    case OPERATION_COUNT:
        return queue_counts(run);
    case OPERATION_FIND:
        return queue_lookups(run, "find");
    case OPERATION_LIST_USERS:
    case OPERATION_LIST_ENTITIES:
        return queue_lists(run);
    }
    assert(false && "a kind that no batch has");
    return false;
}

bool pg_batch_begin(struct pg_batch *run, struct instant now)
{
    struct batch *batch = run->batch;
    qsort(batch->operations, batch->size, sizeof batch->operations[0], by_entity_and_user);
    run->sent = now;
    run->queued = 0;
    run->answered = 0;
    return queue_statements(run) && PQpipelineSync(run->connection) == 1;
}

bool pg_batch_take(struct pg_batch *run, const PGresult *rows, struct instant now)
{
    return run->takes[run->answered](run, rows, now);
}

void pg_batch_answered(struct pg_batch *run)
{
    run->answered++;
}
