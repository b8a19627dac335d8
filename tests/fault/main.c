/* rsvpd_fault: does to a service, its PostgreSQL, its Redis and its clients what can happen to
 * them, under load, and checks that what is promised about it holds.
 *
 * usage: rsvpd_fault [--short] [--part K N] [--report FILE] [NAME...] | --soak SECONDS | --list
 *
 * Each fault is a cmocka test and prints its figures; with --report they are appended to FILE as
 * rows of a Markdown table. --short judges correctness, not time and memory, and takes only the
 * faults that last seconds, as part of the ordinary tests; --part takes the Kth (from 0) of N parts
 * of them. A fault that cannot be run here is skipped and says why.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"
#include "load.h"
#include "process.h"
#include "test.h"

enum {
    FAULTS_MAX = 96,
    ENVIRONMENT_MAX = 8,
    DEADLINE_MS = 2000, /* the service's default */
    GRACE_MS = 100,
    RATE_PER_S = 1000,
    SHORT_RATE_PER_S = 400, /* sanitizers are slow */
    SHORT_LASTS_MS = 1500,
    WARM_UP_MS = 2000,
    BEFORE_MS = 4000,
    AFTER_MS = 6000,
    SHORT_PHASE_MS = 500,
    BACK_BOUND_MS = 30000,
    RESOURCES_BOUND_MS = 10000,
    LOOKS_APART_MS = 100,
    MEMORY_SLACK_KIB = 16384,
    MEMORY_MAX_KIB = 1024 * 1024, /* of all services, at any time */
    DESCRIPTORS_SLACK = 4, /* they and the connections of clients are counted one after the other */
    NOISE_US = 200,        /* of a median, whatever its size */
};

static const struct fault *faults[FAULTS_MAX];
static size_t fault_count;
static struct stand stand;
static int64_t soak_s; /* 0: no soak */
static bool is_short;
static bool judges_figures =
    true; /* time and memory: not on a busy machine, or under a sanitizer */
static FILE *report_file;
static size_t part; /* of so many parts is run */
static size_t parts = 1;

/* ---- verdicts ---- */

static void append(char text[VERDICT_SIZE], const char *format, va_list arguments)
{
    const size_t used = strlen(text);
    const int separator = used > 0 ? snprintf(text + used, VERDICT_SIZE - used, ", ") : 0;
    const size_t start = used + (size_t)separator;
    if (start < VERDICT_SIZE) {
        vsnprintf(text + start, VERDICT_SIZE - start, format, arguments);
    }
}

void verdict_fail(struct verdict *verdict, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    append(verdict->failures, format, arguments);
    va_end(arguments);
}

void verdict_add(struct verdict *verdict, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    append(verdict->figures, format, arguments);
    va_end(arguments);
}

/* ---- one fault ---- */

/* Waits until writes and look-ups succeed again, and counts are fresh; false past the bound. */
static bool await_success(void)
{
    const int64_t end_ms = process_now_ms() + BACK_BOUND_MS;
    bool back = false;
    while (!back && process_now_ms() < end_ms && !crowd_has_ended(stand.crowd)) {
        back = true;
        for (enum crowd_kind kind = 0; kind < CROWD_KINDS; kind++) {
            back = back && crowd_back_ms(stand.crowd, kind) >= 0;
        }
        process_nap();
    }
    return back;
}

static void judge_back(const struct fault *fault, struct verdict *verdict)
{
    if (!await_success()) {
        verdict_fail(verdict, "success is not back after %d ms", BACK_BOUND_MS);
    }
    stand_wait_ms(&stand, is_short ? SHORT_PHASE_MS : AFTER_MS);
    for (enum crowd_kind kind = 0; kind < CROWD_KINDS; kind++) {
        const int back_ms = crowd_back_ms(stand.crowd, kind);
        verdict_add(verdict, "%ss back after %d ms", crowd_kind_names[kind], back_ms);
        /* An erasure is many steps: that it succeeds again is promised, and not how soon. */
        const bool judges_time = judges_figures && fault->back_ms > 0 && kind != CROWD_ERASE;
        if (back_ms < 0 || (judges_time && back_ms > fault->back_ms)) {
            verdict_fail(verdict, "%ss were back after %d ms, not %d", crowd_kind_names[kind],
                         back_ms, fault->back_ms);
        }
    }
}

/* Descriptors and the connections of clients are counted one after the other: waits until two looks
 * agree. */
static struct stand_resources measure_usual(void)
{
    const int64_t end_ms = process_now_ms() + RESOURCES_BOUND_MS;
    struct stand_resources last;
    struct stand_resources now = stand_measure(&stand);
    do {
        last = now;
        stand_wait_ms(&stand, LOOKS_APART_MS);
        now = stand_measure(&stand);
    } while (now.descriptors != last.descriptors && process_now_ms() < end_ms);
    return now;
}

static bool is_back(const struct stand_resources *now, const struct stand_resources *before,
                    int64_t memory_kib)
{
    return now->descriptors <= before->descriptors + DESCRIPTORS_SLACK &&
           now->pg_sessions <= before->pg_sessions && now->redis_clients <= before->redis_clients &&
           (!judges_figures ||
            now->memory_kib <= before->memory_kib * 5 / 4 + MEMORY_SLACK_KIB + memory_kib);
}

static void judge_resources(const struct fault *fault, const struct stand_resources *before,
                            struct verdict *verdict)
{
    const int64_t end_ms = process_now_ms() + RESOURCES_BOUND_MS;
    struct stand_resources now = stand_measure(&stand);
    while (!is_back(&now, before, fault->memory_kib) && process_now_ms() < end_ms &&
           !crowd_has_ended(stand.crowd)) {
        stand_wait_ms(&stand, 100);
        now = stand_measure(&stand);
    }
    verdict_add(verdict,
                "descriptors %lld -> %lld, memory %lld -> %lld KiB (at most %lld), sessions %lld "
                "-> %lld, Redis "
                "clients %lld -> %lld",
                (long long)before->descriptors, (long long)now.descriptors,
                (long long)before->memory_kib, (long long)now.memory_kib, (long long)now.peak_kib,
                (long long)before->pg_sessions, (long long)now.pg_sessions,
                (long long)before->redis_clients, (long long)now.redis_clients);
    if (!is_back(&now, before, fault->memory_kib)) {
        verdict_fail(verdict, "resources are not back to where they were");
    }
    if (judges_figures && now.peak_kib > MEMORY_MAX_KIB) {
        verdict_fail(verdict, "memory grew to %lld KiB", (long long)now.peak_kib);
    }
}

/* The machine itself becomes slower or faster meanwhile, by what before and after differ. */
static double slowest_allowed_us(uint32_t before_us, uint32_t after_us, const struct fault *fault)
{
    const uint32_t usual_us = before_us > after_us ? before_us : after_us;
    const uint32_t drift_us = before_us > after_us ? before_us - after_us : after_us - before_us;
    return usual_us * fault->slower_max + drift_us + (double)NOISE_US;
}

static void judge_report(const struct fault *fault, const struct crowd_report *report,
                         struct verdict *verdict)
{
    for (enum crowd_kind kind = 0; kind < CROWD_KINDS; kind++) {
        const struct crowd_figures *before = &report->figures[CROWD_BEFORE][kind];
        const struct crowd_figures *during = &report->figures[CROWD_DURING][kind];
        const struct crowd_figures *after = &report->figures[CROWD_AFTER][kind];
        verdict_add(verdict,
                    "%ss under the fault: %llu acknowledged %llu refused %llu unknown %llu stale, "
                    "after it: %llu %llu %llu %llu, p50 %u -> %u -> %u us, p99 %u -> %u -> %u us",
                    crowd_kind_names[kind], (unsigned long long)during->acknowledged,
                    (unsigned long long)during->refused, (unsigned long long)during->unknown,
                    (unsigned long long)during->stale, (unsigned long long)after->acknowledged,
                    (unsigned long long)after->refused, (unsigned long long)after->unknown,
                    (unsigned long long)after->stale, before->p50_us, during->p50_us, after->p50_us,
                    before->p99_us, during->p99_us, after->p99_us);
        const bool is_fast = kind == CROWD_WRITE || kind == CROWD_LOOKUP;
        if (judges_figures && fault->slower_max > 0 && is_fast &&
            during->p50_us > slowest_allowed_us(before->p50_us, after->p50_us, fault)) {
            verdict_fail(verdict, "%ss became slower than %.2f times", crowd_kind_names[kind],
                         fault->slower_max);
        }
        if (judges_figures && fault->slower_max > 0 && during->failed_own > 0) {
            verdict_fail(verdict, "%llu %ss of other events failed",
                         (unsigned long long)during->failed_own, crowd_kind_names[kind]);
        }
    }
    verdict_add(verdict,
                "worst answer %lld ms past the deadline, the driver got no processor for %lld ms",
                (long long)report->worst_late_us / 1000, (long long)report->stalled_us / 1000);
    if (judges_figures && report->worst_late_us > GRACE_MS * 1000) {
        verdict_fail(verdict, "an answer came %lld ms past the deadline",
                     (long long)report->worst_late_us / 1000);
    }
}

static void run_under_load(const struct fault *fault, struct verdict *verdict)
{
    struct crowd_options options = {
        .ports = {stand.services[0]->port, stand.services[1] != NULL ? stand.services[1]->port : 0},
        .rate_per_s = is_short ? SHORT_RATE_PER_S : RATE_PER_S,
        .tolerated = fault->tolerated,
        .deadline_ms = DEADLINE_MS,
    };
    static struct crowd_report report; /* too large for a stack */
    if (fault->front != NULL) {
        options.ports[0] = options.ports[1] = fault->front(&stand);
    }
    stand.crowd = crowd_start(stand.ledger, &options);
    stand_wait_ms(&stand, is_short ? SHORT_PHASE_MS : WARM_UP_MS);
    crowd_set_phase(stand.crowd, CROWD_BEFORE);
    stand_wait_ms(&stand, is_short ? SHORT_PHASE_MS : BEFORE_MS);
    const struct stand_resources before = measure_usual();

    crowd_set_phase(stand.crowd, CROWD_DURING);
    const int lasts_ms =
        is_short && fault->lasts_ms > SHORT_LASTS_MS ? SHORT_LASTS_MS : fault->lasts_ms;
    const int64_t until_ms = process_now_ms() + lasts_ms;
    if (fault->begin != NULL) {
        fault->begin(&stand);
    }
    if (fault->go_on != NULL) {
        fault->go_on(&stand, until_ms);
    } else {
        stand_wait_ms(&stand, until_ms - process_now_ms());
    }
    if (fault->end != NULL) {
        fault->end(&stand);
    }
    crowd_note_end(stand.crowd);

    judge_back(fault, verdict);
    judge_resources(fault, &before, verdict);
    stand_check(&stand, &report);
    judge_report(fault, &report, verdict);
}

static void print_line(const struct fault *fault, const char *result, const char *why,
                       const char *figures)
{
    print_message("%s: %s%s%s%s%s\n", fault->name, result, why[0] != '\0' ? ": " : "", why,
                  figures[0] != '\0' ? "\n    " : "", figures);
    if (report_file != NULL) {
        fprintf(report_file, "| %s | `%s` | %s%s%s | %s |\n", fault->promise, fault->name, result,
                why[0] != '\0' ? ": " : "", why, figures);
        fflush(report_file);
    }
}

/* What the fault wants. In the short form a request that must not fail has all the time it may need
 * on a busy machine. */
static const char *const *environment_of(const struct fault *fault)
{
    static const char *patient[ENVIRONMENT_MAX + 2];
    size_t count = 0;
    if (!is_short || (fault->tolerated & CROWD_REFUSALS)) {
        return fault->environment;
    }
    while (fault->environment != NULL && fault->environment[count] != NULL) {
        assert_true(count < ENVIRONMENT_MAX);
        patient[count] = fault->environment[count];
        count++;
    }
    patient[count] = "REQUEST_DEADLINE_MS=15000";
    patient[count + 1] = NULL;
    return patient;
}

static const struct fault *current; /* whose line is still to be printed */

static void run_fault(void **state)
{
    const struct fault *fault = *state;
    struct verdict verdict = {.failures = ""};
    const char *obstacle = fault->obstacle != NULL ? fault->obstacle() : NULL;
    if (obstacle != NULL) {
        print_line(fault, "not run", obstacle, "");
        skip();
    }
    current = fault;
    process_note("%s", fault->name);
    stand_set_up(&stand, is_short);
    if (fault->is_remote) {
        stand_put_relays(&stand);
    }
    if (fault->prepare != NULL) {
        fault->prepare(&stand);
    }
    stand_start_services(&stand, fault->services > 0 ? fault->services : 1, environment_of(fault));
    run_under_load(fault, &verdict);
    if (fault->judge != NULL) {
        fault->judge(&stand, &verdict);
    }
    for (unsigned i = 0; i < stand.service_count; i++) {
        service_stop(&stand.services[i]);
    }
    current = NULL;
    print_line(fault, verdict.failures[0] == '\0' ? "passed" : "FAILED", verdict.failures,
               verdict.figures);
    assert_string_equal(verdict.failures, "");
}

/* Whether it happens to whatever stands there, and needs nothing put up for it. */
static bool is_for_soak(const struct fault *fault)
{
    return fault->obstacle == NULL && fault->prepare == NULL && fault->front == NULL &&
           fault->environment == NULL;
}

static const struct fault *any_fault_for_soak(struct load_random *random)
{
    const struct fault *fault;
    do {
        fault = faults[load_random_below(random, (unsigned)fault_count)];
    } while (!is_for_soak(fault));
    return fault;
}

/* Two services, and one random fault after the other for as long as it was told. */
static void soak(NO_STATE)
{
    const int64_t end_ms = process_now_ms() + soak_s * 1000;
    struct load_random random = load_random_stream(LOAD_CLIENTS_MAX + 1);
    stand_set_up(&stand, is_short);
    stand_put_relays(&stand);
    stand_start_services(&stand, 2, NULL);
    while (process_now_ms() < end_ms) {
        const struct fault *fault = any_fault_for_soak(&random);
        struct verdict verdict = {.failures = ""};
        process_note("%s", fault->name);
        run_under_load(fault, &verdict);
        print_line(fault, verdict.failures[0] == '\0' ? "passed" : "FAILED", verdict.failures,
                   verdict.figures);
        assert_string_equal(verdict.failures, "");
    }
    for (unsigned i = 0; i < stand.service_count; i++) {
        service_stop(&stand.services[i]);
    }
}

static int clean_up_soak(NO_STATE)
{
    redis_server_set_arguments(stand.redis, NULL);
    stand_tear_down(&stand);
    return 0;
}

static int clean_up(void **state)
{
    const struct fault *fault = *state;
    if (current != NULL) { /* it ended in the middle */
        current = NULL;
        print_line(fault, "FAILED", "a check in the middle failed; see above", "");
    }
    if (fault->clean_up != NULL && stand.ledger != NULL) {
        fault->clean_up(&stand);
    }
    stand_tear_down(&stand);
    return 0;
}

/* ---- the command line ---- */

static void collect_faults(void)
{
    const struct {
        const struct fault *faults;
        size_t count;
    } groups[] = {
        {faults_postgres, faults_postgres_count}, {faults_redis, faults_redis_count},
        {faults_service, faults_service_count},   {faults_clients, faults_clients_count},
        {faults_network, faults_network_count},
    };
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        for (size_t j = 0; j < groups[i].count; j++) {
            faults[fault_count++] = &groups[i].faults[j];
        }
    }
}

static bool is_wanted(const struct fault *fault, int count, char **names)
{
    bool wanted = count == 0 && (!is_short || fault->is_short);
    for (int i = 0; i < count; i++) {
        wanted = wanted || strcmp(names[i], fault->name) == 0;
    }
    return wanted;
}

static int list_faults(void)
{
    for (size_t i = 0; i < fault_count; i++) {
        printf("%-24s %s%s\n", faults[i]->name, faults[i]->is_short ? "(short) " : "",
               faults[i]->promise);
    }
    return 0;
}

static int run_faults(int count, char **names)
{
    struct CMUnitTest tests[FAULTS_MAX];
    size_t test_count = 0;
    size_t wanted = 0;
    for (size_t i = 0; i < fault_count; i++) {
        if (is_wanted(faults[i], count, names) && wanted++ % parts == part) {
            tests[test_count++] = (struct CMUnitTest){
                .name = faults[i]->name,
                .test_func = run_fault,
                .teardown_func = clean_up,
                .initial_state = (void *)(uintptr_t)faults[i],
            };
        }
    }
    if (test_count < (size_t)(count > 0 ? count : 1)) {
        fprintf(stderr, "rsvpd_fault: no such fault; --list names them\n");
        return 2;
    }
    const int failed = _cmocka_run_group_tests("faults", tests, test_count, NULL, NULL);
    stand_remove(&stand);
    return failed > 0;
}

static int run_soak(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(soak, clean_up_soak)};
    const int failed = cmocka_run_group_tests_name("soak", tests, NULL, NULL);
    stand_remove(&stand);
    return failed > 0;
}

static const char usage[] =
    "rsvpd_fault [--short] [--part K N] [--report FILE] [NAME...] | --soak SECONDS | --list";

int main(int count, char **arguments)
{
    int used = 1;
    service_keep_defaults();
    collect_faults();
    for (; used < count && strncmp(arguments[used], "--", 2) == 0; used++) {
        if (strcmp(arguments[used], "--list") == 0) {
            return list_faults();
        } else if (strcmp(arguments[used], "--short") == 0) {
            is_short = true;
            judges_figures = false;
        } else if (strcmp(arguments[used], "--report") == 0 && used + 1 < count) {
            report_file = fopen(arguments[++used], "ae");
        } else if (strcmp(arguments[used], "--part") == 0 && used + 2 < count) {
            part = strtoul(arguments[++used], NULL, 10);
            parts = strtoul(arguments[++used], NULL, 10);
        } else if (strcmp(arguments[used], "--soak") == 0 && used + 1 < count) {
            soak_s = strtoll(arguments[++used], NULL, 10);
            judges_figures = false;
        } else {
            fprintf(stderr, "usage: %s\n", usage);
            return 2;
        }
    }
    load_seed();
    return soak_s > 0 ? run_soak() : run_faults(count - used, arguments + used);
}
