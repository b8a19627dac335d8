/* What is true. */
#include "tables.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

struct identifier name_of(char kind, unsigned number)
{
    char text[16];
    struct identifier name;
    snprintf(text, sizeof text, "%c%07u", kind, number);
    bool valid = identifier_parse(slice_of(text), &name);
    assert(valid);
    return name;
}

struct idempotency_key key_named(unsigned number)
{
    struct identifier name = name_of('k', number);
    struct idempotency_key key = {.size = name.size};
    memcpy(key.data, name.data, name.size);
    return key;
}

static int number_in(struct slice name)
{
    int number = 0;
    for (size_t i = 1; i < name.size; i++) {
        number = number * 10 + (name.data[i] - '0');
    }
    return name.size == 8 ? number : KEY_NONE;
}

int number_of(const struct identifier *name)
{
    return number_in(identifier_slice(name));
}

int key_number_of(const struct idempotency_key *key)
{
    return number_in(idempotency_key_slice(key));
}

bool kind_writes_user(enum operation_kind kind)
{
    return kind == OPERATION_ADD || kind == OPERATION_REMOVE;
}

bool kind_writes(enum operation_kind kind)
{
    return kind_writes_user(kind) || kind == OPERATION_STORE_SETTINGS ||
           kind == OPERATION_CLEAR_SETTINGS;
}

uint64_t page_digest(const struct page *page)
{
    uint64_t digest = page->size + 1; /* never 0 */
    for (size_t i = 0; i < page->size; i++) {
        const struct page_line *line = &page->lines[i];
        digest = hash_bytes(digest, identifier_slice(&line->id));
        digest = digest * 31 + (uint64_t)line->created_at_us;
        digest = digest * 31 + (uint64_t)line->ticket;
    }
    return digest;
}

/* ---- counters ---- */

static void history_add(struct history *history, int64_t value, int64_t now_us)
{
    if (history->size == history->capacity) {
        history->capacity = history->capacity == 0 ? 64 : history->capacity * 2;
        history->at = realloc(history->at, history->capacity * sizeof *history->at);
        assert(history->at != NULL);
    }
    history->at[history->size++] = (struct reading){value, now_us};
}

bool history_holds(const struct history *history, int64_t count, int64_t version, int64_t at_us)
{
    if (version < 0 || (size_t)version >= history->size) {
        return false;
    }
    const struct reading *reading = &history->at[version];
    bool last = (size_t)version + 1 == history->size;
    return reading->value == count && reading->since_us <= at_us &&
           (last || at_us <= reading[1].since_us);
}

bool history_was(const struct history *history, int64_t count, int64_t at_us)
{
    for (size_t version = history->size; version-- > 0;) {
        if (history_holds(history, count, (int64_t)version, at_us)) {
            return true;
        }
        if (history->at[version].since_us < at_us) {
            return false;
        }
    }
    return false;
}

static bool is_closed(const struct row *row, int64_t now_us)
{
    return row->settings.closes && now_us >= row->settings.closes_at_us;
}

/* The model knows no clock: tells it what lies in the past by now. */
static void tell_time(struct row *row, int64_t now_us)
{
    const struct settings *settings = &row->settings;
    row->event.settings.opens_at = !settings->opens                 ? MODEL_NULL
                                   : now_us < settings->opens_at_us ? MODEL_FUTURE
                                                                    : MODEL_PAST;
    row->event.settings.closes_at = !settings->closes        ? MODEL_NULL
                                    : is_closed(row, now_us) ? MODEL_PAST
                                                             : MODEL_FUTURE;
}

/* The counter changes by the rows that really changed; who waits has a ticket. Notes what is
 * against the rules. */
static void settle(struct row *row, int64_t now_us)
{
    const struct model_event *event = &row->event;
    int64_t step = 0, in = 0, promoted = 0;
    bool joined = false, changed = false;
    for (int user = 0; user < USERS_MAX; user++) {
        in += event->is_in[user];
        if (event->is_in[user] != row->was_in[user]) {
            changed = true;
            joined = joined || event->is_in[user];
            step += event->is_in[user] ? 1 : -1;
            promoted =
                event->is_in[user] && row->ticket[user] > promoted ? row->ticket[user] : promoted;
            row->since_us[user] = now_us;
            row->was_in[user] = event->is_in[user];
        }
        if (model_position(event, user) == 0) {
            row->ticket[user] = 0;
        }
    }
    if (changed) {
        history_add(&row->history, row->history.at[row->history.size - 1].value + step, now_us);
    }
    int64_t before = promoted;
    for (int i = 0; i < event->waiting; i++) {
        int user = event->queue[i];
        if (row->ticket[user] == 0) {
            row->ticket[user] = ++row->last_ticket;
            row->waits_since_us[user] = now_us;
        }
        if (row->ticket[user] <= before) {
            row->broken = "first come, first served: somebody got past one who waited longer";
        }
        before = row->ticket[user];
        if (event->is_in[user]) {
            row->broken = "nobody waits who is in";
        }
    }
    bool limited = event->settings.capacity >= 0;
    if (row->history.at[row->history.size - 1].value != in) {
        row->broken = "the counter is the number of rows";
    } else if (joined && limited && in > event->settings.capacity) {
        row->broken = "the capacity is never exceeded";
    } else if (event->waiting > 0 && !is_closed(row, now_us) &&
               (!limited || in < event->settings.capacity)) {
        row->broken = "no seat is free while somebody waits";
    }
}

/* ---- keys ---- */

static size_t bucket_of(int key)
{
    return (size_t)key % KEPT_BUCKETS;
}

static struct kept *find_kept(const struct tables *tables, const struct item *item, int64_t now_us)
{
    struct kept *kept = tables->kept[bucket_of(item->key)];
    while (kept != NULL &&
           (kept->user != item->user || kept->key != item->key || kept->expires_us <= now_us)) {
        kept = kept->next;
    }
    return kept;
}

bool item_acts(const struct item *item)
{
    return !item->answer.replayed && item->answer.verdict != OUTCOME_KEY_REUSED &&
           item->answer.verdict != OUTCOME_IN_FLIGHT;
}

void tables_recall(const struct tables *tables, struct work *work, int64_t now_us)
{
    for (size_t i = 0; i < work->size; i++) {
        struct item *item = &work->items[i];
        const struct kept *kept = item->key == KEY_NONE ? NULL : find_kept(tables, item, now_us);
        if (kept == NULL) {
            continue;
        }
        if (kept->relation == work->relation && kept->kind == item->kind &&
            kept->entity == item->entity) {
            item->answer = kept->answer;
            item->answer.replayed = true;
        } else {
            item->answer.verdict = OUTCOME_KEY_REUSED;
        }
    }
}

/* Of two in a batch with the same key the first to arrive is done. */
static void hold_back(struct work *work)
{
    for (size_t i = 0; i < work->size; i++) {
        struct item *item = &work->items[i];
        for (size_t j = 0; j < work->size && item->key != KEY_NONE && item_acts(item); j++) {
            const struct item *other = &work->items[j];
            if (other->user == item->user && other->key == item->key &&
                other->arrival < item->arrival) {
                item->answer.verdict = OUTCOME_IN_FLIGHT;
            }
        }
    }
}

static void remember(struct tables *tables, const struct work *work, const struct item *item,
                     int64_t now_us)
{
    if (item->key == KEY_NONE || !item_acts(item) || item->answer.verdict != OUTCOME_DONE) {
        return;
    }
    struct kept *kept = malloc(sizeof *kept);
    assert(kept != NULL);
    *kept = (struct kept){
        .user = item->user,
        .key = item->key,
        .relation = work->relation,
        .kind = item->kind,
        .entity = item->entity,
        .answer = item->answer,
        .expires_us = now_us + tables->key_lifetime_us,
        .next = tables->kept[bucket_of(item->key)],
    };
    tables->kept[bucket_of(item->key)] = kept;
}

/* Deletes answers whose time is over, at most as many as asked for. */
static int64_t forget(struct tables *tables, int64_t max, int64_t now_us)
{
    int64_t gone = 0;
    for (size_t i = 0; i < KEPT_BUCKETS; i++) {
        struct kept **at = &tables->kept[i], *kept;
        while ((kept = *at) != NULL) {
            if (kept->expires_us < now_us && gone < max) {
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

/* Nothing is done where something in the batch is against it. */
static enum batch_outcome obstacle(const struct tables *tables, struct work *work, int64_t now_us)
{
    bool misrouted = false;
    for (size_t i = 0; i < work->size; i++) {
        struct item *item = &work->items[i];
        bool admitted = tables->rows[work->relation][item->entity].event.has_settings;
        item->path = admitted ? PATH_ADMITTED : item->key != KEY_NONE ? PATH_KEYED : PATH_PLAIN;
        if (!item_acts(item)) {
            continue;
        }
        if (item->poisonous) {
            return BATCH_REJECTED;
        }
        if (item->key != KEY_NONE && find_kept(tables, item, now_us) != NULL) {
            return BATCH_ROLLED_BACK; /* answered since it was recalled */
        }
        misrouted = misrouted || admitted != (work->path == PATH_ADMITTED);
    }
    return misrouted ? BATCH_MISROUTED : BATCH_DONE;
}

static void remove_user(struct row *row, struct item *item, int64_t now_us)
{
    tell_time(row, now_us);
    struct model_answer answer = model_leave(&row->event, (int)item->user);
    item->answer.changed = answer.changed;
    settle(row, now_us);
}

static void join(struct row *row, struct item *item, int64_t now_us)
{
    static const enum outcome verdicts[] = {[MODEL_GOING] = OUTCOME_DONE,
                                            [MODEL_WAITLISTED] = OUTCOME_DONE,
                                            [MODEL_FULL] = OUTCOME_FULL,
                                            [MODEL_CLOSED] = OUTCOME_CLOSED};
    tell_time(row, now_us);
    struct model_answer answer = model_join(&row->event, (int)item->user);
    item->answer.verdict = verdicts[answer.verdict];
    item->answer.member = answer.verdict == MODEL_GOING;
    item->answer.waiting = answer.verdict == MODEL_WAITLISTED;
    item->answer.changed = answer.changed;
    item->answer.place = answer.position;
    settle(row, now_us);
}

/* Who comes next, in the order of arrival. */
static struct item *next_to_join(struct work *work, uint64_t after)
{
    struct item *next = NULL;
    for (size_t i = 0; i < work->size; i++) {
        struct item *item = &work->items[i];
        if (item->kind == OPERATION_ADD && item_acts(item) && item->arrival > after &&
            (next == NULL || item->arrival < next->arrival)) {
            next = item;
        }
    }
    return next;
}

static void read_count(const struct row *row, struct answer *answer, int64_t now_us)
{
    answer->version = (int64_t)row->history.size - 1;
    answer->count = row->history.at[answer->version].value;
    answer->as_of_us = now_us;
}

static enum batch_outcome execute_writes(struct tables *tables, struct work *work, int64_t now_us)
{
    struct row *rows = tables->rows[work->relation];
    hold_back(work);
    enum batch_outcome outcome = obstacle(tables, work, now_us);
    if (outcome != BATCH_DONE) {
        return outcome;
    }
    for (size_t i = 0; i < work->size; i++) {
        struct item *item = &work->items[i];
        if (item->kind == OPERATION_REMOVE && item_acts(item)) {
            remove_user(&rows[item->entity], item, now_us);
        }
    }
    struct item *item = NULL;
    while ((item = next_to_join(work, item == NULL ? 0 : item->arrival)) != NULL) {
        join(&rows[item->entity], item, now_us);
    }
    for (size_t i = 0; i < work->size; i++) {
        item = &work->items[i];
        if (item_acts(item)) {
            read_count(&rows[item->entity], &item->answer, now_us);
        }
        remember(tables, work, item, now_us);
    }
    return BATCH_DONE;
}

static void read_settings(const struct row *row, struct answer *answer, int64_t now_us)
{
    answer->settings =
        row->event.has_settings ? row->settings : (struct settings){.limited = false};
    answer->waiting_count = row->event.waiting;
    read_count(row, answer, now_us);
}

static void configure(struct row *row, struct item *item, int64_t now_us)
{
    const struct settings *settings = &item->settings;
    row->settings = *settings;
    tell_time(row, now_us);
    struct model_settings model = row->event.settings;
    model.capacity = settings->limited ? (int)settings->capacity : -1;
    model.waitlist = settings->waitlist;
    model_configure(&row->event, &model);
    settle(row, now_us);
    read_settings(row, &item->answer, now_us);
}

static void release(struct row *row, struct item *item, int64_t now_us)
{
    row->settings = (struct settings){.limited = false};
    model_release(&row->event);
    settle(row, now_us);
    read_settings(row, &item->answer, now_us);
}

/* ---- reads ---- */

static struct page *new_page(size_t size_max)
{
    struct page *page = malloc(sizeof *page + size_max * sizeof page->lines[0]);
    assert(page != NULL);
    page->size = 0;
    return page;
}

static void list(const struct tables *tables, const struct work *work, struct item *item)
{
    const struct row *rows = tables->rows[work->relation];
    const struct row *row = &rows[item->entity];
    struct page *page = new_page(item->page_size);
    bool of_users = item->kind == OPERATION_LIST_USERS;
    unsigned end = of_users ? USERS_MAX : ENTITIES_MAX;
    for (unsigned i = item->after.size == 0 ? 0 : (unsigned)number_of(&item->after) + 1;
         i < end && page->size < item->page_size; i++) {
        const struct row *of = of_users ? row : &rows[i];
        unsigned user = of_users ? i : item->user;
        if (of->event.is_in[user]) {
            page->lines[page->size++] = (struct page_line){.id = name_of(of_users ? 'u' : 'e', i),
                                                           .created_at_us = of->since_us[user]};
        }
    }
    item->answer.page = page;
}

static void list_waiting(const struct row *row, struct item *item)
{
    struct page *page = new_page(item->page_size);
    for (int i = 0; i < row->event.waiting && page->size < item->page_size; i++) {
        int user = row->event.queue[i];
        if (row->ticket[user] > item->after_ticket) {
            page->lines[page->size++] = (struct page_line){
                name_of('u', (unsigned)user), row->waits_since_us[user], row->ticket[user]};
        }
    }
    item->answer.page = page;
}

static void execute_one(struct tables *tables, const struct work *work, struct item *item,
                        int64_t now_us)
{
    struct row *row = &tables->rows[work->relation][item->entity];
    struct answer *answer = &item->answer;
    switch (item->kind) {
    case OPERATION_LOOKUP:
        answer->member = row->event.is_in[item->user];
        answer->waiting = model_position(&row->event, (int)item->user) > 0;
        break;
    case OPERATION_FIND:
        answer->member = row->event.is_in[item->user];
        answer->created_at_us = answer->member ? row->since_us[item->user] : 0;
        break;
    case OPERATION_COUNT:
        read_count(row, answer, now_us);
        break;
    case OPERATION_LIST_USERS:
    case OPERATION_LIST_ENTITIES:
        list(tables, work, item);
        break;
    case OPERATION_LIST_WAITING:
        list_waiting(row, item);
        break;
    case OPERATION_SETTINGS:
        read_settings(row, answer, now_us);
        break;
    case OPERATION_STORE_SETTINGS:
        configure(row, item, now_us);
        break;
    case OPERATION_CLEAR_SETTINGS:
        release(row, item, now_us);
        break;
    case OPERATION_EXPIRE_KEYS:
        answer->keys_expired = forget(tables, item->keys_max, now_us);
        break;
    case OPERATION_PROMOTE:
    case OPERATION_CLAIM_PROMOTIONS:
        assert(false && "there all who can move up do so at once");
        break;
    case OPERATION_ADD:
    case OPERATION_REMOVE:
        assert(false && "belongs into a batch of writes");
    }
    answer->page_digest = answer->page == NULL ? 0 : page_digest(answer->page);
}

enum batch_outcome tables_execute(struct tables *tables, struct work *work, int64_t now_us)
{
    if (work->kind == OPERATION_ADD) {
        return execute_writes(tables, work, now_us);
    }
    for (size_t i = 0; i < work->size; i++) {
        if (work->items[i].poisonous) {
            return BATCH_REJECTED;
        }
    }
    for (size_t i = 0; i < work->size; i++) {
        execute_one(tables, work, &work->items[i], now_us);
    }
    return BATCH_DONE;
}

/* ---- life ---- */

void tables_init(struct tables *tables, int64_t key_lifetime_us)
{
    memset(tables, 0, sizeof *tables);
    tables->key_lifetime_us = key_lifetime_us;
    for (size_t i = 0; i < RELATION_COUNT * ENTITIES_MAX; i++) {
        struct row *row = &tables->rows[i / ENTITIES_MAX][i % ENTITIES_MAX];
        model_init(&row->event);
        history_add(&row->history, 0, INT64_MIN);
    }
}

void tables_free(struct tables *tables)
{
    for (size_t i = 0; i < RELATION_COUNT * ENTITIES_MAX; i++) {
        free(tables->rows[i / ENTITIES_MAX][i % ENTITIES_MAX].history.at);
    }
    for (size_t i = 0; i < KEPT_BUCKETS; i++) {
        while (tables->kept[i] != NULL) {
            struct kept *next = tables->kept[i]->next;
            free(tables->kept[i]);
            tables->kept[i] = next;
        }
    }
}
