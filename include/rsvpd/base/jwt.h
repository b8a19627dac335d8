/* Whether a token is good, and what it says: JSON Web Tokens (RFC 7519) in the compact form of a
 * JWS (RFC 7515), held to the rules of RFC 8725 and, where it is one, of an access token (RFC
 * 9068).
 *
 * DESIGN: What is cheap comes first: size, form, header, algorithm, key. A stranger's token costs
 * at most one check of a signature, since exactly one key is tried. Nothing that the token claims
 * is looked at before its signature is known to be good. Each fault has a text of its own that is
 * constant, so that no answer repeats what came in. */
#ifndef RSVPD_BASE_JWT_H
#define RSVPD_BASE_JWT_H

#include "rsvpd/base/jwk.h"

#include <stdint.h>

enum { JWT_SIZE_MAX_BYTES = 8 * 1024, JWT_SUBJECT_SIZE_BYTES = 256 };

/* What a token is held to. */
struct jwt_policy {
    unsigned algorithms;            /* that are accepted: bits of jwt_algorithms_parse */
    const char *issuer, *audience;  /* NULL or empty: any */
    int64_t leeway_s;               /* how far the clocks of issuer and service may differ */
    const char *const *scope_words; /* those that mean something here; at most 32 */
    size_t scope_count;
};

struct jwt_claims {
    char subject[JWT_SUBJECT_SIZE_BYTES]; /* no NUL at its end, and not checked to be an identifier
                                           */
    size_t subject_size;                  /* at least 1 */
    int64_t good_until_s; /* Unix time from which on it is refused, the leeway included */
    unsigned scopes;      /* bit i: it has scope_words[i] */
};

/* In the order in which they are looked for. */
enum jwt_fault {
    JWT_GOOD,
    JWT_TOO_LARGE,
    JWT_ENCRYPTED,
    JWT_MALFORMED,      /* not three parts of base64url, or a header that is not a JSON object */
    JWT_NOT_UNDERSTOOD, /* crit, b64, zip: what RFC 7515 says to refuse if one does not know it */
    JWT_NESTED,
    JWT_WRONG_TYPE,    /* typ says that it is something else */
    JWT_BAD_ALGORITHM, /* missing, none, or not among those of the policy */
    JWT_UNKNOWN_KEY,   /* a newer key set may have it */
    JWT_AMBIGUOUS_KEY,
    JWT_KEY_MISFIT,
    JWT_BAD_SIGNATURE,
    JWT_BAD_PAYLOAD, /* not a JSON object */
    JWT_BAD_TIME,    /* exp, nbf or iat is no number */
    JWT_NO_EXPIRY,
    JWT_EXPIRED,
    JWT_NOT_YET_GOOD,
    JWT_ISSUED_LATER,
    JWT_WRONG_ISSUER,
    JWT_WRONG_AUDIENCE,
    JWT_NO_SUBJECT,
    JWT_BAD_SUBJECT,
    JWT_BAD_SCOPE,
    JWT_FAULT_COUNT
};

/* What is wrong, for error_description (RFC 6750 section 3): a constant without quotes and
 * backslashes. Not of JWT_GOOD. */
const char *jwt_fault_text(enum jwt_fault fault);

/* Whether the token is good at `now_s`, Unix time. `claims` is filled in for JWT_GOOD alone. On any
 * thread. Where memory is exhausted, the token is taken for malformed or its signature for bad. */
MUST_CHECK enum jwt_fault jwt_check(const struct jwk_set *keys, const struct jwt_policy *policy,
                                    struct slice token, int64_t now_s, struct jwt_claims *claims);

#endif
