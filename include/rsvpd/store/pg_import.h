/* Adds many members, settings or waiting users at once, beside the service and beside other
 * imports. */
#ifndef RSVPD_STORE_PG_IMPORT_H
#define RSVPD_STORE_PG_IMPORT_H

#include "rsvpd/base/contract.h"
#include "rsvpd/domain/import_row.h"
#include "rsvpd/domain/relation.h"
#include "rsvpd/store/pg_connect.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pg_import;

enum pg_import_outcome {
    PG_IMPORT_APPLIED, /* committed, counters and all */
    PG_IMPORT_REFUSED, /* nothing was done: some of the rows must not be */
    PG_IMPORT_FAILED,  /* nothing was done, or all of it where a commit's answer was lost or seats
                        * could not be given */
};

/* A session with the database. With `past_capacity` (RSVPs) an event's settings keep nobody out,
 * and who waited for a seat waits no more once they are in. NULL with `error` filled in where there
 * is none. */
MUST_CHECK struct pg_import *pg_import_open(const char *url, const struct import_kind *kind,
                                            bool past_capacity, char error[PG_ERROR_SIZE_BYTES]);
void pg_import_close(struct pg_import **import);

/* Applies rows in one transaction. Of equal ones the first counts, and who is in, or waits, already
 * stays as they are; settings replace what the event had, and the last counts. `added`: how many
 * were not there. Sets refused[i] for each row that may not be for what the database has (the
 * kind's `refusal`), and clears the others; such rows are for the caller to take out. Seats that
 * settings or a waiting list leave free go to the first who wait, in transactions of their own
 * behind that one: where these fail, PG_IMPORT_FAILED, and the service or the next import gives
 * them. */
MUST_CHECK enum pg_import_outcome pg_import_apply(struct pg_import *import,
                                                  const struct import_row *rows, size_t count,
                                                  bool *refused, int64_t *added,
                                                  char error[PG_ERROR_SIZE_BYTES]);

#endif
