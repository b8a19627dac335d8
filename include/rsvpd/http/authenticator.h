/* Finds out who sends a request: by its token or its API key. Of one server's thread.
 *
 * DESIGN: Keys of tokens come from elsewhere and may be about to change: a request whose token was
 * signed with a key that is not here yet waits for the newer set, if one is on its way.
 *
 * A signature takes longer to check than all else that is done for most requests, and whoever sends
 * rubbish costs one each time. So an iteration of the loop checks a few: those that were checked
 * before, and are remembered, pass at once, and the others wait in the order in which they came. */
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

enum {
    /* Tokens that are not remembered. Few enough that they delay the others by a tenth of a
     * millisecond. */
    AUTHENTICATOR_CHECKS_PER_ITERATION = 4,
    /* Between two looks whether the API key of an answer that goes on was revoked. */
    AUTHENTICATOR_LOOK_EVERY_US = 1000 * 1000,
    AUTHENTICATOR_LOOK_LATEST_US = 60 * 1000 * 1000, /* of a token: clocks are set */
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
    AUTHENTICATION_LATER,       /* this iteration has checked as many as it may */
    AUTHENTICATION_UNAVAILABLE, /* the keys to check it with are not here yet */
};

/* Checks what the request shows. */
MUST_CHECK enum authentication authenticator_check(struct authenticator *authenticator,
                                                   const struct request *request,
                                                   struct principal *principal, const char **fault);

/* Whether what a principal showed, which was good, still is: a token has not expired, an API key
 * was not revoked either. `look_us`: when to ask again, monotonic; INT64_MAX: never. */
MUST_CHECK bool authenticator_still_good(struct authenticator *authenticator,
                                         const struct principal *principal, struct instant now,
                                         int64_t *look_us);

/* Lets a request wait for newer keys: it is in no other list. */
void authenticator_wait_for_keys(struct authenticator *authenticator, struct request *request);

/* Takes out one that need not wait any longer; NULL where there is none. */
struct request *authenticator_take_with_keys(struct authenticator *authenticator, int64_t now_us);

/* Lets a request wait until more may be checked: it is in no other list. */
void authenticator_wait_for_check(struct authenticator *authenticator, struct request *request);

/* From here on as many as one iteration may may be checked: first those that wait. */
void authenticator_begin_iteration(struct authenticator *authenticator);

/* Takes out the next one that is to be checked now; NULL where there is none. */
struct request *authenticator_take_for_check(struct authenticator *authenticator);

/* Whether any waits for its check. */
MUST_CHECK bool authenticator_any_unchecked(const struct authenticator *authenticator);

#endif
