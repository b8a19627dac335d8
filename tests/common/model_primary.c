/* A pure model of the primary. */
#include "model_primary.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more element at the end of a growing array. */
static void *grown(void *array, size_t size, size_t *capacity, size_t element_size)
{
    if (size == *capacity) {
        *capacity = size == 0 ? 16 : size * 2;
        array = realloc(array, *capacity * element_size);
        assert(array != NULL);
    }
    return array;
}

/* ---- counters ---- */

static void history_add(struct model_history *history, int64_t value, int64_t now_us)
{
    history->at = grown(history->at, history->size, &history->capacity, sizeof *history->at);
    history->at[history->size++] = (struct model_reading){value, now_us};
}

bool model_history_holds(const struct model_history *history, int64_t count, int64_t version,
                         int64_t at_us)
{
    if (version < 0 || (size_t)version >= history->size) {
        return false;
    }
    const struct model_reading *reading = &history->at[version];
    bool last = (size_t)version + 1 == history->size;
    return reading->value == count && reading->since_us <= at_us &&
           (last || at_us <= reading[1].since_us);
}

bool model_history_was(const struct model_history *history, int64_t count, int64_t at_us)
{
    for (size_t version = history->size; version-- > 0;) {
        if (model_history_holds(history, count, (int64_t)version, at_us)) {
            return true;
        }
        if (history->at[version].since_us < at_us) {
            return false;
        }
    }
    return false;
}

struct count model_row_count(const struct model_row *row, struct instant now)
{
    return (struct count){.value = row->history.at[row->history.size - 1].value,
                          .version = (int64_t)row->history.size - 1,
                          .as_of_mono_us = now.mono_us,
                          .as_of_wall_us = now.wall_us};
}

/* ---- rows ---- */

struct model_row *model_primary_row(struct model_primary *model, const struct relation *relation,
                                    const struct identifier *entity)
{
    for (size_t i = 0; i < model->row_count; i++) {
        struct model_row *row = model->rows[i];
        if (row->relation == relation && identifier_equal(&row->entity, entity)) {
            return row;
        }
    }
    struct model_row *row = calloc(1, sizeof *row);
    assert(row != NULL);
    row->relation = relation;
    row->entity = *entity;
    model_init(&row->event);
    history_add(&row->history, 0, INT64_MIN);
    model->rows = grown(model->rows, model->row_count, &model->row_capacity, sizeof(void *));
    model->rows[model->row_count++] = row;
    return row;
}

int model_primary_user(struct model_primary *model, const struct identifier *user)
{
    for (size_t i = 0; i < model->user_count; i++) {
        if (identifier_equal(&model->users[i], user)) {
            return (int)i;
        }
    }
    model->users =
        grown(model->users, model->user_count, &model->user_capacity, sizeof *model->users);
    model->users[model->user_count++] = *user;
    return (int)model->user_count - 1;
}

static struct model_row *row_of(struct model_primary *model, const struct operation *operation)
{
    return model_primary_row(model, operation->relation, &operation->entity);
}

/* What the row has of each user that there is. */
static struct model_user *users_of(const struct model_primary *model, struct model_row *row)
{
    if (row->users_size < model->user_count) {
        row->users = realloc(row->users, model->user_capacity * sizeof *row->users);
        assert(row->users != NULL);
        memset(row->users + row->users_size, 0,
               (model->user_capacity - row->users_size) * sizeof *row->users);
        row->users_size = model->user_capacity;
    }
    return row->users;
}

static bool is_closed(const struct settings *settings, struct instant now)
{
    return settings->closes && now.wall_us >= settings->closes_at_us;
}

/* The rules know no clock: what lies in the past by now. */
static struct model_settings as_of(const struct settings *settings, struct instant now)
{
    bool is_open = !settings->opens || now.wall_us >= settings->opens_at_us;
    return (struct model_settings){
        .capacity = settings->limited ? (int)settings->capacity : -1,
        .waitlist = settings->waitlist,
        .opens_at = settings->opens ? is_open ? MODEL_PAST : MODEL_FUTURE : MODEL_NULL,
        .closes_at = !settings->closes          ? MODEL_NULL
                     : is_closed(settings, now) ? MODEL_PAST
                                                : MODEL_FUTURE,
    };
}

/* The counter changes by the rows that really changed. Answers whether somebody came in, and the
 * last ticket that got a seat. */
static bool settle_members(const struct model_primary *model, struct model_row *row,
                           int64_t *promoted, struct instant now)
{
    struct model_user *users = users_of(model, row);
    int64_t step = 0;
    bool joined = false, changed = false;
    for (size_t i = 0; i < model->user_count; i++) {
        struct model_user *user = &users[i];
        bool is_in = model_is_in(&row->event, (int)i);
        if (is_in != user->was_in) {
            changed = true;
            joined = joined || is_in;
            step += is_in ? 1 : -1;
            *promoted = is_in && user->ticket > *promoted ? user->ticket : *promoted;
            user->since_us = now.wall_us;
            user->was_in = is_in;
        }
        if (user->ticket != 0 && model_position(&row->event, (int)i) == 0) {
            user->ticket = 0;
        }
    }
    if (changed) {
        history_add(&row->history, row->history.at[row->history.size - 1].value + step,
                    now.mono_us);
    }
    return joined;
}

/* Who waits has a ticket, and nobody has got past them. */
static void settle_queue(const struct model_primary *model, struct model_row *row, int64_t promoted,
                         struct instant now)
{
    struct model_user *users = users_of(model, row);
    int64_t before = promoted;
    for (int i = 0; i < row->event.waiting; i++) {
        struct model_user *user = &users[row->event.queue[i]];
        if (user->ticket == 0) {
            user->ticket = ++row->last_ticket;
            user->waits_since_us = now.wall_us;
        }
        if (user->ticket <= before) {
            row->broken = "first come, first served: somebody got past one who waited longer";
        }
        before = user->ticket;
        if (model_is_in(&row->event, row->event.queue[i])) {
            row->broken = "nobody waits who is in";
        }
    }
}

static int64_t members_in(const struct model_row *row)
{
    int64_t in = 0;
    for (int user = 0; user < row->event.users_size; user++) {
        in += row->event.is_in[user];
    }
    return in;
}

/* After a change at one moment. Notes what is against the rules, which somebody may be put past. */
static void settle(const struct model_primary *model, struct model_row *row, bool past_rules,
                   struct instant now)
{
    const struct model_event *event = &row->event;
    int64_t promoted = 0;
    bool joined = settle_members(model, row, &promoted, now);
    settle_queue(model, row, past_rules ? 0 : promoted, now);
    bool limited = event->settings.capacity >= 0;
    int64_t in = members_in(row);
    if (row->history.at[row->history.size - 1].value != in) {
        row->broken = "the counter is the number of rows";
    } else if (joined && !past_rules && limited && in > event->settings.capacity) {
        row->broken = "the capacity is never exceeded";
    } else if (event->waiting > 0 && !event->promoting && !is_closed(&row->settings, now) &&
               (!limited || in < event->settings.capacity)) {
        row->broken = "no seat is free while somebody waits";
    }
}

/* ---- keys ---- */

/* An answer that is kept under an idempotency key. */
struct model_kept {
    struct identifier user, entity;
    struct idempotency_key key;
    const struct relation *relation;
    enum operation_kind kind;
    int64_t count;
    struct operation_write answer;
    int64_t expires_us; /* monotonic */
    struct model_kept *next;
};

static size_t bucket_of(const struct operation *operation)
{
    const struct idempotency_key *key = &operation_write(operation)->key;
    return hash_bytes(1, idempotency_key_slice(key)) % MODEL_KEPT_BUCKETS;
}

static const struct model_kept *find_kept(const struct model_primary *model,
                                          const struct operation *operation, struct instant now)
{
    const struct idempotency_key *key = &operation_write(operation)->key;
    const struct model_kept *kept = key->size > 0 ? model->kept[bucket_of(operation)] : NULL;
    while (kept != NULL &&
           (!identifier_equal(&kept->user, &operation->user) ||
            !idempotency_key_equal(&kept->key, key) || kept->expires_us <= now.mono_us)) {
        kept = kept->next;
    }
    return kept;
}

static bool is_of(const struct model_kept *kept, const struct operation *operation)
{
    return kept->kind == operation->kind && kept->relation == operation->relation &&
           kept->answer.past_capacity == operation_write(operation)->past_capacity &&
           identifier_equal(&kept->entity, &operation->entity);
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

/* Only what acts has a count of which more is known than its value. */
static const struct count no_count = {MODEL_NONSENSE, MODEL_NONSENSE, MODEL_NONSENSE,
                                      MODEL_NONSENSE, false};

void model_primary_reset(struct operation *operation)
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

void model_primary_recall(const struct model_primary *model, struct batch *batch,
                          struct instant now)
{
    for (size_t i = 0; i < batch->size; i++) {
        struct operation *operation = batch->operations[i];
        model_primary_reset(operation);
        struct operation_write *write = operation_write(operation);
        const struct model_kept *kept = find_kept(model, operation, now);
        if (write->key.size > 0) {
            operation->count = no_count;
        }
        if (kept != NULL && is_of(kept, operation)) {
            *write = kept->answer;
            write->replayed = true;
            operation->count.value = kept->count;
        } else if (kept != NULL) {
            operation->verdict = OUTCOME_KEY_REUSED;
        } else if (write->key.size > 0 && has_predecessor(batch, operation)) {
            operation->verdict = OUTCOME_IN_FLIGHT;
        }
    }
}

static void keep(struct model_primary *model, const struct operation *operation, struct instant now)
{
    const struct operation_write *write = operation_write(operation);
    if (write->key.size == 0 || !operation_acts(operation) || operation->verdict != OUTCOME_DONE) {
        return;
    }
    struct model_kept *kept = malloc(sizeof *kept);
    assert(kept != NULL);
    *kept = (struct model_kept){
        .user = operation->user,
        .entity = operation->entity,
        .key = write->key,
        .relation = operation->relation,
        .kind = operation->kind,
        .count = operation->count.value,
        .answer = *write,
        .expires_us = now.mono_us + model->key_lifetime_us,
        .next = model->kept[bucket_of(operation)],
    };
    model->kept[bucket_of(operation)] = kept;
}

/* Deletes answers whose time is over, or all of a user, at most as many as asked for. */
static int64_t delete_keys(struct model_primary *model, const struct identifier *of, int64_t max,
                           struct instant now)
{
    int64_t gone = 0;
    for (size_t i = 0; i < MODEL_KEPT_BUCKETS; i++) {
        struct model_kept **at = &model->kept[i], *kept;
        while ((kept = *at) != NULL) {
            bool goes =
                of == NULL ? kept->expires_us < now.mono_us : identifier_equal(&kept->user, of);
            if (goes && gone < max) {
                *at = kept->next;
                free(kept);
                gone++;
            } else {
                at = &kept->next;
            }
        }
    }
    return gone;
}

/* ---- writes ---- */

static bool is_admitted(struct model_primary *model, const struct operation *operation)
{
    return row_of(model, operation)->event.has_settings;
}

enum write_path model_primary_path(struct model_primary *model, const struct operation *operation)
{
    return is_admitted(model, operation)              ? PATH_ADMITTED
           : operation_write(operation)->key.size > 0 ? PATH_KEYED
                                                      : PATH_PLAIN;
}

enum batch_outcome model_primary_obstacle(struct model_primary *model, const struct batch *batch,
                                          struct instant now)
{
    bool misrouted = false;
    for (size_t i = 0; i < batch->size; i++) {
        const struct operation *operation = batch->operations[i];
        if (!operation_acts(operation)) {
            continue;
        }
        if (find_kept(model, operation, now) != NULL) {
            return BATCH_ROLLED_BACK;
        }
        misrouted = misrouted || is_admitted(model, operation) != (batch->path == PATH_ADMITTED);
    }
    return misrouted ? BATCH_MISROUTED : BATCH_DONE;
}

static void join(struct model_primary *model, struct model_row *row, struct operation *operation)
{
    static const enum outcome verdicts[] = {[MODEL_GOING] = OUTCOME_DONE,
                                            [MODEL_WAITLISTED] = OUTCOME_DONE,
                                            [MODEL_FULL] = OUTCOME_FULL,
                                            [MODEL_CLOSED] = OUTCOME_CLOSED};
    struct operation_write *write = operation_write(operation);
    int user = model_primary_user(model, &operation->user);
    struct model_answer answer = write->past_capacity ? model_join_past_capacity(&row->event, user)
                                                      : model_join(&row->event, user);
    operation->verdict = verdicts[answer.verdict];
    write->member = answer.verdict == MODEL_GOING;
    write->waiting = answer.verdict == MODEL_WAITLISTED;
    write->changed = answer.changed;
    write->position = answer.position;
}

/* Who comes next, in the order of arrival. */
static struct operation *next_to_join(struct operation *const *operations, size_t size,
                                      bool past_capacity, uint64_t after)
{
    struct operation *next = NULL;
    for (size_t i = 0; i < size; i++) {
        struct operation *operation = operations[i];
        if (operation->kind == OPERATION_ADD && operation_acts(operation) &&
            operation_write(operation)->past_capacity == past_capacity &&
            operation->arrival > after && (next == NULL || operation->arrival < next->arrival)) {
            next = operation;
        }
    }
    return next;
}

/* Answers whether there was anybody. */
static bool join_all(struct model_primary *model, struct model_row *row,
                     struct operation *const *operations, size_t size, bool past_capacity)
{
    uint64_t last = 0;
    struct operation *next;
    while ((next = next_to_join(operations, size, past_capacity, last)) != NULL) {
        join(model, row, next);
        last = next->arrival;
    }
    return last > 0;
}

/* First who leaves, then who moves up, then who comes, and last who is put in past the rules. */
static void write_row(struct model_primary *model, struct model_row *row,
                      struct operation *const *operations, size_t size, struct instant now)
{
    int removals = 0;
    row->event.settings = as_of(&row->settings, now);
    for (size_t i = 0; i < size; i++) {
        if (operations[i]->kind == OPERATION_REMOVE && operation_acts(operations[i])) {
            int user = model_primary_user(model, &operations[i]->user);
            operation_write(operations[i])->changed = model_remove(&row->event, user).changed;
            removals++;
        }
    }
    if (removals > 0) {
        model_promote(&row->event, removals);
    }
    join_all(model, row, operations, size, false);
    bool past_rules = join_all(model, row, operations, size, true);
    settle(model, row, past_rules, now);
}

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

static void execute_writes(struct model_primary *model, struct batch *batch, struct instant now)
{
    for (size_t first = 0; first < batch->size;) {
        size_t end = same_entity_end(batch, first);
        struct model_row *row =
            model_primary_row(model, batch->relation, &batch->operations[first]->entity);
        write_row(model, row, batch->operations + first, end - first, now);
        for (; first < end; first++) {
            struct operation *operation = batch->operations[first];
            if (operation_acts(operation)) {
                operation->count = model_row_count(row, now);
            }
            keep(model, operation, now);
        }
    }
}

void model_primary_write(struct model_primary *model, enum operation_kind kind,
                         const struct relation *relation, const struct identifier *entity,
                         const struct identifier *user, struct instant now)
{
    struct operation operation = {
        .kind = kind, .relation = relation, .entity = *entity, .user = *user, .arrival = 1};
    struct operation *const operations[] = {&operation};
    model_primary_reset(&operation);
    write_row(model, model_primary_row(model, relation, entity), operations, 1, now);
}

/* ---- settings ---- */

void model_primary_configure(struct model_primary *model, struct model_row *row,
                             const struct settings *settings, struct instant now)
{
    static const struct settings none = {.limited = false};
    row->settings = settings == NULL ? none : *settings;
    row->event.step_max = model->step_max;
    if (settings == NULL) {
        model_release(&row->event);
    } else {
        const struct model_settings given = as_of(settings, now);
        model_configure(&row->event, &given);
    }
    settle(model, row, false, now);
}

static void change_settings(struct model_primary *model, struct model_row *row,
                            struct operation *operation, struct instant now)
{
    bool applied = operation->kind == OPERATION_PROMOTE || operation_settings(operation)->applied;
    if (!applied) {
        bool clears = operation->kind == OPERATION_CLEAR_SETTINGS;
        model_primary_configure(model, row, clears ? NULL : &operation_settings(operation)->wanted,
                                now);
    } else if (row->event.has_settings) {
        row->event.settings = as_of(&row->settings, now);
        model_step(&row->event);
        settle(model, row, false, now);
    }
}

static void read_settings(const struct model_row *row, struct operation *operation,
                          struct instant now)
{
    struct operation_settings *answer = operation_settings(operation);
    answer->found = row->event.has_settings ? row->settings : (struct settings){.limited = false};
    answer->waiting_count = row->event.waiting;
    answer->incomplete = row->event.promoting;
    operation->count = model_row_count(row, now);
}

static void claim(const struct model_primary *model, struct operation_claim *claim)
{
    claim->entity = (struct identifier){.size = 0};
    for (size_t i = 0; i < model->row_count; i++) {
        if (model->rows[i]->event.promoting) {
            claim->entity = model->rows[i]->entity;
            return;
        }
    }
}

/* ---- reads ---- */

static struct page *new_page(struct operation_listing *listing)
{
    free(listing->page); /* of an attempt that was lost */
    listing->page =
        malloc(sizeof *listing->page + listing->page_size * sizeof listing->page->lines[0]);
    assert(listing->page != NULL);
    *listing->page = (struct page){.size = 0};
    return listing->page;
}

/* The same with room for details of each line. */
static struct page *new_detailed_page(struct operation_listing *listing, size_t details_size)
{
    size_t size = sizeof *listing->page + listing->page_size * sizeof listing->page->lines[0];
    free(listing->page);
    listing->page = calloc(1, size + listing->page_size * details_size);
    assert(listing->page != NULL);
    void *details = (char *)listing->page + size;
    listing->page->kept = details;
    listing->page->events = details;
    return listing->page;
}

/* Whether the line of this name comes after `last`, and before what was found of that. */
static bool is_next(const struct identifier *name, const struct identifier *last,
                    const struct page_line *found)
{
    return identifier_compare(name, last) > 0 &&
           (found->id.size == 0 || identifier_compare(name, &found->id) < 0);
}

/* The line that follows `last` in the listing; without a name at its end. */
static struct page_line next_line(struct model_primary *model, const struct operation *operation,
                                  const struct identifier *last)
{
    struct page_line line = {.id = {.size = 0}};
    if (operation->kind == OPERATION_LIST_USERS) {
        struct model_row *row = row_of(model, operation);
        for (int i = 0; i < row->event.users_size; i++) {
            if (model_is_in(&row->event, i) && is_next(&model->users[i], last, &line)) {
                line = (struct page_line){model->users[i], users_of(model, row)[i].since_us, 0};
            }
        }
        return line;
    }
    int user = model_primary_user(model, &operation->user);
    bool waits = operation->kind == OPERATION_LIST_WAITS;
    for (size_t i = 0; i < model->row_count; i++) {
        struct model_row *row = model->rows[i];
        bool is_one =
            waits ? model_position(&row->event, user) > 0 : model_is_in(&row->event, user);
        if (row->relation == operation->relation && is_one && is_next(&row->entity, last, &line)) {
            const struct model_user *found = &users_of(model, row)[user];
            line =
                (struct page_line){row->entity, waits ? found->waits_since_us : found->since_us, 0};
        }
    }
    return line;
}

static void list(struct model_primary *model, struct operation *operation)
{
    struct operation_listing *listing = operation_listing(operation);
    struct page *page = new_page(listing);
    struct page_line line = {.id = listing->after};
    while (page->size < listing->page_size &&
           (line = next_line(model, operation, &line.id)).id.size > 0) {
        page->lines[page->size++] = line;
    }
}

static void list_waiting(const struct model_primary *model, struct model_row *row,
                         struct operation_listing *listing)
{
    struct page *page = new_page(listing);
    for (int i = 0; i < row->event.waiting && page->size < listing->page_size; i++) {
        int number = row->event.queue[i];
        const struct model_user *user = &users_of(model, row)[number];
        if (user->ticket > listing->after_ticket) {
            page->lines[page->size++] =
                (struct page_line){model->users[number], user->waits_since_us, user->ticket};
        }
    }
}

static int compare_keys(const struct idempotency_key *a, const struct idempotency_key *b)
{
    int order = memcmp(a->data, b->data, a->size < b->size ? a->size : b->size);
    return order != 0 ? order : (int)a->size - (int)b->size;
}

/* The kept answer of the user whose key follows; NULL: there is none. */
static const struct model_kept *next_kept(const struct model_primary *model,
                                          const struct identifier *user,
                                          const struct idempotency_key *after)
{
    const struct model_kept *next = NULL;
    for (size_t i = 0; i < MODEL_KEPT_BUCKETS; i++) {
        for (const struct model_kept *kept = model->kept[i]; kept != NULL; kept = kept->next) {
            if (identifier_equal(&kept->user, user) && compare_keys(&kept->key, after) > 0 &&
                (next == NULL || compare_keys(&kept->key, &next->key) < 0)) {
                next = kept;
            }
        }
    }
    return next;
}

static void list_kept(const struct model_primary *model, struct operation *operation)
{
    struct operation_listing *listing = operation_listing(operation);
    struct idempotency_key after = listing->after_key;
    struct page *page = new_detailed_page(listing, sizeof(struct kept_answer));
    const struct model_kept *kept;
    while (page->size < listing->page_size &&
           (kept = next_kept(model, &operation->user, &after)) != NULL) {
        page->kept[page->size] = (struct kept_answer){.key = kept->key,
                                                      .changed = kept->answer.changed,
                                                      .count = kept->count,
                                                      .position = kept->answer.position};
        page->lines[page->size++] =
            (struct page_line){.id = kept->entity, .created_at_us = kept->expires_us};
        after = kept->key;
    }
}

static void list_events(const struct model_primary *model, struct operation_listing *listing)
{
    struct identifier after = listing->after;
    struct page *page = new_detailed_page(listing, sizeof(struct event_state));
    const struct model_row *next;
    do {
        next = NULL;
        for (size_t i = 0; i < model->row_count; i++) {
            const struct model_row *row = model->rows[i];
            if (row->event.has_settings && identifier_compare(&row->entity, &after) > 0 &&
                (next == NULL || identifier_compare(&row->entity, &next->entity) < 0)) {
                next = row;
            }
        }
        if (next != NULL && page->size < listing->page_size) {
            page->events[page->size] =
                (struct event_state){next->settings, next->event.waiting, next->event.going};
            page->lines[page->size++] = (struct page_line){.id = next->entity};
            after = next->entity;
        }
    } while (next != NULL && page->size < listing->page_size);
}

static void look_up(struct model_primary *model, struct model_row *row, struct operation *operation)
{
    int user = model_primary_user(model, &operation->user);
    bool is_in = model_is_in(&row->event, user);
    bool since = operation->kind == OPERATION_FIND && is_in;
    *operation_membership(operation) = (struct operation_membership){
        .member = is_in,
        .waiting = operation->kind == OPERATION_LOOKUP && model_position(&row->event, user) > 0,
        .created_at_us = since ? users_of(model, row)[user].since_us : 0,
    };
}

/* ---- batches ---- */

static void execute_one(struct model_primary *model, struct operation *operation,
                        struct instant now)
{
    switch (operation->kind) {
    case OPERATION_LOOKUP:
    case OPERATION_FIND:
        look_up(model, row_of(model, operation), operation);
        return;
    case OPERATION_COUNT:
        operation->count = model_row_count(row_of(model, operation), now);
        return;
    case OPERATION_LIST_USERS:
    case OPERATION_LIST_ENTITIES:
    case OPERATION_LIST_WAITS:
        list(model, operation);
        return;
    case OPERATION_LIST_KEPT:
        list_kept(model, operation);
        return;
    case OPERATION_LIST_EVENTS:
        list_events(model, operation_listing(operation));
        return;
    case OPERATION_LIST_WAITING:
        list_waiting(model, row_of(model, operation), operation_listing(operation));
        return;
    case OPERATION_STORE_SETTINGS:
    case OPERATION_CLEAR_SETTINGS:
    case OPERATION_PROMOTE:
        change_settings(model, row_of(model, operation), operation, now);
        read_settings(row_of(model, operation), operation, now);
        return;
    case OPERATION_SETTINGS:
        read_settings(row_of(model, operation), operation, now);
        return;
    case OPERATION_CLAIM_PROMOTIONS:
        claim(model, operation_claim(operation));
        return;
    case OPERATION_EXPIRE_KEYS:
        operation_expiry(operation)->keys_expired =
            delete_keys(model, NULL, operation_expiry(operation)->keys_max, now);
        return;
    case OPERATION_ERASE_KEYS:
        operation_expiry(operation)->keys_expired =
            delete_keys(model, &operation->user, operation_expiry(operation)->keys_max, now);
        return;
    case OPERATION_ERASE:
    case OPERATION_ADD:
    case OPERATION_REMOVE:
        break;
    }
    assert(false && "belongs into a batch of writes");
}

void model_primary_execute(struct model_primary *model, struct batch *batch, struct instant now)
{
    if (batch->kind == OPERATION_ADD) {
        assert(model_primary_obstacle(model, batch, now) == BATCH_DONE);
        execute_writes(model, batch, now);
        return;
    }
    for (size_t i = 0; i < batch->size; i++) {
        model_primary_reset(batch->operations[i]);
        execute_one(model, batch->operations[i], now);
    }
}

/* ---- life ---- */

void model_primary_init(struct model_primary *model, int64_t key_lifetime_us)
{
    *model = (struct model_primary){.key_lifetime_us = key_lifetime_us};
}

void model_primary_free(struct model_primary *model)
{
    for (size_t i = 0; i < model->row_count; i++) {
        model_free(&model->rows[i]->event);
        free(model->rows[i]->users);
        free(model->rows[i]->history.at);
        free(model->rows[i]);
    }
    for (size_t i = 0; i < MODEL_KEPT_BUCKETS; i++) {
        while (model->kept[i] != NULL) {
            struct model_kept *next = model->kept[i]->next;
            free(model->kept[i]);
            model->kept[i] = next;
        }
    }
    free(model->rows);
    free(model->users);
    *model = (struct model_primary){.rows = NULL};
}
