/* API keys as an operator manages them: made, listed, revoked. Blocks: for subcommands. */
#ifndef RSVPD_STORE_PG_MANAGE_KEYS_H
#define RSVPD_STORE_PG_MANAGE_KEYS_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/digest.h"
#include "rsvpd/store/pg_connect.h"

#include <stdbool.h>
#include <stdint.h>

struct pg_new_key {
    const char *name;
    unsigned char digest[DIGEST_SIZE_BYTES]; /* SHA-256 of the key */
    const char *scopes;                      /* separated by commas */
    int64_t expires_us;                      /* since the Unix epoch; INT64_MAX: never */
};

/* Stores a key that nobody may have seen before this returns. False with `error` filled in where it
 * is not stored. */
MUST_CHECK bool pg_key_create(const char *url, const struct pg_new_key *key, int64_t *id,
                              char error[PG_ERROR_SIZE_BYTES]);

/* A key for people: times in UTC, NULL where there is none. */
struct pg_key_line {
    const char *id, *scopes, *created_at, *expires_at, *revoked_at, *last_used_at, *name;
};

/* Hands all keys on, the oldest first; the strings live as long as the call. False with `error`
 * filled in where it fails. */
MUST_CHECK bool pg_key_list(const char *url, void (*each)(const struct pg_key_line *line),
                            char error[PG_ERROR_SIZE_BYTES]);

enum pg_key_revocation {
    PG_KEY_REVOKED,
    PG_KEY_WAS_REVOKED, /* before */
    PG_KEY_UNKNOWN,
    PG_KEY_FAILED, /* `error` is filled in */
};

MUST_CHECK enum pg_key_revocation pg_key_revoke(const char *url, const char *id,
                                                char error[PG_ERROR_SIZE_BYTES]);

#endif
