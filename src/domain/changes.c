/* What happened, from the rows that a transaction changed. */
#include "rsvpd/domain/changes.h"
#include "rsvpd/base/hash_table.h"
#include "rsvpd/base/list.h"

#include <assert.h>
#include <stdlib.h>

/* Kinds of a held row besides the types of changes: these come out as nothing. */
enum { HELD_PLACEHOLDER = CHANGE_TYPE_COUNT, HELD_NOTHING };

/* Rows of one user and entity meet where they are about the same thing. */
enum about { ABOUT_RSVP, ABOUT_LIKE, ABOUT_EVENT };

struct held {
    struct hash_node node;
    int kind; /* enum change_type, or one of the above */
    enum about about;
    bool in_table; /* it is the newest of its key */
    uint8_t entity_size, user_size;
    char ids[2 * CHANGES_ID_SIZE_MAX_BYTES]; /* the entity, and behind it the user */
};

struct changes {
    struct held *held; /* a ring */
    size_t held_max;
    size_t first, count;
    uint64_t numbered; /* changes of this transaction that have come out */
    bool ended;
    struct hash_table table; /* the newest held row of each key */
};

struct key {
    enum about about;
    struct slice entity, user;
};

const struct change_type_words change_types[CHANGE_TYPE_COUNT] = {
#define CHANGE_TYPE_ROW(ID, name, has_user, id_member) [CHANGE_##ID] = {name, has_user, id_member},
    CHANGE_TYPES(CHANGE_TYPE_ROW)
#undef CHANGE_TYPE_ROW
};

bool change_types_parse(struct slice names, unsigned *types)
{
    struct slice name;
    *types = names.size == 0 ? CHANGE_TYPES_ALL : 0;
    while ((name = slice_cut_word(&names)).size > 0) {
        size_t type = 0;
        while (type < CHANGE_TYPE_COUNT && !slice_equal(name, slice_of(change_types[type].name))) {
            type++;
        }
        if (type == CHANGE_TYPE_COUNT) {
            return false;
        }
        *types |= 1u << type;
    }
    return *types != 0;
}

/* ---- what is held ---- */

struct changes *changes_create(size_t held_max, uint64_t secret)
{
    assert(held_max > 0);
    struct changes *changes = calloc(1, sizeof *changes);
    if (changes == NULL) {
        return NULL;
    }
    changes->held_max = held_max;
    changes->held = calloc(held_max, sizeof *changes->held); /* touched as far as it is used */
    if (changes->held == NULL || !hash_table_init(&changes->table, held_max, secret)) {
        free(changes->held);
        free(changes);
        return NULL;
    }
    return changes;
}

void changes_destroy(struct changes **changes)
{
    if (*changes != NULL) {
        hash_table_free(&(*changes)->table);
        free((*changes)->held);
        free(*changes);
        *changes = NULL;
    }
}

static struct slice entity_of(const struct held *held)
{
    return slice_make(held->ids, held->entity_size);
}

static struct slice user_of(const struct held *held)
{
    return slice_make(held->ids + held->entity_size, held->user_size);
}

static struct held *held_of(struct hash_node *node)
{
    return list_entry(node, struct held, node);
}

static bool matches(const struct hash_node *node, const void *key_)
{
    const struct held *held = list_entry(node, const struct held, node);
    const struct key *key = key_;
    return held->about == key->about && slice_equal(entity_of(held), key->entity) &&
           slice_equal(user_of(held), key->user);
}

static uint64_t hash_of(const struct changes *changes, const struct key *key)
{
    uint64_t hash = hash_bytes(changes->table.secret + key->about, key->entity);
    return hash_bytes(hash, key->user);
}

/* It is not met by later rows of its key any more. */
static void forget(struct changes *changes, struct held *held)
{
    if (held->in_table) {
        hash_table_remove(&changes->table, &held->node);
        held->in_table = false;
    }
}

static void take_first(struct changes *changes)
{
    assert(changes->count > 0);
    forget(changes, &changes->held[changes->first]);
    changes->first = (changes->first + 1) % changes->held_max;
    changes->count--;
}

static void hold(struct changes *changes, int kind, const struct key *key, struct held *newest,
                 uint64_t hash)
{
    assert(changes->count < changes->held_max);
    struct held *held = &changes->held[(changes->first + changes->count++) % changes->held_max];
    if (newest != NULL) {
        forget(changes, newest);
    }
    held->kind = kind;
    held->about = key->about;
    held->entity_size = (uint8_t)key->entity.size;
    held->user_size = (uint8_t)key->user.size;
    memcpy(held->ids, key->entity.data, key->entity.size);
    if (key->user.size > 0) {
        memcpy(held->ids + key->entity.size, key->user.data, key->user.size);
    }
    held->in_table = true;
    hash_table_insert(&changes->table, &held->node, hash);
}

/* ---- what a row means ---- */

static bool is_same(struct slice a, struct slice b)
{
    return (a.data == NULL) == (b.data == NULL) && slice_equal(a, b);
}

static bool settings_differ(const struct changes_settings *a, const struct changes_settings *b)
{
    bool differ = false;
    for (size_t i = 0; i < CHANGES_SETTINGS_COUNT; i++) {
        differ = differ || !is_same(a->values[i], b->values[i]);
    }
    return differ;
}

/* Most updates of an event's row only count who waits. Where it is not known how it was before, it
 * is told once too often rather than not at all. */
static int meaning_of_event(const struct changes_row *row)
{
    bool was_released =
        row->operation == CHANGES_INSERT || (row->before_known && row->before.releasing);
    bool is_released = row->operation == CHANGES_DELETE || row->after.releasing;
    if (is_released) {
        return was_released ? HELD_NOTHING : CHANGE_EVENT_RELEASED;
    }
    bool differ = was_released || !row->before_known || settings_differ(&row->before, &row->after);
    return differ ? CHANGE_EVENT_CONFIGURED : HELD_NOTHING;
}

/* Of a row by itself. */
static int meaning_of(const struct changes_row *row)
{
    bool insert = row->operation == CHANGES_INSERT;
    if (row->table == CHANGES_EVENTS) {
        return meaning_of_event(row);
    }
    if (row->operation == CHANGES_UPDATE) {
        return HELD_NOTHING;
    }
    if (insert && row->placeholder) {
        return HELD_PLACEHOLDER;
    }
    switch (row->table) {
    case CHANGES_RSVPS:
        return insert ? CHANGE_RSVP_CREATED : CHANGE_RSVP_CANCELLED;
    case CHANGES_LIKES:
        return insert ? CHANGE_LIKE_CREATED : CHANGE_LIKE_DELETED;
    case CHANGES_WAITLIST:
        return insert ? CHANGE_RSVP_WAITLISTED : CHANGE_RSVP_LEFT_WAITLIST;
    case CHANGES_EVENTS:
    case CHANGES_TABLE_COUNT:
        break;
    }
    return HELD_NOTHING;
}

/* What the newest row of the same key and a further one are together: one of them, or neither.
 * False: each stands for itself. */
static bool merge(struct held *newest, int kind)
{
    static const struct {
        int first, second, together;
    } pairs[] = {
        {HELD_PLACEHOLDER, CHANGE_RSVP_CANCELLED, HELD_NOTHING},
        {HELD_PLACEHOLDER, CHANGE_LIKE_DELETED, HELD_NOTHING},
        {CHANGE_RSVP_LEFT_WAITLIST, CHANGE_RSVP_CREATED, CHANGE_RSVP_PROMOTED},
        {CHANGE_RSVP_CREATED, CHANGE_RSVP_LEFT_WAITLIST, CHANGE_RSVP_PROMOTED},
        {CHANGE_EVENT_CONFIGURED, CHANGE_EVENT_CONFIGURED, CHANGE_EVENT_CONFIGURED},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (newest->kind == pairs[i].first && kind == pairs[i].second) {
            newest->kind = pairs[i].together;
            return true;
        }
    }
    return false;
}

void changes_begin(struct changes *changes)
{
    while (changes->count > 0) {
        take_first(changes);
    }
    changes->first = 0;
    changes->numbered = 0;
    changes->ended = false;
}

void changes_end(struct changes *changes)
{
    changes->ended = true;
}

bool changes_has_room(const struct changes *changes)
{
    return changes->count < changes->held_max;
}

bool changes_are_held(const struct changes *changes)
{
    return changes->count > 0;
}

bool changes_add(struct changes *changes, const struct changes_row *row)
{
    assert(changes_has_room(changes) && !changes->ended);
    const struct key key = {.about = row->table == CHANGES_LIKES    ? ABOUT_LIKE
                                     : row->table == CHANGES_EVENTS ? ABOUT_EVENT
                                                                    : ABOUT_RSVP,
                            .entity = row->entity,
                            .user = row->user};
    bool has_user = row->table != CHANGES_EVENTS;
    if (key.entity.size == 0 || key.entity.size > CHANGES_ID_SIZE_MAX_BYTES ||
        (key.user.size == 0) == has_user || key.user.size > CHANGES_ID_SIZE_MAX_BYTES) {
        return false;
    }
    int kind = meaning_of(row);
    if (kind == HELD_NOTHING) {
        return true;
    }
    uint64_t hash = hash_of(changes, &key);
    struct hash_node *node = hash_table_find(&changes->table, hash, matches, &key);
    struct held *newest = node == NULL ? NULL : held_of(node);
    if (newest == NULL || !merge(newest, kind)) {
        hold(changes, kind, &key, newest, hash);
    }
    return true;
}

bool changes_next(struct changes *changes, struct change *change)
{
    while (changes->count > 0 && (changes->ended || changes->count == changes->held_max)) {
        const struct held *held = &changes->held[changes->first];
        bool told = held->kind < CHANGE_TYPE_COUNT;
        if (told) {
            *change = (struct change){.type = (enum change_type)held->kind,
                                      .number = ++changes->numbered,
                                      .entity = entity_of(held),
                                      .user = user_of(held)};
        }
        take_first(changes);
        if (told) {
            return true;
        }
    }
    return false;
}
