/* The schema: applies the migrations that are built in, and tells whether a database has exactly
 * those. Blocks; for start-up and subcommands. */
#ifndef RSVPD_STORE_PG_MIGRATE_H
#define RSVPD_STORE_PG_MIGRATE_H

#include "rsvpd/store/pg_connect.h"

#include <stdbool.h>

enum schema_state {
    SCHEMA_CURRENT,    /* exactly the migrations built in */
    SCHEMA_BEHIND,     /* some are missing: `rsvpd migrate` helps */
    SCHEMA_UNKNOWN,    /* has migrations that this binary does not know: it is too old */
    SCHEMA_UNREACHABLE /* the database cannot be asked; `error` says why */
};

enum schema_state pg_schema_state(const char *url, char error[PG_ERROR_SIZE_BYTES])
    __attribute__((warn_unused_result));

/* Called for each migration that was applied. */
typedef void pg_migrated_fn(const char *name);

/* Applies what is missing, each migration in a transaction of its own, one caller at a time. False
 * with `error` filled in where it could not; what was applied before stays. */
bool pg_migrate(const char *url, pg_migrated_fn *migrated, char error[PG_ERROR_SIZE_BYTES])
    __attribute__((warn_unused_result));

#endif
