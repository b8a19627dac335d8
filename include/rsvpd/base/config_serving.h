/* What only serving asks of a configuration that is sound in itself. */
#ifndef RSVPD_BASE_CONFIG_SERVING_H
#define RSVPD_BASE_CONFIG_SERVING_H

#include "rsvpd/base/config.h"
#include "rsvpd/base/contract.h"

/* That strangers cannot reach what asks nobody who they are, and that with AUTH_MODE=token some
 * token could be good. False with `error` filled in. */
MUST_CHECK bool config_may_serve(const struct config *config, struct config_error *error);

/* From how many places the keys of tokens are to come: a URL, a file, a secret. 0: no tokens are
 * taken. */
int config_token_key_sources(const struct config *config);

/* The algorithms of tokens: bits of jwt_algorithms_parse. */
unsigned config_token_algorithms(const struct config *config);

/* Those of them that no key from its one source can be for: their tokens never pass. */
unsigned config_token_algorithms_without_keys(const struct config *config);

#endif
