/* Idempotency-Key over HTTP, as the contract's section 4 describes it: first answers are given
 * again, whenever and wherever a request is repeated. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admission_watch.h"
#include "event.h"
#include "expect.h"
#include "http.h"
#include "load.h"
#include "load_event.h"
#include "load_relation.h"
#include "pair.h"
#include "process.h"
#include "relation.h"
#include "test.h"

#define KEY_255 KEY_64 KEY_64 KEY_64 KEY_63
#define KEY_63 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"
#define KEY_64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

enum { ID_SIZE = 32, TEXT_SIZE = 512, RECEIVE_BOUND_MS = PROCESS_BOUND_MS, RUN_BOUND_MS = 200000 };

static struct load *crowd;

static int drop_crowd(NO_STATE)
{
    load_destroy(&crowd);
    return 0;
}

static struct http_client *here(void)
{
    return pair.clients[0];
}

static struct http_client *there(void)
{
    return pair.clients[1];
}

/* ---- one request, and the same again ---- */

static struct http_response *keyed(struct http_client *client, const struct relation *relation,
                                   const char *method, const char *id, const char *user,
                                   const char *key)
{
    char target[RELATION_TARGET_SIZE], body[256], header[TEXT_SIZE];
    const char *const headers[] = {header, NULL};
    relation_action_target(target, relation, id);
    snprintf(body, sizeof body, "{\"user_id\":\"%s\"}", user);
    snprintf(header, sizeof header, "Idempotency-Key: %s", key);
    return http_request(client, method, target,
                        &(const struct http_options){.body = body, .headers = headers});
}

/* Sends it, expects an answer of its own, and gives the body, which the caller frees. */
static char *first(struct http_client *client, const struct relation *relation, const char *method,
                   const char *id, const char *user, const char *key, int status)
{
    struct http_response *response = keyed(client, relation, method, id, user, key);
    expect_status(response, status);
    expect_header(response, "Idempotency-Replayed", NULL);
    char *body = strdup(response->body);
    http_response_free(&response);
    return body;
}

/* Sends it, and expects the answer that was given before. */
static void again(struct http_client *client, const struct relation *relation, const char *method,
                  const char *id, const char *user, const char *key, int status, const char *body)
{
    struct http_response *response = keyed(client, relation, method, id, user, key);
    expect_status(response, status);
    expect_header(response, "Idempotency-Replayed", "true");
    expect_header(response, "Content-Type", "application/json");
    expect_header(response, "Cache-Control", "no-store");
    assert_string_equal(response->body, body);
    http_response_free(&response);
}

static void is_refused(struct http_client *client, const struct relation *relation,
                       const char *method, const char *id, const char *user, const char *key,
                       int status, const char *code)
{
    struct http_response *response = keyed(client, relation, method, id, user, key);
    expect_problem(response, status, code);
    expect_header(response, "Idempotency-Replayed", NULL);
    http_response_free(&response);
}

#define RSVP (&relations[RELATION_RSVP])
#define LIKE (&relations[RELATION_LIKE])

static void same_request_gets_the_same_answer(NO_STATE)
{
    for (size_t i = 0; i < RELATION_COUNT; i++) {
        const struct relation *relation = &relations[i];
        char user[ID_SIZE];
        snprintf(user, sizeof user, "same-%s", relation->name);
        char *added = first(here(), relation, "POST", "same", user, "add", 201);
        char *repeated = first(here(), relation, "POST", "same", user, "add-again", 200);
        char *removed = first(there(), relation, "DELETE", "same", user, "remove", 200);
        char *absent = first(there(), relation, "DELETE", "same", user, "remove-again", 200);
        for (unsigned round = 0; round < 2; round++) {
            for (unsigned at = 0; at < PAIR_SIZE; at++) {
                struct http_client *client = pair.clients[at];
                again(client, relation, "DELETE", "same", user, "remove-again", 200, absent);
                again(client, relation, "POST", "same", user, "add", 201, added);
                again(client, relation, "DELETE", "same", user, "remove", 200, removed);
                again(client, relation, "POST", "same", user, "add-again", 200, repeated);
            }
        }
        expect_member(here(), relation, "same", user, false);
        expect_exact_count(here(), relation, "same", 0);
        free(added);
        free(repeated);
        free(removed);
        free(absent);
    }
}

/* Wherever the user is named, and with /v1 or without: it is the same request. */
static void request_may_be_written_in_another_way(NO_STATE)
{
    static const char *const headers[] = {"Idempotency-Key: ways", "X-User-Id: u", NULL};
    char *body = first(here(), RSVP, "POST", "ways:1", "u", "ways", 201);
    struct http_response *response =
        http_request(there(), "POST", "/events/ways%3A1/rsvp?user_id=u",
                     &(const struct http_options){.headers = headers});
    expect_status(response, 201);
    expect_header(response, "Idempotency-Replayed", "true");
    assert_string_equal(response->body, body);
    http_response_free(&response);
    free(body);
}

static void answers_have_no_header_without_a_key(NO_STATE)
{
    struct http_response *response = event_write(here(), "POST", "keyless", "u", NULL);
    expect_header(response, "Idempotency-Replayed", NULL);
    http_response_free(&response);
    response = event_write(here(), "POST", "keyless", "u", NULL);
    expect_header(response, "Idempotency-Replayed", NULL);
    http_response_free(&response);
    response = relation_get_user(here(), RSVP, "keyless", "u");
    expect_header(response, "Idempotency-Replayed", NULL);
    http_response_free(&response);
}

static void delayed_repeat_undoes_nothing(NO_STATE)
{
    for (size_t i = 0; i < RELATION_COUNT; i++) {
        const struct relation *relation = &relations[i];
        char *came = first(here(), relation, "POST", "delayed", "u1", "d1", 201);
        http_response_free(&(struct http_response *){
            relation_write(there(), relation, "DELETE", "delayed", "u1")});
        again(there(), relation, "POST", "delayed", "u1", "d1", 201, came);
        expect_member(here(), relation, "delayed", "u1", false);
        free(came);
        /* The same the other way round. */
        free(first(here(), relation, "POST", "delayed", "u2", "d2", 201));
        char *left = first(here(), relation, "DELETE", "delayed", "u2", "d3", 200);
        free(first(there(), relation, "POST", "delayed", "u2", "d4", 201));
        again(here(), relation, "DELETE", "delayed", "u2", "d3", 200, left);
        expect_member(there(), relation, "delayed", "u2", true);
        expect_exact_count(there(), relation, "delayed", 1);
        free(left);
        pg_execute(pair.database_url, "DELETE FROM idempotency_keys"); /* likes use the same ones */
    }
}

static void quotes_are_no_part_of_a_key(NO_STATE)
{
    static const struct {
        const char *one, *other;
    } rows[] = {
        {"\"plain\"", "plain"},
        {"with blanks", "\"with blanks\""},
        {"  trimmed  ", "trimmed"},
        {KEY_255, "\"" KEY_255 "\""},
        {"\"a \\\"b\\\" c\"", "a \"b\" c"},
        {"\"back\\\\slash\"", "back\\slash"},
        {"!~", "\"!~\""},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        char user[ID_SIZE];
        snprintf(user, sizeof user, "quoted-%zu", i);
        process_note("%s", rows[i].one);
        char *body = first(here(), RSVP, "POST", "quotes", user, rows[i].one, 201);
        again(here(), RSVP, "POST", "quotes", user, rows[i].other, 201, body);
        free(body);
    }
    /* But keys are told apart by every byte, case included. */
    free(first(here(), RSVP, "POST", "quotes", "exact", "Key", 201));
    free(first(here(), RSVP, "POST", "quotes", "exact", "key", 200));
    free(first(here(), RSVP, "POST", "quotes", "exact", "key ey", 200));
    free(first(here(), RSVP, "POST", "quotes", "exact", "\" key\"", 200));
}

static void malformed_keys_are_refused(NO_STATE)
{
    static const char *const headers[] = {
        "Idempotency-Key:",
        "Idempotency-Key:    ",
        "Idempotency-Key: \"\"",
        "Idempotency-Key: " KEY_255 "0",
        "Idempotency-Key: \"" KEY_255 "0\"",
        "Idempotency-Key: \"open",
        "Idempotency-Key: \"",
        "Idempotency-Key: \"shut\"and more",
        "Idempotency-Key: \"bad \\escape\"",
        "Idempotency-Key: \"ends in a backslash\\\"",
        "Idempotency-Key: k\x01k",
        "Idempotency-Key: k\tk",
        "Idempotency-Key: k\x7fk",
        "Idempotency-Key: caf\xc3\xa9",
        "Idempotency-Key: \xff",
        "Idempotency-Key: one\r\nIdempotency-Key: two",
        "Idempotency-Key: same\r\nIdempotency-Key: same",
        "Idempotency-Key: one\r\nidempotency-key:",
    };
    static const char *const methods[] = {"POST", "DELETE"};
    for (size_t i = 0; i < LENGTH(headers) * LENGTH(methods); i++) {
        char text[1024];
        const char *header = headers[i / LENGTH(methods)];
        process_note("%s", header);
        struct http_raw *raw = http_raw_connect(pair.services[0]->port);
        assert_non_null(raw);
        snprintf(text, sizeof text,
                 "%s /v1/events/malformed/rsvp?user_id=u HTTP/1.1\r\nHost: test\r\n%s\r\n"
                 "Content-Length: 0\r\n\r\n",
                 methods[i % LENGTH(methods)], header);
        assert_true(http_raw_send_text(raw, text));
        struct http_response *response = http_raw_receive(raw, RECEIVE_BOUND_MS);
        /* What no field may hold is refused as such, by the number of its line. */
        const bool is_no_field = strpbrk(header, "\x01\x7f") != NULL;
        expect_problem_naming(response, 400, "invalid-parameter",
                              is_no_field ? "line 3 of the head" : "Idempotency-Key");
        http_response_free(&response);
        http_raw_close(&raw);
    }
    expect_exact_count(here(), RSVP, "malformed", 0);
}

static void key_of_another_request_is_refused(NO_STATE)
{
    char *body = first(here(), RSVP, "POST", "reuse", "u1", "k", 201);
    for (unsigned at = 0; at < PAIR_SIZE; at++) {
        struct http_client *client = pair.clients[at];
        is_refused(client, RSVP, "DELETE", "reuse", "u1", "k", 422, "idempotency-key-reused");
        is_refused(client, RSVP, "POST", "reuse-2", "u1", "k", 422, "idempotency-key-reused");
        is_refused(client, LIKE, "POST", "reuse", "u1", "k", 422, "idempotency-key-reused");
        is_refused(client, LIKE, "DELETE", "reuse", "u1", "k", 422, "idempotency-key-reused");
        again(client, RSVP, "POST", "reuse", "u1", "k", 201, body);
    }
    expect_member(here(), RSVP, "reuse", "u1", true);
    expect_member(here(), RSVP, "reuse-2", "u1", false);
    expect_member(here(), LIKE, "reuse", "u1", false);
    free(body);
    /* A key is its user's own. */
    body = first(there(), RSVP, "POST", "reuse", "u2", "k", 201);
    again(here(), RSVP, "POST", "reuse", "u2", "k", 201, body);
    free(body);
    free(first(here(), RSVP, "DELETE", "reuse-2", "u3", "k", 200));
    expect_exact_count(here(), RSVP, "reuse", 2);
}

/* ---- which answers are kept ---- */

static void refusals_by_the_rules_are_not_kept(NO_STATE)
{
    event_put(here(), "full", "{\"capacity\":1}");
    free(first(here(), RSVP, "POST", "full", "a", "ka", 201));
    is_refused(here(), RSVP, "POST", "full", "b", "kb", 409, "event-full");
    is_refused(there(), RSVP, "POST", "full", "b", "kb", 409, "event-full");
    /* Nor is the key taken: it may even go to another request. */
    is_refused(here(), RSVP, "POST", "full", "c", "kc", 409, "event-full");
    free(first(here(), RSVP, "POST", "not-full", "c", "kc", 201));
    free(first(here(), RSVP, "DELETE", "full", "a", "kd", 200));
    char *body = first(there(), RSVP, "POST", "full", "b", "kb", 201);
    again(here(), RSVP, "POST", "full", "b", "kb", 201, body);
    free(body);
    event_put(here(), "full", "{\"closes_at\":\"2001-01-01T00:00:00Z\"}");
    is_refused(here(), RSVP, "POST", "full", "e", "ke", 409, "rsvp-closed");
    event_put(here(), "full", "{}");
    free(first(here(), RSVP, "POST", "full", "e", "ke", 201));
    expect_event_users(here(), "full", "b e");
}

static void mistakes_are_not_kept(NO_STATE)
{
    static const struct {
        const char *target, *body, *code;
    } rows[] = {
        {"/v1/events/mistakes/rsvp", "{\"user_id\":\"u\",\"more\":1}", "unknown-field"},
        {"/v1/events/mistakes/rsvp", "{\"user_id\":\"u\"", "invalid-json"},
        {"/v1/events/mistakes/rsvp?x=1", "{\"user_id\":\"u\"}", "invalid-parameter"},
        {"/v1/events/mistakes/rsvp?user_id=w", "{\"user_id\":\"u\"}", "conflicting-user-id"},
        {"/v1/events/mis%20takes/rsvp", "{\"user_id\":\"u\"}", "invalid-identifier"},
    };
    static const char *const headers[] = {"Idempotency-Key: mistake", NULL};
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct http_response *response =
            http_request(here(), "POST", rows[i].target,
                         &(const struct http_options){.body = rows[i].body, .headers = headers});
        expect_problem(response, 400, rows[i].code);
        http_response_free(&response);
    }
    free(first(here(), RSVP, "POST", "mistakes", "u", "mistake", 201));
}

static void place_on_the_waiting_list_is_kept(NO_STATE)
{
    event_put(here(), "places", "{\"capacity\":1,\"waitlist\":true}");
    event_do(here(), "POST", "places", "m", .status = "going", .changed = true, .count = 1);
    event_do(here(), "POST", "places", "a", .status = "waitlisted", .changed = true, .position = 1,
             .count = 1);
    struct http_response *response = event_write(here(), "POST", "places", "b", "place");
    expect_header(response, "Idempotency-Replayed", NULL);
    expect_event_write(response, "places", "b", .status = "waitlisted", .changed = true,
                       .position = 2, .count = 1);
    event_do(there(), "DELETE", "places", "a", .status = "none", .changed = true, .count = 1);
    response = event_write(there(), "POST", "places", "b", "place");
    expect_header(response, "Idempotency-Replayed", "true");
    expect_event_write(response, "places", "b", .status = "waitlisted", .changed = true,
                       .position = 2, .count = 1);
    event_do(here(), "POST", "places", "b", .status = "waitlisted", .position = 1, .count = 1);
    /* It is in by now, and out again: the answer stays what it was, and so does the user. */
    event_do(here(), "DELETE", "places", "m", .status = "none", .changed = true, .count = 1);
    for (unsigned i = 0; i < 2; i++) {
        response = event_write(here(), "POST", "places", "b", "place");
        expect_header(response, "Idempotency-Replayed", "true");
        expect_event_write(response, "places", "b", .status = "waitlisted", .changed = true,
                           .position = 2, .count = 1);
        expect_event_user(there(), "places", "b", i == 0 ? "going" : "none");
        event_do(here(), "DELETE", "places", "b", .status = "none", .changed = i == 0, .count = 0);
    }
}

/* A key that was answered before the event got settings, or while it had them. */
static void answers_are_kept_whatever_becomes_of_the_settings(NO_STATE)
{
    char *before = first(here(), RSVP, "POST", "turns", "u1", "k1", 201);
    event_put(there(), "turns", "{\"capacity\":1}");
    again(here(), RSVP, "POST", "turns", "u1", "k1", 201, before);
    again(there(), RSVP, "POST", "turns", "u1", "k1", 201, before);
    char *during = first(here(), RSVP, "DELETE", "turns", "u1", "k2", 200);
    event_release(there(), "turns");
    again(here(), RSVP, "DELETE", "turns", "u1", "k2", 200, during);
    again(here(), RSVP, "POST", "turns", "u1", "k1", 201, before);
    again(there(), RSVP, "POST", "turns", "u1", "k1", 201, before);
    expect_event_user(here(), "turns", "u1", "none");
    free(before);
    free(during);
}

static void answers_outlive_the_service(NO_STATE)
{
    char *body = first(here(), RSVP, "POST", "restart", "u", "k", 201);
    free(first(there(), RSVP, "DELETE", "restart", "u", "k2", 200));
    pair_stop(0);
    pair_start(0);
    again(here(), RSVP, "POST", "restart", "u", "k", 201, body);
    pair_kill(0);
    pair_start(0);
    again(here(), RSVP, "POST", "restart", "u", "k", 201, body);
    expect_member(here(), RSVP, "restart", "u", false);
    free(body);
}

/* ---- for a day ---- */

static void move_expiry(const char *user, const char *to)
{
    assert_int_equal(
        pg_query_int64(pair.database_url,
                       "WITH moved AS (UPDATE idempotency_keys SET expires_at = now() + '%s'"
                       " WHERE user_id = '%s' RETURNING 1) SELECT count(*) FROM moved",
                       to, user),
        1);
}

static void answers_are_kept_for_a_day(NO_STATE)
{
    char *body = first(here(), RSVP, "POST", "day", "u-day", "k", 201);
    assert_true(pg_query_bool(pair.database_url,
                              "SELECT expires_at BETWEEN now() + '23 hours 55 min'"
                              " AND now() + '24 hours' FROM idempotency_keys"
                              " WHERE user_id = 'u-day'"));
    move_expiry("u-day", "1 minute");
    again(here(), RSVP, "POST", "day", "u-day", "k", 201, body);
    free(body);
    /* From then on the key is free: for the same request, and for another. */
    move_expiry("u-day", "-1 second");
    body = first(there(), RSVP, "POST", "day", "u-day", "k", 200);
    again(here(), RSVP, "POST", "day", "u-day", "k", 200, body);
    free(body);
    move_expiry("u-day", "-1 second");
    free(first(here(), RSVP, "DELETE", "day", "u-day", "k", 200));
    is_refused(there(), RSVP, "POST", "day", "u-day", "k", 422, "idempotency-key-reused");
}

static void old_answers_go_by_themselves(NO_STATE)
{
    enum { OLD = 2500 };
    char *body = first(here(), RSVP, "POST", "young", "u-young", "k", 201);
    pg_execute(pair.database_url,
               "INSERT INTO idempotency_keys SELECT 'u-old', 'k' || i, 'POST rsvp', 'old', true, 1,"
               " 0, now() - interval '2 minutes' FROM generate_series(1, %d) AS i",
               OLD);
    pg_await(pair.database_url,
             "SELECT NOT EXISTS (SELECT FROM idempotency_keys WHERE user_id = 'u-old')");
    again(here(), RSVP, "POST", "young", "u-young", "k", 201, body);
    free(body);
}

/* Of very many answers the few that are over are found by their time. */
static void old_answers_are_found_by_their_time(NO_STATE)
{
    char path[512];
    snprintf(path, sizeof path, "%s/sql/queries/expire_keys.sql", getenv("RSVPD_SOURCE_DIR"));
    char *sql = process_read_file(path);
    assert_true(sql[0] != '\0');
    pg_execute(pair.database_url,
               "INSERT INTO idempotency_keys SELECT 'u-many', 'k' || i, 'POST rsvp', 'many', true,"
               " 1, 0, now() + interval '12 hours' FROM generate_series(1, 20000) AS i;"
               " ANALYZE idempotency_keys");
    pg_execute(pair.database_url,
               "CREATE OR REPLACE FUNCTION plan_of(query text) RETURNS text LANGUAGE plpgsql AS $$"
               " DECLARE line text; plan text := '';"
               " BEGIN FOR line IN EXECUTE 'EXPLAIN ' || query LOOP"
               " plan := plan || line || chr(10); END LOOP; RETURN plan; END $$");
    assert_true(pg_query_bool(pair.database_url,
                              "SELECT p LIKE '%%idempotency_keys_by_expiry%%'"
                              " AND p NOT LIKE '%%Seq Scan on idempotency_keys%%'"
                              " FROM plan_of(replace($query$%s$query$, '$1', '1000')) AS p",
                              sql));
    pg_execute(pair.database_url, "DELETE FROM idempotency_keys WHERE user_id = 'u-many'");
    free(sql);
}

/* ---- the same key at the same time ---- */

enum { RACERS = 64, ROUNDS = 60 };

/* In each round all racers send one request; in every other one half of them send it for another
 * event, with the same key. */
static struct race {
    unsigned round, answered; /* of this round */
    unsigned done[2];         /* of each event: answers that were nobody's before */
    char text[2][TEXT_SIZE];  /* what they said */
    long status[2];
    char replayed[2][TEXT_SIZE]; /* the first replay, where it came before the answer itself */
} race;

struct racer {
    unsigned number;
    unsigned round;
};

static bool round_has_rivals(unsigned round)
{
    return round % 2 == 1;
}

static unsigned racer_event(const struct racer *racer)
{
    return round_has_rivals(racer->round) ? racer->number / 2 % 2 : 0;
}

static enum load_step racer_next(struct load *load, void *client, struct load_request *request)
{
    struct racer *racer = client;
    char event[ID_SIZE], user[ID_SIZE];
    (void)load;
    if (racer->round == ROUNDS) {
        return LOAD_DONE;
    }
    if (racer->round > race.round) {
        return LOAD_WAIT;
    }
    snprintf(event, sizeof event, "race-%u", racer_event(racer));
    snprintf(user, sizeof user, "racer-%u", racer->round);
    load_ask_write(request, pair.services[racer->number % PAIR_SIZE]->port, RSVP, true, event,
                   user);
    snprintf(request->key, sizeof request->key, "race");
    return LOAD_SEND;
}

/* All that is known of the round agrees: one request did something, and all repeats say what it
 * said. */
static void judge_round(const struct load_exchange *exchange)
{
    if (race.done[0] + race.done[1] != 1) {
        load_exchange_violation(exchange, "%u requests under one key did something",
                                race.done[0] + race.done[1]);
    }
    for (unsigned i = 0; i < 2; i++) {
        if (race.replayed[i][0] != '\0' &&
            (race.done[i] == 0 || strcmp(race.replayed[i], race.text[i]) != 0)) {
            load_exchange_violation(exchange, "a repeat got %s, the first request %s",
                                    race.replayed[i], race.text[i]);
        }
    }
    race = (struct race){.round = race.round + 1};
}

static void racer_answer(const struct load_exchange *exchange, void *client)
{
    struct racer *racer = client;
    const struct load_answer *answer = exchange->answer;
    const unsigned event = racer_event(racer);
    char id[ID_SIZE], user[ID_SIZE];
    snprintf(id, sizeof id, "race-%u", event);
    snprintf(user, sizeof user, "racer-%u", racer->round);
    const struct load_event_write write = load_read_event_write(exchange, true, id, user);
    const bool refused = write.verdict == VERDICT_IN_FLIGHT || write.verdict == VERDICT_KEY_REUSED;
    if (write.verdict == VERDICT_KEY_REUSED && !round_has_rivals(racer->round)) {
        load_exchange_violation(exchange, "nobody used the key otherwise");
    } else if (!refused && (write.verdict != VERDICT_GOING || !write.changed)) {
        load_exchange_violation(exchange, "the first request put the user in");
    } else if (!refused && answer->replayed && race.replayed[event][0] != '\0' &&
               strcmp(race.replayed[event], answer->text) != 0) {
        load_exchange_violation(exchange, "another repeat got %s", race.replayed[event]);
    } else if (!refused) {
        race.done[event] += !answer->replayed;
        snprintf(answer->replayed ? race.replayed[event] : race.text[event], TEXT_SIZE, "%s",
                 answer->text);
    }
    racer->round++;
    if (++race.answered == RACERS) {
        judge_round(exchange);
    }
}

static void one_of_many_at_once_takes_effect(NO_STATE)
{
    static const struct load_behaviour behaviour = {racer_next, racer_answer};
    static struct racer racers[RACERS];
    crowd = load_create();
    for (unsigned i = 0; i < RACERS; i++) {
        racers[i] = (struct racer){.number = i};
        load_add_client(crowd, &behaviour, &racers[i]);
    }
    load_start(crowd);
    load_await_done(crowd, RUN_BOUND_MS);
    assert_int_equal(race.round, ROUNDS);
    assert_int_equal(pg_query_int64(pair.database_url,
                                    "SELECT count(*) FROM rsvps WHERE event_id LIKE 'race-%%'"),
                     ROUNDS);
    assert_int_equal(pg_query_int64(pair.database_url,
                                    "SELECT count(*) FROM idempotency_keys WHERE key = 'race'"),
                     ROUNDS);
    expect_counters_equal_rows(pair.database_url);
}

/* ---- a storm of repeats ---- */

enum {
    STORM_CLIENTS = 64,
    STORM_USERS = 60,
    STORM_WRITES = 6, /* of each pair, alternating between POST and DELETE */
    REPEATS_MAX = 2,
};

static const struct {
    unsigned relation;
    const char *id, *settings;
} places[] = {
    {RELATION_RSVP, "storm-free", NULL},
    {RELATION_RSVP, "storm-limited", "{\"capacity\":1000}"},
    {RELATION_RSVP, "storm-queued", "{\"capacity\":15,\"waitlist\":true}"},
    {RELATION_RSVP, "storm-small", "{\"capacity\":1,\"waitlist\":true}"},
    {RELATION_LIKE, "storm-liked", NULL},
};
enum { PLACES = LENGTH(places), STORM_PAIRS = PLACES * STORM_USERS };

struct logical_write {
    long status; /* of the first answer; 0: not answered */
    char text[TEXT_SIZE];
    unsigned repeats_left;
};

static struct storm_pair {
    unsigned place;
    char user[ID_SIZE];
    unsigned begun; /* writes that were sent a first time */
    struct logical_write writes[STORM_WRITES];
} storm[STORM_PAIRS];

static unsigned storm_left; /* requests still to be sent */

struct storm_client {
    struct load_random random;
    struct storm_pair *pair;
    unsigned write;
    bool repeats;
};

static bool write_joins(const struct storm_pair *of, unsigned write)
{
    return (write + (unsigned)(of - storm)) % 2 == 0; /* some begin with a DELETE */
}

/* Whether the pair has something to send: its next write once the one before is answered, or a
 * repeat of any that is. */
static bool choose_write(struct storm_client *client, struct storm_pair *of)
{
    const bool next_may =
        of->begun < STORM_WRITES && (of->begun == 0 || of->writes[of->begun - 1].status != 0);
    const unsigned drawn = load_random_below(&client->random, STORM_WRITES);
    client->pair = of;
    client->repeats = false;
    for (unsigned i = 0; i < STORM_WRITES && !client->repeats; i++) {
        client->write = (drawn + i) % STORM_WRITES;
        client->repeats =
            of->writes[client->write].status != 0 && of->writes[client->write].repeats_left > 0;
    }
    if (next_may && (!client->repeats || load_random_below(&client->random, 3) > 0)) {
        client->repeats = false;
        client->write = of->begun;
    }
    return client->repeats || next_may;
}

static enum load_step storm_next(struct load *load, void *context, struct load_request *request)
{
    struct storm_client *client = context;
    (void)load;
    if (storm_left == 0) {
        return LOAD_DONE;
    }
    const unsigned drawn = load_random_below(&client->random, STORM_PAIRS);
    unsigned i = 0;
    while (i < STORM_PAIRS && !choose_write(client, &storm[(drawn + i) % STORM_PAIRS])) {
        i++;
    }
    if (i == STORM_PAIRS) {
        return LOAD_WAIT; /* all that is left waits for an answer */
    }
    struct storm_pair *of = client->pair;
    if (client->repeats) {
        of->writes[client->write].repeats_left--;
    } else {
        of->begun++;
    }
    storm_left--;
    load_ask_write(request, pair_any_port(&client->random), &relations[places[of->place].relation],
                   write_joins(of, client->write), places[of->place].id, of->user);
    snprintf(request->key, sizeof request->key, "%s-%u", places[of->place].id, client->write);
    return LOAD_SEND;
}

static void storm_answer(const struct load_exchange *exchange, void *context)
{
    const struct storm_client *client = context;
    const struct load_answer *answer = exchange->answer;
    struct logical_write *write = &client->pair->writes[client->write];
    const json_t *changed = json_object_get(answer->json, "changed");
    if (answer->replayed != client->repeats) {
        load_exchange_violation(exchange, client->repeats ? "it was answered before"
                                                          : "it was never sent before");
    } else if (client->repeats) {
        if (answer->status != write->status || strcmp(answer->text, write->text) != 0) {
            load_exchange_violation(exchange, "the first answer was %ld %s", write->status,
                                    write->text);
        }
    } else if (answer->status < 200 || answer->status > 202 ||
               json_is_true(changed) != (client->write > 0 || write_joins(client->pair, 0))) {
        load_exchange_violation(exchange, "the writes before it leave something to change");
    } else {
        write->status = answer->status;
        snprintf(write->text, sizeof write->text, "%s", answer->text);
    }
}

static void prepare_storm(struct load_random *random)
{
    storm_left = 0;
    for (unsigned i = 0; i < STORM_PAIRS; i++) {
        storm[i] = (struct storm_pair){.place = i % PLACES};
        snprintf(storm[i].user, ID_SIZE, "storm-%u", i / PLACES);
        for (unsigned j = 0; j < STORM_WRITES; j++) {
            storm[i].writes[j].repeats_left = load_random_below(random, REPEATS_MAX + 1);
            storm_left += 1 + storm[i].writes[j].repeats_left;
        }
    }
    for (unsigned i = 0; i < PLACES; i++) {
        if (places[i].settings != NULL) {
            event_put(here(), places[i].id, places[i].settings);
        }
    }
}

/* How many pairs of the relation are not as their last write wants them. */
static int64_t count_wrong(unsigned relation_index)
{
    const struct relation *relation = &relations[relation_index];
    char *sql = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&sql, &size);
    for (unsigned i = 0; i < STORM_PAIRS; i++) {
        if (places[storm[i].place].relation == relation_index) {
            fprintf(stream, ",('%s', '%s', %s)", places[storm[i].place].id, storm[i].user,
                    write_joins(&storm[i], STORM_WRITES - 1) ? "true" : "false");
        }
    }
    fclose(stream);
    const int64_t wrong = pg_query_int64(
        pair.database_url,
        "WITH there AS MATERIALIZED (SELECT %s AS id, user_id FROM %s"
        " UNION SELECT event_id, user_id FROM waitlist)"
        " SELECT count(*) FROM (VALUES %s) AS p (id, user_id, wanted) WHERE wanted <>"
        " EXISTS (SELECT FROM there AS t WHERE t.id = p.id AND t.user_id = p.user_id)",
        relation->id_member, relation->table, sql + 1);
    free(sql);
    return wrong;
}

static void first_arrivals_alone_count_in_a_storm_of_repeats(NO_STATE)
{
    static const struct load_behaviour behaviour = {storm_next, storm_answer};
    static struct storm_client clients[STORM_CLIENTS];
    struct load_random random = load_random_stream(100);
    prepare_storm(&random);
    crowd = load_create();
    for (unsigned i = 0; i < STORM_CLIENTS; i++) {
        clients[i] = (struct storm_client){.random = load_random_stream(i)};
        load_add_client(crowd, &behaviour, &clients[i]);
    }
    load_start(crowd);
    load_await_done(crowd, RUN_BOUND_MS);
    assert_int_equal(storm_left, 0);
    for (unsigned i = 0; i < RELATION_COUNT; i++) {
        assert_int_equal(count_wrong(i), 0);
    }
    expect_counters_equal_rows(pair.database_url);
    expect_admission_sound(pair.database_url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_request_gets_the_same_answer),
        cmocka_unit_test(request_may_be_written_in_another_way),
        cmocka_unit_test(answers_have_no_header_without_a_key),
        cmocka_unit_test(delayed_repeat_undoes_nothing),
        cmocka_unit_test(quotes_are_no_part_of_a_key),
        cmocka_unit_test(malformed_keys_are_refused),
        cmocka_unit_test(key_of_another_request_is_refused),
        cmocka_unit_test(refusals_by_the_rules_are_not_kept),
        cmocka_unit_test(mistakes_are_not_kept),
        cmocka_unit_test(place_on_the_waiting_list_is_kept),
        cmocka_unit_test(answers_are_kept_whatever_becomes_of_the_settings),
        cmocka_unit_test(answers_outlive_the_service),
        cmocka_unit_test(answers_are_kept_for_a_day),
        cmocka_unit_test(old_answers_go_by_themselves),
        cmocka_unit_test(old_answers_are_found_by_their_time),
        cmocka_unit_test_teardown(one_of_many_at_once_takes_effect, drop_crowd),
        cmocka_unit_test_teardown(first_arrivals_alone_count_in_a_storm_of_repeats, drop_crowd),
    };
    load_seed();
    return cmocka_run_group_tests(tests, admission_watch_pair, pair_teardown);
}
