/* What errors of PostgreSQL mean for a batch. */
#include "rsvpd/store/pg_failure.h"

#include <string.h>

struct meaning {
    const char *prefix; /* of an SQLSTATE: the first counts */
    struct pg_failure failure;
};

static const struct meaning meanings[] = {
    {"40", {BATCH_ROLLED_BACK, false}}, /* serialization failure, deadlock */
    {"55P03", {BATCH_LOCKED, false}},   /* lock time-out */
    {"57014", {BATCH_LOCKED, false}},   /* statement time-out */
    {"22P02",
     {BATCH_MISROUTED,
      false}}, /* read_counts_unless_admitted.sql, lock_admitted.sql: not as the path supposes */
    {"22012", {BATCH_UNMET, false}},       /* precondition.sql */
    {"22", {BATCH_REJECTED, false}},       /* data exception */
    {"23505", {BATCH_ROLLED_BACK, false}}, /* store_keys.sql: the key has been answered meanwhile */
    {"23", {BATCH_REJECTED, false}},       /* constraint violation */
    {"54", {BATCH_REJECTED, false}},       /* program limit exceeded */
    {"53", {BATCH_UNAVAILABLE, false}},    /* out of disk, memory or connections */
    {"58", {BATCH_UNAVAILABLE, false}},    /* I/O error */
    {"", {BATCH_UNAVAILABLE, true}},       /* read-only after a failover, schema changed, … */
};

/* What else they mean where the other server may have committed by then. */
static const struct meaning remote_meanings[] = {
    {"08", {BATCH_UNSURE, true}},    /* the connection to it */
    {"57P", {BATCH_UNSURE, true}},   /* it is shutting down, or somebody has ended its session */
    {"57014", {BATCH_UNSURE, true}}, /* it was not waited for any longer */
    {"XX", {BATCH_UNSURE, true}},    /* what Citus has no code for, as where its commit failed */
    {"", {BATCH_DONE, false}},       /* nothing else */
};

static struct pg_failure find(const struct meaning *meaning, const char *sqlstate)
{
    while (strncmp(sqlstate, meaning->prefix, strlen(meaning->prefix)) != 0) {
        meaning++;
    }
    return meaning->failure;
}

struct pg_failure pg_failure_of(const char *sqlstate, bool remote)
{
    struct pg_failure failure = {BATCH_DONE, false};
    if (remote) {
        failure = find(remote_meanings, sqlstate);
    }
    return failure.outcome != BATCH_DONE ? failure : find(meanings, sqlstate);
}
