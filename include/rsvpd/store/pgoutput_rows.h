/* Which of our tables a message of logical replication is about, and what its row says. */
#ifndef RSVPD_STORE_PGOUTPUT_ROWS_H
#define RSVPD_STORE_PGOUTPUT_ROWS_H

#include "rsvpd/base/contract.h"
#include "rsvpd/domain/changes.h"
#include "rsvpd/store/pgoutput.h"

enum { PGOUTPUT_FIELDS_MAX = 6, PGOUTPUT_SCHEMA_SIZE_BYTES = 64 /* as PostgreSQL has names */ };

/* The tables as the server has described them so far. */
struct pgoutput_tables {
    char schema[PGOUTPUT_SCHEMA_SIZE_BYTES]; /* that they are in */
    struct {
        uint32_t relation;                   /* 0: not described yet */
        size_t columns[PGOUTPUT_FIELDS_MAX]; /* the place of each field that is looked at */
    } at[CHANGES_TABLE_COUNT];
};

enum pgoutput_row_result {
    PGOUTPUT_ROW,
    PGOUTPUT_NO_ROW,  /* of a table that is not ours: ignored */
    PGOUTPUT_BAD_ROW, /* it lacks a field that it must have */
};

/* The server has described none yet. `schema` is the one that the service uses: a table of the same
 * name in another schema is not ours. */
void pgoutput_tables_begin(struct pgoutput_tables *tables, const char *schema);

/* Takes in what a table looks like: columns that are not ours are ignored. NULL; or the name of the
 * column that one of our tables lacks. */
MUST_CHECK const char *pgoutput_tables_describe(struct pgoutput_tables *tables,
                                                const struct pgoutput_message *message);

/* Reads the row of an INSERT, UPDATE or DELETE; it refers to the message. */
MUST_CHECK enum pgoutput_row_result pgoutput_tables_read(const struct pgoutput_tables *tables,
                                                         const struct pgoutput_message *message,
                                                         struct changes_row *row);

#endif
