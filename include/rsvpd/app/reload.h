/* What SIGHUP asks for: files of the configuration are read again. */
#ifndef RSVPD_APP_RELOAD_H
#define RSVPD_APP_RELOAD_H

#include "rsvpd/app/rates.h"
#include "rsvpd/base/config.h"
#include "rsvpd/base/contract.h"
#include "rsvpd/base/secret.h"
#include "rsvpd/store/jwks.h"

#include <uv.h>

struct reload {
    const struct config *config;
    config_lookup_fn *lookup; /* of the environment */
    struct secret *database_url, *database_read_url, *redis_url, *jwt_secret;
    struct secret *limits[RATE_KIND_COUNT];
    struct rates *rates;        /* the caller's */
    struct jwks *token_keys;    /* the caller's; NULL: there are none */
    enum log_level log_level;   /* in force */
    void (*ended)(void *owner); /* the caller's: called when all is read again that was asked for */
    void *owner;
    uv_work_t work;
    bool busy;
    bool again; /* asked for once more meanwhile */

    /* Of the thread that reads, while busy. */
    enum secret_change database_change, database_read_change, redis_change, level_change;
    enum secret_change jwt_secret_change, jwks_change;
    enum secret_change limit_changes[RATE_KIND_COUNT];
    enum log_level level;
    struct config_error level_error;
};

/* `config` must outlive it. False when memory is exhausted. */
MUST_CHECK bool reload_init(struct reload *reload, const struct config *config);

/* Not while one is under way. */
void reload_free(struct reload *reload);

/* Reads them on a thread of libuv's pool, applies the good ones, and logs the result. */
void reload_begin(struct reload *reload, uv_loop_t *loop);

#endif
