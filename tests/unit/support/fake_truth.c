/* A small model of the truth. */
#include "fake_truth.h"

#include "unit.h"

#include <stdlib.h>

/* Room for one more element at the end of a growing array. */
static void *grown(void *array, size_t size, size_t *capacity, size_t element_size)
{
    if (size == *capacity) {
        *capacity = size == 0 ? 16 : size * 2;
        array = realloc(array, *capacity * element_size);
        assert_non_null(array);
    }
    return array;
}

/* ---- what is true ---- */

struct counter *fake_truth_counter(struct fake_truth *truth, const struct relation *relation,
                                   const struct identifier *entity)
{
    for (size_t i = 0; i < truth->counter_count; i++) {
        struct counter *counter = &truth->counters[i];
        if (counter->relation == relation && identifier_equal(&counter->entity, entity)) {
            return counter;
        }
    }
    truth->counters = grown(truth->counters, truth->counter_count, &truth->counter_capacity,
                            sizeof *truth->counters);
    struct counter *counter = &truth->counters[truth->counter_count++];
    *counter = (struct counter){.relation = relation, .entity = *entity};
    counter->at = grown(NULL, 0, &counter->capacity, sizeof *counter->at);
    counter->at[counter->versions++] = (struct reading){.value = 0, .since_us = INT64_MIN};
    return counter;
}

static void change_counter(struct counter *counter, int64_t by, int64_t now_us)
{
    counter->at = grown(counter->at, counter->versions, &counter->capacity, sizeof *counter->at);
    int64_t value = counter->at[counter->versions - 1].value + by;
    counter->at[counter->versions++] = (struct reading){.value = value, .since_us = now_us};
}

static struct count read_counter(const struct counter *counter, struct instant now)
{
    return (struct count){.value = counter->at[counter->versions - 1].value,
                          .version = (int64_t)counter->versions - 1,
                          .as_of_mono_us = now.mono_us,
                          .as_of_wall_us = now.wall_us};
}

struct count fake_truth_count(struct fake_truth *truth, const struct relation *relation,
                              const char *entity, struct instant now)
{
    struct identifier id = unit_id(entity);
    return read_counter(fake_truth_counter(truth, relation, &id), now);
}

static struct member *find_member(struct fake_truth *truth, const struct member *wanted)
{
    for (size_t i = 0; i < truth->member_count; i++) {
        struct member *member = &truth->members[i];
        if (member->relation == wanted->relation &&
            identifier_equal(&member->entity, &wanted->entity) &&
            identifier_equal(&member->user, &wanted->user)) {
            return member;
        }
    }
    return NULL;
}

/* Adds or removes a member; answers by how much the count changes. */
static int64_t change_member(struct fake_truth *truth, enum operation_kind kind,
                             const struct member *wanted)
{
    struct member *found = find_member(truth, wanted);
    if (kind == OPERATION_ADD && found == NULL) {
        truth->members = grown(truth->members, truth->member_count, &truth->member_capacity,
                               sizeof *truth->members);
        truth->members[truth->member_count++] = *wanted;
        return 1;
    }
    if (kind == OPERATION_REMOVE && found != NULL) {
        *found = truth->members[--truth->member_count];
        return -1;
    }
    return 0;
}

void fake_truth_change(struct fake_truth *truth, enum operation_kind kind,
                       const struct relation *relation, const char *entity, const char *user,
                       struct instant now)
{
    struct member member = {relation, unit_id(entity), unit_id(user), now.wall_us};
    int64_t by = change_member(truth, kind, &member);
    if (by != 0) {
        change_counter(fake_truth_counter(truth, relation, &member.entity), by, now.mono_us);
    }
}

/* ---- batches ---- */

/* The operations from `first` on that have its entity; sorted, they stand together. */
static size_t same_entity_end(const struct batch *batch, size_t first)
{
    size_t end = first + 1;
    while (end < batch->size &&
           identifier_equal(&batch->operations[end]->entity, &batch->operations[first]->entity)) {
        end++;
    }
    return end;
}

static void execute_writes(struct fake_truth *truth, const struct batch *batch, struct instant now)
{
    for (size_t first = 0; first < batch->size;) {
        size_t end = same_entity_end(batch, first);
        struct counter *counter =
            fake_truth_counter(truth, batch->relation, &batch->operations[first]->entity);
        int64_t by = 0;
        bool changed = false;
        for (size_t i = first; i < end; i++) {
            struct operation *operation = batch->operations[i];
            struct member member = {batch->relation, operation->entity, operation->user,
                                    now.wall_us};
            int64_t step = change_member(truth, operation->kind, &member);
            operation->changed = step != 0;
            operation->member = operation->kind == OPERATION_ADD;
            changed = changed || step != 0;
            by += step;
            if (truth->executed != NULL) {
                truth->executed(operation);
            }
        }
        if (changed) {
            change_counter(counter, by, now.mono_us);
        }
        for (; first < end; first++) {
            batch->operations[first]->count = read_counter(counter, now);
        }
    }
}

/* The line that follows `last` in the listing, NULL at its end. */
static const struct identifier *next_line(const struct fake_truth *truth,
                                          const struct operation *operation,
                                          const struct identifier *last, int64_t *since_us)
{
    bool of_users = operation->kind == OPERATION_LIST_USERS;
    const struct identifier *of = of_users ? &operation->entity : &operation->user, *next = NULL;
    for (size_t i = 0; i < truth->member_count; i++) {
        const struct member *member = &truth->members[i];
        const struct identifier *id = of_users ? &member->user : &member->entity;
        if (member->relation == operation->relation &&
            identifier_equal(of_users ? &member->entity : &member->user, of) &&
            identifier_compare(id, last) > 0 &&
            (next == NULL || identifier_compare(id, next) < 0)) {
            next = id;
            *since_us = member->since_us;
        }
    }
    return next;
}

static void execute_list(const struct fake_truth *truth, struct operation *operation)
{
    const struct identifier *last = &operation->after, *next;
    int64_t since_us;
    free(operation->page);
    operation->page =
        malloc(sizeof *operation->page + operation->page_size * sizeof operation->page->lines[0]);
    assert_non_null(operation->page);
    operation->page->size = 0;
    while (operation->page->size < operation->page_size &&
           (next = next_line(truth, operation, last, &since_us)) != NULL) {
        operation->page->lines[operation->page->size++] =
            (struct page_line){.id = *next, .created_at_us = since_us};
        last = next;
    }
}

static void execute_read(struct fake_truth *truth, struct operation *operation, struct instant now)
{
    struct member wanted = {operation->relation, operation->entity, operation->user, 0};
    const struct member *found;
    switch (operation->kind) {
    case OPERATION_LOOKUP:
    case OPERATION_FIND:
        found = find_member(truth, &wanted);
        operation->member = found != NULL;
        operation->created_at_us = found != NULL ? found->since_us : 0;
        return;
    case OPERATION_COUNT:
        operation->count =
            read_counter(fake_truth_counter(truth, operation->relation, &operation->entity), now);
        return;
    case OPERATION_LIST_USERS:
    case OPERATION_LIST_ENTITIES:
        execute_list(truth, operation);
        return;
    case OPERATION_FORGET:
        operation->forgotten = 0;
        return;
    case OPERATION_LIST_WAITING:
    case OPERATION_SETTINGS:
    case OPERATION_CONFIGURE:
    case OPERATION_RELEASE:
    case OPERATION_ADD:
    case OPERATION_REMOVE:
        break;
    }
    fail_msg("kind %d is no read", (int)operation->kind);
}

void fake_truth_execute(struct fake_truth *truth, struct flight *flight, struct instant now)
{
    assert_false(flight->executed);
    flight->executed = true;
    if (flight->batch->kind == OPERATION_ADD) {
        execute_writes(truth, flight->batch, now);
    } else {
        for (size_t i = 0; i < flight->batch->size; i++) {
            execute_read(truth, flight->batch->operations[i], now);
        }
    }
}

void fake_truth_end(struct fake_truth *truth, struct flight *flight, enum batch_outcome outcome,
                    struct instant now)
{
    struct batch *batch = flight->batch;
    if (outcome == BATCH_DONE && !flight->executed) {
        fake_truth_execute(truth, flight, now);
    }
    assert_true(!flight->executed || outcome == BATCH_DONE || outcome == BATCH_LOST);
    size_t behind = (size_t)(truth->flights + --truth->flight_count - flight);
    memmove(flight, flight + 1, behind * sizeof *flight);
    truth->listener.batch_ended(truth->listener.service, batch, outcome, now.mono_us);
}

struct flight *fake_truth_flight(struct fake_truth *truth, enum lane lane)
{
    for (size_t i = 0; i < truth->flight_count; i++) {
        if (truth->flights[i].lane == lane) {
            return &truth->flights[i];
        }
    }
    fail_msg("nothing is under way on lane %d", (int)lane);
    return NULL;
}

size_t fake_truth_flying(const struct fake_truth *truth, enum lane lane)
{
    size_t count = 0;
    for (size_t i = 0; i < truth->flight_count; i++) {
        count += truth->flights[i].lane == lane;
    }
    return count;
}

void fake_truth_set_up(struct fake_truth *truth, bool up, struct instant now)
{
    truth->up = up;
    while (!up && truth->flight_count > 0) {
        fake_truth_end(truth, &truth->flights[0], BATCH_LOST, now);
    }
    truth->listener.changed(truth->listener.service, now.mono_us);
}

/* ---- the port ---- */

static bool can_send(void *store, enum lane lane)
{
    const struct fake_truth *truth = store;
    return truth->up && fake_truth_flying(truth, lane) < truth->connections[lane];
}

static bool available(void *store)
{
    return ((const struct fake_truth *)store)->up;
}

static bool is_write(const struct operation *operation)
{
    return operation->kind == OPERATION_ADD || operation->kind == OPERATION_REMOVE;
}

/* Whether two operations must not be under way at once: writes of a key, and loads of a count, but
 * for one whose deadline has passed. */
static bool collide(const struct operation *a, const struct operation *b)
{
    bool same_entity = a->relation == b->relation && identifier_equal(&a->entity, &b->entity);
    if (a->kind == OPERATION_COUNT && b->kind == OPERATION_COUNT) {
        return same_entity && !a->answered && !b->answered;
    }
    return is_write(a) && is_write(b) && same_entity && identifier_equal(&a->user, &b->user);
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

static void check_batch(const struct fake_truth *truth, enum lane lane, const struct batch *batch)
{
    assert_true(batch->size >= 1 && batch->size <= BATCH_SIZE_MAX);
    for (size_t i = 0; i < batch->size; i++) {
        const struct operation *operation = batch->operations[i];
        assert_ptr_equal(operation->relation, batch->relation);
        assert_int_equal(operation->state, OPERATION_SENT);
        assert_int_equal(is_write(operation) || operation->kind == OPERATION_FORGET,
                         lane == LANE_WRITE);
        assert_int_equal(batch->kind, is_write(operation) ? OPERATION_ADD : operation->kind);
        assert_true(batch->size <= operation->mates_max);
        assert_false(collides_with_any(operation, batch));
        for (size_t j = 0; j < truth->flight_count; j++) {
            assert_ptr_not_equal(truth->flights[j].batch, batch);
            assert_false(collides_with_any(operation, truth->flights[j].batch));
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

static void send_batch(void *store, enum lane lane, struct batch *batch, int64_t now_us)
{
    struct fake_truth *truth = store;
    (void)now_us;
    assert_true(can_send(truth, lane));
    check_batch(truth, lane, batch);
    qsort(batch->operations, batch->size, sizeof batch->operations[0], by_entity_and_user);
    for (size_t i = 0; i < batch->size && lane == LANE_WRITE && truth->sent != NULL; i++) {
        truth->sent(batch->operations[i]);
    }
    assert_true(truth->flight_count < FLIGHTS_MAX);
    truth->flights[truth->flight_count++] = (struct flight){.batch = batch, .lane = lane};
    truth->batches_sent++;
}

void fake_truth_init(struct fake_truth *truth, size_t write_connections, size_t read_connections)
{
    *truth = (struct fake_truth){
        .port = {.store = truth, .can_send = can_send, .send = send_batch, .available = available},
        .up = true,
        .connections = {[LANE_WRITE] = write_connections, [LANE_READ] = read_connections},
    };
}

void fake_truth_free(struct fake_truth *truth)
{
    for (size_t i = 0; i < truth->counter_count; i++) {
        free(truth->counters[i].at);
    }
    free(truth->counters);
    free(truth->members);
}
