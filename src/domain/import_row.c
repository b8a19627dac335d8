/* What a line of an import says. */
#include "rsvpd/domain/import_row.h"
#include "rsvpd/base/json_writer.h"
#include "rsvpd/base/rfc3339.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { QUOTED_SIZE_MAX_BYTES = 70 }; /* of a field, in a problem */
static_assert(CSV_FIELDS_MAX >= (int)IMPORT_FIELD_COUNT, "a line may have every column");

static bool bad(struct import_problem *problem, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool bad(struct import_problem *problem, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(problem->text, sizeof problem->text, format, arguments);
    va_end(arguments);
    return false;
}

/* "<what> <field in quotes> <why>"; a long field is shown by its beginning. */
static bool bad_field(struct import_problem *problem, const char *what, struct slice field,
                      const char *why)
{
    char shown[QUOTED_SIZE_MAX_BYTES * 6 + 3];
    struct text text = text_over(shown, sizeof shown);
    struct json_writer quoted = json_writer_over(&text);
    bool cut = field.size > QUOTED_SIZE_MAX_BYTES;
    field.size = cut ? QUOTED_SIZE_MAX_BYTES : field.size;
    json_write_string(&quoted, NULL, field);
    return bad(problem, "%s%.*s%s %s", what, text.size > 128 ? 128 : (int)text.size, shown,
               cut || text.size > 128 ? "..." : "", why);
}

/* ---- kinds ---- */

enum {
    MEMBER_COLUMNS = 1 << IMPORT_ENTITY | 1 << IMPORT_USER,
    SETTINGS_COLUMNS = 1 << IMPORT_ENTITY | ((1 << SETTING_COUNT) - 1) << IMPORT_SETTING,
};

#define MEMBERS(ID, name, collection, id, ...)                                                     \
    {name,                                                                                         \
     IMPORT_MEMBERS,                                                                               \
     &relations[RELATION_##ID],                                                                    \
     MEMBER_COLUMNS,                                                                               \
     1 << IMPORT_CREATED_AT,                                                                       \
     id ",user_id",                                                                                \
     "the event has settings; --past-capacity adds to it whatever they say",                       \
     "already there"},
#define BEHIND_COMMA(ID, name, ...) "," name
const struct import_kind import_kinds[IMPORT_KIND_COUNT] = {
    RELATIONS(MEMBERS) /* what only one with settings may refuse */
    {"settings", IMPORT_SETTINGS, &relations[RELATION_RSVP], SETTINGS_COLUMNS, 0,
     "event_id" SETTINGS(BEHIND_COMMA), "", "replaced"},
    {"waitlist", IMPORT_WAITLISTS, &relations[RELATION_RSVP], MEMBER_COLUMNS,
     1 << IMPORT_CREATED_AT, "event_id,user_id",
     "the event has no settings; give it some first, by PUT or 'rsvpd import --relation settings'",
     "already there"},
};

const struct import_kind *import_kind_named(const char *name)
{
    for (size_t i = 0; i < IMPORT_KIND_COUNT; i++) {
        if (strcmp(import_kinds[i].name, name) == 0) {
            return &import_kinds[i];
        }
    }
    return NULL;
}

/* ---- fields ---- */

static bool parse_entity(struct slice value, struct import_row *row)
{
    return identifier_parse(value, &row->entity);
}

static bool parse_user(struct slice value, struct import_row *row)
{
    return identifier_parse(value, &row->user);
}

static bool parse_created_at(struct slice value, struct import_row *row)
{
    return value.size == 0 || rfc3339_parse(value, &row->created_us);
}

static bool parse_whole(struct slice value, int64_t max, int64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9' || *number > max) {
            return false;
        }
        *number = *number * 10 + (value.data[i] - '0');
    }
    return *number <= max;
}

static bool parse_flag(struct slice value, int64_t *flag)
{
    *flag = slice_equal(value, slice_of("t")) || slice_equal(value, slice_of("true"));
    return *flag != 0 || slice_equal(value, slice_of("f")) || slice_equal(value, slice_of("false"));
}

static bool parse_setting(struct slice text, enum setting setting, struct import_row *row)
{
    struct setting_value value = {.given = text.size > 0};
    bool good = true;
    switch (setting_rows[setting].type) {
    case SETTING_NUMBER:
        good = parse_whole(text, setting_rows[setting].max, &value.number);
        break;
    case SETTING_FLAG:
        good = parse_flag(text, &value.number);
        break;
    case SETTING_TIME:
        good = text.size == 0 || rfc3339_parse(text, &value.number);
        break;
    }
    settings_set(&row->settings, setting, value);
    return good;
}

#define TIME_WHY "is no RFC 3339 time of the years 1970 to 9999, as 2026-11-22T10:15:30.123Z"

static bool bad_setting(struct import_problem *problem, const char *what, struct slice value,
                        const struct setting_row *setting)
{
    char why[96];
    switch (setting->type) {
    case SETTING_NUMBER:
        snprintf(why, sizeof why, "is no whole number from 0 to %lld, nor empty for no limit",
                 (long long)setting->max);
        return bad_field(problem, what, value, why);
    case SETTING_FLAG:
        return bad_field(problem, what, value, "is none of t, true, f, false");
    case SETTING_TIME:
        return bad_field(problem, what, value, TIME_WHY);
    }
    return false;
}

/* Those that are no settings. */
static const struct {
    const char *name; /* NULL: the relation's own */
    bool (*take)(struct slice value, struct import_row *row);
    const char *why; /* it is bad where it is not taken */
} fields[IMPORT_SETTING] = {
    [IMPORT_ENTITY] = {NULL, parse_entity, "is no identifier: " IDENTIFIER_RULE},
    [IMPORT_USER] = {"user_id", parse_user, "is no identifier: " IDENTIFIER_RULE},
    [IMPORT_CREATED_AT] = {"created_at", parse_created_at, TIME_WHY},
};

static const char *field_name(const struct import_kind *kind, int field)
{
    if (field >= IMPORT_SETTING) {
        return setting_rows[field - IMPORT_SETTING].name;
    }
    return fields[field].name == NULL ? kind->relation->id_member : fields[field].name;
}

/* The kind's column of that name; IMPORT_FIELD_COUNT where there is none. */
static int field_named(const struct import_kind *kind, struct slice name)
{
    unsigned known = kind->required | kind->optional;
    int field = 0;
    while (field < IMPORT_FIELD_COUNT &&
           ((known & 1U << field) == 0 || !slice_equal(name, slice_of(field_name(kind, field))))) {
        field++;
    }
    return field;
}

/* ---- lines ---- */

bool import_read_header(struct slice line, const struct import_kind *kind,
                        struct import_columns *columns, struct import_problem *problem)
{
    struct csv_record record;
    const char *why;
    assert((kind->required & kind->optional) == 0); /* no column is both */
    if (!csv_split(line, &record, &why)) {
        return bad(problem, "the header is wrong: %s", why);
    }
    *columns = (struct import_columns){.kind = kind, .count = record.count};
    for (int field = 0; field < IMPORT_FIELD_COUNT; field++) {
        columns->places[field] = -1;
    }
    for (size_t i = 0; i < record.count; i++) {
        int field = field_named(kind, record.fields[i]);
        if (field == IMPORT_FIELD_COUNT) {
            return bad_field(problem, "column ", record.fields[i],
                             "is not one that an import knows");
        }
        if (columns->places[field] >= 0) {
            return bad_field(problem, "column ", record.fields[i], "occurs twice");
        }
        columns->places[field] = (int)i;
    }
    for (int field = 0; field < IMPORT_FIELD_COUNT; field++) {
        if ((kind->required & 1U << field) != 0 && columns->places[field] < 0) {
            return bad(problem, "column \"%s\" is missing", field_name(kind, field));
        }
    }
    return true;
}

static bool read_field(struct slice value, const struct import_kind *kind, int field,
                       struct import_row *row, struct import_problem *problem)
{
    bool is_setting = field >= IMPORT_SETTING;
    enum setting setting = is_setting ? (enum setting)(field - IMPORT_SETTING) : 0;
    if (is_setting ? parse_setting(value, setting, row) : fields[field].take(value, row)) {
        return true;
    }
    char what[32];
    snprintf(what, sizeof what, "%s ", field_name(kind, field));
    return is_setting ? bad_setting(problem, what, value, &setting_rows[setting])
                      : bad_field(problem, what, value, fields[field].why);
}

bool import_read_row(struct slice line, const struct import_columns *columns,
                     struct import_row *row, struct import_problem *problem)
{
    struct csv_record record;
    const char *why;
    bool good = true;
    if (!csv_split(line, &record, &why)) {
        return bad(problem, "%s", why);
    }
    if (record.count != columns->count) {
        return bad(problem, "%zu fields, where the header has %zu", record.count, columns->count);
    }
    row->user.size = 0;
    row->created_us = IMPORT_NOW;
    row->settings = (struct settings){.given = columns->kind->what == IMPORT_SETTINGS};
    for (int field = 0; good && field < IMPORT_FIELD_COUNT; field++) {
        int place = columns->places[field];
        assert(place < (int)record.count);
        good = place < 0 || read_field(record.fields[place], columns->kind, field, row, problem);
    }
    if (good && !settings_window_is_sound(&row->settings)) {
        return bad(problem, "opens_at is not before closes_at");
    }
    return good;
}
