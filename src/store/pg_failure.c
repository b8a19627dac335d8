/* What errors of PostgreSQL mean for a batch. */
#include "rsvpd/store/pg_failure.h"

#include <stddef.h>
#include <string.h>

/* The first prefix of an SQLSTATE counts. */
static const struct {
    const char *prefix;
    struct pg_failure failure;
} meanings[] = {
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

struct pg_failure pg_failure_of(const char *sqlstate)
{
    size_t i = 0;
    while (strncmp(sqlstate, meanings[i].prefix, strlen(meanings[i].prefix)) != 0) {
        i++;
    }
    return meanings[i].failure;
}
