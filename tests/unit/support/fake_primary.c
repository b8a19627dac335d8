/* A small model of the primary. */
#include "fake_primary.h"

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

struct counter *fake_primary_counter(struct fake_primary *primary, const struct relation *relation,
                                     const struct identifier *entity)
{
    for (size_t i = 0; i < primary->counter_count; i++) {
        struct counter *counter = &primary->counters[i];
        if (counter->relation == relation && identifier_equal(&counter->entity, entity)) {
            return counter;
        }
    }
    primary->counters = grown(primary->counters, primary->counter_count, &primary->counter_capacity,
                              sizeof *primary->counters);
    struct counter *counter = &primary->counters[primary->counter_count++];
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

struct count fake_primary_count(struct fake_primary *primary, const struct relation *relation,
                                const char *entity, struct instant now)
{
    struct identifier id = unit_id(entity);
    return read_counter(fake_primary_counter(primary, relation, &id), now);
}

static struct member *find_member(struct fake_primary *primary, const struct member *wanted)
{
    for (size_t i = 0; i < primary->member_count; i++) {
        struct member *member = &primary->members[i];
        if (member->relation == wanted->relation &&
            identifier_equal(&member->entity, &wanted->entity) &&
            identifier_equal(&member->user, &wanted->user)) {
            return member;
        }
    }
    return NULL;
}

/* Adds or removes a member; answers by how much the count changes. */
static int64_t change_member(struct fake_primary *primary, enum operation_kind kind,
                             const struct member *wanted)
{
    struct member *found = find_member(primary, wanted);
    if (kind == OPERATION_ADD && found == NULL) {
        primary->members = grown(primary->members, primary->member_count, &primary->member_capacity,
                                 sizeof *primary->members);
        primary->members[primary->member_count++] = *wanted;
        return 1;
    }
    if (kind == OPERATION_REMOVE && found != NULL) {
        *found = primary->members[--primary->member_count];
        return -1;
    }
    return 0;
}

void fake_primary_change(struct fake_primary *primary, enum operation_kind kind,
                         const struct relation *relation, const char *entity, const char *user,
                         struct instant now)
{
    struct member member = {relation, unit_id(entity), unit_id(user), now.wall_us};
    int64_t by = change_member(primary, kind, &member);
    if (by != 0) {
        change_counter(fake_primary_counter(primary, relation, &member.entity), by, now.mono_us);
    }
}

/* ---- settings ---- */

static struct admitted *find_admitted(struct fake_primary *primary, const struct relation *relation,
                                      const struct identifier *entity)
{
    for (size_t i = 0; i < primary->admitted_count && relation->has_settings; i++) {
        if (identifier_equal(&primary->admitted[i].entity, entity)) {
            return &primary->admitted[i];
        }
    }
    return NULL;
}

bool fake_primary_is_admitted(struct fake_primary *primary, const struct identifier *entity)
{
    return find_admitted(primary, &relations[RELATION_RSVP], entity) != NULL;
}

static int64_t seats_of(struct fake_primary *primary, const struct admitted *admitted)
{
    const struct counter *counter =
        fake_primary_counter(primary, &relations[RELATION_RSVP], &admitted->entity);
    return admitted->settings.limited
               ? admitted->settings.capacity - counter->at[counter->versions - 1].value
               : INT64_MAX;
}

static void make_member(struct fake_primary *primary, const struct admitted *admitted,
                        const struct identifier *user, struct instant now)
{
    struct member member = {&relations[RELATION_RSVP], admitted->entity, *user, now.wall_us};
    int64_t by = change_member(primary, OPERATION_ADD, &member);
    assert_int_equal(by, 1);
    change_counter(fake_primary_counter(primary, member.relation, &admitted->entity), 1,
                   now.mono_us);
}

static void drop_waiting(struct admitted *admitted, size_t place)
{
    memmove(admitted->waiting + place, admitted->waiting + place + 1,
            (--admitted->waiting_count - place) * sizeof admitted->waiting[0]);
}

/* Free seats go to those who have waited longest, to so many of them at most. */
static void promote(struct fake_primary *primary, struct admitted *admitted, size_t max,
                    struct instant now)
{
    const struct settings *settings = &admitted->settings;
    bool closed = settings->closes && now.wall_us >= settings->closes_at_us;
    admitted->promoting = false;
    for (size_t i = 0; !closed && admitted->waiting_count > 0 && seats_of(primary, admitted) > 0;
         i++) {
        if (i == max) {
            admitted->promoting = true;
            return;
        }
        make_member(primary, admitted, &admitted->waiting[0].user, now);
        drop_waiting(admitted, 0);
    }
}

/* The place of a user in the row of those who wait; its size where they do not. */
static size_t place_of(const struct admitted *admitted, const struct identifier *user)
{
    size_t place = 0;
    while (place < admitted->waiting_count &&
           !identifier_equal(&admitted->waiting[place].user, user)) {
        place++;
    }
    return place;
}

/* As many as one transaction may move up; the settings go once nobody waits. */
static void step(struct fake_primary *primary, struct admitted *admitted, struct instant now)
{
    promote(primary, admitted, primary->promote_max > 0 ? primary->promote_max : WAITERS_MAX, now);
    if (admitted->clearing && admitted->waiting_count == 0) {
        *admitted = primary->admitted[--primary->admitted_count];
    }
}

static void configure(struct fake_primary *primary, const struct identifier *entity,
                      const struct settings *settings, struct instant now)
{
    static const struct settings none = {.limited = false};
    struct admitted *admitted = find_admitted(primary, &relations[RELATION_RSVP], entity);
    if (admitted == NULL) {
        primary->admitted = grown(primary->admitted, primary->admitted_count,
                                  &primary->admitted_capacity, sizeof *primary->admitted);
        admitted = &primary->admitted[primary->admitted_count++];
        *admitted = (struct admitted){.entity = *entity};
    }
    admitted->settings = settings == NULL ? none : *settings;
    admitted->clearing = settings == NULL;
    step(primary, admitted, now);
}

void fake_primary_configure(struct fake_primary *primary, const char *entity,
                            const struct settings *settings, struct instant now)
{
    struct identifier id = unit_id(entity);
    configure(primary, &id, settings, now);
}

static void read_settings(struct fake_primary *primary, struct operation *operation,
                          struct instant now)
{
    const struct admitted *admitted =
        find_admitted(primary, operation->relation, &operation->entity);
    struct operation_settings *answer = operation_settings(operation);
    answer->found = admitted == NULL ? (struct settings){.limited = false} : admitted->settings;
    answer->waiting_count = admitted == NULL ? 0 : (int64_t)admitted->waiting_count;
    answer->incomplete = admitted != NULL && admitted->promoting;
    operation->count =
        read_counter(fake_primary_counter(primary, operation->relation, &operation->entity), now);
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
    if (operation_is_write(operation)) {
        struct operation_write *write = operation_write(operation);
        write->changed = false;
        write->member = operation->kind == OPERATION_ADD;
        write->waiting = false;
        write->replayed = false;
        write->position = 0;
        write->position_is_exact = true;
    }
}

static const struct kept *find_kept(const struct fake_primary *primary,
                                    const struct operation *operation)
{
    for (size_t i = 0; i < primary->kept_count; i++) {
        const struct kept *kept = &primary->kept[i];
        if (identifier_equal(&kept->user, &operation->user) &&
            idempotency_key_equal(&kept->key, &operation_write(operation)->key)) {
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
            idempotency_key_equal(&operation_write(other)->key, &operation_write(operation)->key)) {
            return true;
        }
    }
    return false;
}

/* What is kept under the operation's key, and whether it may have one. */
static void recall(const struct fake_primary *primary, const struct batch *batch,
                   struct operation *operation, struct instant now)
{
    struct operation_write *write = operation_write(operation);
    reset(operation);
    if (write->key.size == 0) {
        return;
    }
    const struct kept *kept = find_kept(primary, operation);
    /* Only what acts holds a count that is worth anything. */
    operation->count =
        (struct count){.value = NONSENSE, .version = NONSENSE, .as_of_mono_us = now.mono_us};
    if (has_predecessor(batch, operation)) {
        operation->verdict = OUTCOME_IN_FLIGHT;
    } else if (kept != NULL &&
               (kept->kind != operation->kind || kept->relation != operation->relation ||
                kept->past_capacity != write->past_capacity ||
                !identifier_equal(&kept->entity, &operation->entity))) {
        operation->verdict = OUTCOME_KEY_REUSED;
    } else if (kept != NULL) {
        write->replayed = true;
        write->changed = kept->changed;
        operation->count.value = kept->count;
        write->position = kept->place;
        write->waiting = kept->place > 0;
        write->member = operation->kind == OPERATION_ADD && !write->waiting;
    }
}

static void remember(struct fake_primary *primary, const struct operation *operation)
{
    const struct operation_write *write = operation_write(operation);
    if (write->key.size > 0 && operation_acts(operation) && operation->verdict == OUTCOME_DONE) {
        primary->kept = grown(primary->kept, primary->kept_count, &primary->kept_capacity,
                              sizeof *primary->kept);
        primary->kept[primary->kept_count++] =
            (struct kept){operation->user,      operation->entity,      write->key,
                          operation->kind,      operation->relation,    write->changed,
                          write->past_capacity, operation->count.value, write->position};
    }
}

static void execute_plain(struct fake_primary *primary, struct operation *const *operations,
                          size_t size, struct instant now)
{
    struct counter *counter =
        fake_primary_counter(primary, operations[0]->relation, &operations[0]->entity);
    int64_t by = 0;
    bool changed = false;
    for (size_t i = 0; i < size; i++) {
        struct operation *operation = operations[i];
        struct member member = {operation->relation, operation->entity, operation->user,
                                now.wall_us};
        if (operation_acts(operation)) {
            int64_t step = change_member(primary, operation->kind, &member);
            operation_write(operation)->changed = step != 0;
            changed = changed || step != 0;
            by += step;
        }
    }
    if (changed) {
        change_counter(counter, by, now.mono_us);
    }
}

static void remove_user(struct fake_primary *primary, struct admitted *admitted,
                        struct operation *operation, struct instant now)
{
    struct member member = {operation->relation, operation->entity, operation->user, 0};
    size_t place = place_of(admitted, &operation->user);
    if (place < admitted->waiting_count) {
        drop_waiting(admitted, place);
        operation_write(operation)->changed = true;
    } else if (change_member(primary, OPERATION_REMOVE, &member) != 0) {
        change_counter(fake_primary_counter(primary, operation->relation, &operation->entity), -1,
                       now.mono_us);
        operation_write(operation)->changed = true;
    }
}

static void admit(struct fake_primary *primary, struct admitted *admitted,
                  struct operation *operation, struct instant now)
{
    const struct settings *settings = &admitted->settings;
    struct member member = {operation->relation, operation->entity, operation->user, 0};
    size_t place = place_of(admitted, &operation->user);
    struct operation_write *write = operation_write(operation);
    write->member = false;
    if ((settings->opens && now.wall_us < settings->opens_at_us) ||
        (settings->closes && now.wall_us >= settings->closes_at_us)) {
        operation->verdict = OUTCOME_CLOSED;
    } else if (find_member(primary, &member) != NULL) {
        write->member = true;
    } else if (place < admitted->waiting_count) {
        write->waiting = true;
    } else if (admitted->waiting_count == 0 && seats_of(primary, admitted) > 0) {
        make_member(primary, admitted, &operation->user, now);
        write->member = true;
        write->changed = true;
    } else if (settings->waitlist ||
               seats_of(primary, admitted) > (int64_t)admitted->waiting_count) {
        assert_true(admitted->waiting_count < WAITERS_MAX);
        admitted->waiting[admitted->waiting_count++] =
            (struct waiting){operation->user, now.wall_us, ++admitted->last_ticket};
        write->waiting = true;
        write->changed = true;
    } else {
        operation->verdict = OUTCOME_FULL;
    }
    write->position = write->waiting ? (int64_t)place + 1 : 0;
}

/* Whatever the settings say. */
static void add_past_capacity(struct fake_primary *primary, struct admitted *admitted,
                              struct operation *operation, struct instant now)
{
    struct member member = {operation->relation, operation->entity, operation->user, 0};
    size_t place = place_of(admitted, &operation->user);
    if (place < admitted->waiting_count) {
        drop_waiting(admitted, place);
    }
    if (find_member(primary, &member) == NULL) {
        make_member(primary, admitted, &operation->user, now);
        operation_write(operation)->changed = true;
    }
}

static void add_all_past_capacity(struct fake_primary *primary, struct admitted *admitted,
                                  struct operation *const *operations, size_t size,
                                  struct instant now)
{
    for (size_t i = 0; i < size; i++) {
        if (operations[i]->kind == OPERATION_ADD && operation_write(operations[i])->past_capacity &&
            operation_acts(operations[i])) {
            add_past_capacity(primary, admitted, operations[i], now);
        }
    }
}

/* First who leaves, then who moves up, then who comes, in the order of their arrival, and last who
 * is put in past the rules. */
static void execute_admitted(struct fake_primary *primary, struct admitted *admitted,
                             struct operation *const *operations, size_t size, struct instant now)
{
    size_t removals = 0;
    for (size_t i = 0; i < size; i++) {
        if (operations[i]->kind == OPERATION_REMOVE && operation_acts(operations[i])) {
            remove_user(primary, admitted, operations[i], now);
            removals++;
        }
    }
    if (removals > 0) {
        promote(primary, admitted, removals, now);
    }
    struct operation *next;
    for (uint64_t after = 0;; after = next->arrival) {
        next = NULL;
        for (size_t i = 0; i < size; i++) {
            if (operations[i]->kind == OPERATION_ADD &&
                !operation_write(operations[i])->past_capacity && operation_acts(operations[i]) &&
                operations[i]->arrival > after &&
                (next == NULL || operations[i]->arrival < next->arrival)) {
                next = operations[i];
            }
        }
        if (next == NULL) {
            break;
        }
        admit(primary, admitted, next, now);
    }
    add_all_past_capacity(primary, admitted, operations, size, now);
}

static void execute_writes(struct fake_primary *primary, const struct batch *batch,
                           struct instant now)
{
    assert_false(fake_primary_misroutes(primary, batch, now));
    for (size_t i = 0; i < batch->size; i++) {
        recall(primary, batch, batch->operations[i], now);
    }
    for (size_t first = 0; first < batch->size;) {
        size_t end = same_entity_end(batch, first);
        struct operation *const *operations = batch->operations + first;
        const struct identifier *entity = &operations[0]->entity;
        struct admitted *admitted = find_admitted(primary, batch->relation, entity);
        if (admitted != NULL) {
            execute_admitted(primary, admitted, operations, end - first, now);
        } else {
            execute_plain(primary, operations, end - first, now);
        }
        for (; first < end; first++) {
            struct operation *operation = batch->operations[first];
            if (operation_acts(operation)) {
                operation->count =
                    read_counter(fake_primary_counter(primary, batch->relation, entity), now);
            }
            remember(primary, operation);
            if (primary->executed != NULL && operation_acts(operation) &&
                operation->verdict == OUTCOME_DONE) {
                primary->executed(operation);
            }
        }
    }
}

static enum write_path path_of(struct fake_primary *primary, const struct operation *operation)
{
    return find_admitted(primary, operation->relation, &operation->entity) != NULL ? PATH_ADMITTED
           : operation_write(operation)->key.size > 0                              ? PATH_KEYED
                                                                                   : PATH_PLAIN;
}

bool fake_primary_misroutes(struct fake_primary *primary, const struct batch *batch,
                            struct instant now)
{
    bool misroutes = false;
    for (size_t i = 0; i < batch->size && batch->kind == OPERATION_ADD; i++) {
        struct operation *operation = batch->operations[i];
        recall(primary, batch, operation, now);
        bool admitted = path_of(primary, operation) == PATH_ADMITTED;
        misroutes =
            misroutes || (operation_acts(operation) && admitted != (batch->path == PATH_ADMITTED));
    }
    return misroutes;
}

/* The line that follows `last` in the listing, NULL at its end. */
static const struct identifier *next_line(const struct fake_primary *primary,
                                          const struct operation *operation,
                                          const struct identifier *last, int64_t *since_us)
{
    bool of_users = operation->kind == OPERATION_LIST_USERS;
    const struct identifier *of = of_users ? &operation->entity : &operation->user, *next = NULL;
    for (size_t i = 0; i < primary->member_count; i++) {
        const struct member *member = &primary->members[i];
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

static struct page *new_page(struct operation_listing *listing)
{
    free(listing->page); /* of an attempt that was lost */
    listing->page =
        malloc(sizeof *listing->page + listing->page_size * sizeof listing->page->lines[0]);
    assert_non_null(listing->page);
    listing->page->size = 0;
    return listing->page;
}

static void execute_list(const struct fake_primary *primary, struct operation *operation)
{
    struct operation_listing *listing = operation_listing(operation);
    const struct identifier *last = &listing->after, *next;
    int64_t since_us;
    struct page *page = new_page(listing);
    while (page->size < listing->page_size &&
           (next = next_line(primary, operation, last, &since_us)) != NULL) {
        page->lines[page->size++] = (struct page_line){.id = *next, .created_at_us = since_us};
        last = next;
    }
}

static void execute_waiting(struct fake_primary *primary, struct operation *operation)
{
    const struct admitted *admitted =
        find_admitted(primary, operation->relation, &operation->entity);
    size_t size = admitted == NULL ? 0 : admitted->waiting_count;
    struct operation_listing *listing = operation_listing(operation);
    struct page *page = new_page(listing);
    for (size_t i = 0; i < size && page->size < listing->page_size; i++) {
        const struct waiting *waiting = &admitted->waiting[i];
        if (waiting->ticket > listing->after_ticket) {
            page->lines[page->size++] =
                (struct page_line){waiting->user, waiting->since_us, waiting->ticket};
        }
    }
}

static void execute_claim(const struct fake_primary *primary, struct operation_claim *claim)
{
    claim->entity = (struct identifier){.size = 0};
    for (size_t i = 0; i < primary->admitted_count && !primary->promoting_elsewhere; i++) {
        if (primary->admitted[i].promoting) {
            claim->entity = primary->admitted[i].entity;
            return;
        }
    }
}

static void execute_expiry(struct fake_primary *primary, struct operation_expiry *expiry)
{
    expiry->keys_expired =
        primary->expired < expiry->keys_max ? primary->expired : expiry->keys_max;
    primary->expired -= expiry->keys_expired;
}

static void execute_lookup(struct fake_primary *primary, struct operation *operation)
{
    const struct member wanted = {operation->relation, operation->entity, operation->user, 0};
    const struct member *found = find_member(primary, &wanted);
    const struct admitted *admitted =
        find_admitted(primary, operation->relation, &operation->entity);
    *operation_membership(operation) = (struct operation_membership){
        .member = found != NULL,
        .waiting =
            admitted != NULL && place_of(admitted, &operation->user) < admitted->waiting_count,
        .created_at_us = found != NULL ? found->since_us : 0,
    };
}

static void execute_one(struct fake_primary *primary, struct operation *operation,
                        struct instant now)
{
    struct admitted *admitted;
    switch (operation->kind) {
    case OPERATION_LOOKUP:
    case OPERATION_FIND:
        execute_lookup(primary, operation);
        return;
    case OPERATION_COUNT:
        operation->count = read_counter(
            fake_primary_counter(primary, operation->relation, &operation->entity), now);
        return;
    case OPERATION_LIST_USERS:
    case OPERATION_LIST_ENTITIES:
        execute_list(primary, operation);
        return;
    case OPERATION_LIST_WAITING:
        execute_waiting(primary, operation);
        return;
    case OPERATION_CLAIM_PROMOTIONS:
        execute_claim(primary, operation_claim(operation));
        return;
    case OPERATION_EXPIRE_KEYS:
        execute_expiry(primary, operation_expiry(operation));
        return;
    case OPERATION_STORE_SETTINGS:
    case OPERATION_CLEAR_SETTINGS:
    case OPERATION_PROMOTE:
        admitted = find_admitted(primary, operation->relation, &operation->entity);
        if (operation->kind != OPERATION_PROMOTE && !operation_settings(operation)->applied) {
            configure(primary, &operation->entity,
                      operation->kind == OPERATION_STORE_SETTINGS
                          ? &operation_settings(operation)->wanted
                          : NULL,
                      now);
        } else if (admitted != NULL) {
            step(primary, admitted, now);
        }
        read_settings(primary, operation, now);
        if (primary->executed != NULL && operation->kind != OPERATION_PROMOTE) {
            primary->executed(operation);
        }
        return;
    case OPERATION_SETTINGS:
        read_settings(primary, operation, now);
        return;
    case OPERATION_ADD:
    case OPERATION_REMOVE:
        break;
    }
    fail_msg("a batch of kind %d is not of writes", (int)operation->kind);
}

void fake_primary_execute(struct fake_primary *primary, struct flight *flight, struct instant now)
{
    assert_false(flight->executed);
    flight->executed = true;
    if (flight->batch->kind == OPERATION_ADD) {
        execute_writes(primary, flight->batch, now);
    } else {
        for (size_t i = 0; i < flight->batch->size; i++) {
            reset(flight->batch->operations[i]);
            execute_one(primary, flight->batch->operations[i], now);
        }
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
        reset(batch->operations[i]);
        batch->operations[i]->path = path_of(primary, batch->operations[i]);
    }
    assert_true(!flight->executed || outcome == BATCH_DONE || outcome == BATCH_LOST);
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
    return primary->up && !(primary->read_only && pool == POOL_WRITE);
}

static bool can_send(void *store, enum pool pool)
{
    const struct fake_primary *primary = store;
    return available(store, pool) &&
           fake_primary_flying(primary, pool) < primary->connections[pool];
}

static bool writes_settings(const struct operation *operation)
{
    return operation->kind == OPERATION_STORE_SETTINGS ||
           operation->kind == OPERATION_CLEAR_SETTINGS;
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
                             operation->kind == OPERATION_EXPIRE_KEYS ||
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
}

void fake_primary_free(struct fake_primary *primary)
{
    for (size_t i = 0; i < primary->counter_count; i++) {
        free(primary->counters[i].at);
    }
    free(primary->counters);
    free(primary->members);
    free(primary->admitted);
    free(primary->kept);
}
