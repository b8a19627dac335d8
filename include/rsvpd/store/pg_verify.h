/* Compares what is counted with what is there, while the service writes, and mends it where asked.
 */
#ifndef RSVPD_STORE_PG_VERIFY_H
#define RSVPD_STORE_PG_VERIFY_H

#include "rsvpd/base/contract.h"
#include "rsvpd/store/pg_connect.h"

#include <stdbool.h>
#include <stdint.h>

enum pg_verify_what {
    PG_VERIFY_COUNT,    /* a counter, against the number of rows */
    PG_VERIFY_ADMITTED, /* 1: the counter says that the event has settings; 1: it has */
    PG_VERIFY_WAITING,  /* how many wait for the event, against the number of rows */
    PG_VERIFY_ORPHANS,  /* how many wait for an event without settings */
    PG_VERIFY_PASSED,   /* the ticket below all that wait, against the lowest that waits */
    PG_VERIFY_TICKETS,  /* the last ticket that was given, against the highest that waits */
    PG_VERIFY_BOTH,     /* how many wait and are in */
    PG_VERIFY_SEATS,    /* seats that are free, and how many wait for them */
    PG_VERIFY_CAPACITY, /* seats, against how many are going: a warning, as a capacity may be
                           lowered */
};

struct pg_verify_difference {
    const char *check; /* rsvp, like, settings */
    const char *id;
    enum pg_verify_what what;
    bool has_kept; /* there is a counter at all */
    int64_t kept, actual;
    bool mended; /* by this run */
};

/* The end of one of the checks. */
struct pg_verify_summary {
    const char *check;
    int64_t entities, rows;
    int64_t differences; /* mended ones too, warnings not */
    int64_t mended;
};

struct pg_verify_listener {
    void *context;
    void (*on_begin)(void *context, const char *check);
    /* `total` is an estimate, 0 where there is none. */
    void (*on_progress)(void *context, int64_t rows, int64_t total);
    void (*on_difference)(void *context, const struct pg_verify_difference *difference);
    void (*on_end)(void *context, const struct pg_verify_summary *summary);
};

/* Goes through everything, a range of keys at a time, each compared in one snapshot by a statement
 * of its own: what is being written makes no difference. With `repair` a counter that differs is
 * locked, its rows are counted again, and it is set; free seats are given to those who wait. False
 * with `error` filled in where the database fails. */
MUST_CHECK bool pg_verify(const char *url, bool repair, const struct pg_verify_listener *listener,
                          char error[PG_ERROR_SIZE_BYTES]);

#endif
