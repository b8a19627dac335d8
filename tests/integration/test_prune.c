/* rsvpd prune beside a service at work, killed in the middle: what closed goes whole, and nothing
 * else goes. */
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "event.h"
#include "fixture.h"
#include "load.h"
#include "load_event.h"
#include "load_relation.h"
#include "process.h"
#include "relation.h"
#include "servers.h"
#include "shell.h"
#include "test.h"

#define PRUNE "rsvpd prune --relation rsvp --closed-before 2020-02-01T00:00:00Z"

enum {
    STATUS_DONE = 0,
    CLOSED = 6, /* events; as many that close later */
    MEMBERS = 1500,
    WAITING = 200,
    WRITERS = 8,
    KILLS = 3,
    STEP = 1000, /* members that are gone before the next kill, where there are so many */
    BOUND_MS = 60000
};

static struct load *load;

static int tear_down(test_state state)
{
    load_destroy(&load);
    return fixture_heal(state);
}

/* Events that closed at that moment, called <name>-0 and on, full, with users who wait. */
static void make_events(const char *name, const char *closes_at)
{
    pg_execute(fixture.database_url,
               "INSERT INTO events (event_id, capacity, waitlist, closes_at, waiting, last_ticket)"
               " SELECT '%s-' || e, %d, true, '%s', %d, %d FROM generate_series(0, %d) AS e",
               name, MEMBERS, closes_at, WAITING, WAITING, CLOSED - 1);
    pg_execute(fixture.database_url,
               "INSERT INTO rsvp_counters (event_id, count, version, managed)"
               " SELECT '%s-' || e, %d, 1, true FROM generate_series(0, %d) AS e",
               name, MEMBERS, CLOSED - 1);
    pg_execute(fixture.database_url,
               "INSERT INTO rsvps (event_id, user_id) SELECT '%s-' || e, 'member-' || i"
               " FROM generate_series(0, %d) AS e, generate_series(1, %d) AS i",
               name, CLOSED - 1, MEMBERS);
    pg_execute(
        fixture.database_url,
        "INSERT INTO waitlist (event_id, ticket, user_id) SELECT '%s-' || e, i, 'waits-' || i"
        " FROM generate_series(0, %d) AS e, generate_series(1, %d) AS i",
        name, CLOSED - 1, WAITING);
}

/* Rows of a table about the events of that name, and users whose ids begin so. */
static int64_t rows_of(const char *table, const char *name, const char *users)
{
    return pg_query_int64(fixture.database_url,
                          "SELECT count(*) FROM %s WHERE event_id LIKE '%s-%%' AND user_id LIKE "
                          "'%s%%'",
                          table, name, users);
}

/* A client that comes to events of both kinds, and leaves them. */
struct writer {
    char event[32], user[32];
    bool join;
    struct load_random random;
};

static enum load_step next_write(struct load *unused, void *writer_, struct load_request *request)
{
    struct writer *writer = writer_;
    (void)unused;
    snprintf(writer->event, sizeof writer->event, "%s-%u",
             load_random_below(&writer->random, 2) == 0 ? "old" : "later",
             load_random_below(&writer->random, CLOSED));
    writer->join = load_random_below(&writer->random, 3) > 0;
    load_ask_write(request, fixture.service->port, &relations[RELATION_RSVP], writer->join,
                   writer->event, writer->user);
    return LOAD_SEND;
}

/* Whatever becomes of a write, it is one of the answers that there are. */
static void note_answer(const struct load_exchange *exchange, void *writer_)
{
    const struct writer *writer = writer_;
    if (load_read_refusal(exchange->answer) == REFUSAL_NONE) {
        (void)load_read_event_write(exchange, writer->join, writer->event, writer->user);
    }
    load_note_progress(exchange->load);
}

static void start_writers(struct writer *writers)
{
    static const struct load_behaviour behaviour = {next_write, note_answer};
    load = load_create();
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.random = load_random_stream(i)};
        snprintf(writers[i].user, sizeof writers[i].user, "writer-%u", i);
        load_add_client(load, &behaviour, &writers[i]);
    }
    load_start(load);
    load_await_progress(load, 100, BOUND_MS);
}

/* Kills it once it has removed some members, and before it is through: it cannot have the last
 * event. */
static void kill_while_pruning(void)
{
    struct pg_conn *holder = pg_session_begin(
        fixture.database_url, "SELECT FROM rsvp_counters WHERE event_id = 'old-%d' FOR UPDATE",
        CLOSED - 1);
    int64_t left = rows_of("rsvps", "old", "member-") - STEP;
    pid_t pid = shell_begin("killed", "exec " PRUNE);
    pg_await(fixture.database_url,
             "SELECT count(*) <= %lld FROM rsvps WHERE event_id LIKE 'old-%%' AND user_id LIKE "
             "'member-%%'",
             (long long)(left > MEMBERS ? left : MEMBERS));
    assert_int_equal(kill(pid, SIGKILL), 0);
    (void)shell_end(pid, "killed");
    PQfinish(holder);
    assert_true(rows_of("rsvps", "old", "member-") >= MEMBERS);
    expect_counters_equal_rows(fixture.database_url);
}

static void it_is_killed_beside_writers_and_run_again(NO_STATE)
{
    static struct writer writers[WRITERS];
    make_events("old", "2020-01-01T00:00:00Z");
    make_events("later", "2999-01-01T00:00:00Z");
    start_writers(writers);
    for (int i = 0; i < KILLS; i++) {
        kill_while_pruning();
    }
    expect_shell(STATUS_DONE, "prune rsvp: ", "", PRUNE);
    load_finish(load);
    assert_int_equal(rows_of("rsvps", "old", "member-"), 0);
    assert_int_equal(rows_of("waitlist", "old", ""), 0);
    assert_int_equal(pg_query_int64(fixture.database_url,
                                    "SELECT count(*) FROM events WHERE event_id LIKE 'old-%%'"),
                     0);
    assert_int_equal(rows_of("rsvps", "later", "member-"), CLOSED * MEMBERS);
    assert_int_equal(rows_of("waitlist", "later", "waits-"), CLOSED * WAITING);
    assert_int_equal(pg_query_int64(fixture.database_url,
                                    "SELECT count(*) FROM events WHERE event_id LIKE 'later-%%'"),
                     CLOSED);
    expect_counters_equal_rows(fixture.database_url);
    expect_shell(STATUS_DONE, NULL, NULL, "rsvpd verify");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(it_is_killed_beside_writers_and_run_again, tear_down),
    };
    return cmocka_run_group_tests(tests, shell_group_setup_with_service, shell_group_teardown);
}
