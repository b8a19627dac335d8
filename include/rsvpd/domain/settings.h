/* The settings of an entity: when and for how many it is open. One table has their members, for
 * requests, answers, entity tags, imports and SQL. */
#ifndef RSVPD_DOMAIN_SETTINGS_H
#define RSVPD_DOMAIN_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

enum { SETTINGS_CAPACITY_MAX = 1000 * 1000 * 1000 };

/* A member is a row here, a field of struct settings with its lines in settings_get and
 * settings_set, and a column of the table events. `name` is the member of JSON, the column of CSV
 * and of SQL; `max` is of a number. Bodies, entity tags, statements and files have the members in
 * this order. */
/* clang-format off */
#define SETTINGS(ROW) \
    /*   id         name        type    max */ \
    ROW(CAPACITY,  "capacity",  NUMBER, SETTINGS_CAPACITY_MAX) \
    ROW(WAITLIST,  "waitlist",  FLAG,   1) \
    ROW(OPENS_AT,  "opens_at",  TIME,   0) \
    ROW(CLOSES_AT, "closes_at", TIME,   0)
/* clang-format on */

/* All names, each behind a comma and a blank, as a string constant. */
#define SETTINGS_BEHIND_COMMA(ID, name, ...) ", " name
#define SETTINGS_NAMES SETTINGS(SETTINGS_BEHIND_COMMA)

enum setting {
#define SETTINGS_ID(ID, ...) SETTING_##ID,
    SETTINGS(SETTINGS_ID)
#undef SETTINGS_ID
        SETTING_COUNT
};

enum setting_type {
    SETTING_NUMBER, /* a whole number from 0 to `max`, or none */
    SETTING_FLAG,   /* yes or no */
    SETTING_TIME    /* a moment, or none */
};

struct setting_row {
    const char *name;
    enum setting_type type;
    int64_t max;
};

/* Indexed by enum setting. */
extern const struct setting_row setting_rows[SETTING_COUNT];

struct settings {
    bool given; /* false: the entity has none, which is the same as having no limits */
    bool limited;
    int64_t capacity; /* where limited */
    bool waitlist;    /* whether those who find it full may wait */
    bool opens, closes;
    int64_t opens_at_us, closes_at_us; /* Unix epoch; where it opens, where it closes */
};

/* What a member holds, whatever its type. */
struct setting_value {
    bool given;     /* always so for a flag */
    int64_t number; /* where given: the number, 1 for yes, microseconds since the Unix epoch */
};

struct setting_value settings_get(const struct settings *settings, enum setting setting);

/* Whether the entity is open at any time: where it opens and closes, it opens first. */
bool settings_window_is_sound(const struct settings *settings);

/* A flag that is not given is no; a number or a time that is not given is kept as 0. */
void settings_set(struct settings *settings, enum setting setting, struct setting_value value);

#endif
