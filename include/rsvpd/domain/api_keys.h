/* API keys of services: what one looks like, and the set of those that are in force.
 *
 * Nobody holds a key but the service that it was given to: a set knows keys by their SHA-256. A
 * wrong key costs a digest and a look-up in memory, and one that is malformed not even that. */
#ifndef RSVPD_DOMAIN_API_KEYS_H
#define RSVPD_DOMAIN_API_KEYS_H

#include "rsvpd/base/base64url.h"
#include "rsvpd/base/contract.h"
#include "rsvpd/base/digest.h"
#include "rsvpd/base/slice.h"
#include "rsvpd/domain/scope.h"

#include <stdbool.h>
#include <stdint.h>

#define API_KEY_PREFIX "rsvpd_"

enum {
    API_KEYS_MAX = 10000, /* in force at a time: each process holds all of them */
    API_KEY_SECRET_SIZE_BYTES = 32,
    API_KEY_SIZE = sizeof API_KEY_PREFIX - 1 + BASE64URL_SIZE(API_KEY_SECRET_SIZE_BYTES),
};

/* The key of a secret that nobody can guess, NUL-terminated. */
void api_key_make(const unsigned char secret[API_KEY_SECRET_SIZE_BYTES],
                  char key[API_KEY_SIZE + 1]);

/* What the database says of a key. Times are in microseconds since the Unix epoch. */
struct api_key {
    unsigned char digest[DIGEST_SIZE_BYTES]; /* SHA-256 of the key as it is written */
    int64_t id;
    enum scope scope;
    int64_t expires_us; /* INT64_MAX: never */
    int64_t used_us;    /* the last use that is noted, cut to the hour; 0: none */
};

/* Of these keys. Nothing of it changes, but for when each was used, so any number of threads may
 * ask it. NULL when memory is exhausted. */
struct api_keys;
MUST_CHECK struct api_keys *api_keys_create(const struct api_key *keys, size_t count);
void api_keys_destroy(struct api_keys **keys);

size_t api_keys_count(const struct api_keys *keys);

/* Whether the key of this id is among them. */
MUST_CHECK bool api_keys_hold(const struct api_keys *keys, int64_t id);

/* Whether both are of the same keys; when they were used does not matter. */
bool api_keys_equal(const struct api_keys *a, const struct api_keys *b);

enum api_key_verdict {
    API_KEY_GOOD,
    API_KEY_MALFORMED, /* it is not API_KEY_PREFIX and 43 characters of base64url */
    API_KEY_UNKNOWN,   /* nobody made it, or it was revoked */
    API_KEY_EXPIRED,
    API_KEY_UNCHECKED, /* memory is exhausted */
};

/* Looks up what a caller showed. `found` is set where it is good; the key then counts as used. */
MUST_CHECK enum api_key_verdict api_keys_find(const struct api_keys *keys, struct slice shown,
                                              int64_t now_us, const struct api_key **found);

/* A use that is not noted yet. */
struct api_key_use {
    int64_t id;
    int64_t used_us; /* cut to the hour */
};

/* Which keys of `noted`, as it was read, were found later in `found` than they say: at most
 * `count_max` of them go to `uses`. Returns how many. */
size_t api_keys_unnoted_uses(const struct api_keys *noted, const struct api_keys *found,
                             struct api_key_use *uses, size_t count_max);

#endif
