/* What happens to servers and processes as a whole. */
#include "faults.h"
#include "choice.h"
#include "world.h"

enum {
    SECOND_US = 1000 * 1000,
    OUTAGE_US = 5 * SECOND_US,
    HEALTHY_US = 500,
    RECOVERY_US = 50 * 1000
};

/* The next time that something happens which happens so often. */
static void again(struct world *world, timeline_fn *run, int64_t every_us)
{
    if (every_us > 0 && !world->healing) {
        timeline_add(&world->timeline,
                     world->timeline.now_us + choose_between(&world->random, 1, 2 * every_us), run,
                     NULL, 0);
    }
}

/* How long it lasts: mostly short, at times longer than every deadline. */
static int64_t draw_until(struct world *world)
{
    int64_t most_us = OUTAGE_US >> choose_below(&world->random, 6);
    return world->timeline.now_us + choose_between(&world->random, 1, most_us);
}

static struct worker *some_worker(struct world *world)
{
    return &world->workers[choose_below(&world->random, world->plan.workers)];
}

static void server_starts(struct world *world, void *subject, uint64_t number)
{
    (void)subject;
    (void)number;
    pg_server_start(world);
}

/* What comes back may be the same server or a promoted one: it has every commit. */
static void crash(struct world *world, void *subject, uint64_t number)
{
    (void)subject;
    (void)number;
    if (!world->healing) {
        world_note_fault(world, FAULT_CRASH);
        pg_server_crash(world);
        timeline_add(&world->timeline, draw_until(world), server_starts, NULL, 0);
        again(world, crash, world->plan.crash_every_us);
    }
}

static void is_promoted(struct world *world, void *subject, uint64_t number)
{
    (void)subject;
    (void)number;
    world->pg.read_only = false;
}

/* The sessions find themselves with a standby that lags behind its promotion. */
static void read_only(struct world *world, void *subject, uint64_t number)
{
    (void)subject;
    (void)number;
    if (!world->healing) {
        world_note_fault(world, FAULT_READ_ONLY);
        world->pg.read_only = true;
        timeline_add(&world->timeline, draw_until(world), is_promoted, NULL, 0);
        again(world, read_only, world->plan.read_only_every_us);
    }
}

static void is_fast(struct world *world, void *subject, uint64_t number)
{
    (void)subject;
    (void)number;
    world->pg.latency_us = world->healing ? HEALTHY_US : world->plan.latency_us;
}

static void slow(struct world *world, void *subject, uint64_t number)
{
    (void)subject;
    (void)number;
    if (!world->healing) {
        world_note_fault(world, FAULT_SLOW);
        world->pg.latency_us = world->plan.latency_us << (1 + choose_below(&world->random, 6));
        timeline_add(&world->timeline, draw_until(world), is_fast, NULL, 0);
        again(world, slow, world->plan.slow_every_us);
    }
}

static void redis_starts(struct world *world, void *subject, uint64_t number)
{
    (void)subject;
    (void)number;
    world->redis.up = true;
}

static void redis_outage(struct world *world, void *subject, uint64_t number)
{
    (void)subject;
    (void)number;
    if (!world->healing) {
        world_note_fault(world, FAULT_REDIS_OUTAGE);
        world->redis.up = false;
        timeline_add(&world->timeline, draw_until(world), redis_starts, NULL, 0);
        again(world, redis_outage, world->plan.redis_outage_every_us);
    }
}

static void redis_damage(struct world *world, void *subject, uint64_t number)
{
    (void)subject;
    (void)number;
    if (!world->healing) {
        world_note_fault(world, FAULT_REDIS_DAMAGE);
        redis_server_damage(world, (enum damage)choose_below(&world->random, DAMAGE_COUNT));
        again(world, redis_damage, world->plan.redis_damage_every_us);
    }
}

static void stall(struct world *world, void *subject, uint64_t number)
{
    (void)subject;
    (void)number;
    if (!world->healing) {
        struct worker *worker = some_worker(world);
        if (worker->stalled_until_us + RECOVERY_US < world->timeline.now_us) {
            world_note_fault(world, FAULT_STALL);
            worker->stalled_until_us = draw_until(world);
        }
        again(world, stall, world->plan.stall_every_us);
    }
}

static void process_starts(struct world *world, void *process, uint64_t number)
{
    (void)world;
    (void)number;
    process_start(process);
}

static void kill(struct world *world, void *subject, uint64_t number)
{
    (void)subject;
    (void)number;
    if (!world->healing) {
        struct process *process = some_worker(world)->process;
        if (process->counts != NULL) {
            world_note_fault(world, FAULT_KILL);
            process_kill(process);
            timeline_add(&world->timeline, draw_until(world), process_starts, process, 0);
        }
        again(world, kill, world->plan.kill_every_us);
    }
}

void faults_start(struct world *world)
{
    const struct plan *plan = &world->plan;
    again(world, crash, plan->crash_every_us);
    again(world, read_only, plan->read_only_every_us);
    again(world, slow, plan->slow_every_us);
    again(world, redis_outage, plan->redis_outage_every_us);
    again(world, redis_damage, plan->redis_damage_every_us);
    again(world, stall, plan->stall_every_us);
    again(world, kill, plan->kill_every_us);
}

void faults_heal(struct world *world)
{
    world->healing = true;
    world->pg.up = true;
    world->pg.read_only = false;
    world->pg.latency_us = HEALTHY_US;
    world->redis.up = true;
    for (size_t i = 0; i < world->plan.processes; i++) {
        process_start(&world->processes[i]);
    }
    readers_heal(world);
}
