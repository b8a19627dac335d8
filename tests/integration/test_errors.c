/* The contract's table of errors over HTTP: what clients get wrong, and what happens while
 * PostgreSQL is away or stands still. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "expect.h"
#include "fixture.h"
#include "http.h"
#include "load_relation.h"
#include "process.h"
#include "relation.h"
#include "test.h"

enum {
    BODY_MAX_BYTES = 16 * 1024,
    RAW_TIMEOUT_MS = PROCESS_BOUND_MS,
    ANSWER_BOUND_MS = PROCESS_BOUND_MS, /* far past the deadline of 2 s */
    POLL_BOUND_MS = PROCESS_BOUND_MS,
};

/* ---- bodies ---- */

struct bad_body {
    const char *body;
    const char *code;
    const char *named; /* what the detail has to name, or NULL */
};

#define NESTED_20 "[[[[[[[[[[[[[[[[[[[["

static const struct bad_body bad_bodies[] = {
    {"{\"user_id\":\"u1\",\"color\":1}", "unknown-field", "color"},
    {"{\"color\":null,\"user_id\":\"u1\"}", "unknown-field", "color"},
    {"{\"User_Id\":\"u1\"}", "unknown-field", "User_Id"},
    {"{\"user_id\":\"u1\",\"user_id\":\"u1\"}", "invalid-json", NULL},
    {"{\"user_id\":\"u1\",\"user\\u005fid\":\"u2\"}", "invalid-json", NULL},
    {"[]", "invalid-json", NULL},
    {"[{\"user_id\":\"u1\"}]", "invalid-json", NULL},
    {"\"u1\"", "invalid-json", NULL},
    {"1", "invalid-json", NULL},
    {"true", "invalid-json", NULL},
    {"null", "invalid-json", NULL},
    {"user_id=u1", "invalid-json", NULL},
    {"{", "invalid-json", NULL},
    {"{\"user_id\":\"u1\"", "invalid-json", NULL},
    {"{\"user_id\":\"u1", "invalid-json", NULL},
    {"{\"user_id\":}", "invalid-json", NULL},
    {"{\"user_id\":\"u1\",}", "invalid-json", NULL},
    {"{\"user_id\":\"u1\"}x", "invalid-json", NULL},
    {"{\"user_id\":\"u1\"}{}", "invalid-json", NULL},
    {"{'user_id':'u1'}", "invalid-json", NULL},
    {"{user_id:\"u1\"}", "invalid-json", NULL},
    {"{\"user_id\":\"u1\"/* */}", "invalid-json", NULL},
    {"{\"user_id\":\"u\n1\"}", "invalid-json", NULL},
    {"{\"user_id\":\"u\\x31\"}", "invalid-json", NULL},
    {"{\"user_id\":\"\xff\"}", "invalid-json", NULL},
    {"{\"user_id\":\"\xc0\xaf\"}", "invalid-json", NULL},     /* overlong */
    {"{\"user_id\":\"\xed\xa0\x80\"}", "invalid-json", NULL}, /* a surrogate */
    {"{\"user_id\":\"\xc3\"}", "invalid-json", NULL},         /* cut off */
    {"{\"user_id\":\"\\ud800\"}", "invalid-json", NULL},      /* half a pair */
    {"{\"x\":" NESTED_20 NESTED_20 NESTED_20 NESTED_20, "invalid-json", NULL},
    {"{\"user_id\":[[\"u1\"]]}", "invalid-json", NULL}, /* deeper than it need be */
    {"{\"user_id\":1}", "invalid-identifier", "user_id"},
    {"{\"user_id\":true}", "invalid-identifier", "user_id"},
    {"{\"user_id\":null}", "invalid-identifier", "user_id"},
};

static struct http_response *send_body(const struct relation *relation, const char *method,
                                       const char *id, const struct http_options *options)
{
    char target[RELATION_TARGET_SIZE];
    relation_action_target(target, relation, id);
    return http_request(fixture.client, method, target, options);
}

static void bad_bodies_are_refused(void **state)
{
    const struct relation *relation = *state;
    static const char *const methods[] = {"POST", "DELETE"};
    for (size_t i = 0; i < LENGTH(bad_bodies) * LENGTH(methods); i++) {
        const struct bad_body *row = &bad_bodies[i / LENGTH(methods)];
        const char *method = methods[i % LENGTH(methods)];
        process_note("%s %s", method, row->body);
        struct http_response *response = send_body(relation, method, "bad-bodies",
                                                   &(const struct http_options){.body = row->body});
        expect_problem_naming(response, 400, row->code, row->named != NULL ? row->named : "");
        http_response_free(&response);
    }
    expect_exact_count(fixture.client, relation, "bad-bodies", 0);
}

/* Which of the codes these deserve is not said. */
static void odd_user_ids_are_refused(void **state)
{
    const struct relation *relation = *state;
    static const char *const bodies[] = {"{\"user_id\":{}}", "{\"user_id\":[]}",
                                         "{\"user_id\":[\"u1\"]}", "{\"user_id\":{\"id\":\"u1\"}}",
                                         "{\"user_id\":\"u1\\u0000\"}"};
    for (size_t i = 0; i < LENGTH(bodies); i++) {
        process_note("%s", bodies[i]);
        struct http_response *response = send_body(relation, "POST", "odd-users",
                                                   &(const struct http_options){.body = bodies[i]});
        expect_status(response, 400);
        http_response_free(&response);
    }
    expect_exact_count(fixture.client, relation, "odd-users", 0);
}

static void only_json_is_accepted(void **state)
{
    const struct relation *relation = *state;
    static const struct {
        const char *type; /* "": none */
        bool accepted;
    } rows[] = {
        {"", true},
        {"application/json", true},
        {"application/json; charset=utf-8", true},
        {"application/json;charset=UTF-8", true},
        {"Application/JSON", true},
        {"text/plain", false},
        {"application/x-www-form-urlencoded", false},
        {"multipart/form-data; boundary=x", false},
        {"application/jsonx", false},
        {"application/octet-stream", false},
        {"json", false},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        const struct http_options options = {.body = "{\"user_id\":\"u1\"}",
                                             .content_type = rows[i].type};
        process_note("Content-Type: %s", rows[i].type);
        struct http_response *response = send_body(relation, "POST", "types", &options);
        if (rows[i].accepted) {
            expect_status(response, i == 0 ? 201 : 200);
        } else {
            expect_problem(response, 415, "unsupported-media-type");
        }
        http_response_free(&response);
    }
    expect_exact_count(fixture.client, relation, "types", 1);
}

/* ---- sizes ---- */

/* A valid body of exactly that size; blanks pad it. The caller frees it. */
static char *padded_body(size_t size)
{
    static const char start[] = "{\"user_id\":\"u1\"";
    char *body = malloc(size + 1);
    memset(body, ' ', size);
    memcpy(body, start, sizeof start - 1);
    body[size - 1] = '}';
    body[size] = '\0';
    return body;
}

static void body_may_have_16_kib(void **state)
{
    const struct relation *relation = *state;
    for (int chunked = 0; chunked <= 1; chunked++) {
        char *body = padded_body(BODY_MAX_BYTES);
        const char *id = chunked ? "size-chunked" : "size";
        struct http_response *response = send_body(
            relation, "POST", id, &(const struct http_options){.body = body, .chunked = chunked});
        expect_write(relation, response, .status = 201, .id = id, .user = "u1", .is_in = true,
                     .changed = true, .count = 1);
        free(body);
        body = padded_body(BODY_MAX_BYTES + 1);
        response = send_body(relation, "DELETE", id,
                             &(const struct http_options){.body = body, .chunked = chunked});
        expect_problem(response, 413, "payload-too-large");
        http_response_free(&response);
        free(body);
        expect_member(fixture.client, relation, id, "u1", true);
    }
}

/* The head announces more than is allowed and nothing follows. */
static void announced_size_is_refused_at_once(void **state)
{
    const struct relation *relation = *state;
    static const char *const headers[] = {
        "Content-Length: 16385\r\n",
        "Content-Length: 1000000000000\r\n",
        "Content-Length: 16385\r\nExpect: 100-continue\r\n",
    };
    for (size_t i = 0; i < LENGTH(headers); i++) {
        char request[512];
        snprintf(request, sizeof request,
                 "POST /v1/%s/announced/%s HTTP/1.1\r\nHost: test\r\n%s\r\n", relation->collection,
                 relation->action, headers[i]);
        process_note("%s", headers[i]);
        struct http_raw *raw = http_raw_connect(fixture.service->port);
        assert_non_null(raw);
        assert_true(http_raw_send_text(raw, request));
        struct http_response *response = http_raw_receive(raw, RAW_TIMEOUT_MS);
        expect_problem(response, 413, "payload-too-large");
        http_response_free(&response);
        http_raw_close(&raw);
    }
}

/* What is wrong with the path, the method or the page is answered though the body does not come. */
static void what_the_head_says_is_refused_without_the_body(void **state)
{
    const struct relation *relation = *state;
    static const struct {
        const char *method, *path, *headers;
        int status;
        const char *code;
    } rows[] = {
        {"POST", "/v1/nowhere", "", 404, "not-found"},
        {"POST", "/v1/nowhere", "Expect: 100-continue\r\n", 404, "not-found"},
        {"PUT", "/v1/%s/early/%s", "", 405, "method-not-allowed"},
        {"PUT", "/v1/%s/early/%s", "Expect: 100-continue\r\n", 405, "method-not-allowed"},
        {"POST", "/v1/%s/early/%s", "Sec-Fetch-Site: cross-site\r\n", 403, "forbidden"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        char request[512], path[128];
        bool named = strchr(rows[i].path, '%') != NULL;
        snprintf(path, sizeof path, "/v1/%s/early/%s", relation->collection, relation->action);
        snprintf(request, sizeof request,
                 "%s %s HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n%s\r\n", rows[i].method,
                 named ? path : rows[i].path, rows[i].headers);
        process_note("%s", request);
        struct http_raw *raw = http_raw_connect(fixture.service->port);
        assert_non_null(raw);
        assert_true(http_raw_send_text(raw, request));
        struct http_response *response = http_raw_receive(raw, RAW_TIMEOUT_MS);
        expect_problem(response, rows[i].status, rows[i].code);
        assert_string_equal(http_header(response, "Connection"), "close");
        http_response_free(&response);
        http_raw_close(&raw);
    }
}

/* A body that came is dropped, and what follows it on the connection is answered. */
static void a_refusal_at_the_head_keeps_the_connection(NO_STATE)
{
    static const char *const bodies[] = {
        "Content-Length: 16\r\n\r\n{\"user_id\":\"u1\"}",
        "Transfer-Encoding: chunked\r\n\r\n10\r\n{\"user_id\":\"u1\"}\r\n0\r\n\r\n",
    };
    for (size_t i = 0; i < LENGTH(bodies); i++) {
        char requests[512];
        snprintf(requests, sizeof requests,
                 "POST /v1/nowhere HTTP/1.1\r\nHost: test\r\n%s"
                 "GET /v1/livez HTTP/1.1\r\nHost: test\r\n\r\n",
                 bodies[i]);
        process_note("%s", requests);
        struct http_raw *raw = http_raw_connect(fixture.service->port);
        assert_non_null(raw);
        assert_true(http_raw_send_text(raw, requests));
        struct http_response *response = http_raw_receive(raw, RAW_TIMEOUT_MS);
        expect_problem(response, 404, "not-found");
        http_response_free(&response);
        response = http_raw_receive(raw, RAW_TIMEOUT_MS);
        assert_int_equal(response->status, 200);
        http_response_free(&response);
        http_raw_close(&raw);
    }
}

/* A chunked body that is already too long and has not ended. */
static void chunked_body_is_refused_before_its_end(void **state)
{
    const struct relation *relation = *state;
    char head[512];
    char *body = padded_body(BODY_MAX_BYTES + 1);
    snprintf(head, sizeof head,
             "POST /v1/%s/unended/%s HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
             "%x\r\n",
             relation->collection, relation->action, BODY_MAX_BYTES + 1);
    struct http_raw *raw = http_raw_connect(fixture.service->port);
    assert_non_null(raw);
    assert_true(http_raw_send_text(raw, head));
    assert_true(http_raw_send(raw, body, BODY_MAX_BYTES + 1));
    struct http_response *response = http_raw_receive(raw, RAW_TIMEOUT_MS);
    expect_problem(response, 413, "payload-too-large");
    http_response_free(&response);
    http_raw_close(&raw);
    free(body);
    expect_exact_count(fixture.client, relation, "unended", 0);
}

/* -- parameters and paths
 * --------------------------------------------------------------------------- */

static void unknown_parameters_are_refused(void **state)
{
    const struct relation *relation = *state;
    char action[RELATION_TARGET_SIZE];
    char user[RELATION_TARGET_SIZE];
    char count[RELATION_TARGET_SIZE];
    relation_action_target(action, relation, "parameters");
    relation_user_target(user, relation, "parameters", "u1");
    relation_count_target(count, relation, "parameters", "");
    const struct {
        const char *method;
        const char *target;
        const char *query;
        const char *named;
    } rows[] = {
        {"POST", action, "?color=1", "color"},
        {"POST", action, "?user_id=u1&color=1", "color"},
        {"POST", action, "?User_Id=u1", "User_Id"},
        {"POST", action, "?max_stale_ms=0", "max_stale_ms"},
        {"DELETE", action, "?color", "color"},
        {"GET", user, "?color=1", "color"},
        {"GET", user, "?user_id=u1", "user_id"},
        {"GET", user, "?max_stale_ms=0", "max_stale_ms"},
        {"GET", count, "?color=1", "color"},
        {"GET", count, "?max_stale_ms=0&color=", "color"},
        {"GET", count, "?user_id=u1", "user_id"},
        {"HEAD", count, "?color=1", NULL},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        char target[RELATION_TARGET_SIZE + 64];
        const char *body = rows[i].target == action ? "{\"user_id\":\"u1\"}" : NULL;
        snprintf(target, sizeof target, "%s%s", rows[i].target, rows[i].query);
        process_note("%s %s", rows[i].method, target);
        struct http_response *response = http_request(fixture.client, rows[i].method, target,
                                                      &(const struct http_options){.body = body});
        if (rows[i].named != NULL) {
            expect_problem_naming(response, 400, "invalid-parameter", rows[i].named);
        }
        expect_status(response, 400);
        http_response_free(&response);
    }
    expect_exact_count(fixture.client, relation, "parameters", 0);
}

static void malformed_query_is_refused(void **state)
{
    const struct relation *relation = *state;
    static const char *const queries[] = {"?user_id=%zz", "?user_id=u%4", "?user_id=u1%00",
                                          "?user_id=%", "?%zz=u1"};
    for (size_t i = 0; i < LENGTH(queries); i++) {
        char target[RELATION_TARGET_SIZE];
        relation_action_target(target, relation, "malformed-query");
        strcat(target, queries[i]);
        process_note("%s", queries[i]);
        struct http_response *response = http_request(fixture.client, "POST", target, NULL);
        expect_status(response, 400);
        http_response_free(&response);
    }
    expect_exact_count(fixture.client, relation, "malformed-query", 0);
}

static void unknown_paths_are_not_found(NO_STATE)
{
    static const char *const methods[] = {"GET", "POST", "DELETE", "OPTIONS", "BREW"};
    static const char *const targets[] = {
        "/",
        "/v1",
        "/v1/",
        "/nope",
        "/v1/nope",
        "/v2/events/x/rsvp_count",
        "/v1/v1/events/x/rsvp_count",
        "/V1/events/x/rsvp_count",
        "/v1/Events/x/rsvp_count",
        "//v1/events/x/rsvp_count",
        "/v1//events/x/rsvp_count",
        "/v1/posts",
        "/v1/events/x/nope",
        "/v1/events/x/rsvp/",
        "/v1/events/x/rsvp_count/",
        "/v1/events/x/users/u1/",
        "/v1/events/x/users/u1/more",
        "/v1/events/x/like",
        "/v1/events/x/like_count",
        "/v1/posts/x/rsvp",
        "/v1/posts/x/rsvp_count",
        "/livez/",
        "/problems",
        "/metrics",
        "/v1/metrics",
        /* routes of the contract that are not built */
        "/v1/posts/x",
        "/v1/posts/x/waitlist",
        "/v1/users/u1/import",
        "/v1/users",
    };
    for (size_t i = 0; i < LENGTH(targets) * LENGTH(methods); i++) {
        const char *target = targets[i / LENGTH(methods)];
        const char *method = methods[i % LENGTH(methods)];
        process_note("%s %s", method, target);
        struct http_response *response = http_request(fixture.client, method, target, NULL);
        expect_problem(response, 404, "not-found");
        http_response_free(&response);
    }
    struct http_response *response = http_request(fixture.client, "GET", "/problems/nope", NULL);
    expect_problem(response, 404, "not-found");
    http_response_free(&response);
    response = http_request(fixture.client, "HEAD", "/nope", NULL);
    expect_status(response, 404);
    assert_int_equal(response->body_size, 0);
    http_response_free(&response);
}

/* The path comes back as it was sent: encoded, without the query. */
static void instance_is_the_path_as_sent(NO_STATE)
{
    struct http_response *response =
        http_request(fixture.client, "GET", "/v1/%6Eope/%22x%22?secret=1", NULL);
    expect_problem(response, 404, "not-found");
    http_response_free(&response);
}

static void every_problem_is_explained(NO_STATE)
{
    for (size_t i = 0; i < expect_problem_row_count; i++) {
        char target[128];
        snprintf(target, sizeof target, "/problems/%s", expect_problem_rows[i].code);
        process_note("%s", target);
        struct http_response *response = http_request(fixture.client, "GET", target, NULL);
        expect_status(response, 200);
        assert_non_null(strstr(response->body, expect_problem_rows[i].code));
        /* More than its own name. */
        assert_true(response->body_size > strlen(expect_problem_rows[i].code) + 20);
        http_response_free(&response);
        response = http_request(fixture.client, "POST", target, NULL);
        expect_problem(response, 405, "method-not-allowed");
        http_response_free(&response);
    }
}

/* ---- rubbish ---- */

#define FIELD_1K                                                                                   \
    "X-Filler: 0123456789012345678901234567890123456789012345678901234567890123456789012345678901" \
    "23456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123" \
    "45678901234567890123456789\r\n"

/* A connection, as the first request finds it or as one behind others does. */
static struct http_raw *open_connection(bool with_a_request)
{
    struct http_raw *raw = http_raw_connect(fixture.service->port);
    assert_non_null(raw);
    if (with_a_request) {
        assert_true(http_raw_send_text(raw, "GET /livez HTTP/1.1\r\nHost: test\r\n\r\n"));
        struct http_response *response = http_raw_receive(raw, RAW_TIMEOUT_MS);
        expect_status(response, 200);
        http_response_free(&response);
    }
    return raw;
}

/* By an answer of ours. libmicrohttpd has pages of its own, and what it refuses with them differs
 * from version to version: 1.0 refuses more than 0.9.75. */
static void expect_refused(const char *request)
{
    for (int with_a_request = 0; with_a_request <= 1; with_a_request++) {
        struct http_raw *raw = open_connection(with_a_request);
        process_note("%s", request);
        http_raw_send_text(raw, request);
        struct http_response *response = http_raw_receive(raw, RAW_TIMEOUT_MS);
        expect_problem(response, 400, "invalid-parameter");
        assert_true(http_raw_is_closed(raw, RAW_TIMEOUT_MS));
        http_response_free(&response);
        http_raw_close(&raw);
    }
}

static void what_is_no_http_is_refused(NO_STATE)
{
    expect_refused("GARBAGE\r\n\r\n");
    expect_refused("\x16\x03\x01\x02\xfc\x03\x03\r\n\r\n"); /* somebody speaks TLS */
    expect_refused("GET /livez HTTP/1.1\r\n\r\n");          /* no Host: RFC 9112, section 3.2 */
    /* One blank stands between the parts of a request line (section 3), and nothing else. */
    expect_refused("GET  /livez HTTP/1.1\r\nHost: test\r\n\r\n");
    expect_refused("GET\t/livez HTTP/1.1\r\nHost: test\r\n\r\n");
    expect_refused("GET /livez HTTP/1.1 \r\nHost: test\r\n\r\n");
    expect_refused("GET /livez\r\n\r\n");
    expect_refused("GET /livez http/1.1\r\nHost: test\r\n\r\n");
}

/* Less common forms of a request, all of them in RFC 9112. */
static void other_forms_of_requests_are_understood(NO_STATE)
{
    static const struct {
        const char *request;
        int status;
    } rows[] = {
        {"GET /v1/events/forms/rsvp_count HTTP/1.0\r\n\r\n", 200},
        {"GET http://test/v1/events/forms/rsvp_count?max_stale_ms=0 HTTP/1.1\r\nHost: test\r\n\r\n",
         200},
        {"GET HTTP://test:80/nope HTTP/1.1\r\nHost: test\r\n\r\n", 404},
        {"OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n", 204},
        {"\r\nGET /livez HTTP/1.1\r\nhost:test\r\n\r\n", 200},
        {"\r\n\r\n\r\nGET /livez HTTP/1.1\nHost: test\n\n", 200},
        {"GET /livez HTTP/1.2\r\nHost: test\r\n\r\n", 200},
        {"GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200},
        {"GET /livez HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 200},
        {"GET /livez HTTP/1.1\r\nHost: test\r\nContent-Length: 000\r\n\r\n", 200},
        {"GET /livez HTTP/1.1\r\nHost: test\r\nCookie: ;;=;\"\r\n\r\n", 200},
        {"GET /livez HTTP/1.1\r\nHost: \t test \t\r\n\r\n", 200},
        {"POST /v1/events/forms/rsvp HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: Chunked\r\n\r\n"
         "8;ext=1\r\n{\"user_i\r\n8\r\nd\":\"u1\"}\r\n0\r\nTrailer: x\r\n\r\n",
         201},
        {"POST /v1/events/forms/rsvp HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
         "00F ; a=\"b;\\\"c\"\r\n{\"user_id\":\"u1\"\r\n1\r\n}\r\n000\r\n\r\n",
         200},
    };
    for (size_t i = 0; i < 2 * LENGTH(rows); i++) {
        const bool again = i % 2 == 1;
        const int status = rows[i / 2].status;
        process_note("%s", rows[i / 2].request);
        struct http_raw *raw = open_connection(again);
        assert_true(http_raw_send_text(raw, rows[i / 2].request));
        struct http_response *response = http_raw_receive(raw, RAW_TIMEOUT_MS);
        expect_status(response, again && status == 201 ? 200 : status); /* they are in by then */
        http_response_free(&response);
        http_raw_close(&raw);
    }
}

static void malformed_requests_are_refused(void **state)
{
    const struct relation *relation = *state;
    static const struct {
        const char *version;
        const char *fields;
        const char *body;
    } rows[] = {
        {"HTTP/9.9", "Content-Length: 16\r\n", "{\"user_id\":\"u1\"}"},
        {"HTTP/1.1", "Content-Length: abc\r\n", "{\"user_id\":\"u1\"}"},
        {"HTTP/1.1", "Content-Length: -16\r\n", "{\"user_id\":\"u1\"}"},
        {"HTTP/1.1", "no colon\r\nContent-Length: 16\r\n", "{\"user_id\":\"u1\"}"},
        {"HTTP/1.1", "Transfer-Encoding: chunked\r\n", "zz\r\n"},
        {"HTTP/1.1", "Transfer-Encoding: chunked\r\n", "0x10\r\n"},
        {"HTTP/1.1", "Transfer-Encoding: chunked\r\n", " 10\r\n"},
        {"HTTP/1.1", "Transfer-Encoding: chunked\r\n", "10\n{\"user_id\":\"u1\"}\n0\n\n"},
        {"HTTP/1.1", "Transfer-Encoding: chunked\r\n", "10;=\r\n"},
        {"HTTP/1.1", "Transfer-Encoding: chunked\r\n", "10\r\n{\"user_id\":\"u1\"}0\r\n\r\n"},
        {"HTTP/1.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
         "10\r\n{\"user_id\":\"u1\"}\r\n0\r\n\r\n"},
        {"HTTP/1.0", "Transfer-Encoding: chunked\r\n", "10\r\n{\"user_id\":\"u1\"}\r\n0\r\n\r\n"},
        {"HTTP/1.1", "Content-Length: 16, 16\r\n", "{\"user_id\":\"u1\"}"},
        {"HTTP/1.1", "Content-Length: +16\r\n", "{\"user_id\":\"u1\"}"},
        /* RFC 9112, section 6.3: a proxy may believe the other one, and requests be smuggled */
        {"HTTP/1.1", "Content-Length: 16\r\nContent-Length: 5\r\n", "{\"user_id\":\"u1\"}"},
        {"HTTP/1.1", "Content-Length: 16\r\nTransfer-Encoding: chunked\r\n",
         "10\r\n{\"user_id\":\"u1\"}\r\n0\r\n\r\n"},
        {"HTTP/1.1", "Transfer-Encoding: gzip\r\nContent-Length: 16\r\n", "{\"user_id\":\"u1\"}"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        char request[1024];
        snprintf(request, sizeof request, "POST /v1/%s/malformed/%s %s\r\nHost: test\r\n%s\r\n%s",
                 relation->collection, relation->action, rows[i].version, rows[i].fields,
                 rows[i].body);
        expect_refused(request);
    }
    expect_exact_count(fixture.client, relation, "malformed", 0);
}

/* Fields that a proxy in front may read otherwise. Were they passed over, the request would be
 * done, and what the proxy takes for its body be taken for the next request (RFC 9112, sections 3.2
 * and 5.1); or what goes on in a next line (section 5.2) be taken for a part of the name. */
static void malformed_fields_are_refused(void **state)
{
    const struct relation *relation = *state;
    static const char *const fields[] = {
        "Content-Length : 36\r\n",
        "Content-Length\t: 36\r\n",
        "Transfer-Encoding : chunked\r\n",
        " Content-Length: 36\r\n", /* the first line after the request's own */
        "X: y\rContent-Length: 36\r\n",
        "Content Length: 36\r\n",
        ": 36\r\n",
        "X: \x7f\r\n",
        "Host: other\r\n",
        "X: y\r\n z\r\n",
        "X: y\r\n\tz\r\n",
        "X:\r\n z\r\n",
        "Content-Len: 36\r\n gth\r\n",
    };
    for (size_t i = 0; i < LENGTH(fields); i++) {
        char request[1024];
        snprintf(request, sizeof request,
                 "POST /v1/%s/fields/%s?user_id=u1 HTTP/1.1\r\n%sHost: test\r\n\r\n"
                 "GET /livez HTTP/1.1\r\nHost: smuggled\r\n\r\n",
                 relation->collection, relation->action, fields[i]);
        expect_refused(request);
    }
    expect_exact_count(fixture.client, relation, "fields", 0);
}

/* A megabyte of header fields and a path of 100 kB are too much. */
static void endless_heads_are_refused(NO_STATE)
{
    char *path = malloc(100001);
    memset(path, 'a', 100000);
    path[100000] = '\0';
    for (int case_number = 0; case_number < 2; case_number++) {
        struct http_raw *raw = http_raw_connect(fixture.service->port);
        assert_non_null(raw);
        http_raw_send_text(raw, "GET /");
        if (case_number == 0) {
            http_raw_send_text(raw, path);
        }
        http_raw_send_text(raw, " HTTP/1.1\r\nHost: test\r\n");
        for (int i = 0; i < 4000 && http_raw_send_text(raw, FIELD_1K); i++) {
        }
        http_raw_send_text(raw, "\r\n");
        struct http_response *response = http_raw_receive(raw, RAW_TIMEOUT_MS);
        expect_problem(response, 431, "headers-too-large");
        http_response_free(&response);
        http_raw_close(&raw);
    }
    free(path);
    struct http_response *response = http_request(fixture.client, "GET", "/livez", NULL);
    expect_status(response, 200);
    http_response_free(&response);
}

/* What is refused before it has arrived whole says why, however long its path; and what arrives
 * after that does no harm. */
static void long_paths_are_refused_in_full(NO_STATE)
{
    static const struct {
        const char *head; /* the rest of it */
        const char *body; /* NULL: one that is too large */
        const char *rest; /* what comes after the answer */
        int status;
        const char *code;
    } rows[] = {
        {"Content-Length: 2\r\n\r\n", "x", "x", 408, "request-timeout"},
        {"Content-Length: 2\r\n", "", "\r\nxx", 408, "request-timeout"},
        {"Content-Length: 2\r\n\r\n", "", "xxGET / HTTP/1.1\r\n\r\n", 408, "request-timeout"},
        {"Transfer-Encoding: chunked\r\n\r\n", NULL, "\r\n0\r\n\r\n", 413, "payload-too-large"},
    };
    char *too_large = padded_body(2 * BODY_MAX_BYTES);
    for (size_t i = 0; i < LENGTH(rows); i++) {
        char head[8192];
        snprintf(head, sizeof head, "POST /v1/events/%06000d/rsvp HTTP/1.1\r\nHost: test\r\n%s", 0,
                 rows[i].head);
        struct http_raw *raw = http_raw_connect(fixture.service->port);
        assert_non_null(raw);
        assert_true(http_raw_send_text(raw, head));
        if (rows[i].body == NULL) {
            snprintf(head, sizeof head, "%x\r\n", 2 * BODY_MAX_BYTES);
            assert_true(http_raw_send_text(raw, head));
        }
        assert_true(http_raw_send_text(raw, rows[i].body == NULL ? too_large : rows[i].body));
        struct http_response *response = http_raw_receive(raw, ANSWER_BOUND_MS);
        expect_problem(response, rows[i].status, rows[i].code);
        http_response_free(&response);
        (void)http_raw_send_text(raw, rows[i].rest);
        assert_true(http_raw_is_closed(raw, RAW_TIMEOUT_MS));
        http_raw_close(&raw);
    }
    free(too_large);
    struct http_response *response = http_request(fixture.client, "GET", "/livez", NULL);
    expect_status(response, 200);
    http_response_free(&response);
}

/* A body that never arrives whole: the deadline holds for it as well. */
static void unfinished_body_is_answered_in_time(NO_STATE)
{
    struct http_raw *raw = http_raw_connect(fixture.service->port);
    assert_non_null(raw);
    assert_true(http_raw_send_text(raw, "POST /v1/events/unfinished/rsvp HTTP/1.1\r\nHost: test\r\n"
                                        "Content-Length: 16\r\n\r\n{\"user_id\":"));
    struct http_response *response = http_raw_receive(raw, ANSWER_BOUND_MS);
    expect_problem(response, 408, "request-timeout");
    http_response_free(&response);
    http_raw_close(&raw);
    expect_exact_count(fixture.client, &relations[RELATION_RSVP], "unfinished", 0);
}

/* One that stops within its first line, opened before all tests so that nothing has to wait for its
 * end. */
static struct http_raw *halted_connection;

static int open_halted_connection(void **state)
{
    fixture_setup(state);
    halted_connection = http_raw_connect(fixture.service->port);
    assert_non_null(halted_connection);
    assert_true(http_raw_send_text(halted_connection, "GET /liv"));
    return 0;
}

static void halted_connections_are_ended(NO_STATE)
{
    struct http_response *response = http_raw_receive(halted_connection, RAW_TIMEOUT_MS);
    expect_problem(response, 408, "request-timeout");
    http_response_free(&response);
    assert_true(http_raw_is_closed(halted_connection, RAW_TIMEOUT_MS));
    http_raw_close(&halted_connection);
}

/* ---- PostgreSQL away ---- */

/* Writes until one is accepted again; the service has to come back by itself. */
static void wait_for_writes(const struct relation *relation, const char *id, const char *user)
{
    const int64_t end_ms = process_now_ms() + POLL_BOUND_MS;
    int status = 0;
    while (status != 200 && status != 201) {
        if (process_now_ms() > end_ms) {
            process_fail("writes are still answered %d", status);
        }
        struct http_response *response = relation_write(fixture.client, relation, "POST", id, user);
        status = response->status;
        http_response_free(&response);
        process_nap();
    }
}

/* Reads until the count is marked stale. Until then it may be served as fresh while it is. */
static void wait_for_stale_count(const struct relation *relation, const char *id, int64_t count,
                                 int64_t lost_ms)
{
    const int64_t end_ms = process_now_ms() + POLL_BOUND_MS;
    bool stale = false;
    while (!stale) {
        struct http_response *response = relation_get_count(fixture.client, relation, id, "");
        expect_status(response, 200);
        stale = json_is_true(json_object_get(response->json, "stale"));
        expect_count_at(__FILE__, __LINE__, response, relation->id_member, id,
                        relation->count_member, count, stale);
        const char *as_of = json_string_value(json_object_get(response->json, "as_of"));
        if (expect_parse_time(as_of) > lost_ms) {
            process_fail("as_of %s lies after the loss of PostgreSQL", as_of);
        }
        http_response_free(&response);
        if (process_now_ms() > end_ms) {
            process_fail("the count is never marked stale");
        }
        process_nap();
    }
}

static struct http_response *get_count_unless(const struct relation *relation, const char *id,
                                              const char *tags)
{
    char target[128], header[256];
    snprintf(target, sizeof target, "/v1/%s/%s/%s", relation->collection, id,
             relation->count_member);
    snprintf(header, sizeof header, "If-None-Match: %s", tags);
    const struct http_options options = {.headers = (const char *const[]){header, NULL}};
    return http_request(fixture.client, "GET", target, &options);
}

/* Also whoever has that count already, of the same moment and not stale. */
static void expect_told_stale(const struct relation *relation, const char *id)
{
    struct http_response *response = get_count_unless(relation, id, "*");
    expect_status(response, 200);
    assert_true(json_is_true(json_object_get(response->json, "stale")));
    char tag[128], fresh[128];
    snprintf(tag, sizeof tag, "%s", http_header(response, "ETag"));
    http_response_free(&response);
    response = get_count_unless(relation, id, tag);
    expect_status(response, 304);
    expect_header(response, "ETag", tag);
    http_response_free(&response);
    const char *mark = strstr(tag, "-stale");
    assert_non_null(mark);
    snprintf(fresh, sizeof fresh, "%.*s\"", (int)(mark - tag), tag);
    response = get_count_unless(relation, id, fresh);
    expect_status(response, 200);
    assert_true(json_is_true(json_object_get(response->json, "stale")));
    http_response_free(&response);
}

/* A narrower bound cannot be kept now: refused, or answered and marked. */
static void check_exact_count_while_away(const struct relation *relation, const char *id)
{
    struct http_response *response =
        relation_get_count(fixture.client, relation, id, "?max_stale_ms=0");
    if (response->status == 200) {
        assert_true(json_is_true(json_object_get(response->json, "stale")));
    } else {
        expect_problem(response, 503, "store-unavailable");
    }
    http_response_free(&response);
}

/* The look-up comes first: once it is refused, this connection's worker knows of the outage, and a
 * write cannot be on its way any more. */
static void check_while_away(const struct relation *relation, int64_t lost_ms)
{
    static const char *const methods[] = {"POST", "DELETE"};
    struct http_response *response = relation_get_user(fixture.client, relation, "away", "u1");
    expect_problem(response, 503, "store-unavailable");
    http_response_free(&response);
    for (size_t i = 0; i < LENGTH(methods); i++) {
        response = relation_write(fixture.client, relation, methods[i], "away", "u2");
        expect_problem(response, 503, "store-unavailable");
        http_response_free(&response);
    }
    wait_for_stale_count(relation, "away", 1, lost_ms);
    expect_told_stale(relation, "away");
    check_exact_count_while_away(relation, "away");
    response = relation_get_count(fixture.client, relation, "away-and-unknown", "");
    expect_problem(response, 503, "store-unavailable");
    http_response_free(&response);
}

static void without_postgres_counts_are_stale_and_the_rest_is_refused(NO_STATE)
{
    for (size_t i = 0; i < RELATION_COUNT; i++) {
        struct http_response *response =
            relation_write(fixture.client, &relations[i], "POST", "away", "u1");
        expect_status(response, 201);
        http_response_free(&response);
        expect_exact_count(fixture.client, &relations[i], "away", 1);
    }
    pg_server_stop(fixture.pg);
    const int64_t lost_ms = expect_now_ms();
    service_wait_ready(fixture.service, 503);
    for (size_t i = 0; i < RELATION_COUNT; i++) {
        check_while_away(&relations[i], lost_ms);
    }
    pg_server_start(fixture.pg);
    service_wait_ready(fixture.service, 200);
    for (size_t i = 0; i < RELATION_COUNT; i++) {
        wait_for_writes(&relations[i], "away", "u3");
        expect_member(fixture.client, &relations[i], "away", "u1", true);
        expect_member(fixture.client, &relations[i], "away", "u2", false);
        expect_exact_count(fixture.client, &relations[i], "away", 2);
    }
}

/* Connections that the server closes one by one, without going away, are no outage. */
static void lost_connections_are_made_again(void **state)
{
    const struct relation *relation = *state;
    for (int i = 0; i < 3; i++) {
        pg_execute(fixture.database_url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                         " WHERE datname = current_database()"
                                         " AND pid <> pg_backend_pid()");
        wait_for_writes(relation, "terminated", "u1");
    }
    expect_exact_count(fixture.client, relation, "terminated", 1);
}

/* What becomes of the next commits that add an RSVP, so many times. */
static void spoil_commits(const char *deed, int times)
{
    pg_execute(fixture.database_url, "CREATE SEQUENCE IF NOT EXISTS commits");
    pg_execute(fixture.database_url, "SELECT setval('commits', 1, false)");
    pg_execute(fixture.database_url,
               "CREATE OR REPLACE FUNCTION spoil_commit() RETURNS trigger LANGUAGE plpgsql"
               " SECURITY DEFINER AS $$ BEGIN"
               " IF nextval('commits') <= %d THEN %s; END IF; RETURN NULL; END $$",
               times, deed);
    pg_execute(fixture.database_url, "DROP TRIGGER IF EXISTS spoil_commit ON rsvps");
    pg_execute(fixture.database_url,
               "CREATE CONSTRAINT TRIGGER spoil_commit AFTER INSERT ON rsvps"
               " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION spoil_commit()");
}

/* PostgreSQL answers a commit that fails by an error behind the last statement's answer. */
static void commits_may_be_refused(NO_STATE)
{
    static const struct {
        const char *deed;
        int times, status;
    } rows[] = {
        {"RAISE EXCEPTION 'too late' USING ERRCODE = '40001'", 1, 201},
        {"RAISE EXCEPTION 'too late' USING ERRCODE = '23514'", 1, 500},
        {"RAISE EXCEPTION 'too late' USING ERRCODE = '53100'", 1, 503},
        {"RAISE EXCEPTION 'too late'", 1, 503},
        {"PERFORM pg_terminate_backend(pg_backend_pid())", 1, 201},
    };
    static const struct {
        const char *event, *headers[2];
    } paths[] = {
        {"commit-plain", {NULL}},
        {"commit-keyed", {"Idempotency-Key: late", NULL}},
        {"commit-admitted", {NULL}},
    };
    event_put(fixture.client, "commit-admitted", "{\"capacity\":100,\"waitlist\":true}");
    for (size_t i = 0; i < LENGTH(rows) * LENGTH(paths); i++) {
        const size_t row = i / LENGTH(paths), path = i % LENGTH(paths);
        char target[128];
        snprintf(target, sizeof target, "/v1/events/%s/rsvp?user_id=u%zu", paths[path].event, row);
        process_note("%s: %s", target, rows[row].deed);
        spoil_commits(rows[row].deed, rows[row].times);
        struct http_response *response =
            http_request(fixture.client, "POST", target,
                         &(const struct http_options){.headers = paths[path].headers});
        expect_status(response, rows[row].status);
        http_response_free(&response);
        expect_member(fixture.client, &relations[RELATION_RSVP], paths[path].event,
                      strrchr(target, '=') + 1, rows[row].status == 201);
    }
    pg_execute(fixture.database_url, "DROP TRIGGER spoil_commit ON rsvps");
    expect_counters_equal_rows(fixture.database_url);
}

/* -- PostgreSQL standing still
 * ---------------------------------------------------------------------- */

/* The value of a counter with its labels. */
static long counted(const char *name)
{
    char beginning[128];
    struct http_client *admin = http_client_create(fixture.service->admin_port);
    struct http_response *response = http_request(admin, "GET", "/metrics", NULL);
    snprintf(beginning, sizeof beginning, "\n%s ", name);
    const char *line = strstr(response->body, beginning);
    const long value = line != NULL ? strtol(line + strlen(beginning), NULL, 10) : 0;
    http_response_free(&response);
    http_client_destroy(&admin);
    return value;
}

static void write_past_its_deadline_has_an_unknown_outcome(void **state)
{
    const struct relation *relation = *state;
    char target[RELATION_TARGET_SIZE];
    const struct http_options write = {.body = "{\"user_id\":\"u1\"}",
                                       .timeout_ms = ANSWER_BOUND_MS};
    const struct http_options read = {.timeout_ms = ANSWER_BOUND_MS};
    wait_for_writes(relation, "standstill", "u0");
    const long fenced = counted("rsvpd_sessions_fenced_total");

    pg_server_pause(fixture.pg);
    relation_action_target(target, relation, "standstill");
    struct http_response *response = http_request(fixture.client, "POST", target, &write);
    expect_problem(response, 504, "outcome-unknown");
    http_response_free(&response);
    relation_user_target(target, relation, "standstill", "u0");
    response = http_request(fixture.client, "GET", target, &read);
    expect_problem(response, 503, "store-unavailable");
    http_response_free(&response);
    pg_server_resume(fixture.pg);

    /* Repeating it is safe, whatever became of the first. */
    wait_for_writes(relation, "standstill", "u1");
    service_wait_ready(fixture.service, 200);
    expect_member(fixture.client, relation, "standstill", "u1", true);
    expect_exact_count(fixture.client, relation, "standstill", 2);
    assert_true(counted("rsvpd_sessions_fenced_total") > fenced); /* that of the first */
}

/* A write may have been sent when its time ran out; nothing else has an unknown outcome. */
static void expect_refusal(const struct http_response *response, bool write)
{
    const char *code = json_string_value(json_object_get(response->json, "code"));
    if (write && response->status == 504) {
        expect_problem(response, 504, "outcome-unknown");
    } else if (code != NULL && strcmp(code, "overloaded") == 0) {
        expect_problem(response, 503, "overloaded");
    } else {
        expect_problem(response, 503, "store-unavailable");
    }
}

/* Many writes and reads at once against a database that stands still: each gets one of the definite
 * answers, in time. */
static void nothing_hangs_while_postgres_stands_still(NO_STATE)
{
    enum { REQUESTS = 80 };
    struct http_raw *raws[REQUESTS];
    for (size_t i = 0; i < RELATION_COUNT; i++) {
        wait_for_writes(&relations[i], "nothing-hangs", "u0");
    }
    pg_server_pause(fixture.pg);
    for (int i = 0; i < REQUESTS; i++) {
        const struct relation *relation = &relations[i / 2 % RELATION_COUNT];
        char request[512];
        snprintf(request, sizeof request,
                 i % 2 == 0 ? "POST /v1/%s/nothing-hangs/%s?user_id=u%d HTTP/1.1\r\n"
                              "Host: test\r\nContent-Length: 0\r\n\r\n"
                            : "GET /v1/%s/nothing-hangs/%s/u%d HTTP/1.1\r\nHost: test\r\n\r\n",
                 relation->collection, i % 2 == 0 ? relation->action : "users", i);
        raws[i] = http_raw_connect(fixture.service->port);
        assert_non_null(raws[i]);
        assert_true(http_raw_send_text(raws[i], request));
    }
    for (int i = 0; i < REQUESTS; i++) {
        struct http_response *response = http_raw_receive(raws[i], ANSWER_BOUND_MS);
        process_note("request %d", i);
        expect_refusal(response, i % 2 == 0);
        http_response_free(&response);
        http_raw_close(&raws[i]);
    }
    pg_server_resume(fixture.pg);
    wait_for_writes(&relations[RELATION_RSVP], "nothing-hangs", "u0");
    service_wait_ready(fixture.service, 200);
}

/* ---- too many requests ---- */

enum { PENDING_LEAST = 202 }; /* the smallest MAX_PENDING of one worker */

/* Waits until a request has been refused since nothing more may wait. */
static void wait_for_a_refusal(void)
{
    const int64_t end_ms = process_now_ms() + POLL_BOUND_MS;
    while (counted("rsvpd_requests_refused_total{reason=\"overloaded\"}") == 0) {
        if (process_now_ms() > end_ms) {
            process_fail("nothing is refused");
        }
        process_nap();
    }
}

static struct http_raw *send_without_body(const char *method, const char *target)
{
    char request[512];
    struct http_raw *raw = http_raw_connect(fixture.service->port);
    assert_non_null(raw);
    snprintf(request, sizeof request,
             "%s /v1/%s HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n", method, target);
    assert_true(http_raw_send_text(raw, request));
    return raw;
}

/* As many wait as may. Whoever comes then is turned away at once, and those who wait get their
 * answers. */
static void too_many_waiting_requests_are_refused(void **state)
{
    const struct relation *relation = *state;
    struct http_raw *writes[2], *others[PENDING_LEAST];
    char target[256];
    fixture_restart_service(
        (const char *const[]){"MAX_PENDING=202", "WORKERS=1", "REQUEST_DEADLINE_MS=60000", NULL});
    pg_server_pause(fixture.pg);
    for (int i = 0; i < 2; i++) {
        snprintf(target, sizeof target, "%s/overload/%s?user_id=u%d", relation->collection,
                 relation->action, i);
        writes[i] = send_without_body("POST", target);
    }
    service_wait_queued(fixture.service, "writes", 2);
    for (size_t i = 0; i < PENDING_LEAST; i++) {
        snprintf(target, sizeof target, "%s/overload/users/u%zu", relation->collection, i);
        others[i] = send_without_body("GET", target);
    }
    wait_for_a_refusal();
    struct http_response *response =
        relation_write(fixture.client, relation, "POST", "overload", "u3");
    expect_problem(response, 503, "overloaded");
    http_response_free(&response);
    response = relation_get_user(fixture.client, relation, "overload", "u3");
    expect_problem(response, 503, "overloaded");
    http_response_free(&response);

    pg_server_resume(fixture.pg);
    for (int i = 0; i < 2; i++) {
        response = http_raw_receive(writes[i], RAW_TIMEOUT_MS);
        expect_status(response, 201);
        http_response_free(&response);
        http_raw_close(&writes[i]);
    }
    for (size_t i = 0; i < PENDING_LEAST; i++) {
        http_raw_close(&others[i]);
    }
    expect_exact_count(fixture.client, relation, "overload", 2);
    fixture_restart_service(NULL);
}

/* The largest requests fit into the smallest MAX_PENDING that rsvpd takes. */
static void the_smallest_limit_lets_the_largest_requests_in(void **state)
{
    const struct relation *relation = *state;
    char counts[4096], users[4096];
    int counts_size =
        snprintf(counts, sizeof counts, "/v1/%ss?max_stale_ms=5000", relation->count_member);
    int users_size = snprintf(users, sizeof users, "/v1/%s/largest/users?", relation->collection);
    for (int i = 0; i < 100; i++) {
        counts_size += snprintf(counts + counts_size, sizeof counts - (size_t)counts_size,
                                "&%s=largest-%d", relation->id_member, i);
        users_size += snprintf(users + users_size, sizeof users - (size_t)users_size,
                               "%suser_id=u%d", i > 0 ? "&" : "", i);
    }
    fixture_restart_service((const char *const[]){"MAX_PENDING=202", "WORKERS=1", NULL});
    const char *const targets[] = {counts, users};
    for (size_t i = 0; i < LENGTH(targets); i++) {
        struct http_response *response = http_request(fixture.client, "GET", targets[i], NULL);
        expect_status(response, 200);
        http_response_free(&response);
    }
    fixture_restart_service(NULL);
}

/* ---- too many connections ---- */

/* Asks over the connection whether the process lives: the status, 0 if it is closed instead. */
static int ask(struct http_raw *raw)
{
    http_raw_send_text(raw, "GET /livez HTTP/1.1\r\nHost: test\r\n\r\n");
    struct http_response *response = http_raw_receive(raw, RAW_TIMEOUT_MS);
    const int status = response->status;
    if (status == 503) {
        expect_problem(response, 503, "overloaded");
    } else if (status != 0) {
        expect_status(response, 200);
    }
    http_response_free(&response);
    return status;
}

/* One more than two: told so or closed, and welcome again when one of the two has gone. */
static void check_connection_limit(const char *setting, bool told)
{
    struct http_raw *raws[2];
    process_note("%s", setting);
    fixture_restart_service((const char *const[]){setting, "WORKERS=1", NULL});
    for (size_t i = 0; i < LENGTH(raws); i++) {
        raws[i] = http_raw_connect(fixture.service->port);
        assert_non_null(raws[i]);
        assert_int_equal(ask(raws[i]), 200);
    }
    struct http_raw *refused = http_raw_connect(fixture.service->port);
    assert_non_null(refused);
    assert_int_equal(ask(refused), told ? 503 : 0);
    assert_true(http_raw_is_closed(refused, RAW_TIMEOUT_MS));
    http_raw_close(&refused);
    assert_int_equal(ask(raws[1]), 200);
    http_raw_close(&raws[0]);

    const int64_t end_ms = process_now_ms() + POLL_BOUND_MS;
    int status = 0;
    while (status != 200) {
        if (process_now_ms() > end_ms) {
            process_fail("new connections are still refused");
        }
        process_nap();
        struct http_raw *next = http_raw_connect(fixture.service->port);
        assert_non_null(next);
        status = ask(next);
        http_raw_close(&next);
    }
    http_raw_close(&raws[1]);
}

static void too_many_connections_are_refused(NO_STATE)
{
    check_connection_limit("MAX_CONNECTIONS=2", true);
    check_connection_limit("MAX_CONNECTIONS_PER_ADDRESS=2", false);
    fixture_restart_service(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RELATION_TESTS(bad_bodies_are_refused),
        RELATION_TESTS(odd_user_ids_are_refused),
        RELATION_TESTS(only_json_is_accepted),
        RELATION_TESTS(body_may_have_16_kib),
        RELATION_TESTS(announced_size_is_refused_at_once),
        RELATION_TESTS(what_the_head_says_is_refused_without_the_body),
        cmocka_unit_test(a_refusal_at_the_head_keeps_the_connection),
        RELATION_TESTS(chunked_body_is_refused_before_its_end),
        RELATION_TESTS(unknown_parameters_are_refused),
        RELATION_TESTS(malformed_query_is_refused),
        cmocka_unit_test(unknown_paths_are_not_found),
        cmocka_unit_test(instance_is_the_path_as_sent),
        cmocka_unit_test(every_problem_is_explained),
        cmocka_unit_test(what_is_no_http_is_refused),
        cmocka_unit_test(other_forms_of_requests_are_understood),
        RELATION_TESTS(malformed_requests_are_refused),
        RELATION_TESTS(malformed_fields_are_refused),
        cmocka_unit_test(endless_heads_are_refused),
        cmocka_unit_test(long_paths_are_refused_in_full),
        cmocka_unit_test(unfinished_body_is_answered_in_time),
        cmocka_unit_test_teardown(without_postgres_counts_are_stale_and_the_rest_is_refused,
                                  fixture_heal),
        RELATION_TESTS(lost_connections_are_made_again),
        cmocka_unit_test(commits_may_be_refused),
        RELATION_TESTS(write_past_its_deadline_has_an_unknown_outcome),
        cmocka_unit_test_teardown(nothing_hangs_while_postgres_stands_still, fixture_heal),
        cmocka_unit_test(halted_connections_are_ended),
        /* These have services of their own. */
        RELATION_TESTS(too_many_waiting_requests_are_refused),
        RELATION_TESTS(the_smallest_limit_lets_the_largest_requests_in),
        cmocka_unit_test(too_many_connections_are_refused),
    };
    service_keep_defaults();
    return cmocka_run_group_tests(tests, open_halted_connection, fixture_teardown);
}
