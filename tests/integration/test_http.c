/* What HTTP asks of a service beside its own contract: pages of other origins, codings of bodies,
 * places of what was made, and conditions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pthread.h>

#include "event.h"
#include "expect.h"
#include "fixture.h"
#include "process.h"
#include "relation.h"
#include "test.h"

#define RSVP (&relations[RELATION_RSVP])

enum { TARGET_SIZE = 1024, HEADER_SIZE = 512 };

static struct http_response *ask(const char *method, const char *target, const char *body,
                                 const char *header)
{
    const char *const headers[] = {header, NULL};
    return http_request(fixture.client, method, target,
                        &(const struct http_options){.body = body, .headers = headers});
}

static struct http_response *ask_event(const char *method, const char *id, const char *body,
                                       const char *header)
{
    char target[TARGET_SIZE];
    snprintf(target, sizeof target, "/v1/events/%s", id);
    return ask(method, target, body, header);
}

static void end_problem(struct http_response *response, int status, const char *code,
                        const char *word)
{
    expect_problem_naming(response, status, code, word);
    http_response_free(&response);
}

static void end_status(struct http_response *response, int status)
{
    expect_status(response, status);
    http_response_free(&response);
}

/* ---- pages of other origins ---- */

static const char *const foreign[] = {
    "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site",  "Sec-Fetch-Site;",
    "Sec-Fetch-Site: none, none", "Origin: http://example.org", "Origin: null",
    "Origin: http://127.0.0.1",
};

static void pages_of_other_origins_change_nothing(void **state)
{
    const struct relation *relation = *state;
    char target[TARGET_SIZE];
    relation_action_target(target, relation, "foreign");
    strcat(target, "?user_id=u1");
    struct http_response *response =
        relation_write(fixture.client, relation, "POST", "foreign-kept", "u1");
    end_status(response, 201);
    for (size_t i = 0; i < LENGTH(foreign); i++) {
        process_note("%s", foreign[i]);
        end_problem(ask("POST", target, NULL, foreign[i]), 403, "forbidden", "another origin");
        end_problem(ask("POST", target, "{\"user_id\":\"u1\"}", foreign[i]), 403, "forbidden",
                    "another origin");
        char kept[TARGET_SIZE];
        relation_action_target(kept, relation, "foreign-kept");
        strcat(kept, "?user_id=u1");
        end_problem(ask("DELETE", kept, NULL, foreign[i]), 403, "forbidden", "another origin");
    }
    expect_exact_count(fixture.client, relation, "foreign", 0);
    expect_exact_count(fixture.client, relation, "foreign-kept", 1);
}

static void pages_of_other_origins_leave_settings_alone(NO_STATE)
{
    end_status(ask_event("PUT", "foreign-set", "{\"capacity\":7}", NULL), 200);
    for (size_t i = 0; i < LENGTH(foreign); i++) {
        process_note("%s", foreign[i]);
        end_problem(ask_event("PUT", "foreign-set", "{}", foreign[i]), 403, "forbidden", "origin");
        end_problem(ask_event("DELETE", "foreign-set", NULL, foreign[i]), 403, "forbidden",
                    "origin");
    }
    expect_event(fixture.client, "foreign-set",
                 .settings =
                     "\"capacity\":7,\"waitlist\":false,\"opens_at\":null,\"closes_at\":null",
                 .remaining = 7);
}

/* What changes nothing may be asked for by anybody, and our own pages may do all. */
static void own_pages_and_readers_pass(void **state)
{
    const struct relation *relation = *state;
    char target[TARGET_SIZE], own[HEADER_SIZE];
    relation_action_target(target, relation, "own");
    strcat(target, "?user_id=u1");
    snprintf(own, sizeof own, "Origin: http://127.0.0.1:%u", (unsigned)fixture.service->port);
    const char *const headers[] = {"Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: none", own};
    for (size_t i = 0; i < LENGTH(headers); i++) {
        end_status(ask("POST", target, NULL, headers[i]), 201);
        end_status(ask("DELETE", target, NULL, headers[i]), 200);
    }
    relation_count_target(target, relation, "own", "");
    for (size_t i = 0; i < LENGTH(foreign); i++) {
        end_status(ask("GET", target, NULL, foreign[i]), 200);
        end_status(ask("OPTIONS", target, NULL, foreign[i]), 204);
    }
}

/* ---- bodies ---- */

static void coded_bodies_are_refused(void **state)
{
    static const char *const codings[] = {"gzip",      "deflate",        "br", "identity, gzip",
                                          "x-rsvpd",   "gzip, identity", "*",  "identity;q=1",
                                          "identity x"};
    static const char *const plain[] = {"identity", "Identity", "identity, IDENTITY", " identity "};
    const struct relation *relation = *state;
    char target[TARGET_SIZE], header[HEADER_SIZE];
    relation_action_target(target, relation, "coded");
    for (size_t i = 0; i < LENGTH(codings) * 2; i++) {
        snprintf(header, sizeof header, "Content-Encoding: %s", codings[i / 2]);
        process_note("%s", header);
        struct http_response *response =
            ask(i % 2 == 0 ? "POST" : "DELETE", target, "{\"user_id\":\"u1\"}", header);
        expect_header(response, "Accept-Post", "application/json");
        expect_header(response, "Accept-Encoding", "identity");
        end_problem(response, 415, "unsupported-media-type", "Content-Encoding");
    }
    expect_exact_count(fixture.client, relation, "coded", 0);
    for (size_t i = 0; i < LENGTH(plain); i++) {
        snprintf(header, sizeof header, "Content-Encoding: %s", plain[i]);
        end_status(ask("POST", target, "{\"user_id\":\"u1\"}", header), i == 0 ? 201 : 200);
    }
    static const char *const seconds[] = {"Content-Type: text/plain",
                                          "Content-Type: application/json",
                                          "Content-Type;"}; /* curl's way to send an empty one */
    for (size_t i = 0; i < LENGTH(seconds); i++) { /* behind one that says application/json */
        end_problem(ask("POST", target, "{\"user_id\":\"u1\"}", seconds[i]), 415,
                    "unsupported-media-type", "application/json");
    }
    struct http_response *response = http_request(
        fixture.client, "POST", target,
        &(const struct http_options){.body = "{\"user_id\":\"u1\"}", .content_type = "text/plain"});
    expect_header(response, "Accept-Post", "application/json");
    expect_header(response, "Accept-Encoding", NULL);
    end_problem(response, 415, "unsupported-media-type", "application/json");
}

/* A number is whole however it is written (RFC 8259 section 6). */
static void whole_numbers_are_taken(NO_STATE)
{
    static const struct {
        const char *number;
        int capacity; /* -1: refused */
    } rows[] = {
        {"100", 100},
        {"100.0", 100},
        {"1e2", 100},
        {"1E+2", 100},
        {"1000e-1", 100},
        {"0.0", 0},
        {"-0", 0},
        {"1e9", 1000000000},
        {"100.5", -1},
        {"1e-1", -1},
        {"1e10", -1},
        {"-1e0", -1},
        {"1000000000.5", -1},
        {"1e-400", -1},
        {"0e-400", 0},
        {"0e999999999999", 0},
        {"100.00000000000000000001", -1},
        {"100.00000000000000000000", 100},
        {"0.99999999999999999999", -1},
        {"0.00000000000000000007e20", 7},
        {"0.00000000000000000007e+19", -1},
        {"7000000000000000000000e-21", 7},
        {"7000000000000000000000e-22", -1},
        {"1e400", -1},
        {"1e308", -1},
        {"-1e400", -1},
        {"1e99999999999999999999", -1},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        char body[128];
        snprintf(body, sizeof body, "{\"capacity\":%s}", rows[i].number);
        process_note("%s", body);
        struct http_response *response = ask_event("PUT", "whole", body, NULL);
        if (rows[i].capacity < 0) {
            end_problem(response, 400, "invalid-parameter", "number");
            continue;
        }
        expect_status(response, 200);
        assert_int_equal(json_integer_value(json_object_get(response->json, "capacity")),
                         rows[i].capacity);
        http_response_free(&response);
    }
}

static void a_user_who_is_no_string_is_told_so(void **state)
{
    static const char *const values[] = {"1", "0", "-1.5", "true", "false", "null"};
    char target[TARGET_SIZE], body[64];
    relation_action_target(target, *state, "strings");
    for (size_t i = 0; i < LENGTH(values); i++) {
        snprintf(body, sizeof body, "{\"user_id\":%s}", values[i]);
        end_problem(ask("POST", target, body, NULL), 400, "invalid-identifier", "must be a string");
    }
}

/* ---- compressed answers ---- */

enum { CROWD = 300 };

/* The answer, compressed or not, holds what an uncompressed one does. */
static void expect_coding(struct http_client *client, const char *target, const char *accept,
                          const char *coding)
{
    char header[HEADER_SIZE];
    snprintf(header, sizeof header, "Accept-Encoding: %s", accept);
    const char *const headers[] = {header, NULL};
    const struct http_options options = {.headers = headers};
    struct http_response *response = http_request(client, "GET", target, &options);
    process_note("%s, %s", target, header);
    expect_status(response, 200);
    expect_header(response, "Content-Encoding", coding);
    expect_header(response, "Vary", "Accept-Encoding");
    if (coding != NULL) { /* RFC 1952: the two bytes that a member begins with */
        assert_memory_equal(response->body, "\x1f\x8b", 2);
    }
    struct http_response *head = http_request(client, "HEAD", target, &options);
    expect_status(head, 200);
    expect_header(head, "Content-Encoding", coding);
    expect_header(head, "Vary", "Accept-Encoding");
    if (strstr(target, "metrics") == NULL) { /* which change from one request to the next */
        expect_header(head, "Content-Length", http_header(response, "Content-Length"));
    }
    assert_int_equal(head->body_size, 0);
    http_response_free(&head);
    http_response_free(&response);
}

static void large_answers_are_compressed_for_whom_asks(void **state)
{
    const struct relation *relation = *state;
    char target[TARGET_SIZE], counts[TARGET_SIZE] = "";
    pg_execute(fixture.database_url,
               "INSERT INTO %s (%s, user_id) SELECT 'crowd', 'user-' || i"
               " FROM generate_series(1, %d) AS i",
               relation->table, relation->id_member, CROWD);
    snprintf(target, sizeof target, "/v1/%s/crowd/users?page_size=%d", relation->collection, CROWD);
    expect_coding(fixture.client, target, "gzip", "gzip");
    expect_coding(fixture.client, target, "br, *;q=0.1", "gzip");
    expect_coding(fixture.client, target, "gzip;q=0", NULL);
    expect_coding(fixture.client, target, "identity", NULL);
    expect_coding(fixture.client, target, "br", NULL);
    snprintf(counts, sizeof counts, "/v1/%s_counts?", relation->name);
    for (int i = 0; i < 20; i++) {
        snprintf(counts + strlen(counts), sizeof counts - strlen(counts), "&%s=crowd-%d",
                 relation->id_member, i);
    }
    expect_coding(fixture.client, counts, "gzip", "gzip");
    expect_coding(fixture.admin, "/metrics", "gzip", "gzip");
    snprintf(target, sizeof target, "/v1/%s/crowd/users?page_size=2", relation->collection);
    expect_coding(fixture.client, target, "gzip", NULL); /* too small */
}

/* Whoever undoes the compression sees the listing that everybody else sees. */
static void a_compressed_listing_is_the_same(void **state)
{
    const struct relation *relation = *state;
    char url[TARGET_SIZE], command[TARGET_SIZE * 4];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/v1/%s/crowd/users?page_size=%d",
             (unsigned)fixture.service->port, relation->collection, CROWD);
    snprintf(command, sizeof command,
             "test \"$(curl -s '%s' | sha256sum)\" ="
             " \"$(curl -s -H 'Accept-Encoding: gzip' '%s' | gzip -dc | sha256sum)\""
             " && curl -s '%s' | grep -q user-%d",
             url, url, url, CROWD);
    const struct process_spec spec = {.argv =
                                          (const char *const[]){"/bin/sh", "-c", command, NULL}};
    assert_int_equal(process_run(&spec), 0);
}

/* A problem gives back its path, and nothing that is secret. Of a request that has come whole, and
 * of one that is refused before. */
static void a_compressed_problem_is_the_same(NO_STATE)
{
    static const char *const options[] = {"", "-X PUT -d \"$(printf %20000d 0)\""};
    char target[2048] = "/v1/events/", command[4096];
    memset(target + strlen(target), 'x', 1500);
    for (size_t i = 0; i < LENGTH(options); i++) {
        snprintf(command, sizeof command,
                 "ask() { curl -s -m 20 -H 'X-Request-Id: same' %s \"$@\" "
                 "'http://127.0.0.1:%u%s'; };"
                 "test \"$(ask)\" = \"$(ask -H 'Accept-Encoding: gzip' | gzip -dc)\""
                 " && ask | grep -q '\"request_id\":\"same\"'"
                 " && ask -i -H 'Accept-Encoding: gzip' | grep -aq '^Vary: Accept-Encoding'",
                 options[i], (unsigned)fixture.service->port, target);
        const struct process_spec spec = {
            .argv = (const char *const[]){"/bin/sh", "-c", command, NULL}};
        process_note("%s", options[i]);
        assert_int_equal(process_run(&spec), 0);
    }
    struct http_response *response = ask("GET", target, NULL, "Accept-Encoding: br");
    expect_header(response, "Content-Encoding", NULL);
    end_problem(response, 400, "invalid-identifier", "event_id");
    response = ask("GET", "/v1/events/a%20b", NULL, "Accept-Encoding: gzip"); /* too small */
    expect_header(response, "Content-Encoding", NULL);
    expect_header(response, "Vary", NULL);
    end_problem(response, 400, "invalid-identifier", "event_id");
}

/* ---- places and keys ---- */

static void what_was_made_has_a_place(void **state)
{
    static const char *const names[][2] = {
        {"place", "place"}, {"a|b+c=", "a%7Cb+c="}, {":@~._-", ":@~._-"}};
    const struct relation *relation = *state;
    for (size_t i = 0; i < LENGTH(names) * LENGTH(names); i++) {
        const char *const *entity = names[i / LENGTH(names)], *const *user =
                                                                  names[i % LENGTH(names)];
        char target[TARGET_SIZE], body[256], location[TARGET_SIZE], key[HEADER_SIZE];
        snprintf(key, sizeof key, "Idempotency-Key: place %s %zu", relation->name, i);
        relation_action_target(target, relation, entity[1]);
        snprintf(body, sizeof body, "{\"user_id\":\"%s\"}", user[0]);
        snprintf(location, sizeof location, "/v1/%s/%s/users/%s", relation->collection, entity[1],
                 user[1]);
        process_note("%s", location);
        struct http_response *response = ask("POST", target, body, key);
        expect_status(response, 201);
        expect_header(response, "Location", location);
        http_response_free(&response);
        response = ask("POST", target, body, key);
        expect_status(response, 201);
        expect_header(response, "Idempotency-Replayed", "true");
        expect_header(response, "Location", location);
        http_response_free(&response);
        response = ask("POST", target, body, NULL);
        expect_status(response, 200);
        expect_header(response, "Location", NULL);
        http_response_free(&response);
        response = ask("GET", location, NULL, NULL);
        expect_status(response, 200);
        assert_true(json_is_true(json_object_get(response->json, relation->flag)));
        http_response_free(&response);
        end_status(ask("DELETE", target, body, NULL), 200);
    }
}

/* A key would be kept for nothing there, and the client would believe in it. */
static void keys_are_taken_by_writes_of_memberships_alone(NO_STATE)
{
    static const struct {
        const char *method, *target, *body;
    } rows[] = {
        {"GET", "/v1/events/keyless/rsvp_count", NULL},
        {"HEAD", "/v1/posts/keyless/like_count", NULL},
        {"GET", "/v1/events/keyless/users", NULL},
        {"GET", "/v1/events/keyless/users/u1", NULL},
        {"GET", "/v1/users/u1/posts", NULL},
        {"GET", "/v1/events/keyless", NULL},
        {"PUT", "/v1/events/keyless", "{\"capacity\":1}"},
        {"DELETE", "/v1/events/keyless", NULL},
        {"GET", "/v1/events/keyless/waitlist", NULL},
        {"GET", "/v1/rsvp_counts?event_id=keyless", NULL},
        {"GET", "/v1/problems/forbidden", NULL},
        {"GET", "/livez", NULL},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        process_note("%s %s", rows[i].method, rows[i].target);
        struct http_response *response =
            ask(rows[i].method, rows[i].target, rows[i].body, "Idempotency-Key: k1");
        if (strcmp(rows[i].method, "HEAD") == 0) {
            end_status(response, 400);
        } else {
            end_problem(response, 400, "invalid-parameter", "Idempotency-Key");
        }
    }
}

/* ---- conditions ---- */

/* The event's tag; the caller frees it. */
static char *tag_of(struct http_response *response)
{
    expect_status(response, 200);
    const char *tag = http_header(response, "ETag");
    assert_non_null(tag);
    assert_int_equal(tag[0], '"'); /* a strong one */
    char *copy = strdup(tag);
    http_response_free(&response);
    return copy;
}

static char *current_tag(const char *id)
{
    return tag_of(ask_event("GET", id, NULL, NULL));
}

/* The tag is another one if and only if the settings are others, whoever comes and goes. */
static void settings_have_a_strong_tag(NO_STATE)
{
    static const char *const bodies[] = {
        "{}",
        "{\"capacity\":0}",
        "{\"capacity\":1}",
        "{\"capacity\":1,\"waitlist\":true}",
        "{\"waitlist\":true}",
        "{\"opens_at\":\"2026-01-01T00:00:00Z\"}",
        "{\"closes_at\":\"2026-01-01T00:00:00Z\"}",
        "{\"opens_at\":\"2026-01-01T00:00:00.001Z\"}",
        "{\"opens_at\":\"2026-01-01T00:00:00Z\",\"closes_at\":\"2030-01-01T00:00:00Z\"}",
    };
    char *tags[LENGTH(bodies) + 1];
    tags[LENGTH(bodies)] = current_tag("tags");
    for (size_t i = 0; i < LENGTH(bodies); i++) {
        tags[i] = tag_of(ask_event("PUT", "tags", bodies[i], NULL));
        char *again = current_tag("tags");
        assert_string_equal(tags[i], again);
        free(again);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(tags[i], tags[j]);
        }
        assert_string_not_equal(tags[i], tags[LENGTH(bodies)]);
    }
    end_status(ask_event("PUT", "tags", "{\"capacity\":1}", NULL), 200);
    event_do(fixture.client, "POST", "tags", "u1", .status = "going", .changed = true, .count = 1);
    char *now = current_tag("tags");
    assert_string_equal(now, tags[2]);
    free(now);
    end_status(ask_event("DELETE", "tags", NULL, NULL), 200);
    now = current_tag("tags");
    assert_string_equal(now, tags[LENGTH(bodies)]);
    free(now);
    for (size_t i = 0; i < LENGTH(tags); i++) {
        free(tags[i]);
    }
}

struct condition {
    const char *header; /* with %s for the current tag */
    int status;         /* where there are settings */
    int status_of_none; /* where there are none, whose tag is the current one */
};

static const struct condition conditions[] = {
    {"If-Match: %s", 200, 200},
    {"If-Match: \"other\", %s", 200, 200},
    {"If-Match: \"other\"\r\nIf-Match: %s", 200, 200},
    {"If-Match: *", 200, 412},
    {"If-Match: \"other\"", 412, 412},
    {"If-Match: \"\"", 412, 412},
    {"If-Match: \"caf\xc3\xa9\", \"'\"", 412, 412},
    {"If-Match: W/%s", 412, 412}, /* strong comparison */
    {"If-None-Match: *", 412, 200},
    {"If-None-Match: %s", 412, 412},
    {"If-None-Match: W/%s", 412, 412}, /* weak comparison */
    {"If-None-Match: \"other\"", 200, 200},
    {"If-Match: %s\r\nIf-None-Match: \"other\"", 200, 200},
    {"If-Match: *\r\nIf-None-Match: *", 412, 412},
    {"If-Match:", 400, 400},
    {"If-Match: other", 400, 400},
    {"If-Match: \"open", 400, 400},
    {"If-Match: *, %s", 400, 400},
    {"If-Match: *\r\nIf-Match: %s", 400, 400},
    {"If-None-Match: none", 400, 400},
};

static void check_condition(const struct condition *row, const char *method, bool is_set)
{
    char head[TARGET_SIZE], text[TARGET_SIZE * 2];
    end_status(is_set ? ask_event("PUT", "conditions", "{\"capacity\":5}", NULL)
                      : ask_event("DELETE", "conditions", NULL, NULL),
               200);
    char *before = current_tag("conditions");
    const char *place = strstr(row->header, "%s");
    int size = place == NULL ? (int)strlen(row->header) : (int)(place - row->header);
    snprintf(head, sizeof head, "%.*s%s%s", size, row->header, place == NULL ? "" : before,
             place == NULL ? "" : place + 2);
    const char *body = strcmp(method, "PUT") == 0 ? "{\"capacity\":9}" : "";
    snprintf(
        text, sizeof text,
        "%s /v1/events/conditions HTTP/1.1\r\nHost: test\r\n%s\r\nContent-Length: %zu\r\n\r\n%s",
        method, head, strlen(body), body);
    process_note("%s, %s, %s", method, head, is_set ? "settings" : "none");
    struct http_raw *raw = http_raw_connect(fixture.service->port);
    assert_non_null(raw);
    assert_true(http_raw_send_text(raw, text));
    struct http_response *response = http_raw_receive(raw, 20000);
    int status = is_set ? row->status : row->status_of_none;
    expect_status(response, status);
    if (status != 200) {
        expect_problem(response, status,
                       status == 412 ? "precondition-failed" : "invalid-parameter");
        char *after = current_tag("conditions");
        assert_string_equal(after, before);
        free(after);
    }
    http_response_free(&response);
    http_raw_close(&raw);
    free(before);
}

static void conditions_are_honoured(NO_STATE)
{
    for (size_t i = 0; i < LENGTH(conditions) * 4; i++) {
        check_condition(&conditions[i / 4], i % 2 == 0 ? "PUT" : "DELETE", i / 2 % 2 == 0);
    }
    /* Nothing was set by what failed: members come without a limit. */
    end_status(ask_event("DELETE", "conditions", NULL, NULL), 200);
    end_problem(ask_event("PUT", "conditions", "{\"capacity\":0}", "If-Match: *"), 412,
                "precondition-failed", "If-Match");
    event_do(fixture.client, "POST", "conditions", "u1", .status = "going", .changed = true,
             .count = 1);
    assert_int_equal(service_count_in_log(fixture.service, "postgres refused a statement"), 0);
}

/* A request whose list of this name fills a head, and ends with `last`: on one line, or with a line
 * for each element. */
static struct http_response *ask_with_list(const char *begin, const char *name, const char *element,
                                           const char *last, bool lines, const char *body)
{
    static char text[16 * 1024];
    enum { LISTED_SIZE_BYTES = 13 * 1024 };
    size_t size = (size_t)snprintf(text, sizeof text,
                                   "%s HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n%s: ", begin,
                                   strlen(body), name);
    while (size < LISTED_SIZE_BYTES) {
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%s%s%s", element,
                                 lines ? "\r\n" : ",", lines ? name : "", lines ? ":" : "");
    }
    snprintf(text + size, sizeof text - size, "%s\r\n\r\n%s", last, body);
    process_note("%s, %s: %s, %s", begin, name, last, lines ? "lines" : "a line");
    struct http_raw *raw = http_raw_connect(fixture.service->port);
    assert_non_null(raw);
    assert_true(http_raw_send_text(raw, text));
    struct http_response *response = http_raw_receive(raw, 20000);
    http_raw_close(&raw);
    return response;
}

static void long_lists_of_tags_are_taken(NO_STATE)
{
    static const char begin[] = "PUT /v1/events/long", body[] = "{\"capacity\":7}";
    end_status(ask_event("PUT", "long", body, NULL), 200);
    char *tag = current_tag("long");
    for (int lines = 0; lines < 2; lines++) {
        end_status(ask_with_list(begin, "If-Match", "\"1\"", tag, lines, body), 200);
        end_status(ask_with_list(begin, "If-Match", "\"1\"", "\"2\"", lines, body), 412);
        end_status(ask_with_list(begin, "If-Match", "\"1\"", "2", lines, body), 400);
        end_status(ask_with_list(begin, "If-None-Match", "\"1\"", tag, lines, body), 412);
        end_status(ask_with_list(begin, "If-None-Match", "\"1\"", "\"2\"", lines, body), 200);
    }
    free(tag);
}

/* Names a count's tag last, behind many others. The tag changes with the count's age, so that more
 * than one attempt may be needed. */
static int status_of_known_count(bool lines)
{
    enum { OTHERS = 500 };
    static const char target[] = "/v1/events/long/rsvp_count", other[] = "If-None-Match: W/\"1\"";
    char last[OTHERS * 8];
    const char *headers[OTHERS + 2] = {last, NULL};
    int status = 200;
    for (int i = 0; i < OTHERS && lines; i++) {
        headers[i] = other;
        headers[i + 1] = last;
    }
    for (int attempt = 0; attempt < 100 && status == 200; attempt++) {
        struct http_response *seen = ask("GET", target, NULL, NULL);
        size_t size = (size_t)snprintf(last, sizeof last, "If-None-Match: ");
        for (int i = 0; i < OTHERS && !lines; i++) {
            size += (size_t)snprintf(last + size, sizeof last - size, "W/\"1\",");
        }
        snprintf(last + size, sizeof last - size, "%s", http_header(seen, "ETag"));
        struct http_response *response = http_request(
            fixture.client, "GET", target, &(const struct http_options){.headers = headers});
        status = response->status;
        http_response_free(&response);
        http_response_free(&seen);
    }
    return status;
}

static void long_lists_are_looked_at_to_their_end(NO_STATE)
{
    static const char post[] = "POST /v1/events/long/rsvp", body[] = "{\"user_id\":\"u1\"}";
    char get[1200] = "GET /v1/events/";
    memset(get + strlen(get), 'x', 1100);
    for (int lines = 0; lines < 2; lines++) {
        assert_int_equal(status_of_known_count(lines), 304);
        end_status(ask_with_list(post, "Content-Encoding", "identity", "gzip", lines, body), 415);
        end_status(ask_with_list(post, "Content-Encoding", "identity", "identity", lines, body),
                   lines ? 200 : 201);
        struct http_response *response =
            ask_with_list(get, "Accept-Encoding", "br", "gzip", lines, "");
        expect_header(response, "Content-Encoding", "gzip");
        end_status(response, 400);
    }
}

enum { RAISERS = 8, RAISES = 10 };

/* Reads the capacity and sets the next one, again where somebody else was faster. */
static void *raise_capacity(void *failures_)
{
    size_t *failures = failures_;
    struct http_client *client = http_client_create(fixture.service->port);
    for (int done = 0; done < RAISES;) {
        char header[HEADER_SIZE], body[64];
        struct http_response *seen = http_request(client, "GET", "/v1/events/raised", NULL);
        const char *tag = http_header(seen, "ETag");
        snprintf(header, sizeof header, "If-Match: %s", tag == NULL ? "" : tag);
        snprintf(body, sizeof body, "{\"capacity\":%lld}",
                 (long long)json_integer_value(json_object_get(seen->json, "capacity")) + 1);
        http_response_free(&seen);
        const char *const headers[] = {header, NULL};
        struct http_response *response =
            http_request(client, "PUT", "/v1/events/raised",
                         &(const struct http_options){.body = body, .headers = headers});
        done += response->status == 200;
        *failures += response->status != 200 && response->status != 412;
        done = *failures > 0 ? RAISES : done;
        http_response_free(&response);
    }
    http_client_destroy(&client);
    return NULL;
}

/* The condition is judged and the change made in one step: no change is lost. */
static void no_change_is_lost(NO_STATE)
{
    pthread_t threads[RAISERS];
    size_t failures[RAISERS] = {0};
    end_status(ask_event("PUT", "raised", "{\"capacity\":0}", NULL), 200);
    for (size_t i = 0; i < RAISERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, raise_capacity, &failures[i]), 0);
    }
    for (size_t i = 0; i < RAISERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(failures[i], 0);
    }
    struct http_response *response = ask_event("GET", "raised", NULL, NULL);
    expect_status(response, 200);
    assert_int_equal(json_integer_value(json_object_get(response->json, "capacity")),
                     RAISERS * RAISES);
    http_response_free(&response);
}

/* ---- main ---- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        RELATION_TESTS(pages_of_other_origins_change_nothing),
        cmocka_unit_test(pages_of_other_origins_leave_settings_alone),
        RELATION_TESTS(own_pages_and_readers_pass),
        RELATION_TESTS(coded_bodies_are_refused),
        cmocka_unit_test(whole_numbers_are_taken),
        RELATION_TESTS(a_user_who_is_no_string_is_told_so),
        RELATION_TESTS(large_answers_are_compressed_for_whom_asks),
        RELATION_TESTS(a_compressed_listing_is_the_same),
        cmocka_unit_test(a_compressed_problem_is_the_same),
        RELATION_TESTS(what_was_made_has_a_place),
        cmocka_unit_test(keys_are_taken_by_writes_of_memberships_alone),
        cmocka_unit_test(settings_have_a_strong_tag),
        cmocka_unit_test(conditions_are_honoured),
        cmocka_unit_test(long_lists_of_tags_are_taken),
        cmocka_unit_test(long_lists_are_looked_at_to_their_end),
        cmocka_unit_test(no_change_is_lost),
    };
    return cmocka_run_group_tests_name("http", tests, fixture_setup, fixture_teardown);
}
