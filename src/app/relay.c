/* The process of `rsvpd relay`.
 *
 * DESIGN: One thread with one loop has the session with PostgreSQL, the admin port and the signals.
 * What may block is on threads of libuv's pool: connecting, and the one delivery that is under way.
 * While the target is slow no more is read than fits (domain/feed, domain/changes), and PostgreSQL
 * is still told that we live. The slot is the only state: it advances past what the target
 * confirmed, and after any end the next relay goes on from there. */
#include "rsvpd/app/relay.h"
#include "rsvpd/app/admin_port.h"
#include "rsvpd/app/command.h"
#include "rsvpd/app/loop_lag.h"
#include "rsvpd/app/relay_decoder.h"
#include "rsvpd/app/relay_delivery.h"
#include "rsvpd/app/relay_stream.h"
#include "rsvpd/app/reload.h"
#include "rsvpd/app/service_manager.h"
#include "rsvpd/base/log.h"
#include "rsvpd/base/uri.h"
#include "rsvpd/base/webhook.h"
#include "rsvpd/http/body.h"
#include "rsvpd/http/routes.h"
#include "rsvpd/store/pg_connect.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { TICK_MS = 20 };

struct relay {
    const struct config *config;
    uv_loop_t loop;
    uv_signal_t on_term, on_int, on_hup;
    uv_timer_t tick;
    uv_prepare_t iteration_end;
    struct loop_lag lag;
    struct admin_port admin;
    struct service_manager manager;
    struct secret *database_url, *place, *secret; /* place: of the target */
    struct feed feed;
    struct relay_decoder decoder;
    struct relay_stream stream;
    struct relay_target *target;
    struct relay_deliverer deliverer;
    _Atomic bool ending;
    int status; /* of the exit */
    struct reload reload;
};

/* ---- what the admin port tells ---- */

static void health(void *relay_, struct http_health *health)
{
    const struct relay *relay = relay_;
    enum relay_stream_state state = relay->stream.state;
    *health = (struct http_health){
        .alive = true, /* the loop that answers is the only one */
        .draining = atomic_load(&relay->ending),
        .standby = state == RELAY_STREAM_STANDBY,
        .keys_here = true,
        .postgres = {.configured = true,
                     .up = state == RELAY_STREAM_READING || state == RELAY_STREAM_STANDBY,
                     .latency_us = -1},
    };
}

static void note_gauges(struct relay *relay)
{
    struct metrics *metrics = relay->admin.metrics;
    relay_stream_confirm(&relay->stream, relay->feed.confirmed_lsn); /* as at an iteration's end */
    uint64_t confirmed = relay->stream.confirmed_lsn;
    uint64_t seen = relay->decoder.seen_lsn;
    int64_t since_us = relay_decoder_waiting_since_us(&relay->decoder);
    int64_t lag_us = since_us == 0 ? 0 : clock_now().wall_us - since_us;
    metrics_set(metrics, METRIC_RELAY_STREAMING, relay->stream.state == RELAY_STREAM_READING);
    metrics_set(metrics, METRIC_RELAY_LAG_BYTES, seen > confirmed ? seen - confirmed : 0);
    metrics_set(metrics, METRIC_RELAY_LAG_US, lag_us > 0 ? (uint64_t)lag_us : 0);
    metrics_set(metrics, METRIC_RELAY_CONFIRMED_LSN, confirmed);
    metrics_set(metrics, METRIC_RELAY_CONNECTS, relay->stream.attempts);
}

static void render_metrics(void *relay_, struct text *out)
{
    struct relay *relay = relay_;
    const struct metrics *sets[] = {relay->admin.metrics};
    const char *names[METRICS_ROUTES_MAX];
    struct process_usage usage;
    bool usage_known = process_usage_read(&usage);
    note_gauges(relay);
    routes_name_all(names);
    metrics_render(&(struct metrics_view){.sets = sets,
                                          .set_count = 1,
                                          .route_names = names,
                                          .route_count = routes.count,
                                          .is_relay = true,
                                          .usage = usage_known ? &usage : NULL},
                   out);
}

/* ---- the end ---- */

/* The delivery has come to rest. */
static void on_delivery_ended(void *relay_)
{
    struct relay *relay = relay_;
    relay_stream_confirm(&relay->stream, relay->feed.confirmed_lsn);
    relay_stream_end(&relay->stream);
    admin_port_close(&relay->admin);
    uv_close((uv_handle_t *)&relay->on_term, NULL);
    uv_close((uv_handle_t *)&relay->on_int, NULL);
    uv_close((uv_handle_t *)&relay->on_hup, NULL);
    uv_close((uv_handle_t *)&relay->tick, NULL);
    uv_close((uv_handle_t *)&relay->iteration_end, NULL);
    uv_stop(&relay->loop); /* a thread that connects is not waited for */
}

static void end(struct relay *relay, int status)
{
    if (!atomic_exchange(&relay->ending, true)) {
        relay->status = status;
        service_manager_stopping(&relay->manager, 0);
        relay_deliverer_end(&relay->deliverer);
    }
}

static void on_signal(uv_signal_t *handle, int signal)
{
    struct relay *relay = handle->data;
    if (atomic_load(&relay->ending)) {
        log_event(LOG_WARN, "ending at once: a batch may come again");
        log_stop();
        _exit(EXIT_FAILURE);
    }
    log_event(LOG_INFO, "shutting down", LOG_INT("signal", signal));
    end(relay, EXIT_SUCCESS);
}

/* ---- between PostgreSQL and the target ---- */

static void see_end(void *relay_, const struct pg_slot_state *state)
{
    struct relay *relay = relay_;
    uint64_t end_lsn = state->confirmed_lsn + (uint64_t)state->behind_bytes;
    if (end_lsn > relay->decoder.seen_lsn) {
        relay->decoder.seen_lsn = end_lsn;
    }
}

static void on_begun(void *relay_, const struct pg_slot_state *state, bool is_other_log)
{
    struct relay *relay = relay_;
    if (is_other_log) {
        feed_forget_places(&relay->feed);
        relay->decoder.seen_lsn = 0;
    }
    relay_decoder_begin(&relay->decoder, state->schema);
    see_end(relay, state);
}

static bool has_room(void *relay_)
{
    struct relay *relay = relay_;
    return !atomic_load(&relay->ending) && relay_decoder_has_room(&relay->decoder);
}

static bool take(void *relay_, const struct pgoutput_frame *frame, char error[PG_ERROR_SIZE_BYTES])
{
    struct relay *relay = relay_;
    return relay_decoder_take(&relay->decoder, frame, error);
}

static void on_slot_hopeless(void *relay_, const char *reason)
{
    struct relay *relay = relay_;
    char lsn[FEED_LSN_SIZE_BYTES];
    feed_write_lsn(relay->stream.confirmed_lsn, lsn);
    log_event(LOG_ERROR, "cannot read the slot", LOG_CSTR("slot", relay->config->relay_slot),
              LOG_CSTR("reason", reason), LOG_CSTR("confirmed", lsn));
    end(relay, EXIT_FAILURE);
}

static void on_target_hopeless(void *relay_, const char *reason)
{
    log_event(LOG_ERROR, "the target takes nothing any more", LOG_CSTR("reason", reason));
    end(relay_, EXIT_FAILURE);
}

static void on_confirmed(void *relay_)
{
    struct relay *relay = relay_;
    relay_stream_confirm(&relay->stream, relay->feed.confirmed_lsn);
    relay_stream_go_on(&relay->stream);
}

static void on_tick(uv_timer_t *tick)
{
    struct relay *relay = tick->data;
    struct instant now = clock_now();
    struct http_health state;
    bool ready;
    loop_lag_note(&relay->lag, relay->admin.metrics, HISTOGRAM_LAG_MAIN, TICK_MS, now.mono_us);
    admin_port_tick(&relay->admin, now);
    relay_stream_tick(&relay->stream, now);
    if (service_manager_wants_news(&relay->manager, now.mono_us)) {
        health(relay, &state);
        const char *word = http_health_word(&state, &ready);
        service_manager_tick(&relay->manager, true, ready, word, now.mono_us);
    }
}

static void on_iteration_end(uv_prepare_t *prepare)
{
    struct relay *relay = prepare->data;
    relay_deliverer_end_iteration(&relay->deliverer);
    relay_stream_confirm(&relay->stream, relay->feed.confirmed_lsn);
    admin_port_end_iteration(&relay->admin);
}

/* ---- SIGHUP ---- */

static void on_reloaded(void *relay_)
{
    struct relay *relay = relay_;
    relay_deliverer_hurry(&relay->deliverer);
    service_manager_reloaded(&relay->manager);
}

static void on_hangup(uv_signal_t *handle, int signal)
{
    struct relay *relay = handle->data;
    (void)signal;
    service_manager_reloading(&relay->manager, clock_mono_us());
    reload_begin(&relay->reload, &relay->loop);
}

/* ---- the start ---- */

static bool start_loop(struct relay *relay)
{
    bool made = uv_loop_init(&relay->loop) == 0 &&
                uv_signal_init(&relay->loop, &relay->on_term) == 0 &&
                uv_signal_init(&relay->loop, &relay->on_int) == 0 &&
                uv_signal_init(&relay->loop, &relay->on_hup) == 0 &&
                uv_signal_start(&relay->on_term, on_signal, SIGTERM) == 0 &&
                uv_signal_start(&relay->on_int, on_signal, SIGINT) == 0 &&
                uv_signal_start(&relay->on_hup, on_hangup, SIGHUP) == 0;
    if (!made) {
        return false;
    }
    uv_timer_init(&relay->loop, &relay->tick);
    uv_prepare_init(&relay->loop, &relay->iteration_end);
    relay->on_term.data = relay->on_int.data = relay->on_hup.data = relay->tick.data =
        relay->iteration_end.data = relay;
    uv_timer_start(&relay->tick, on_tick, TICK_MS, TICK_MS);
    uv_prepare_start(&relay->iteration_end, on_iteration_end);
    return true;
}

static bool secret_valid(const char *value)
{
    struct webhook_secrets ignored;
    return webhook_secrets_parse(slice_of(value), &ignored);
}

static bool make_parts(struct relay *relay, unsigned types)
{
    const struct config *config = relay->config;
    relay->database_url = secret_create("DATABASE_URL", config->database_url_file,
                                        config->database_url, pg_url_parses);
    relay->secret = secret_create("RELAY_SECRET", config->relay_secret_file, config->relay_secret,
                                  secret_valid);
    relay->place =
        secret_create("RELAY_TARGET", config->relay_target_file, config->relay_target,
                      relay_target_is_output(config->relay_target) ? relay_target_is_output
                                                                   : relay_target_is_webhook);
    if (relay->database_url == NULL || relay->secret == NULL || relay->place == NULL) {
        return false;
    }
    reload_init(&relay->reload, config, command_environment, on_reloaded, relay);
    reload_add_secret(&relay->reload, "DATABASE_URL", relay->database_url);
    reload_add_secret(&relay->reload, "RELAY_TARGET", relay->place);
    reload_add_secret(&relay->reload, "RELAY_SECRET", relay->secret);
    relay->target = relay_target_create(relay->place, relay->secret);
    return relay->target != NULL &&
           feed_init(&relay->feed, (size_t)config->relay_batch_max, types) &&
           relay_decoder_init(&relay->decoder, &relay->feed);
}

static void start_work(struct relay *relay)
{
    relay_deliverer_init(&relay->deliverer,
                         &(struct relay_delivery_setup){.loop = &relay->loop,
                                                        .target = relay->target,
                                                        .feed = &relay->feed,
                                                        .metrics = relay->admin.metrics,
                                                        .owner = relay,
                                                        .confirmed = on_confirmed,
                                                        .hopeless = on_target_hopeless,
                                                        .ended = on_delivery_ended});
    relay_stream_start(&relay->stream,
                       &(struct relay_stream_setup){.loop = &relay->loop,
                                                    .database_url = relay->database_url,
                                                    .slot = relay->config->relay_slot,
                                                    .owner = relay,
                                                    .begun = on_begun,
                                                    .looked = see_end,
                                                    .has_room = has_room,
                                                    .take = take,
                                                    .hopeless = on_slot_hopeless});
}

/* All is closed. Does not return where a thread of libuv's pool is still at work. */
static void end_process(struct relay *relay)
{
    bool ended = uv_loop_close(&relay->loop) == 0;
    service_manager_end(&relay->manager);
    log_event(LOG_INFO, "ended");
    log_stop();
    if (!ended) {
        _exit(relay->status);
    }
    relay_target_destroy(&relay->target);
    relay_decoder_free(&relay->decoder);
    feed_free(&relay->feed);
    secret_destroy(&relay->secret);
    secret_destroy(&relay->place);
    secret_destroy(&relay->database_url);
    free(relay->admin.metrics);
}

int relay_run(const struct config *config, unsigned types)
{
    static struct relay relay; /* threads may refer to it until the process is gone */
    relay.config = config;
    service_manager_init(&relay.manager, command_environment);
    body_prepare();
    const struct http_process process = {
        .process = &relay, .health = health, .metrics = render_metrics, .draining = &relay.ending};
    if (!make_parts(&relay, types) || !start_loop(&relay)) {
        log_event(LOG_ERROR, "not enough resources for the relay");
        return EXIT_FAILURE;
    }
    if (!admin_port_open(&relay.admin, config, &relay.loop, &process)) {
        return EXIT_FAILURE;
    }
    if (!log_start()) {
        log_event(LOG_ERROR, "cannot start the log's thread");
        return EXIT_FAILURE;
    }
    log_attach_thread();
    log_event(LOG_INFO, "relaying", LOG_CSTR("version", RSVPD_VERSION),
              LOG_CSTR("slot", config->relay_slot),
              LOG_STR("target", uri_origin(config->relay_target)),
              LOG_CSTR("admin_address", config->admin_bind_address),
              LOG_INT("admin_port", config->admin_port));
    start_work(&relay);
    uv_run(&relay.loop, UV_RUN_DEFAULT);
    uv_run(&relay.loop, UV_RUN_NOWAIT); /* what was closed last */
    end_process(&relay);
    return relay.status;
}
