/* rsvpd_crowd: the crowd of the faults, with its ledger, for whoever runs the servers itself.
 *
 * usage: rsvpd_crowd PORT CERTIFICATE RATE CLIENTS REPORT
 *
 * Asks https://127.0.0.1:PORT, whose certificate CERTIFICATE signs, RATE times a second, with
 * CLIENTS clients of a connection each. HEADER in the environment is a line that every request
 * carries. Standard input tells it what to do:
 *
 *   step
 *     The next step begins: figures are of each.
 *   pause
 *     Asks nothing more, lets what is on its way end, says "paused" and when the last write was
 *     acknowledged.
 *   rewind FROM UNTIL
 *     While it pauses: the database was restored to a moment between the two. Says "rewound" and
 *     how many writes were acknowledged after FROM.
 *   resume
 *     Asks again.
 *   stop
 *     Lets what is on its way end, and says "stopped".
 *   compare URL
 *     Compares the ledger with the database, once no transaction goes on there.
 *
 * Moments of orders are Unix time in microseconds.
 *
 * Ends with status 1 as soon as an answer is wrong, or once a row is. REPORT then has the figures
 * of each step as JSON, with times in milliseconds of Unix time:
 *
 *   write, look-up, count, erasure: what became of the requests, latencies of successes, answers
 *                 (how often each came, by status and code of the problem)
 *   silence       the longest time without an acknowledged write: from_ms, until_ms. It belongs to
 *                 the step in which it ended
 *   last_write_ms when the last write was acknowledged; 0: none was
 *
 * Requests that fail are no violation: whoever reads the figures judges them. */
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crowd.h"
#include "findings.h"
#include "ledger.h"
#include "load.h"
#include "process.h"
#include "test.h"

enum {
    LINE_SIZE = 1024,
    LOOK_MS = 100, /* how often it looks whether a client has found a violation */
    STEPS_MAX = CROWD_PHASES - CROWD_DURING,
    DEADLINE_MS = 2000, /* the service's default */
};

static struct crowd_options options = {
    .tolerated = CROWD_REFUSALS | CROWD_LOSSES | CROWD_BALANCER,
    .deadline_ms = DEADLINE_MS,
};
static unsigned client_count;
static const char *report_path;
static struct ledger *ledger;
static struct crowd *crowd;
static unsigned steps = 1;
static bool has_stopped;

/* The next line of standard input, without its end; false: there is none, or the crowd has ended.
 */
static bool read_order(char line[LINE_SIZE])
{
    size_t size = 0;
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    while ((has_stopped || !crowd_has_ended(crowd)) && size < LINE_SIZE - 1) {
        if (poll(&input, 1, LOOK_MS) > 0) {
            if (read(STDIN_FILENO, line + size, 1) != 1) {
                return false;
            } else if (line[size] == '\n') {
                line[size] = '\0';
                return true;
            }
            size++;
        }
    }
    return false;
}

/* {"200": 31, "503 store-unavailable": 2} */
static json_t *describe_answers(const struct answers *answers)
{
    json_t *counts = json_object();
    for (size_t i = 0; i < answers->count; i++) {
        char name[ANSWERS_CODE_SIZE + 32];
        snprintf(name, sizeof name, "%ld%s%s", answers->of[i].status,
                 answers->of[i].code[0] != '\0' ? " " : "", answers->of[i].code);
        json_object_set_new(counts, name, json_integer((json_int_t)answers->of[i].count));
    }
    return counts;
}

static json_t *describe_kind(const struct crowd_figures *figures)
{
    return json_pack("{sI sI sI sI si si so}", "acknowledged", (json_int_t)figures->acknowledged,
                     "refused", (json_int_t)figures->refused, "unknown",
                     (json_int_t)figures->unknown, "stale", (json_int_t)figures->stale, "p50_us",
                     (int)figures->p50_us, "p99_us", (int)figures->p99_us, "answers",
                     describe_answers(&figures->answers));
}

static json_t *describe_step(const struct crowd_report *report, enum crowd_phase phase)
{
    const struct crowd_silence *silence = &report->silences[phase];
    json_t *step =
        json_pack("{s{sI sI} sI}", "silence", "from_ms", (json_int_t)(silence->from_us / 1000),
                  "until_ms", (json_int_t)(silence->until_us / 1000), "last_write_ms",
                  (json_int_t)(report->last_write_us[phase] / 1000));
    for (enum crowd_kind kind = 0; kind < CROWD_KINDS; kind++) {
        json_object_set_new(step, crowd_kind_names[kind],
                            describe_kind(&report->figures[phase][kind]));
    }
    return step;
}

static void write_report(const struct crowd_report *report)
{
    json_t *list = json_array();
    for (unsigned step = 0; step < steps; step++) {
        json_array_append_new(list, describe_step(report, (enum crowd_phase)(CROWD_DURING + step)));
    }
    json_t *root =
        json_pack("{so sI}", "steps", list, "stalled_ms", (json_int_t)(report->stalled_us / 1000));
    assert_int_equal(json_dump_file(root, report_path, JSON_INDENT(1)), 0);
    json_decref(root);
}

/* False: it is none of those that may come while the crowd asks. */
static bool obey(const char *order)
{
    long long from_us;
    long long until_us;
    if (strcmp(order, "step") == 0) {
        assert_true(steps < STEPS_MAX);
        crowd_set_phase(crowd, (enum crowd_phase)(CROWD_DURING + steps++));
    } else if (strcmp(order, "pause") == 0) {
        crowd_pause(crowd);
        printf("paused %lld\n", (long long)crowd_last_write_us(crowd));
    } else if (sscanf(order, "rewind %lld %lld", &from_us, &until_us) == 2) {
        printf("rewound %u\n", crowd_rewind(crowd, from_us, until_us));
    } else if (strcmp(order, "resume") == 0) {
        crowd_resume(crowd);
    } else {
        return false;
    }
    fflush(stdout);
    return true;
}

static void run(NO_STATE)
{
    char order[LINE_SIZE];
    static struct crowd_report report; /* too large for a stack */
    ledger = ledger_create(client_count);
    crowd = crowd_start(ledger, &options);
    crowd_set_phase(crowd, CROWD_DURING);
    while (read_order(order) && obey(order)) {
    }
    crowd_finish(crowd, &report);
    write_report(&report);
    has_stopped = true;
    puts("stopped");
    fflush(stdout);
    if (!read_order(order) || strncmp(order, "compare ", strlen("compare ")) != 0) {
        process_fail("standard input does not say what to compare with");
    }
    struct findings findings;
    findings_compare(&findings, ledger, order + strlen("compare "));
}

static int clean_up(NO_STATE)
{
    crowd_destroy(&crowd);
    free(ledger);
    return 0;
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(run, clean_up)};
    client_count = count == 6 ? (unsigned)strtoul(arguments[4], NULL, 10) : 0;
    if (client_count == 0 || client_count > LEDGER_CLIENTS_MAX) {
        fprintf(stderr,
                "usage: rsvpd_crowd PORT CERTIFICATE RATE CLIENTS REPORT (CLIENTS: 1 to %d)\n",
                LEDGER_CLIENTS_MAX);
        return 2;
    }
    options.ports[0] = (uint16_t)strtoul(arguments[1], NULL, 10);
    options.certificate_path = arguments[2];
    options.rate_per_s = (unsigned)strtoul(arguments[3], NULL, 10);
    options.header = getenv("HEADER");
    report_path = arguments[5];
    return cmocka_run_group_tests_name("crowd", tests, NULL, NULL) > 0;
}
