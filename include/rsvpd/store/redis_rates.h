/* How shares of rates are exchanged through Redis: key rsvpd:2:<namespace>:rate:<caller>, value
 * the time and the debt, both in microseconds, the time that of Redis as it wrote the value. It
 * lives until the debt is paid off. All numbers have 8 bytes, the highest first.
 *
 * A caller is known in Redis by a code of its hash and the limit's window (AES-256). Only
 * who has the key can tell whom it stands for. */
#ifndef RSVPD_STORE_REDIS_RATES_H
#define RSVPD_STORE_REDIS_RATES_H

#include "rsvpd/base/mac.h"
#include "rsvpd/store/redis_words.h"

/* More than that is no debt. */
static const int64_t REDIS_DEBT_MAX_US = INT64_C(1000000000000000) - 1;

/* Writes the command that adds the charges of shares, and answers with a list of one string:
 * what each caller owes then. False when memory is exhausted. */
MUST_CHECK bool redis_rates_write(struct redis_words *words, const char *namespace,
                                  const unsigned char *key, const struct rate_share *shares,
                                  size_t size);

/* Notes in each share what its caller owes, and that it is answered, where the string says so. */
void redis_rates_parse(struct slice debts, struct rate_share *shares, size_t size);

#endif
