/* What a line of an import says. */
#include "rsvpd/domain/import_row.h"
#include "rsvpd/base/rfc3339.h"
#include "rsvpd/base/text.h"

#include <stdarg.h>
#include <stdio.h>

enum { QUOTED_SIZE_MAX_BYTES = 70 }; /* of a field, in a problem */

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
    bool cut = field.size > QUOTED_SIZE_MAX_BYTES;
    field.size = cut ? QUOTED_SIZE_MAX_BYTES : field.size;
    text_add_json_string(&text, field);
    return bad(problem, "%s%.*s%s %s", what, text.size > 128 ? 128 : (int)text.size, shown,
               cut || text.size > 128 ? "..." : "", why);
}

static const char *field_name(const struct relation *relation, enum import_field field)
{
    switch (field) {
    case IMPORT_ENTITY:
        return relation->id_member;
    case IMPORT_USER:
        return "user_id";
    default:
        return "created_at";
    }
}

static int field_named(const struct relation *relation, struct slice name)
{
    int field = 0;
    while (field < IMPORT_FIELD_COUNT &&
           !slice_equal(name, slice_of(field_name(relation, (enum import_field)field)))) {
        field++;
    }
    return field;
}

bool import_read_header(struct slice line, const struct relation *relation,
                        struct import_columns *columns, struct import_problem *problem)
{
    struct csv_record record;
    const char *why;
    if (!csv_split(line, &record, &why)) {
        return bad(problem, "the header is wrong: %s", why);
    }
    *columns = (struct import_columns){relation, record.count, {-1, -1, -1}};
    for (size_t i = 0; i < record.count; i++) {
        int field = field_named(relation, record.fields[i]);
        if (field == IMPORT_FIELD_COUNT) {
            return bad_field(problem, "column ", record.fields[i],
                             "is not one that an import knows");
        }
        if (columns->places[field] >= 0) {
            return bad_field(problem, "column ", record.fields[i], "occurs twice");
        }
        columns->places[field] = (int)i;
    }
    for (int field = 0; field < IMPORT_CREATED_AT; field++) {
        if (columns->places[field] < 0) {
            return bad(problem, "column \"%s\" is missing",
                       field_name(relation, (enum import_field)field));
        }
    }
    return true;
}

static bool read_identifier(const struct csv_record *record, const struct import_columns *columns,
                            enum import_field field, struct identifier *out,
                            struct import_problem *problem)
{
    struct slice value = record->fields[columns->places[field]];
    char what[32];
    snprintf(what, sizeof what, "%s ", field_name(columns->relation, field));
    return identifier_parse(value, out) ||
           bad_field(problem, what, value, "is no identifier: " IDENTIFIER_RULE);
}

bool import_read_row(struct slice line, const struct import_columns *columns,
                     struct import_row *row, struct import_problem *problem)
{
    struct csv_record record;
    const char *why;
    if (!csv_split(line, &record, &why)) {
        return bad(problem, "%s", why);
    }
    if (record.count != columns->count) {
        return bad(problem, "%zu fields, where the header has %zu", record.count, columns->count);
    }
    if (!read_identifier(&record, columns, IMPORT_ENTITY, &row->entity, problem) ||
        !read_identifier(&record, columns, IMPORT_USER, &row->user, problem)) {
        return false;
    }
    row->created_us = IMPORT_NOW;
    int place = columns->places[IMPORT_CREATED_AT];
    if (place < 0 || record.fields[place].size == 0) {
        return true;
    }
    return rfc3339_parse(record.fields[place], &row->created_us) ||
           bad_field(problem, "created_at ", record.fields[place],
                     "is no RFC 3339 time of the years 1970 to 9999, as 2026-11-22T10:15:30.123Z");
}
