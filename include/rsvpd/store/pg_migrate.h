/* The schema: applies the migrations of this binary, and tells whether a database has exactly
 * those. Blocks: for start-up and subcommands. */
#ifndef RSVPD_STORE_PG_MIGRATE_H
#define RSVPD_STORE_PG_MIGRATE_H

#include "rsvpd/base/contract.h"
#include "rsvpd/store/pg_connect.h"

#include <stdbool.h>
#include <stdint.h>

enum schema_state {
    SCHEMA_CURRENT,    /* has exactly the migrations of this binary */
    SCHEMA_BEHIND,     /* some are missing: `rsvpd migrate` helps */
    SCHEMA_UNKNOWN,    /* has migrations that this binary does not know: it is too old */
    SCHEMA_UNUSABLE,   /* this binary cannot work on it or by this connection; `error` says why */
    SCHEMA_UNREACHABLE /* the database cannot be asked; `error` says why */
};

MUST_CHECK enum schema_state pg_schema_state(const char *url, char error[PG_ERROR_SIZE_BYTES]);

struct pg_migrate_listener {
    void (*migrated)(const char *name); /* a migration was applied */
    /* It waits for another migration, or for a lock on a table, which this session has. */
    void (*waiting)(const char *what, const char *holder);
};

/* Applies missing migrations, each in its own transaction, one caller at a time. Waits at most
 * `wait_us` for other callers and for locks on tables. It asks for the latter again and again, so
 * others may use the tables meanwhile. Works through a pooler that lends sessions by the
 * transaction. False with `error` filled in if it fails; migrations applied before stay. */
MUST_CHECK bool pg_migrate(const char *url, int64_t wait_us,
                           const struct pg_migrate_listener *listener,
                           char error[PG_ERROR_SIZE_BYTES]);

#endif
