/* What kind of world a seed makes. */
#include "plan.h"
#include "choice.h"
#include "readers.h"

enum {
    SECOND_US = 1000 * 1000,
    COUNTS_KNOWN_MIN = 64, /* one in each shard: any two in the same drive each other out */
    COUNTS_KNOWN_MAX = 1024
};

/* A fault is in half of the worlds, and there rare or frequent. */
static unsigned draw_chance(struct random *random, unsigned max_per_10k)
{
    unsigned chance = 1 + choose_below(random, max_per_10k);
    unsigned rarer = choose_below(random, 4);
    return choose_chance(random, 5000) ? (chance >> rarer) + 1 : 0;
}

static int64_t draw_interval(struct random *random)
{
    int64_t interval_us = (20 * (int64_t)SECOND_US) >> choose_below(random, 9);
    return choose_chance(random, 4000) ? interval_us : 0;
}

static void draw_faults(struct plan *plan, struct random *random)
{
    plan->poisonous = draw_chance(random, 300);
    plan->rolled_back = draw_chance(random, 2000);
    plan->unavailable = draw_chance(random, 500);
    plan->broken_before = draw_chance(random, 1000);
    plan->broken_after = draw_chance(random, 1000);
    plan->stood_still = draw_chance(random, 600);
    plan->redis_lost = draw_chance(random, 2000);
    plan->redis_late = draw_chance(random, 2000);
    plan->crash_every_us = draw_interval(random);
    plan->read_only_every_us = draw_interval(random);
    plan->slow_every_us = draw_interval(random);
    plan->redis_outage_every_us = draw_interval(random);
    plan->redis_damage_every_us = draw_interval(random);
    plan->stall_every_us = draw_interval(random);
    plan->kill_every_us = draw_interval(random);
}

/* What retries hide from the clients, if it does not come too often. */
static void draw_mild_faults(struct plan *plan, struct random *random)
{
    plan->poisonous = draw_chance(random, 300);
    plan->rolled_back = draw_chance(random, 500);
    plan->broken_before = draw_chance(random, 200);
    plan->broken_after = draw_chance(random, 200);
}

static void draw_size(struct plan *plan, struct random *random)
{
    static const size_t pending_max[] = {8, 64, 1024};
    plan->processes = 1 + choose_below(random, 3);
    plan->workers = plan->processes + choose_below(random, 4 - plan->processes);
    plan->counts_known = choose_chance(random, 5000) ? COUNTS_KNOWN_MIN : COUNTS_KNOWN_MAX;
    plan->write_links = 1 + choose_below(random, 2);
    plan->read_links = 1 + choose_below(random, 2);
    plan->entities = 1 + choose_below(random, 6);
    plan->users = 2 + choose_below(random, 30);
    plan->clients = 1 + choose_below(random, 60);
    plan->pending_max = plan->mild ? 1024 : pending_max[choose_below(random, 3)];
}

static void draw_times(struct plan *plan, struct random *random)
{
    static const int64_t think_us[] = {0, 200, 2000, 20000, 200000};
    static const int64_t latency_us[] = {50, 500, 2000, 20000};
    bool usual = choose_chance(random, 7000);
    plan->deadline_us = plan->mild || choose_chance(random, 7000) ? 2 * SECOND_US : SECOND_US / 4;
    plan->local_lifetime_us = usual ? SECOND_US : choose_between(random, 0, SECOND_US);
    plan->redis_lifetime_us = usual ? 2500 * 1000 : SECOND_US;
    plan->key_lifetime_us =
        choose_chance(random, 7000) ? 86400 * (int64_t)SECOND_US : 5 * SECOND_US;
    plan->promote_max = choose_chance(random, 5000) ? 1 + (int)choose_below(random, 4) : 0;
    plan->latency_us = latency_us[choose_below(random, plan->mild ? 3 : 4)];
    plan->redis_latency_us = 100 + choose_below(random, 5000);
    plan->think_us = think_us[choose_below(random, 5)];
    plan->turn_us = choose_below(random, 300);
}

static void draw_clients(struct plan *plan, struct random *random)
{
    plan->adds = 1 + choose_below(random, 10);
    plan->removes = 1 + choose_below(random, 8);
    plan->lookups = choose_below(random, 5);
    plan->counts = choose_below(random, 8);
    plan->listings = choose_below(random, 3);
    plan->configures = choose_below(random, 4);
    plan->keyed = draw_chance(random, 8000);
    plan->key_misused = draw_chance(random, 2000);
    plan->repeated = draw_chance(random, 3000);
    plan->hung_up = draw_chance(random, 1500);
    plan->past_capacity = draw_chance(random, 2000);
    plan->erasures = choose_below(random, 3);
}

static void draw_readers(struct plan *plan, struct random *random)
{
    if (choose_chance(random, 5000)) {
        plan->readers = 1 + choose_below(random, READERS_MAX);
        plan->texts_lost = draw_chance(random, 3000);
    }
}

struct plan plan_draw(struct random *random)
{
    struct plan plan = {.mild = choose_chance(random, 1000)};
    plan.redis = choose_chance(random, 8000);
    draw_size(&plan, random);
    draw_times(&plan, random);
    draw_clients(&plan, random);
    if (plan.mild) {
        draw_mild_faults(&plan, random);
    } else {
        draw_faults(&plan, random);
    }
    draw_readers(&plan, random);
    return plan;
}
