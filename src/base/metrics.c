/* What Prometheus reads. */
#include "rsvpd/base/metrics.h"
#include "rsvpd/base/log.h"

#include <assert.h>
#include <stdlib.h>

enum metric_type {
    COUNTER,      /* sets are added up */
    COUNTER_TIME, /* likewise; microseconds, shown in seconds */
    COUNTER_MOST, /* what every thread sees by itself: the set that saw the most */
    GAUGE_SUM,    /* sets are added up */
    GAUGE_MOST,   /* the highest of the sets */
    GAUGE_TIME,   /* likewise; microseconds, shown in seconds */
    GAUGE_ANY     /* 1 where any set has it */
};

struct metric_row {
    const char *family, *labels, *help;
    enum metric_type type;
};

/* clang-format off */
static const struct metric_row rows[METRIC_COUNT] = {
    [METRIC_COUNTS_FROM_LOCAL] = {"rsvpd_counts_served_total", "tier=\"local\"", "Counts answered, by where they came from.", COUNTER},
    [METRIC_COUNTS_FROM_REDIS] = {"rsvpd_counts_served_total", "tier=\"redis\"", "", COUNTER},
    [METRIC_COUNTS_FROM_POSTGRES] = {"rsvpd_counts_served_total", "tier=\"postgres\"", "", COUNTER},
    [METRIC_COUNTS_STALE] = {"rsvpd_counts_served_total", "tier=\"stale\"", "", COUNTER},
    [METRIC_PUBLISHED] = {"rsvpd_counts_published_total", "", "Counts sent to Redis.", COUNTER},
    [METRIC_PUBLISH_DROPPED] = {"rsvpd_counts_publish_dropped_total", "", "Counts not sent to Redis because it was slow or away, or because too many waited for it.", COUNTER},
    [METRIC_BATCH_RETRIED_LOST] = {"rsvpd_batches_retried_total", "reason=\"connection_lost\"", "Batches sent again, by reason.", COUNTER},
    [METRIC_BATCH_RETRIED_ROLLED_BACK] = {"rsvpd_batches_retried_total", "reason=\"rolled_back\"", "", COUNTER},
    [METRIC_BATCH_MISROUTED] = {"rsvpd_batches_retried_total", "reason=\"misrouted\"", "", COUNTER},
    [METRIC_BATCH_SPLIT] = {"rsvpd_batches_retried_total", "reason=\"split\"", "", COUNTER},
    [METRIC_RATE_LIMITED_USER] = {"rsvpd_rate_limited_total", "limit=\"user\"", "Requests refused with 429, by the limit that they were past.", COUNTER},
    [METRIC_RATE_LIMITED_KEY] = {"rsvpd_rate_limited_total", "limit=\"key\"", "", COUNTER},
    [METRIC_RATE_LIMITED_ADDRESS] = {"rsvpd_rate_limited_total", "limit=\"address\"", "", COUNTER},
    [METRIC_RATE_SHARES_EXCHANGED] = {"rsvpd_rate_shares_total", "outcome=\"exchanged\"", "What callers were admitted for, to be told to other processes through Redis, by what became of it.", COUNTER},
    [METRIC_RATE_SHARES_LOST] = {"rsvpd_rate_shares_total", "outcome=\"lost\"", "", COUNTER},
    [METRIC_RATE_SHARES_DROPPED] = {"rsvpd_rate_shares_total", "outcome=\"dropped\"", "", COUNTER},
    [METRIC_REFUSED_OVERLOAD] = {"rsvpd_requests_refused_total", "reason=\"overloaded\"", "Requests refused at the door, by reason.", COUNTER},
    [METRIC_REFUSED_UNAVAILABLE] = {"rsvpd_requests_refused_total", "reason=\"store_unavailable\"", "", COUNTER},
    [METRIC_EXPIRED] = {"rsvpd_requests_expired_total", "", "Requests whose deadline passed before their answer came.", COUNTER},
    [METRIC_STORE_RECONNECTS_POSTGRES] = {"rsvpd_dependency_connects_total", "dependency=\"postgres\"", "Attempts to connect to a dependency.", COUNTER},
    [METRIC_STORE_RECONNECTS_REDIS] = {"rsvpd_dependency_connects_total", "dependency=\"redis\"", "", COUNTER},
    [METRIC_SENTINEL_FAILURES] = {"rsvpd_sentinel_failures_total", "", "Times that a sentinel was asked where the primary of Redis is, and did not tell.", COUNTER},
    [METRIC_PRIMARY_CHANGES] = {"rsvpd_primary_changes_total", "", "Times that writes went on at another PostgreSQL, or at one that had started again.", COUNTER_MOST},
    [METRIC_SESSIONS_FENCED] = {"rsvpd_sessions_fenced_total", "", "Sessions of PostgreSQL that were given up with writes, and ended before anything else was written.", COUNTER},
    [METRIC_SCHEMA_VERSION] = {"rsvpd_schema_version", "", "The number of the last migration of the database, as the newest connection found it.", GAUGE_MOST},
    [METRIC_POOL_SIZE_WRITES] = {"rsvpd_pool_size", "pool=\"writes\"", "Connections to PostgreSQL that a pool is to have.", GAUGE_SUM},
    [METRIC_POOL_SIZE_READS] = {"rsvpd_pool_size", "pool=\"reads\"", "", GAUGE_SUM},
    [METRIC_POOL_SIZE_REPLICA] = {"rsvpd_pool_size", "pool=\"replica\"", "", GAUGE_SUM},
    [METRIC_POOL_USABLE_WRITES] = {"rsvpd_pool_connections", "pool=\"writes\"", "Connections to PostgreSQL that are set up and can be used.", GAUGE_SUM},
    [METRIC_POOL_USABLE_READS] = {"rsvpd_pool_connections", "pool=\"reads\"", "", GAUGE_SUM},
    [METRIC_POOL_USABLE_REPLICA] = {"rsvpd_pool_connections", "pool=\"replica\"", "", GAUGE_SUM},
    [METRIC_POOL_BUSY_WRITES] = {"rsvpd_pool_busy_seconds_total", "pool=\"writes\"", "Time in which connections to PostgreSQL waited for answers, added up.", COUNTER_TIME},
    [METRIC_POOL_BUSY_READS] = {"rsvpd_pool_busy_seconds_total", "pool=\"reads\"", "", COUNTER_TIME},
    [METRIC_POOL_BUSY_REPLICA] = {"rsvpd_pool_busy_seconds_total", "pool=\"replica\"", "", COUNTER_TIME},
    [METRIC_READS_BY_PRIMARY] = {"rsvpd_reads_total", "source=\"primary\"", "Look-ups and pages of lists answered, by the server that read them.", COUNTER},
    [METRIC_READS_BY_REPLICA] = {"rsvpd_reads_total", "source=\"replica\"", "", COUNTER},
    [METRIC_REPLICA_BARRIERS] = {"rsvpd_replica_barriers_total", "", "Times that the primary was asked how far the replica must be.", COUNTER},
    [METRIC_REPLICA_BEHIND] = {"rsvpd_replica_declined_total", "reason=\"behind\"", "Batches that the replica could not answer, and the primary was given, by reason.", COUNTER},
    [METRIC_REPLICA_FAILED] = {"rsvpd_replica_declined_total", "reason=\"failed\"", "", COUNTER},
    [METRIC_QUEUE_WRITES] = {"rsvpd_queue_depth", "queue=\"writes\"", "Operations waiting for or with a store.", GAUGE_SUM},
    [METRIC_QUEUE_LOOKUPS] = {"rsvpd_queue_depth", "queue=\"lookups\"", "", GAUGE_SUM},
    [METRIC_QUEUE_COUNTS] = {"rsvpd_queue_depth", "queue=\"counts\"", "", GAUGE_SUM},
    [METRIC_QUEUE_LISTS] = {"rsvpd_queue_depth", "queue=\"lists\"", "", GAUGE_SUM},
    [METRIC_PENDING_MAX] = {"rsvpd_queue_depth_max", "", "Operations that may wait for or be with a store, over all queues.", GAUGE_SUM},
    [METRIC_UP_POSTGRES] = {"rsvpd_dependency_up", "dependency=\"postgres\"", "Whether the dependency answers.", GAUGE_ANY},
    [METRIC_UP_REDIS] = {"rsvpd_dependency_up", "dependency=\"redis\"", "", GAUGE_ANY},
    [METRIC_TOKENS_CHECKED] = {"rsvpd_tokens_checked_total", "", "Tokens whose signature was checked: those that were not remembered.", COUNTER},
    [METRIC_CONNECTIONS] = {"rsvpd_http_connections", "", "Client connections that are open, but for streams.", GAUGE_SUM},
    [METRIC_CONNECTIONS_MAX] = {"rsvpd_http_connections_max", "", "Client connections that the public port admits.", GAUGE_SUM},
    [METRIC_CONNECTIONS_REFUSED] = {"rsvpd_http_connections_refused_total", "", "Client connections past a limit, refused or closed at once.", COUNTER},
    [METRIC_STREAMS] = {"rsvpd_streams", "", "Streams of counts that are open.", GAUGE_SUM},
    [METRIC_STREAMS_MAX] = {"rsvpd_streams_max", "", "Streams of counts that may be open.", GAUGE_SUM},
    [METRIC_STREAMS_REFUSED] = {"rsvpd_streams_refused_total", "", "Streams of counts refused past a limit.", COUNTER},
    [METRIC_STREAM_EVENTS] = {"rsvpd_stream_events_total", "", "Counts sent to streams.", COUNTER},
    [METRIC_STREAM_SKIPPED] = {"rsvpd_stream_counts_skipped_total", "", "Counts that a stream was not sent, because a newer one took their place first.", COUNTER},
    [METRIC_KEYS_FETCHED] = {"rsvpd_token_keys_fetches_total", "outcome=\"good\"", "Key sets fetched from AUTH_JWKS_URL, by outcome.", COUNTER},
    [METRIC_KEYS_NOT_FETCHED] = {"rsvpd_token_keys_fetches_total", "outcome=\"failed\"", "", COUNTER},
    [METRIC_SPANS_EXPORTED] = {"rsvpd_spans_total", "outcome=\"exported\"", "Spans of traced requests, by what became of them.", COUNTER},
    [METRIC_SPANS_DROPPED] = {"rsvpd_spans_total", "outcome=\"dropped\"", "", COUNTER},
    [METRIC_SPANS_FAILED] = {"rsvpd_spans_total", "outcome=\"failed\"", "", COUNTER},
    [METRIC_RELAY_STREAMING] = {"rsvpd_relay_streaming", "", "Whether this relay reads the slot: 0 where another one does, or PostgreSQL is away.", GAUGE_ANY},
    [METRIC_RELAY_LAG_BYTES] = {"rsvpd_relay_lag_bytes", "", "Bytes of PostgreSQL's log that are not confirmed yet.", GAUGE_MOST},
    [METRIC_RELAY_LAG_US] = {"rsvpd_relay_lag_seconds", "", "How long ago the oldest change was committed that is not confirmed yet.", GAUGE_TIME},
    [METRIC_RELAY_CHANGES] = {"rsvpd_relay_changes_total", "type=\"rsvp.created\"", "Changes that the target confirmed, by type.", COUNTER},
    [METRIC_RELAY_CHANGES + 1] = {"rsvpd_relay_changes_total", "type=\"rsvp.cancelled\"", "", COUNTER},
    [METRIC_RELAY_CHANGES + 2] = {"rsvpd_relay_changes_total", "type=\"rsvp.waitlisted\"", "", COUNTER},
    [METRIC_RELAY_CHANGES + 3] = {"rsvpd_relay_changes_total", "type=\"rsvp.left_waitlist\"", "", COUNTER},
    [METRIC_RELAY_CHANGES + 4] = {"rsvpd_relay_changes_total", "type=\"rsvp.promoted\"", "", COUNTER},
    [METRIC_RELAY_CHANGES + 5] = {"rsvpd_relay_changes_total", "type=\"like.created\"", "", COUNTER},
    [METRIC_RELAY_CHANGES + 6] = {"rsvpd_relay_changes_total", "type=\"like.deleted\"", "", COUNTER},
    [METRIC_RELAY_CHANGES + 7] = {"rsvpd_relay_changes_total", "type=\"event.configured\"", "", COUNTER},
    [METRIC_RELAY_CHANGES + 8] = {"rsvpd_relay_changes_total", "type=\"event.released\"", "", COUNTER},
    [METRIC_RELAY_BATCHES_CONFIRMED] = {"rsvpd_relay_deliveries_total", "outcome=\"confirmed\"", "Batches handed to the target, by outcome.", COUNTER},
    [METRIC_RELAY_BATCHES_FAILED] = {"rsvpd_relay_deliveries_total", "outcome=\"failed\"", "", COUNTER},
    [METRIC_RELAY_CONFIRMED_LSN] = {"rsvpd_relay_confirmed_lsn", "", "How far PostgreSQL's log is confirmed, as a number of bytes.", GAUGE_MOST},
    [METRIC_RELAY_CONFIRMED_AT] = {"rsvpd_relay_confirmed_timestamp_seconds", "", "When the target confirmed last, as Unix time.", GAUGE_TIME},
    [METRIC_RELAY_CONNECTS] = {"rsvpd_relay_connects_total", "", "Attempts to read the slot.", COUNTER},
};

/* The upper bounds of buckets, ascending, 0 ends them. */
static const uint64_t duration_bounds_us[METRICS_BUCKETS_MAX] = {
    5000, 10000, 25000, 50000, 75000, 100000, 150000, 250000, 500000, 750000, 1000000, 2500000, 5000000, 7500000, 10000000};
static const uint64_t latency_bounds_us[METRICS_BUCKETS_MAX] = {
    100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000};
static const uint64_t stream_bounds_us[METRICS_BUCKETS_MAX] = {
    1000, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 750000, 1000000, 1500000, 2000000, 3000000, 5000000};
static const uint64_t lag_bounds_us[METRICS_BUCKETS_MAX] = {
    1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000};
static const uint64_t size_bounds[METRICS_BUCKETS_MAX] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};

struct histogram_row {
    const char *family, *labels, *help;
    const uint64_t *bounds;
    bool microseconds; /* shown in seconds */
};

static const struct histogram_row histogram_rows[HISTOGRAM_COUNT] = {
    [HISTOGRAM_BATCH_WRITES] = {"rsvpd_batch_size", "kind=\"writes\"", "Operations in one transaction.", size_bounds, false},
    [HISTOGRAM_BATCH_LOOKUPS] = {"rsvpd_batch_size", "kind=\"lookups\"", "", size_bounds, false},
    [HISTOGRAM_BATCH_COUNTS] = {"rsvpd_batch_size", "kind=\"counts\"", "", size_bounds, false},
    [HISTOGRAM_BATCH_LISTS] = {"rsvpd_batch_size", "kind=\"lists\"", "", size_bounds, false},
    [HISTOGRAM_LATENCY_POSTGRES] = {"rsvpd_dependency_latency_seconds", "dependency=\"postgres\"", "From sending to a dependency until its answer.", latency_bounds_us, true},
    [HISTOGRAM_LATENCY_REDIS] = {"rsvpd_dependency_latency_seconds", "dependency=\"redis\"", "", latency_bounds_us, true},
    [HISTOGRAM_LAG_MAIN] = {"rsvpd_loop_lag_seconds", "loop=\"main\"", "How much later than asked for an event loop's timer fired.", lag_bounds_us, true},
    [HISTOGRAM_LAG_WORKERS] = {"rsvpd_loop_lag_seconds", "loop=\"workers\"", "", lag_bounds_us, true},
    [HISTOGRAM_STREAM_LAG] = {"rsvpd_stream_lag_seconds", "relation=\"rsvp\"", "From a change of a count until it is sent to a stream.", stream_bounds_us, true},
    [HISTOGRAM_STREAM_LAG_LAST] = {"rsvpd_stream_lag_seconds", "relation=\"like\"", "", stream_bounds_us, true},
};

const char *const http_method_names[HTTP_METHOD_COUNT] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "other"};

/* The statuses that the service answers; the last place is for any other. */
static const unsigned statuses[METRICS_STATUS_COUNT] = {
    200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 408, 409, 412, 413, 415, 422, 429, 431, 500, 503, 504, 0};
/* clang-format on */

struct metrics *metrics_create(void)
{
    return calloc(1, sizeof(struct metrics));
}

/* One thread writes: no read-modify-write instruction is needed for others to see whole values. */
static void bump(_Atomic uint64_t *value, uint64_t amount)
{
    uint64_t now = atomic_load_explicit(value, memory_order_relaxed);
    atomic_store_explicit(value, now + amount, memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

void metrics_add(struct metrics *metrics, enum metric metric, uint64_t amount)
{
    assert(metric < METRIC_COUNT);
    bump(&metrics->values[metric], amount);
}

void metrics_set(struct metrics *metrics, enum metric metric, uint64_t value)
{
    assert(metric < METRIC_COUNT);
    atomic_store_explicit(&metrics->values[metric], value, memory_order_relaxed);
}

uint64_t metrics_get(const struct metrics *metrics, enum metric metric)
{
    return get(&metrics->values[metric]);
}

static void observe(struct histogram_values *values, const uint64_t *bounds, uint64_t value)
{
    size_t bucket = 0;
    while (bucket < METRICS_BUCKETS_MAX && bounds[bucket] != 0 && value > bounds[bucket]) {
        bucket++;
    }
    bump(&values->buckets[bucket], 1);
    bump(&values->sum, value);
}

void metrics_observe(struct metrics *metrics, enum histogram histogram, uint64_t value)
{
    assert(histogram < HISTOGRAM_COUNT);
    observe(&metrics->histograms[histogram], histogram_rows[histogram].bounds, value);
}

static size_t status_place(unsigned status)
{
    size_t place = 0;
    while (place < METRICS_STATUS_COUNT - 1 && statuses[place] != status) {
        place++;
    }
    return place;
}

void metrics_observe_request(struct metrics *metrics, size_t route, enum http_method method,
                             unsigned status, uint64_t duration_us)
{
    assert(route < METRICS_ROUTES_MAX && method < HTTP_METHOD_COUNT);
    observe(&metrics->requests[route][method][status_place(status)], duration_bounds_us,
            duration_us);
}

static void render_head(struct text *out, const char *family, const char *type, const char *help)
{
    text_add_format(out, "# HELP %s %s\n# TYPE %s %s\n", family, help, family, type);
}

/* A metric's value over all sets. */
static uint64_t merge(const struct metrics_view *view, size_t metric)
{
    enum metric_type type = rows[metric].type;
    uint64_t sum = 0, most = 0;
    for (size_t set = 0; set < view->set_count; set++) {
        uint64_t value = get(&view->sets[set]->values[metric]);
        sum += value;
        most = value > most ? value : most;
    }
    return type == COUNTER_MOST || type == GAUGE_MOST || type == GAUGE_TIME ? most
           : type == GAUGE_ANY                                              ? sum > 0
                                                                            : sum;
}

static const char *type_name(enum metric_type type)
{
    return type == COUNTER || type == COUNTER_TIME || type == COUNTER_MOST ? "counter" : "gauge";
}

static void render_values(const struct metrics_view *view, struct text *out)
{
    const char *family = "";
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct metric_row *row = &rows[i];
        if ((i >= METRIC_RELAY_STREAMING) != view->is_relay ||
            (i == METRIC_UP_REDIS && !view->redis_configured)) {
            continue;
        }
        uint64_t value = merge(view, i);
        if (strcmp(family, row->family) != 0) {
            family = row->family;
            render_head(out, family, type_name(row->type), row->help);
        }
        text_add_format(out, "%s%s%s%s ", family, *row->labels == '\0' ? "" : "{", row->labels,
                        *row->labels == '\0' ? "" : "}");
        if (row->type == COUNTER_TIME || row->type == GAUGE_TIME) {
            text_add_format(out, "%.6f\n", (double)value / 1e6);
        } else {
            text_add_format(out, "%llu\n", (unsigned long long)value);
        }
    }
}

/* The sum of one histogram over the sets. `offset` is the place of its values in struct metrics.
 * Returns how many values were observed. */
static uint64_t sum_histograms(const struct metrics_view *view, size_t offset,
                               uint64_t buckets[METRICS_BUCKETS_MAX + 1], uint64_t *sum)
{
    uint64_t seen = 0;
    memset(buckets, 0, (METRICS_BUCKETS_MAX + 1) * sizeof *buckets);
    *sum = 0;
    for (size_t set = 0; set < view->set_count; set++) {
        const char *base = (const char *)view->sets[set];
        const struct histogram_values *values = (const void *)(base + offset);
        for (size_t i = 0; i <= METRICS_BUCKETS_MAX; i++) {
            const uint64_t count = get(&values->buckets[i]);
            buckets[i] += count;
            seen += count;
        }
        *sum += get(&values->sum);
    }
    return seen;
}

static void add_in_unit(struct text *out, uint64_t value, bool microseconds)
{
    if (microseconds) {
        text_add_format(out, "%g", (double)value / 1e6);
    } else {
        text_add_uint(out, value);
    }
}

static void render_histogram(const struct metrics_view *view, size_t offset,
                             const struct histogram_row *row, bool even_if_empty, struct text *out)
{
    uint64_t buckets[METRICS_BUCKETS_MAX + 1], sum;
    const uint64_t seen = sum_histograms(view, offset, buckets, &sum);
    if (seen == 0 && !even_if_empty) {
        return;
    }
    uint64_t cumulative = 0;
    for (size_t i = 0; i < METRICS_BUCKETS_MAX && row->bounds[i] != 0; i++) {
        cumulative += buckets[i];
        text_add_format(out, "%s_bucket{%s,le=\"", row->family, row->labels);
        add_in_unit(out, row->bounds[i], row->microseconds);
        text_add_format(out, "\"} %llu\n", (unsigned long long)cumulative);
    }
    text_add_format(out, "%s_bucket{%s,le=\"+Inf\"} %llu\n", row->family, row->labels,
                    (unsigned long long)seen);
    text_add_format(out, "%s_sum{%s} ", row->family, row->labels);
    if (row->microseconds) {
        text_add_format(out, "%.6f", (double)sum / 1e6);
    } else {
        text_add_uint(out, sum);
    }
    text_add_format(out, "\n%s_count{%s} %llu\n", row->family, row->labels,
                    (unsigned long long)seen);
}

static bool has_requests(const struct metrics_view *view, size_t route, size_t method)
{
    uint64_t buckets[METRICS_BUCKETS_MAX + 1], sum, seen = 0;
    for (size_t status = 0; status < METRICS_STATUS_COUNT && seen == 0; status++) {
        seen = sum_histograms(view, offsetof(struct metrics, requests[route][method][status]),
                              buckets, &sum);
    }
    return seen > 0;
}

/* Failures of what is asked for are there before the first one: Prometheus sees no increase in a
 * series that begins with it, and they come by the hundred at once. */
static void render_requests(const struct metrics_view *view, struct text *out)
{
    struct histogram_row row = {.family = "rsvpd_http_request_duration_seconds",
                                .bounds = duration_bounds_us,
                                .microseconds = true};
    render_head(out, row.family, "histogram",
                "From a request's first line until its answer, by route, method and status.");
    for (size_t route = 0; route < view->route_count; route++) {
        for (size_t method = 0; method < HTTP_METHOD_COUNT; method++) {
            const bool is_used = has_requests(view, route, method);
            for (size_t status = 0; status < METRICS_STATUS_COUNT; status++) {
                char buffer[256];
                struct text labels = text_over(buffer, sizeof buffer - 1);
                text_add_format(&labels, "route=\"%s\",method=\"%s\",status=\"%u\"",
                                view->route_names[route], http_method_names[method],
                                statuses[status]);
                assert(!labels.truncated);
                buffer[labels.size] = '\0';
                row.labels = buffer;
                render_histogram(view, offsetof(struct metrics, requests[route][method][status]),
                                 &row, is_used && statuses[status] >= 500, out);
            }
        }
    }
}

/* Named as Prometheus's own client libraries name them. */
static void render_usage(const struct process_usage *usage, struct text *out)
{
    render_head(out, "process_start_time_seconds", "gauge",
                "When the process started, as Unix time.");
    text_add_format(out, "process_start_time_seconds %.2f\n", usage->started_s);
    render_head(out, "process_cpu_seconds_total", "counter",
                "Processor time of the process, user and system.");
    text_add_format(out, "process_cpu_seconds_total %.6f\n", usage->cpu_s);
    render_head(out, "process_resident_memory_bytes", "gauge", "Resident memory of the process.");
    text_add_format(out, "process_resident_memory_bytes %llu\n",
                    (unsigned long long)usage->resident_bytes);
    render_head(out, "process_open_fds", "gauge", "Descriptors that are open.");
    text_add_format(out, "process_open_fds %llu\n", (unsigned long long)usage->open_descriptors);
    render_head(out, "process_max_fds", "gauge", "Descriptors that may be open.");
    text_add_format(out, "process_max_fds %llu\n", (unsigned long long)usage->descriptors_max);
}

void metrics_render(const struct metrics_view *view, struct text *out)
{
    assert(view->route_count <= METRICS_ROUTES_MAX);
    render_head(out, "rsvpd_build_info", "gauge", "Always 1; the labels say what runs.");
    text_add_cstr(out, "rsvpd_build_info{version=\"" RSVPD_VERSION "\",commit=\"" RSVPD_COMMIT
                       "\"} 1\n");
    if (view->usage != NULL) {
        render_usage(view->usage, out);
    }
    render_head(out, "rsvpd_log_lines_dropped_total", "counter",
                "Log lines dropped because their reader was slow.");
    text_add_format(out, "rsvpd_log_lines_dropped_total %llu\n", (unsigned long long)log_dropped());
    render_values(view, out);
    const char *family = "";
    for (size_t i = 0; i < HISTOGRAM_COUNT; i++) {
        const struct histogram_row *row = &histogram_rows[i];
        if (view->is_relay && i != HISTOGRAM_LAG_MAIN) {
            continue;
        }
        if (strcmp(family, row->family) != 0) {
            family = row->family;
            render_head(out, family, "histogram", row->help);
        }
        render_histogram(view, offsetof(struct metrics, histograms[i]), row, true, out);
    }
    render_requests(view, out);
}
