/* What can happen on the way between the service and its stores. */
#include "fault.h"

static const struct relay_weather fair;

static void pg_delay(struct stand *stand)
{
    relay_set_weather(stand->pg_relay, &(const struct relay_weather){.delay_ms = 20});
}

static void pg_loss(struct stand *stand)
{
    relay_set_weather(stand->pg_relay,
                      &(const struct relay_weather){.delay_ms = 1, .loss_percent = 5});
}

static void pg_partition(struct stand *stand)
{
    relay_set_weather(stand->pg_relay, &(const struct relay_weather){.partitioned = 1});
}

/* As when a firewall forgets connections: they are reset afterwards. */
static void pg_reset(struct stand *stand)
{
    relay_cut(stand->pg_relay);
    relay_set_weather(stand->pg_relay, &fair);
}

static void pg_clear(struct stand *stand)
{
    relay_set_weather(stand->pg_relay, &fair);
}

static void redis_delay(struct stand *stand)
{
    relay_set_weather(stand->redis_relay, &(const struct relay_weather){.delay_ms = 20});
}

static void redis_loss(struct stand *stand)
{
    relay_set_weather(stand->redis_relay,
                      &(const struct relay_weather){.delay_ms = 1, .loss_percent = 5});
}

static void redis_partition(struct stand *stand)
{
    relay_set_weather(stand->redis_relay, &(const struct relay_weather){.partitioned = 1});
}

static void redis_clear(struct stand *stand)
{
    relay_set_weather(stand->redis_relay, &fair);
}

const struct fault faults_network[] = {
    {
        .name = "net-pg-delay",
        .promise = "20 ms each way to PostgreSQL: nothing fails",
        .lasts_ms = 6000,
        .back_ms = 1000,
        .is_remote = true,
        .begin = pg_delay,
        .end = pg_clear,
    },
    {
        .name = "net-pg-loss",
        .promise = "5 % loss to PostgreSQL: 503/504 inside the deadline, back <= 1 s",
        .tolerated = CROWD_REFUSALS,
        .lasts_ms = 6000,
        .back_ms = 1000,
        .is_remote = true,
        .begin = pg_loss,
        .end = pg_clear,
    },
    {
        .name = "net-pg-partition",
        .promise = "PostgreSQL cut off for 10 s: 503/504 inside the deadline, back <= 1 s",
        .tolerated = CROWD_REFUSALS,
        .lasts_ms = 10000,
        .back_ms = 1000,
        .is_short = true,
        .is_remote = true,
        .begin = pg_partition,
        .end = pg_clear,
    },
    {
        .name = "net-pg-reset",
        .promise = "PostgreSQL cut off for 5 s, then connections reset: the same",
        .tolerated = CROWD_REFUSALS,
        .lasts_ms = 5000,
        .back_ms = 1000,
        .is_remote = true,
        .begin = pg_partition,
        .end = pg_reset,
    },
    {
        .name = "net-redis-delay",
        .promise = "20 ms each way to Redis: writes and look-ups unaffected",
        .lasts_ms = 6000,
        .back_ms = 1000,
        .is_remote = true,
        .slower_max = 1.1,
        .begin = redis_delay,
        .end = redis_clear,
    },
    {
        .name = "net-redis-loss",
        .promise = "5 % loss to Redis: writes and look-ups unaffected",
        .lasts_ms = 6000,
        .back_ms = 1000,
        .is_remote = true,
        .slower_max = 1.1,
        .begin = redis_loss,
        .end = redis_clear,
    },
    {
        .name = "net-redis-partition",
        .promise = "Redis cut off for 10 s: writes and look-ups unaffected",
        .lasts_ms = 10000,
        .back_ms = 1000,
        .is_remote = true,
        .slower_max = 1.1,
        .begin = redis_partition,
        .end = redis_clear,
    },
};
const size_t faults_network_count = sizeof faults_network / sizeof faults_network[0];
