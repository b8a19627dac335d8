/* rsvpd_sim: runs seeds of the simulation.
 *
 *   rsvpd_sim --seed N       one seed
 *   rsvpd_sim --fixed [N]    those of the fixed set, or the first N of them
 *   rsvpd_sim --seconds S    fresh seeds, for so long; 0: until it is stopped
 *
 * A run is a seed and nothing else: the same seed repeats it, event by event. */
#include "world.h"

#include "rsvpd/base/clock.h"

#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STEPS = 20000, FIXED_SEEDS = 256, SECOND_US = 1000 * 1000 };

/* What all runs together came to. */
struct total {
    uint64_t seeds, steps, operations, simulated_us, erasures, erasures_complete, events;
    uint64_t outcomes[OUTCOME_IN_FLIGHT + 1];
    uint64_t faults[FAULT_COUNT];
};

static const char *const outcome_names[OUTCOME_IN_FLIGHT + 1] = {
    [OUTCOME_DONE] = "done",
    [OUTCOME_UNAVAILABLE] = "store unavailable",
    [OUTCOME_UNKNOWN] = "outcome unknown",
    [OUTCOME_OVERLOADED] = "overloaded",
    [OUTCOME_FAILED] = "failed",
    [OUTCOME_FULL] = "event full",
    [OUTCOME_CLOSED] = "event closed",
    [OUTCOME_KEY_REUSED] = "key reused",
    [OUTCOME_IN_FLIGHT] = "in flight",
};

static uint64_t running_seed;
static volatile sig_atomic_t stopped;

/* Sanitizers end the process by abort as well, so that the seed is told. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "abort_on_error=1";
}

const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
    return "abort_on_error=1";
}

static void on_abort(int signal_number)
{
    char line[80];
    int size = snprintf(line, sizeof line, "repeat it with: scripts/sim --seed %" PRIu64 "\n",
                        running_seed);
    ssize_t written = write(STDERR_FILENO, line, (size_t)size);
    (void)written;
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void on_stop(int signal_number)
{
    (void)signal_number;
    stopped = 1;
}

static void run_seed(uint64_t seed, struct total *total)
{
    running_seed = seed;
    struct world *world = world_create(seed);
    int64_t began_us = world->timeline.now_us;
    world_run(world, STEPS);
    total->seeds++;
    total->steps += world->steps;
    total->operations += world->operations;
    total->simulated_us += (uint64_t)(world->timeline.now_us - began_us);
    total->erasures += world->erasures.answered;
    total->events += world->readers.events;
    total->erasures_complete += world->erasures.complete;
    for (size_t i = 0; i <= OUTCOME_IN_FLIGHT; i++) {
        total->outcomes[i] += world->outcomes[i];
    }
    for (size_t i = 0; i < FAULT_COUNT; i++) {
        total->faults[i] += world->faults[i];
    }
    world_free(&world);
}

static void report(const struct total *total)
{
    uint64_t faults = 0;
    for (size_t i = 0; i < FAULT_COUNT; i++) {
        faults += total->faults[i];
        printf("%12" PRIu64 "  %s\n", total->faults[i], fault_names[i]);
    }
    for (size_t i = 0; i <= OUTCOME_IN_FLIGHT; i++) {
        printf("%12" PRIu64 "  answered: %s\n", total->outcomes[i], outcome_names[i]);
    }
    printf("%12" PRIu64 "  erasures answered, %" PRIu64 " of them complete\n", total->erasures,
           total->erasures_complete);
    printf("%12" PRIu64 "  events of streams\n", total->events);
    printf("%" PRIu64 " seeds, %" PRIu64 " steps, %" PRIu64 " s of virtual time, %" PRIu64
           " operations, %" PRIu64 " faults: every invariant held\n",
           total->seeds, total->steps, total->simulated_us / SECOND_US, total->operations, faults);
}

static void run_fresh(int64_t seconds, struct total *total)
{
    int64_t end_us = clock_mono_us() + seconds * SECOND_US, told_us = clock_mono_us();
    while (stopped == 0 && (seconds == 0 || clock_mono_us() < end_us)) {
        run_seed(clock_entropy() >> 24, total);
        if (seconds == 0 && clock_mono_us() - told_us > 10 * SECOND_US) {
            told_us = clock_mono_us();
            printf("%" PRIu64 " seeds, %" PRIu64 " operations so far\n", total->seeds,
                   total->operations);
            fflush(stdout);
        }
    }
}

static void run_fixed(uint64_t seeds, struct total *total)
{
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        run_seed(seed, total);
    }
}

static int usage(void)
{
    fputs("usage: rsvpd_sim --seed N | --fixed [N] | --seconds S\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct total total = {0};
    /* The services' caches are large and hardly touched here: fresh pages need no clearing. */
    mallopt(M_MMAP_THRESHOLD, 200 * 1024);
    signal(SIGABRT, on_abort);
    signal(SIGSEGV, on_abort);
    signal(SIGINT, on_stop);
    signal(SIGTERM, on_stop);
    if (argc == 3 && strcmp(argv[1], "--seed") == 0) {
        run_seed(strtoull(argv[2], NULL, 10), &total);
    } else if (argc <= 3 && argc >= 2 && strcmp(argv[1], "--fixed") == 0) {
        run_fixed(argc == 3 ? strtoull(argv[2], NULL, 10) : FIXED_SEEDS, &total);
    } else if (argc == 3 && strcmp(argv[1], "--seconds") == 0) {
        run_fresh(strtoll(argv[2], NULL, 10), &total);
    } else {
        return usage();
    }
    report(&total);
    return 0;
}
