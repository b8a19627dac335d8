/* Random keys that all processes on one database share. */
#ifndef RSVPD_STORE_PG_SECRET_H
#define RSVPD_STORE_PG_SECRET_H

#include "rsvpd/base/mac.h"
#include "rsvpd/store/pg_connect.h"

/* Reads the key of that name. Blocks; for start-up. False with `error` filled in where it cannot be
 * had. */
bool pg_secret_load(const char *url, const char *name, unsigned char key[MAC_KEY_SIZE_BYTES],
                    char error[PG_ERROR_SIZE_BYTES]) __attribute__((warn_unused_result));

#endif
