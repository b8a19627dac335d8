/* Keeps the API keys of services up to date.
 *
 * DESIGN: No request looks a key up in the database: each process reads all keys with one statement
 * every few seconds, so rubbish that comes as a key costs the database nothing. Only where the keys
 * changed a new set is published. Uses are marked in the set that a worker has, and noted from
 * there; a worker may still mark them in the set before, so that one is looked through as well. */
#include "rsvpd/app/api_keys_reader.h"
#include "rsvpd/app/keys_in_force.h"
#include "rsvpd/base/clock.h"
#include "rsvpd/base/log.h"
#include "rsvpd/store/pg_api_keys.h"

#include <assert.h>
#include <stdlib.h>

struct api_keys_reader {
    struct secret *database_url;
    struct keys_in_force keys;
    uv_timer_t timer;
    uv_work_t work;
    bool busy;       /* a thread of the pool reads */
    bool failing;    /* the last reading failed */
    bool not_noting; /* the last uses could not be noted */

    /* Of the thread that reads, while busy. */
    struct pg_conn *session; /* NULL: none is open */
    int64_t began_us;
    struct api_keys *fresh; /* what was read; NULL: it failed */
    bool noted;
    char error[PG_ERROR_SIZE_BYTES], note_error[PG_ERROR_SIZE_BYTES];
};

/* ---- reading, on a thread that may block ---- */

static bool connect_session(struct api_keys_reader *reader)
{
    char *url = secret_now(reader->database_url);
    if (url == NULL) {
        snprintf(reader->error, sizeof reader->error, "%s", "out of memory");
        return false;
    }
    reader->session = pg_api_keys_connect(url, reader->error);
    free(url);
    return reader->session != NULL;
}

static void read_keys(struct api_keys_reader *reader)
{
    /* A session that was open may have been lost with its server. */
    int attempts = reader->session != NULL ? 2 : 1;
    reader->fresh = NULL;
    while (reader->fresh == NULL && attempts-- > 0) {
        if (reader->session == NULL && !connect_session(reader)) {
            return;
        }
        reader->fresh = pg_api_keys_read(reader->session, reader->error);
        if (reader->fresh == NULL) {
            pg_api_keys_close(&reader->session);
        }
    }
}

/* Notes what was used as `found` tells, as far as `read` does not. */
static bool note_uses(struct api_keys_reader *reader, const struct api_keys *read,
                      const struct api_keys *found)
{
    struct api_key_use uses[PG_API_KEY_USES_MAX];
    size_t count =
        found == NULL ? 0 : api_keys_unnoted_uses(read, found, uses, PG_API_KEY_USES_MAX);
    return count == 0 || pg_api_keys_note(reader->session, uses, count, reader->note_error);
}

static void read_and_note(struct api_keys_reader *reader)
{
    reader->began_us = clock_mono_us();
    reader->noted = true;
    read_keys(reader);
    if (reader->fresh == NULL) {
        return;
    }
    bool read_only = pg_is_read_only(reader->session);
    if (!read_only) {
        reader->noted = note_uses(reader, reader->fresh, reader->keys.newest) &&
                        note_uses(reader, reader->fresh, reader->keys.before);
    }
    if (read_only || !reader->noted) {
        pg_api_keys_close(&reader->session); /* the next one may be to a server that writes */
    }
}

static void read_on_thread(uv_work_t *work)
{
    read_and_note(work->data);
}

/* ---- what was read ---- */

static void take_failure(struct api_keys_reader *reader)
{
    if (!reader->failing) {
        log_event(LOG_WARN, "cannot read the API keys: those that were read last stay in force",
                  LOG_CSTR("reason", reader->error));
    }
    reader->failing = true;
}

/* `fresh` goes where it belongs. Where it cannot, `error` says why. */
static enum secret_change take_keys(struct api_keys_reader *reader)
{
    enum secret_change change = keys_in_force_take(&reader->keys, reader->fresh, reader->began_us);
    reader->fresh = NULL;
    if (change == SECRET_FAILED) {
        snprintf(reader->error, sizeof reader->error, "%s", "out of memory");
    }
    return change;
}

static void take_fresh(struct api_keys_reader *reader)
{
    enum secret_change change = take_keys(reader);
    if (change == SECRET_FAILED) {
        take_failure(reader);
        return;
    }
    if (change == SECRET_CHANGED) {
        log_event(LOG_INFO, "the API keys have changed",
                  LOG_INT("count", api_keys_count(reader->keys.newest)));
    }
    if (reader->failing) {
        log_event(LOG_INFO, "the API keys can be read again");
    }
    reader->failing = false;
}

static void take_reading(struct api_keys_reader *reader)
{
    if (!reader->noted && !reader->not_noting) {
        log_event(LOG_WARN, "cannot note when API keys were used",
                  LOG_CSTR("reason", reader->note_error));
    }
    reader->not_noting = !reader->noted;
    if (reader->fresh == NULL) {
        take_failure(reader);
    } else {
        take_fresh(reader);
    }
}

static void was_read(uv_work_t *work, int status)
{
    struct api_keys_reader *reader = work->data;
    assert(status == 0); /* nobody cancels it */
    reader->busy = false;
    take_reading(reader);
}

/* ---- the timer ---- */

/* A thread may be looking through the last two sets: they stay where they are. */
static void forget_old_keys(struct api_keys_reader *reader)
{
    if (keys_in_force_expire(&reader->keys, clock_mono_us())) {
        log_event(LOG_ERROR, "the API keys could not be read for too long: none is in force");
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct api_keys_reader *reader = timer->data;
    forget_old_keys(reader);
    if (!reader->busy) {
        reader->busy = true;
        int failed = uv_queue_work(timer->loop, &reader->work, read_on_thread, was_read);
        assert(failed == 0); /* fails for a NULL argument alone */
    }
}

/* ---- its life ---- */

static void log_no_start(const char *reason)
{
    log_event(LOG_ERROR, "cannot read the API keys at the start", LOG_CSTR("reason", reason));
}

struct api_keys_reader *api_keys_reader_create(struct secret *database_url,
                                               struct published *published)
{
    struct api_keys_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        log_no_start("out of memory");
        return NULL;
    }
    reader->database_url = database_url;
    reader->keys = keys_in_force_over(published);
    read_and_note(reader);
    if (reader->fresh == NULL || take_keys(reader) == SECRET_FAILED) {
        log_no_start(reader->error);
        api_keys_reader_destroy(&reader);
        return NULL;
    }
    return reader;
}

void api_keys_reader_start(struct api_keys_reader *reader, uv_loop_t *loop)
{
    uv_timer_init(loop, &reader->timer);
    reader->timer.data = reader->work.data = reader;
    uv_timer_start(&reader->timer, on_timer, API_KEYS_EVERY_MS, API_KEYS_EVERY_MS);
}

void api_keys_reader_stop(struct api_keys_reader *reader)
{
    uv_close((uv_handle_t *)&reader->timer, NULL);
}

void api_keys_reader_destroy(struct api_keys_reader **reader_)
{
    struct api_keys_reader *reader = *reader_;
    if (reader == NULL) {
        return;
    }
    assert(!reader->busy);
    if (reader->session != NULL && reader->keys.newest != NULL &&
        !note_uses(reader, reader->keys.newest, reader->keys.newest)) {
        log_event(LOG_WARN, "cannot note when API keys were used",
                  LOG_CSTR("reason", reader->note_error));
    }
    pg_api_keys_close(&reader->session);
    keys_in_force_end(&reader->keys);
    free(reader);
    *reader_ = NULL;
}
