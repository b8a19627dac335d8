/* rsvpd relay to standard output: what it tells of each write, and that a model which replays it
 * ends with the rows of the tables, whatever ends and comes again meanwhile. */
#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event.h"
#include "expect.h"
#include "fixture.h"
#include "load.h"
#include "load_event.h"
#include "load_relation.h"
#include "process.h"
#include "relation.h"
#include "relay_fixture.h"
#include "servers.h"
#include "shell.h"
#include "test.h"
#include "told.h"

#define SLOT "rsvpd_relay"

enum {
    STATUS_DONE = 0,
    STATUS_FAILED = 1,
    STATUS_USAGE = 2,
    BOUND_MS = 60000,
    WRITERS = 16,
    ENTITIES = 6,
    KILLS = 12,
    STEPS_BETWEEN_KILLS = 100,
    LARGE = 100000, /* rows of one transaction: more than are held */
    LARGE_MAX_KB = 120 * 1024,
};

static struct service *relays[2];
static struct load *load;

/* ---- the fixture ---- */

static void expect_run(const char *option, int status, const char *out)
{
    struct service_run run = relay_run(option);
    assert_string_equal(run.out, out);
    assert_int_equal(run.status, status);
    service_run_free(&run);
}

static int set_up(NO_STATE)
{
    relay_fixture_set_up();
    return 0;
}

static int tear_down(test_state state)
{
    load_destroy(&load);
    for (size_t i = 0; i < LENGTH(relays); i++) {
        if (relays[i] != NULL) {
            service_discard(&relays[i]);
        }
    }
    fixture_heal(state);
    relay_fixture_tear_down();
    return 0;
}

static int group_set_up(test_state state)
{
    int failed = shell_group_setup_with_service(state);
    if (failed == 0) {
        pg_grant_relay_role(fixture.database_url);
    }
    return failed;
}

static struct service *start_relay(const char *const *environment)
{
    return service_start_relay(fixture.database_url, relay_fixture.told_path, environment);
}

static void start(void)
{
    relays[0] = start_relay(NULL);
    service_wait_ready(relays[0], 200);
}

static void stop(void)
{
    service_stop(&relays[0]);
}

static double metric(const struct service *relay, const char *name)
{
    struct http_client *admin = http_client_create(relay->admin_port);
    struct http_response *response = http_request(admin, "GET", "/metrics", NULL);
    expect_status(response, 200);
    char line[128];
    snprintf(line, sizeof line, "\n%s ", name);
    const char *at = strstr(response->body, line);
    if (at == NULL) {
        process_fail("there is no metric %s", name);
    }
    double value = strtod(at + strlen(line), NULL);
    http_response_free(&response);
    http_client_destroy(&admin);
    return value;
}

static void expect_ready_word(const struct service *relay, int status, const char *word)
{
    struct http_client *admin = http_client_create(relay->admin_port);
    struct http_response *response = http_request(admin, "GET", "/readyz", NULL);
    expect_json(response, status, "{\"status\":\"%s\"}", word);
    http_response_free(&response);
    http_client_destroy(&admin);
}

/* ---- what each write tells ---- */

static void write_relation(const char *method, const char *target)
{
    struct http_response *response = http_request(fixture.client, method, target, NULL);
    assert_true(response->status >= 200 && response->status < 300);
    http_response_free(&response);
}

static void each_type(NO_STATE)
{
    start();
    write_relation("POST", "/v1/events/e/rsvp?user_id=u");
    write_relation("POST", "/v1/events/e/rsvp?user_id=u"); /* changes nothing */
    write_relation("DELETE", "/v1/events/e/rsvp?user_id=u");
    write_relation("DELETE", "/v1/events/e/rsvp?user_id=u"); /* a placeholder comes and goes */
    write_relation("POST", "/v1/posts/p/like?user_id=u");
    write_relation("DELETE", "/v1/posts/p/like?user_id=u");
    write_relation("DELETE", "/v1/posts/p/like?user_id=nobody");
    event_put(fixture.client, "f", "{\"capacity\":1,\"waitlist\":true}");
    write_relation("POST", "/v1/events/f/rsvp?user_id=a");
    write_relation("POST", "/v1/events/f/rsvp?user_id=b");
    write_relation("POST", "/v1/events/f/rsvp?user_id=c");
    write_relation("POST", "/v1/events/f/rsvp?user_id=d");
    write_relation("DELETE", "/v1/events/f/rsvp?user_id=c");
    write_relation("DELETE", "/v1/events/f/rsvp?user_id=a");
    event_put(fixture.client, "f", "{\"capacity\":1,\"waitlist\":true}"); /* the same */
    event_release(fixture.client, "f");
    told_await(relay_fixture.told_path, 14);
    told_expect_tables(fixture.database_url, SLOT, relay_fixture.told_path);
    told_expect(fixture.database_url, relay_fixture.told_path,
                "rsvp.created e u; rsvp.cancelled e u; like.created p u; like.deleted p u; "
                "event.configured f; rsvp.created f a; rsvp.waitlisted f b; rsvp.waitlisted f c; "
                "rsvp.waitlisted f d; rsvp.left_waitlist f c; rsvp.cancelled f a; "
                "rsvp.promoted f b; event.released f; rsvp.promoted f d");
    assert_true(metric(relays[0], "rsvpd_relay_changes_total{type=\"rsvp.promoted\"}") == 2);
    assert_true(metric(relays[0], "rsvpd_relay_lag_bytes") == 0);
    assert_true(metric(relays[0], "rsvpd_relay_lag_seconds") == 0);
    stop();
}

static void types_that_are_chosen(NO_STATE)
{
    relays[0] = start_relay((const char *const[]){"RELAY_TYPES=like.created,rsvp.cancelled", NULL});
    write_relation("POST", "/v1/events/e/rsvp?user_id=u");
    write_relation("DELETE", "/v1/events/e/rsvp?user_id=u");
    write_relation("POST", "/v1/posts/p/like?user_id=u");
    told_await(relay_fixture.told_path, 2);
    told_expect(fixture.database_url, relay_fixture.told_path,
                "rsvp.cancelled e u; like.created p u");
    stop();
}

/* What nobody was told before the relay started is told then, and nothing twice. */
static void it_goes_on_where_it_ended(NO_STATE)
{
    write_relation("POST", "/v1/events/e/rsvp?user_id=before");
    start();
    told_await(relay_fixture.told_path, 1);
    stop();
    write_relation("POST", "/v1/events/e/rsvp?user_id=between");
    start();
    told_await(relay_fixture.told_path, 2);
    stop();
    assert_int_equal(told_count(relay_fixture.told_path), 2);
    told_expect(fixture.database_url, relay_fixture.told_path,
                "rsvp.created e before; rsvp.created e between");
}

static void many_promotions_at_once(NO_STATE)
{
    enum { WAITING = 3000 };
    pg_execute(fixture.database_url,
               "INSERT INTO events (event_id, capacity, waitlist, waiting, last_ticket)"
               " VALUES ('e', 0, true, %d, %d)",
               WAITING, WAITING);
    pg_execute(fixture.database_url, "INSERT INTO rsvp_counters (event_id, count, version, managed)"
                                     " VALUES ('e', 0, 1, true)");
    pg_execute(fixture.database_url,
               "INSERT INTO waitlist (event_id, ticket, user_id)"
               " SELECT 'e', i, 'u' || i FROM generate_series(1, %d) AS i",
               WAITING);
    start();
    event_put(fixture.client, "e", "{\"capacity\":2500,\"waitlist\":true}");
    told_await(relay_fixture.told_path, 2 + WAITING + 2500);
    told_expect_tables(fixture.database_url, SLOT, relay_fixture.told_path);
    assert_true(metric(relays[0], "rsvpd_relay_changes_total{type=\"rsvp.promoted\"}") == 2500);
    assert_true(metric(relays[0], "rsvpd_relay_changes_total{type=\"rsvp.created\"}") == 0);
    assert_true(metric(relays[0], "rsvpd_relay_changes_total{type=\"event.configured\"}") == 2);
    stop();
}

/* Somebody wrote them by SQL: a few are logged, and the others go on. */
static void rows_that_no_service_takes(NO_STATE)
{
    enum { BAD_ROWS = 1000 };
    start();
    pg_execute(fixture.database_url,
               "INSERT INTO likes (post_id, user_id)"
               " SELECT 'p', repeat('u', 129) || i FROM generate_series(1, %d) AS i",
               BAD_ROWS);
    write_relation("POST", "/v1/events/e/rsvp?user_id=a");
    told_await(relay_fixture.told_path, 1);
    told_expect(fixture.database_url, relay_fixture.told_path, "rsvp.created e a");
    assert_in_range(service_count_in_log(relays[0], "the service does not take"), 1, BAD_ROWS / 2);
    stop();
    pg_execute(fixture.database_url, "TRUNCATE likes");
}

/* A schema that grows, and tables that are none of ours. */
static void tables_and_columns_that_it_does_not_know(NO_STATE)
{
    start();
    write_relation("POST", "/v1/events/e/rsvp?user_id=a");
    pg_execute(fixture.database_url, "ALTER TABLE rsvps ADD COLUMN colour text DEFAULT 'red'");
    write_relation("POST", "/v1/events/e/rsvp?user_id=b");
    pg_execute(fixture.database_url, "CREATE TABLE strange (id int PRIMARY KEY, event_id text)");
    pg_execute(fixture.database_url, "ALTER PUBLICATION " SLOT " ADD TABLE strange");
    pg_execute(fixture.database_url, "INSERT INTO strange VALUES (1, 'e')");
    pg_execute(fixture.database_url,
               "ALTER PUBLICATION " SLOT " SET (publish = 'insert, update, delete, truncate')");
    pg_execute(fixture.database_url, "TRUNCATE strange, likes");
    write_relation("DELETE", "/v1/events/e/rsvp?user_id=a");
    told_await(relay_fixture.told_path, 3);
    told_expect(fixture.database_url, relay_fixture.told_path,
                "rsvp.created e a; rsvp.created e b; rsvp.cancelled e a");
    stop();
    pg_execute(fixture.database_url, "ALTER TABLE rsvps DROP COLUMN colour; DROP TABLE strange");
}

static void a_copy_of_the_tables_in_another_schema(NO_STATE)
{
    start();
    write_relation("POST", "/v1/events/e/rsvp?user_id=a");
    pg_execute(fixture.database_url, "CREATE SCHEMA other");
    pg_execute(fixture.database_url, "CREATE TABLE other.rsvps (LIKE rsvps INCLUDING ALL)");
    pg_execute(fixture.database_url, "CREATE TABLE other.likes (user_id text PRIMARY KEY)");
    pg_execute(fixture.database_url,
               "ALTER PUBLICATION " SLOT " ADD TABLE other.rsvps, other.likes");
    pg_execute(fixture.database_url, "INSERT INTO other.rsvps VALUES ('e', 'stranger')");
    pg_execute(fixture.database_url, "INSERT INTO other.likes VALUES ('stranger')");
    write_relation("POST", "/v1/events/e/rsvp?user_id=b");
    write_relation("POST", "/v1/posts/p/like?user_id=a");
    told_await(relay_fixture.told_path, 3);
    told_expect(fixture.database_url, relay_fixture.told_path,
                "rsvp.created e a; rsvp.created e b; like.created p a");
    stop();
    pg_execute(fixture.database_url, "DROP SCHEMA other CASCADE");
}

/* ---- bounds ---- */

static long most_memory_kb(const struct service *relay)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", (int)relay->pid);
    char *text = process_read_file(path);
    const char *line = strstr(text, "VmHWM:");
    long kb = line == NULL ? -1 : strtol(line + strlen("VmHWM:"), NULL, 10);
    free(text);
    return kb;
}

static void a_large_transaction_passes_through(NO_STATE)
{
    pg_execute(fixture.database_url,
               "INSERT INTO rsvps (event_id, user_id)"
               " SELECT 'event-with-a-name-' || i %% 100, 'user-with-a-name-' || i"
               " FROM generate_series(1, %d) AS i",
               LARGE);
    start();
    told_expect_tables(fixture.database_url, SLOT, relay_fixture.told_path);
    assert_in_range(most_memory_kb(relays[0]), 1, LARGE_MAX_KB);
    stop();
    assert_int_equal(told_count(relay_fixture.told_path), LARGE);
}

/* ---- ends ---- */

/* A client that comes to events with and without settings, and to posts, and leaves them. */
struct writer {
    char entity[32], user[32];
    bool join;
    const struct relation *relation;
    struct load_random random;
};

static enum load_step next_write(struct load *unused, void *writer_, struct load_request *request)
{
    struct writer *writer = writer_;
    (void)unused;
    unsigned kind = load_random_below(&writer->random, 3);
    writer->relation = &relations[kind == 0 ? RELATION_LIKE : RELATION_RSVP];
    snprintf(writer->entity, sizeof writer->entity, "%s-%u",
             kind == 0   ? "post"
             : kind == 1 ? "open"
                         : "full",
             load_random_below(&writer->random, ENTITIES));
    snprintf(writer->user, sizeof writer->user, "u%u", load_random_below(&writer->random, 40));
    writer->join = load_random_below(&writer->random, 2) > 0;
    if (kind == 2 && load_random_below(&writer->random, 20) == 0) {
        load_ask_settings(request, fixture.service->port, writer->entity,
                          load_random_below(&writer->random, 4) == 0
                              ? NULL
                              : "{\"capacity\":7,\"waitlist\":true}");
    } else {
        load_ask_write(request, fixture.service->port, writer->relation, writer->join,
                       writer->entity, writer->user);
    }
    return LOAD_SEND;
}

/* Whatever becomes of a write: the tables say. */
static void note_answer(const struct load_exchange *exchange, void *unused)
{
    (void)unused;
    load_note_progress(exchange->load);
}

static void start_writers(struct writer *writers)
{
    static const struct load_behaviour behaviour = {next_write, note_answer};
    load = load_create();
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.random = load_random_stream(i)};
        load_add_client(load, &behaviour, &writers[i]);
    }
    load_start(load);
}

static void it_is_killed_under_load(NO_STATE)
{
    static struct writer writers[WRITERS];
    start_writers(writers);
    relays[0] = start_relay(NULL);
    for (int i = 0; i < KILLS; i++) {
        load_await_progress(load, STEPS_BETWEEN_KILLS, BOUND_MS);
        service_kill(&relays[0]);
        if (i == KILLS / 2) {
            pg_server_stop_immediate(fixture.pg);
            pg_server_start(fixture.pg);
        }
        relays[0] = start_relay(NULL);
    }
    load_await_progress(load, STEPS_BETWEEN_KILLS, BOUND_MS);
    pg_server_stop_immediate(fixture.pg); /* and once under the relay */
    pg_server_start(fixture.pg);
    load_await_progress(load, STEPS_BETWEEN_KILLS, BOUND_MS);
    load_finish(load);
    load_destroy(&load);
    told_expect_tables(fixture.database_url, SLOT, relay_fixture.told_path);
    stop();
}

static void another_relay_takes_over(NO_STATE)
{
    start();
    write_relation("POST", "/v1/events/e/rsvp?user_id=a");
    told_await(relay_fixture.told_path, 1);
    relays[1] = start_relay(NULL);
    service_wait_ready(relays[1], 200);
    expect_ready_word(relays[0], 200, "ready");
    expect_ready_word(relays[1], 200, "standby");
    assert_true(metric(relays[1], "rsvpd_relay_streaming") == 0);
    service_kill(&relays[0]);
    write_relation("POST", "/v1/events/e/rsvp?user_id=b");
    told_await(relay_fixture.told_path, 2);
    expect_ready_word(relays[1], 200, "ready");
    told_expect_tables(fixture.database_url, SLOT, relay_fixture.told_path);
    service_stop(&relays[1]);
}

/* ---- the slot ---- */

static void expect_end(int status, const char *words)
{
    relays[0] = start_relay(NULL);
    char *log_path = strdup(relays[0]->log_path);
    assert_int_equal(process_wait(relays[0]->pid, BOUND_MS), status);
    char *log = process_read_file(log_path);
    if (strstr(log, words) == NULL) {
        process_fail("it does not say: %s\n%s", words, log);
    }
    free(log);
    free(log_path);
    relays[0]->pid = 0;
    service_discard(&relays[0]);
}

static void create_and_drop(NO_STATE)
{
    expect_run("--create", STATUS_DONE, "relay: slot and publication " SLOT " are there already\n");
    expect_run("--drop", STATUS_DONE, "relay: slot and publication " SLOT " dropped\n");
    assert_int_equal(pg_query_int64(fixture.database_url,
                                    "SELECT (SELECT count(*) FROM pg_publication)"
                                    " + (SELECT count(*) FROM pg_replication_slots)"),
                     0);
    expect_run("--drop", STATUS_DONE, "relay: slot and publication " SLOT " are not there\n");
    expect_end(STATUS_FAILED, "the slot is not there: run 'rsvpd relay --create'");
    expect_run("--create", STATUS_DONE, "relay: slot and publication " SLOT " created\n");
    start();
    struct service_run run = relay_run("--drop");
    assert_int_equal(run.status, STATUS_FAILED);
    assert_non_null(strstr(run.err, "stop all relays of this slot first"));
    service_run_free(&run);
    stop();
    pg_execute(fixture.database_url, "DROP PUBLICATION " SLOT);
    expect_end(STATUS_FAILED, "the slot's publication is not there");
    run = relay_run("--create");
    assert_int_equal(run.status, STATUS_FAILED);
    assert_non_null(strstr(run.err, "does not reach back"));
    service_run_free(&run);
}

/* That database was never migrated, and has no part in it. */
static void a_slot_of_another_database(NO_STATE)
{
    char variable[512];
    char *url = pg_fresh_database(fixture.pg, "another");
    snprintf(variable, sizeof variable, "DATABASE_URL=%s", url);
    struct service_run run = service_run((const char *const[]){"relay", "--drop", NULL},
                                         (const char *const[]){variable, NULL});
    assert_int_equal(run.status, STATUS_FAILED);
    assert_non_null(strstr(run.err, "set RELAY_SLOT to another name"));
    service_run_free(&run);
    free(url);
}

static void a_log_that_says_too_little(NO_STATE)
{
    expect_run("--drop", STATUS_DONE, "relay: slot and publication " SLOT " dropped\n");
    pg_server_set_arguments(fixture.pg, (const char *const[]){"-c", "wal_level=replica", NULL});
    pg_server_restart(fixture.pg);
    struct service_run run = relay_run("--create");
    assert_int_equal(run.status, STATUS_FAILED);
    assert_non_null(strstr(run.err, "set wal_level = logical in the configuration of PostgreSQL"));
    service_run_free(&run);
    pg_server_set_arguments(fixture.pg, NULL);
    pg_server_restart(fixture.pg);
}

/* Until it may, the relay says what its role lacks and tries again. */
static void a_role_without_replication(NO_STATE)
{
    pg_execute(fixture.database_url, "ALTER ROLE rsvpd_relay NOREPLICATION");
    relays[0] = start_relay(NULL);
    service_await_log(relays[0], "the user lacks REPLICATION: ");
    expect_ready_word(relays[0], 503, "unavailable");
    pg_execute(fixture.database_url, "ALTER ROLE rsvpd_relay REPLICATION");
    service_wait_ready(relays[0], 200);
    stop();
    pg_execute(fixture.database_url, "SELECT pg_drop_replication_slot('" SLOT "')");
    char *url = pg_service_url(fixture.database_url), variable[512];
    snprintf(variable, sizeof variable, "DATABASE_URL=%s", url);
    struct service_run run = service_run((const char *const[]){"relay", "--create", NULL},
                                         (const char *const[]){variable, NULL});
    assert_int_equal(run.status, STATUS_FAILED);
    assert_non_null(strstr(run.err, "the role lacks REPLICATION: "));
    service_run_free(&run);
    free(url);
}

/* What was logged without it stays without it. */
static void a_publication_that_was_made_anew(NO_STATE)
{
    pg_execute(fixture.database_url, "DROP PUBLICATION " SLOT);
    write_relation("POST", "/v1/events/e/rsvp?user_id=a");
    pg_execute(fixture.database_url,
               "CREATE PUBLICATION " SLOT " FOR TABLE rsvps, likes, waitlist, events");
    expect_end(STATUS_FAILED, "a new one does not reach back");
}

static void a_slot_that_the_server_dropped(NO_STATE)
{
    write_relation("POST", "/v1/events/e/rsvp?user_id=a");
    pg_execute(fixture.database_url, "ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'");
    pg_execute(fixture.database_url, "SELECT pg_reload_conf()");
    for (int i = 0; i < 4; i++) {
        pg_execute(fixture.database_url, "SELECT txid_current()");
        pg_execute(fixture.database_url, "SELECT pg_switch_wal()");
    }
    pg_execute(fixture.database_url, "CHECKPOINT");
    pg_await(fixture.database_url,
             "SELECT wal_status = 'lost' FROM pg_replication_slots WHERE slot_name = '" SLOT "'");
    expect_end(STATUS_FAILED, "so changes are lost");
    pg_execute(fixture.database_url, "ALTER SYSTEM RESET max_slot_wal_keep_size");
    pg_execute(fixture.database_url, "SELECT pg_reload_conf()");
}

static bool has_failover_slots(void)
{
    return pg_query_bool(fixture.database_url,
                         "SELECT current_setting('server_version_num')::int >= 170000");
}

/* The URL of the primary and its standby. */
static void write_url_of_both(const struct pg_server *standby, char *url, size_t size)
{
    const char *port = strstr(fixture.database_url, "&port=");
    assert_non_null(port);
    snprintf(url, size, "%.*s,%s&port=5432,5432", (int)(port - fixture.database_url),
             fixture.database_url, pg_server_directory(standby));
}

/* Before PostgreSQL 17 a promoted standby has no slot: the relay finds the new primary, and says
 * what that means. */
static void expect_lost_slot(struct pg_server *standby)
{
    pg_server_stop_immediate(fixture.pg);
    service_wait_ready(relays[0], 503);
    pg_server_promote(standby);
    assert_int_equal(process_wait(relays[0]->pid, BOUND_MS), STATUS_FAILED);
    char *log = service_read_log(relays[0]);
    assert_non_null(strstr(log, "a failover lost it, and changes may be missing"));
    free(log);
    relays[0]->pid = 0;
    service_discard(&relays[0]);
}

/* As docs/how-to/feed-another-system.md has it. */
static void synchronize_slots(struct pg_server *standby)
{
    char *url = pg_server_url(standby, "postgres");
    pg_execute(fixture.database_url, "SELECT pg_create_physical_replication_slot('standby')");
    pg_execute(url, "ALTER SYSTEM SET primary_slot_name = 'standby'");
    pg_execute(url, "ALTER SYSTEM SET hot_standby_feedback = on");
    pg_execute(url, "ALTER SYSTEM SET sync_replication_slots = on");
    pg_execute(url,
               "ALTER SYSTEM SET primary_conninfo ="
               " 'host=%s port=5432 user=postgres dbname=postgres'",
               pg_server_directory(fixture.pg));
    pg_execute(url, "SELECT pg_reload_conf()");
    pg_execute(fixture.database_url, "ALTER SYSTEM SET synchronized_standby_slots = 'standby'");
    pg_execute(fixture.database_url, "SELECT pg_reload_conf()");
    pg_await(url, "SELECT count(*) = 1 FROM pg_replication_slots"
                  " WHERE slot_name = '" SLOT "' AND NOT temporary");
    free(url);
}

/* From PostgreSQL 17 on the standby has the slot: nothing is missing behind a failover, and nothing
 * was told that the standby did not have. */
static void expect_kept_slot(struct pg_server *standby)
{
    enum { LIKES = 200 };
    char *url = pg_server_url(standby, "rsvpd");
    synchronize_slots(standby);
    for (int i = 0; i < LIKES; i++) {
        pg_execute(fixture.database_url, "INSERT INTO likes (post_id, user_id) VALUES ('p', 'u%d')",
                   i);
    }
    told_await(relay_fixture.told_path, 1);
    pg_server_stop_immediate(fixture.pg);
    pg_server_promote(standby);
    pg_execute(url, "INSERT INTO likes (post_id, user_id) VALUES ('p', 'after')");
    service_wait_ready(relays[0], 200);
    told_expect_tables(url, SLOT, relay_fixture.told_path);
    service_stop(&relays[0]);
    free(url);
}

static void end_synchronizing(void)
{
    pg_execute(fixture.database_url, "ALTER SYSTEM RESET synchronized_standby_slots");
    pg_execute(fixture.database_url, "SELECT pg_reload_conf()");
    pg_execute(fixture.database_url, "SELECT pg_drop_replication_slot('standby')");
}

static void a_failover(NO_STATE)
{
    bool is_kept = has_failover_slots();
    struct pg_server *standby = pg_server_create_standby(fixture.pg);
    char url[512];
    write_url_of_both(standby, url, sizeof url);
    relays[0] = service_start_relay(url, relay_fixture.told_path, NULL);
    service_wait_ready(relays[0], 200);
    (is_kept ? expect_kept_slot : expect_lost_slot)(standby);
    pg_server_destroy(&standby);
    pg_server_start(fixture.pg);
    if (is_kept) {
        end_synchronizing();
    }
}

/* What is confirmed of the log that is gone is not confirmed of the one that took its place. */
static void a_server_that_was_set_back(NO_STATE)
{
    const char *directory = pg_server_directory(fixture.pg);
    pg_server_stop(fixture.pg);
    expect_shell(STATUS_DONE, NULL, NULL, "cp -a '%s/data' '%s/kept'", directory, directory);
    pg_server_start(fixture.pg);
    start();
    pg_execute(fixture.database_url, "INSERT INTO likes (post_id, user_id)"
                                     " SELECT 'p', 'u' || i FROM generate_series(1, 1000) AS i");
    told_await(relay_fixture.told_path, 1000);
    pg_await(fixture.database_url, "SELECT confirmed_flush_lsn >= pg_current_wal_lsn()"
                                   " FROM pg_replication_slots WHERE slot_name = '" SLOT "'");
    pg_server_stop_immediate(fixture.pg);
    expect_shell(STATUS_DONE, NULL, NULL, "rm -r '%s/data' && mv '%s/kept' '%s/data'", directory,
                 directory, directory);
    pg_server_start(fixture.pg);
    pg_await(fixture.database_url,
             "SELECT active FROM pg_replication_slots WHERE slot_name = '" SLOT "'");
    pg_execute(fixture.database_url, "INSERT INTO likes (post_id, user_id) VALUES ('p', 'after')");
    told_await(relay_fixture.told_path, 1001);
    assert_true(pg_query_bool(fixture.database_url,
                              "SELECT confirmed_flush_lsn <= pg_current_wal_lsn()"
                              " FROM pg_replication_slots WHERE slot_name = '" SLOT "'"));
    stop();
}

/* ---- standard output ---- */

/* Nothing of what could not be written was confirmed. */
static void standard_output_that_ends(NO_STATE)
{
    static const struct {
        const char *command, *words;
    } cases[] = {
        {"rsvpd relay > /dev/full", "No space left on device"},
        {"{ rsvpd relay; echo status $? >&2; } | true", "Broken pipe"},
    };
    int lock;
    unsigned port = port_reserve(&lock);
    for (size_t i = 0; i < LENGTH(cases); i++) {
        write_relation(i % 2 == 0 ? "POST" : "DELETE", "/v1/events/e/rsvp?user_id=a");
        expect_shell(i == 0 ? STATUS_FAILED : STATUS_DONE, NULL, NULL, "export ADMIN_PORT=%u; %s",
                     port, cases[i].command);
        expect_err(cases[i].words);
    }
    expect_err("status 1");
    close(lock);
    start();
    told_await(relay_fixture.told_path, 2);
    told_expect(fixture.database_url, relay_fixture.told_path,
                "rsvp.created e a; rsvp.cancelled e a");
    stop();
}

/* The server falls silent before it has begun to send. */
static void a_session_that_falls_silent_is_given_up(NO_STATE)
{
    struct pg_conn *holder = pg_session_begin(fixture.database_url,
                                              "LOCK TABLE pg_publication IN ACCESS EXCLUSIVE MODE");
    relays[0] = start_relay(NULL);
    service_await_log(relays[0], "no answer in time");
    PQfinish(holder);
    write_relation("POST", "/v1/events/e/rsvp?user_id=u");
    told_await(relay_fixture.told_path, 1);
    stop();
}

/* And later, while there is nothing to send: its keepalives are missed. */
static void a_server_that_stands_still_is_left(NO_STATE)
{
    pg_execute(fixture.database_url, "ALTER ROLE rsvpd_relay SET wal_sender_timeout = '3s'");
    start();
    pg_server_pause(fixture.pg);
    service_await_log(relays[0], "the server does not answer");
    pg_server_resume(fixture.pg);
    pg_execute(fixture.database_url, "ALTER ROLE rsvpd_relay RESET wal_sender_timeout");
    pg_execute(fixture.database_url, "INSERT INTO likes (post_id, user_id) VALUES ('p', 'u')");
    told_await(relay_fixture.told_path, 1);
    stop();
}

/* A relay whose standard output is a pipe that is full. Gives the pipe. */
static int start_with_full_pipe(const char *const *environment)
{
    pg_execute(fixture.database_url, "INSERT INTO likes (post_id, user_id)"
                                     " SELECT 'p', 'u' || i FROM generate_series(1, 2000) AS i");
    assert_int_equal(mkfifo(relay_fixture.told_path, 0600), 0);
    int pipe = open(relay_fixture.told_path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    assert_true(pipe >= 0);
    relays[0] = start_relay(environment);
    service_wait_ready(relays[0], 200);
    struct pollfd room = {.fd = pipe, .events = POLLOUT};
    const int64_t end_ms = process_now_ms() + BOUND_MS;
    while (poll(&room, 1, 0) != 0 && process_now_ms() < end_ms) {
        usleep(5000);
    }
    return pipe;
}

/* The log goes on while nothing of it is read. */
static void a_target_that_holds_it_up(NO_STATE)
{
    int pipe = start_with_full_pipe(NULL);
    pg_execute(fixture.database_url,
               "CREATE TABLE strange AS SELECT i FROM generate_series(1, 100000) AS i");
    double behind = (double)pg_query_int64(
        fixture.database_url, "SELECT (pg_current_wal_lsn() - confirmed_flush_lsn)::bigint"
                              " FROM pg_replication_slots WHERE slot_name = '" SLOT "'");
    const int64_t end_ms = process_now_ms() + BOUND_MS;
    while (metric(relays[0], "rsvpd_relay_lag_bytes") < behind) {
        assert_true(process_now_ms() < end_ms);
        usleep(50 * 1000);
    }
    close(pipe);
    service_kill(&relays[0]);
    pg_execute(fixture.database_url, "DROP TABLE strange");
}

/* The next relay would write its first line behind the half of one. */
static void it_is_killed_between_two_lines(NO_STATE)
{
    static char bytes[256 * 1024];
    int pipe = start_with_full_pipe(NULL);
    service_kill(&relays[0]);
    size_t size = 0;
    ssize_t more;
    while ((more = read(pipe, bytes + size, sizeof bytes - size)) > 0) {
        size += (size_t)more;
    }
    close(pipe);
    assert_in_range(size, 1, sizeof bytes - 1);
    assert_int_equal(bytes[size - 1], '\n');
}

#define RELOADED "\"message\":\"reloaded\""

/* The second SIGHUP comes while the only thread that reads files waits for the target. */
static void what_is_asked_for_while_it_reloads_is_done_after_it(NO_STATE)
{
    static char bytes[64 * 1024];
    int pipe = start_with_full_pipe((const char *const[]){"UV_THREADPOOL_SIZE=1", NULL});
    for (int i = 0; i < 2; i++) {
        kill(relays[0]->pid, SIGHUP);
        expect_ready_word(relays[0], 200, "ready"); /* its loop has turned */
        expect_ready_word(relays[0], 200, "ready");
    }
    assert_int_equal(service_count_in_log(relays[0], RELOADED), 0);
    const int64_t end_ms = process_now_ms() + BOUND_MS;
    while (service_count_in_log(relays[0], RELOADED) < 2) {
        while (read(pipe, bytes, sizeof bytes) > 0) {
        }
        assert_true(process_now_ms() < end_ms);
        process_nap();
    }
    close(pipe);
    service_kill(&relays[0]);
}

/* Writes a file beside what relays tell. */
static void write_file(const char *name, const char *text, char path[2 * PROCESS_PATH_SIZE])
{
    snprintf(path, 2 * PROCESS_PATH_SIZE, "%s/%s", relay_fixture.directory, name);
    process_write_file(path, text);
}

static void expect_reloaded(const char *changed, const char *failed)
{
    char words[256];
    snprintf(words, sizeof words, RELOADED ",\"changed\":\"%s\",\"failed\":\"%s\"", changed,
             failed);
    kill(relays[0]->pid, SIGHUP);
    service_await_log(relays[0], words);
}

static void what_is_read_again_is_named(NO_STATE)
{
    char secret_path[2 * PROCESS_PATH_SIZE], level_path[2 * PROCESS_PATH_SIZE];
    char secret[3 * PROCESS_PATH_SIZE], level[3 * PROCESS_PATH_SIZE];
    write_file("secret", "whsec_MTExMTExMTExMTExMTExMTExMTExMTEx\n", secret_path);
    write_file("level", "info\n", level_path);
    snprintf(secret, sizeof secret, "RELAY_SECRET_FILE=%s", secret_path);
    snprintf(level, sizeof level, "LOG_LEVEL_FILE=%s", level_path);
    relays[0] = start_relay((const char *const[]){secret, level, NULL});
    service_wait_ready(relays[0], 200);
    expect_reloaded("", "");
    write_file("secret", "whsec_MjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIy\n", secret_path);
    write_file("level", "warn-ish\n", level_path);
    expect_reloaded("RELAY_SECRET", "LOG_LEVEL");
    write_file("secret", "none\n", secret_path);
    write_file("level", "debug\n", level_path);
    expect_reloaded("LOG_LEVEL", "RELAY_SECRET");
    stop();
}

static void wrong_variables(NO_STATE)
{
    static const struct {
        const char *variable, *words;
    } cases[] = {
        {"RELAY_TARGET=ftp://example.org/", "RELAY_TARGET: "},
        {"RELAY_TARGET=http://example.org/", "RELAY_TARGET: http is for loopback alone"},
        {"RELAY_TARGET=https://u:p@example.org/", "RELAY_TARGET: "},
        {"RELAY_TARGET=https://example.org/", "RELAY_SECRET: is needed"},
        {"RELAY_SECRET=whsec_x", "RELAY_SECRET: is not one or two secrets"},
        {"RELAY_TYPES=rsvp", "RELAY_TYPES: is not a list of types"},
        {"RELAY_SLOT=No Name", "RELAY_SLOT: "},
        {"RELAY_BATCH_MAX=0", "RELAY_BATCH_MAX: "},
    };
    char url[512];
    snprintf(url, sizeof url, "DATABASE_URL=%s", fixture.database_url);
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct service_run run = service_run((const char *const[]){"relay", NULL},
                                             (const char *const[]){url, cases[i].variable, NULL});
        assert_int_equal(run.status, STATUS_USAGE);
        if (strstr(run.err, cases[i].words) == NULL) {
            process_fail("%s: %s", cases[i].variable, run.err);
        }
        service_run_free(&run);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(each_type),
        CASE(types_that_are_chosen),
        CASE(it_goes_on_where_it_ended),
        CASE(many_promotions_at_once),
        CASE(rows_that_no_service_takes),
        CASE(tables_and_columns_that_it_does_not_know),
        CASE(a_copy_of_the_tables_in_another_schema),
        CASE(a_large_transaction_passes_through),
        CASE(it_is_killed_under_load),
        CASE(another_relay_takes_over),
        CASE(create_and_drop),
        CASE(a_slot_of_another_database),
        CASE(a_log_that_says_too_little),
        CASE(a_role_without_replication),
        CASE(a_publication_that_was_made_anew),
        CASE(a_slot_that_the_server_dropped),
        CASE(a_failover),
        CASE(a_server_that_was_set_back),
        CASE(a_session_that_falls_silent_is_given_up),
        CASE(a_server_that_stands_still_is_left),
        CASE(standard_output_that_ends),
        CASE(it_is_killed_between_two_lines),
        CASE(a_target_that_holds_it_up),
        CASE(what_is_asked_for_while_it_reloads_is_done_after_it),
        CASE(what_is_read_again_is_named),
        CASE(wrong_variables),
    };
#undef CASE
    return cmocka_run_group_tests(tests, group_set_up, shell_group_teardown);
}
