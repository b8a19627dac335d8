/* Which call numbers are tried. */
#include "torture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "process.h"

/* So many calls are not all missed by chance: how often most are called varies from run to run. */
enum { MANY = 10 };

struct fail_control *torture_control;
char torture_environment[PROCESS_PATH_SIZE + 32];

static char directory[PROCESS_PATH_SIZE];
static enum fail_kind armed_kind;
static int armed_at;

void torture_set_up(void)
{
    process_make_directory(directory, NULL);
    snprintf(torture_environment, sizeof torture_environment, "RSVPD_FAIL_CONTROL=%s/plan",
             directory);
    torture_control = fail_share(strchr(torture_environment, '=') + 1);
    if (torture_control == NULL) {
        process_fail("cannot share the plan");
    }
}

void torture_tear_down(void)
{
    process_remove_directory(directory);
}

static unsigned seed(void)
{
    static unsigned value;
    static bool known;
    if (!known) {
        const char *given = getenv("TEST_SEED");
        known = true;
        value = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
        printf("TEST_SEED=%u\n", value);
    }
    return value;
}

/* How many calls of a kind are tried, of so many. */
static int try_at_most(int budget, int calls)
{
    const char *mode = getenv("TORTURE");
    if (mode != NULL && strcmp(mode, "full") == 0) {
        return calls;
    }
    budget = mode != NULL && atoi(mode) > 0 ? atoi(mode) : budget;
    return calls < budget ? calls : budget;
}

void torture_arm(void)
{
    fail_arm(torture_control, armed_kind, armed_at);
}

static void run_armed(enum fail_kind kind, int at, void (*run)(void))
{
    armed_kind = kind;
    armed_at = at;
    process_note("%s, call %d fails", fail_names[kind], at);
    run();
}

/* The i-th of `count` call numbers spread over 1 to `calls`. */
static int spread(int i, int count, int calls)
{
    const int offset = (int)(seed() % (unsigned)calls);
    return (offset + (int)((long)i * calls / count)) % calls + 1;
}

struct torture_tally torture_each(enum fail_group group, int budget, void (*run)(void))
{
    struct torture_tally tally = {0, 0, 0};
    int calls[FAIL_KIND_COUNT];
    run_armed((enum fail_kind)0, 0, run);
    for (int kind = 0; kind < FAIL_KIND_COUNT; kind++) {
        calls[kind] = atomic_load(&torture_control->calls[kind]);
    }
    for (int kind = 0; kind < FAIL_KIND_COUNT; kind++) {
        if (group != FAIL_GROUP_COUNT && fail_groups[kind] != group) {
            continue;
        }
        const int count = try_at_most(budget, calls[kind]);
        tally.calls += calls[kind];
        for (int i = 0; i < count; i++) {
            run_armed((enum fail_kind)kind, spread(i, count, calls[kind]), run);
            tally.tried++;
            tally.failed += atomic_load(&torture_control->failed);
        }
    }
    return tally;
}

void torture_report(const char *name, const struct torture_tally *tally)
{
    printf("%s: tried %d of %d calls, %d were reached and failed\n", name, tally->tried,
           tally->calls, tally->failed);
    if (tally->tried >= MANY && tally->failed == 0) {
        process_fail("no call failed");
    }
}
