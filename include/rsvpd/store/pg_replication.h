/* A stream of what was committed, out of a replication slot by the plugin pgoutput. */
#ifndef RSVPD_STORE_PG_REPLICATION_H
#define RSVPD_STORE_PG_REPLICATION_H

#include "rsvpd/base/contract.h"
#include "rsvpd/store/pg_slot.h"
#include "rsvpd/store/pgoutput.h"

struct pg_replication;

/* A place in a server's log. After a failover or a restore the same number is another place. */
struct pg_log_place {
    uint64_t lsn;
    char server[24], timeline[12]; /* whose log, in digits; empty: of none yet */
};

enum pg_replication_start {
    PG_REPLICATION_STARTED,
    PG_REPLICATION_BUSY,     /* somebody else reads the slot */
    PG_REPLICATION_HOPELESS, /* waiting does not mend it: pg_slot_obstacle */
    PG_REPLICATION_FAILED,   /* the server cannot be reached, or refuses */
};

/* Connects, and begins to read the slot behind what it was told is safe, or behind `from` where
 * that is further. Where `from` is in another log than the server's, its number becomes 0, and
 * counts for nothing; once it has started, it names the server's log. Blocks for the time of
 * connecting; for a thread other than a loop's. Unless it has started, `error` says why; `state` is
 * what was found. */
MUST_CHECK enum pg_replication_start pg_replication_start(const char *url, const char *slot,
                                                          struct pg_log_place *from,
                                                          struct pg_slot_state *state,
                                                          struct pg_replication **replication,
                                                          char error[PG_ERROR_SIZE_BYTES]);

/* Reads the slot's state beside the session, which does not tell it while nothing is read. Blocks,
 * too. */
MUST_CHECK bool pg_replication_look(const char *url, const char *slot, struct pg_slot_state *state,
                                    char error[PG_ERROR_SIZE_BYTES]);

/* Ends the session; the slot stays. */
void pg_replication_end(struct pg_replication **replication);

/* The socket, to be watched; the functions below never block. */
int pg_replication_socket(const struct pg_replication *replication);

/* Takes in what the socket has. False where the session broke. */
MUST_CHECK bool pg_replication_receive(struct pg_replication *replication);

enum pg_replication_read {
    PG_REPLICATION_FRAME,
    PG_REPLICATION_NOTHING, /* not now */
    PG_REPLICATION_BROKEN,  /* `error` says why */
    PG_REPLICATION_USELESS, /* the same, and waiting does not mend it */
};

/* Gives the next frame out of what was received; it lives until the next call. */
MUST_CHECK enum pg_replication_read pg_replication_read(struct pg_replication *replication,
                                                        struct pgoutput_frame *frame,
                                                        char error[PG_ERROR_SIZE_BYTES]);

/* Tells the server that all before `lsn` is safe, and may ask it for a keepalive. What cannot be
 * sent now goes with a later call. False where the session broke. */
MUST_CHECK bool pg_replication_tell(struct pg_replication *replication, uint64_t lsn,
                                    int64_t unix_us, bool wants_answer);

#endif
