/* What only serving asks of a configuration that is sound in itself. */
#ifndef RSVPD_BASE_CONFIG_SERVING_H
#define RSVPD_BASE_CONFIG_SERVING_H

#include "rsvpd/base/config.h"
#include "rsvpd/base/contract.h"

/* That strangers cannot reach what asks nobody who they are. False with `error` filled in. */
MUST_CHECK bool config_may_serve(const struct config *config, struct config_error *error);

/* From how many places the keys of tokens are to come: a URL, a file, a secret. 0: no tokens are
 * taken. */
int config_token_key_sources(const struct config *config);

#endif
