/* Tells other processes how often callers came, and learns it from them. */
#include "rsvpd/service/rate_sharing.h"

/* False where there is no more to send, or it cannot be sent now. */
static bool send_batch(struct rate_sharing *sharing, int64_t now_us)
{
    struct rate_share shares[REDIS_RATES_MAX];
    uint64_t dropped = 0;
    size_t size = rate_table_collect(sharing->table, shares, REDIS_RATES_MAX, now_us, &dropped);
    metrics_add(sharing->metrics, METRIC_RATE_SHARES_DROPPED, dropped);
    if (size == 0) {
        return false;
    }
    bool sent = sharing->redis->exchange(sharing->redis->store, shares, size);
    for (size_t i = 0; i < size && !sent; i++) {
        rate_table_put_back(sharing->table, &shares[i]);
    }
    return sent && size == REDIS_RATES_MAX;
}

void rate_sharing_tick(struct rate_sharing *sharing, int64_t now_us)
{
    if (!sharing->redis->available(sharing->redis->store) ||
        !rate_table_is_due(sharing->table, RATE_SHARING_EVERY_US, now_us)) {
        return; /* another worker may have a Redis that answers */
    }
    bool more = true;
    for (int i = 0; i < RATE_SHARING_BATCHES_MAX && more; i++) {
        more = send_batch(sharing, now_us);
    }
}

void rate_sharing_exchanged(void *sharing_, const struct rate_share *shares, size_t size,
                            int64_t sent_us, int64_t now_us)
{
    struct rate_sharing *sharing = sharing_;
    size_t answered = 0;
    for (size_t i = 0; i < size; i++) {
        if (shares[i].answered) {
            answered++;
            rate_table_learn(sharing->table, &shares[i], sent_us, now_us);
        }
    }
    metrics_add(sharing->metrics, METRIC_RATE_SHARES_EXCHANGED, answered);
    metrics_add(sharing->metrics, METRIC_RATE_SHARES_LOST, size - answered);
}
