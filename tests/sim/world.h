/* One run of the simulation: several processes of the service over one database and one Redis, and
 * their clients. Everything in it happens on one thread, in virtual time, as the seed decides. */
#ifndef RSVPD_SIM_WORLD_H
#define RSVPD_SIM_WORLD_H

#include "clients.h"
#include "plan.h"
#include "postgres.h"
#include "readers.h"
#include "redis.h"
#include "timeline.h"

#include "rsvpd/domain/count_memory.h"
#include "rsvpd/service/service.h"

enum { WORKERS_MAX = 3, TRACE_LINES = 60, TRACE_VALUES = 6, TICK_US = 5 * 1000 };

/* What the workers of a process share. */
struct process {
    struct world *world;
    struct count_memory *counts; /* NULL while it is dead */
    int64_t clock_us;            /* its monotonic clock less the virtual time */
    /* The highest version of each count that it told anybody. */
    int64_t told_version[RELATION_COUNT][ENTITIES_MAX];
};

/* A worker of a process: the real service between stores of its own. */
struct worker {
    struct world *world;
    struct process *process;
    unsigned id;
    unsigned life;            /* how often it was started; what a killed one left is not its own */
    struct service *service;  /* NULL while it is dead */
    int64_t stalled_until_us; /* its loop does not turn before */
    bool turn_due;
    struct metrics *metrics;
    struct pg pg;
    struct redis_client redis;
    /* The last write of each pair, by number of its request, that was done for it. */
    int64_t done_last[RELATION_COUNT][ENTITIES_MAX][USERS_MAX];
};

enum fault {
    FAULT_ROLLED_BACK,
    FAULT_UNAVAILABLE,
    FAULT_LOST_BEFORE,
    FAULT_LOST_AFTER,
    FAULT_STOOD_STILL,
    FAULT_CRASH,
    FAULT_READ_ONLY,
    FAULT_SLOW,
    FAULT_REDIS_LOST,
    FAULT_REDIS_LATE,
    FAULT_REDIS_OUTAGE,
    FAULT_REDIS_DAMAGE,
    FAULT_STALL,
    FAULT_KILL,
    FAULT_HANG_UP,
    FAULT_REPEAT,
    FAULT_POISON,
    FAULT_TEXT,
    FAULT_COUNT
};
extern const char *const fault_names[FAULT_COUNT];

struct trace_line {
    int64_t at_us;
    const char *format; /* of six numbers, long long each */
    long long values[TRACE_VALUES];
};

struct world {
    uint64_t seed;
    struct random random;
    struct plan plan;
    struct timeline timeline;
    struct pg_server pg;
    struct redis_server redis;
    struct clients clients;
    struct readers readers;
    struct erasures erasures;
    struct process processes[WORKERS_MAX];
    struct worker workers[WORKERS_MAX]; /* shared out among the processes in turn */
    bool healing;                       /* the run is ending: no more faults */
    uint64_t steps, operations;
    uint64_t outcomes[OUTCOME_IN_FLIGHT + 1];
    uint64_t faults[FAULT_COUNT];
    struct trace_line trace[TRACE_LINES];
    size_t traced;
};

/* Makes the world of a seed. To be freed with world_free. */
struct world *world_create(uint64_t seed);
void world_free(struct world **world);

/* Lets so many events happen, then heals everything, lets all come to its end, and checks that it
 * did. */
void world_run(struct world *world, uint64_t steps);

/* Its clocks as the worker reads them now. */
struct instant worker_now(const struct worker *worker);

/* The worker's loop comes round soon. */
void worker_wake(struct worker *worker);

/* Whether the worker's loop stands still: the event that was for it is put off then. */
bool worker_puts_off(struct worker *worker, timeline_fn *run, void *subject, uint64_t number);

/* Kills a process with all its workers; starts it again. */
void process_kill(struct process *process);
void process_start(struct process *process);

/* A fault was injected. */
void world_note_fault(struct world *world, enum fault fault);

/* Notes what happens, for whoever has to understand a failure. */
#define TRACE(world, format, ...)                                                                  \
    world_trace(world, format, (const long long[TRACE_VALUES]){__VA_ARGS__})
void world_trace(struct world *world, const char *format, const long long values[TRACE_VALUES]);

/* An invariant does not hold: prints which, what happened last, and the command that repeats it,
 * and ends the process. */
_Noreturn void world_fail(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
