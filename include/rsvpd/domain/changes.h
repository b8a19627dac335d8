/* What happened, in the words of the contract, from the rows that a transaction changed.
 *
 * DESIGN: A promotion is two rows: one leaves the waiting list, one comes into the members; and a
 * removal may put in a placeholder first (sql/queries/insert_placeholders.sql) and take it out
 * again. To make one change, or none, of the two, changes are held back in their order until the
 * transaction ends or CHANGES_HELD_MAX of them are held. So memory is bounded whatever the size of
 * a transaction. A statement of ours that promotes reaches over at most as many rows as it touches;
 * where the two halves are further apart than the bound, both are told: `rsvp.left_waitlist` and
 * `rsvp.created`. What comes out, and its numbers, depend on the rows alone. */
#ifndef RSVPD_DOMAIN_CHANGES_H
#define RSVPD_DOMAIN_CHANGES_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Name of each, and whether it tells of a user. */
/* clang-format off */
#define CHANGE_TYPES(ROW) \
    ROW(RSVP_CREATED,       "rsvp.created",       true,  "event_id") \
    ROW(RSVP_CANCELLED,     "rsvp.cancelled",     true,  "event_id") \
    ROW(RSVP_WAITLISTED,    "rsvp.waitlisted",    true,  "event_id") \
    ROW(RSVP_LEFT_WAITLIST, "rsvp.left_waitlist", true,  "event_id") \
    ROW(RSVP_PROMOTED,      "rsvp.promoted",      true,  "event_id") \
    ROW(LIKE_CREATED,       "like.created",       true,  "post_id") \
    ROW(LIKE_DELETED,       "like.deleted",       true,  "post_id") \
    ROW(EVENT_CONFIGURED,   "event.configured",   false, "event_id") \
    ROW(EVENT_RELEASED,     "event.released",     false, "event_id")
/* clang-format on */

enum change_type {
#define CHANGE_TYPE_ID(ID, ...) CHANGE_##ID,
    CHANGE_TYPES(CHANGE_TYPE_ID)
#undef CHANGE_TYPE_ID
        CHANGE_TYPE_COUNT
};

struct change_type_words {
    const char *name;
    bool has_user;
    const char *id_member; /* of what it is about */
};

/* Indexed by enum change_type. */
extern const struct change_type_words change_types[CHANGE_TYPE_COUNT];

#define CHANGE_TYPES_ALL ((1u << CHANGE_TYPE_COUNT) - 1)

/* Reads names of types, separated by commas or blanks, as a set of bits; nothing stands for all.
 * False where one is not known, or there is none at all but separators. */
MUST_CHECK bool change_types_parse(struct slice names, unsigned *types);

/* Tables whose rows make changes. */
enum changes_table {
    CHANGES_RSVPS,
    CHANGES_LIKES,
    CHANGES_WAITLIST,
    CHANGES_EVENTS,
    CHANGES_TABLE_COUNT
};

enum changes_operation { CHANGES_INSERT, CHANGES_UPDATE, CHANGES_DELETE };

enum { CHANGES_SETTINGS_COUNT = 4 }; /* capacity, waiting list, opens_at, closes_at */

/* What a row of `events` says of the settings. */
struct changes_settings {
    struct slice values[CHANGES_SETTINGS_COUNT]; /* compared alone; `data` is NULL for NULL */
    bool releasing; /* they are taken away: the row is there only while users wait */
};

struct changes_row {
    enum changes_table table;
    enum changes_operation operation;
    struct slice entity, user; /* no user in `events` */
    bool placeholder;          /* CHANGES_INSERT: it is there for a removal, and is nobody's */
    bool before_known;         /* CHANGES_EVENTS: how it was before */
    struct changes_settings before, after;
};

enum { CHANGES_HELD_MAX = 64 * 1024, CHANGES_ID_SIZE_MAX_BYTES = 128 };

struct change {
    enum change_type type;
    uint64_t number; /* in its transaction, from 1 on */
    struct slice entity, user;
};

struct changes;

/* At most `held_max` are held (CHANGES_HELD_MAX but in tests). `secret` is the key of a hash. NULL
 * when memory is exhausted. */
MUST_CHECK struct changes *changes_create(size_t held_max, uint64_t secret);
void changes_destroy(struct changes **changes);

/* A transaction begins: what was held of another is forgotten. */
void changes_begin(struct changes *changes);

/* It has ended: whatever is held comes out. */
void changes_end(struct changes *changes);

/* Whether there is room for a row: all that changes_next gives has been taken. */
bool changes_has_room(const struct changes *changes);

/* Whether any are held, or ready. */
bool changes_are_held(const struct changes *changes);

/* Takes in a row; there must be room. False for a row with an id that no service takes: it makes no
 * change. */
MUST_CHECK bool changes_add(struct changes *changes, const struct changes_row *row);

/* Gives the next change that is ready; its texts live until the next row. False where there is none
 * now. */
bool changes_next(struct changes *changes, struct change *change);

#endif
