/* What kind of world a seed makes: how large, how busy, and which faults it knows. A seed leaves
 * most faults out, so that others are met often enough to go deep. */
#ifndef RSVPD_SIM_PLAN_H
#define RSVPD_SIM_PLAN_H

#include "rsvpd/base/random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plan {
    bool mild; /* only faults that retries hide: everything has to succeed */
    unsigned processes, workers, write_links, read_links;
    size_t counts_known; /* by each process at a time, and of each relation by each worker */
    unsigned entities, users, clients, readers;
    size_t pending_max;
    int64_t deadline_us, local_lifetime_us, redis_lifetime_us;
    bool redis;
    int64_t key_lifetime_us;
    int promote_max; /* how many move up in one step; 0: all who can */
    int64_t latency_us, redis_latency_us, think_us, turn_us; /* usual ones */

    /* What clients do, in parts of the sum. */
    unsigned adds, removes, lookups, counts, listings, configures, erasures;

    /* Of ten thousand requests. */
    unsigned keyed, key_misused, repeated, hung_up, poisonous, past_capacity;

    /* Of ten thousand batches. */
    unsigned rolled_back, unavailable, broken_before, broken_after, stood_still;

    /* Of ten thousand events of streams. */
    unsigned texts_lost;

    /* Of ten thousand exchanges with Redis. */
    unsigned redis_lost, redis_late;

    /* How often something happens to a server or a process; 0: never. */
    int64_t crash_every_us, read_only_every_us, slow_every_us;
    int64_t redis_outage_every_us, redis_damage_every_us;
    int64_t stall_every_us, kill_every_us;
};

struct plan plan_draw(struct random *random);

#endif
