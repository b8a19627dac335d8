/* Reads all members of a relation, as they are at one moment. */
#ifndef RSVPD_STORE_PG_EXPORT_H
#define RSVPD_STORE_PG_EXPORT_H

#include "rsvpd/base/slice.h"
#include "rsvpd/domain/relation.h"
#include "rsvpd/store/pg_connect.h"

#include <stdbool.h>
#include <stdint.h>

/* Takes a line of the export with its end, the header first. `total`: how many will come behind the
 * header. False ends the export. */
typedef bool pg_export_fn(void *context, struct slice line, int64_t total);

/* Gives out everything as CSV, ordered by entity and user, times in UTC with microseconds. False
 * where `take` ended it, which leaves `error` empty, or with `error` filled in where the database
 * fails. */
bool pg_export(const char *url, const struct relation *relation, pg_export_fn *take, void *context,
               char error[PG_ERROR_SIZE_BYTES]) __attribute__((warn_unused_result));

#endif
