/* What all processes on one database share, made by its migrations. */
#ifndef RSVPD_STORE_PG_SECRETS_H
#define RSVPD_STORE_PG_SECRETS_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/mac.h"
#include "rsvpd/store/pg_connect.h"
#include "rsvpd/store/redis_codec.h"

struct pg_secrets {
    unsigned char page_token_key[MAC_KEY_SIZE_BYTES]; /* signs the tokens of listings */
    char redis_namespace[REDIS_NAMESPACE_SIZE_BYTES]; /* a string: part of every key in Redis */
};

/* Reads them. Blocks; for start-up. False with `error` filled in where they cannot be had. */
MUST_CHECK bool pg_secrets_load(const char *url, struct pg_secrets *secrets,
                                char error[PG_ERROR_SIZE_BYTES]);

#endif
