/* The model of the primary, stepped by hand. */
#include "fake_primary.h"

#include "unit.h"

#include <stdlib.h>

#define FOR_EVER_US (INT64_MAX / 2)

/* ---- what is true ---- */

static void check_rules(const struct fake_primary *primary)
{
    for (size_t i = 0; i < primary->model.row_count; i++) {
        assert_null(primary->model.rows[i]->broken);
    }
}

static struct model_row *row_of(struct fake_primary *primary, const struct relation *relation,
                                const char *entity)
{
    const struct identifier id = unit_id(entity);
    return model_primary_row(&primary->model, relation, &id);
}

const struct model_history *fake_primary_history(struct fake_primary *primary,
                                                 const struct relation *relation,
                                                 const struct identifier *entity)
{
    return &model_primary_row(&primary->model, relation, entity)->history;
}

struct count fake_primary_count(struct fake_primary *primary, const struct relation *relation,
                                const char *entity, struct instant now)
{
    return model_row_count(row_of(primary, relation, entity), now);
}

void fake_primary_change(struct fake_primary *primary, enum operation_kind kind,
                         const struct relation *relation, const char *entity, const char *user,
                         struct instant now)
{
    const struct identifier entity_id = unit_id(entity), user_id = unit_id(user);
    model_primary_write(&primary->model, kind, relation, &entity_id, &user_id, now);
    check_rules(primary);
}

bool fake_primary_is_admitted(struct fake_primary *primary, const struct identifier *entity)
{
    return model_primary_row(&primary->model, &relations[RELATION_RSVP], entity)
        ->event.has_settings;
}

void fake_primary_configure(struct fake_primary *primary, const char *entity,
                            const struct settings *settings, struct instant now)
{
    primary->model.step_max = (int)primary->promote_max;
    model_primary_configure(&primary->model, row_of(primary, &relations[RELATION_RSVP], entity),
                            settings, now);
    check_rules(primary);
}

/* ---- batches ---- */

bool fake_primary_misroutes(struct fake_primary *primary, struct batch *batch, struct instant now)
{
    if (batch->kind != OPERATION_ADD) {
        return false;
    }
    model_primary_recall(&primary->model, batch, now);
    return model_primary_obstacle(&primary->model, batch, now) == BATCH_MISROUTED;
}

static bool writes_settings(const struct operation *operation)
{
    return operation->kind == OPERATION_STORE_SETTINGS ||
           operation->kind == OPERATION_CLEAR_SETTINGS;
}

static void execute_expiry(struct fake_primary *primary, struct operation_expiry *expiry)
{
    expiry->keys_expired =
        primary->expired < expiry->keys_max ? primary->expired : expiry->keys_max;
    primary->expired -= expiry->keys_expired;
}

/* Whoever watches is told of what was done. */
static void tell_executed(const struct fake_primary *primary, const struct operation *operation)
{
    bool writes = operation_is_write(operation) || writes_settings(operation);
    if (primary->executed != NULL && writes && operation_acts(operation) &&
        operation->verdict == OUTCOME_DONE) {
        primary->executed(operation);
    }
}

void fake_primary_execute(struct fake_primary *primary, struct flight *flight, struct instant now)
{
    struct batch *batch = flight->batch;
    assert_false(flight->executed);
    assert_false(fake_primary_misroutes(primary, batch, now));
    flight->executed = true;
    primary->model.step_max = (int)primary->promote_max;
    if (batch->kind == OPERATION_EXPIRE_KEYS) {
        execute_expiry(primary, operation_expiry(batch->operations[0]));
    } else if (batch->kind == OPERATION_CLAIM_PROMOTIONS && primary->promoting_elsewhere) {
        operation_claim(batch->operations[0])->entity.size = 0;
    } else {
        model_primary_execute(&primary->model, batch, now);
    }
    check_rules(primary);
    for (size_t i = 0; i < batch->size; i++) {
        tell_executed(primary, batch->operations[i]);
    }
}

void fake_primary_end(struct fake_primary *primary, struct flight *flight,
                      enum batch_outcome outcome, struct instant now)
{
    struct batch *batch = flight->batch;
    if (outcome == BATCH_DONE && !flight->executed) {
        if (fake_primary_misroutes(primary, batch, now)) {
            outcome = BATCH_MISROUTED;
        } else {
            fake_primary_execute(primary, flight, now);
        }
    }
    for (size_t i = 0; i < batch->size && outcome == BATCH_MISROUTED; i++) {
        assert_int_equal(batch->kind, OPERATION_ADD);
        model_primary_reset(batch->operations[i]);
        batch->operations[i]->path = model_primary_path(&primary->model, batch->operations[i]);
    }
    assert_true(!flight->executed || outcome == BATCH_DONE || outcome == BATCH_LOST ||
                outcome == BATCH_UNSURE);
    for (size_t i = 0; i < batch->size && outcome != BATCH_DONE && outcome != BATCH_MISROUTED;
         i++) { /* what undone statements found is of no worth, and stays */
        batch->operations[i]->verdict = OUTCOME_FULL;
    }
    size_t behind = (size_t)(primary->flights + --primary->flight_count - flight);
    memmove(flight, flight + 1, behind * sizeof *flight);
    primary->listener.batch_ended(primary->listener.service, batch, outcome, now.mono_us);
}

struct flight *fake_primary_flight(struct fake_primary *primary, enum pool pool)
{
    for (size_t i = 0; i < primary->flight_count; i++) {
        if (primary->flights[i].pool == pool) {
            return &primary->flights[i];
        }
    }
    fail_msg("nothing is under way on pool %d", (int)pool);
    return NULL;
}

size_t fake_primary_flying(const struct fake_primary *primary, enum pool pool)
{
    size_t count = 0;
    for (size_t i = 0; i < primary->flight_count; i++) {
        count += primary->flights[i].pool == pool;
    }
    return count;
}

void fake_primary_set_up(struct fake_primary *primary, bool up, struct instant now)
{
    primary->up = up;
    while (!up && primary->flight_count > 0) {
        fake_primary_end(primary, &primary->flights[0], BATCH_LOST, now);
    }
    primary->listener.changed(primary->listener.service, now.mono_us);
}

void fake_primary_set_read_only(struct fake_primary *primary, bool read_only, struct instant now)
{
    primary->read_only = read_only;
    primary->listener.changed(primary->listener.service, now.mono_us);
}

/* ---- the port ---- */

static bool available(void *store, enum pool pool)
{
    const struct fake_primary *primary = store;
    return primary->up && !(primary->read_only && pool == POOL_WRITE) &&
           !(pool == POOL_REPLICA && primary->connections[POOL_REPLICA] == 0);
}

static bool can_send(void *store, enum pool pool)
{
    const struct fake_primary *primary = store;
    return available(store, pool) &&
           fake_primary_flying(primary, pool) < primary->connections[pool];
}

/* Whether two operations must not be under way at once: writes of a key, and loads of a count, but
 * for one whose deadline has passed. */
static bool collide(const struct operation *a, const struct operation *b)
{
    bool same_entity = a->relation == b->relation && identifier_equal(&a->entity, &b->entity);
    if (a->kind == OPERATION_COUNT && b->kind == OPERATION_COUNT) {
        return same_entity && !a->answered && !b->answered;
    }
    return operation_is_write(a) && operation_is_write(b) && same_entity &&
           identifier_equal(&a->user, &b->user);
}

static bool collides_with_any(const struct operation *operation, const struct batch *batch)
{
    for (size_t i = 0; i < batch->size; i++) {
        if (batch->operations[i] != operation && collide(batch->operations[i], operation)) {
            return true;
        }
    }
    return false;
}

/* A path is for operations of one kind; what the primary makes of it is told in the end. */
static void check_path(const struct batch *batch, const struct operation *operation)
{
    bool keyed = operation_is_write(operation) && operation_write(operation)->key.size > 0;
    assert_int_equal(operation->path, batch->path);
    if (!operation_is_write(operation)) {
        assert_int_equal(batch->path, PATH_PLAIN);
    }
    assert_true(batch->path != PATH_PLAIN || !keyed);
    assert_true(batch->path != PATH_KEYED || keyed);
    assert_true(batch->path != PATH_ADMITTED || batch->relation->has_settings);
}

static enum operation_kind kind_of_batch(const struct operation *operation)
{
    return operation_is_write(operation) ? OPERATION_ADD
           : writes_settings(operation) || operation->kind == OPERATION_PROMOTE
               ? OPERATION_STORE_SETTINGS
               : operation->kind;
}

static void check_batch(const struct fake_primary *primary, enum pool pool,
                        const struct batch *batch)
{
    assert_true(batch->size >= 1 && batch->size <= BATCH_SIZE_MAX);
    for (size_t i = 0; i < batch->size; i++) {
        const struct operation *operation = batch->operations[i];
        assert_ptr_equal(operation->relation, batch->relation);
        assert_int_equal(operation->state, OPERATION_SENT);
        assert_int_equal(operation_is_write(operation) || writes_settings(operation) ||
                             operation_is_expiry(operation) ||
                             operation->kind == OPERATION_PROMOTE ||
                             operation->kind == OPERATION_CLAIM_PROMOTIONS,
                         pool == POOL_WRITE);
        assert_int_equal(batch->kind, kind_of_batch(operation));
        assert_true(batch->size == 1 || !writes_settings(operation));
        check_path(batch, operation);
        assert_true(batch->size <= operation->batch_limit);
        assert_false(collides_with_any(operation, batch));
        for (size_t j = 0; j < primary->flight_count; j++) {
            assert_ptr_not_equal(primary->flights[j].batch, batch);
            assert_false(collides_with_any(operation, primary->flights[j].batch));
        }
    }
}

static int by_entity_and_user(const void *a_, const void *b_)
{
    const struct operation *a = *(const struct operation *const *)a_;
    const struct operation *b = *(const struct operation *const *)b_;
    int order = identifier_compare(&a->entity, &b->entity);
    return order != 0 ? order : identifier_compare(&a->user, &b->user);
}

static void send_batch(void *store, enum pool pool, struct batch *batch, int64_t now_us)
{
    struct fake_primary *primary = store;
    (void)now_us;
    assert_true(can_send(primary, pool));
    check_batch(primary, pool, batch);
    qsort(batch->operations, batch->size, sizeof batch->operations[0], by_entity_and_user);
    for (size_t i = 0; i < batch->size && primary->sent != NULL; i++) {
        if (operation_is_write(batch->operations[i]) || writes_settings(batch->operations[i])) {
            primary->sent(batch->operations[i]);
        }
    }
    assert_true(primary->flight_count < FLIGHTS_MAX);
    primary->flights[primary->flight_count++] = (struct flight){.batch = batch, .pool = pool};
    primary->batches_sent++;
}

void fake_primary_init(struct fake_primary *primary, size_t write_connections,
                       size_t read_connections)
{
    *primary = (struct fake_primary){
        .port = {.store = primary,
                 .can_send = can_send,
                 .send = send_batch,
                 .available = available},
        .up = true,
        .connections = {[POOL_WRITE] = write_connections, [POOL_READ] = read_connections},
    };
    model_primary_init(&primary->model, FOR_EVER_US);
}

void fake_primary_free(struct fake_primary *primary)
{
    model_primary_free(&primary->model);
}
