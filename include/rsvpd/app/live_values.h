/* The values of the service's configuration that may change while it runs. */
#ifndef RSVPD_APP_LIVE_VALUES_H
#define RSVPD_APP_LIVE_VALUES_H

#include "rsvpd/app/rates.h"
#include "rsvpd/app/reload.h"
#include "rsvpd/base/contract.h"
#include "rsvpd/store/jwks.h"

struct live_limit {
    struct secret *value;
    struct rates *rates;
    enum rate_kind kind;
};

struct live_values {
    struct secret *database_url, *database_read_url, *redis_url, *jwt_secret;
    struct live_limit limits[RATE_KIND_COUNT];
    struct jwks *token_keys; /* of live_values_register */
};

/* `config` must outlive them. False when memory is exhausted. */
MUST_CHECK bool live_values_init(struct live_values *values, const struct config *config);

/* Not while they are read again. */
void live_values_free(struct live_values *values);

/* Registers them with `reload`, which reads them again and hands limits and keys of tokens on, on a
 * thread that may block. `values` must not move; it, `rates` and `token_keys` (NULL: none) must
 * outlive the last reading. */
void live_values_register(struct live_values *values, struct reload *reload, struct rates *rates,
                          struct jwks *token_keys);

#endif
