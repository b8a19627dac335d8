/* What the process checks tokens and API keys with: sets of keys that the main thread replaces and
 * the workers read. */
#ifndef RSVPD_APP_CREDENTIALS_H
#define RSVPD_APP_CREDENTIALS_H

#include "rsvpd/base/config.h"
#include "rsvpd/base/contract.h"
#include "rsvpd/base/jwt.h"
#include "rsvpd/base/published.h"
#include "rsvpd/http/authenticator.h"

struct credentials {
    struct published *token_keys; /* struct jwk_set; NULL: no tokens are taken */
    struct published *api_keys;   /* struct api_keys */
    struct key_refresh refresh;   /* of token_keys */
    struct jwt_policy policy;
};

/* `config`, which must outlive it, has AUTH_MODE=token. False when memory is exhausted. */
MUST_CHECK bool credentials_init(struct credentials *credentials, const struct config *config);

/* After all workers have ended. */
void credentials_free(struct credentials *credentials);

/* Whether whatever is shown can be checked. */
bool credentials_are_here(const struct credentials *credentials);

#endif
