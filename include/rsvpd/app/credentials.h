/* What the process checks tokens and API keys with: sets of keys that the main thread replaces and
 * the workers read. */
#ifndef RSVPD_APP_CREDENTIALS_H
#define RSVPD_APP_CREDENTIALS_H

#include "rsvpd/base/config.h"
#include "rsvpd/base/contract.h"
#include "rsvpd/base/jwt.h"
#include "rsvpd/base/published.h"
#include "rsvpd/http/authenticator.h"
#include "rsvpd/store/jwks.h"

struct credentials {
    struct published *token_keys; /* struct jwk_set; NULL: no tokens are taken */
    struct published *api_keys;   /* struct api_keys */
    struct jwks *source;          /* of token_keys; NULL: no tokens are taken */
    struct key_refresh refresh;
    struct jwt_policy policy;
};

/* `config`, which must outlive it, has AUTH_MODE=token. False when memory is exhausted. */
MUST_CHECK bool credentials_init(struct credentials *credentials, const struct config *config);

/* Begins to get the keys, in that loop, which is of the thread of `metrics`. False where it cannot;
 * the log says why. */
MUST_CHECK bool credentials_start(struct credentials *credentials, const struct config *config,
                                  uv_loop_t *loop, struct metrics *metrics);

/* Ends what it does in the loop, and waits for nothing. After all workers have ended. */
void credentials_end(struct credentials *credentials);

/* After the loop has closed. */
void credentials_free(struct credentials *credentials);

/* Whether whatever is shown can be checked. */
bool credentials_are_here(const struct credentials *credentials);

#endif
