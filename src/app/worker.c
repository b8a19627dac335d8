/* One event loop on a thread of its own, with one of everything. */
#include "rsvpd/app/worker.h"
#include "rsvpd/app/credentials.h"
#include "rsvpd/app/loop_lag.h"
#include "rsvpd/app/rates.h"
#include "rsvpd/base/log.h"
#include "rsvpd/base/tracer.h"
#include "rsvpd/http/count_stream.h"
#include "rsvpd/http/routes.h"
#include "rsvpd/service/operations.h"
#include "rsvpd/service/rate_sharing.h"
#include "rsvpd/service/service.h"
#include "rsvpd/store/pg_store.h"
#include "rsvpd/store/redis_store.h"

#include <assert.h>
#include <stdlib.h>

enum {
    TICK_MS = 10,
    EXPIRE_KEYS_EVERY_US = 10 * 1000 * 1000,
    PROMOTE_EVERY_US = 1000 * 1000,
    COUNTS_PER_RELATION_MAX = 128 * 1024,
    ROUNDS_MAX = 3, /* rounds of answering and sending before the sockets are looked at again */
    FINISH_GRACE_US =
        500 * 1000, /* beyond a request's deadline: then clients that do not read are cut off */
};

static_assert(TICK_MS * 1000 <= (int)WHEEL_TICK_US, "each tick of the wheel of deadlines is met");

struct worker {
    struct worker_setup setup;
    uv_thread_t thread;
    uv_loop_t loop;
    uv_prepare_t iteration_end;
    uv_idle_t again; /* active while there is work that no descriptor announces */
    uv_timer_t tick;
    uv_async_t finish;
    struct metrics *metrics;
    struct pg_store *pg;
    struct redis_store *redis; /* NULL without one */
    struct service *service;
    struct rate_sharing sharing;         /* where there are limits, and a Redis */
    struct authenticator *authenticator; /* NULL: callers are trusted */
    struct http_server *http;
    struct loop_lag lag;
    bool finishing;
    int64_t finish_by_us;

    /* Read by other threads. */
    _Atomic int64_t turned_us;
    _Atomic bool pg_up, redis_up;
    _Atomic int64_t pg_latency_us, redis_latency_us;
};

static void on_again(uv_idle_t *again)
{
    (void)again; /* that it is active makes the loop come round at once */
}

/* Ends every iteration of the loop: sends answers, sends queued operations to the stores, and then
 * checks tokens that wait, so that nobody who is known waits for strangers. */
static void on_iteration_end(uv_prepare_t *prepare)
{
    struct worker *worker = prepare->data;
    bool more = true, lingering = false;
    if (worker->http == NULL) {
        return;
    }
    for (int i = 0; i < ROUNDS_MAX && more; i++) {
        more = http_server_end_iteration(worker->http);
        lingering = service_end_iteration(worker->service, clock_now());
    }
    pg_store_end_iteration(worker->pg);
    more = more || http_server_end_iteration(worker->http);
    more = http_server_check_waiting(worker->http) || more;
    if (more || lingering) {
        uv_idle_start(&worker->again, on_again);
    } else {
        uv_idle_stop(&worker->again);
    }
}

static void close_everything(struct worker *worker)
{
    http_server_destroy(&worker->http);
    pg_store_close(worker->pg);
    if (worker->redis != NULL) {
        redis_store_close(worker->redis);
    }
    uv_close((uv_handle_t *)&worker->iteration_end, NULL);
    uv_close((uv_handle_t *)&worker->again, NULL);
    uv_close((uv_handle_t *)&worker->tick, NULL);
    uv_close((uv_handle_t *)&worker->finish, NULL);
    /* Does not wait for threads that connect to a store or look its name up. */
    uv_stop(&worker->loop);
}

static void publish_state(struct worker *worker, struct instant now)
{
    struct dependency_state pg = pg_store_state(worker->pg);
    atomic_store_explicit(&worker->turned_us, now.mono_us, memory_order_relaxed);
    atomic_store_explicit(&worker->pg_up, pg.up, memory_order_relaxed);
    atomic_store_explicit(&worker->pg_latency_us, pg.latency_us, memory_order_relaxed);
    if (worker->redis != NULL) {
        struct dependency_state redis = redis_store_state(worker->redis);
        atomic_store_explicit(&worker->redis_up, redis.up, memory_order_relaxed);
        atomic_store_explicit(&worker->redis_latency_us, redis.latency_us, memory_order_relaxed);
    }
}

/* Whether every request is answered, or is late and does not wait for us: a connection that was
 * open already may have begun one at any time. */
static bool may_end(struct worker *worker, struct instant now)
{
    bool late = now.mono_us > worker->finish_by_us;
    if (late) {
        http_server_stop_serving(worker->http);
    }
    return http_server_active(worker->http) == 0 ||
           (late && http_server_waiting(worker->http) == 0);
}

static void on_tick(uv_timer_t *tick)
{
    struct worker *worker = tick->data;
    struct instant now = clock_now();
    loop_lag_note(&worker->lag, worker->metrics, HISTOGRAM_LAG_WORKERS, TICK_MS, now.mono_us);
    pg_store_tick(worker->pg, now);
    if (worker->redis != NULL) {
        redis_store_tick(worker->redis, now);
        if (worker->sharing.table != NULL) {
            rate_sharing_tick(&worker->sharing, now.mono_us);
        }
    }
    service_tick(worker->service, now);
    http_server_tick(worker->http, now);
    publish_state(worker, now);
    if (worker->finishing && may_end(worker, now)) {
        close_everything(worker);
    }
}

static void on_finish(uv_async_t *finish)
{
    struct worker *worker = finish->data;
    if (!worker->finishing) {
        worker->finishing = true;
        worker->finish_by_us =
            clock_mono_us() + worker->setup.config->request_deadline_ms * 1000 + FINISH_GRACE_US;
        http_server_stop_listening(worker->http);
    }
}

static void thread_main(void *worker_)
{
    struct worker *worker = worker_;
    log_attach_thread();
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    uv_run(&worker->loop, UV_RUN_NOWAIT); /* what was closed last */
    worker->setup.ended(worker->setup.listener);
}

static bool make_stores(struct worker *worker)
{
    const struct config *config = worker->setup.config;
    worker->pg = pg_store_create(&(struct pg_store_setup){
        .loop = &worker->loop,
        .url = worker->setup.database_secret,
        .write_connections = (size_t)config->pg_write_connections,
        .read_connections = (size_t)config->pg_read_connections,
        .replica_url = worker->setup.replica_secret,
        .replica_connections = (size_t)config->pg_read_connections,
        .deadline_us = config->request_deadline_ms * 1000,
        .metrics = worker->metrics,
        .random_seed = clock_entropy(),
    });
    if (worker->setup.redis_url != NULL) {
        worker->redis = redis_store_create(&(struct redis_store_setup){
            .loop = &worker->loop,
            .address = {.url = worker->setup.redis_url,
                        .rotated = worker->setup.redis_secret,
                        .tls = {.ca = config->redis_tls_ca_file,
                                .certificate = config->redis_tls_cert_file,
                                .key = config->redis_tls_key_file}},
            .namespace = worker->setup.secrets->redis_namespace,
            .ttl_ms = config->count_redis_ttl_ms,
            .rates_key = worker->setup.rates->table == NULL ? NULL : worker->setup.rates->redis_key,
            .metrics = worker->metrics,
            .random_seed = clock_entropy(),
        });
    }
    return worker->pg != NULL && (worker->redis != NULL || worker->setup.redis_url == NULL);
}

static size_t share(int64_t of_process, int64_t workers)
{
    return (size_t)((of_process + workers - 1) / workers);
}

static void share_rates(struct worker *worker)
{
    worker->sharing = (struct rate_sharing){.table = worker->setup.rates->table,
                                            .redis = redis_store_rates_port(worker->redis),
                                            .metrics = worker->metrics};
    redis_store_listen_to_rates(
        worker->redis, &(struct redis_rates_listener){.sharing = &worker->sharing,
                                                      .exchanged = rate_sharing_exchanged});
}

static bool make_service(struct worker *worker)
{
    const struct config *config = worker->setup.config;
    worker->service = service_create(&(struct service_setup){
        .primary = pg_store_port(worker->pg),
        .redis = worker->redis == NULL ? NULL : redis_store_port(worker->redis),
        .counts = worker->setup.counts,
        .metrics = worker->metrics,
        .write_event = count_stream_write,
        .tracer = worker->setup.tracer,
        .counts_max = COUNTS_PER_RELATION_MAX,
        .pending_max = share(config->max_pending, config->workers),
        .write_connections = (size_t)config->pg_write_connections,
        .read_connections = (size_t)config->pg_read_connections,
        .replica_connections =
            worker->setup.replica_secret == NULL ? 0 : (size_t)config->pg_read_connections,
        .deadline_us = config->request_deadline_ms * 1000,
        .count_local_lifetime_us = config->count_local_ttl_ms * 1000,
        .count_redis_lifetime_us = config->count_redis_ttl_ms * 1000,
        .expire_keys_every_us = EXPIRE_KEYS_EVERY_US,
        .promote_every_us = PROMOTE_EVERY_US,
        .hash_secret = worker->setup.hash_secret,
        .now = clock_now(),
    });
    if (worker->service == NULL) {
        return false;
    }
    pg_store_listen(worker->pg, &(struct primary_listener){.service = worker->service,
                                                           .batch_ended = service_batch_ended,
                                                           .changed = service_primary_changed});
    if (worker->redis != NULL) {
        redis_store_listen(worker->redis,
                           &(struct redis_counts_listener){.service = worker->service,
                                                           .read_ended = service_redis_read_ended});
        share_rates(worker);
    }
    return true;
}

static bool make_authenticator(struct worker *worker)
{
    const struct credentials *credentials = worker->setup.credentials;
    if (credentials == NULL) {
        return true;
    }
    worker->authenticator = authenticator_create(&(struct authenticator_setup){
        .token_keys = credentials->token_keys,
        .api_keys = credentials->api_keys,
        .refresh = credentials->refresh,
        .policy = credentials->policy,
        .metrics = worker->metrics,
        .hash_secret = worker->setup.hash_secret,
    });
    return worker->authenticator != NULL;
}

static bool make_http(struct worker *worker)
{
    const struct config *config = worker->setup.config;
    worker->http = http_server_create(&(struct http_server_setup){
        .loop = &worker->loop,
        .listen_fd = worker->setup.listen_fd,
        .context = {.routes = &routes,
                    .port = ROUTE_PUBLIC,
                    .now_us = clock_mono_us,
                    .service = worker->service,
                    .metrics = worker->metrics,
                    .tracer = worker->setup.tracer,
                    .authenticator = worker->authenticator,
                    .access = {.open_counts = config->auth_open_counts != 0,
                               .open_lists = config->auth_open_listings != 0},
                    .streams = worker->setup.streams,
                    .rates = worker->setup.rates->table,
                    .process = worker->setup.process,
                    .limits = {.deadline_us = config->request_deadline_ms * 1000,
                               .drain_us = config->shutdown_drain_ms * 1000},
                    .page_token_key = worker->setup.secrets->page_token_key,
                    .trusted_proxies = worker->setup.trusted_proxies,
                    .cors_origins = worker->setup.cors_origins},
        .crowd = worker->setup.crowd,
        .keepalive_us = config->keepalive_timeout_ms * 1000,
        .connections_per_address_max =
            (int64_t)share(config->max_connections_per_address, config->workers),
        .access_log_every = config->access_log_every,
        .random_seed = clock_entropy(),
    });
    return worker->http != NULL;
}

static void start_handles(struct worker *worker)
{
    uv_prepare_init(&worker->loop, &worker->iteration_end);
    uv_idle_init(&worker->loop, &worker->again);
    uv_timer_init(&worker->loop, &worker->tick);
    worker->iteration_end.data = worker->tick.data = worker->finish.data = worker;
    uv_prepare_start(&worker->iteration_end, on_iteration_end);
    uv_timer_start(&worker->tick, on_tick, 0, TICK_MS);
}

struct worker *worker_create(const struct worker_setup *setup)
{
    assert(setup->config != NULL && setup->ended != NULL && setup->counts != NULL);
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) {
        return NULL;
    }
    worker->setup = *setup;
    atomic_store(&worker->turned_us, clock_mono_us());
    atomic_store(&worker->pg_latency_us, -1);
    atomic_store(&worker->redis_latency_us, -1);
    worker->metrics = metrics_create();
    if (worker->metrics == NULL || uv_loop_init(&worker->loop) != 0 ||
        uv_async_init(&worker->loop, &worker->finish, on_finish) != 0 || !make_stores(worker) ||
        !make_service(worker) || !make_authenticator(worker) || !make_http(worker)) {
        return NULL; /* the process ends */
    }
    if (worker->setup.tracer != NULL) {
        worker->setup.tracer->metrics = worker->metrics;
    }
    start_handles(worker);
    return worker;
}

bool worker_run(struct worker *worker)
{
    return uv_thread_create(&worker->thread, thread_main, worker) == 0;
}

struct worker_state worker_state(const struct worker *worker)
{
    return (struct worker_state){
        .turned_us = atomic_load_explicit(&worker->turned_us, memory_order_relaxed),
        .postgres = {.configured = true,
                     .up = atomic_load_explicit(&worker->pg_up, memory_order_relaxed),
                     .latency_us =
                         atomic_load_explicit(&worker->pg_latency_us, memory_order_relaxed)},
        .redis = {.configured = worker->setup.redis_url != NULL,
                  .up = atomic_load_explicit(&worker->redis_up, memory_order_relaxed),
                  .latency_us =
                      atomic_load_explicit(&worker->redis_latency_us, memory_order_relaxed)},
    };
}

const struct metrics *worker_metrics(const struct worker *worker)
{
    return worker->metrics;
}

void worker_finish(struct worker *worker)
{
    uv_async_send(&worker->finish);
}

bool worker_join(struct worker **worker_)
{
    struct worker *worker = *worker_;
    uv_thread_join(&worker->thread);
    if (uv_loop_close(&worker->loop) != 0) {
        return false;
    }
    authenticator_destroy(&worker->authenticator);
    service_destroy(&worker->service);
    pg_store_destroy(&worker->pg);
    redis_store_destroy(&worker->redis);
    free(worker->metrics);
    free(worker);
    *worker_ = NULL;
    return true;
}
