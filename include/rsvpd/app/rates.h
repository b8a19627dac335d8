/* The limits of rates of a process: what RATE_LIMIT_USER, _KEY and _ADDRESS make of it. */
#ifndef RSVPD_APP_RATES_H
#define RSVPD_APP_RATES_H

#include "rsvpd/base/config.h"
#include "rsvpd/domain/rate_table.h"
#include "rsvpd/store/pg_secrets.h"

struct rates {
    struct rate_table *table;                    /* NULL: there are no limits */
    unsigned char redis_key[MAC_KEY_SIZE_BYTES]; /* names callers in Redis */
};

/* There is a table where there are limits, or files that may come to hold some. False when memory
 * is exhausted. `shared`: whether there are other processes to be told. */
MUST_CHECK bool rates_init(struct rates *rates, const struct config *config,
                           const struct pg_secrets *secrets, bool shared);
/* Whether it is a value of RATE_LIMIT_USER and the like. */
bool rates_value_valid(const char *value);

/* Puts a valid value in force in place of the one before. On any thread. */
void rates_replace(struct rates *rates, enum rate_kind kind, const char *value);

void rates_free(struct rates *rates);

#endif
