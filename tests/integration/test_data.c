/* rsvpd import and rsvpd export: what they take, what they refuse, and that the counters are right
 * all along. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>
#include <signal.h>
#include <unistd.h>

#include "fixture.h"
#include "load_relation.h"
#include "process.h"
#include "servers.h"
#include "shell.h"
#include "test.h"

enum {
    STATUS_DONE = 0,
    STATUS_FAILED = 1,
    STATUS_USAGE = 2,
    CHUNK_LINES = 20000,
    MANY_LINES = 300000,
    MANY_THINGS = 100,
};

#define LINE_TOO_LONG 5000

static PGconn *session; /* of a test that needs one that stays open */

static int set_up(NO_STATE)
{
    shell_clear_tables();
    return 0;
}

static int tear_down(NO_STATE)
{
    PQfinish(session);
    session = NULL;
    pg_execute(fixture.database_url, "DROP TRIGGER IF EXISTS in_the_way ON rsvps");
    return 0;
}

/* ---- the database ---- */

static int64_t count_rows(const struct relation *relation)
{
    return pg_query_int64(fixture.database_url, "SELECT count(*) FROM %s", relation->table);
}

static int64_t count_where(const char *condition)
{
    return pg_query_int64(fixture.database_url, "SELECT count(*) FROM rsvps WHERE %s", condition);
}

/* Changes with everything in the tables: rows, times, counters and their versions. */
static int64_t fingerprint(const struct relation *relation)
{
    return pg_query_int64(fixture.database_url,
                          "SELECT (SELECT coalesce(sum(hashtextextended(m::text, 0)), 0) FROM %s "
                          "AS m)::numeric %% 1000000007"
                          " + (SELECT coalesce(sum(hashtextextended(c::text, 0)), 0) FROM %s AS "
                          "c)::numeric %% 1000000007",
                          relation->table, relation->counter_table);
}

/* That of the rows alone. */
static int64_t fingerprint_rows(const struct relation *relation)
{
    return pg_query_int64(
        fixture.database_url,
        "SELECT coalesce(sum(hashtextextended(m::text, 0)), 0)::numeric %% 1000000007"
        " FROM %s AS m",
        relation->table);
}

static void add_event_with_settings(const char *event)
{
    pg_execute(fixture.database_url,
               "INSERT INTO rsvp_counters (event_id, count, version, managed)"
               " VALUES ('%s', 0, 1, true)",
               event);
    pg_execute(fixture.database_url, "INSERT INTO events (event_id, waitlist) VALUES ('%s', false)",
               event);
}

/* ---- importing ---- */

static void import_adds_members_and_counts(void **state)
{
    const struct relation *relation = *state;
    shell_clear_tables();
    expect_shell(STATUS_DONE, "5 lines, 4 added, 1 already there, 0 bad", NULL,
                 "printf '%s,user_id\\nb,u2\\na,u1\\nb,u1\\nb,u2\\na:@~-._9,u1\\n'"
                 " | rsvpd import --relation %s",
                 relation->id_member, relation->name);
    assert_int_equal(count_rows(relation), 4);
    assert_int_equal(pg_query_int64(fixture.database_url,
                                    "SELECT count(*) FROM %s WHERE created_at <= now()"
                                    " AND created_at > now() - interval '10 minutes'",
                                    relation->table),
                     4);
    expect_counters_equal_rows(fixture.database_url);
    /* Beside what is there already. */
    expect_shell(
        STATUS_DONE, "3 lines, 2 added, 1 already there, 0 bad", NULL,
        "printf 'user_id,%s\\nu2,b\\nu3,b\\nu1,c\\n' > file; rsvpd import --relation=%s file",
        relation->id_member, relation->name);
    assert_int_equal(count_rows(relation), 6);
    expect_counters_equal_rows(fixture.database_url);
    assert_int_equal(pg_query_int64(fixture.database_url, "SELECT version FROM %s WHERE %s = 'b'",
                                    relation->counter_table, relation->id_member),
                     2);
    assert_int_equal(pg_query_int64(fixture.database_url, "SELECT count(*) FROM rsvps") +
                         pg_query_int64(fixture.database_url, "SELECT count(*) FROM likes"),
                     6);
}

static void importing_twice_changes_nothing(void **state)
{
    const struct relation *relation = *state;
    shell_clear_tables();
    expect_shell(STATUS_DONE, "30000 lines, 30000 added", NULL,
                 "(echo %s,user_id; seq -f 'thing,user-%%.0f' 30000) > file;"
                 " rsvpd import --relation %s file",
                 relation->id_member, relation->name);
    const int64_t before = fingerprint(relation);
    expect_shell(STATUS_DONE, "30000 lines, 0 added, 30000 already there, 0 bad", NULL,
                 "rsvpd import --relation %s - < file", relation->name);
    assert_int_equal(fingerprint(relation), before);
    assert_int_equal(
        pg_query_int64(fixture.database_url, "SELECT count FROM %s", relation->counter_table),
        30000);
}

/* Times, quotes, line ends, a mark, columns in another order, no end of the last line. */
static void import_reads_csv(NO_STATE)
{
    expect_shell(STATUS_DONE, "6 lines, 6 added", NULL,
                 "printf '\\357\\273\\277\"created_at\",event_id,\"user_id\"\\r\\n"
                 "2026-11-22T10:15:30.123456Z,e,u1\\r\\n"
                 "\"2026-11-22T11:15:30.123456789+01:00\",\"e\",\"u2\"\\r\\n"
                 ",e,u3\\n"
                 "\"\",e,u4\\n"
                 "1970-01-01T00:00:00Z,e,u5\\n"
                 "9999-12-31T23:59:59.999999Z,e,u6' | rsvpd import --relation rsvp");
    assert_int_equal(count_where("user_id IN ('u1', 'u2')"
                                 " AND created_at = '2026-11-22T10:15:30.123456Z'"),
                     2);
    assert_int_equal(count_where("user_id IN ('u3', 'u4')"
                                 " AND created_at > now() - interval '10 minutes'"),
                     2);
    assert_int_equal(count_where("user_id = 'u5' AND created_at = '1970-01-01T00:00:00Z'"), 1);
    assert_int_equal(count_where("user_id = 'u6' AND created_at = '9999-12-31T23:59:59.999999Z'"),
                     1);
}

static void of_equal_lines_the_first_counts(NO_STATE)
{
    expect_shell(STATUS_DONE, "4 lines, 2 added, 2 already there", NULL,
                 "printf 'event_id,user_id,created_at\\n"
                 "e,u2,2026-01-02T00:00:00Z\\n"
                 "e,u1,2026-01-03T00:00:00Z\\n"
                 "e,u2,2026-01-01T00:00:00Z\\n"
                 "e,u1,\\n' | rsvpd import --relation rsvp");
    assert_int_equal(count_where("(user_id, created_at) IN (('u1', '2026-01-03T00:00:00Z'),"
                                 " ('u2', '2026-01-02T00:00:00Z'))"),
                     2);
    expect_counters_equal_rows(fixture.database_url);
}

/* ---- bad lines ---- */

/* What stands on line 30001, and why it is bad. Run by printf(1). */
static const char *const bad_lines[][2] = {
    {"e", "1 fields, where the header has 3"},
    {"", "1 fields, where the header has 3"},
    {"e,u,,", "4 fields, where the header has 3"},
    {"e u,u,", "event_id \"e u\" is no identifier"},
    {"e,,", "user_id \"\" is no identifier"},
    {"e,u\\303\\251,", "user_id \"u\303\251\" is no identifier"},
    {"e,u\\377,", "is no identifier"},
    {"e,u\\000,", "user_id \"u\\u0000\" is no identifier"},
    {"e,u,2026-02-30T00:00:00Z", "is no RFC 3339 time"},
    {"e,u,1969-12-31T23:59:59Z", "is no RFC 3339 time"},
    {"e,\"u,", "a quote is not closed"},
    {"e,\"u\"v,", "behind a closing quote"},
    {"e,u%05000d,", "longer than 4096 bytes"},
};

static void a_bad_line_ends_the_import(NO_STATE)
{
    for (size_t i = 0; i < sizeof bad_lines / sizeof bad_lines[0]; i++) {
        shell_clear_tables();
        shell_write_file("bad", bad_lines[i][0]);
        expect_shell(STATUS_FAILED, NULL, "line 30001: ",
                     "(echo event_id,user_id,created_at; seq -f 'e,user-%%.0f,' 29999;"
                     " printf \"$(cat bad)\\n\"; seq -f 'e,user-%%.0f,' 30000 50000)"
                     " | rsvpd import --relation rsvp");
        expect_err(bad_lines[i][1]);
        expect_err("stopped; 20000 lines were applied\n");
        assert_int_equal(count_rows(&relations[RELATION_RSVP]), CHUNK_LINES);
        expect_counters_equal_rows(fixture.database_url);
    }
}

static void bad_lines_are_skipped(NO_STATE)
{
    expect_shell(STATUS_DONE, "9 lines, 3 added, 0 already there, 6 bad", NULL,
                 "printf '\"user_id\",event_id\\r\\n"
                 "u1,e\\r\\n"
                 "u 2,e\\r\\n"
                 "u3,\"e\\n"
                 "u4,e\\n"
                 "\\n"
                 "%%0%dd\\n"
                 "u5,e\\n"
                 "\\000\\377,e\\n"
                 "u6' > file; rsvpd import --relation rsvp --skip-bad left file",
                 LINE_TOO_LONG);
    expect_err("line 3: user_id \"u 2\" is no identifier");
    expect_err("line 4: a quote is not closed");
    expect_err("line 6: 1 fields");
    expect_err("line 7: it is longer");
    expect_err("line 9: user_id \"\\u0000\\ufffd\" is no identifier");
    expect_err("line 10: 1 fields");
    assert_int_equal(count_where("user_id IN ('u1', 'u4', 'u5')"), 3);
    /* The lines as they were, behind the header as it was. */
    expect_shell(
        STATUS_DONE, NULL, NULL,
        "printf '\"user_id\",event_id\\r\\nu 2,e\\r\\nu3,\"e\\n\\n%%0%dd\\n\\000\\377,e\\nu6'"
        " | cmp - left",
        LINE_TOO_LONG);
    /* Corrected, they are a file to import. */
    expect_shell(STATUS_DONE, "2 lines, 2 added", NULL,
                 "sed -i 's/u 2/u2/; s/\"e$/e/; 4,$d' left; rsvpd import --relation rsvp left");
    assert_int_equal(count_where("user_id IN ('u1', 'u2', 'u3', 'u4', 'u5')"), 5);
    expect_counters_equal_rows(fixture.database_url);
}

/* Lines of all lengths across the ends of what is read at once; the longest ones are bad. */
static void skipped_lines_are_whole_wherever_the_input_is_cut(NO_STATE)
{
    expect_shell(STATUS_DONE, "6000 lines, 4000 added, 0 already there, 2000 bad", NULL,
                 "(echo event_id,user_id; awk 'BEGIN { for (i = 0; i < 2000; i++) {"
                 " printf \"e,u%%d\\n\", i; printf \"bad%%0*d\\n\", i * 5, i;"
                 " printf \"f,u%%d\\n\", i } }') > file;"
                 " rsvpd import --relation rsvp --skip-bad left - < file 2>/dev/null");
    expect_shell(STATUS_DONE, NULL, NULL, "grep -v '^[ef],' file | cmp - left");
    expect_counters_equal_rows(fixture.database_url);
}

static void no_bad_lines_leave_a_header(NO_STATE)
{
    expect_shell(
        STATUS_DONE, "0 bad", NULL,
        "echo old > left; printf 'event_id,user_id\\ne,u' > file;"
        " rsvpd import --relation rsvp --skip-bad left file && printf 'event_id,user_id\\n'"
        " | cmp - left");
}

/* ---- events with settings ---- */

static void events_with_settings_are_refused(NO_STATE)
{
    add_event_with_settings("managed");
    pg_execute(fixture.database_url,
               "INSERT INTO rsvps (event_id, user_id) VALUES ('managed', 'in')");
    pg_execute(fixture.database_url,
               "UPDATE rsvp_counters SET count = 1 WHERE event_id = 'managed'");
    expect_shell(STATUS_FAILED, NULL, "line 4: the event has settings",
                 "printf 'event_id,user_id\\na,u1\\nmanaged,in\\nmanaged,u2\\na,u3\\nmanaged,u1\\n'"
                 " > file; rsvpd import --relation rsvp file");
    expect_err("stopped; 0 lines were applied");
    assert_int_equal(count_rows(&relations[RELATION_RSVP]), 1);
    expect_shell(STATUS_DONE, "5 lines, 2 added, 1 already there, 2 bad", "line 6: the event has",
                 "rsvpd import --relation rsvp --skip-bad left file &&"
                 " printf 'event_id,user_id\\nmanaged,u2\\nmanaged,u1\\n' | cmp - left");
    assert_int_equal(count_where("event_id = 'managed'"), 1);
    expect_counters_equal_rows(fixture.database_url);
    expect_shell(STATUS_DONE, NULL, NULL, "rsvpd verify");
    /* Behind a bad line that the input ended, a line of its own. */
    expect_shell(
        STATUS_DONE, "2 lines, 0 added, 0 already there, 2 bad", NULL,
        "printf 'event_id,user_id\\nmanaged,u2\\nbad' | rsvpd import --relation rsvp"
        " --skip-bad left && printf 'event_id,user_id\\nbad\\nmanaged,u2\\n' | cmp - left");
    /* Posts have no settings. */
    expect_shell(STATUS_DONE, "1 added", NULL,
                 "printf 'post_id,user_id\\nmanaged,u1\\n' | rsvpd import --relation like");
}

static void settings_and_waiting_lists_are_exported(NO_STATE)
{
    pg_execute(fixture.database_url,
               "INSERT INTO events (event_id, capacity, waitlist, opens_at, closes_at, waiting)"
               " VALUES ('b', 2, true, '2026-01-01T00:00:00.000001Z', 'infinity', 2),"
               " ('a', NULL, false, NULL, NULL, 0);"
               "INSERT INTO waitlist (event_id, ticket, user_id, created_at) VALUES"
               " ('b', 9, 'u1', '2026-01-02T00:00:00Z'), ('b', 10, 'u0', '-infinity')");
    expect_shell(STATUS_DONE,
                 "event_id,capacity,waitlist,opens_at,closes_at\n"
                 "a,,f,,\n"
                 "b,2,t,2026-01-01T00:00:00.000001Z,9999-12-31T23:59:59.999999Z\n",
                 "export settings: 2 rows", "rsvpd export --relation settings");
    expect_shell(STATUS_DONE,
                 "event_id,user_id,created_at\n"
                 "b,u1,2026-01-02T00:00:00.000000Z\n"
                 "b,u0,1970-01-01T00:00:00.000000Z\n",
                 "export waitlist: 2 rows", "rsvpd export --relation waitlist");
}

/* Into a full, closed event with a waiting list: who waits keeps their place. */
static void past_the_capacity_settings_keep_nobody_out(NO_STATE)
{
    const char *url = fixture.database_url;
    pg_execute(url, "INSERT INTO rsvp_counters (event_id, count, version, managed)"
                    " VALUES ('full', 1, 1, true);"
                    "INSERT INTO rsvps (event_id, user_id) VALUES ('full', 'in');"
                    "INSERT INTO events (event_id, capacity, waitlist, closes_at, waiting,"
                    " last_ticket) VALUES ('full', 1, true, now(), 3, 3);"
                    "INSERT INTO waitlist (event_id, ticket, user_id) VALUES"
                    " ('full', 1, 'w1'), ('full', 2, 'w2'), ('full', 3, 'w3')");
    expect_shell(STATUS_FAILED, NULL, "--past-capacity",
                 "printf 'event_id,user_id\\nfull,in\\nfull,w2\\nfull,new\\na,u1\\n' > file;"
                 " rsvpd import --relation rsvp file");
    expect_shell(STATUS_DONE, "4 lines, 3 added, 1 already there, 0 bad", NULL,
                 "rsvpd import --relation rsvp --past-capacity file");
    assert_int_equal(count_where("event_id = 'full'"), 3);
    assert_true(pg_query_bool(url, "SELECT array_agg(user_id ORDER BY ticket) = '{w1,w3}' FROM"
                                   " waitlist"));
    expect_counters_equal_rows(url);
    expect_shell(STATUS_DONE, "warning: settings full: 3 are going, and there are 1 seats", NULL,
                 "rsvpd verify");
    expect_shell(STATUS_DONE, "4 lines, 0 added", NULL,
                 "rsvpd import --relation rsvp --past-capacity file");
    expect_shell(STATUS_USAGE, NULL, "capacity",
                 "rsvpd import --relation like --past-capacity file");
}

/* The settings are made while the import has the event's rows already and waits for its counter. */
static void settings_that_come_in_between_are_seen(NO_STATE)
{
    session = PQconnectdb(fixture.database_url);
    pg_session_execute(session,
                       "INSERT INTO rsvp_counters (event_id, count, version) VALUES ('e', 0, 1)");
    pg_session_execute(session, "BEGIN");
    pg_session_execute(session, "UPDATE rsvp_counters SET managed = true WHERE event_id = 'e'");
    pg_session_execute(session,
                       "INSERT INTO events (event_id, waitlist, capacity) VALUES ('e', false, 0)");
    shell_write_file("file", "event_id,user_id\na,u1\ne,u1\nf,u1\n");
    const pid_t import =
        shell_begin("import", "exec rsvpd import --relation rsvp --skip-bad left file");
    pg_await_lock_waiter(fixture.database_url);
    pg_session_execute(session, "COMMIT");
    assert_int_equal(shell_end(import, "import"), STATUS_DONE);
    assert_int_equal(count_where("event_id = 'e'"), 0);
    assert_int_equal(count_where("event_id IN ('a', 'f')"), 2);
    char *left = shell_read_file("left");
    assert_string_equal(left, "event_id,user_id\ne,u1\n");
    free(left);
    expect_shell(STATUS_DONE, NULL, NULL, "rsvpd verify");
}

/* ---- settings and waiting lists ---- */

#define ALL_KINDS "for kind in settings rsvp like waitlist; do "

/* One event each that is full, limited by its window, more than full, closed with seats left while
 * somebody waits, and without settings. Tickets have gaps, as leaving makes them. */
static void fill_all_kinds(const char *url)
{
    pg_execute(url, "INSERT INTO rsvps (event_id, user_id, created_at)"
                    " SELECT e, 'u' || i, timestamptz '2026-11-22T10:15:30.123456Z' + i * interval"
                    " '1 hour 1 microsecond' FROM (VALUES ('full', 3), ('over', 5), ('closed', 1),"
                    " ('free', 40)) AS v (e, n), generate_series(1, n) AS i;"
                    "INSERT INTO rsvp_counters (event_id, count, version, managed) SELECT event_id,"
                    " count(*), 7, event_id <> 'free' FROM rsvps GROUP BY event_id;"
                    "INSERT INTO rsvp_counters VALUES ('window', 0, 3, true);"
                    "INSERT INTO likes (post_id, user_id) VALUES ('p', 'u1'), ('p', 'u2');"
                    "INSERT INTO like_counters (post_id, count, version) VALUES ('p', 2, 2)");
    pg_execute(url,
               "INSERT INTO events (event_id, capacity, waitlist, opens_at, closes_at, waiting,"
               " last_ticket, passed_ticket) VALUES"
               " ('full', 3, true, NULL, NULL, 30000, 90100, 100),"
               " ('over', 2, true, NULL, NULL, 1, 9, 8),"
               " ('closed', 4, true, NULL, '2026-01-01T00:00:00.000001Z', 1, 3, 0),"
               " ('window', NULL, false, '2026-01-02T00:00:00Z', 'infinity', 0, 0, 0)");
    pg_execute(url, "INSERT INTO waitlist (event_id, ticket, user_id, created_at)"
                    " SELECT 'full', 100 + i * 3, 'w' || 100000 - i,"
                    " timestamptz '2026-11-23Z' + i %% 77 * interval '1 microsecond'"
                    " FROM generate_series(1, 30000) AS i"
                    " UNION ALL VALUES ('over', 9, 'w', timestamptz '2026-11-23Z'),"
                    " ('closed', 3, 'w', timestamptz '2026-11-23Z')");
}

static void a_backup_of_all_kinds_is_whole(NO_STATE)
{
    fill_all_kinds(fixture.database_url);
    expect_shell(STATUS_DONE, "0 differences", NULL, "rsvpd verify");
    expect_shell(STATUS_DONE, NULL, NULL,
                 ALL_KINDS "rsvpd export --relation $kind $kind || exit 9; done");
    shell_clear_tables();
    expect_shell(STATUS_DONE, "import settings: 4 lines, 4 added, 0 replaced, 0 bad", NULL,
                 "rsvpd import --relation settings settings &&"
                 " rsvpd import --relation rsvp --past-capacity rsvp &&"
                 " rsvpd import --relation like like && rsvpd import --relation waitlist waitlist");
    expect_out("import rsvp: 49 lines, 49 added");
    expect_out("import waitlist: 30002 lines, 30002 added, 0 already there, 0 bad");
    expect_shell(STATUS_DONE, "0 differences", NULL, "rsvpd verify");
    expect_shell(STATUS_DONE, NULL, NULL,
                 ALL_KINDS "rsvpd export --relation $kind | cmp - $kind || exit 9; done");
    /* Again: nothing changes. */
    expect_shell(STATUS_DONE, "import settings: 4 lines, 0 added, 4 replaced, 0 bad", NULL,
                 "rsvpd import --relation settings settings &&"
                 " rsvpd import --relation waitlist waitlist");
    expect_out("import waitlist: 30002 lines, 0 added, 30002 already there, 0 bad");
    expect_shell(STATUS_DONE, NULL, NULL,
                 ALL_KINDS "rsvpd export --relation $kind | cmp - $kind || exit 9; done");
}

/* Users go on waiting when the waiting list is turned off, before the event opens, and after it has
 * closed. Their lines come back whatever the settings say. */
static void waiting_users_come_back_under_any_settings(NO_STATE)
{
    pg_execute(fixture.database_url,
               "INSERT INTO events (event_id, capacity, waitlist, opens_at, closes_at, waiting,"
               " last_ticket)"
               " SELECT concat('e-', capacity, waitlist, opens_at, closes_at), capacity, waitlist,"
               " opens_at::timestamptz, closes_at::timestamptz, 2, 2"
               " FROM unnest(ARRAY[0, 1, 5, NULL]) AS a (capacity),"
               " unnest(ARRAY[true, false]) AS b (waitlist),"
               " unnest(ARRAY[NULL, '2001-01-01', '2099-01-01']) AS c (opens_at),"
               " unnest(ARRAY[NULL, '2002-01-01', '2099-02-01']) AS d (closes_at)"
               " WHERE (capacity < 2 OR closes_at < '2010') AND coalesce(opens_at < closes_at,"
               " true);"
               "INSERT INTO rsvps (event_id, user_id) SELECT event_id, 'in' FROM events;"
               "INSERT INTO rsvp_counters (event_id, count, version, managed)"
               " SELECT event_id, 1, 1, true FROM events;"
               "INSERT INTO waitlist (event_id, ticket, user_id)"
               " SELECT event_id, 1, 'w2' FROM events UNION ALL SELECT event_id, 2, 'w1' FROM"
               " events");
    expect_shell(STATUS_DONE, "0 differences", NULL, "rsvpd verify");
    expect_shell(STATUS_DONE, NULL, NULL,
                 ALL_KINDS "rsvpd export --relation $kind $kind || exit 9; done");
    shell_clear_tables();
    expect_shell(STATUS_DONE, "0 bad", NULL,
                 "rsvpd import --relation settings settings &&"
                 " rsvpd import --relation rsvp --past-capacity rsvp &&"
                 " rsvpd import --relation waitlist waitlist");
    expect_shell(STATUS_DONE, "0 differences", NULL, "rsvpd verify");
    expect_shell(STATUS_DONE, NULL, NULL,
                 ALL_KINDS "rsvpd export --relation $kind | cmp - $kind || exit 9; done");
}

static void bad_settings_and_waiting_lines_are_told(NO_STATE)
{
    static const char settings[] = "event_id,capacity,waitlist,opens_at,closes_at\\na,1,t,,\\n";
    static const struct {
        const char *line, *word;
    } cases[] = {
        {"b,1,t,", "line 3: 4 fields, where the header has 5"},
        {"b c,1,t,,", "line 3: event_id \"b c\" is no identifier"},
        {"b,-1,t,,", "line 3: capacity \"-1\" is no whole number from 0 to 1000000000"},
        {"b,1,yes,,", "line 3: waitlist \"yes\" is none of t, true, f, false"},
        {"b,1,t,soon,", "line 3: opens_at \"soon\" is no RFC 3339 time"},
        {"b,1,t,,2026-02-30T00:00:00Z", "line 3: closes_at \"2026-02-30T00:00:00Z\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_shell(STATUS_FAILED, NULL, cases[i].word,
                     "printf '%s%s\\n' | rsvpd import --relation settings", settings,
                     cases[i].line);
        expect_err("stopped; 0 lines were applied");
    }
    expect_shell(STATUS_DONE, "2 lines, 1 added, 0 replaced, 1 bad", NULL,
                 "printf '%sb,1,,,\\n' | rsvpd import --relation settings --skip-bad left",
                 settings);
    expect_shell(STATUS_FAILED, NULL, "\"opens_at\" is missing",
                 "echo event_id,capacity,waitlist | rsvpd import --relation settings");
    expect_shell(STATUS_USAGE, NULL, "only RSVPs have a capacity",
                 "rsvpd import --relation waitlist --past-capacity left");
    /* Of an event without settings. */
    expect_shell(STATUS_FAILED, NULL, "line 3: the event has no settings; give it some",
                 "printf 'event_id,user_id\\na,u1\\nnone,u1\\n' | rsvpd import --relation"
                 " waitlist");
    expect_shell(STATUS_DONE, "3 lines, 1 added, 0 already there, 2 bad",
                 "line 2: the event has no settings",
                 "printf 'event_id,user_id\\nb,u1\\na,u1\\na,u 1\\n' | rsvpd import"
                 " --relation waitlist --skip-bad left && test $(wc -l < left) = 3");
    assert_int_equal(pg_query_int64(fixture.database_url,
                                    "SELECT count(*) FROM rsvp_counters WHERE event_id <> 'a'"),
                     0);
    expect_shell(STATUS_DONE, "0 differences", NULL, "rsvpd verify");
}

/* Who waits stays in front, in the order that they have; who is going does not wait. */
static void waiting_users_are_put_behind_those_who_wait(NO_STATE)
{
    const char *url = fixture.database_url;
    fill_all_kinds(url);
    expect_shell(STATUS_DONE, "7 lines, 3 added, 4 already there, 0 bad", NULL,
                 "printf 'user_id,event_id\\nz,over\\nw,over\\na,over\\nu1,over\\nz,over\\n"
                 "w99999,full\\nm,full\\n' | rsvpd import --relation waitlist");
    assert_true(pg_query_bool(url, "SELECT array_agg(user_id ORDER BY ticket) = '{w,z,a}' FROM"
                                   " waitlist WHERE event_id = 'over'"));
    assert_true(pg_query_bool(url, "SELECT user_id = 'm' FROM waitlist WHERE event_id = 'full'"
                                   " ORDER BY ticket DESC LIMIT 1"));
    assert_int_equal(count_where("true"), 49); /* nobody got in */
    expect_shell(STATUS_DONE, "0 differences", NULL, "rsvpd verify");
}

/* Seats that settings or a waiting list leave free go to the first, in steps and to the end. */
static void free_seats_go_to_the_first_who_wait(NO_STATE)
{
    const char *url = fixture.database_url;
    fill_all_kinds(url);
    expect_shell(STATUS_DONE, "3 lines, 1 added, 2 replaced, 0 bad", NULL,
                 "printf 'event_id,capacity,waitlist,opens_at,closes_at\\nfull,1,t,,\\n"
                 "new,2,t,,\\nfull,1203,t,,\\n' | rsvpd import --relation settings");
    assert_int_equal(count_where("event_id = 'full'"), 1203);
    /* The one who was first has w99999, the one who was last of those with a seat w98800. */
    assert_int_equal(count_where("event_id = 'full' AND user_id BETWEEN 'w98800' AND 'w99999'"),
                     1200);
    assert_int_equal(pg_query_int64(url, "SELECT count(*) FROM events WHERE promoting_at IS NOT"
                                         " NULL"),
                     0);
    expect_shell(STATUS_DONE, "0 differences", NULL, "rsvpd verify");
    expect_shell(STATUS_DONE, "3 lines, 3 added", NULL,
                 "printf 'event_id,user_id\\nnew,c\\nnew,a\\nnew,b\\n'"
                 " | rsvpd import --relation waitlist");
    assert_int_equal(count_where("event_id = 'new' AND user_id IN ('c', 'a')"), 2);
    assert_int_equal(pg_query_int64(url, "SELECT count(*) FROM waitlist WHERE event_id = 'new'"),
                     1);
    expect_counters_equal_rows(url);
    expect_shell(STATUS_DONE, "0 differences", NULL, "rsvpd verify");
}

/* ---- others in the way ---- */

/* Fails the first statements that add RSVPs, as if others were in the way. */
static void put_in_the_way(const char *sqlstate, int times)
{
    pg_execute(fixture.database_url, "CREATE SEQUENCE IF NOT EXISTS attempts");
    pg_execute(fixture.database_url, "SELECT setval('attempts', 1, false)");
    pg_execute(fixture.database_url,
               "CREATE OR REPLACE FUNCTION be_in_the_way() RETURNS trigger LANGUAGE plpgsql AS $$"
               " BEGIN IF nextval('attempts') <= %d THEN"
               " RAISE EXCEPTION 'in the way' USING ERRCODE = '%s'; END IF; RETURN NULL; END $$",
               times, sqlstate);
    pg_execute(fixture.database_url, "CREATE OR REPLACE TRIGGER in_the_way BEFORE INSERT ON rsvps"
                                     " FOR EACH STATEMENT EXECUTE FUNCTION be_in_the_way()");
}

static void chunks_with_others_in_the_way_are_tried_again(NO_STATE)
{
    static const char *const states[] = {"40001", "40P01", "55P03"};
    shell_write_file("file", "event_id,user_id\ne,u1\ne,u2\n");
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        shell_clear_tables();
        put_in_the_way(states[i], 3);
        expect_shell(STATUS_DONE, "2 lines, 2 added", NULL, "rsvpd import --relation rsvp file");
        expect_counters_equal_rows(fixture.database_url);
    }
    shell_clear_tables();
    put_in_the_way("40P01", 1000); /* there is an end to it */
    expect_shell(STATUS_FAILED, NULL, "in the way", "rsvpd import --relation rsvp file");
    put_in_the_way("23514", 1); /* and what is no such thing is not tried again */
    expect_shell(STATUS_FAILED, NULL, "in the way", "rsvpd import --relation rsvp file");
    assert_int_equal(count_rows(&relations[RELATION_RSVP]), 0);
}

/* The same lines in opposite order and others, twice at once. */
static void imports_at_once_do_not_disturb_each_other(NO_STATE)
{
    expect_shell(
        STATUS_DONE, NULL, NULL,
        "(echo event_id,user_id; seq 60000 | awk '{ print \"e\" $1 %% 50 \",u\" $1 }') > up;"
        " (echo event_id,user_id; seq 70000 -1 1"
        " | awk '{ print \"e\" $1 %% 50 \",u\" $1 }') > down");
    const pid_t up = shell_begin("up", "exec rsvpd import --relation rsvp up");
    const pid_t down = shell_begin("down", "exec rsvpd import --relation rsvp down");
    assert_int_equal(shell_end(up, "up"), STATUS_DONE);
    assert_int_equal(shell_end(down, "down"), STATUS_DONE);
    assert_int_equal(count_rows(&relations[RELATION_RSVP]), 70000);
    expect_counters_equal_rows(fixture.database_url);
}

/* ---- killed ---- */

static void make_many_lines(void)
{
    expect_shell(
        STATUS_DONE, NULL, NULL,
        "(echo event_id,user_id; seq %d | awk '{ print \"event-\" $1 %% %d \",user-\" $1 }')"
        " > many",
        MANY_LINES, MANY_THINGS);
}

static void a_killed_import_can_be_started_again(NO_STATE)
{
    make_many_lines();
    const pid_t import = shell_begin("import", "exec rsvpd import --relation rsvp many");
    pg_await(fixture.database_url, "SELECT count(*) > 0 FROM rsvp_counters");
    kill(import, SIGKILL);
    assert_int_equal(shell_end(import, "import"), 128 + SIGKILL);
    pg_await_sessions(fixture.database_url, 0);
    const int64_t applied = count_rows(&relations[RELATION_RSVP]);
    process_note("%lld lines were applied", (long long)applied);
    assert_true(applied > 0 && applied < MANY_LINES);
    assert_int_equal(applied % CHUNK_LINES, 0);
    expect_counters_equal_rows(fixture.database_url);
    expect_shell(STATUS_DONE, "300000 lines, ", NULL, "rsvpd import --relation rsvp many");
    char added[64];
    snprintf(added, sizeof added, " %lld added, %lld already there, 0 bad",
             (long long)(MANY_LINES - applied), (long long)applied);
    expect_out(added);
    assert_int_equal(count_rows(&relations[RELATION_RSVP]), MANY_LINES);
    expect_counters_equal_rows(fixture.database_url);
    expect_shell(STATUS_DONE, "rsvp: 100 entities, 300000 rows, 0 differences", NULL,
                 "rsvpd verify; rm many");
}

/* ---- exporting ---- */

static void fill_tables(const struct relation *relation, int rows)
{
    shell_clear_tables();
    pg_execute(fixture.database_url,
               "INSERT INTO %s (%s, user_id, created_at) SELECT 'thing-' || i %% 7, 'user-' || i,"
               " timestamptz '2026-11-22T10:15:30.123456Z' + i * interval '1 hour 1 microsecond'"
               " FROM generate_series(1, %d) AS i",
               relation->table, relation->id_member, rows);
    pg_execute(fixture.database_url,
               "INSERT INTO %s (%s, count, version) SELECT %s, count(*), 1 FROM %s GROUP BY %s",
               relation->counter_table, relation->id_member, relation->id_member, relation->table,
               relation->id_member);
}

static void what_is_exported_is_imported_equal(void **state)
{
    const struct relation *relation = *state;
    fill_tables(relation, 50000);
    const int64_t before = fingerprint_rows(relation);
    expect_shell(STATUS_DONE, NULL, "50000 rows",
                 "rsvpd export --relation %s copy && test ! -e copy.partial", relation->name);
    expect_shell(STATUS_DONE, NULL, NULL, "rsvpd export --relation %s > other && cmp copy other",
                 relation->name);
    shell_clear_tables();
    expect_shell(STATUS_DONE, "50000 lines, 50000 added, 0 already there, 0 bad", NULL,
                 "rsvpd import --relation %s copy", relation->name);
    assert_int_equal(fingerprint_rows(relation), before);
    expect_counters_equal_rows(fixture.database_url);
}

static void exports_are_ordered_and_complete(void **state)
{
    const struct relation *relation = *state;
    shell_clear_tables();
    pg_execute(fixture.database_url,
               "INSERT INTO %s (%s, user_id, created_at) VALUES"
               " ('b', 'u1', '2026-11-22 12:15:30+02'), ('a', 'Z', '2026-11-22 10:15:30.5Z'),"
               " ('a', 'a', '1970-01-01Z'), ('B', '~', '2026-11-22 10:15:30.123456Z')",
               relation->table, relation->id_member);
    expect_shell(STATUS_DONE, NULL, NULL,
                 "TZ=Asia/Tokyo PGTZ=Asia/Tokyo rsvpd export --relation %s -", relation->name);
    char expected[512];
    snprintf(expected, sizeof expected,
             "%s,user_id,created_at\n"
             "B,~,2026-11-22T10:15:30.123456Z\n"
             "a,Z,2026-11-22T10:15:30.500000Z\n"
             "a,a,1970-01-01T00:00:00.000000Z\n"
             "b,u1,2026-11-22T10:15:30.000000Z\n",
             relation->id_member);
    char *out = shell_read_file("out");
    assert_string_equal(out, expected);
    free(out);
}

static void an_export_that_fails_says_so(NO_STATE)
{
    fill_tables(&relations[RELATION_RSVP], 50000);
    expect_shell(STATUS_FAILED, NULL, "cannot write standard output: No space left on device",
                 "rsvpd export --relation rsvp > /dev/full");
    expect_shell(STATUS_FAILED, NULL, "cannot write /dev/full: No space left on device",
                 "rsvpd export --relation rsvp /dev/full");
    expect_shell(STATUS_DONE, "status 1", "cannot write standard output: Broken pipe",
                 "exec 3>&1; (rsvpd export --relation rsvp; echo status $? >&3) | head -n 1");
    expect_shell(STATUS_FAILED, NULL, "cannot write nowhere/file.partial: No such file",
                 "rsvpd export --relation rsvp nowhere/file");
    expect_shell(STATUS_DONE, NULL, NULL,
                 "rsvpd export --relation rsvp /dev/null && test -c /dev/null");
    expect_shell(STATUS_FAILED, NULL, "another export is writing it",
                 "echo old > taken; echo half > taken.partial;"
                 " rsvpd export --relation rsvp taken");
    expect_shell(
        STATUS_DONE, NULL, NULL,
        "test $(cat taken) = old && test $(cat taken.partial) = half && rm taken.partial &&"
        " rsvpd export --relation rsvp taken && test $(wc -l < taken) = 50001");
    /* A limit on files is a disk that is full; what stood there before stands there still. */
    expect_shell(STATUS_FAILED, NULL, "cannot write kept: ",
                 "echo old > kept; trap '' XFSZ; ulimit -f 100;"
                 " rsvpd export --relation rsvp kept");
    expect_shell(STATUS_DONE, NULL, NULL, "test $(cat kept) = old && test ! -e kept.partial");
}

/* What was written so far goes with an export that is told to end. */
static void an_export_that_is_ended_leaves_nothing(NO_STATE)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    session = PQconnectdb(fixture.database_url);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        pg_session_execute(session, "BEGIN");
        pg_session_execute(session, "LOCK TABLE rsvps");
        const pid_t export = shell_begin("export", "exec rsvpd export --relation rsvp ended");
        pg_await_lock_waiter(fixture.database_url);
        assert_int_equal(shell_run("test -e ended.partial"), 0);
        kill(export, ends[i]);
        assert_int_equal(shell_end(export, "export"), 128 + ends[i]);
        assert_int_equal(shell_run("test ! -e ended.partial && test ! -e ended"), 0);
        pg_session_execute(session, "ROLLBACK");
        pg_await_sessions(fixture.database_url, 1);
    }
}

static void a_link_stays_a_link(NO_STATE)
{
    fill_tables(&relations[RELATION_RSVP], 10);
    expect_shell(STATUS_DONE, NULL, NULL,
                 "echo old > real; ln -s real link; rsvpd export --relation rsvp link &&"
                 " test -L link && test $(wc -l < real) = 11");
}

/* ---- usage ---- */

static void what_cannot_be_imported_is_told(NO_STATE)
{
    static const struct {
        int status;
        const char *line, *word;
    } cases[] = {
        {STATUS_USAGE, "rsvpd import file", "say which relation"},
        {STATUS_USAGE, "rsvpd import --relation", "no value follows '--relation'"},
        {STATUS_USAGE, "rsvpd import --relation event file", "there is no relation 'event'"},
        {STATUS_USAGE, "rsvpd import --relation rsvp --skip file", "unexpected argument '--skip'"},
        {STATUS_USAGE, "rsvpd import --relation rsvp file file", "unexpected argument 'file'"},
        {STATUS_USAGE, "rsvpd export", "say which relation"},
        {STATUS_USAGE, "rsvpd export --relation rsvp --all", "unexpected argument '--all'"},
        {STATUS_USAGE, "DATABASE_URL= rsvpd import --relation rsvp file", "DATABASE_URL"},
        {STATUS_FAILED, "rsvpd import --relation rsvp nothing",
         "cannot open nothing: No such file"},
        {STATUS_FAILED, "rsvpd import --relation rsvp .", "cannot read .: Is a directory"},
        {STATUS_FAILED, "rsvpd import --relation rsvp - < /dev/null",
         "standard input is empty: it needs a header, event_id,user_id"},
        {STATUS_FAILED, "rsvpd import --relation like file", "column \"event_id\" is not one"},
        {STATUS_FAILED, "echo user_id | rsvpd import --relation like", "\"post_id\" is missing"},
        {STATUS_FAILED, "echo e,u | rsvpd import --relation rsvp", "line 1: column \"e\""},
        {STATUS_FAILED, "printf '%09999d' | rsvpd import --relation rsvp", "line 1 is no header"},
        {STATUS_FAILED, "rsvpd import --relation rsvp --skip-bad file file", "file is the input"},
        {STATUS_FAILED, "rsvpd import --relation rsvp --skip-bad ./a/b file", "cannot open ./a/b"},
        {STATUS_FAILED, "(cat file; echo bad) | rsvpd import --relation rsvp --skip-bad /dev/full",
         "cannot write the file of bad lines"},
        {STATUS_FAILED, "rsvpd import --relation rsvp file > /dev/full",
         "cannot write to standard output"},
    };
    shell_write_file("file", "event_id,user_id\ne,u\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_shell(cases[i].status, NULL, cases[i].word, "%s", cases[i].line);
    }
    expect_shell(STATUS_DONE, NULL, NULL, "test $(wc -l < file) = 2"); /* it was not overwritten */
    expect_shell(STATUS_DONE, "0 lines, 0 added, 0 already there, 0 bad", NULL,
                 "echo event_id,user_id | rsvpd import --relation rsvp");
}

static void the_schema_has_to_be_there(NO_STATE)
{
    char *url = pg_fresh_database(fixture.pg, "unmigrated");
    shell_write_file("file", "event_id,user_id\n");
    expect_shell(STATUS_FAILED, NULL, "run 'rsvpd migrate' first",
                 "DATABASE_URL='%s' rsvpd import --relation rsvp file", url);
    expect_shell(STATUS_FAILED, NULL, "run 'rsvpd migrate' first",
                 "DATABASE_URL='%s' rsvpd export --relation rsvp", url);
    free(url);
}

/* Streams that are closed or full: sockets and files do not take their places, and a command that
 * must print says that it could not. */
static void streams_that_take_nothing(NO_STATE)
{
    static const char *const commands[] = {
        "version", "help", "help serve", "serve --help", "config", "config --markdown", "verify"};
    for (size_t i = 0; i < LENGTH(commands); i++) {
        expect_shell(STATUS_FAILED, "", "cannot write to standard output", "rsvpd %s >/dev/full",
                     commands[i]);
        expect_shell(STATUS_FAILED, "", "cannot write to standard output", "rsvpd %s >&-",
                     commands[i]);
        expect_shell(STATUS_DONE, NULL, "", "rsvpd %s <&-", commands[i]);
    }
    expect_shell(STATUS_FAILED, "", "", "ADMIN_PORT=1 rsvpd health <&- >&- 2>&-");
    expect_shell(STATUS_DONE, "", "", "rsvpd export --relation rsvp <&- 2>&- >exported");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RELATION_TESTS(import_adds_members_and_counts),
        RELATION_TESTS(importing_twice_changes_nothing),
        cmocka_unit_test_setup(import_reads_csv, set_up),
        cmocka_unit_test_setup(of_equal_lines_the_first_counts, set_up),
        cmocka_unit_test_setup(a_bad_line_ends_the_import, set_up),
        cmocka_unit_test_setup(bad_lines_are_skipped, set_up),
        cmocka_unit_test_setup(skipped_lines_are_whole_wherever_the_input_is_cut, set_up),
        cmocka_unit_test_setup(no_bad_lines_leave_a_header, set_up),
        cmocka_unit_test_setup(events_with_settings_are_refused, set_up),
        cmocka_unit_test_setup(settings_and_waiting_lists_are_exported, set_up),
        cmocka_unit_test_setup(past_the_capacity_settings_keep_nobody_out, set_up),
        cmocka_unit_test_setup_teardown(settings_that_come_in_between_are_seen, set_up, tear_down),
        cmocka_unit_test_setup(a_backup_of_all_kinds_is_whole, set_up),
        cmocka_unit_test_setup(waiting_users_come_back_under_any_settings, set_up),
        cmocka_unit_test_setup(bad_settings_and_waiting_lines_are_told, set_up),
        cmocka_unit_test_setup(waiting_users_are_put_behind_those_who_wait, set_up),
        cmocka_unit_test_setup(free_seats_go_to_the_first_who_wait, set_up),
        cmocka_unit_test_setup_teardown(chunks_with_others_in_the_way_are_tried_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup(imports_at_once_do_not_disturb_each_other, set_up),
        cmocka_unit_test_setup(a_killed_import_can_be_started_again, set_up),
        RELATION_TESTS(what_is_exported_is_imported_equal),
        RELATION_TESTS(exports_are_ordered_and_complete),
        cmocka_unit_test_setup(an_export_that_fails_says_so, set_up),
        cmocka_unit_test_setup_teardown(an_export_that_is_ended_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup(a_link_stays_a_link, set_up),
        cmocka_unit_test_setup(what_cannot_be_imported_is_told, set_up),
        cmocka_unit_test(streams_that_take_nothing),
        cmocka_unit_test(the_schema_has_to_be_there),
    };
    return cmocka_run_group_tests(tests, shell_group_setup, shell_group_teardown);
}
