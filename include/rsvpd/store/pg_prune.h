/* Removes events that closed long ago, beside the service: an operator's command. */
#ifndef RSVPD_STORE_PG_PRUNE_H
#define RSVPD_STORE_PG_PRUNE_H

#include "rsvpd/base/contract.h"
#include "rsvpd/store/pg_connect.h"

#include <stdbool.h>
#include <stdint.h>

/* How many rows were removed; `events`: those that are gone whole. */
struct pg_pruned {
    int64_t events, members, waits, keys;
};

struct pg_prune_listener {
    void *context;
    /* So many rows of all kinds are removed, after each transaction. */
    void (*on_progress)(void *context, int64_t rows);
};

/* Removes the events whose closes_at is before a moment (of Unix time), with their RSVPs, waiting
 * lists, settings and kept answers, in transactions of some hundred rows. Counters stay, at 0.
 * False with `error` filled in where the database fails; what `pruned` says by then is committed,
 * and the next call goes on. */
MUST_CHECK bool pg_prune(const char *url, int64_t closed_before_us,
                         const struct pg_prune_listener *listener, struct pg_pruned *pruned,
                         char error[PG_ERROR_SIZE_BYTES]);

#endif
