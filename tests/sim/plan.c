/* What kind of world a seed makes. */
#include "plan.h"
#include "choice.h"

enum { SECOND_US = 1000 * 1000 };

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

struct plan plan_draw(struct random *random)
{
    static const int64_t think_us[] = {0, 200, 2000, 20000, 200000};
    static const int64_t latency_us[] = {50, 500, 2000, 20000};
    static const size_t pending_max[] = {8, 64, 1024};
    bool usual_lifetimes = choose_chance(random, 7000);
    struct plan plan = {
        .calm = choose_chance(random, 600),
        .workers = 1 + choose_below(random, 3),
        .write_links = 1 + choose_below(random, 2),
        .read_links = 1 + choose_below(random, 2),
        .entities = 1 + choose_below(random, 6),
        .users = 2 + choose_below(random, 30),
        .clients = 1 + choose_below(random, 60),
        .pending_max = pending_max[choose_below(random, 3)],
        .deadline_us = choose_chance(random, 7000) ? 2 * SECOND_US : SECOND_US / 4,
        .local_lifetime_us = usual_lifetimes ? SECOND_US : choose_between(random, 0, SECOND_US),
        .shared_lifetime_us = usual_lifetimes ? 2500 * 1000 : SECOND_US,
        .redis = choose_chance(random, 8000),
        .key_lifetime_us = choose_chance(random, 7000) ? 86400 * (int64_t)SECOND_US : 5 * SECOND_US,
        .latency_us = latency_us[choose_below(random, 4)],
        .redis_latency_us = 100 + choose_below(random, 5000),
        .think_us = think_us[choose_below(random, 5)],
        .turn_us = choose_below(random, 300),
        .adds = 1 + choose_below(random, 10),
        .removes = 1 + choose_below(random, 8),
        .lookups = choose_below(random, 5),
        .counts = choose_below(random, 8),
        .listings = choose_below(random, 3),
        .configures = choose_below(random, 4),
        .keyed = draw_chance(random, 8000),
        .key_misused = draw_chance(random, 2000),
        .repeated = draw_chance(random, 3000),
        .hung_up = draw_chance(random, 1500),
    };
    if (plan.calm) {
        plan.pending_max = 1024;
        plan.deadline_us = 2 * SECOND_US;
        plan.latency_us = plan.latency_us > 2000 ? 2000 : plan.latency_us;
    } else {
        draw_faults(&plan, random);
    }
    return plan;
}
