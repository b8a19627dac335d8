/* How shares of rates are exchanged through Redis: key rsvpd:2:<namespace>:rate:<caller>, value
 * <time>:<debt>, both in microseconds, the time that of Redis as it wrote the value. It lives until
 * the debt is paid off.
 *
 * A caller is known in Redis by a code of its hash and the limit's window (AES-256). Only
 * who has the key can tell whom it stands for. */
#ifndef RSVPD_STORE_REDIS_RATES_H
#define RSVPD_STORE_REDIS_RATES_H

#include "rsvpd/base/mac.h"
#include "rsvpd/store/redis_words.h"

enum {
    REDIS_DEBT_DIGITS_MAX = 15,
    REDIS_DEBT_SIZE_BYTES = 16,
};

/* Writes the command that adds the charges of shares, and answers each with what its caller owes
 * then. False when memory is exhausted. */
MUST_CHECK bool redis_rates_write(struct redis_words *words, const char *namespace,
                                  const unsigned char *key, const struct rate_share *shares,
                                  size_t size);

/* False where the bytes are no debt. */
MUST_CHECK bool redis_decode_debt(struct slice bytes, int64_t *debt_us);

#endif
