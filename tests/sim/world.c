/* One run of the simulation. */
#include "world.h"
#include "checks.h"
#include "choice.h"
#include "faults.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SECOND_US = 1000 * 1000,
    HEALING_US = 7 * SECOND_US, /* the longest stall, and connecting after it */
    END_US = 12 * SECOND_US,    /* more than anything may take */
    FORGET_EVERY_US = SECOND_US,
    PROMOTE_EVERY_US = SECOND_US,
    TELLING_US = 9 * SECOND_US, /* the bound of a count, and asking for it and telling it */
    PROMOTING_MAX_S = 60,       /* however many seats are left, in steps of one */
};

static const int64_t beginning_us = 1700000000 * (int64_t)SECOND_US;

const char *const fault_names[FAULT_COUNT] = {
    [FAULT_ROLLED_BACK] = "batch rolled back",
    [FAULT_UNAVAILABLE] = "batch refused",
    [FAULT_LOST_BEFORE] = "connection lost before the commit",
    [FAULT_LOST_AFTER] = "connection lost after the commit",
    [FAULT_STOOD_STILL] = "session stood still",
    [FAULT_CRASH] = "PostgreSQL crashed",
    [FAULT_READ_ONLY] = "PostgreSQL was read-only",
    [FAULT_SLOW] = "PostgreSQL was slow",
    [FAULT_REDIS_LOST] = "Redis lost a command or its answer",
    [FAULT_REDIS_LATE] = "Redis was late",
    [FAULT_REDIS_OUTAGE] = "Redis was gone",
    [FAULT_REDIS_DAMAGE] = "keys lost, aged or false",
    [FAULT_STALL] = "loop stood still",
    [FAULT_KILL] = "process killed",
    [FAULT_HANG_UP] = "client hung up",
    [FAULT_REPEAT] = "request repeated",
    [FAULT_POISON] = "request that fails its batch",
    [FAULT_TEXT] = "no memory for an event of a stream",
};

/* ---- workers ---- */

struct instant worker_now(const struct worker *worker)
{
    int64_t now_us = worker->world->timeline.now_us;
    return (struct instant){.mono_us = now_us + worker->process->clock_us, .wall_us = now_us};
}

bool worker_puts_off(struct worker *worker, timeline_fn *run, void *subject, uint64_t number)
{
    struct timeline *timeline = &worker->world->timeline;
    bool stalled = timeline->now_us < worker->stalled_until_us;
    if (stalled) {
        timeline_add(timeline, worker->stalled_until_us, run, subject, number);
    }
    return stalled;
}

static void turn(struct world *world, void *worker_, uint64_t number)
{
    struct worker *worker = worker_;
    (void)world;
    if (worker->service == NULL) {
        worker->turn_due = false;
    } else if (!worker_puts_off(worker, turn, worker, number)) {
        worker->turn_due = false;
        if (service_end_iteration(worker->service, worker_now(worker))) {
            worker_wake(worker);
        }
    }
}

void worker_wake(struct worker *worker)
{
    struct world *world = worker->world;
    if (!worker->turn_due) {
        worker->turn_due = true;
        timeline_add(&world->timeline,
                     world->timeline.now_us +
                         choose_between(&world->random, 0, world->plan.turn_us),
                     turn, worker, 0);
    }
}

static void tick(struct world *world, void *worker_, uint64_t number)
{
    struct worker *worker = worker_;
    if (worker_puts_off(worker, tick, worker, number)) {
        return;
    }
    if (worker->service != NULL) {
        pg_tick(worker);
        redis_client_tick(worker);
        service_tick(worker->service, worker_now(worker));
        worker_wake(worker);
    }
    timeline_add(&world->timeline, world->timeline.now_us + TICK_US, tick, worker, 0);
}

/* ---- processes ---- */

static void start_worker(struct worker *worker, uint64_t hash_secret)
{
    const struct plan *plan = &worker->world->plan;
    worker->life++;
    memset(worker->done_last, 0, sizeof worker->done_last);
    pg_init(worker);
    redis_client_init(worker);
    worker->service = service_create(&(struct service_setup){
        .primary = &worker->pg.port,
        .redis = plan->redis ? &worker->redis.port : NULL,
        .counts = worker->process->counts,
        .metrics = worker->metrics,
        .write_event = readers_write,
        .counts_max = plan->counts_known,
        .pending_max = plan->pending_max,
        .write_connections = plan->write_links,
        .read_connections = plan->read_links,
        .deadline_us = plan->deadline_us,
        .count_local_lifetime_us = plan->local_lifetime_us,
        .count_redis_lifetime_us = plan->redis_lifetime_us,
        .expire_keys_every_us = FORGET_EVERY_US,
        .promote_every_us = PROMOTE_EVERY_US,
        .hash_secret = hash_secret,
        .now = worker_now(worker),
    });
    assert(worker->service != NULL);
}

void process_start(struct process *process)
{
    struct world *world = process->world;
    if (process->counts != NULL) {
        return;
    }
    uint64_t hash_secret = random_next(&world->random);
    process->clock_us = choose_between(&world->random, SECOND_US, 1000 * (int64_t)SECOND_US) -
                        world->timeline.now_us;
    memset(process->told_version, 0, sizeof process->told_version);
    process->counts = count_memory_create(world->plan.counts_known, hash_secret);
    assert(process->counts != NULL);
    for (size_t i = 0; i < world->plan.workers; i++) {
        if (world->workers[i].process == process) {
            start_worker(&world->workers[i], hash_secret);
        }
    }
}

void process_kill(struct process *process)
{
    struct world *world = process->world;
    for (size_t i = 0; i < world->plan.workers; i++) {
        struct worker *worker = &world->workers[i];
        if (worker->process == process) {
            pg_abandon(worker);
            worker->life++;
            clients_cut_off(worker);
            readers_cut_off(worker);
            service_destroy(&worker->service);
        }
    }
    count_memory_destroy(&process->counts);
}

/* ---- the run ---- */

struct world *world_create(uint64_t seed)
{
    struct world *world = calloc(1, sizeof *world);
    assert(world != NULL);
    world->seed = seed;
    world->random.state = seed;
    world->plan = plan_draw(&world->random);
    timeline_init(&world->timeline, beginning_us);
    pg_server_init(&world->pg, world->plan.latency_us, world->plan.key_lifetime_us,
                   world->plan.promote_max);
    redis_server_init(&world->redis);
    for (unsigned i = 0; i < world->plan.workers; i++) {
        struct worker *worker = &world->workers[i];
        worker->world = world;
        worker->process = &world->processes[i % world->plan.processes];
        worker->id = i;
        worker->metrics = metrics_create();
        assert(worker->metrics != NULL);
        timeline_add(&world->timeline, beginning_us, tick, worker, 0);
    }
    for (unsigned i = 0; i < world->plan.processes; i++) {
        world->processes[i].world = world;
        process_start(&world->processes[i]);
    }
    clients_start(world);
    readers_start(world);
    faults_start(world);
    return world;
}

void world_free(struct world **world_)
{
    struct world *world = *world_;
    readers_free(world);
    for (unsigned i = 0; i < world->plan.workers; i++) {
        struct worker *worker = &world->workers[i];
        pg_abandon(worker);
        service_destroy(&worker->service);
        free(worker->metrics);
    }
    for (unsigned i = 0; i < world->plan.processes; i++) {
        count_memory_destroy(&world->processes[i].counts);
    }
    clients_free(&world->clients);
    redis_server_free(&world->redis);
    pg_server_free(&world->pg);
    timeline_free(&world->timeline);
    free(world);
    *world_ = NULL;
}

static void step(struct world *world)
{
    bool happened = timeline_step(&world->timeline, world);
    assert(happened); /* the ticks never end */
    world->steps++;
    checks_step(world);
}

static void pass(struct world *world, int64_t us)
{
    int64_t until_us = world->timeline.now_us + us;
    while (world->timeline.now_us < until_us) {
        step(world);
    }
}

/* Requests that wait, or batches under way. */
static bool is_busy(const struct world *world)
{
    bool busy = !list_empty(&world->clients.open);
    for (size_t i = 0; i < world->plan.workers; i++) {
        for (size_t j = 0; j < world->workers[i].pg.link_count; j++) {
            busy = busy || world->workers[i].pg.links[j].flight != NULL;
        }
    }
    return busy;
}

static void settle(struct world *world)
{
    int64_t until_us = world->timeline.now_us + END_US;
    while ((is_busy(world) || !checks_all_given_back(world)) && world->timeline.now_us < until_us) {
        step(world);
    }
}

/* What requests began and processes left goes on in the background. */
static void finish_promotions(struct world *world)
{
    for (int i = 0; i < PROMOTING_MAX_S && checks_any_promoting(world); i++) {
        pass(world, SECOND_US);
    }
    if (checks_any_promoting(world)) {
        world_fail(world, "what is left of a promotion goes on by itself");
    }
}

void world_run(struct world *world, uint64_t steps)
{
    while (world->steps < steps) {
        step(world);
    }
    faults_heal(world);
    pass(world, HEALING_US);
    pg_server_leave_promotion(world, world->plan.users);
    finish_promotions(world);
    settle(world);
    clients_probe(world);
    pass(world, 2 * SECOND_US);
    finish_promotions(world);
    settle(world);
    checks_end(world);
    if (world->plan.readers > 0) {
        pass(world, TELLING_US);
        readers_check_end(world);
    }
}

void world_note_fault(struct world *world, enum fault fault)
{
    world->faults[fault]++;
    TRACE(world, "fault %lld", fault);
}

/* ---- telling ---- */

void world_trace(struct world *world, const char *format, const long long values[TRACE_VALUES])
{
    struct trace_line *line = &world->trace[world->traced++ % TRACE_LINES];
    line->at_us = world->timeline.now_us;
    line->format = format;
    memcpy(line->values, values, sizeof line->values);
}

void world_fail(struct world *world, const char *format, ...)
{
    size_t first = world->traced > TRACE_LINES ? world->traced - TRACE_LINES : 0;
    for (size_t i = first; i < world->traced; i++) {
        const struct trace_line *line = &world->trace[i % TRACE_LINES];
        const long long *v = line->values;
        fprintf(stderr, "%12.6f  ", (double)(line->at_us - beginning_us) / (double)SECOND_US);
        fprintf(stderr, line->format, v[0], v[1], v[2], v[3], v[4], v[5]);
        fputc('\n', stderr);
    }
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "\nseed %llu, step %llu, broken: ", (unsigned long long)world->seed,
            (unsigned long long)world->steps);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort(); /* whose handler tells how to repeat it, as for an assertion of the service */
}
