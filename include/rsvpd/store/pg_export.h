/* Reads all members of a relation, all settings, or all who wait, as they are at one moment. */
#ifndef RSVPD_STORE_PG_EXPORT_H
#define RSVPD_STORE_PG_EXPORT_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"
#include "rsvpd/domain/relation.h"
#include "rsvpd/store/pg_connect.h"

#include <stdbool.h>
#include <stdint.h>

/* Called with each line of the export and its end, the header first. `total`: how many will come
 * behind the header. False ends the export. */
typedef bool pg_export_fn(void *context, struct slice line, int64_t total);

/* What can be exported: the relations by their names, settings, waitlist. */
struct pg_export_kind {
    const char *name;
    const struct relation *relation;
    const char *rows, *total; /* statements */
};

/* NULL where there is none of that name. */
const struct pg_export_kind *pg_export_kind_named(const char *name);

/* Gives out everything as CSV, ordered by entity and user (who waits: by entity and turn), times in
 * UTC with microseconds. False where `on_line` ended it, which leaves `error` empty, or with
 * `error` filled in where the database fails. */
MUST_CHECK bool pg_export(const char *url, const struct pg_export_kind *kind, pg_export_fn *on_line,
                          void *context, char error[PG_ERROR_SIZE_BYTES]);

#endif
