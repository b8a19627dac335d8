/* What a line of an import says: who is in what and since when, who waits, an event's settings. */
#ifndef RSVPD_DOMAIN_IMPORT_ROW_H
#define RSVPD_DOMAIN_IMPORT_ROW_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/csv.h"
#include "rsvpd/domain/identifier.h"
#include "rsvpd/domain/operation.h"
#include "rsvpd/domain/relation.h"
#include "rsvpd/domain/settings.h"

#include <stdbool.h>
#include <stdint.h>

#define IMPORT_NOW INT64_MIN /* for created_us: the time of the import */

/* What the kind has no column for: no user, IMPORT_NOW, no settings. */
struct import_row {
    struct identifier entity, user;
    int64_t created_us; /* microseconds since the Unix epoch */
    struct settings settings;
};

/* Why a line is bad, for people. */
struct import_problem {
    char text[256];
};

enum import_field {
    IMPORT_ENTITY,
    IMPORT_USER,
    IMPORT_CREATED_AT,
    IMPORT_SETTING, /* the first; the others follow in the order of enum setting */
    IMPORT_FIELD_COUNT = IMPORT_SETTING + SETTING_COUNT
};

/* What a line tells of. */
enum import_what { IMPORT_MEMBERS, IMPORT_SETTINGS, IMPORT_WAITLISTS, IMPORT_WHAT_COUNT };

/* What can be imported: its lines, and what is said of them. */
struct import_kind {
    const char *name; /* as --relation has it */
    enum import_what what;
    const struct relation *relation;
    unsigned required, optional; /* columns: bits 1 << enum import_field */
    const char *header;          /* the columns of the shortest file */
    const char *refusal;         /* why the database's contents make a line bad */
    const char *kept;            /* what a line that added nothing is called */
};

/* The relations by their names, settings, waitlist. */
enum { IMPORT_KIND_COUNT = RELATION_COUNT + 2 };
extern const struct import_kind import_kinds[IMPORT_KIND_COUNT];

/* NULL where there is none of that name. */
const struct import_kind *import_kind_named(const char *name);

/* Which column holds what, as the header says. */
struct import_columns {
    const struct import_kind *kind;
    size_t count;                   /* of columns */
    int places[IMPORT_FIELD_COUNT]; /* -1: there is no such column */
};

/* Reads a header (a line without its end): the names of the kind's columns in any order, all that
 * are required. */
MUST_CHECK bool import_read_header(struct slice line, const struct import_kind *kind,
                                   struct import_columns *columns, struct import_problem *problem);

/* Reads any other line. Times are RFC 3339; created_at may be empty, for IMPORT_NOW; settings that
 * are empty are not set. */
MUST_CHECK bool import_read_row(struct slice line, const struct import_columns *columns,
                                struct import_row *row, struct import_problem *problem);

#endif
