/* What PostgreSQL sends on a stream of logical replication, read from bytes: the frames of the
 * streaming protocol (manual, section "Streaming Replication Protocol"), and in them the messages
 * of the plugin pgoutput in its protocol version 1 ("Logical Replication Message Formats").
 * Nothing is copied or allocated: what is read refers to the bytes. */
#ifndef RSVPD_STORE_PGOUTPUT_H
#define RSVPD_STORE_PGOUTPUT_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum pgoutput_frame_kind {
    PGOUTPUT_DATA,      /* a message */
    PGOUTPUT_KEEPALIVE, /* the server is alive, and has sent all up to `end_lsn` */
};

struct pgoutput_frame {
    enum pgoutput_frame_kind kind;
    uint64_t end_lsn;     /* PGOUTPUT_KEEPALIVE */
    bool reply_requested; /* PGOUTPUT_KEEPALIVE: the server wants to hear of us at once */
    struct slice message; /* PGOUTPUT_DATA */
};

enum pgoutput_kind {
    PGOUTPUT_BEGIN,
    PGOUTPUT_COMMIT,
    PGOUTPUT_RELATION, /* describes a table, before the first row of it, and after it changed */
    PGOUTPUT_INSERT,
    PGOUTPUT_UPDATE,
    PGOUTPUT_DELETE,
    PGOUTPUT_OTHER, /* truncations, types, origins, messages: nothing that is looked at */
};

/* The columns of a row, or of a table; read one by one with the functions below. */
struct pgoutput_columns {
    struct slice rest;
    size_t left;
};

struct pgoutput_message {
    enum pgoutput_kind kind;
    uint64_t lsn;                    /* BEGIN, COMMIT: of the commit */
    uint64_t end_lsn;                /* COMMIT: behind it, where the next transaction may begin */
    int64_t committed_us;            /* BEGIN, COMMIT: Unix time */
    uint32_t relation;               /* RELATION, INSERT, UPDATE, DELETE: which table */
    struct slice schema, name;       /* RELATION */
    struct pgoutput_columns columns; /* RELATION */
    bool has_before;                 /* UPDATE, DELETE: the columns of before are here */
    struct pgoutput_columns before;  /* all of them, or those of the replica identity */
    struct pgoutput_columns after;   /* INSERT, UPDATE */
};

/* What a column of a row holds. */
struct pgoutput_value {
    bool known;         /* false: it is large and did not change, so it was not sent */
    struct slice bytes; /* as text; `data` is NULL for NULL alone */
};

/* Both return false where the bytes are anything else. All columns of a message have been looked at
 * then, so they can be read without a check. */
MUST_CHECK bool pgoutput_read_frame(struct slice bytes, struct pgoutput_frame *frame);
MUST_CHECK bool pgoutput_read_message(struct slice bytes, struct pgoutput_message *message);

/* Reads the next column of a row or of a table. False at the end. */
bool pgoutput_next_value(struct pgoutput_columns *columns, struct pgoutput_value *value);
bool pgoutput_next_name(struct pgoutput_columns *columns, struct slice *name);

enum { PGOUTPUT_STATUS_SIZE_BYTES = 34 };

/* Writes what a client tells of itself: all up to `lsn` is safe, and the server need not send it
 * again; it may be asked for a keepalive. */
void pgoutput_write_status(uint64_t lsn, int64_t unix_us, bool wants_answer,
                           char status[PGOUTPUT_STATUS_SIZE_BYTES]);

#endif
