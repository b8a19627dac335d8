/* The keys that sign tokens: an immutable set, from a JWK set (RFC 7517, RFC 7518 section 6, RFC
 * 8037 section 2) or from one shared secret. Public parts alone are read; nothing else
 * is kept.
 *
 * DESIGN: Providers put keys into their sets that are not for us: for encryption, of other types.
 * One of these is left out and does not spoil the set. A weak key or a point that is not on its
 * curve is left out as well, so that a token of such a key finds none. */
#ifndef RSVPD_BASE_JWK_H
#define RSVPD_BASE_JWK_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"

#include <stdbool.h>

/* RFC 7518 section 3.1; RFC 8037 section 3.1 and RFC 9864, which both name Ed25519. */
enum jwt_algorithm { JWT_RS256, JWT_PS256, JWT_ES256, JWT_EDDSA, JWT_HS256, JWT_ALGORITHM_COUNT };

enum {
    JWK_KEYS_MAX = 64,
    JWK_SET_SIZE_MAX_BYTES = 64 * 1024,
    JWK_RSA_BITS_MIN = 2048,
    JWK_RSA_BITS_MAX = 8192, /* more would let one signature cost a millisecond */
    JWK_SECRET_SIZE_MIN_BYTES = 32,
    JWK_ERROR_SIZE_BYTES = 160
};

/* By the name that a token gives; JWT_ALGORITHM_COUNT where it is none of these. */
enum jwt_algorithm jwt_algorithm_named(struct slice name);

/* Of a list such as "RS256,ES256": one bit, 1 << algorithm, for each. False where a name is none of
 * these or missing. */
MUST_CHECK bool jwt_algorithms_parse(struct slice list, unsigned *algorithms);

struct evp_pkey_st;
struct evp_mac_ctx_st;
struct evp_md_st;

/* One key. Immutable, so any number of threads may use it. */
struct jwk {
    unsigned algorithms;            /* that it may be used with: bits as above */
    char *kid;                      /* NULL: it has none */
    struct evp_pkey_st *public_key; /* NULL for a secret */
    struct evp_mac_ctx_st *secret;  /* HMAC with the secret in it, to be copied */
    struct evp_md_st *digest;       /* of the set */
};

struct jwk_set;

/* Reads a JWK set. NULL where it is none, or has no key of use here; `error` says why. */
MUST_CHECK struct jwk_set *jwk_set_parse(struct slice json, char error[JWK_ERROR_SIZE_BYTES]);

/* The set of one secret, for HS256, whatever `kid` a token gives. */
MUST_CHECK struct jwk_set *jwk_set_of_secret(struct slice secret, char error[JWK_ERROR_SIZE_BYTES]);

void jwk_set_destroy(struct jwk_set **set);

size_t jwk_set_count(const struct jwk_set *set);
/* What tokens may be signed with that its keys are for: bits as above. */
unsigned jwk_set_algorithms(const struct jwk_set *set);
/* How many were in what was read, but not of use here. */
size_t jwk_set_left_out(const struct jwk_set *set);

enum jwk_found {
    JWK_FOUND,
    JWK_UNKNOWN,   /* no key has this kid; or the token names none, and no key fits its algorithm */
    JWK_MISFIT,    /* a key has this kid, but is not for this algorithm */
    JWK_AMBIGUOUS, /* the token names none, and several keys fit */
};

/* The one key for a token with this algorithm and `kid` (NULL: it names none). Of keys with the
 * same kid, the first one that fits. */
MUST_CHECK enum jwk_found jwk_set_find(const struct jwk_set *set, enum jwt_algorithm algorithm,
                                       const char *kid, const struct jwk **key);

#endif
