/* The publication and the replication slot that `rsvpd relay` reads: they have one name. */
#ifndef RSVPD_STORE_PG_SLOT_H
#define RSVPD_STORE_PG_SLOT_H

#include "rsvpd/base/contract.h"
#include "rsvpd/store/pg_error.h"
#include "rsvpd/store/pgoutput_rows.h"

#include <stdbool.h>
#include <stdint.h>

struct pg_slot_state {
    bool is_logical;  /* wal_level */
    bool is_kept;     /* the log is kept for slots however long it gets */
    bool is_migrated; /* the log says of each row that goes whose it was */
    bool has_publication;
    bool has_slot;
    bool is_active; /* somebody reads it */
    bool fits;      /* the slot is of this database and made for this */
    bool is_lost;   /* the server has thrown away what it had not given out yet */
    uint64_t confirmed_lsn;
    int64_t behind_bytes;      /* from there to the end of the log */
    int64_t sender_timeout_ms; /* the server hangs up on who says nothing for so long; 0: never */
    char
        schema[PGOUTPUT_SCHEMA_SIZE_BYTES]; /* of the service's tables; empty: they are not there */
};

/* A place in the log as PostgreSQL writes it: 0/16B3748. What is none is 0. */
uint64_t pg_slot_parse_lsn(const char *text);

/* Reads it on a session with a server that takes writes. */
MUST_CHECK bool pg_slot_check(struct pg_conn *connection, const char *name,
                              struct pg_slot_state *state, char error[PG_ERROR_SIZE_BYTES]);

/* What stands in the way of reading the slot, and what to do, in words; NULL: nothing. */
const char *pg_slot_obstacle(const struct pg_slot_state *state);

/* Makes what is missing of the two. True with `state` as it was before; false with `error` filled
 * in. Blocks. */
MUST_CHECK bool pg_slot_create(const char *url, const char *name, struct pg_slot_state *state,
                               char error[PG_ERROR_SIZE_BYTES]);

/* Drops what is there of the two; like the above. */
MUST_CHECK bool pg_slot_drop(const char *url, const char *name, struct pg_slot_state *state,
                             char error[PG_ERROR_SIZE_BYTES]);

#endif
