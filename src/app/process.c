/* The serving process: workers, admin port, signals, and the orderly end.
 *
 * DESIGN: The main thread has a loop of its own for the admin port and the signals, so that health
 * can be asked when every worker is busy. The end goes through phases: draining (the load balancer
 * sees /readyz 503 and goes elsewhere, clients are told to close their connections), finishing (no
 * new connections, requests in flight end), ended. A further signal skips the rest of the phase. */
#include "rsvpd/app/process.h"
#include "rsvpd/app/admin_port.h"
#include "rsvpd/app/api_keys_reader.h"
#include "rsvpd/app/client_limits.h"
#include "rsvpd/app/command.h"
#include "rsvpd/app/credentials.h"
#include "rsvpd/app/live_values.h"
#include "rsvpd/app/loop_lag.h"
#include "rsvpd/app/memory.h"
#include "rsvpd/app/rates.h"
#include "rsvpd/app/service_manager.h"
#include "rsvpd/app/trace_exporter.h"
#include "rsvpd/app/worker.h"
#include "rsvpd/base/config_serving.h"
#include "rsvpd/base/log.h"
#include "rsvpd/domain/count_memory.h"
#include "rsvpd/http/body.h"
#include "rsvpd/http/count_stream.h"
#include "rsvpd/http/listener.h"
#include "rsvpd/http/routes.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    STUCK_AFTER_US = 5 * 1000 * 1000, /* a loop that has not turned for so long is stuck */
    ADMIN_TICK_MS = 20,
    END_GRACE_US = 5 * 1000 * 1000, /* beyond drain and deadline: then all is closed, by far */
    COUNTS_MAX = 256 * 1024,        /* known at a time */
};

enum phase { PHASE_SERVING, PHASE_DRAINING, PHASE_FINISHING };

struct process {
    const struct config *config;
    const struct redis_url *redis_url;
    const struct pg_secrets *secrets;
    uv_loop_t loop;
    uv_signal_t on_term, on_int, on_hup;
    struct service_manager manager;
    struct live_values values;
    struct reload reload;
    struct credentials credentials;   /* with AUTH_MODE=token */
    struct api_keys_reader *api_keys; /* likewise; else NULL */
    uv_timer_t drain, tick;
    uv_prepare_t iteration_end;
    struct loop_lag lag;
    uv_async_t worker_ended;
    struct admin_port admin;
    struct memory_keeper memory;
    struct count_memory *counts;
    struct rates rates;
    struct trace_exporter *traces; /* NULL: nothing is traced */
    _Atomic enum phase
        phase; /* changed by change_phase alone, on the main thread; workers read it */
    struct worker *workers[CONFIG_WORKERS_MAX];
    size_t worker_count;
    _Atomic size_t workers_ended;
    _Atomic bool draining;
    struct crowd clients;
    struct stream_limit streams;
    struct cidr_list trusted_proxies;
    struct origin_list cors_origins; /* of the public port alone */
};

static bool wants_credentials(const struct process *process)
{
    return process->config->auth_mode == AUTH_MODE_TOKEN;
}

/* ---- what the servers ask ---- */

/* Adds what one worker sees of a dependency: it is up when it is up for all. */
static void merge(struct dependency_state *all, const struct dependency_state *one)
{
    all->configured = one->configured;
    all->up = all->up && one->up;
    all->latency_us = one->latency_us > all->latency_us ? one->latency_us : all->latency_us;
}

static void health(void *process_, struct http_health *health)
{
    struct process *process = process_;
    int64_t now_us = clock_mono_us();
    *health = (struct http_health){
        .alive = true,
        .draining = atomic_load(&process->draining),
        .keys_here = !wants_credentials(process) || credentials_are_here(&process->credentials),
        .postgres = {.up = true, .latency_us = -1},
        .redis = {.up = true, .latency_us = -1},
    };
    for (size_t i = 0; i < process->worker_count; i++) {
        struct worker_state state = worker_state(process->workers[i]);
        /* While finishing, workers end one by one. */
        health->alive = health->alive && (atomic_load(&process->phase) == PHASE_FINISHING ||
                                          now_us - state.turned_us < STUCK_AFTER_US);
        merge(&health->postgres, &state.postgres);
        merge(&health->redis, &state.redis);
    }
}

static void render_metrics(void *process_, struct text *out)
{
    struct process *process = process_;
    const struct metrics *sets[CONFIG_WORKERS_MAX + 2];
    const char *names[METRICS_ROUTES_MAX];
    struct process_usage usage;
    bool usage_known = process_usage_read(&usage);
    size_t count = 0;
    for (size_t i = 0; i < process->worker_count; i++) {
        sets[count++] = worker_metrics(process->workers[i]);
    }
    sets[count++] = process->admin.metrics;
    if (process->traces != NULL) {
        sets[count++] = trace_exporter_metrics(process->traces);
    }
    routes_name_all(names);
    metrics_render(&(struct metrics_view){.sets = sets,
                                          .set_count = count,
                                          .route_names = names,
                                          .route_count = routes.count,
                                          .redis_configured = process->redis_url != NULL,
                                          .usage = usage_known ? &usage : NULL},
                   out);
}

static struct http_process http_process(struct process *process)
{
    return (struct http_process){.process = process,
                                 .health = health,
                                 .metrics = render_metrics,
                                 .draining = &process->draining};
}

/* ---- the end ---- */

static void close_loop_handles(struct process *process)
{
    admin_port_close(&process->admin);
    if (process->api_keys != NULL) {
        api_keys_reader_stop(process->api_keys);
    }
    uv_close((uv_handle_t *)&process->on_term, NULL);
    uv_close((uv_handle_t *)&process->on_int, NULL);
    uv_close((uv_handle_t *)&process->on_hup, NULL);
    uv_close((uv_handle_t *)&process->drain, NULL);
    uv_close((uv_handle_t *)&process->tick, NULL);
    uv_close((uv_handle_t *)&process->iteration_end, NULL);
    uv_close((uv_handle_t *)&process->worker_ended, NULL);
    credentials_end(&process->credentials);
    uv_stop(&process->loop); /* a file that is being read again is not waited for */
}

static void on_worker_ended(uv_async_t *async)
{
    struct process *process = async->data;
    if (process->admin.server != NULL &&
        atomic_load(&process->workers_ended) == process->worker_count) {
        close_loop_handles(process);
    }
}

/* On a worker's thread. */
static void worker_has_ended(void *process_)
{
    struct process *process = process_;
    atomic_fetch_add(&process->workers_ended, 1);
    uv_async_send(&process->worker_ended);
}

/* The phases follow each other; none is left out or comes back. */
static void change_phase(struct process *process, enum phase phase)
{
    assert(phase == atomic_load(&process->phase) + 1);
    atomic_store(&process->phase, phase);
}

/* Tells the service manager that the end has begun, which starts with so long a drain. */
static void tell_of_end(struct process *process, int64_t drain_ms)
{
    service_manager_stopping(
        &process->manager, (drain_ms + process->config->request_deadline_ms) * 1000 + END_GRACE_US);
}

static void finish(struct process *process)
{
    tell_of_end(process, 0);
    log_event(LOG_INFO, "the drain is over: finishing the requests in flight");
    change_phase(process, PHASE_FINISHING);
    uv_timer_stop(&process->drain);
    for (size_t i = 0; i < process->worker_count; i++) {
        worker_finish(process->workers[i]);
    }
}

static void on_drained(uv_timer_t *drain)
{
    finish(drain->data);
}

static void on_signal(uv_signal_t *handle, int signal)
{
    struct process *process = handle->data;
    switch (atomic_load(&process->phase)) {
    case PHASE_SERVING:
        log_event(LOG_INFO, "shutting down", LOG_INT("signal", signal),
                  LOG_INT("drain_ms", process->config->shutdown_drain_ms));
        atomic_store(&process->draining, true);
        change_phase(process, PHASE_DRAINING);
        tell_of_end(process, process->config->shutdown_drain_ms);
        uv_timer_start(&process->drain, on_drained, (uint64_t)process->config->shutdown_drain_ms,
                       0);
        return;
    case PHASE_DRAINING:
        finish(process);
        return;
    case PHASE_FINISHING:
        log_event(LOG_WARN, "ending at once: requests in flight are cut off");
        log_stop();
        _exit(EXIT_FAILURE);
    }
}

static void on_hangup(uv_signal_t *handle, int signal)
{
    struct process *process = handle->data;
    (void)signal;
    service_manager_reloading(&process->manager, clock_mono_us());
    reload_begin(&process->reload, &process->loop);
}

static void on_reloaded(void *process_)
{
    struct process *process = process_;
    service_manager_reloaded(&process->manager);
}

/* ---- the start ---- */

static void tell_manager(struct process *process, int64_t now_us)
{
    struct http_health now;
    bool ready;
    if (service_manager_wants_news(&process->manager, now_us)) {
        health(process, &now);
        const char *word = http_health_word(&now, &ready);
        service_manager_tick(&process->manager, now.alive, ready, word, now_us);
    }
}

static void on_tick(uv_timer_t *tick)
{
    struct process *process = tick->data;
    struct instant now = clock_now();
    loop_lag_note(&process->lag, process->admin.metrics, HISTOGRAM_LAG_MAIN, ADMIN_TICK_MS,
                  now.mono_us);
    admin_port_tick(&process->admin, now);
    (void)memory_note_connections(&process->memory, atomic_load(&process->clients.open) +
                                                        atomic_load(&process->streams.open));
    tell_manager(process, now.mono_us);
}

static void on_iteration_end(uv_prepare_t *prepare)
{
    struct process *process = prepare->data;
    admin_port_end_iteration(&process->admin);
}

static bool start_admin(struct process *process)
{
    const struct config *config = process->config;
    const struct http_process self = http_process(process);
    if (!admin_port_open(&process->admin, config, &process->loop, &self)) {
        return false;
    }
    metrics_set(process->admin.metrics, METRIC_CONNECTIONS_MAX, (uint64_t)process->clients.limit);
    metrics_set(process->admin.metrics, METRIC_STREAMS_MAX, (uint64_t)process->streams.max);
    metrics_set(process->admin.metrics, METRIC_PENDING_MAX, (uint64_t)config->max_pending);
    return true;
}

static bool start_token_keys(struct process *process)
{
    return !wants_credentials(process) || credentials_start(&process->credentials, process->config,
                                                            &process->loop, process->admin.metrics);
}

/* NULL where resources are exhausted. */
static struct worker *create_worker(struct process *process, size_t number, int listen_fd,
                                    uint64_t hash_secret)
{
    const struct config *config = process->config;
    return worker_create(&(struct worker_setup){
        .config = config,
        .database_secret = process->values.database_url,
        .redis_secret = process->values.redis_url,
        .replica_secret =
            *config->database_read_url == '\0' ? NULL : process->values.database_read_url,
        .redis_url = process->redis_url,
        .listen_fd = listen_fd,
        .process = http_process(process),
        .credentials = wants_credentials(process) ? &process->credentials : NULL,
        .counts = process->counts,
        .rates = &process->rates,
        .crowd = &process->clients,
        .streams = &process->streams,
        .hash_secret = hash_secret,
        .secrets = process->secrets,
        .tracer = process->traces == NULL ? NULL : trace_exporter_tracer(process->traces, number),
        .trusted_proxies = &process->trusted_proxies,
        .cors_origins = &process->cors_origins,
        .ended = worker_has_ended,
        .listener = process,
    });
}

static bool start_workers(struct process *process)
{
    const struct config *config = process->config;
    char error[LISTENER_ERROR_SIZE_BYTES];
    int fds[CONFIG_WORKERS_MAX];
    uint64_t hash_secret = clock_entropy();
    assert(config->workers <= CONFIG_WORKERS_MAX);
    if (!listener_open(config->bind_address, (uint16_t)config->port, fds, (int)config->workers,
                       error)) {
        log_event(LOG_ERROR, "cannot open the public port", LOG_CSTR("variable", "PORT"),
                  LOG_CSTR("reason", error));
        return false;
    }
    process->counts = count_memory_create(COUNTS_MAX, hash_secret);
    if (process->counts == NULL) {
        log_event(LOG_ERROR, "not enough memory for counts");
        return false;
    }
    for (int64_t i = 0; i < config->workers; i++) {
        struct worker *worker = create_worker(process, (size_t)i, fds[i], hash_secret);
        if (worker == NULL) {
            log_event(LOG_ERROR, "not enough resources for a worker");
            return false;
        }
        process->workers[process->worker_count++] = worker;
    }
    /* Only now, since every worker can be asked about all. */
    for (size_t i = 0; i < process->worker_count; i++) {
        if (!worker_run(process->workers[i])) {
            log_event(LOG_ERROR, "cannot start a worker's thread");
            return false;
        }
    }
    return true;
}

/* Blocks until the keys are read. */
static bool start_api_keys(struct process *process)
{
    if (!wants_credentials(process)) {
        return true;
    }
    process->api_keys =
        api_keys_reader_create(process->values.database_url, process->credentials.api_keys);
    if (process->api_keys == NULL) {
        return false;
    }
    api_keys_reader_start(process->api_keys, &process->loop);
    return true;
}

static bool start_traces(struct process *process)
{
    if (!trace_exporter_wanted(process->config)) {
        return true;
    }
    process->traces = trace_exporter_create(process->config);
    if (process->traces == NULL || !trace_exporter_start(process->traces)) {
        log_event(LOG_ERROR, "not enough resources for traces");
        return false;
    }
    return true;
}

static bool start_loop(struct process *process)
{
    bool made = uv_loop_init(&process->loop) == 0 &&
                uv_async_init(&process->loop, &process->worker_ended, on_worker_ended) == 0 &&
                uv_signal_init(&process->loop, &process->on_term) == 0 &&
                uv_signal_init(&process->loop, &process->on_int) == 0 &&
                uv_signal_init(&process->loop, &process->on_hup) == 0 &&
                uv_signal_start(&process->on_term, on_signal, SIGTERM) == 0 &&
                uv_signal_start(&process->on_int, on_signal, SIGINT) == 0 &&
                uv_signal_start(&process->on_hup, on_hangup, SIGHUP) == 0;
    if (!made) {
        log_event(LOG_ERROR, "not enough resources for the main loop");
        return false;
    }
    uv_timer_init(&process->loop, &process->drain);
    uv_timer_init(&process->loop, &process->tick);
    uv_prepare_init(&process->loop, &process->iteration_end);
    process->on_term.data = process->on_int.data = process->on_hup.data = process->drain.data =
        process->tick.data = process->iteration_end.data = process->worker_ended.data = process;
    uv_timer_start(&process->tick, on_tick, ADMIN_TICK_MS, ADMIN_TICK_MS);
    uv_prepare_start(&process->iteration_end, on_iteration_end);
    return true;
}

/* They are well-formed: config_load has looked. */
static bool read_lists(struct process *process)
{
    char network_error[CIDR_ERROR_SIZE_BYTES], origin_error[ORIGIN_LIST_ERROR_SIZE_BYTES];
    return cidr_list_parse(&process->trusted_proxies, process->config->trusted_proxies,
                           network_error) &&
           origin_list_parse(&process->cors_origins, process->config->cors_origins, origin_error);
}

/* Says what an operator may have forgotten: it starts all the same. */
static void warn_of_tokens(const struct config *config)
{
    bool keys = config_token_key_sources(config) > 0;
    if (config->auth_mode == AUTH_MODE_NONE && keys) {
        log_event(LOG_WARN, "keys of tokens are set, but nobody is asked for one",
                  LOG_CSTR("variable", "AUTH_MODE"));
    }
    if (config->auth_mode == AUTH_MODE_TOKEN && !keys) {
        log_event(LOG_WARN, "no keys of tokens are set: only API keys let anybody in",
                  LOG_CSTR("variable", "AUTH_JWKS_URL"));
    }
}

static void warn_of_redis_tls(const struct config *config, const struct redis_url *redis_url)
{
    bool files = *config->redis_tls_ca_file != '\0' || *config->redis_tls_cert_file != '\0';
    if (files && redis_url != NULL && !redis_url->tls) {
        log_event(LOG_WARN, "files of TLS are set, but Redis is asked without it",
                  LOG_CSTR("variable", "REDIS_URL"));
    }
}

static void announce(const struct config *config, const struct redis_url *redis_url)
{
    warn_of_tokens(config);
    warn_of_redis_tls(config, redis_url);
    log_event(LOG_INFO, "serving", LOG_CSTR("version", RSVPD_VERSION),
              LOG_CSTR("address", config->bind_address), LOG_INT("port", config->port),
              LOG_CSTR("admin_address", config->admin_bind_address),
              LOG_INT("admin_port", config->admin_port), LOG_INT("workers", config->workers));
}

/* All is closed. Does not return where a thread of libuv's pool is still at work: a store or a name
 * server that does not answer must not keep the process. */
static void end_process(struct process *process)
{
    bool ended = true;
    for (size_t i = 0; i < process->worker_count; i++) {
        ended = worker_join(&process->workers[i]) && ended;
    }
    ended = uv_loop_close(&process->loop) == 0 && ended;
    ended = (process->traces == NULL || trace_exporter_stop(process->traces)) && ended;
    service_manager_end(&process->manager);
    log_event(LOG_INFO, "ended");
    log_stop();
    if (!ended) {
        _exit(EXIT_SUCCESS);
    }
    api_keys_reader_destroy(&process->api_keys);
    live_values_free(&process->values);
    if (wants_credentials(process)) {
        credentials_free(&process->credentials);
    }
    trace_exporter_destroy(&process->traces);
    count_memory_destroy(&process->counts);
    rates_free(&process->rates);
    cidr_list_free(&process->trusted_proxies);
    origin_list_free(&process->cors_origins);
    free(process->admin.metrics);
}

static void end_before_serving(int signal)
{
    static const char words[] = "rsvpd: told to end before it served\n";
    (void)signal;
    (void)!write(STDERR_FILENO, words, sizeof words - 1);
    _exit(EXIT_SUCCESS);
}

void process_take_signals(void)
{
    static const int ends[] = {SIGTERM, SIGINT};
    static const int ignored[] = {SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        signal(ends[i], end_before_serving);
    }
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++) {
        signal(ignored[i], SIG_IGN);
    }
}

/* What reads the configuration and may run out of memory. */
static bool init_parts(struct process *process)
{
    if (!live_values_init(&process->values, process->config) || !read_lists(process)) {
        log_event(LOG_ERROR, "not enough memory for the configuration");
        return false;
    }
    if (wants_credentials(process) && !credentials_init(&process->credentials, process->config)) {
        log_event(LOG_ERROR, "not enough memory for the keys of tokens");
        return false;
    }
    if (!rates_init(&process->rates, process->config, process->secrets,
                    process->redis_url != NULL)) {
        log_event(LOG_ERROR, "not enough memory for the limits of rates");
        return false;
    }
    return true;
}

int process_serve(const struct config *config, const struct redis_url *redis_url,
                  const struct pg_secrets *secrets)
{
    static struct process process; /* workers' threads refer to it until the process is gone */
    process.config = config;
    process.redis_url = redis_url;
    process.secrets = secrets;
    if (!init_parts(&process)) {
        return EXIT_FAILURE;
    }
    reload_init(&process.reload, config, command_environment, on_reloaded, &process);
    service_manager_init(&process.manager, command_environment);
    body_prepare();
    struct client_limits limits = client_limits_find(config);
    crowd_init(&process.clients, limits.connections);
    process.streams.max = limits.streams;
    if (!start_loop(&process) || !start_api_keys(&process) || !start_admin(&process) ||
        !start_token_keys(&process)) {
        return EXIT_FAILURE;
    }
    live_values_register(&process.values, &process.reload, &process.rates,
                         wants_credentials(&process) ? process.credentials.source : NULL);
    if (!log_start()) {
        log_event(LOG_ERROR, "cannot start the log's thread");
        return EXIT_FAILURE;
    }
    log_attach_thread();
    if (!start_traces(&process) || !start_workers(&process)) {
        log_stop();
        _exit(EXIT_FAILURE); /* workers that did start have threads; the end of the process ends
                                them */
    }
    announce(config, redis_url);
    uv_run(&process.loop, UV_RUN_DEFAULT);
    uv_run(&process.loop, UV_RUN_NOWAIT); /* what was closed last */
    end_process(&process);
    return EXIT_SUCCESS;
}
