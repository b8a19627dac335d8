/* Erasure of a user, by the service and by the command: nothing of the user is left, whatever comes
 * in between, and everybody else has what they had. */
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "expect.h"
#include "fixture.h"
#include "load.h"
#include "load_relation.h"
#include "process.h"
#include "relation.h"
#include "servers.h"
#include "service.h"
#include "shell.h"
#include "test.h"

#define QUEUED(capacity) "{\"capacity\":" #capacity ",\"waitlist\":true}"

enum {
    STATUS_DONE = 0,
    STATUS_FAILED = 1,
    STATUS_USAGE = 2,
    MANY = 100000,
    ROUNDS_MAX = 200,
    REFUSALS_MAX = 20
};

static int set_up(NO_STATE)
{
    shell_clear_tables();
    return 0;
}

static const char *database(void)
{
    return fixture.database_url;
}

/* ---- what there is of a user ---- */

/* How many rows of any table of the schema have the user's id anywhere, also of tables that are not
 * made yet: each row is searched as text. */
static int64_t rows_about(const char *user)
{
    pg_execute(
        database(),
        "CREATE OR REPLACE FUNCTION rows_about(id text) RETURNS bigint LANGUAGE plpgsql AS $$"
        " DECLARE sum bigint := 0; n bigint; t text;"
        " BEGIN"
        "  FOR t IN SELECT format('%%I.%%I', table_schema, table_name)"
        "    FROM information_schema.tables"
        "    WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
        "      AND table_type = 'BASE TABLE' LOOP"
        "   EXECUTE format('SELECT count(*) FROM %%s AS r WHERE position(%%L IN r::text) > 0',"
        "                  t, id) INTO n;"
        "   sum := sum + n;"
        "  END LOOP;"
        "  RETURN sum;"
        " END $$");
    return pg_query_int64(database(), "SELECT rows_about('%s')", user);
}

static void expect_nothing_about(const char *user)
{
    assert_int_equal(rows_about(user), 0);
}

static void expect_all_is_right(void)
{
    expect_counters_equal_rows(database());
    expect_shell(STATUS_DONE, NULL, NULL, "rsvpd verify");
}

/* Memberships with their counters, as many as asked for: of entities that others may be in too. */
static void add_memberships(const struct relation *relation, const char *user, int count)
{
    pg_execute(database(),
               "INSERT INTO %s (%s, user_id) SELECT 'many-' || i, '%s'"
               " FROM generate_series(1, %d) AS i",
               relation->table, relation->id_member, user, count);
    pg_execute(database(),
               "INSERT INTO %s AS c (%s, count, version) SELECT 'many-' || i, 1, 1"
               " FROM generate_series(1, %d) AS i"
               " ON CONFLICT (%s) DO UPDATE SET count = c.count + 1, version = c.version + 1",
               relation->counter_table, relation->id_member, count, relation->id_member);
}

/* ---- requests ---- */

struct erased {
    int status;
    bool complete;
    int64_t rsvps, likes, waitlist, keys;
};

static struct http_response *erase_request(struct http_client *client, const char *user)
{
    char target[RELATION_TARGET_SIZE];
    snprintf(target, sizeof target, "/v1/users/%s", user);
    return http_request(client, "DELETE", target, NULL);
}

/* As a client does it: 503 says that nothing was done for now, as where a busy machine needs longer
 * than a deadline for the first step, and to send it again. */
static struct http_response *erase_request_again(struct http_client *client, const char *user)
{
    struct http_response *response = erase_request(client, user);
    for (int i = 0; i < REFUSALS_MAX && response->status == 503; i++) {
        http_response_free(&response);
        response = erase_request(client, user);
    }
    return response;
}

static int64_t erased_of(const struct http_response *response, const char *member)
{
    return json_integer_value(json_object_get(json_object_get(response->json, "erased"), member));
}

/* One request that is taken, which must be a success of either kind. */
static struct erased erase_once(struct http_client *client, const char *user)
{
    struct http_response *response = erase_request_again(client, user);
    struct erased erased = {
        .status = response->status,
        .complete = json_is_true(json_object_get(response->json, "complete")),
        .rsvps = erased_of(response, "rsvps"),
        .likes = erased_of(response, "likes"),
        .waitlist = erased_of(response, "waitlist"),
        .keys = erased_of(response, "idempotency_keys"),
    };
    expect_status(response, erased.complete ? 200 : 202);
    expect_members(response->json, "user_id", "erased", "complete");
    expect_members(json_object_get(response->json, "erased"), "rsvps", "likes", "waitlist",
                   "idempotency_keys");
    assert_string_equal(json_string_value(json_object_get(response->json, "user_id")), user);
    assert_true((http_header(response, "Retry-After") != NULL) == !erased.complete);
    expect_header(response, "Cache-Control", "no-store");
    http_response_free(&response);
    return erased;
}

/* The same request until nothing is left: the sum of all answers. */
static struct erased erase_all(struct http_client *client, const char *user)
{
    struct erased sum = {.complete = false};
    for (int i = 0; i < ROUNDS_MAX && !sum.complete; i++) {
        struct erased erased = erase_once(client, user);
        sum.complete = erased.complete;
        sum.rsvps += erased.rsvps;
        sum.likes += erased.likes;
        sum.waitlist += erased.waitlist;
        sum.keys += erased.keys;
    }
    assert_true(sum.complete);
    return sum;
}

static void rsvp(const char *event, const char *user, const char *key)
{
    struct http_response *response = event_write(fixture.client, "POST", event, user, key);
    assert_true(response->status == 201 || response->status == 202);
    http_response_free(&response);
}

static void like(const char *post, const char *user)
{
    struct http_response *response =
        relation_write(fixture.client, &relations[RELATION_LIKE], "POST", post, user);
    expect_status(response, 201);
    http_response_free(&response);
}

/* One of everything for the user "gone"; "stays" and "waits" are who else there is. */
static void make_one_of_each(void)
{
    event_put(fixture.client, "full", QUEUED(1));
    rsvp("full", "gone", "k1");
    rsvp("full", "stays", NULL);
    rsvp("full", "waits", NULL);
    event_put(fixture.client, "queue", QUEUED(1));
    rsvp("queue", "stays", NULL);
    rsvp("queue", "gone", "k2");
    rsvp("queue", "waits", NULL);
    rsvp("open", "gone", NULL);
    rsvp("open", "stays", "k1");
    like("post", "gone");
    like("post", "stays");
}

static void expect_the_others_stay(void)
{
    expect_event_users(fixture.client, "full", "stays"); /* the seat was given on */
    expect_event_waitlist(fixture.client, "full", "waits");
    expect_event_users(fixture.client, "queue", "stays");
    expect_event_waitlist(fixture.client, "queue", "waits");
    expect_event_users(fixture.client, "open", "stays");
    expect_exact_count(fixture.client, &relations[RELATION_RSVP], "open", 1);
    expect_exact_count(fixture.client, &relations[RELATION_LIKE], "post", 1);
    assert_int_equal(rows_about("stays"), 5); /* with the kept answer */
    expect_all_is_right();
}

/* ---- tests ---- */

static void everything_about_a_user_goes(NO_STATE)
{
    make_one_of_each();
    assert_int_equal(rows_about("gone"), 6);
    struct erased erased = erase_once(fixture.client, "gone");
    assert_true(erased.complete);
    assert_int_equal(erased.rsvps, 2);
    assert_int_equal(erased.likes, 1);
    assert_int_equal(erased.waitlist, 1);
    assert_int_equal(erased.keys, 2);
    expect_nothing_about("gone");
    expect_the_others_stay();
    erased = erase_once(fixture.client, "gone");
    assert_int_equal(erased.rsvps + erased.likes + erased.waitlist + erased.keys, 0);
}

static void the_command_erases_the_same(NO_STATE)
{
    make_one_of_each();
    expect_shell(STATUS_DONE, "erased: 2 rsvps, 1 likes, 1 places on waiting lists, 2 kept answers",
                 "", "rsvpd erase gone");
    expect_nothing_about("gone");
    expect_the_others_stay();
    expect_shell(STATUS_DONE, "erased: 0 rsvps, 0 likes, 0 places on waiting lists, 0 kept answers",
                 "", "rsvpd erase gone");
}

static void an_erased_user_can_come_again(NO_STATE)
{
    rsvp("open", "again", "k1");
    erase_all(fixture.client, "again");
    rsvp("open", "again", "k1"); /* 201: the answer is not kept any more */
    expect_exact_count(fixture.client, &relations[RELATION_RSVP], "open", 1);
    erase_all(fixture.client, "again");
    expect_nothing_about("again");
}

/* Names that are part of others, and ones that look like a pattern or an option. */
static void only_this_very_user_goes(NO_STATE)
{
    like("post", "-ab");
    like("post", "-a");
    like("post", "AB");
    like("post", "ab");
    erase_all(fixture.client, "ab");
    expect_shell(STATUS_DONE, "1 likes", "", "rsvpd erase -- -a");
    struct http_response *response =
        http_request(fixture.client, "GET", "/v1/posts/post/users", NULL);
    assert_int_equal(json_array_size(json_object_get(response->json, "users")), 2);
    http_response_free(&response);
    expect_all_is_right();
}

static void a_wrong_command_line_says_so_without_the_id(NO_STATE)
{
    static const char *const lines[] = {"rsvpd erase", "rsvpd erase secret-1 secret-2",
                                        "rsvpd erase 'secret 1'", "rsvpd erase -secret",
                                        "rsvpd erase --"};
    for (size_t i = 0; i < LENGTH(lines); i++) {
        expect_shell(STATUS_USAGE, "", "rsvpd erase --help", "%s", lines[i]);
        char *err = shell_read_file("err");
        assert_null(strstr(err, "secret"));
        free(err);
    }
}

/* The settings come while the service does not know of them yet, and go again. */
static void events_that_got_settings_elsewhere_are_no_obstacle(NO_STATE)
{
    rsvp("late", "gone", NULL);
    rsvp("late", "stays", NULL);
    pg_execute(database(), "INSERT INTO events (event_id, capacity, waitlist, waiting, last_ticket)"
                           " VALUES ('late', 2, true, 1, 1)");
    pg_execute(database(), "INSERT INTO waitlist (event_id, ticket, user_id)"
                           " VALUES ('late', 1, 'next')");
    pg_execute(database(), "UPDATE rsvp_counters SET managed = true WHERE event_id = 'late'");
    assert_int_equal(erase_all(fixture.client, "gone").rsvps, 1);
    expect_event_users(fixture.client, "late", "next stays");
    expect_all_is_right();
}

/* More than there is time for: each answer says what it erased, and the same request goes on. */
static void many_likes_go_step_by_step(NO_STATE)
{
    struct erased first = {.likes = 0};
    add_memberships(&relations[RELATION_LIKE], "fond", MANY);
    add_memberships(&relations[RELATION_LIKE], "other", 10);
    /* With more time where this machine ended no step in it. */
    for (unsigned deadline_ms = 600; first.likes == 0; deadline_ms *= 2) {
        char deadline[64];
        assert_true(deadline_ms < PROCESS_BOUND_MS);
        snprintf(deadline, sizeof deadline, "REQUEST_DEADLINE_MS=%u", deadline_ms);
        fixture_restart_service((const char *const[]){deadline, NULL});
        first = erase_once(fixture.client, "fond");
        assert_int_equal(first.status, 202);
    }
    assert_true(first.likes < MANY);
    /* A step that was still under way at the deadline is done, and counted nowhere. */
    assert_true(first.likes + erase_all(fixture.client, "fond").likes <= MANY);
    fixture_restart_service(NULL);
    expect_nothing_about("fond");
    assert_int_equal(rows_about("other"), 10);
    expect_all_is_right();
}

/* ---- beside others ---- */

enum { EVENTS = 4, WRITERS = 12, KILLS = 3, ERASURES_UNTIL_KILLED = 40 };

/* A client that comes to and leaves events, all of them hot and some of them full; the even ones
 * are all the user who is erased. */
struct writer {
    char user[32];
    struct load_random random;
};

static struct load *load;
static uint16_t writers_port;

static int tear_down_load(test_state state)
{
    load_destroy(&load);
    return fixture_heal(state);
}

static enum load_step next_write(struct load *unused, void *writer_, struct load_request *request)
{
    struct writer *writer = writer_;
    char event[32];
    (void)unused;
    snprintf(event, sizeof event, "hot-%u", load_random_below(&writer->random, EVENTS));
    load_ask_write(request, __atomic_load_n(&writers_port, __ATOMIC_RELAXED),
                   &relations[RELATION_RSVP], load_random_below(&writer->random, 3) > 0, event,
                   writer->user);
    if (load_random_below(&writer->random, 2) == 0) {
        snprintf(request->key, sizeof request->key, "key-%u",
                 load_random_below(&writer->random, 1000000));
    }
    return LOAD_SEND;
}

/* Any answer will do, and none while the service is down. */
static void note_answer(const struct load_exchange *exchange, void *writer)
{
    (void)writer;
    if (exchange->answer->status == 500) {
        load_exchange_violation(exchange, "an answer that must not be");
    }
    load_note_progress(exchange->load);
}

/* The service is killed in the middle of an erasure. */
static void kill_while_erasing(int64_t left)
{
    struct http_raw *raw = http_raw_connect(fixture.service->port);
    assert_non_null(raw);
    /* One after the other, as each ends at its deadline. */
    for (int i = 0; i < ERASURES_UNTIL_KILLED; i++) {
        assert_true(
            http_raw_send_text(raw, "DELETE /v1/users/gone HTTP/1.1\r\nHost: test\r\n\r\n"));
    }
    pg_await(database(), "SELECT count(*) < %lld FROM likes", (long long)left);
    service_kill(&fixture.service);
    http_raw_close(&raw);
    expect_counters_equal_rows(database());
    fixture_restart_service(NULL);
    __atomic_store_n(&writers_port, fixture.service->port, __ATOMIC_RELAXED);
}

static void others_write_and_the_service_is_killed(NO_STATE)
{
    static const struct load_behaviour behaviour = {next_write, note_answer};
    static struct writer writers[WRITERS];
    load = load_create();
    event_put(fixture.client, "hot-0", QUEUED(3));
    event_put(fixture.client, "hot-1", QUEUED(1));
    add_memberships(&relations[RELATION_LIKE], "gone", MANY / 4);
    add_memberships(&relations[RELATION_LIKE], "stays", 100);
    writers_port = fixture.service->port;
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.random = load_random_stream(i)};
        snprintf(writers[i].user, sizeof writers[i].user, i % 2 == 0 ? "gone" : "user-%u", i);
        load_add_client(load, &behaviour, &writers[i]);
    }
    load_start(load);
    load_await_progress(load, 100, 60000);
    int64_t left = pg_query_int64(database(), "SELECT count(*) FROM likes");
    for (int i = 0; i < KILLS; i++) {
        kill_while_erasing(left -= MANY / 20);
    }
    (void)erase_once(fixture.client, "gone"); /* while they go on, and so the user does */
    load_finish(load);
    assert_true(erase_all(fixture.client, "gone").complete);
    expect_nothing_about("gone");
    assert_int_equal(
        pg_query_int64(database(), "SELECT count(*) FROM likes WHERE user_id = 'stays'"), 100);
    expect_all_is_right();
}

/* ---- export ---- */

/* One line a kind and id: "kind id". */
static void describe(const json_t *item, char *line, size_t size)
{
    const char *kind = json_string_value(json_object_get(item, "kind"));
    const char *id = json_string_value(json_object_get(item, "event_id"));
    assert_non_null(kind);
    if (strcmp(kind, "idempotency_key") == 0) {
        expect_members(item, "kind", "key", "action", "entity_id", "changed", "count",
                       "waitlist_position", "expires_at");
        id = json_string_value(json_object_get(item, "key"));
    } else if (strcmp(kind, "like") == 0) {
        expect_members(item, "kind", "post_id", "created_at");
        id = json_string_value(json_object_get(item, "post_id"));
    } else {
        expect_members(item, "kind", "event_id", "created_at");
    }
    assert_non_null(id);
    snprintf(line, size, "%s %s;", kind, id);
}

/* All pages of an export, as describe() says each item. */
static void export_all(const char *user, int page_size, char *all, size_t size)
{
    char target[RELATION_TARGET_SIZE];
    snprintf(target, sizeof target, "/v1/users/%s/export?page_size=%d", user, page_size);
    all[0] = '\0';
    for (int pages = 0; target[0] != '\0'; pages++) {
        struct http_response *response = http_request(fixture.client, "GET", target, NULL);
        const json_t *item, *next = json_object_get(response->json, "next_page_token");
        size_t i;
        expect_status(response, 200);
        expect_header(response, "Cache-Control", "private, no-cache");
        assert_true(pages < 100);
        json_array_foreach(json_object_get(response->json, "items"), i, item)
        {
            char line[512];
            describe(item, line, sizeof line);
            assert_true(strlen(all) + strlen(line) < size);
            strcat(all, line);
        }
        assert_true(i <= (size_t)page_size && (next == NULL || i == (size_t)page_size));
        assert_true((http_header(response, "Link") != NULL) == (next != NULL));
        if (next == NULL) {
            target[0] = '\0';
        } else {
            snprintf(target, sizeof target, "/v1/users/%s/export?page_size=%d&page_token=%s", user,
                     page_size, json_string_value(next));
        }
        http_response_free(&response);
    }
}

static void an_export_has_everything_in_pages_of_any_size(NO_STATE)
{
    static const char expected[] = "waitlist queue;rsvp full;rsvp open;like post;"
                                   "idempotency_key k1;idempotency_key k2;";
    char all[2048];
    make_one_of_each();
    for (int page_size = 1; page_size <= 8; page_size++) {
        export_all("gone", page_size, all, sizeof all);
        assert_string_equal(all, expected);
    }
    assert_int_equal(rows_about("gone"), 6); /* and these are all that there are */
    erase_all(fixture.client, "gone");
    export_all("gone", 50, all, sizeof all);
    assert_string_equal(all, "");
}

static void a_token_of_another_list_is_refused(NO_STATE)
{
    static const char *const targets[] = {"/v1/users/other/export", "/v1/users/gone/events",
                                          "/v1/events", "/v1/events/full/users"};
    char target[RELATION_TARGET_SIZE], token[512];
    make_one_of_each();
    struct http_response *response =
        http_request(fixture.client, "GET", "/v1/users/gone/export?page_size=1", NULL);
    snprintf(token, sizeof token, "%s",
             json_string_value(json_object_get(response->json, "next_page_token")));
    http_response_free(&response);
    for (size_t i = 0; i < LENGTH(targets); i++) {
        snprintf(target, sizeof target, "%s?page_token=%s", targets[i], token);
        response = http_request(fixture.client, "GET", target, NULL);
        expect_problem(response, 400, "invalid-parameter");
        http_response_free(&response);
    }
}

/* ---- events with settings ---- */

static void events_with_settings_are_listed(NO_STATE)
{
    make_one_of_each();
    event_put(fixture.client, "bounded", "{\"closes_at\":\"2999-01-01T00:00:00Z\"}");
    event_put(fixture.client, "released", QUEUED(1));
    event_release(fixture.client, "released");
    struct http_response *response = http_request(fixture.client, "GET", "/v1/events", NULL);
    expect_json(response, 200,
                "{\"events\":[{\"event_id\":\"bounded\",\"capacity\":null,\"waitlist\":false,"
                "\"opens_at\":null,\"closes_at\":\"2999-01-01T00:00:00.000Z\",\"rsvp_count\":0,"
                "\"waitlist_count\":0,\"remaining\":null},"
                "{\"event_id\":\"full\",\"capacity\":1,\"waitlist\":true,\"opens_at\":null,"
                "\"closes_at\":null,\"rsvp_count\":1,\"waitlist_count\":2,\"remaining\":0},"
                "{\"event_id\":\"queue\",\"capacity\":1,\"waitlist\":true,\"opens_at\":null,"
                "\"closes_at\":null,\"rsvp_count\":1,\"waitlist_count\":2,\"remaining\":0}]}");
    http_response_free(&response);
    const char *ids[] = {"bounded", "full", "queue"};
    char target[RELATION_TARGET_SIZE] = "/v1/events?page_size=1";
    for (size_t i = 0; i < LENGTH(ids); i++) {
        response = http_request(fixture.client, "GET", target, NULL);
        expect_status(response, 200);
        const json_t *events = json_object_get(response->json, "events");
        assert_int_equal(json_array_size(events), 1);
        assert_string_equal(
            json_string_value(json_object_get(json_array_get(events, 0), "event_id")), ids[i]);
        const char *token = json_string_value(json_object_get(response->json, "next_page_token"));
        assert_true((token == NULL) == (i + 1 == LENGTH(ids)));
        if (token != NULL) {
            snprintf(target, sizeof target, "/v1/events?page_size=1&page_token=%s", token);
        }
        http_response_free(&response);
    }
}

/* ---- prune ---- */

static void closed_events_go_whole(NO_STATE)
{
    make_one_of_each();
    event_put(fixture.client, "full",
              "{\"capacity\":1,\"waitlist\":true,"
              "\"closes_at\":\"2020-01-01T00:00:00Z\"}");
    event_put(fixture.client, "open", "{\"closes_at\":\"2020-06-01T00:00:00Z\"}");
    expect_shell(STATUS_DONE,
                 "prune rsvp: 1 events, 1 rsvps, 2 places on waiting lists, 1 kept answers", "",
                 "rsvpd prune --relation rsvp --closed-before 2020-02-01T00:00:00Z");
    assert_int_equal(pg_query_int64(database(), "SELECT count(*) FROM events"), 2);
    expect_event_users(fixture.client, "full", "");
    expect_event_waitlist(fixture.client, "full", "");
    expect_exact_count(fixture.client, &relations[RELATION_RSVP], "full", 0);
    expect_event_users(fixture.client, "queue", "stays");     /* it never closes */
    expect_event_users(fixture.client, "open", "gone stays"); /* it closed later */
    expect_all_is_right();
    expect_shell(STATUS_DONE, "nothing is removed", "",
                 "rsvpd prune --relation like --closed-before 2020-02-01T00:00:00Z");
    expect_shell(STATUS_USAGE, "", "--closed-before takes a time",
                 "rsvpd prune --relation rsvp --closed-before yesterday");
    expect_shell(STATUS_USAGE, "", "--relation", "rsvpd prune");
}

/* Somebody holds the lock of one event all the time: what else there is goes, by the service and by
 * the command, and neither says that all is gone. */
static void what_is_locked_keeps_nothing_else(NO_STATE)
{
    enum { MEMBERSHIPS = 30 };
    static const char lock[] = "SELECT FROM rsvp_counters WHERE event_id = 'many-3' FOR UPDATE";
    for (int by_command = 0; by_command < 2; by_command++) {
        set_up(NULL);
        add_memberships(&relations[RELATION_RSVP], "fond", MEMBERSHIPS);
        add_memberships(&relations[RELATION_LIKE], "fond", MEMBERSHIPS);
        struct pg_conn *holder = pg_session_begin(database(), lock);
        if (by_command) {
            pid_t pid = shell_begin("locked", "exec rsvpd erase fond");
            pg_await(database(),
                     "SELECT NOT EXISTS (SELECT FROM likes) AND count(*) = 1 FROM rsvps");
            PQfinish(holder);
            assert_int_equal(shell_end(pid, "locked"), STATUS_DONE);
        } else {
            int64_t likes = MEMBERSHIPS;
            for (int i = 0; i < ROUNDS_MAX && likes > 0; i++) {
                struct http_response *response =
                    http_request(fixture.client, "DELETE", "/v1/users/fond", NULL);
                assert_int_not_equal(response->status, 200);
                http_response_free(&response);
                likes = pg_query_int64(database(), "SELECT count(*) FROM likes");
            }
            assert_int_equal(likes, 0);
            assert_true(rows_about("fond") > 0);
            PQfinish(holder);
            erase_all(fixture.client, "fond");
        }
        expect_nothing_about("fond");
        expect_all_is_right();
    }
}

/* The moment counts, however its offset is written; PostgreSQL knows none of 16 hours and more. */
static void a_moment_may_have_any_offset(NO_STATE)
{
    event_put(fixture.client, "old", "{\"closes_at\":\"2020-01-01T00:00:00.500Z\"}");
    expect_shell(STATUS_DONE, "prune rsvp: 0 events", "",
                 "rsvpd prune --relation rsvp --closed-before 2020-01-01T23:00:00.5+23:00");
    expect_shell(STATUS_DONE, "prune rsvp: 1 events", "",
                 "rsvpd prune --relation rsvp --closed-before 2019-12-31T00:01:00.500001-23:59");
}

/* Kept answers of other events lie between: all that belong to the event go, and no others. */
static void many_kept_answers_go(NO_STATE)
{
    enum { KEPT = 4500 };
    event_put(fixture.client, "old", "{\"closes_at\":\"2020-01-01T00:00:00Z\"}");
    pg_execute(database(),
               "INSERT INTO idempotency_keys SELECT 'u' || i %% 7, 'k' || i,"
               " CASE WHEN i %% 5 = 0 THEN 'POST like' ELSE 'POST rsvp' END,"
               " CASE WHEN i %% 3 = 0 THEN 'old' ELSE 'other' END, true, 1, 0,"
               " now() + interval '1 day' FROM generate_series(1, %d) AS i",
               KEPT);
    expect_shell(STATUS_DONE, "prune rsvp: 1 events, 0 rsvps, 0 places on waiting lists, 1200 kept",
                 "", "rsvpd prune --relation rsvp --closed-before 2020-02-01T00:00:00Z");
    assert_int_equal(pg_query_int64(database(), "SELECT count(*) FROM idempotency_keys"),
                     KEPT - 1200);
    assert_int_equal(pg_query_int64(database(),
                                    "SELECT count(*) FROM idempotency_keys"
                                    " WHERE entity_id = 'old' AND action = 'POST rsvp'"),
                     0);
}

static void the_command_is_killed_and_run_again(NO_STATE)
{
    add_memberships(&relations[RELATION_LIKE], "fond", MANY);
    add_memberships(&relations[RELATION_RSVP], "fond", MANY / 10);
    pid_t pid = shell_begin("killed", "exec rsvpd erase fond");
    pg_await(database(), "SELECT count(*) < %d FROM likes", MANY - 1000);
    assert_int_equal(kill(pid, SIGKILL), 0);
    (void)shell_end(pid, "killed");
    assert_true(rows_about("fond") > 0);
    expect_counters_equal_rows(database());
    expect_shell(STATUS_DONE, "0 places on waiting lists", NULL, "rsvpd erase fond");
    expect_nothing_about("fond");
    expect_all_is_right();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_about_a_user_goes, set_up, fixture_heal),
        cmocka_unit_test_setup_teardown(the_command_erases_the_same, set_up, fixture_heal),
        cmocka_unit_test_setup_teardown(an_erased_user_can_come_again, set_up, fixture_heal),
        cmocka_unit_test_setup_teardown(only_this_very_user_goes, set_up, fixture_heal),
        cmocka_unit_test_setup_teardown(what_is_locked_keeps_nothing_else, set_up, fixture_heal),
        cmocka_unit_test_setup_teardown(a_wrong_command_line_says_so_without_the_id, set_up,
                                        fixture_heal),
        cmocka_unit_test_setup_teardown(events_that_got_settings_elsewhere_are_no_obstacle, set_up,
                                        fixture_heal),
        cmocka_unit_test_setup_teardown(others_write_and_the_service_is_killed, set_up,
                                        tear_down_load),
        cmocka_unit_test_setup_teardown(an_export_has_everything_in_pages_of_any_size, set_up,
                                        fixture_heal),
        cmocka_unit_test_setup_teardown(a_token_of_another_list_is_refused, set_up, fixture_heal),
        cmocka_unit_test_setup_teardown(events_with_settings_are_listed, set_up, fixture_heal),
        cmocka_unit_test_setup_teardown(closed_events_go_whole, set_up, fixture_heal),
        cmocka_unit_test_setup_teardown(a_moment_may_have_any_offset, set_up, fixture_heal),
        cmocka_unit_test_setup_teardown(many_kept_answers_go, set_up, fixture_heal),
        cmocka_unit_test_setup_teardown(many_likes_go_step_by_step, set_up, fixture_heal),
        cmocka_unit_test_setup_teardown(the_command_is_killed_and_run_again, set_up, fixture_heal),
    };
    return cmocka_run_group_tests(tests, shell_group_setup_with_service, shell_group_teardown);
}
