/* What Prometheus reads: one table names every metric. Each thread that counts has a set of its
 * own, written by it alone without locked instructions; reading adds the sets up. Format:
 * Prometheus text exposition 0.0.4. */
#ifndef RSVPD_BASE_METRICS_H
#define RSVPD_BASE_METRICS_H

#include "rsvpd/base/process_usage.h"
#include "rsvpd/base/text.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { METRICS_CHANGE_TYPES = 9 }; /* of domain/changes, in its order */

/* Counters and gauges, in the order of the table. Those of one family stand together. */
enum metric {
    METRIC_COUNTS_FROM_LOCAL,
    METRIC_COUNTS_FROM_REDIS,
    METRIC_COUNTS_FROM_POSTGRES,
    METRIC_COUNTS_STALE,
    METRIC_PUBLISHED,
    METRIC_PUBLISH_DROPPED,
    METRIC_BATCH_RETRIED_LOST,
    METRIC_BATCH_RETRIED_ROLLED_BACK,
    METRIC_BATCH_MISROUTED,
    METRIC_BATCH_SPLIT,
    METRIC_RATE_LIMITED_USER,
    METRIC_RATE_LIMITED_KEY,
    METRIC_RATE_LIMITED_ADDRESS,
    METRIC_RATE_SHARES_EXCHANGED,
    METRIC_RATE_SHARES_LOST,
    METRIC_RATE_SHARES_DROPPED,
    METRIC_REFUSED_OVERLOAD,
    METRIC_REFUSED_UNAVAILABLE,
    METRIC_EXPIRED,
    METRIC_STORE_RECONNECTS_POSTGRES,
    METRIC_STORE_RECONNECTS_REDIS,
    METRIC_SENTINEL_FAILURES,
    METRIC_PRIMARY_CHANGES,
    METRIC_SESSIONS_FENCED,
    METRIC_SCHEMA_VERSION,
    METRIC_POOL_SIZE_WRITES,
    METRIC_POOL_SIZE_READS,
    METRIC_POOL_SIZE_REPLICA,
    METRIC_POOL_USABLE_WRITES,
    METRIC_POOL_USABLE_READS,
    METRIC_POOL_USABLE_REPLICA,
    METRIC_POOL_BUSY_WRITES,  /* microseconds */
    METRIC_POOL_BUSY_READS,   /* likewise */
    METRIC_POOL_BUSY_REPLICA, /* likewise */
    METRIC_READS_BY_PRIMARY,
    METRIC_READS_BY_REPLICA,
    METRIC_REPLICA_BARRIERS,
    METRIC_REPLICA_BEHIND,
    METRIC_REPLICA_FAILED,
    METRIC_QUEUE_WRITES,
    METRIC_QUEUE_LOOKUPS,
    METRIC_QUEUE_COUNTS,
    METRIC_QUEUE_LISTS,
    METRIC_PENDING_MAX,
    METRIC_UP_POSTGRES,
    METRIC_UP_REDIS,
    METRIC_TOKENS_CHECKED,
    METRIC_CONNECTIONS,
    METRIC_CONNECTIONS_MAX,
    METRIC_CONNECTIONS_REFUSED,
    METRIC_STREAMS,
    METRIC_STREAMS_MAX,
    METRIC_STREAMS_REFUSED,
    METRIC_STREAM_EVENTS,
    METRIC_STREAM_SKIPPED,
    METRIC_KEYS_FETCHED,
    METRIC_KEYS_NOT_FETCHED,
    METRIC_SPANS_EXPORTED,
    METRIC_SPANS_DROPPED,
    METRIC_SPANS_FAILED,

    /* Of `rsvpd relay` alone, as those above are of `rsvpd serve`. */
    METRIC_RELAY_STREAMING,
    METRIC_RELAY_LAG_BYTES,
    METRIC_RELAY_LAG_US, /* microseconds */
    METRIC_RELAY_CHANGES,
    METRIC_RELAY_CHANGES_LAST = METRIC_RELAY_CHANGES + METRICS_CHANGE_TYPES - 1,
    METRIC_RELAY_BATCHES_CONFIRMED,
    METRIC_RELAY_BATCHES_FAILED,
    METRIC_RELAY_CONFIRMED_LSN,
    METRIC_RELAY_CONFIRMED_AT, /* microseconds */
    METRIC_RELAY_CONNECTS,
    METRIC_COUNT
};

enum { METRICS_RELATIONS = 2 };

/* Histograms other than that of requests. */
enum histogram {
    HISTOGRAM_BATCH_WRITES,
    HISTOGRAM_BATCH_LOOKUPS,
    HISTOGRAM_BATCH_COUNTS,
    HISTOGRAM_BATCH_LISTS,
    HISTOGRAM_LATENCY_POSTGRES,
    HISTOGRAM_LATENCY_REDIS,
    HISTOGRAM_LAG_MAIN,
    HISTOGRAM_LAG_WORKERS,
    HISTOGRAM_STREAM_LAG, /* of the first relation; the others follow */
    HISTOGRAM_STREAM_LAG_LAST = HISTOGRAM_STREAM_LAG + METRICS_RELATIONS - 1,
    HISTOGRAM_COUNT
};

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_OTHER,
    HTTP_METHOD_COUNT
};
extern const char *const http_method_names[HTTP_METHOD_COUNT];

enum {
    METRICS_ROUTES_MAX = 32,
    METRICS_STATUS_COUNT = 22,
    METRICS_BUCKETS_MAX = 16 /* bounds; one more bucket holds what is above them all */
};

struct histogram_values {
    _Atomic uint64_t buckets[METRICS_BUCKETS_MAX + 1]; /* not cumulative */
    _Atomic uint64_t sum;                              /* in the unit that was observed */
};

/* One thread's numbers. Big; from metrics_create alone. */
struct metrics {
    _Atomic uint64_t values[METRIC_COUNT];
    struct histogram_values histograms[HISTOGRAM_COUNT];
    struct histogram_values requests[METRICS_ROUTES_MAX][HTTP_METHOD_COUNT][METRICS_STATUS_COUNT];
};

/* NULL when memory is exhausted; to be freed with free(). */
struct metrics *metrics_create(void);

void metrics_add(struct metrics *metrics, enum metric metric, uint64_t amount);
void metrics_set(struct metrics *metrics, enum metric metric, uint64_t value);
uint64_t metrics_get(const struct metrics *metrics, enum metric metric);

/* Batch sizes in operations, latencies and lags in microseconds. */
void metrics_observe(struct metrics *metrics, enum histogram histogram, uint64_t value);

/* `route` is the route's place in the names given to metrics_render. */
void metrics_observe_request(struct metrics *metrics, size_t route, enum http_method method,
                             unsigned status, uint64_t duration_us);

struct metrics_view {
    const struct metrics *const *sets;
    size_t set_count;
    const char *const *route_names;
    size_t route_count;
    bool is_relay;                     /* it is `rsvpd relay`, and has metrics of its own */
    bool redis_configured;             /* without it there is no Redis whose state could be told */
    const struct process_usage *usage; /* NULL: not known, and left out */
};

/* Writes all metrics. The gauge of a dependency is 1 if any set has it up. */
void metrics_render(const struct metrics_view *view, struct text *out);

#endif
