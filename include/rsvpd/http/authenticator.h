/* Finds out who sends a request: by its token or its API key. Of one server's thread.
 *
 * DESIGN: Keys of tokens come from elsewhere and may be about to change: a request whose token was
 * signed with a key that is not here yet waits for the newer set, if one is on its way. */
#ifndef RSVPD_HTTP_AUTHENTICATOR_H
#define RSVPD_HTTP_AUTHENTICATOR_H

#include "rsvpd/base/jwt.h"
#include "rsvpd/base/published.h"
#include "rsvpd/domain/access.h"
#include "rsvpd/http/request.h"

/* Where newer keys come from. */
struct key_refresh {
    void *source;
    bool (*want)(void *source);   /* asks for newer keys. False where none will be looked for now */
    bool (*coming)(void *source); /* whether they are still being looked for */
};

struct authenticator_setup {
    struct published *token_keys; /* struct jwk_set; NULL: no tokens are taken */
    struct published *api_keys;   /* struct api_keys */
    struct key_refresh refresh;   /* of token_keys; `want` may be NULL */
    struct jwt_policy policy;     /* but for the scopes, which are this module's */
    struct metrics *metrics;
    uint64_t hash_secret;
};

struct authenticator;

/* NULL when memory is exhausted. */
struct authenticator *authenticator_create(const struct authenticator_setup *setup);
void authenticator_destroy(struct authenticator **authenticator);

enum authentication {
    AUTHENTICATED,
    AUTHENTICATION_NOT_SHOWN,   /* neither token nor key */
    AUTHENTICATION_AMBIGUOUS,   /* more than one of them */
    AUTHENTICATION_BAD,         /* `fault` says why, without quotes and without repeating it */
    AUTHENTICATION_UNKNOWN_KEY, /* likewise; but newer keys may know it, and are on their way */
    AUTHENTICATION_UNAVAILABLE, /* the keys to check it with are not here yet */
};

/* Checks what the request shows. */
MUST_CHECK enum authentication authenticator_check(struct authenticator *authenticator,
                                                   const struct request *request,
                                                   struct principal *principal, const char **fault);

/* Lets a request wait for newer keys: it is in no other list. */
void authenticator_wait(struct authenticator *authenticator, struct request *request);

/* Takes out one that need not wait any longer; NULL where there is none. */
struct request *authenticator_take_ready(struct authenticator *authenticator, int64_t now_us);

#endif
