/* The endpoints of both relations over HTTP, as the contract's sections 1 and 2 describe them. */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "fixture.h"
#include "http.h"
#include "process.h"
#include "relation.h"
#include "servers.h"
#include "test.h"

enum { RAW_TIMEOUT_MS = PROCESS_BOUND_MS };

#define BYTES_64 "0123456789012345678901234567890123456789012345678901234567890123"
#define BYTES_128 BYTES_64 BYTES_64

/* ---- what the endpoints answer ---- */

static void write_answers_with_the_state_after_it(void **state)
{
    const struct relation *relation = *state;
    static const struct {
        const char *method;
        const char *user;
        int status;
        bool changed;
        int64_t count;
    } steps[] = {
        {"DELETE", "u1", 200, false, 0}, {"POST", "u1", 201, true, 1},
        {"POST", "u1", 200, false, 1},   {"POST", "u2", 201, true, 2},
        {"DELETE", "u3", 200, false, 2}, {"DELETE", "u1", 200, true, 1},
        {"DELETE", "u1", 200, false, 1}, {"POST", "u1", 201, true, 2},
        {"DELETE", "u2", 200, true, 1},  {"DELETE", "u1", 200, true, 0},
        {"DELETE", "u1", 200, false, 0},
    };
    for (size_t i = 0; i < LENGTH(steps); i++) {
        const bool is_in = strcmp(steps[i].method, "POST") == 0;
        struct http_response *response =
            relation_write(fixture.client, relation, steps[i].method, "lifecycle", steps[i].user);
        expect_write(relation, response, .status = steps[i].status, .id = "lifecycle",
                     .user = steps[i].user, .is_in = is_in, .changed = steps[i].changed,
                     .count = steps[i].count);
        expect_member(fixture.client, relation, "lifecycle", steps[i].user, is_in);
        expect_exact_count(fixture.client, relation, "lifecycle", steps[i].count);
    }
}

static void unused_ids_have_nothing(void **state)
{
    const struct relation *relation = *state;
    expect_member(fixture.client, relation, "never-used", "nobody", false);
    struct http_response *response = relation_get_count(fixture.client, relation, "never-used", "");
    expect_count(response, relation->id_member, "never-used", relation->count_member, 0);
    http_response_free(&response);
    expect_exact_count(fixture.client, relation, "never-used", 0);
}

/* Every write is read back over another connection, which may belong to another worker. */
static void reads_see_the_write_at_once(void **state)
{
    const struct relation *relation = *state;
    for (int i = 0; i < 30; i++) {
        const bool is_in = i % 2 == 0;
        struct http_client *reader = http_client_create(fixture.service->port);
        struct http_response *response = relation_write(
            fixture.client, relation, is_in ? "POST" : "DELETE", "read-your-writes", "u1");
        expect_status(response, is_in ? 201 : 200);
        http_response_free(&response);
        expect_member(reader, relation, "read-your-writes", "u1", is_in);
        expect_exact_count(reader, relation, "read-your-writes", is_in ? 1 : 0);
        http_client_destroy(&reader);
    }
}

static void bare_and_versioned_paths_are_the_same(void **state)
{
    const struct relation *relation = *state;
    char target[RELATION_TARGET_SIZE];
    relation_action_target(target, relation, "both-paths");
    const struct http_options user = {.body = "{\"user_id\":\"u1\"}"};

    struct http_response *response =
        http_request(fixture.client, "POST", target + strlen("/v1"), &user);
    expect_write(relation, response, .status = 201, .id = "both-paths", .user = "u1", .is_in = true,
                 .changed = true, .count = 1);
    response = http_request(fixture.client, "POST", target, &user);
    expect_write(relation, response, .status = 200, .id = "both-paths", .user = "u1", .is_in = true,
                 .changed = false, .count = 1);

    relation_user_target(target, relation, "both-paths", "u1");
    for (size_t prefix = 0; prefix <= strlen("/v1"); prefix += strlen("/v1")) {
        response = http_request(fixture.client, "GET", target + prefix, NULL);
        expect_status(response, 200);
        assert_true(json_is_true(json_object_get(response->json, relation->flag)));
        http_response_free(&response);
    }
    relation_count_target(target, relation, "both-paths", "?max_stale_ms=0");
    response = http_request(fixture.client, "GET", target + strlen("/v1"), NULL);
    expect_count(response, relation->id_member, "both-paths", relation->count_member, 1);
    http_response_free(&response);
}

/* An RSVP to an event and a like of a post of the same name have nothing to do with each other. */
static void relations_do_not_mix(NO_STATE)
{
    const struct relation *rsvp = &relations[RELATION_RSVP];
    const struct relation *like = &relations[RELATION_LIKE];
    expect_write(rsvp, relation_write(fixture.client, rsvp, "POST", "same-name", "u1"),
                 .status = 201, .id = "same-name", .user = "u1", .is_in = true, .changed = true,
                 .count = 1);
    expect_member(fixture.client, like, "same-name", "u1", false);
    expect_exact_count(fixture.client, like, "same-name", 0);
}

/* ---- the original tracker's example ---- */

struct tracker_example {
    const struct relation *relation;
    const char *ids[2];
    const char *users[3]; /* the first two are in ids[0], the third in ids[1] */
};

static void tracker_example(void **state)
{
    const struct tracker_example *example = *state;
    const struct relation *relation = example->relation;
    struct http_client *client = fixture.client;
    for (int i = 0; i < 3; i++) {
        const char *id = example->ids[i / 2];
        expect_write(relation, relation_write(client, relation, "POST", id, example->users[i]),
                     .status = 201, .id = id, .user = example->users[i], .is_in = true,
                     .changed = true, .count = i % 2 + 1);
    }
    for (int i = 0; i < 3; i++) {
        expect_member(client, relation, example->ids[0], example->users[i], i < 2);
        expect_member(client, relation, example->ids[1], example->users[i], i == 2);
    }
    expect_exact_count(client, relation, example->ids[0], 2);
    expect_write(relation,
                 relation_write(client, relation, "DELETE", example->ids[0], example->users[0]),
                 .status = 200, .id = example->ids[0], .user = example->users[0], .is_in = false,
                 .changed = true, .count = 1);
    expect_member(client, relation, example->ids[0], example->users[0], false);
    expect_exact_count(client, relation, example->ids[0], 1);
    expect_exact_count(client, relation, example->ids[1], 1);
}

static struct tracker_example tracker_examples[] = {
    {&relations[RELATION_RSVP], {"101a", "102"}, {"1", "2", "3"}},
    {&relations[RELATION_LIKE], {"p1", "p2"}, {"u1", "u2", "u3"}},
};

static void writes_survive_a_restart(void **state)
{
    const struct relation *relation = *state;
    static const char *const users[] = {"u1", "u2", "u3"};
    for (size_t i = 0; i < LENGTH(users); i++) {
        struct http_response *response =
            relation_write(fixture.client, relation, "POST", "restart", users[i]);
        expect_status(response, 201);
        http_response_free(&response);
    }
    fixture_restart_service(NULL);
    redis_server_flush(fixture.redis);
    for (size_t i = 0; i < LENGTH(users); i++) {
        expect_member(fixture.client, relation, "restart", users[i], true);
    }
    expect_exact_count(fixture.client, relation, "restart", 3);
    struct http_response *response = relation_get_count(fixture.client, relation, "restart", "");
    expect_count(response, relation->id_member, "restart", relation->count_member, 3);
    http_response_free(&response);
}

/* ---- who acts ---- */

struct user_source {
    const char *name;
    const char *body;  /* NULL: none */
    const char *query; /* begins with '?', or "" */
    const char *headers[10];
    const char *problem; /* NULL: u1 acts */
};

static const struct user_source user_sources[] = {
    {"body", "{\"user_id\":\"u1\"}", "", {NULL}, NULL},
    {"query", NULL, "?user_id=u1", {NULL}, NULL},
    {"header", NULL, "", {"X-User-Id: u1"}, NULL},
    {"header in another case", NULL, "", {"x-user-ID: u1"}, NULL},
    {"body and query", "{\"user_id\":\"u1\"}", "?user_id=u1", {NULL}, NULL},
    {"body and header", "{\"user_id\":\"u1\"}", "", {"X-User-Id: u1"}, NULL},
    {"query and header", NULL, "?user_id=u1", {"X-User-Id: u1"}, NULL},
    {"all three", "{\"user_id\":\"u1\"}", "?user_id=u1", {"X-User-Id: u1"}, NULL},
    {"query beside an empty object", "{}", "?user_id=u1", {NULL}, NULL},
    {"header beside an empty object", "{}", "", {"X-User-Id: u1"}, NULL},
    {"escaped in the body", "{\"user_id\":\"\\u0075\\u0031\"}", "", {NULL}, NULL},
    {"encoded in the query", NULL, "?user_id=%751", {NULL}, NULL},
    {"nowhere", NULL, "", {NULL}, "missing-user-id"},
    {"an empty object", "{}", "", {NULL}, "missing-user-id"},
    {"body against query", "{\"user_id\":\"u1\"}", "?user_id=u2", {NULL}, "conflicting-user-id"},
    {"body against header", "{\"user_id\":\"u1\"}", "", {"X-User-Id: u2"}, "conflicting-user-id"},
    {"query against header", NULL, "?user_id=u1", {"X-User-Id: u2"}, "conflicting-user-id"},
    {"header again and again",
     NULL,
     "?user_id=u1",
     {"X-User-Id: u1", "X-User-Id: u1", "X-User-Id: u1", "X-User-Id: u1", "X-User-Id: u1",
      "X-User-Id: u1", "X-User-Id: u1", "X-User-Id: u1", "X-User-Id: u2"},
     "invalid-parameter"},
    {"header against both",
     "{\"user_id\":\"u1\"}",
     "?user_id=u1",
     {"X-User-Id: u2"},
     "conflicting-user-id"},
    {"body against both",
     "{\"user_id\":\"u2\"}",
     "?user_id=u1",
     {"X-User-Id: u1"},
     "conflicting-user-id"},
    {"differing in case", "{\"user_id\":\"u1\"}", "?user_id=U1", {NULL}, "conflicting-user-id"},
    {"empty in the body", "{\"user_id\":\"\"}", "", {NULL}, "invalid-identifier"},
    {"empty in the query", NULL, "?user_id=", {NULL}, "invalid-identifier"},
    {"empty in the header", NULL, "", {"X-User-Id;"}, "invalid-identifier"},
    {"blank inside, in the body", "{\"user_id\":\"u 1\"}", "", {NULL}, "invalid-identifier"},
    {"blank inside, in the query", NULL, "?user_id=u%201", {NULL}, "invalid-identifier"},
    {"plus in the query", NULL, "?user_id=u+1", {NULL}, "invalid-identifier"},
    {"a name that is encoded", NULL, "?user%5Fid=u1", {NULL}, NULL},
    {"a name in both ways", NULL, "?user_id=u1&user%5Fid=u2", {NULL}, "conflicting-user-id"},
    {"a dot in the body", "{\"user_id\":\".\"}", "", {NULL}, "invalid-identifier"},
    {"two dots in the header", NULL, "", {"X-User-Id: .."}, "invalid-identifier"},
    {"a dot in the query", NULL, "?user_id=%2E", {NULL}, "invalid-identifier"},
    {"encoded in the header", NULL, "", {"X-User-Id: u%31"}, "invalid-identifier"},
    {"129 bytes in the body", "{\"user_id\":\"x" BYTES_128 "\"}", "", {NULL}, "invalid-identifier"},
    {"129 bytes in the query", NULL, "?user_id=x" BYTES_128, {NULL}, "invalid-identifier"},
    {"129 bytes in the header", NULL, "", {"X-User-Id: x" BYTES_128}, "invalid-identifier"},
    {"not ASCII in the body", "{\"user_id\":\"\xc3\xbc\"}", "", {NULL}, "invalid-identifier"},
};

static struct http_response *write_from(const struct relation *relation, const char *method,
                                        const char *id, const struct user_source *source)
{
    char target[RELATION_TARGET_SIZE];
    relation_action_target(target, relation, id);
    strcat(target, source->query);
    return http_request(
        fixture.client, method, target,
        &(const struct http_options){.body = source->body, .headers = source->headers});
}

static void check_user_source(const struct relation *relation, const struct user_source *source,
                              size_t number)
{
    char id[64];
    snprintf(id, sizeof id, "source-%zu", number);
    if (source->problem != NULL) {
        struct http_response *response = write_from(relation, "POST", id, source);
        expect_problem(response, 400, source->problem);
        http_response_free(&response);
        response = write_from(relation, "DELETE", id, source);
        expect_problem(response, 400, source->problem);
        http_response_free(&response);
        expect_exact_count(fixture.client, relation, id, 0);
        return;
    }
    expect_write(relation, write_from(relation, "POST", id, source), .status = 201, .id = id,
                 .user = "u1", .is_in = true, .changed = true, .count = 1);
    expect_write(relation, write_from(relation, "DELETE", id, source), .status = 200, .id = id,
                 .user = "u1", .is_in = false, .changed = true, .count = 0);
}

static void user_comes_from_any_place_that_agrees(void **state)
{
    for (size_t i = 0; i < LENGTH(user_sources); i++) {
        process_note("user id: %s", user_sources[i].name);
        check_user_source(*state, &user_sources[i], i);
    }
}

/* Two values in one place that differ: which error is not said, but nothing may happen. */
/* Subjects as identity providers make them, addresses, and the longest; from every place. */
static void users_of_all_kinds_act(void **state)
{
    static const char *const users[][2] = {
        {"auth0|5f7c8ec7c33c6c004bbafe82", "auth0%7C5f7c8ec7c33c6c004bbafe82"},
        {"ada+rsvp@example.org", "ada%2Brsvp@example.org"},
        {"bWFpbA==", "bWFpbA=%3D"},
        {"+", "%2b"},
        {"...", "%2E.."},
        {BYTES_128, BYTES_128},
    };
    for (size_t i = 0; i < LENGTH(users); i++) {
        char body[256], query[256], header[256];
        snprintf(body, sizeof body, "{\"user_id\":\"%s\"}", users[i][0]);
        snprintf(query, sizeof query, "?user_id=%s", users[i][1]);
        snprintf(header, sizeof header, "X-User-Id: %s", users[i][0]);
        const struct user_source sources[] = {
            {"body", body, "", {NULL}, NULL},
            {"query", NULL, query, {NULL}, NULL},
            {"header", NULL, "", {header}, NULL},
            {"all three", body, query, {header}, NULL},
        };
        for (size_t j = 0; j < LENGTH(sources); j++) {
            process_note("user: %s in the %s", users[i][0], sources[j].name);
            expect_write(*state, write_from(*state, "POST", "kinds", &sources[j]), .status = 201,
                         .id = "kinds", .user = users[i][0], .is_in = true, .changed = true,
                         .count = 1);
            expect_write(*state, write_from(*state, "DELETE", "kinds", &sources[j]), .status = 200,
                         .id = "kinds", .user = users[i][0], .is_in = false, .changed = true,
                         .count = 0);
        }
    }
}

static void user_named_twice_in_one_place_is_refused(void **state)
{
    const struct relation *relation = *state;
    static const struct user_source twice[] = {
        {"query", NULL, "?user_id=u1&user_id=u2", {NULL}, NULL},
        {"header", NULL, "", {"X-User-Id: u1", "X-User-Id: u2"}, NULL},
    };
    for (size_t i = 0; i < LENGTH(twice); i++) {
        struct http_response *response = write_from(relation, "POST", "twice", &twice[i]);
        expect_status(response, 400);
        http_response_free(&response);
    }
    expect_exact_count(fixture.client, relation, "twice", 0);
}

/* ---- methods ---- */

/* Whether the Allow header holds exactly these methods, in any order. */
static void expect_allow(const struct http_response *response, const char *const *methods)
{
    size_t total = 0;
    const char *allow = http_header(response, "Allow");
    assert_non_null(allow);
    for (size_t i = 0; methods[i] != NULL; i++) {
        char list[256];
        char wanted[64];
        snprintf(list, sizeof list, ", %s,", allow);
        snprintf(wanted, sizeof wanted, ", %s,", methods[i]);
        if (strstr(list, wanted) == NULL) {
            process_fail("Allow: %s lacks %s", allow, methods[i]);
        }
        total += strlen(methods[i]) + (i > 0 ? 2 : 0);
    }
    if (strlen(allow) != total) {
        process_fail("Allow: %s names more than it should", allow);
    }
}

static const char *const read_methods[] = {"GET", "HEAD", "OPTIONS", NULL};
static const char *const write_methods[] = {"POST", "DELETE", "OPTIONS", NULL};

static void check_methods(const char *target, const char *const *allowed,
                          const char *const *refused)
{
    struct http_response *response = http_request(fixture.client, "OPTIONS", target, NULL);
    expect_status(response, 204);
    assert_int_equal(response->body_size, 0);
    expect_allow(response, allowed);
    http_response_free(&response);
    for (size_t i = 0; refused[i] != NULL; i++) {
        const struct http_options user = {.body = "{\"user_id\":\"u1\"}"};
        response = http_request(fixture.client, refused[i], target, &user);
        expect_problem(response, 405, "method-not-allowed");
        expect_allow(response, allowed);
        http_response_free(&response);
    }
}

static void other_methods_are_refused_with_allow(void **state)
{
    const struct relation *relation = *state;
    static const char *const not_reads[] = {"POST", "PUT", "DELETE", "PATCH", "BREW", "get", NULL};
    static const char *const not_writes[] = {"GET", "PUT", "PATCH", "BREW", "post", NULL};
    char target[RELATION_TARGET_SIZE];
    relation_user_target(target, relation, "methods", "u1");
    check_methods(target, read_methods, not_reads);
    check_methods(target + strlen("/v1"), read_methods, not_reads);
    relation_count_target(target, relation, "methods", "");
    check_methods(target, read_methods, not_reads);
    relation_action_target(target, relation, "methods");
    check_methods(target, write_methods, not_writes);
    check_methods(target + strlen("/v1"), write_methods, not_writes);
    expect_exact_count(fixture.client, relation, "methods", 0);
}

static void check_head(const char *target)
{
    static const char *const headers[] = {"Content-Type", "Content-Length", "Cache-Control",
                                          "ETag"};
    struct http_response *get = http_request(fixture.client, "GET", target, NULL);
    struct http_response *head = http_request(fixture.client, "HEAD", target, NULL);
    expect_status(get, 200);
    expect_status(head, 200);
    assert_int_equal(head->body_size, 0);
    assert_non_null(http_header(get, "Content-Length"));
    for (size_t i = 0; i < LENGTH(headers); i++) {
        expect_header(head, headers[i], http_header(get, headers[i]));
    }
    http_response_free(&get);
    http_response_free(&head);
}

static void head_answers_like_get_without_body(void **state)
{
    const struct relation *relation = *state;
    char target[RELATION_TARGET_SIZE];
    relation_user_target(target, relation, "head", "u1");
    check_head(target);
    relation_count_target(target, relation, "head", "");
    check_head(target);
    relation_action_target(target, relation, "head");
    struct http_response *response = http_request(fixture.client, "HEAD", target, NULL);
    expect_status(response, 405);
    assert_int_equal(response->body_size, 0);
    expect_allow(response, write_methods);
    http_response_free(&response);
}

/* ---- identifiers in paths ---- */

struct path_identifier {
    const char *encoded;
    const char *decoded; /* NULL: not an identifier */
};

static const struct path_identifier path_identifiers[] = {
    {"%41", "A"},
    {"%61", "a"},
    {"%7e", "~"},
    {"%7E", "~"},
    {"%3a%40", ":@"},
    {"a..", "a.."},
    {"%2E..", "..."},
    {"auth0|5f7c", "auth0|5f7c"},
    {"auth0%7C5f7c%3D", "auth0|5f7c="},
    {"a+b@example.org", "a+b@example.org"},
    {"a%2Bb@example.org", "a+b@example.org"},
    {"-._~:@", "-._~:@"},
    {"abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz"},
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZ", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
    {BYTES_128, BYTES_128},
    {"%31%32%33%34%35%36%37%38%31%32%33%34%35%36%37%38%31%32%33%34%35%36%37%38%31%32%33%34%35%36"
     "%37%38%31%32%33%34%35%36%37%38%31%32%33%34%35%36%37%38%31%32%33%34%35%36%37%38%31%32%33%34"
     "%35%36%37%38",
     "1234567812345678123456781234567812345678123456781234567812345678"},
    {BYTES_128 "x", NULL},
    {".", NULL},
    {"..", NULL},
    {"%2E", NULL},
    {".%2e", NULL},
    {"%2F", NULL},
    {"a%2fb", NULL},
    {"%00", NULL},
    {"a%00", NULL},
    {"%zz", NULL},
    {"%4", NULL},
    {"%", NULL},
    {"a%4g", NULL},
    {"%2541", NULL}, /* decoded once */
    {"a%20b", NULL},
    {"%C3%A9", NULL},
    {"\xc3\xa9", NULL},
    {"a%0A", NULL},
    {"a!", NULL},
    {"a;b=c", NULL},
    {"a,b", NULL},
    {"(a)", NULL},
    {"%22", NULL},
};

static void check_event_identifier(const struct relation *relation,
                                   const struct path_identifier *row)
{
    struct http_response *response =
        relation_write(fixture.client, relation, "POST", row->encoded, "u1");
    if (row->decoded == NULL) {
        expect_problem(response, 400, "invalid-identifier");
        http_response_free(&response);
        response = relation_get_count(fixture.client, relation, row->encoded, "");
        expect_problem(response, 400, "invalid-identifier");
        http_response_free(&response);
        return;
    }
    assert_true(response->status == 201 || response->status == 200);
    assert_string_equal(json_string_value(json_object_get(response->json, relation->id_member)),
                        row->decoded);
    http_response_free(&response);
    /* All its characters may stand in a path as they are. */
    expect_member(fixture.client, relation, row->decoded, "u1", true);
    expect_exact_count(fixture.client, relation, row->decoded, 1);
}

static void check_user_identifier(const struct relation *relation,
                                  const struct path_identifier *row)
{
    struct http_response *response =
        relation_get_user(fixture.client, relation, "encoded", row->encoded);
    if (row->decoded == NULL) {
        expect_problem(response, 400, "invalid-identifier");
    } else {
        expect_status(response, 200);
        assert_string_equal(json_string_value(json_object_get(response->json, "user_id")),
                            row->decoded);
    }
    http_response_free(&response);
}

static void identifiers_in_paths_are_decoded_once(void **state)
{
    for (size_t i = 0; i < LENGTH(path_identifiers); i++) {
        process_note("identifier: %s", path_identifiers[i].encoded);
        check_event_identifier(*state, &path_identifiers[i]);
        check_user_identifier(*state, &path_identifiers[i]);
    }
}

static void empty_identifier_is_invalid(void **state)
{
    const struct relation *relation = *state;
    struct http_response *response = relation_write(fixture.client, relation, "POST", "", "u1");
    expect_problem(response, 400, "invalid-identifier");
    http_response_free(&response);
    response = relation_get_count(fixture.client, relation, "", "");
    expect_problem(response, 400, "invalid-identifier");
    http_response_free(&response);
}

static void case_of_identifiers_matters(void **state)
{
    const struct relation *relation = *state;
    struct http_response *response =
        relation_write(fixture.client, relation, "POST", "Case", "User");
    expect_status(response, 201);
    http_response_free(&response);
    expect_member(fixture.client, relation, "Case", "User", true);
    expect_member(fixture.client, relation, "Case", "user", false);
    expect_member(fixture.client, relation, "case", "User", false);
    expect_exact_count(fixture.client, relation, "case", 0);
}

/* ---- counts: caching and bounds ---- */

static char *count_etag(const struct relation *relation, const char *id)
{
    struct http_response *response =
        relation_get_count(fixture.client, relation, id, "?max_stale_ms=0");
    expect_status(response, 200);
    const char *etag = http_header(response, "ETag");
    assert_non_null(etag);
    assert_int_equal(strncmp(etag, "W/\"", 3), 0);
    assert_true(strlen(etag) > 4 && etag[strlen(etag) - 1] == '"');
    char *copy = strdup(etag);
    http_response_free(&response);
    return copy;
}

/* `value`: with %s for the tag's opaque part in quotes. Whether the answer could be judged: it
 * cannot where the service has read the count anew in between. */
static bool check_if_none_match(const struct relation *relation, const char *method,
                                const char *value, int status)
{
    char target[RELATION_TARGET_SIZE], header[512], text[256];
    char *etag = count_etag(relation, "etag");
    relation_count_target(target, relation, "etag", "");
    const char *place = strstr(value, "%s");
    size_t before = place == NULL ? strlen(value) : (size_t)(place - value);
    snprintf(text, sizeof text, "%.*s%s%s", (int)before, value,
             place == NULL ? "" : etag + strlen("W/"), place == NULL ? "" : place + 2);
    snprintf(header, sizeof header, "If-None-Match: %s", text);
    const char *const headers[] = {header, NULL};
    struct http_response *response = http_request(fixture.client, method, target,
                                                  &(const struct http_options){.headers = headers});
    process_note("%s", header);
    const char *now = http_header(response, "ETag");
    assert_non_null(now);
    bool same = strcmp(now, etag) == 0;
    if (same) {
        expect_status(response, status);
        expect_header(response, "Cache-Control", "public, max-age=1");
        assert_true(status != 304 || response->body_size == 0);
        if (status == 304) { /* RFC 9110, 8.6: not the size of nothing */
            const char *length = http_header(response, "Content-Length");
            assert_true(length == NULL || strcmp(length, "0") != 0);
        }
    }
    http_response_free(&response);
    free(etag);
    return same;
}

static void unchanged_count_is_answered_304(void **state)
{
    static const struct {
        const char *value;
        int status;
    } rows[] = {
        {"W/%s", 304},
        {"%s", 304}, /* RFC 9110, 13.1.2: weak comparison */
        {"*", 304},
        {"W/\"other\", \"a,b\" , W/%s", 304},
        {"\"other\",%s", 304},
        {", ,%s,", 304},
        {"W/\"other\"", 200},
        {"\"other\", W/\"another\"", 200},
        {"\"", 200},
        {"other", 200},
        {"\"x,%s", 200},
    };
    enum { TRIES_MAX = 100 };
    for (size_t i = 0; i < LENGTH(rows) * 2; i++) {
        int tries = 0;
        while (!check_if_none_match(*state, i % 2 == 0 ? "GET" : "HEAD", rows[i / 2].value,
                                    rows[i / 2].status)) {
            assert_true(++tries < TRIES_MAX);
        }
    }
}

/* A shared cache may add its second to a count's age, unless the caller asked for less. */
static void only_what_may_grow_older_is_cacheable(void **state)
{
    const struct relation *relation = *state;
    static const struct {
        const char *query;
        const char *cache_control;
    } rows[] = {
        {"", "public, max-age=1"},
        {"?max_stale_ms=5000", "public, max-age=1"},
        {"?max_stale_ms=1000", "public, max-age=1"},
        {"?max_stale_ms=999", "no-cache"},
        {"?max_stale_ms=0", "no-cache"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        process_note("%s", rows[i].query);
        struct http_response *response =
            relation_get_count(fixture.client, relation, "cacheable", rows[i].query);
        expect_count(response, relation->id_member, "cacheable", relation->count_member, 0);
        expect_header(response, "Cache-Control", rows[i].cache_control);
        http_response_free(&response);
    }
}

static void etag_changes_with_the_count(void **state)
{
    const struct relation *relation = *state;
    char *before = count_etag(relation, "etag-change");
    struct http_response *response =
        relation_write(fixture.client, relation, "POST", "etag-change", "u1");
    expect_status(response, 201);
    http_response_free(&response);
    char *after = count_etag(relation, "etag-change");
    assert_string_not_equal(before, after);
    free(before);
    free(after);
}

/* Two answers have the same tag if and only if they are the same, to the moment that they tell. */
static void etag_is_of_the_whole_answer(void **state)
{
    enum { ANSWERS = 20 };
    struct http_response *answers[ANSWERS];
    for (size_t i = 0; i < ANSWERS; i++) {
        answers[i] = relation_get_count(fixture.client, *state, "etag-whole",
                                        i % 4 == 3 ? "" : "?max_stale_ms=0");
        expect_status(answers[i], 200);
        for (size_t j = 0; j < i; j++) {
            assert_int_equal(
                strcmp(answers[i]->body, answers[j]->body) == 0,
                strcmp(http_header(answers[i], "ETag"), http_header(answers[j], "ETag")) == 0);
        }
    }
    assert_string_not_equal(answers[0]->body, answers[ANSWERS - 1]->body);
    for (size_t i = 0; i < ANSWERS; i++) {
        http_response_free(&answers[i]);
    }
}

static void staleness_bound_is_checked(void **state)
{
    const struct relation *relation = *state;
    static const struct {
        const char *query;
        bool valid;
    } rows[] = {
        {"?max_stale_ms=0", true},
        {"?max_stale_ms=1", true},
        {"?max_stale_ms=5000", true},
        {"?max_stale_ms=5001", false},
        {"?max_stale_ms=-1", false},
        {"?max_stale_ms=abc", false},
        {"?max_stale_ms=", false},
        {"?max_stale_ms", false},
        {"?max_stale_ms=1.5", false},
        {"?max_stale_ms=%201", false},
        {"?max_stale_ms=1ms", false},
        {"?max_stale_ms=0x10", false},
        {"?max_stale_ms=%2B1", false},
        {"?max_stale_ms=18446744073709551616", false},
        {"?max_stale_ms=1&max_stale_ms=1", false},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        process_note("%s", rows[i].query);
        struct http_response *response =
            relation_get_count(fixture.client, relation, "bound", rows[i].query);
        if (rows[i].valid) {
            expect_count(response, relation->id_member, "bound", relation->count_member, 0);
        } else {
            expect_problem_naming(response, 400, "invalid-parameter", "max_stale_ms");
        }
        http_response_free(&response);
    }
}

/* as_of lies after what the bound allows, counted from before the request was sent. Half a second
 * of requests lets cached counts grow older than the narrow bounds. */
static void as_of_keeps_the_requested_bound(void **state)
{
    const struct relation *relation = *state;
    static const int bounds_ms[] = {0, 50, 200, 5000};
    const int64_t end_ms = process_now_ms() + 500;
    do {
        for (size_t i = 0; i < LENGTH(bounds_ms); i++) {
            char query[64];
            snprintf(query, sizeof query, "?max_stale_ms=%d", bounds_ms[i]);
            const int64_t start_ms = expect_now_ms();
            struct http_response *response =
                relation_get_count(fixture.client, relation, "as-of", query);
            expect_count(response, relation->id_member, "as-of", relation->count_member, 0);
            const int64_t as_of_ms =
                expect_parse_time(json_string_value(json_object_get(response->json, "as_of")));
            if (as_of_ms < start_ms - bounds_ms[i]) {
                process_fail("as_of is %lld ms older than a bound of %d ms allows",
                             (long long)(start_ms - bounds_ms[i] - as_of_ms), bounds_ms[i]);
            }
            http_response_free(&response);
        }
    } while (process_now_ms() < end_ms);
}

/* ---- request ids ---- */

static void valid_request_id_comes_back(NO_STATE)
{
    static const char *const ids[] = {"a", "abc-DEF._0123", BYTES_64};
    for (size_t i = 0; i < LENGTH(ids); i++) {
        char header[128];
        snprintf(header, sizeof header, "X-Request-Id: %s", ids[i]);
        const char *const headers[] = {header, NULL};
        const struct http_options options = {.headers = headers};
        struct http_response *response =
            http_request(fixture.client, "GET", "/v1/events/ids/users/u1", &options);
        expect_status(response, 200);
        expect_header(response, "X-Request-Id", ids[i]);
        http_response_free(&response);
        response = http_request(fixture.client, "GET", "/no-such-route", &options);
        expect_problem(response, 404, "not-found");
        expect_header(response, "X-Request-Id", ids[i]);
        http_response_free(&response);
    }
}

static void invalid_request_id_is_replaced(NO_STATE)
{
    static const char *const headers[] = {
        ("X-Request-Id: x" BYTES_64), "X-Request-Id: a b",   "X-Request-Id: a/b", "X-Request-Id;",
        "X-Request-Id: a\xff",        "X-Request-Id: \"a\"",
    };
    for (size_t i = 0; i < LENGTH(headers); i++) {
        const char *const list[] = {headers[i], NULL};
        struct http_response *response =
            http_request(fixture.client, "GET", "/v1/events/ids/users/u1",
                         &(const struct http_options){.headers = list});
        expect_status(response, 200); /* checks the form of the id */
        assert_null(strstr(headers[i], http_header(response, "X-Request-Id")));
        http_response_free(&response);
    }
}

static int compare_texts(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static void fresh_request_ids_are_distinct(NO_STATE)
{
    enum { REQUESTS = 200 };
    char *ids[REQUESTS];
    struct http_client *clients[4];
    for (size_t i = 0; i < LENGTH(clients); i++) {
        clients[i] = http_client_create(fixture.service->port);
    }
    for (size_t i = 0; i < REQUESTS; i++) {
        struct http_response *response =
            http_request(clients[i % LENGTH(clients)], "GET", "/livez", NULL);
        expect_status(response, 200);
        ids[i] = strdup(http_header(response, "X-Request-Id"));
        http_response_free(&response);
    }
    qsort(ids, REQUESTS, sizeof ids[0], compare_texts);
    for (size_t i = 1; i < REQUESTS; i++) {
        assert_string_not_equal(ids[i - 1], ids[i]);
    }
    for (size_t i = 0; i < REQUESTS; i++) {
        free(ids[i]);
    }
    for (size_t i = 0; i < LENGTH(clients); i++) {
        http_client_destroy(&clients[i]);
    }
}

/* ---- connections ---- */

static void connection_serves_many_requests(void **state)
{
    const struct relation *relation = *state;
    char action[RELATION_TARGET_SIZE];
    char count[RELATION_TARGET_SIZE];
    relation_action_target(action, relation, "keep-alive");
    relation_count_target(count, relation, "keep-alive", "");
    const struct {
        const char *method;
        const char *target;
        const char *body;
        int status;
    } requests[] = {
        {"POST", action, "{\"user_id\":\"u1\"}", 201},
        {"GET", count, NULL, 200},
        {"HEAD", count, NULL, 200},
        {"OPTIONS", count, NULL, 204},
        {"GET", "/nowhere", NULL, 404},
        {"POST", action, "{\"user_id\":\"u1\"}", 200},
        {"PUT", action, "{\"user_id\":\"u1\"}", 405},
        {"POST", action, "{}", 400},
        {"POST", action, "no JSON", 400},
        {"DELETE", action, "{\"user_id\":\"u1\"}", 200},
        {"GET", count, NULL, 200},
    };
    struct http_client *client = http_client_create(fixture.service->port);
    for (size_t i = 0; i < LENGTH(requests); i++) {
        struct http_response *response =
            http_request(client, requests[i].method, requests[i].target,
                         &(const struct http_options){.body = requests[i].body});
        process_note("%s %s", requests[i].method, requests[i].target);
        expect_status(response, requests[i].status);
        assert_int_equal(response->new_connections, i == 0 ? 1 : 0);
        http_response_free(&response);
    }
    http_client_destroy(&client);
}

/* Builds POST and GET by turns, a pair for each user. */
static char *pipelined_requests(const struct relation *relation, int pairs)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    for (int i = 0; i < pairs; i++) {
        char body[64];
        snprintf(body, sizeof body, "{\"user_id\":\"u%d\"}", i);
        fprintf(out,
                "POST /v1/%s/pipeline/%s HTTP/1.1\r\nHost: test\r\nContent-Length: %zu\r\n\r\n%s",
                relation->collection, relation->action, strlen(body), body);
        fprintf(out, "GET /v1/%s/pipeline/users/u%d HTTP/1.1\r\nHost: test\r\n\r\n",
                relation->collection, i);
    }
    fclose(out);
    return text;
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    const struct relation *relation = *state;
    enum { PAIRS = 8 };
    char *requests = pipelined_requests(relation, PAIRS);
    struct http_raw *raw = http_raw_connect(fixture.service->port);
    assert_non_null(raw);
    assert_true(http_raw_send_text(raw, requests));
    for (int i = 0; i < PAIRS; i++) {
        char user[16];
        snprintf(user, sizeof user, "u%d", i);
        expect_write(relation, http_raw_receive(raw, RAW_TIMEOUT_MS), .status = 201,
                     .id = "pipeline", .user = user, .is_in = true, .changed = true,
                     .count = i + 1);
        struct http_response *response = http_raw_receive(raw, RAW_TIMEOUT_MS);
        expect_status(response, 200);
        assert_string_equal(json_string_value(json_object_get(response->json, "user_id")), user);
        assert_true(json_is_true(json_object_get(response->json, relation->flag)));
        http_response_free(&response);
    }
    free(requests);
    http_raw_close(&raw);
}

/* -- clients that hang up
 * --------------------------------------------------------------------------- */

enum { LEAVING_CLIENTS = 20 };

static void send_write(struct http_raw *raw, const struct relation *relation, const char *id,
                       int number)
{
    char body[64];
    char request[512];
    snprintf(body, sizeof body, "{\"user_id\":\"u%d\"}", number);
    snprintf(request, sizeof request,
             "POST /v1/%s/%s/%s HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             relation->collection, id, relation->action, strlen(body), body);
    assert_true(http_raw_send_text(raw, request));
}

static void expect_consistent_counter(const struct relation *relation, const char *id)
{
    assert_true(pg_query_bool(fixture.database_url,
                              "SELECT (SELECT count(*) FROM %s WHERE %s = '%s')"
                              " = coalesce((SELECT sum(count) FROM %s WHERE %s = '%s'), 0)",
                              relation->table, relation->id_member, id, relation->counter_table,
                              relation->id_member, id));
}

/* The writes wait for a counter's lock when their clients leave, half of them with a reset. A
 * deadline far away keeps the service from answering meanwhile. */
static void hanging_up_does_not_harm_a_write_in_flight(void **state)
{
    const struct relation *relation = *state;
    struct http_raw *raws[LEAVING_CLIENTS];
    fixture_restart_service((const char *const[]){"REQUEST_DEADLINE_MS=60000", NULL});
    expect_write(relation, relation_write(fixture.client, relation, "POST", "hang-up", "first"),
                 .status = 201, .id = "hang-up", .user = "first", .is_in = true, .changed = true,
                 .count = 1);
    PGconn *holder =
        pg_session_begin(fixture.database_url, "SELECT FROM %s WHERE %s = 'hang-up' FOR UPDATE",
                         relation->counter_table, relation->id_member);
    for (int i = 0; i < LEAVING_CLIENTS; i++) {
        raws[i] = http_raw_connect(fixture.service->port);
        assert_non_null(raws[i]);
        send_write(raws[i], relation, "hang-up", i);
    }
    service_wait_queued(fixture.service, "writes", LEAVING_CLIENTS);
    for (int i = 0; i < LEAVING_CLIENTS; i++) {
        (i % 2 == 0 ? http_raw_close : http_raw_abort)(&raws[i]);
    }
    PQfinish(holder);
    service_wait_queued(fixture.service, "writes", 0);
    expect_consistent_counter(relation, "hang-up");
    for (int i = 0; i < LEAVING_CLIENTS; i++) {
        char user[16];
        snprintf(user, sizeof user, "u%d", i);
        struct http_response *response =
            relation_write(fixture.client, relation, "POST", "hang-up", user);
        assert_true(response->status == 200 || response->status == 201);
        http_response_free(&response);
    }
    expect_exact_count(fixture.client, relation, "hang-up", LEAVING_CLIENTS + 1);
    fixture_restart_service(NULL);
}

/* Leaves at every point of a request, and at once after it. */
static void hanging_up_anywhere_leaves_the_service_well(void **state)
{
    const struct relation *relation = *state;
    char request[512];
    snprintf(request, sizeof request,
             "POST /v1/%s/hang-up-anywhere/%s HTTP/1.1\r\nHost: test\r\nContent-Length: 16\r\n\r\n"
             "{\"user_id\":\"u1\"}",
             relation->collection, relation->action);
    for (size_t size = 0; size <= strlen(request); size += 3) {
        struct http_raw *raw = http_raw_connect(fixture.service->port);
        assert_non_null(raw);
        http_raw_send(raw, request, size);
        (size % 2 == 0 ? http_raw_close : http_raw_abort)(&raw);
    }
    service_wait_queued(fixture.service, "writes", 0);
    expect_consistent_counter(relation, "hang-up-anywhere");
    struct http_response *response =
        relation_write(fixture.client, relation, "POST", "hang-up-anywhere", "u1");
    assert_true(response->status == 200 || response->status == 201);
    http_response_free(&response);
    expect_exact_count(fixture.client, relation, "hang-up-anywhere", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RELATION_TESTS(write_answers_with_the_state_after_it),
        RELATION_TESTS(unused_ids_have_nothing),
        RELATION_TESTS(reads_see_the_write_at_once),
        RELATION_TESTS(bare_and_versioned_paths_are_the_same),
        cmocka_unit_test(relations_do_not_mix),
        {"tracker_example (rsvp)", tracker_example, NULL, NULL, &tracker_examples[0]},
        {"tracker_example (like)", tracker_example, NULL, NULL, &tracker_examples[1]},
        RELATION_TESTS(writes_survive_a_restart),
        RELATION_TESTS(user_comes_from_any_place_that_agrees),
        RELATION_TESTS(users_of_all_kinds_act),
        RELATION_TESTS(user_named_twice_in_one_place_is_refused),
        RELATION_TESTS(other_methods_are_refused_with_allow),
        RELATION_TESTS(head_answers_like_get_without_body),
        RELATION_TESTS(identifiers_in_paths_are_decoded_once),
        RELATION_TESTS(empty_identifier_is_invalid),
        RELATION_TESTS(case_of_identifiers_matters),
        RELATION_TESTS(unchanged_count_is_answered_304),
        RELATION_TESTS(only_what_may_grow_older_is_cacheable),
        RELATION_TESTS(etag_changes_with_the_count),
        RELATION_TESTS(etag_is_of_the_whole_answer),
        RELATION_TESTS(staleness_bound_is_checked),
        RELATION_TESTS(as_of_keeps_the_requested_bound),
        cmocka_unit_test(valid_request_id_comes_back),
        cmocka_unit_test(invalid_request_id_is_replaced),
        cmocka_unit_test(fresh_request_ids_are_distinct),
        RELATION_TESTS(connection_serves_many_requests),
        RELATION_TESTS(pipelined_requests_are_answered_in_order),
        RELATION_TESTS(hanging_up_does_not_harm_a_write_in_flight),
        RELATION_TESTS(hanging_up_anywhere_leaves_the_service_well),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
