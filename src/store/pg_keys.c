/* Idempotency keys: looks answers up, stores them, and deletes expired ones. */
#include "rsvpd/store/pg_keys.h"
#include "rsvpd/base/text.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdlib.h>

enum { ACTION_SIZE_BYTES = 64 };

/* What is asked for, as it is kept with the answer: "POST rsvp". */
static struct slice action_of(const struct operation *operation, char buffer[ACTION_SIZE_BYTES])
{
    bool removes = operation->kind == OPERATION_REMOVE;
    bool past_capacity = !removes && operation_write(operation)->past_capacity;
    struct text action = text_over(buffer, ACTION_SIZE_BYTES);
    text_add_cstr(&action, removes ? "DELETE " : "POST ");
    text_add_cstr(&action, operation->relation->name);
    text_add_cstr(&action, past_capacity ? "?past_capacity" : "");
    assert(!action.truncated);
    return text_slice(&action);
}

static bool parse_kept_answers(struct pg_exchange *exchange, const PGresult *rows,
                               struct instant now)
{
    (void)now;
    for (int row = 0; row < PQntuples(rows); row++) {
        int64_t place = pg_row_number(rows, row, 0) - 1;
        assert(place >= 0 && (size_t)place < exchange->keyed_size);
        struct operation *operation = exchange->keyed[place];
        char action[ACTION_SIZE_BYTES];
        if (!slice_equal(pg_row_text(rows, row, 1), action_of(operation, action)) ||
            !slice_equal(pg_row_text(rows, row, 2), identifier_slice(&operation->entity))) {
            operation->verdict = OUTCOME_KEY_REUSED;
            continue;
        }
        struct operation_write *write = operation_write(operation);
        write->replayed = true;
        write->changed = pg_row_number(rows, row, 3) != 0;
        operation->count.value = pg_row_number(rows, row, 4);
        write->position = pg_row_number(rows, row, 5);
        write->position_is_exact = pg_row_number(rows, row, 6) != 0;
        write->waiting = write->position > 0;
        write->member = operation->kind == OPERATION_ADD && !write->waiting;
    }
    return true;
}

static int key_compare(const struct idempotency_key *a, const struct idempotency_key *b)
{
    size_t common = a->size < b->size ? a->size : b->size;
    int order = memcmp(a->data, b->data, common);
    return order != 0 ? order : (int)a->size - (int)b->size;
}

static int by_user_and_key(const void *a_, const void *b_)
{
    const struct operation *a = *(const struct operation *const *)a_;
    const struct operation *b = *(const struct operation *const *)b_;
    int order = identifier_compare(&a->user, &b->user);
    order = order != 0 ? order : key_compare(&operation_write(a)->key, &operation_write(b)->key);
    return order != 0 ? order : (a->arrival > b->arrival) - (a->arrival < b->arrival);
}

static bool same_key(const struct operation *a, const struct operation *b)
{
    return identifier_equal(&a->user, &b->user) &&
           idempotency_key_equal(&operation_write(a)->key, &operation_write(b)->key);
}

void pg_keys_gather(struct pg_exchange *exchange)
{
    const struct batch *batch = exchange->batch;
    exchange->keyed_size = 0;
    for (size_t i = 0; i < batch->size && batch->path != PATH_PLAIN; i++) {
        if (operation_write(batch->operations[i])->key.size > 0) {
            exchange->keyed[exchange->keyed_size++] = batch->operations[i];
        }
    }
    qsort(exchange->keyed, exchange->keyed_size, sizeof(struct operation *), by_user_and_key);
}

void pg_keys_hold_back(struct pg_exchange *exchange)
{
    const struct operation *first = NULL;
    for (size_t i = 0; i < exchange->keyed_size; i++) {
        struct operation *operation = exchange->keyed[i];
        if (first != NULL && same_key(first, operation) && operation_acts(operation)) {
            operation->verdict = OUTCOME_IN_FLIGHT;
        }
        first = operation_acts(operation) ? operation : first;
    }
}

bool pg_keys_queue_look_up(struct pg_exchange *exchange)
{
    struct pg_array *arrays = exchange->parameters->arrays;
    pg_statement_clear_texts(exchange, 2);
    for (size_t i = 0; i < exchange->keyed_size; i++) {
        pg_array_add_text(&arrays[0], identifier_slice(&exchange->keyed[i]->user));
        pg_array_add_text(&arrays[1],
                          idempotency_key_slice(&operation_write(exchange->keyed[i])->key));
    }
    return pg_statement_queue_arrays(exchange, "lookup_keys", parse_kept_answers, 2);
}

/* Whether the answer of a write with a key is to be stored. */
static bool is_to_store(const struct operation *operation)
{
    return operation_acts(operation) && operation->verdict == OUTCOME_DONE;
}

bool pg_keys_queue_store(struct pg_exchange *exchange)
{
    struct pg_array *arrays = exchange->parameters->arrays;
    pg_statement_clear_texts(exchange, 4);
    for (size_t i = 4; i < 8; i++) {
        pg_array_clear_int64(&arrays[i]);
    }
    for (size_t i = 0; i < exchange->keyed_size; i++) {
        const struct operation *operation = exchange->keyed[i];
        char action[ACTION_SIZE_BYTES];
        if (is_to_store(operation)) {
            pg_array_add_text(&arrays[0], identifier_slice(&operation->user));
            pg_array_add_text(&arrays[1], idempotency_key_slice(&operation_write(operation)->key));
            pg_array_add_text(&arrays[2], action_of(operation, action));
            pg_array_add_text(&arrays[3], identifier_slice(&operation->entity));
            pg_array_add_int64(&arrays[4], operation_write(operation)->changed);
            pg_array_add_int64(&arrays[5], operation->count.value);
            pg_array_add_int64(&arrays[6], operation_write(operation)->position);
            pg_array_add_int64(&arrays[7], operation_write(operation)->position_is_exact);
        }
    }
    return arrays[0].elements == 0 ||
           pg_statement_queue_arrays(exchange, "store_keys", pg_row_parse_nothing, 8);
}

static bool parse_deleted_keys(struct pg_exchange *exchange, const PGresult *rows,
                               struct instant now)
{
    (void)now;
    operation_expiry(exchange->batch->operations[0])->keys_expired = pg_row_number(rows, 0, 0);
    return true;
}

bool pg_keys_queue_expire(struct pg_exchange *exchange)
{
    char limit[8];
    pg_encode_int64(operation_expiry(exchange->batch->operations[0])->keys_max, limit);
    const struct pg_parameter parameter = pg_parameter_number(limit);
    return pg_statement_queue(exchange, "expire_keys", parse_deleted_keys, &parameter, 1);
}

bool pg_keys_queue_erase(struct pg_exchange *exchange)
{
    const struct operation *operation = exchange->batch->operations[0];
    char limit[8];
    pg_encode_int64(operation_expiry(operation)->keys_max, limit);
    const struct pg_parameter parameters[] = {pg_parameter_text(&operation->user),
                                              pg_parameter_number(limit)};
    return pg_statement_queue(exchange, "erase_keys", parse_deleted_keys, parameters, 2);
}
