/* The operator's commands while one call at a time fails: they end with status 0 and have done
 * their work, or say what failed; begun again they do it. */
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "process.h"
#include "servers.h"
#include "shell.h"
#include "test.h"
#include "torture.h"

enum { BUDGET = 2 /* of each kind */ };

struct command {
    const char *line;
    const char *prepare; /* SQL that is run before; NULL: none */
    const char *right;   /* SQL that tells whether its work is done */
    const char *says;    /* on standard output or standard error, when it has done it */
};

#define LINES                                                                                      \
    "event_id,user_id,created_at\n"                                                                \
    "a,u1,2026-11-22T10:15:30.123456Z\na,u2,2026-11-22T10:15:30.123456Z\n"                         \
    "b,u1,2026-11-22T10:15:30.123456Z\n"

#define EMPTY_TABLES "TRUNCATE rsvps, rsvp_counters"
#define FILL_TABLES                                                                                \
    EMPTY_TABLES "; INSERT INTO rsvps VALUES ('a', 'u1', '2026-11-22T10:15:30.123456Z'),"          \
                 " ('a', 'u2', '2026-11-22T10:15:30.123456Z'),"                                    \
                 " ('b', 'u1', '2026-11-22T10:15:30.123456Z');"                                    \
                 " INSERT INTO rsvp_counters (event_id, count, version) VALUES ('a', 2, 2), "

/* How many rows there are, with counters that are right. */
#define ROWS_RIGHT ROWS_ARE("3")
#define ROWS_ARE(count)                                                                            \
    "SELECT (SELECT count(*) FROM rsvps) = " count                                                 \
    " AND NOT EXISTS (SELECT 1 FROM rsvp_counters c"                                               \
    " WHERE count <> (SELECT count(*) FROM rsvps r WHERE r.event_id = c.event_id))"

static const struct command commands[] = {
    {"rsvpd migrate", "DROP SCHEMA public CASCADE; CREATE SCHEMA public",
     "SELECT count(*) = 0 FROM rsvps", "the schema is up to date"},
    {"rsvpd import --relation rsvp lines.csv", EMPTY_TABLES, ROWS_RIGHT,
     "3 lines, "}, /* what failed after its commit is there already when it is tried again */
    {"rsvpd export --relation rsvp", FILL_TABLES "('b', 1, 1)", ROWS_RIGHT, LINES},
    {"rm -f new.csv && rsvpd export --relation rsvp new.csv && cat new.csv",
     FILL_TABLES "('b', 1, 1)", ROWS_RIGHT, LINES},
    {"rsvpd verify", FILL_TABLES "('b', 1, 1)", ROWS_RIGHT, "2 entities, 3 rows, 0 differences"},
    {"rsvpd verify --repair; rsvpd verify", FILL_TABLES "('b', 7, 1)", ROWS_RIGHT,
     "2 entities, 3 rows, 0 differences"},
    {"rsvpd erase u1", FILL_TABLES "('b', 1, 1)", ROWS_ARE("1"), "places on waiting lists"},
    {"rsvpd config", NULL, "SELECT true", "DATABASE_URL"},
};

static const struct command *command; /* that is being tried */

static bool printed(const char *name, const char *words)
{
    char *text = shell_read_file(name);
    const bool found = strstr(text, words) != NULL;
    free(text);
    return found;
}

/* Runs it to its end, which must be a good one unless a call failed. */
static void run_line(const char *environment)
{
    const int status = shell_run("export %s; %s", environment, command->line);
    const bool failed = atomic_load(&torture_control->failed);
    if (status == 0) {
        assert_true(printed("out", command->says) || printed("err", command->says));
        assert_true(pg_query_bool(fixture.database_url, "%s", command->right));
    } else if (!failed || status > 2 || !printed("err", "rsvpd")) {
        char *err = shell_read_file("err");
        process_fail("it ended with status %d, saying only: %s", status, err);
    }
    assert_int_equal(shell_run("test ! -e new.csv.partial"), 0);
}

static void run_command(void)
{
    if (command->prepare != NULL) {
        pg_execute(fixture.database_url, "%s", command->prepare);
    }
    torture_arm();
    run_line(torture_environment);
    if (atomic_load(&torture_control->failed)) {
        const bool failed = atomic_exchange(&torture_control->failed, false);
        run_line("RSVPD_AGAIN=1");
        atomic_store(&torture_control->failed, failed);
    }
}

static void test_command(void **state)
{
    command = *state;
    struct torture_tally tally = torture_each(FAIL_GROUP_COUNT, BUDGET, run_command);
    torture_report(command->line, &tally);
}

static int set_up(void **state)
{
    torture_set_up();
    shell_group_setup(state);
    shell_write_file("lines.csv", LINES);
    return 0;
}

static int tear_down(void **state)
{
    shell_group_teardown(state);
    torture_tear_down();
    return 0;
}

#define COMMAND_TEST(name, i)                                                                      \
    {                                                                                              \
        "rsvpd " name, test_command, NULL, NULL, (void *)(uintptr_t)&commands[i]                   \
    }

/* An argument selects tests by a pattern of their names. */
int main(int argc, char **argv)
{
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    const struct CMUnitTest tests[] = {
        COMMAND_TEST("migrate", 0), COMMAND_TEST("import", 1),
        COMMAND_TEST("export", 2),  COMMAND_TEST("export to a file", 3),
        COMMAND_TEST("verify", 4),  COMMAND_TEST("verify --repair", 5),
        COMMAND_TEST("erase", 6),   COMMAND_TEST("config", 7),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
