/* The relay's session with PostgreSQL. */
#include "rsvpd/app/relay_stream.h"
#include "rsvpd/base/clock.h"
#include "rsvpd/base/log.h"
#include "rsvpd/domain/feed.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    WAIT_MIN_US = 250 * 1000,
    WAIT_MAX_US = 10 * 1000 * 1000,
    STANDBY_MIN_US = 500 * 1000, /* to twice as long */
    TELL_EVERY_US = 10 * 1000 * 1000,
    LOOK_EVERY_US = 5 * 1000 * 1000,
    FRAMES_PER_ITERATION = 4096, /* then the loop turns */
};

/* The socket in the loop. */
struct relay_stream_watch {
    uv_poll_t poll;
    struct relay_stream *stream;
};

static void begin_attempt(struct relay_stream *stream);
static void lose(struct relay_stream *stream, const char *reason);
static void end_session(struct relay_stream *stream);
static void read_on(struct relay_stream *stream);

static void change_state(struct relay_stream *stream, enum relay_stream_state state)
{
    assert(stream->state != RELAY_STREAM_ENDED);
    stream->state = state;
}

static void on_attempt(uv_timer_t *timer)
{
    begin_attempt(timer->data);
}

static void attempt_later(struct relay_stream *stream, int64_t wait_us)
{
    uv_timer_start(&stream->timer, on_attempt, (uint64_t)(wait_us / 1000), 0);
}

static void attempt_after_failure(struct relay_stream *stream)
{
    int64_t now_us = clock_mono_us();
    breaker_failure(&stream->breaker, now_us, random_next(&stream->random));
    attempt_later(stream, stream->breaker.retry_at_us - now_us);
}

/* ---- reading ---- */

static void on_ready(uv_poll_t *poll, int status, int events)
{
    const struct relay_stream_watch *watch = poll->data;
    (void)events;
    if (status < 0 || !pg_replication_receive(watch->stream->session)) {
        lose(watch->stream, "the connection broke");
        return;
    }
    watch->stream->heard_us = clock_mono_us();
    read_on(watch->stream);
}

static void on_next_iteration(uv_timer_t *timer)
{
    read_on(timer->data);
}

/* Reads what was received, as far as there is room for it. */
static void read_on(struct relay_stream *stream)
{
    struct pgoutput_frame frame;
    char error[PG_ERROR_SIZE_BYTES];
    for (int i = 0; i < FRAMES_PER_ITERATION; i++) {
        if (!stream->setup.has_room(stream->setup.owner)) {
            uv_poll_stop(&stream->watch->poll);
            return;
        }
        switch (pg_replication_read(stream->session, &frame, error)) {
        case PG_REPLICATION_NOTHING:
            if (uv_poll_start(&stream->watch->poll, UV_READABLE, on_ready) != 0) {
                lose(stream, "out of resources");
            }
            return;
        case PG_REPLICATION_BROKEN:
            lose(stream, error);
            return;
        case PG_REPLICATION_USELESS:
            end_session(stream);
            change_state(stream, RELAY_STREAM_AWAY);
            stream->setup.hopeless(stream->setup.owner, error);
            return;
        case PG_REPLICATION_FRAME:
            break;
        }
        if (!stream->setup.take(stream->setup.owner, &frame, error)) {
            lose(stream, error);
            return;
        }
        if (frame.kind == PGOUTPUT_KEEPALIVE && frame.reply_requested) {
            stream->told_us = 0;
        }
    }
    uv_poll_stop(&stream->watch->poll);
    uv_timer_start(&stream->timer, on_next_iteration, 0, 0);
}

void relay_stream_go_on(struct relay_stream *stream)
{
    if (stream->state == RELAY_STREAM_READING &&
        uv_is_active((uv_handle_t *)&stream->watch->poll) == 0) {
        uv_timer_start(&stream->timer, on_next_iteration, 0, 0);
    }
}

/* ---- the session ---- */

static void free_watch(uv_handle_t *poll)
{
    free(poll->data);
}

static void end_session(struct relay_stream *stream)
{
    if (stream->watch != NULL) {
        uv_poll_stop(&stream->watch->poll);
        uv_close((uv_handle_t *)&stream->watch->poll, free_watch);
        stream->watch = NULL;
    }
    pg_replication_end(&stream->session);
    uv_timer_stop(&stream->timer);
}

static void lose(struct relay_stream *stream, const char *reason)
{
    log_event(LOG_WARN, "lost the stream of PostgreSQL: connecting again",
              LOG_CSTR("reason", reason));
    end_session(stream);
    change_state(stream, RELAY_STREAM_AWAY);
    attempt_after_failure(stream);
}

/* After a failover or a restore. Told that more is safe than the server has, it would never give
 * out what it logs up to there. */
static void leave_log(struct relay_stream *stream)
{
    char lsn[FEED_LSN_SIZE_BYTES];
    feed_write_lsn(stream->confirmed_lsn, lsn);
    log_event(LOG_WARN, "the log of PostgreSQL is another one: going on from its slot",
              LOG_CSTR("was_at", lsn));
    stream->confirmed_lsn = 0;
}

/* False where resources are missing. */
static bool begin_session(struct relay_stream *stream, bool is_other_log)
{
    struct relay_stream_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL || uv_poll_init_socket(stream->setup.loop, &watch->poll,
                                             pg_replication_socket(stream->fresh)) != 0) {
        free(watch);
        return false;
    }
    int64_t timeout_us = stream->found.sender_timeout_ms * 1000;
    watch->poll.data = watch;
    watch->stream = stream;
    stream->watch = watch;
    stream->session = stream->fresh;
    stream->fresh = NULL;
    stream->tell_every_us =
        timeout_us > 0 && timeout_us / 3 < TELL_EVERY_US ? timeout_us / 3 : TELL_EVERY_US;
    stream->told_us = 0;
    stream->told_lsn = 0;
    stream->silence_max_us = timeout_us; /* as long as the server bears with us */
    stream->heard_us = clock_mono_us();
    if (is_other_log) {
        leave_log(stream);
    }
    if (stream->found.confirmed_lsn > stream->confirmed_lsn) {
        stream->confirmed_lsn = stream->found.confirmed_lsn;
    }
    breaker_success(&stream->breaker);
    return true;
}

/* ---- attempts ---- */

static void connect_on_thread(uv_work_t *work)
{
    struct relay_stream *stream = work->data;
    char *url = secret_now(stream->setup.database_url);
    stream->started = PG_REPLICATION_FAILED;
    snprintf(stream->error, sizeof stream->error, "out of memory");
    if (url != NULL) {
        stream->started = pg_replication_start(url, stream->setup.slot, &stream->from,
                                               &stream->found, &stream->fresh, stream->error);
    }
    free(url);
}

static void take_started(struct relay_stream *stream)
{
    char lsn[FEED_LSN_SIZE_BYTES];
    bool is_other_log = stream->confirmed_lsn > 0 && stream->from.lsn == 0;
    if (!begin_session(stream, is_other_log)) {
        pg_replication_end(&stream->fresh);
        if (is_other_log) {
            stream->from = (struct pg_log_place){.lsn = 0}; /* the log is not left yet */
        }
        attempt_after_failure(stream);
        return;
    }
    feed_write_lsn(stream->confirmed_lsn, lsn);
    log_event(LOG_INFO, "reading the slot", LOG_CSTR("slot", stream->setup.slot),
              LOG_CSTR("from", lsn), LOG_INT("behind_bytes", stream->found.behind_bytes));
    change_state(stream, RELAY_STREAM_READING);
    stream->setup.begun(stream->setup.owner, &stream->found, is_other_log);
    read_on(stream);
}

static void take_busy(struct relay_stream *stream)
{
    if (stream->state != RELAY_STREAM_STANDBY) {
        log_event(LOG_INFO, "another relay reads the slot: waiting to take over",
                  LOG_CSTR("slot", stream->setup.slot));
        change_state(stream, RELAY_STREAM_STANDBY);
    }
    breaker_success(&stream->breaker); /* PostgreSQL answers */
    attempt_later(stream,
                  STANDBY_MIN_US + (int64_t)(random_next(&stream->random) % STANDBY_MIN_US));
}

static void on_connected(uv_work_t *work, int status)
{
    struct relay_stream *stream = work->data;
    assert(status == 0 && stream->busy); /* nobody cancels it */
    stream->busy = false;
    if (stream->state == RELAY_STREAM_ENDED) {
        pg_replication_end(&stream->fresh);
        return;
    }
    switch (stream->started) {
    case PG_REPLICATION_STARTED:
        take_started(stream);
        return;
    case PG_REPLICATION_BUSY:
        take_busy(stream);
        return;
    case PG_REPLICATION_HOPELESS:
        change_state(stream, RELAY_STREAM_AWAY);
        stream->setup.hopeless(stream->setup.owner, stream->error);
        return;
    case PG_REPLICATION_FAILED:
        log_event(LOG_WARN, "cannot read the slot: trying again",
                  LOG_CSTR("reason", stream->error));
        change_state(stream, RELAY_STREAM_AWAY);
        attempt_after_failure(stream);
        return;
    }
}

static void begin_attempt(struct relay_stream *stream)
{
    assert(!stream->busy && stream->session == NULL);
    stream->busy = true;
    stream->attempts++;
    stream->from.lsn = stream->confirmed_lsn;
    stream->work.data = stream;
    int failed = uv_queue_work(stream->setup.loop, &stream->work, connect_on_thread, on_connected);
    assert(failed == 0); /* fails for a NULL argument alone */
}

/* ---- looks at the slot while nothing is read ---- */

static void look_on_thread(uv_work_t *work)
{
    struct relay_stream *stream = work->data;
    char error[PG_ERROR_SIZE_BYTES];
    char *url = secret_now(stream->setup.database_url);
    stream->has_looked =
        url != NULL && pg_replication_look(url, stream->setup.slot, &stream->seen, error);
    free(url);
}

static void on_looked(uv_work_t *work, int status)
{
    struct relay_stream *stream = work->data;
    assert(status == 0 && stream->looking); /* nobody cancels it */
    stream->looking = false;
    if (stream->has_looked && stream->state == RELAY_STREAM_READING &&
        stream->looks_for == stream->attempts) {
        stream->setup.looked(stream->setup.owner, &stream->seen);
    }
}

/* A target that is slow leaves frames unread, and so how far the log has gone on. */
static void look_if_due(struct relay_stream *stream, int64_t now_us)
{
    bool due = stream->state == RELAY_STREAM_READING && !stream->looking &&
               uv_is_active((uv_handle_t *)&stream->watch->poll) == 0 &&
               now_us - stream->looked_us >= LOOK_EVERY_US;
    if (due) {
        stream->looking = true;
        stream->looked_us = now_us;
        stream->looks_for = stream->attempts;
        stream->look.data = stream;
        int failed = uv_queue_work(stream->setup.loop, &stream->look, look_on_thread, on_looked);
        assert(failed == 0); /* fails for a NULL argument alone */
    }
}

/* ---- for the owner ---- */

void relay_stream_start(struct relay_stream *stream, const struct relay_stream_setup *setup)
{
    *stream = (struct relay_stream){.setup = *setup, .random = {clock_entropy()}};
    breaker_init(&stream->breaker, WAIT_MIN_US, WAIT_MAX_US);
    uv_timer_init(setup->loop, &stream->timer);
    stream->timer.data = stream;
    begin_attempt(stream);
}

void relay_stream_confirm(struct relay_stream *stream, uint64_t lsn)
{
    stream->confirmed_lsn = lsn > stream->confirmed_lsn ? lsn : stream->confirmed_lsn;
}

/* Whether the server has said nothing for so long. What is not read is not heard. */
static bool is_silent(struct relay_stream *stream, int64_t now_us, int64_t for_us)
{
    if (uv_is_active((uv_handle_t *)&stream->watch->poll) == 0) {
        stream->heard_us = now_us;
    }
    return stream->silence_max_us > 0 && now_us - stream->heard_us > for_us;
}

static bool tell(struct relay_stream *stream, struct instant now)
{
    bool wants_answer = is_silent(stream, now.mono_us, stream->silence_max_us / 2);
    stream->told_us = now.mono_us;
    stream->told_lsn = stream->confirmed_lsn;
    return pg_replication_tell(stream->session, stream->confirmed_lsn, now.wall_us, wants_answer);
}

void relay_stream_tick(struct relay_stream *stream, struct instant now)
{
    bool reading = stream->state == RELAY_STREAM_READING;
    bool due = now.mono_us - stream->told_us >= stream->tell_every_us ||
               stream->confirmed_lsn > stream->told_lsn;
    if (reading && is_silent(stream, now.mono_us, stream->silence_max_us)) {
        lose(stream, "the server does not answer");
    } else if (reading && due && !tell(stream, now)) {
        lose(stream, "the connection broke");
    }
    look_if_due(stream, now.mono_us);
}

void relay_stream_end(struct relay_stream *stream)
{
    if (stream->state == RELAY_STREAM_READING) {
        (void)tell(stream, clock_now());
    }
    end_session(stream);
    change_state(stream, RELAY_STREAM_ENDED);
    uv_close((uv_handle_t *)&stream->timer, NULL);
}
