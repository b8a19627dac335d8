/* What a line of an import says: who is in what, and since when. */
#ifndef RSVPD_DOMAIN_IMPORT_ROW_H
#define RSVPD_DOMAIN_IMPORT_ROW_H

#include "rsvpd/base/csv.h"
#include "rsvpd/domain/identifier.h"
#include "rsvpd/domain/relation.h"

#include <stdbool.h>
#include <stdint.h>

#define IMPORT_NOW INT64_MIN /* for created_us: the time of the import */

struct import_row {
    struct identifier entity, user;
    int64_t created_us; /* microseconds since the Unix epoch */
};

/* Why a line is bad, for people. */
struct import_problem {
    char text[256];
};

enum import_field { IMPORT_ENTITY, IMPORT_USER, IMPORT_CREATED_AT, IMPORT_FIELD_COUNT };

/* Which column holds what, as the header says. */
struct import_columns {
    const struct relation *relation;
    size_t count;                   /* of columns */
    int places[IMPORT_FIELD_COUNT]; /* -1: there is no such column */
};

/* Reads a header (a line without its end): the names event_id or post_id, user_id and, if wanted,
 * created_at, in any order. */
bool import_read_header(struct slice line, const struct relation *relation,
                        struct import_columns *columns, struct import_problem *problem)
    __attribute__((warn_unused_result));

/* Reads any other line. created_at is an RFC 3339 time or empty, for IMPORT_NOW. */
bool import_read_row(struct slice line, const struct import_columns *columns,
                     struct import_row *row, struct import_problem *problem)
    __attribute__((warn_unused_result));

#endif
