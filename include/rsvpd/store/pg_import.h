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
    PG_IMPORT_APPLIED, /* committed, with its counters */
    PG_IMPORT_REFUSED, /* nothing was done: some of the rows are refused */
    PG_IMPORT_FAILED,  /* nothing was done, or all of it where a commit's answer was lost or seats
                        * could not be given */
};

/* Opens a session. With `past_capacity` (RSVPs) settings of events do not refuse anybody, and users
 * who become members leave the waiting list. NULL with `error` filled in if it fails. */
MUST_CHECK struct pg_import *pg_import_open(const char *url, const struct import_kind *kind,
                                            bool past_capacity, char error[PG_ERROR_SIZE_BYTES]);
void pg_import_close(struct pg_import **import);

/* Applies rows in one transaction. Of equal rows the first counts; users who are members or wait
 * already stay as they are. Settings replace those of the event, and the last row counts. `added`:
 * how many were new. Sets refused[i] for each row that the database's contents forbid (the kind's
 * `refusal`), and clears the others; the caller removes refused rows. Free seats are then given to
 * users who wait, in later transactions: if one fails, the outcome is PG_IMPORT_FAILED, and the
 * service or the next import gives them. */
MUST_CHECK enum pg_import_outcome pg_import_apply(struct pg_import *import,
                                                  const struct import_row *rows, size_t count,
                                                  bool *refused, int64_t *added,
                                                  char error[PG_ERROR_SIZE_BYTES]);

#endif
