/* Keeps the API keys of services up to date: reads all of them every few seconds, and notes when
 * each was used. */
#ifndef RSVPD_APP_API_KEYS_READER_H
#define RSVPD_APP_API_KEYS_READER_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/published.h"
#include "rsvpd/base/secret.h"

#include <uv.h>

enum {
    /* A new or revoked key is in force after at most twice as long. */
    API_KEYS_EVERY_MS = 5 * 1000,
};

struct api_keys_reader;

/* Reads the keys once, which blocks, and publishes them (struct api_keys; NULL where none are known
 * to be good). NULL where they cannot be read; the log says why. Both must outlive it. */
MUST_CHECK struct api_keys_reader *api_keys_reader_create(struct secret *database_url,
                                                          struct published *published);

/* Reads them again and again from now on, on threads of libuv's pool. */
void api_keys_reader_start(struct api_keys_reader *reader, uv_loop_t *loop);

/* Begins no more. */
void api_keys_reader_stop(struct api_keys_reader *reader);

/* After the loop was closed and the workers have ended. Notes the last uses, which blocks. */
void api_keys_reader_destroy(struct api_keys_reader **reader);

#endif
