/* What SIGHUP asks for: files of the configuration are read again. */
#ifndef RSVPD_APP_RELOAD_H
#define RSVPD_APP_RELOAD_H

#include "rsvpd/base/config.h"
#include "rsvpd/base/secret.h"

#include <uv.h>

enum { RELOAD_PARTS_MAX = 8 };

/* Reads again what `source` stands for, and applies it. Called on a thread that may block. */
typedef enum secret_change reload_read_fn(void *source);

struct reload_part {
    const char *variable;
    reload_read_fn *read;
    void *source;
    enum secret_change change; /* of the thread that reads, while busy */
};

struct reload {
    const struct config *config;
    config_lookup_fn *lookup;   /* of the environment */
    void (*ended)(void *owner); /* called when all is read again that was asked for */
    void *owner;
    struct reload_part parts[RELOAD_PARTS_MAX];
    size_t part_count;
    enum log_level log_level; /* in force */
    uv_work_t work;
    bool busy;
    bool again; /* asked for once more meanwhile */

    /* Of the thread that reads, while busy. */
    enum secret_change level_change;
    enum log_level level;
    struct config_error level_error;
};

/* The log level is read again always. `config` must outlive it. */
void reload_init(struct reload *reload, const struct config *config, config_lookup_fn *lookup,
                 void (*ended)(void *owner), void *owner);

/* At most RELOAD_PARTS_MAX, before the first reload_begin. The name is not copied, and `source`
 * must live on. */
void reload_add(struct reload *reload, const char *variable, reload_read_fn *read, void *source);

/* For what is read again with each use: SIGHUP tells whether that goes well. */
void reload_add_secret(struct reload *reload, const char *variable, struct secret *secret);

/* Reads them on a thread of libuv's pool, and logs the result. */
void reload_begin(struct reload *reload, uv_loop_t *loop);

#endif
