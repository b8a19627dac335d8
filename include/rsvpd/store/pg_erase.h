/* Erases everything that is held about a user, beside the service: an operator's command. */
#ifndef RSVPD_STORE_PG_ERASE_H
#define RSVPD_STORE_PG_ERASE_H

#include "rsvpd/base/contract.h"
#include "rsvpd/domain/identifier.h"
#include "rsvpd/domain/relation.h"
#include "rsvpd/store/pg_connect.h"

#include <stdbool.h>
#include <stdint.h>

/* How many rows were erased. */
struct pg_erased {
    int64_t memberships[RELATION_COUNT];
    int64_t waits, keys;
};

struct pg_erase_listener {
    void *context;
    /* So many rows of all kinds are erased, after each transaction. */
    void (*on_progress)(void *context, int64_t rows);
};

/* Erases until nothing is left, in transactions of a few hundred rows, by the statements of the
 * service's own writes: counters follow, and free seats are given to users who wait. False with
 * `error` filled in where the database fails; what `erased` says by then is committed, and the next
 * call goes on. */
MUST_CHECK bool pg_erase(const char *url, const struct identifier *user,
                         const struct pg_erase_listener *listener, struct pg_erased *erased,
                         char error[PG_ERROR_SIZE_BYTES]);

#endif
