/* The relay's session with PostgreSQL: it connects on a thread of libuv's pool, comes back after a
 * failure, waits while another relay reads the slot, and reads in the loop no more than is
 * wanted. */
#ifndef RSVPD_APP_RELAY_STREAM_H
#define RSVPD_APP_RELAY_STREAM_H

#include "rsvpd/base/clock.h"
#include "rsvpd/base/contract.h"
#include "rsvpd/base/random.h"
#include "rsvpd/base/secret.h"
#include "rsvpd/domain/breaker.h"
#include "rsvpd/store/pg_replication.h"

#include <uv.h>

enum relay_stream_state {
    RELAY_STREAM_AWAY,    /* PostgreSQL is not reached */
    RELAY_STREAM_STANDBY, /* another relay reads the slot */
    RELAY_STREAM_READING,
    RELAY_STREAM_ENDED,
};

struct relay_stream_setup {
    uv_loop_t *loop;
    struct secret *database_url;
    const char *slot;
    void *owner;
    /* A session begins; what the one before gave and was not confirmed comes again. `is_other_log`:
     * places in the log that were known until now are none in the server's. */
    void (*begun)(void *owner, const struct pg_slot_state *state, bool is_other_log);
    /* How it stands with the slot, every few seconds in which there is no room. */
    void (*looked)(void *owner, const struct pg_slot_state *state);
    /* Whether a frame can be taken now. */
    bool (*has_room)(void *owner);
    /* Takes a frame; false with `error` filled in where it is not understood. */
    bool (*take)(void *owner, const struct pgoutput_frame *frame, char error[PG_ERROR_SIZE_BYTES]);
    /* Nothing more can be read, and waiting does not mend it. */
    void (*hopeless)(void *owner, const char *reason);
};

struct relay_stream {
    struct relay_stream_setup setup;
    enum relay_stream_state state;  /* changed by change_state alone */
    struct pg_replication *session; /* NULL unless READING */
    struct relay_stream_watch *watch;
    uv_timer_t timer; /* the next attempt; while READING, the next iteration */
    struct breaker breaker;
    struct random random;
    uint64_t confirmed_lsn, told_lsn;
    int64_t tell_every_us, told_us;
    int64_t silence_max_us, heard_us; /* 0: it may be silent for ever */
    uint64_t attempts;

    uint64_t looks_for; /* the attempt whose session it is beside */
    int64_t looked_us;

    /* Of the thread that looks, while looking. */
    bool looking;
    uv_work_t look;
    bool has_looked;
    struct pg_slot_state seen;

    /* Of the thread that connects, while busy. */
    bool busy;
    uv_work_t work;
    struct pg_log_place from; /* kept: whose log it is */
    struct pg_slot_state found;
    struct pg_replication *fresh;
    enum pg_replication_start started;
    char error[PG_ERROR_SIZE_BYTES];
};

/* Begins to connect. */
void relay_stream_start(struct relay_stream *stream, const struct relay_stream_setup *setup);

/* There is room again. */
void relay_stream_go_on(struct relay_stream *stream);

/* All before `lsn` is confirmed: the server is told with the next tick, if it is further. */
void relay_stream_confirm(struct relay_stream *stream, uint64_t lsn);

/* To be called every few milliseconds: tells the server how far we are, and that we live. */
void relay_stream_tick(struct relay_stream *stream, struct instant now);

/* Tells the server once more how far we are, and ends. A thread that connects is not waited
 * for. */
void relay_stream_end(struct relay_stream *stream);

#endif
