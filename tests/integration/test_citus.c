/* On a Citus cluster: what the service notices, migrations of a distributed schema, what is about a
 * user, commands that are refused, and shards that move under load. Runs where CITUS_URL names a
 * coordinator. */
#include <libpq-fe.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "expect.h"
#include "fixture.h"
#include "http.h"
#include "load.h"
#include "load_relation.h"
#include "process.h"
#include "relation.h"
#include "servers.h"
#include "service.h"
#include "test.h"

enum { CLIENTS = 16, EVENTS = 64, ID_SIZE = 32, BOUND_MS = 240000 };

static void the_service_notices(NO_STATE)
{
    char *log = service_read_log(fixture.service);
    assert_non_null(strstr(log, "\"postgres has the tables in shards\",\"shards\":"));
    free(log);
}

/* Takes the last migrations back, and has them applied. */
static void a_distributed_schema_migrates(NO_STATE)
{
    pg_execute(fixture.database_url, "DROP INDEX waitlist_by_user");
    pg_execute(fixture.database_url, "ALTER TABLE waitlist REPLICA IDENTITY DEFAULT");
    pg_execute(fixture.database_url, "ALTER TABLE events REPLICA IDENTITY DEFAULT");
    pg_execute(fixture.database_url, "DROP TABLE rsvpd_primary");
    pg_execute(fixture.database_url, "DELETE FROM rsvpd_migrations WHERE number > 7");
    service_migrate(fixture.database_url);
    assert_true(
        pg_query_bool(fixture.database_url,
                      "SELECT count(*) > 1 AND bool_and(result = 'f') FROM "
                      "run_command_on_shards('events', "
                      "'SELECT relreplident FROM pg_class WHERE oid = ''%%s''::regclass')"));
    assert_true(
        pg_query_bool(fixture.database_url, "SELECT to_regclass('waitlist_by_user') IS NOT NULL"));
}

/* ---- what is about a user ---- */

static void expect_listed(const char *user, size_t events)
{
    char target[RELATION_TARGET_SIZE];
    snprintf(target, sizeof target, "/v1/users/%s/events?page_size=100", user);
    struct http_response *response = http_request(fixture.client, "GET", target, NULL);
    expect_status(response, 200);
    assert_int_equal(json_array_size(json_object_get(response->json, "events")), events);
    http_response_free(&response);
}

static void erase(const char *user)
{
    char target[RELATION_TARGET_SIZE];
    bool complete = false;
    snprintf(target, sizeof target, "/v1/users/%s", user);
    for (int i = 0; i < EVENTS && !complete; i++) {
        struct http_response *response = http_request(fixture.client, "DELETE", target, NULL);
        complete = json_is_true(json_object_get(response->json, "complete"));
        http_response_free(&response);
    }
    assert_true(complete);
}

static void go_to_all(const char *user)
{
    char id[ID_SIZE];
    for (size_t i = 0; i < (size_t)RELATION_COUNT * EVENTS; i++) {
        snprintf(id, sizeof id, "everywhere-%zu", i / RELATION_COUNT);
        struct http_response *response =
            relation_write(fixture.client, &relations[i % RELATION_COUNT], "POST", id, user);
        expect_status(response, 201);
        http_response_free(&response);
    }
}

static void a_user_is_found_and_erased_in_all_shards(NO_STATE)
{
    go_to_all("leaves");
    go_to_all("stays");
    expect_listed("leaves", EVENTS);
    erase("leaves");
    expect_listed("leaves", 0);
    expect_listed("stays", EVENTS);
    assert_int_equal(pg_query_int64(fixture.database_url, "SELECT count(*) FROM likes"), EVENTS);
    expect_counters_equal_rows(fixture.database_url);
    erase("stays");
    assert_int_equal(pg_query_int64(fixture.database_url, "SELECT count(*) FROM rsvps"), 0);
}

static void expect_refused(const char *const *arguments)
{
    char *entry = NULL;
    assert_true(asprintf(&entry, "DATABASE_URL=%s", fixture.database_url) > 0);
    struct service_run run = service_run(arguments, (const char *const[]){entry, NULL});
    if (run.status == 0 || strstr(run.err, "docs/how-to/shard-with-citus.md") == NULL) {
        process_fail("%s: status %d\n%s", arguments[0], run.status, run.err);
    }
    service_run_free(&run);
    free(entry);
}

static void commands_over_all_shards_are_refused(NO_STATE)
{
    go_to_all("stays");
    expect_refused((const char *const[]){"erase", "stays", NULL});
    expect_refused((const char *const[]){"prune", "--relation", "rsvp", "--closed-before",
                                         "2020-01-01T00:00:00Z", NULL});
    expect_listed("stays", EVENTS);
    erase("stays");
}

static void imports_over_all_shards_are_refused(NO_STATE)
{
    static const struct {
        const char *relation, *lines, *option;
    } cases[] = {
        {"rsvp", "event_id,user_id\nfull,late\n", "--past-capacity"},
        {"settings", "event_id,capacity,waitlist,opens_at,closes_at\nfull,1,true,,\n", NULL},
        {"waitlist", "event_id,user_id,created_at\nfull,late,2026-01-01T00:00:00Z\n", NULL},
    };
    char directory[PROCESS_PATH_SIZE], path[PROCESS_PATH_SIZE + 16];
    process_make_directory(directory, NULL);
    snprintf(path, sizeof path, "%s/lines.csv", directory);
    for (size_t i = 0; i < LENGTH(cases); i++) {
        process_write_file(path, cases[i].lines);
        expect_refused((const char *const[]){"import", "--relation", cases[i].relation, path,
                                             cases[i].option, NULL});
    }
    process_remove_directory(directory);
    assert_int_equal(
        pg_query_int64(fixture.database_url, "SELECT count(*) FROM rsvps WHERE event_id = 'full'"),
        0);
}

/* ---- rights ---- */

/* It runs as the owner of the tables, on each server. */
static void what_holds_shards_takes_nothing_of_its_callers(NO_STATE)
{
    char *url = pg_service_url(fixture.database_url);
    struct pg_conn *session =
        pg_session_begin(url, "%s",
                         "CREATE TEMP VIEW pg_dist_placement AS"
                         " SELECT 1 / (random() * 0)::integer AS shardid, 0 AS groupid");
    pg_session_execute(session,
                       "DO $$ BEGIN "
                       "PERFORM rsvpd_hold_shards(ARRAY(SELECT min(shardid) FROM pg_dist_shard)); "
                       "EXCEPTION WHEN serialization_failure THEN NULL; END $$");
    PQfinish(session);
    free(url);
    assert_true(pg_query_bool(
        fixture.database_url,
        "SELECT count(*) > 1 AND bool_and(result = 'f') FROM run_command_on_all_nodes("
        "'SELECT has_function_privilege(''pg_monitor'', ''rsvpd_hold_shards(bigint[])'', "
        "''EXECUTE'')')"));
}

/* ---- shards that are split ---- */

/* The service sends a call again for this code, as behind a move. */
static void a_shard_that_is_gone_fails_as_one_that_has_moved(NO_STATE)
{
    pg_execute(fixture.database_url,
               "DO $$ BEGIN PERFORM rsvpd_hold_shards(ARRAY[1]); RAISE EXCEPTION 'it was held'; "
               "EXCEPTION WHEN serialization_failure THEN NULL; END $$");
}

/* ---- two phases ---- */

/* How many transactions the coordinator has noted before it had a worker prepare them. */
#define PREPARED                                                                                   \
    "(SELECT n_tup_ins FROM pg_stat_all_tables WHERE relid = 'pg_dist_transaction'::regclass)"

static void a_write_and_its_key_are_committed_in_two_phases(NO_STATE)
{
    const int64_t before = pg_query_int64(fixture.database_url, "SELECT " PREPARED);
    struct http_response *response =
        event_write(fixture.client, "POST", "keyed", "guest", "\"once\"");
    expect_status(response, 201);
    http_response_free(&response);
    pg_await(fixture.database_url, "SELECT " PREPARED " > %lld", (long long)before);
    response = event_write(fixture.client, "DELETE", "keyed", "guest", NULL);
    expect_status(response, 200);
    http_response_free(&response);
}

/* ---- promotions ---- */

static void limit_event(const char *event)
{
    struct http_response *response =
        event_request(fixture.client, "PUT", event, "{\"capacity\":1,\"waitlist\":true}");
    expect_status(response, 200);
    http_response_free(&response);
}

static void promote_since(const char *event, int seconds)
{
    pg_execute(fixture.database_url,
               "UPDATE events SET promoting_at = now() - interval '%d s' WHERE event_id = '%s'",
               seconds, event);
}

static void one_that_is_held_keeps_no_others_waiting(NO_STATE)
{
    limit_event("held");
    limit_event("free");
    struct pg_conn *holder = pg_session_begin(
        fixture.database_url, "SELECT FROM rsvp_counters WHERE event_id = 'held' FOR UPDATE");
    promote_since("held", 20);
    promote_since("free", 10);
    pg_await(fixture.database_url,
             "SELECT promoting_at IS NULL FROM events WHERE event_id = 'free'");
    PQfinish(holder);
    pg_await(fixture.database_url,
             "SELECT promoting_at IS NULL FROM events WHERE event_id = 'held'");
}

/* ---- a worker that is lost ---- */

/* Workers wait for a standby that is not there, behind what they have committed. */
static void hold_commits(const char *standby)
{
    assert_true(
        pg_query_bool(fixture.database_url,
                      "SELECT bool_and(success) FROM run_command_on_workers($c$ALTER SYSTEM SET "
                      "synchronous_standby_names = '%s'$c$)",
                      standby));
    assert_true(pg_query_bool(fixture.database_url,
                              "SELECT bool_and(result = 't') FROM "
                              "run_command_on_workers('SELECT pg_reload_conf()')"));
}

/* A worker heeds its settings only after a while: what is committed there until then waits with the
 * rest. */
static void let_commits_go(void)
{
    hold_commits("");
    assert_true(pg_query_bool(fixture.database_url,
                              "SELECT bool_and(success) FROM run_command_on_workers("
                              "$c$SELECT pg_logical_emit_message(true, 'goes on', '')$c$)"));
}

static int heal_commits(NO_STATE)
{
    let_commits_go();
    return 0;
}

/* One after the other, until one is not answered as usual: a server heeds its settings only after a
 * while. */
struct guests {
    char last[ID_SIZE];
    struct http_response *answer; /* to that one */
};

static void *send_rsvps(void *guests_)
{
    struct guests *guests = guests_;
    for (unsigned i = 0; guests->answer == NULL || guests->answer->status == 201; i++) {
        if (guests->answer != NULL) {
            http_response_free(&guests->answer);
        }
        snprintf(guests->last, sizeof guests->last, "guest-%u", i);
        guests->answer = event_write(fixture.client, "POST", "lost", guests->last, NULL);
    }
    return NULL;
}

/* The coordinator's session goes on, and cannot tell that the write was done. */
static void a_write_whose_worker_is_lost_is_not_known(NO_STATE)
{
    struct guests guests = {.answer = NULL};
    pthread_t thread;
    fixture_restart_service((const char *const[]){"REQUEST_DEADLINE_MS=20000", NULL});
    hold_commits("nobody");
    assert_int_equal(pthread_create(&thread, NULL, send_rsvps, &guests), 0);
    pg_await(fixture.database_url,
             "SELECT sum(result::integer) > 0 FROM run_command_on_workers('SELECT "
             "count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = "
             "''SyncRep'' AND application_name LIKE ''citus_internal%%''')");
    assert_int_equal(pthread_join(thread, NULL), 0);
    let_commits_go();
    expect_problem(guests.answer, 504, "outcome-unknown");
    http_response_free(&guests.answer);
    expect_member(fixture.client, &relations[0], "lost", guests.last, true);
    pg_execute(fixture.database_url, "TRUNCATE rsvps, rsvp_counters");
}

/* ---- shards that move ---- */

/* Moves the first shard to that server. */
static void move_to(const char *group)
{
    pg_execute(fixture.database_url,
               "SELECT citus_move_shard_placement(s.shardid, s.nodename, s.nodeport, n.nodename, "
               "n.nodeport, 'block_writes') FROM citus_shards AS s CROSS JOIN pg_dist_node AS n "
               "WHERE s.table_name = 'rsvps'::regclass AND n.groupid = (%s) "
               "ORDER BY s.shardid LIMIT 1",
               group);
}

static void let_coordinator_have_shards(const char *may)
{
    pg_execute(fixture.database_url,
               "SELECT citus_set_node_property(nodename, nodeport, 'shouldhaveshards', %s) "
               "FROM pg_dist_node WHERE groupid = 0",
               may);
}

static int clear_coordinator(NO_STATE)
{
    let_coordinator_have_shards("false");
    if (pg_query_bool(fixture.database_url,
                      "SELECT EXISTS (SELECT FROM pg_dist_placement JOIN pg_dist_shard USING "
                      "(shardid) WHERE groupid = 0 AND logicalrelid = 'rsvps'::regclass)")) {
        move_to("SELECT min(groupid) FROM pg_dist_node WHERE groupid > 0");
    }
    return 0;
}

/* Once Citus has run a call there, it runs those of other shards there, too, where each fails. */
static void a_shard_on_the_coordinator_is_refused(NO_STATE)
{
    let_coordinator_have_shards("true");
    move_to("0");
    service_await_log(fixture.service, "a shard of rsvps is on the coordinator");
    clear_coordinator(NULL);
    service_wait_ready(fixture.service, 200);
    expect_member(fixture.client, &relations[0], "moved-back", "nobody", false);
}

/* RSVPs to one event after the other, and leaves them again. */
struct guest {
    unsigned number, writes;
};

static void name_request(const struct guest *guest, char event[ID_SIZE], char user[ID_SIZE])
{
    snprintf(event, ID_SIZE, "moving-%u", (guest->writes / 2 + guest->number) % EVENTS);
    snprintf(user, ID_SIZE, "guest-%u", guest->number);
}

static enum load_step guest_next(struct load *load, void *client, struct load_request *request)
{
    const struct guest *guest = client;
    char event[ID_SIZE], user[ID_SIZE];
    (void)load;
    name_request(guest, event, user);
    load_ask_write(request, fixture.service->port, &relations[0], guest->writes % 2 == 0, event,
                   user);
    return LOAD_SEND;
}

static void guest_answer(const struct load_exchange *exchange, void *client)
{
    struct guest *guest = client;
    char event[ID_SIZE], user[ID_SIZE];
    struct load_write write;
    name_request(guest, event, user);
    if (load_read_write(exchange, &relations[0], guest->writes % 2 == 0, event, user, &write)) {
        if (!write.changed) {
            load_exchange_violation(exchange, "an earlier write is lost");
        }
        guest->writes++;
        load_note_progress(exchange->load);
    }
}

/* Moves the shard of one of the events to another worker, and back. */
static void move_shards(void)
{
    static const char move[] =
        "SELECT citus_move_shard_placement(s.shardid, s.nodename, s.nodeport, o.nodename, "
        "o.nodeport, '%s') FROM citus_shards AS s CROSS JOIN LATERAL (SELECT n.nodename, "
        "n.nodeport FROM pg_dist_node AS n WHERE n.noderole = 'primary' AND n.shouldhaveshards "
        "AND n.nodeport <> s.nodeport ORDER BY n.nodeport LIMIT 1) AS o WHERE s.table_name = "
        "'rsvps'::regclass AND s.shardid = (SELECT "
        "get_shard_id_for_distribution_column('rsvps', 'moving-1'))";
    pg_execute(fixture.database_url, move, "block_writes");
    pg_execute(fixture.database_url, move, "force_logical"); /* as citus_rebalance_start() does */
}

static void shards_move_under_load(NO_STATE)
{
    static const struct load_behaviour behaviour = {guest_next, guest_answer};
    static struct guest guests[CLIENTS];
    fixture_restart_service(NULL);
    struct load *crowd = load_create();
    for (unsigned i = 0; i < CLIENTS; i++) {
        guests[i] = (struct guest){.number = i};
        load_add_client(crowd, &behaviour, &guests[i]);
    }
    load_start(crowd);
    load_await_progress(crowd, CLIENTS, BOUND_MS);
    move_shards();
    load_await_progress(crowd, CLIENTS, BOUND_MS);
    load_finish(crowd);
    load_destroy(&crowd);
    expect_counters_equal_rows(fixture.database_url);
    int64_t in = 0;
    for (unsigned i = 0; i < CLIENTS; i++) {
        in += guests[i].writes % 2;
    }
    assert_int_equal(pg_query_int64(fixture.database_url, "SELECT count(*) FROM rsvps"), in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_service_notices),
        cmocka_unit_test(a_distributed_schema_migrates),
        cmocka_unit_test(a_user_is_found_and_erased_in_all_shards),
        cmocka_unit_test(commands_over_all_shards_are_refused),
        cmocka_unit_test(imports_over_all_shards_are_refused),
        cmocka_unit_test(what_holds_shards_takes_nothing_of_its_callers),
        cmocka_unit_test(a_shard_that_is_gone_fails_as_one_that_has_moved),
        cmocka_unit_test(a_write_and_its_key_are_committed_in_two_phases),
        cmocka_unit_test(one_that_is_held_keeps_no_others_waiting),
        cmocka_unit_test_teardown(a_write_whose_worker_is_lost_is_not_known, heal_commits),
        cmocka_unit_test_teardown(a_shard_on_the_coordinator_is_refused, clear_coordinator),
        cmocka_unit_test(shards_move_under_load),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
