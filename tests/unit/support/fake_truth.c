/* A small model of the truth. */
#include "fake_truth.h"

#include "unit.h"

#include <stdlib.h>

enum { NONSENSE = 1000000000 };

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

/* ---- settings ---- */

static struct managed *find_managed(struct fake_truth *truth, const struct relation *relation,
                                    const struct identifier *entity)
{
    for (size_t i = 0; i < truth->managed_count && relation->has_settings; i++) {
        if (identifier_equal(&truth->managed[i].entity, entity)) {
            return &truth->managed[i];
        }
    }
    return NULL;
}

bool fake_truth_is_managed(struct fake_truth *truth, const struct identifier *entity)
{
    return find_managed(truth, &relations[RELATION_RSVP], entity) != NULL;
}

static int64_t seats_of(struct fake_truth *truth, const struct managed *managed)
{
    const struct counter *counter =
        fake_truth_counter(truth, &relations[RELATION_RSVP], &managed->entity);
    return managed->settings.limited
               ? managed->settings.capacity - counter->at[counter->versions - 1].value
               : INT64_MAX;
}

static void make_member(struct fake_truth *truth, const struct managed *managed,
                        const struct identifier *user, struct instant now)
{
    struct member member = {&relations[RELATION_RSVP], managed->entity, *user, now.wall_us};
    int64_t by = change_member(truth, OPERATION_ADD, &member);
    assert_int_equal(by, 1);
    change_counter(fake_truth_counter(truth, member.relation, &managed->entity), 1, now.mono_us);
}

static void drop_waiting(struct managed *managed, size_t place)
{
    memmove(managed->waiting + place, managed->waiting + place + 1,
            (--managed->waiting_count - place) * sizeof managed->waiting[0]);
}

/* Free seats go to those who have waited longest, to so many of them at most. */
static void promote(struct fake_truth *truth, struct managed *managed, size_t max,
                    struct instant now)
{
    const struct settings *settings = &managed->settings;
    bool closed = settings->closes && now.wall_us >= settings->closes_at_us;
    managed->promoting = false;
    for (size_t i = 0; !closed && managed->waiting_count > 0 && seats_of(truth, managed) > 0; i++) {
        if (i == max) {
            managed->promoting = true;
            return;
        }
        make_member(truth, managed, &managed->waiting[0].user, now);
        drop_waiting(managed, 0);
    }
}

/* The place of a user in the row of those who wait; its size where they do not. */
static size_t place_of(const struct managed *managed, const struct identifier *user)
{
    size_t place = 0;
    while (place < managed->waiting_count &&
           !identifier_equal(&managed->waiting[place].user, user)) {
        place++;
    }
    return place;
}

/* As many as one transaction may move up; the settings go once nobody waits. */
static void step(struct fake_truth *truth, struct managed *managed, struct instant now)
{
    promote(truth, managed, truth->promote_max > 0 ? truth->promote_max : WAITERS_MAX, now);
    if (managed->releasing && managed->waiting_count == 0) {
        *managed = truth->managed[--truth->managed_count];
    }
}

static void configure(struct fake_truth *truth, const struct identifier *entity,
                      const struct settings *settings, struct instant now)
{
    static const struct settings none = {.limited = false};
    struct managed *managed = find_managed(truth, &relations[RELATION_RSVP], entity);
    if (managed == NULL) {
        truth->managed = grown(truth->managed, truth->managed_count, &truth->managed_capacity,
                               sizeof *truth->managed);
        managed = &truth->managed[truth->managed_count++];
        *managed = (struct managed){.entity = *entity};
    }
    managed->settings = settings == NULL ? none : *settings;
    managed->releasing = settings == NULL;
    step(truth, managed, now);
}

void fake_truth_configure(struct fake_truth *truth, const char *entity,
                          const struct settings *settings, struct instant now)
{
    struct identifier id = unit_id(entity);
    configure(truth, &id, settings, now);
}

static void read_settings(struct fake_truth *truth, struct operation *operation, struct instant now)
{
    const struct managed *managed = find_managed(truth, operation->relation, &operation->entity);
    operation->settings = managed == NULL ? (struct settings){.limited = false} : managed->settings;
    operation->waiting_count = managed == NULL ? 0 : (int64_t)managed->waiting_count;
    operation->incomplete = managed != NULL && managed->promoting;
    operation->count =
        read_counter(fake_truth_counter(truth, operation->relation, &operation->entity), now);
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

/* As it was before an attempt that was lost. */
static void reset(struct operation *operation)
{
    operation->verdict = OUTCOME_DONE;
    operation->changed = false;
    operation->member = operation->kind == OPERATION_ADD;
    operation->waiting = false;
    operation->replayed = false;
    operation->place = 0;
    operation->place_is_exact = true;
}

static const struct kept *find_kept(const struct fake_truth *truth,
                                    const struct operation *operation)
{
    for (size_t i = 0; i < truth->kept_count; i++) {
        const struct kept *kept = &truth->kept[i];
        if (identifier_equal(&kept->user, &operation->user) &&
            idempotency_key_equal(&kept->key, &operation->idempotency_key)) {
            return kept;
        }
    }
    return NULL;
}

/* Whether another operation of the batch came before with the same key of the same user. */
static bool has_predecessor(const struct batch *batch, const struct operation *operation)
{
    for (size_t i = 0; i < batch->size; i++) {
        const struct operation *other = batch->operations[i];
        if (other->arrival < operation->arrival &&
            identifier_equal(&other->user, &operation->user) &&
            idempotency_key_equal(&other->idempotency_key, &operation->idempotency_key)) {
            return true;
        }
    }
    return false;
}

/* What is kept under the operation's key, and whether it may have one. */
static void recall(const struct fake_truth *truth, const struct batch *batch,
                   struct operation *operation, struct instant now)
{
    reset(operation);
    if (operation->idempotency_key.size == 0) {
        return;
    }
    const struct kept *kept = find_kept(truth, operation);
    /* Only what acts holds a count that is worth anything. */
    operation->count =
        (struct count){.value = NONSENSE, .version = NONSENSE, .as_of_mono_us = now.mono_us};
    if (has_predecessor(batch, operation)) {
        operation->verdict = OUTCOME_IN_FLIGHT;
    } else if (kept != NULL &&
               (kept->kind != operation->kind || kept->relation != operation->relation ||
                kept->past_capacity != operation->past_capacity ||
                !identifier_equal(&kept->entity, &operation->entity))) {
        operation->verdict = OUTCOME_KEY_REUSED;
    } else if (kept != NULL) {
        operation->replayed = true;
        operation->changed = kept->changed;
        operation->count.value = kept->count;
        operation->place = kept->place;
        operation->waiting = kept->place > 0;
        operation->member = operation->kind == OPERATION_ADD && !operation->waiting;
    }
}

static void remember(struct fake_truth *truth, const struct operation *operation)
{
    if (operation->idempotency_key.size > 0 && operation_acts(operation) &&
        operation->verdict == OUTCOME_DONE) {
        truth->kept =
            grown(truth->kept, truth->kept_count, &truth->kept_capacity, sizeof *truth->kept);
        truth->kept[truth->kept_count++] = (struct kept){
            operation->user,          operation->entity,      operation->idempotency_key,
            operation->kind,          operation->relation,    operation->changed,
            operation->past_capacity, operation->count.value, operation->place};
    }
}

static void execute_plain(struct fake_truth *truth, struct operation *const *operations,
                          size_t size, struct instant now)
{
    struct counter *counter =
        fake_truth_counter(truth, operations[0]->relation, &operations[0]->entity);
    int64_t by = 0;
    bool changed = false;
    for (size_t i = 0; i < size; i++) {
        struct operation *operation = operations[i];
        struct member member = {operation->relation, operation->entity, operation->user,
                                now.wall_us};
        if (operation_acts(operation)) {
            int64_t step = change_member(truth, operation->kind, &member);
            operation->changed = step != 0;
            changed = changed || step != 0;
            by += step;
        }
    }
    if (changed) {
        change_counter(counter, by, now.mono_us);
    }
}

static void leave(struct fake_truth *truth, struct managed *managed, struct operation *operation,
                  struct instant now)
{
    struct member member = {operation->relation, operation->entity, operation->user, 0};
    size_t place = place_of(managed, &operation->user);
    if (place < managed->waiting_count) {
        drop_waiting(managed, place);
        operation->changed = true;
    } else if (change_member(truth, OPERATION_REMOVE, &member) != 0) {
        change_counter(fake_truth_counter(truth, operation->relation, &operation->entity), -1,
                       now.mono_us);
        operation->changed = true;
    }
}

static void admit(struct fake_truth *truth, struct managed *managed, struct operation *operation,
                  struct instant now)
{
    const struct settings *settings = &managed->settings;
    struct member member = {operation->relation, operation->entity, operation->user, 0};
    size_t place = place_of(managed, &operation->user);
    operation->member = false;
    if ((settings->opens && now.wall_us < settings->opens_at_us) ||
        (settings->closes && now.wall_us >= settings->closes_at_us)) {
        operation->verdict = OUTCOME_CLOSED;
    } else if (find_member(truth, &member) != NULL) {
        operation->member = true;
    } else if (place < managed->waiting_count) {
        operation->waiting = true;
    } else if (managed->waiting_count == 0 && seats_of(truth, managed) > 0) {
        make_member(truth, managed, &operation->user, now);
        operation->member = true;
        operation->changed = true;
    } else if (settings->waitlist || seats_of(truth, managed) > (int64_t)managed->waiting_count) {
        assert_true(managed->waiting_count < WAITERS_MAX);
        managed->waiting[managed->waiting_count++] =
            (struct waiting){operation->user, now.wall_us, ++managed->last_ticket};
        operation->waiting = true;
        operation->changed = true;
    } else {
        operation->verdict = OUTCOME_FULL;
    }
    operation->place = operation->waiting ? (int64_t)place + 1 : 0;
}

/* Whatever the settings say. */
static void summon(struct fake_truth *truth, struct managed *managed, struct operation *operation,
                   struct instant now)
{
    struct member member = {operation->relation, operation->entity, operation->user, 0};
    size_t place = place_of(managed, &operation->user);
    if (place < managed->waiting_count) {
        drop_waiting(managed, place);
    }
    if (find_member(truth, &member) == NULL) {
        make_member(truth, managed, &operation->user, now);
        operation->changed = true;
    }
}

static void summon_all(struct fake_truth *truth, struct managed *managed,
                       struct operation *const *operations, size_t size, struct instant now)
{
    for (size_t i = 0; i < size; i++) {
        if (operations[i]->kind == OPERATION_ADD && operations[i]->past_capacity &&
            operation_acts(operations[i])) {
            summon(truth, managed, operations[i], now);
        }
    }
}

/* First who leaves, then who moves up, then who comes, in the order of their arrival, and last who
 * is put in past the rules. */
static void execute_managed(struct fake_truth *truth, struct managed *managed,
                            struct operation *const *operations, size_t size, struct instant now)
{
    size_t removals = 0;
    for (size_t i = 0; i < size; i++) {
        if (operations[i]->kind == OPERATION_REMOVE && operation_acts(operations[i])) {
            leave(truth, managed, operations[i], now);
            removals++;
        }
    }
    if (removals > 0) {
        promote(truth, managed, removals, now);
    }
    struct operation *next;
    for (uint64_t after = 0;; after = next->arrival) {
        next = NULL;
        for (size_t i = 0; i < size; i++) {
            if (operations[i]->kind == OPERATION_ADD && !operations[i]->past_capacity &&
                operation_acts(operations[i]) && operations[i]->arrival > after &&
                (next == NULL || operations[i]->arrival < next->arrival)) {
                next = operations[i];
            }
        }
        if (next == NULL) {
            break;
        }
        admit(truth, managed, next, now);
    }
    summon_all(truth, managed, operations, size, now);
}

static void execute_writes(struct fake_truth *truth, const struct batch *batch, struct instant now)
{
    assert_false(fake_truth_misroutes(truth, batch, now));
    for (size_t i = 0; i < batch->size; i++) {
        recall(truth, batch, batch->operations[i], now);
    }
    for (size_t first = 0; first < batch->size;) {
        size_t end = same_entity_end(batch, first);
        struct operation *const *operations = batch->operations + first;
        const struct identifier *entity = &operations[0]->entity;
        struct managed *managed = find_managed(truth, batch->relation, entity);
        if (managed != NULL) {
            execute_managed(truth, managed, operations, end - first, now);
        } else {
            execute_plain(truth, operations, end - first, now);
        }
        for (; first < end; first++) {
            struct operation *operation = batch->operations[first];
            if (operation_acts(operation)) {
                operation->count =
                    read_counter(fake_truth_counter(truth, batch->relation, entity), now);
            }
            remember(truth, operation);
            if (truth->executed != NULL && operation_acts(operation) &&
                operation->verdict == OUTCOME_DONE) {
                truth->executed(operation);
            }
        }
    }
}

static enum write_path path_of(struct fake_truth *truth, const struct operation *operation)
{
    return find_managed(truth, operation->relation, &operation->entity) != NULL ? PATH_MANAGED
           : operation->idempotency_key.size > 0                                ? PATH_KEYED
                                                                                : PATH_PLAIN;
}

bool fake_truth_misroutes(struct fake_truth *truth, const struct batch *batch, struct instant now)
{
    bool misroutes = false;
    for (size_t i = 0; i < batch->size && batch->kind == OPERATION_ADD; i++) {
        struct operation *operation = batch->operations[i];
        recall(truth, batch, operation, now);
        bool managed = path_of(truth, operation) == PATH_MANAGED;
        misroutes =
            misroutes || (operation_acts(operation) && managed != (batch->path == PATH_MANAGED));
    }
    return misroutes;
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

static void execute_waiting(struct fake_truth *truth, struct operation *operation)
{
    const struct managed *managed = find_managed(truth, operation->relation, &operation->entity);
    size_t size = managed == NULL ? 0 : managed->waiting_count;
    free(operation->page);
    operation->page =
        malloc(sizeof *operation->page + operation->page_size * sizeof operation->page->lines[0]);
    assert_non_null(operation->page);
    operation->page->size = 0;
    for (size_t i = 0; i < size && operation->page->size < operation->page_size; i++) {
        const struct waiting *waiting = &managed->waiting[i];
        if (waiting->ticket > operation->after_ticket) {
            operation->page->lines[operation->page->size++] =
                (struct page_line){waiting->user, waiting->since_us, waiting->ticket};
        }
    }
}

static void execute_promoting(struct fake_truth *truth, struct operation *operation)
{
    free(operation->page);
    operation->page = malloc(sizeof *operation->page + sizeof operation->page->lines[0]);
    assert_non_null(operation->page);
    operation->page->size = 0;
    for (size_t i = 0;
         i < truth->managed_count && !truth->promoting_elsewhere && operation->page->size == 0;
         i++) {
        if (truth->managed[i].promoting) {
            operation->page->lines[operation->page->size++] =
                (struct page_line){.id = truth->managed[i].entity};
        }
    }
}

static void execute_one(struct fake_truth *truth, struct operation *operation, struct instant now)
{
    struct member wanted = {operation->relation, operation->entity, operation->user, 0};
    const struct member *found;
    const struct managed *managed;
    switch (operation->kind) {
    case OPERATION_LOOKUP:
    case OPERATION_FIND:
        managed = find_managed(truth, operation->relation, &operation->entity);
        operation->waiting =
            managed != NULL && place_of(managed, &operation->user) < managed->waiting_count;
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
    case OPERATION_LIST_WAITING:
        execute_waiting(truth, operation);
        return;
    case OPERATION_PROMOTING:
        execute_promoting(truth, operation);
        return;
    case OPERATION_FORGET:
        operation->forgotten = truth->expired < (int64_t)operation->page_size
                                   ? truth->expired
                                   : (int64_t)operation->page_size;
        truth->expired -= operation->forgotten;
        return;
    case OPERATION_CONFIGURE:
    case OPERATION_RELEASE:
    case OPERATION_PROMOTE:
        managed = find_managed(truth, operation->relation, &operation->entity);
        if (operation->kind != OPERATION_PROMOTE && !operation->applied) {
            configure(truth, &operation->entity,
                      operation->kind == OPERATION_CONFIGURE ? &operation->settings : NULL, now);
        } else if (managed != NULL) {
            step(truth, find_managed(truth, operation->relation, &operation->entity), now);
        }
        read_settings(truth, operation, now);
        if (truth->executed != NULL && operation->kind != OPERATION_PROMOTE) {
            truth->executed(operation);
        }
        return;
    case OPERATION_SETTINGS:
        read_settings(truth, operation, now);
        return;
    case OPERATION_ADD:
    case OPERATION_REMOVE:
        break;
    }
    fail_msg("a batch of kind %d is not of writes", (int)operation->kind);
}

void fake_truth_execute(struct fake_truth *truth, struct flight *flight, struct instant now)
{
    assert_false(flight->executed);
    flight->executed = true;
    if (flight->batch->kind == OPERATION_ADD) {
        execute_writes(truth, flight->batch, now);
    } else {
        for (size_t i = 0; i < flight->batch->size; i++) {
            reset(flight->batch->operations[i]);
            execute_one(truth, flight->batch->operations[i], now);
        }
    }
}

void fake_truth_end(struct fake_truth *truth, struct flight *flight, enum batch_outcome outcome,
                    struct instant now)
{
    struct batch *batch = flight->batch;
    if (outcome == BATCH_DONE && !flight->executed) {
        if (fake_truth_misroutes(truth, batch, now)) {
            outcome = BATCH_MISROUTED;
        } else {
            fake_truth_execute(truth, flight, now);
        }
    }
    for (size_t i = 0; i < batch->size && outcome == BATCH_MISROUTED; i++) {
        assert_int_equal(batch->kind, OPERATION_ADD);
        reset(batch->operations[i]);
        batch->operations[i]->path = path_of(truth, batch->operations[i]);
    }
    assert_true(!flight->executed || outcome == BATCH_DONE || outcome == BATCH_LOST);
    for (size_t i = 0; i < batch->size && outcome != BATCH_DONE && outcome != BATCH_MISROUTED;
         i++) { /* what undone statements found is of no worth, and stays */
        batch->operations[i]->verdict = OUTCOME_FULL;
    }
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

void fake_truth_set_read_only(struct fake_truth *truth, bool read_only, struct instant now)
{
    truth->read_only = read_only;
    truth->listener.changed(truth->listener.service, now.mono_us);
}

/* ---- the port ---- */

static bool available(void *store, enum lane lane)
{
    const struct fake_truth *truth = store;
    return truth->up && !(truth->read_only && lane == LANE_WRITE);
}

static bool can_send(void *store, enum lane lane)
{
    const struct fake_truth *truth = store;
    return available(store, lane) && fake_truth_flying(truth, lane) < truth->connections[lane];
}

static bool writes_user(const struct operation *operation)
{
    return operation->kind == OPERATION_ADD || operation->kind == OPERATION_REMOVE;
}

static bool writes_settings(const struct operation *operation)
{
    return operation->kind == OPERATION_CONFIGURE || operation->kind == OPERATION_RELEASE;
}

/* Whether two operations must not be under way at once: writes of a key, and loads of a count, but
 * for one whose deadline has passed. */
static bool collide(const struct operation *a, const struct operation *b)
{
    bool same_entity = a->relation == b->relation && identifier_equal(&a->entity, &b->entity);
    if (a->kind == OPERATION_COUNT && b->kind == OPERATION_COUNT) {
        return same_entity && !a->answered && !b->answered;
    }
    return writes_user(a) && writes_user(b) && same_entity && identifier_equal(&a->user, &b->user);
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

/* A path is for operations of one kind; what the truth makes of it is told in the end. */
static void check_path(const struct batch *batch, const struct operation *operation)
{
    bool keyed = operation->idempotency_key.size > 0;
    assert_int_equal(operation->path, batch->path);
    if (!writes_user(operation)) {
        assert_int_equal(batch->path, PATH_PLAIN);
        assert_false(keyed);
    }
    assert_true(batch->path != PATH_PLAIN || !keyed);
    assert_true(batch->path != PATH_KEYED || keyed);
    assert_true(batch->path != PATH_MANAGED || batch->relation->has_settings);
}

static enum operation_kind kind_of_batch(const struct operation *operation)
{
    return writes_user(operation) ? OPERATION_ADD
           : writes_settings(operation) || operation->kind == OPERATION_PROMOTE
               ? OPERATION_CONFIGURE
               : operation->kind;
}

static void check_batch(const struct fake_truth *truth, enum lane lane, const struct batch *batch)
{
    assert_true(batch->size >= 1 && batch->size <= BATCH_SIZE_MAX);
    for (size_t i = 0; i < batch->size; i++) {
        const struct operation *operation = batch->operations[i];
        assert_ptr_equal(operation->relation, batch->relation);
        assert_int_equal(operation->state, OPERATION_SENT);
        assert_int_equal(writes_user(operation) || writes_settings(operation) ||
                             operation->kind == OPERATION_FORGET ||
                             operation->kind == OPERATION_PROMOTE ||
                             operation->kind == OPERATION_PROMOTING,
                         lane == LANE_WRITE);
        assert_int_equal(batch->kind, kind_of_batch(operation));
        assert_true(batch->size == 1 || !writes_settings(operation));
        check_path(batch, operation);
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
    for (size_t i = 0; i < batch->size && truth->sent != NULL; i++) {
        if (writes_user(batch->operations[i]) || writes_settings(batch->operations[i])) {
            truth->sent(batch->operations[i]);
        }
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
    free(truth->managed);
    free(truth->kept);
}
