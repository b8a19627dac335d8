/* Which of our tables a message of logical replication is about. */
#include "rsvpd/store/pgoutput_rows.h"

#include <assert.h>
#include <stdio.h>

enum { FIELD_ENTITY, FIELD_USER, FIELD_CREATED_AT }; /* of members, and of who waits */
enum {
    FIELD_SETTINGS = FIELD_ENTITY + 1,
    FIELD_RELEASING = FIELD_SETTINGS + CHANGES_SETTINGS_COUNT
};
#define NO_COLUMN SIZE_MAX

static const struct {
    const char *name;
    const char *fields[PGOUTPUT_FIELDS_MAX + 1];
} tables_known[CHANGES_TABLE_COUNT] = {
    [CHANGES_RSVPS] = {"rsvps", {"event_id", "user_id", "created_at"}},
    [CHANGES_LIKES] = {"likes", {"post_id", "user_id", "created_at"}},
    [CHANGES_WAITLIST] = {"waitlist", {"event_id", "user_id"}},
    [CHANGES_EVENTS] = {"events",
                        {"event_id", "capacity", "waitlist", "opens_at", "closes_at", "releasing"}},
};

struct fields {
    struct pgoutput_value values[PGOUTPUT_FIELDS_MAX];
};

void pgoutput_tables_begin(struct pgoutput_tables *tables, const char *schema)
{
    *tables = (struct pgoutput_tables){.schema = ""};
    snprintf(tables->schema, sizeof tables->schema, "%s", schema);
}

const char *pgoutput_tables_describe(struct pgoutput_tables *tables,
                                     const struct pgoutput_message *message)
{
    size_t table = CHANGES_TABLE_COUNT;
    bool is_ours = slice_equal(message->schema, slice_of(tables->schema));
    for (size_t i = 0; i < CHANGES_TABLE_COUNT; i++) {
        if (tables->at[i].relation == message->relation) {
            tables->at[i].relation = 0; /* it may have been renamed */
        }
        table = is_ours && slice_equal(message->name, slice_of(tables_known[i].name)) ? i : table;
    }
    if (table == CHANGES_TABLE_COUNT) {
        return NULL;
    }
    tables->at[table].relation = message->relation;
    for (size_t field = 0; tables_known[table].fields[field] != NULL; field++) {
        struct pgoutput_columns columns = message->columns;
        struct slice wanted = slice_of(tables_known[table].fields[field]), name = {NULL, 0};
        size_t column = 0;
        while (pgoutput_next_name(&columns, &name) && !slice_equal(name, wanted)) {
            column++;
        }
        if (!slice_equal(name, wanted)) {
            return tables_known[table].fields[field];
        }
        tables->at[table].columns[field] = column;
    }
    return NULL;
}

/* Picks our fields out of a row. False where it has too few columns. */
static bool pick(const struct pgoutput_tables *tables, size_t table,
                 struct pgoutput_columns columns, struct fields *fields)
{
    struct pgoutput_value value;
    size_t column = 0, picked = 0, wanted = 0;
    while (tables_known[table].fields[wanted] != NULL) {
        wanted++;
    }
    for (; pgoutput_next_value(&columns, &value); column++) {
        for (size_t field = 0; field < wanted; field++) {
            if (tables->at[table].columns[field] == column) {
                fields->values[field] = value;
                picked++;
            }
        }
    }
    return picked == wanted;
}

static bool is_given(const struct pgoutput_value *value)
{
    return value->known && value->bytes.data != NULL;
}

/* A placeholder's time is before our era, whichever way the server writes it. */
static bool is_before_christ(const struct pgoutput_value *value)
{
    static const char end[] = " BC";
    struct slice text = value->bytes;
    return is_given(value) && text.size >= strlen(end) &&
           memcmp(text.data + text.size - strlen(end), end, strlen(end)) == 0;
}

static struct changes_settings settings_of(const struct fields *fields)
{
    struct changes_settings settings = {.releasing = false};
    const struct pgoutput_value *releasing = &fields->values[FIELD_RELEASING];
    for (size_t i = 0; i < CHANGES_SETTINGS_COUNT; i++) {
        settings.values[i] = fields->values[FIELD_SETTINGS + i].bytes;
    }
    settings.releasing = is_given(releasing) && slice_equal(releasing->bytes, slice_of("t"));
    return settings;
}

/* Of one that goes there is only what was before, which may be its key alone: in that the other
 * columns are NULL, and `releasing` never is. */
static enum pgoutput_row_result read_row(const struct pgoutput_tables *tables, size_t table,
                                         const struct pgoutput_message *message,
                                         struct changes_row *row)
{
    struct fields before = {0}, after = {0};
    bool has_after = message->kind != PGOUTPUT_DELETE;
    if ((message->has_before && !pick(tables, table, message->before, &before)) ||
        (has_after && !pick(tables, table, message->after, &after))) {
        return PGOUTPUT_BAD_ROW;
    }
    const struct fields *ids = has_after ? &after : &before;
    bool has_user = table != CHANGES_EVENTS;
    if (!is_given(&ids->values[FIELD_ENTITY]) ||
        (has_user && !is_given(&ids->values[FIELD_USER]))) {
        return PGOUTPUT_BAD_ROW;
    }
    row->entity = ids->values[FIELD_ENTITY].bytes;
    if (has_user) {
        row->user = ids->values[FIELD_USER].bytes;
        row->placeholder = has_after && table != CHANGES_WAITLIST &&
                           is_before_christ(&after.values[FIELD_CREATED_AT]);
        return PGOUTPUT_ROW;
    }
    row->before_known = message->has_before && is_given(&before.values[FIELD_RELEASING]);
    if (row->before_known) {
        row->before = settings_of(&before);
    }
    if (has_after) {
        row->after = settings_of(&after);
    }
    return PGOUTPUT_ROW;
}

enum pgoutput_row_result pgoutput_tables_read(const struct pgoutput_tables *tables,
                                              const struct pgoutput_message *message,
                                              struct changes_row *row)
{
    size_t table = 0;
    assert(message->kind == PGOUTPUT_INSERT || message->kind == PGOUTPUT_UPDATE ||
           message->kind == PGOUTPUT_DELETE);
    while (table < CHANGES_TABLE_COUNT &&
           (message->relation == 0 || tables->at[table].relation != message->relation)) {
        table++;
    }
    if (table == CHANGES_TABLE_COUNT) {
        return PGOUTPUT_NO_ROW;
    }
    *row = (struct changes_row){
        .table = (enum changes_table)table,
        .operation = message->kind == PGOUTPUT_INSERT   ? CHANGES_INSERT
                     : message->kind == PGOUTPUT_UPDATE ? CHANGES_UPDATE
                                                        : CHANGES_DELETE,
    };
    return read_row(tables, table, message, row);
}
