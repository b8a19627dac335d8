/* API keys as the service reads them, and notes when they were used. Blocks, for a limited time:
 * for threads other than a loop's. */
#ifndef RSVPD_STORE_PG_API_KEYS_H
#define RSVPD_STORE_PG_API_KEYS_H

#include "rsvpd/base/contract.h"
#include "rsvpd/domain/api_keys.h"
#include "rsvpd/store/pg_connect.h"

enum { PG_API_KEY_USES_MAX = 256 };

/* These fill `error` in where they fail. The session is then of no more use, and is to be closed
 * with pg_api_keys_close. */

/* A session for the functions below. NULL where there is none: a standby that may lag is refused,
 * in which a key may not be revoked yet. */
MUST_CHECK struct pg_conn *pg_api_keys_connect(const char *url, char error[PG_ERROR_SIZE_BYTES]);
void pg_api_keys_close(struct pg_conn **session);

/* Reads all keys that are in force. NULL where it fails. */
MUST_CHECK struct api_keys *pg_api_keys_read(struct pg_conn *session,
                                             char error[PG_ERROR_SIZE_BYTES]);

/* Notes these uses, at most PG_API_KEY_USES_MAX, but for keys that another process is noting. */
MUST_CHECK bool pg_api_keys_note(struct pg_conn *session, const struct api_key_use *uses,
                                 size_t count, char error[PG_ERROR_SIZE_BYTES]);

#endif
