/* rsvpd verify: right data is right whatever is being written, what is wrong is found and mended.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "expect.h"
#include "fixture.h"
#include "load.h"
#include "load_relation.h"
#include "process.h"
#include "servers.h"
#include "service.h"
#include "shell.h"
#include "test.h"

enum { STATUS_RIGHT = 0, STATUS_DIFFERS = 1, STATUS_USAGE = 2, STEP_BOUND_MS = 60000 };

static int set_up(NO_STATE)
{
    shell_clear_tables();
    return 0;
}

/* ---- data ---- */

/* So many members of one thing, without a counter. */
static void add_members(const struct relation *relation, const char *id, int rows)
{
    pg_execute(fixture.database_url,
               "INSERT INTO %s (%s, user_id) SELECT '%s', 'user-' || i"
               " FROM generate_series(1, %d) AS i",
               relation->table, relation->id_member, id, rows);
}

static void add_counter(const struct relation *relation, const char *id, int count)
{
    pg_execute(fixture.database_url, "INSERT INTO %s (%s, count, version) VALUES ('%s', %d, 7)",
               relation->counter_table, relation->id_member, id, count);
}

static int64_t version_of(const struct relation *relation, const char *id)
{
    return pg_query_int64(fixture.database_url, "SELECT version FROM %s WHERE %s = '%s'",
                          relation->counter_table, relation->id_member, id);
}

static void add_settings(const char *event, const char *capacity, int waiting)
{
    pg_execute(fixture.database_url,
               "INSERT INTO events (event_id, capacity, waitlist, waiting)"
               " VALUES ('%s', %s, true, %d)",
               event, capacity, waiting);
}

static void add_waiters(const char *event, int rows)
{
    pg_execute(fixture.database_url,
               "INSERT INTO waitlist (event_id, ticket, user_id) SELECT '%s', i, 'waiter-' || i"
               " FROM generate_series(1, %d) AS i",
               event, rows);
    pg_execute(fixture.database_url, "UPDATE events SET last_ticket = %d WHERE event_id = '%s'",
               rows, event);
}

static void set_managed(const char *event)
{
    pg_execute(fixture.database_url,
               "UPDATE rsvp_counters SET managed = true WHERE event_id = '%s'", event);
}

/* ---- tests ---- */

static void nothing_is_right(NO_STATE)
{
    expect_shell(STATUS_RIGHT, "rsvp: 0 entities, 0 rows, 0 differences", NULL, "rsvpd verify");
    expect_out("like: 0 entities, 0 rows, 0 differences");
    expect_out("settings: 0 entities, 0 rows, 0 differences");
}

static void right_counters_are_right(void **state)
{
    const struct relation *relation = *state;
    char expected[128];
    set_up(state);
    for (int i = 0; i < 5; i++) {
        char id[16];
        snprintf(id, sizeof id, "thing-%d", i);
        add_members(relation, id, i);
        add_counter(relation, id, i); /* thing-0 had members once */
    }
    snprintf(expected, sizeof expected, "%s: 5 entities, 10 rows, 0 differences", relation->name);
    expect_shell(STATUS_RIGHT, expected, NULL, "rsvpd verify");
    expect_shell(STATUS_RIGHT, expected, NULL, "rsvpd verify --repair");
    assert_int_equal(version_of(relation, "thing-3"), 7);
}

static const struct {
    const char *id;
    int rows;
    int count; /* -1: no counter */
    const char *shown;
} plants[] = {
    {"a-high", 3, 4, "the count is 4, and there are 3 rows"},
    {"b-right", 3, 3, NULL},
    {"c-low", 3, 2, "the count is 2, and there are 3 rows"},
    {"d-missing", 3, -1, "there is no counter, and 3 rows"},
    {"e-stale", 0, 5, "the count is 5, and there are 0 rows"},
    {"f-negative", 1, -7, "the count is -7, and there is 1 row"},
    {"z-missing", 1, -1, "there is no counter, and 1 row"},
};

static void expect_plants(const struct relation *relation, const char *mended)
{
    for (size_t i = 0; i < sizeof plants / sizeof plants[0]; i++) {
        char line[128];
        if (plants[i].shown != NULL) {
            snprintf(line, sizeof line, "%s %s: %s%s\n", relation->name, plants[i].id,
                     plants[i].shown, mended);
            expect_out(line);
        }
    }
}

static void wrong_counters_are_found_and_mended(void **state)
{
    const struct relation *relation = *state;
    char expected[128];
    set_up(state);
    for (size_t i = 0; i < sizeof plants / sizeof plants[0]; i++) {
        add_members(relation, plants[i].id, plants[i].rows);
        if (plants[i].count != -1) {
            add_counter(relation, plants[i].id, plants[i].count);
        }
    }
    snprintf(expected, sizeof expected, "%s: 7 entities, 14 rows, 6 differences", relation->name);
    for (int i = 0; i < 2; i++) { /* looking changes nothing */
        expect_shell(STATUS_DIFFERS, expected, NULL, "rsvpd verify");
        expect_plants(relation, "");
    }
    snprintf(expected, sizeof expected, "%s: 7 entities, 14 rows, 6 differences, 6 mended",
             relation->name);
    expect_shell(STATUS_DIFFERS, expected, NULL, "rsvpd verify --repair");
    expect_plants(relation, ": mended");
    expect_shell(STATUS_RIGHT, "0 differences", NULL, "rsvpd verify");
    expect_counters_equal_rows(fixture.database_url);
    assert_true(version_of(relation, "a-high") > 7);
    assert_int_equal(version_of(relation, "b-right"), 7);
}

static void settings_are_compared_and_mended(NO_STATE)
{
    const struct relation *relation = &relations[RELATION_RSVP];
    static const char *const events[] = {"right", "unsaid", "gone", "miscounted", "full"};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        add_members(relation, events[i], 3);
        add_counter(relation, events[i], 3);
        if (strcmp(events[i], "unsaid") != 0) {
            set_managed(events[i]);
        }
        if (strcmp(events[i], "gone") != 0) {
            const bool is_wrong = strcmp(events[i], "miscounted") == 0;
            add_settings(events[i], strcmp(events[i], "full") == 0 ? "2" : "3", is_wrong ? 5 : 4);
            add_waiters(events[i], 4);
        }
    }
    add_settings("bare", "NULL", 0); /* without a counter */
    for (int i = 0; i < 2; i++) {
        const char *mended = i == 0 ? "" : ": mended";
        char line[128];
        expect_shell(STATUS_DIFFERS, "settings: 6 entities, 16 rows, 4 differences", NULL,
                     "rsvpd verify %s", i == 0 ? "" : "--repair");
        snprintf(line, sizeof line,
                 "settings unsaid: the counter says that there are no settings, and there are"
                 " some%s\n",
                 mended);
        expect_out(line);
        snprintf(line, sizeof line,
                 "settings gone: the counter says that there are settings, and there are none%s\n",
                 mended);
        expect_out(line);
        snprintf(line, sizeof line,
                 "settings miscounted: 5 are said to wait, and there are 4 rows%s\n", mended);
        expect_out(line);
        expect_out("settings bare: ");
        expect_out("warning: settings full: 3 are going, and there are 2 seats\n");
        expect_out("rsvp: 5 entities, 15 rows, 0 differences");
    }
    /* A capacity that is exceeded can be right. */
    expect_shell(STATUS_RIGHT, "warning: settings full: 3 are going, and there are 2 seats\n", NULL,
                 "rsvpd verify");
}

static int64_t waiting(const char *event)
{
    return pg_query_int64(fixture.database_url,
                          "SELECT count(*) FROM waitlist WHERE event_id = '%s'", event);
}

static int64_t going(const char *event)
{
    return pg_query_int64(fixture.database_url,
                          "SELECT c.count FROM rsvp_counters AS c WHERE c.event_id = '%s' AND"
                          " c.count = (SELECT count(*) FROM rsvps WHERE event_id = c.event_id)",
                          event);
}

/* Who waits for an event without settings is let in, as where they are taken away. */
static void waiters_without_an_event_are_found_and_let_in(NO_STATE)
{
    add_waiters("nowhere", 7000); /* more than one transaction takes */
    expect_shell(STATUS_DIFFERS, "settings nowhere: 7000 wait, and the event has no settings\n",
                 NULL, "rsvpd verify");
    expect_shell(STATUS_DIFFERS,
                 "settings nowhere: 7000 wait, and the event has no settings: mended\n", NULL,
                 "rsvpd verify --repair");
    expect_shell(STATUS_RIGHT, NULL, NULL, "rsvpd verify");
    assert_int_equal(waiting("nowhere"), 0);
    assert_int_equal(going("nowhere"), 7000);
}

static void add_event(const char *event, const char *capacity, int members, int waiters)
{
    add_members(&relations[RELATION_RSVP], event, members);
    add_counter(&relations[RELATION_RSVP], event, members);
    set_managed(event);
    add_settings(event, capacity, waiters);
    add_waiters(event, waiters);
}

/* Nobody looks for seats for those whose tickets are said to be through. */
static void tickets_that_nobody_looks_at_are_found(NO_STATE)
{
    add_event("passed", "2", 2, 3);
    pg_execute(fixture.database_url,
               "UPDATE events SET passed_ticket = 2 WHERE event_id = 'passed'");
    expect_shell(STATUS_DIFFERS,
                 "settings passed: nobody is said to wait up to ticket 2, and ticket 1 waits\n",
                 NULL, "rsvpd verify");
    expect_shell(
        STATUS_DIFFERS,
        "settings passed: nobody is said to wait up to ticket 2, and ticket 1 waits: mended\n",
        NULL, "rsvpd verify --repair");
    expect_shell(STATUS_RIGHT, NULL, NULL, "rsvpd verify");
    assert_int_equal(pg_query_int64(fixture.database_url,
                                    "SELECT passed_ticket FROM events WHERE event_id = 'passed'"),
                     0);
}

/* Whatever stands in a counter is compared, mended, and in no export's way. */
static void counters_at_the_ends_of_their_range_are_mended(NO_STATE)
{
    static const char *const counts[] = {"-9223372036854775808", "9223372036854775807"};
    for (size_t i = 0; i < LENGTH(counts); i++) {
        shell_clear_tables();
        add_event("limited", "2", 1, 0);
        add_event("other", "1000000000", 1, 0);
        pg_execute(fixture.database_url,
                   "UPDATE rsvp_counters SET count = %s; UPDATE events SET waiting ="
                   " 9223372036854775807",
                   counts[i]);
        expect_shell(STATUS_RIGHT, NULL, NULL,
                     "rsvpd export --relation rsvp && rsvpd export --relation waitlist");
        for (int repair = 0; repair < 2; repair++) {
            char line[128];
            snprintf(line, sizeof line, "rsvp limited: the count is %s, and there is 1 row",
                     counts[i]);
            expect_shell(STATUS_DIFFERS, line, NULL, "rsvpd verify %s",
                         repair == 0 ? "" : "--repair");
            expect_out("rsvp: 2 entities, 2 rows, 2 differences");
        }
        expect_shell(STATUS_RIGHT, NULL, NULL, "rsvpd verify");
    }
}

/* What the service then tells somebody who waits, or comes to wait. */
static void expect_position(struct http_client *client, const char *event, const char *user,
                            int64_t position)
{
    struct http_response *response =
        relation_write(client, &relations[RELATION_RSVP], "POST", event, user);
    expect_status(response, 202);
    assert_int_equal(json_integer_value(json_object_get(response->json, "waitlist_position")),
                     position);
    assert_null(json_object_get(response->json, "waitlist_position_exact"));
    http_response_free(&response);
}

/* Newcomers get the ticket behind the last, and positions are told by it. */
static void tickets_beyond_the_last_are_found(NO_STATE)
{
    add_event("lowered", "2", 2, 3);
    pg_execute(fixture.database_url,
               "UPDATE events SET last_ticket = 1 WHERE event_id = 'lowered'");
    add_event("added", "2", 2, 3);
    pg_execute(fixture.database_url,
               "INSERT INTO waitlist (event_id, ticket, user_id) VALUES ('added', 5000000, 'z')");
    for (int i = 0; i < 2; i++) {
        expect_shell(STATUS_DIFFERS,
                     "settings lowered: the last ticket is said to be 1, and ticket 3 waits", NULL,
                     "rsvpd verify %s", i == 0 ? "" : "--repair");
        expect_out("settings added: the last ticket is said to be 3, and ticket 5000000 waits");
        expect_out("settings added: 3 are said to wait, and there are 4 rows");
    }
    expect_shell(STATUS_RIGHT, NULL, NULL, "rsvpd verify");
    fixture.service = service_start(fixture.database_url, NULL, NULL);
    struct http_client *client = http_client_create(fixture.service->port);
    expect_position(client, "lowered", "waiter-1", 1);
    expect_position(client, "lowered", "new", 4);
    expect_position(client, "added", "waiter-1", 1);
    expect_position(client, "added", "z", 4);
    expect_position(client, "added", "new", 5);
    http_client_destroy(&client);
    service_stop(&fixture.service);
    expect_shell(STATUS_RIGHT, NULL, NULL, "rsvpd verify");
}

/* A row that somebody's SQL deletes frees a seat, which goes to who has waited longest. */
static void free_seats_are_found_and_given_away(NO_STATE)
{
    const char *url = fixture.database_url;
    add_event("freed", "3", 3, 4);
    add_event("closed", "3", 3, 4);
    add_event("unlimited", "NULL", 3, 6000);
    pg_execute(url, "DELETE FROM rsvps WHERE event_id IN ('freed', 'closed') AND user_id ="
                    " (SELECT min(user_id) FROM rsvps WHERE event_id = 'freed')");
    pg_execute(url, "UPDATE events SET closes_at = now() WHERE event_id = 'closed'");
    expect_shell(STATUS_DIFFERS, NULL, NULL, "rsvpd verify --repair");
    expect_out("rsvp freed: the count is 3, and there are 2 rows: mended\n");
    assert_int_equal(going("freed"), 3);
    assert_true(pg_query_bool(url, "SELECT EXISTS (SELECT FROM rsvps WHERE event_id = 'freed' AND"
                                   " user_id = 'waiter-1')"));
    assert_int_equal(waiting("freed"), 3);
    assert_int_equal(going("closed"), 2);
    assert_int_equal(waiting("closed"), 4);
    assert_int_equal(going("unlimited"), 6003);
    expect_shell(STATUS_RIGHT, NULL, NULL, "rsvpd verify");

    pg_execute(url, "UPDATE events SET capacity = 5 WHERE event_id = 'freed'");
    expect_shell(STATUS_DIFFERS, "settings freed: 3 wait, and 2 seats are free\n", NULL,
                 "rsvpd verify");
    expect_shell(STATUS_DIFFERS, "settings freed: 3 wait, and 2 seats are free: mended\n", NULL,
                 "rsvpd verify --repair");
    assert_int_equal(going("freed"), 5);
    expect_shell(STATUS_RIGHT, NULL, NULL, "rsvpd verify");
}

static void who_waits_and_is_going_is_found(NO_STATE)
{
    add_event("full", "3", 3, 4);
    pg_execute(fixture.database_url,
               "UPDATE waitlist SET user_id = (SELECT min(user_id) FROM rsvps) WHERE ticket = 2");
    expect_shell(STATUS_DIFFERS, "settings full: 1 wait and are going, too\n", NULL,
                 "rsvpd verify");
    expect_shell(STATUS_DIFFERS, "settings full: 1 wait and are going, too: mended\n", NULL,
                 "rsvpd verify --repair");
    assert_int_equal(going("full"), 3);
    assert_int_equal(waiting("full"), 3);
    expect_shell(STATUS_RIGHT, NULL, NULL, "rsvpd verify");
}

/* More counters and rows than a range has; what differs lies anywhere in them, and between
 * counters. Of one relation: the ranges of the other are made by the same statements. */
static void all_ranges_are_compared(NO_STATE)
{
    const struct relation *relation = &relations[RELATION_RSVP];
    char line[128];
    pg_execute(fixture.database_url,
               "INSERT INTO %s (%s, user_id) SELECT 'thing-' || i / 2, 'user-' || i"
               " FROM generate_series(0, 59999) AS i",
               relation->table, relation->id_member);
    add_members(relation, "thing-15000x", 250000); /* one that is larger than a range */
    add_members(relation, "zz", 1);
    pg_execute(fixture.database_url,
               "INSERT INTO %s (%s, count, version) SELECT %s, count(*), 1 FROM %s GROUP BY %s",
               relation->counter_table, relation->id_member, relation->id_member, relation->table,
               relation->id_member);
    pg_execute(fixture.database_url,
               "INSERT INTO %s (%s, count, version)"
               " SELECT 'was-' || i, 0, 2 FROM generate_series(1, 20000) AS i",
               relation->counter_table, relation->id_member);
    snprintf(line, sizeof line, "%s: 50002 entities, 310001 rows, 0 differences", relation->name);
    expect_shell(STATUS_RIGHT, line, NULL, "rsvpd verify");
    /* 3000 without a counter, 3000 that count wrong, 200 counters of nothing, the largest, the
     * last. */
    pg_execute(fixture.database_url, "DELETE FROM %s WHERE %s ~ '^thing-[0-9]*7$'",
               relation->counter_table, relation->id_member);
    pg_execute(
        fixture.database_url,
        "UPDATE %s SET count = count + 1"
        " WHERE %s ~ '^thing-[0-9]*3$' OR %s ~ '^was-[0-9]*99$' OR %s IN ('thing-15000x', 'zz')",
        relation->counter_table, relation->id_member, relation->id_member, relation->id_member);
    snprintf(line, sizeof line, "%s: 50002 entities, 310001 rows, 6202 differences, 6202 mended",
             relation->name);
    expect_shell(STATUS_DIFFERS, line, NULL, "rsvpd verify --repair");
    expect_shell(STATUS_RIGHT, NULL, NULL, "rsvpd verify");
    expect_counters_equal_rows(fixture.database_url);
}

/* ---- under load ---- */

enum { CLIENTS = 32, THINGS = 5, USERS = 4, WRITES_BETWEEN = 300, ROUNDS = 5 };

static struct toggler {
    struct load_random random;
    unsigned number;
    const struct relation *relation;
    bool join;
    char id[32], user[32];
} togglers[CLIENTS];

static enum load_step toggler_next(struct load *load, void *client, struct load_request *request)
{
    struct toggler *toggler = client;
    (void)load;
    toggler->relation = &relations[load_random_below(&toggler->random, RELATION_COUNT)];
    toggler->join = load_random_below(&toggler->random, 2) == 0;
    snprintf(toggler->id, sizeof toggler->id, "thing-%u",
             load_random_below(&toggler->random, THINGS));
    snprintf(toggler->user, sizeof toggler->user, "user-%u.%u", toggler->number,
             load_random_below(&toggler->random, USERS));
    load_ask_write(request, fixture.service->port, toggler->relation, toggler->join, toggler->id,
                   toggler->user);
    return LOAD_SEND;
}

static void toggler_answer(const struct load_exchange *exchange, void *client)
{
    const struct toggler *toggler = client;
    struct load_write write;
    if (load_read_write(exchange, toggler->relation, toggler->join, toggler->id, toggler->user,
                        &write)) {
        load_note_progress(exchange->load);
    }
}

/* The last command found and mended one counter of the relation. */
static void expect_only_mended(const char *relation)
{
    char summary[32];
    char *out = shell_read_file("out");
    snprintf(summary, sizeof summary, "\n%s: ", relation);
    const char *line = strstr(out, summary);
    if (line == NULL ||
        strncmp(strstr(line, " rows, "), " rows, 1 difference, 1 mended", 29) != 0) {
        process_fail("not one of %s was mended:\n%s", relation, out);
    }
    free(out);
}

static int tear_down_load(void **state)
{
    struct load **load = (struct load **)*state;
    if (load != NULL) {
        load_destroy(load);
    }
    service_discard(&fixture.service);
    return 0;
}

/* Everybody is put into everything, beside those who go in and out. */
static void import_all_pairs(void)
{
    for (size_t i = 0; i < RELATION_COUNT; i++) {
        expect_shell(0, "640 lines", NULL,
                     "for t in $(seq 0 %d); do for c in $(seq 0 %d); do"
                     " seq -f \"thing-$t,user-$c.%%.0f\" 0 %d; done; done"
                     " | sed '1i %s,user_id' | rsvpd import --relation %s",
                     THINGS - 1, CLIENTS - 1, USERS - 1, relations[i].id_member, relations[i].name);
    }
}

static void writing_and_importing_make_no_difference(void **state)
{
    static const struct load_behaviour toggling = {toggler_next, toggler_answer};
    static struct load *load;
    *state = (void *)&load;
    fixture.service = service_start(fixture.database_url, NULL, NULL);
    load = load_create();
    for (unsigned i = 0; i < CLIENTS; i++) {
        togglers[i] = (struct toggler){.random = load_random_stream(i), .number = i};
        load_add_client(load, &toggling, &togglers[i]);
    }
    load_start(load);
    for (int round = 0; round < ROUNDS; round++) {
        load_await_progress(load, WRITES_BETWEEN, STEP_BOUND_MS);
        import_all_pairs();
        expect_shell(STATUS_RIGHT, NULL, NULL, "rsvpd verify --repair");
        /* What is wrong is mended meanwhile, once, and stays right. */
        pg_execute(fixture.database_url,
                   "UPDATE rsvp_counters SET count = count + %d WHERE event_id = 'thing-%d'",
                   round % 2 == 0 ? 1000 : -1000, round % THINGS);
        pg_execute(fixture.database_url, "DELETE FROM like_counters WHERE post_id = 'thing-%d'",
                   round % THINGS);
        load_await_progress(load, WRITES_BETWEEN, STEP_BOUND_MS);
        expect_shell(STATUS_DIFFERS, NULL, NULL, "rsvpd verify --repair");
        expect_only_mended("rsvp");
        expect_only_mended("like");
        expect_shell(STATUS_RIGHT, NULL, NULL, "rsvpd verify");
    }
    load_finish(load);
    expect_counters_equal_rows(fixture.database_url);
    service_stop(&fixture.service);
}

/* ---- a writer half-way ---- */

static PGconn *session;

static int close_session(NO_STATE)
{
    PQfinish(session);
    session = NULL;
    return 0;
}

static void begin_with_a_wrong_counter(void)
{
    const struct relation *relation = &relations[RELATION_RSVP];
    add_members(relation, "e", 3);
    add_counter(relation, "e", 100);
    session = pg_session_begin(fixture.database_url,
                               "INSERT INTO rsvps (event_id, user_id) VALUES ('e', 'late')");
}

static void expect_mended(int64_t count)
{
    assert_int_equal(pg_query_int64(fixture.database_url, "SELECT count FROM rsvp_counters"),
                     count);
    expect_shell(STATUS_RIGHT, NULL, NULL, "rsvpd verify");
}

/* A writer that has changed the counter is waited for, and its rows are counted. */
static void a_repair_counts_after_it_has_the_lock(NO_STATE)
{
    begin_with_a_wrong_counter();
    pg_session_execute(session,
                       "UPDATE rsvp_counters SET count = count + 1, version = version + 1");
    const pid_t repair = shell_begin("repair", "exec rsvpd verify --repair");
    pg_await_lock_waiter(fixture.database_url);
    pg_session_execute(session, "COMMIT");
    assert_int_equal(shell_end(repair, "repair"), STATUS_DIFFERS);
    expect_mended(4);
}

/* One that has not got that far adds its part to what was mended. */
static void a_repair_leaves_what_is_not_counted_to_its_writer(NO_STATE)
{
    begin_with_a_wrong_counter();
    expect_shell(STATUS_DIFFERS, "1 mended", NULL, "rsvpd verify --repair");
    assert_int_equal(pg_query_int64(fixture.database_url, "SELECT count FROM rsvp_counters"), 3);
    pg_session_execute(session,
                       "UPDATE rsvp_counters SET count = count + 1, version = version + 1");
    pg_session_execute(session, "COMMIT");
    expect_mended(4);
}

/* ---- usage ---- */

static void what_is_in_the_way_is_told(NO_STATE)
{
    expect_shell(STATUS_USAGE, NULL, "unexpected argument '--mend'", "rsvpd verify --mend");
    expect_shell(STATUS_USAGE, NULL, "unexpected argument 'rsvp'", "rsvpd verify rsvp");
    expect_shell(STATUS_USAGE, NULL, "unexpected argument '--repair=1'", "rsvpd verify --repair=1");
    expect_shell(STATUS_USAGE, NULL, "DATABASE_URL", "DATABASE_URL= rsvpd verify");
    expect_shell(1, NULL, "nonexistent",
                 "DATABASE_URL='postgresql:///x?host=/nonexistent' rsvpd verify");
    expect_shell(1, NULL, "cannot write to standard output", "rsvpd verify >/dev/full");
    char *url = pg_fresh_database(fixture.pg, "unmigrated");
    expect_shell(1, NULL, "run 'rsvpd migrate' first", "DATABASE_URL='%s' rsvpd verify", url);
    free(url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_is_right, set_up),
        RELATION_TESTS(right_counters_are_right),
        RELATION_TESTS(wrong_counters_are_found_and_mended),
        cmocka_unit_test_setup(all_ranges_are_compared, set_up),
        cmocka_unit_test_setup(settings_are_compared_and_mended, set_up),
        cmocka_unit_test_setup(waiters_without_an_event_are_found_and_let_in, set_up),
        cmocka_unit_test_setup(tickets_that_nobody_looks_at_are_found, set_up),
        cmocka_unit_test_setup(counters_at_the_ends_of_their_range_are_mended, set_up),
        cmocka_unit_test_setup(tickets_beyond_the_last_are_found, set_up),
        cmocka_unit_test_setup(free_seats_are_found_and_given_away, set_up),
        cmocka_unit_test_setup(who_waits_and_is_going_is_found, set_up),
        cmocka_unit_test_setup_teardown(a_repair_counts_after_it_has_the_lock, set_up,
                                        close_session),
        cmocka_unit_test_setup_teardown(a_repair_leaves_what_is_not_counted_to_its_writer, set_up,
                                        close_session),
        cmocka_unit_test_setup_teardown(writing_and_importing_make_no_difference, set_up,
                                        tear_down_load),
        cmocka_unit_test(what_is_in_the_way_is_told),
    };
    load_seed();
    return cmocka_run_group_tests(tests, shell_group_setup, shell_group_teardown);
}
