/* How many clients a process has room for. */
#include "rsvpd/app/client_limits.h"
#include "rsvpd/app/admin_port.h"
#include "rsvpd/base/log.h"
#include "rsvpd/http/crowd.h"

#include <sys/resource.h>

enum {
    DESCRIPTORS_PER_WORKER = 128, /* besides those of clients: two for each connection to
                                     PostgreSQL, of which there are up to 16 + 16 + 17 */
    STREAMS_PART = 8,             /* of all clients one in so many may be a stream in any case */
};

static int64_t for_others(const struct config *config)
{
    return config->workers * DESCRIPTORS_PER_WORKER + CROWD_OVER_LIMIT_MAX +
           ADMIN_PORT_CONNECTIONS_MAX + CROWD_OVER_LIMIT_MAX;
}

int64_t client_limits_descriptors(const struct config *config)
{
    return config->max_connections + config->max_streams + for_others(config);
}

static int64_t min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

struct client_limits client_limits_within(const struct config *config, int64_t descriptors)
{
    struct client_limits limits = {config->max_connections, config->max_streams};
    int64_t wanted = limits.connections + limits.streams;
    int64_t left = descriptors - for_others(config);
    if (left < 1) {
        left = 1;
    }
    if (left < wanted) {
        int64_t kept = min(limits.streams, left / STREAMS_PART);
        limits.connections = min(limits.connections, left - kept);
        limits.streams = left - limits.connections;
    }
    return limits;
}

struct client_limits client_limits_find(const struct config *config)
{
    struct rlimit limit;
    int64_t wanted = client_limits_descriptors(config);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return client_limits_within(config, wanted);
    }
    rlim_t soft = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        limit.rlim_cur = soft;
    }
    if (limit.rlim_cur >= (rlim_t)wanted) {
        return client_limits_within(config, wanted);
    }
    struct client_limits limits = client_limits_within(config, (int64_t)limit.rlim_cur);
    log_event(
        LOG_WARN,
        "too few descriptors for MAX_CONNECTIONS and MAX_STREAMS: raise the limit (ulimit -n)",
        LOG_INT("wanted", wanted), LOG_INT("limit", limit.rlim_cur),
        LOG_INT("connections", limits.connections), LOG_INT("streams", limits.streams));
    return limits;
}
