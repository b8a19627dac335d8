/* What errors of PostgreSQL mean for a batch. */
#ifndef RSVPD_STORE_PG_FAILURE_H
#define RSVPD_STORE_PG_FAILURE_H

#include "rsvpd/domain/ports.h"

#include <stdbool.h>

struct pg_failure {
    enum batch_outcome outcome;
    bool reconnect; /* another connection may mend it */
};

/* By the SQLSTATE (PostgreSQL manual, appendix A). `remote`: the statements commit at another
 * server than the one that says so, and its connection to that one may be what failed. */
struct pg_failure pg_failure_of(const char *sqlstate, bool remote);

#endif
