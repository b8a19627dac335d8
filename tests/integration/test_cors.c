/* Browsers: which pages of other origins are let in, and what every kind of answer tells them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "fixture.h"
#include "process.h"
#include "test.h"

#define LISTED "https://app.example"
#define EXPOSED                                                                                    \
    "X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, ETag, Link, Idempotency-Replayed"

enum { REQUEST_SIZE = 20 * 1024, ANSWER_WITHIN_MS = 10 * 1000 };

/* An answer of each kind, by what brings it about. Fields of the case come behind the first line.
 */
static const struct {
    int status;
    const char *line,
        *rest;  /* `rest`: further fields, the empty line, and what of the body comes */
    bool large; /* a field makes the head too large */
} answers[] = {
    {200, "GET /v1/events/cors/rsvp_count", "\r\n", false},
    {200, "GET /v1/events/cors/users/u1", "\r\n", false},
    {200, "GET /livez", "\r\n", false},
    {204, "OPTIONS /v1/events/cors/rsvp", "\r\n", false},
    {204, "OPTIONS *", "\r\n", false},
    {400, "GET /v1/events/a!/rsvp_count", "\r\n", false},
    {400, "GET /v1/events/cors/rsvp_count", "Host: b\r\n\r\n", false},
    {400, "GET /v1/events/cors/rsvp_count?x=1", "\r\n", false},
    {404, "GET /nowhere", "\r\n", false},
    {405, "PUT /v1/events/cors/rsvp", "\r\n", false},
    {408, "POST /v1/events/cors/rsvp", "Sec-Fetch-Site: none\r\nContent-Length: 2\r\n\r\n{", false},
    {413, "POST /v1/events/cors/rsvp", "Sec-Fetch-Site: none\r\nContent-Length: 99999\r\n\r\n",
     false},
    {415, "POST /v1/events/cors/rsvp",
     "Sec-Fetch-Site: none\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", false},
    {431, "GET /v1/events/cors/rsvp_count", "\r\n", true},
};

/* Who asks, under which list. */
static const struct {
    const char *list, *origin, *allowed, *vary; /* NULL: none */
} askers[] = {
    {LISTED ",http://localhost:3000", NULL, NULL, "Origin"},
    {LISTED ",http://localhost:3000", LISTED, LISTED, "Origin"},
    {LISTED ",http://localhost:3000", "http://localhost:3000", "http://localhost:3000", "Origin"},
    {LISTED ",http://localhost:3000", LISTED ".evil.example", NULL, "Origin"},
    {LISTED ",http://localhost:3000", "https://App.example", NULL, "Origin"},
    {LISTED ",http://localhost:3000", LISTED ":443", NULL, "Origin"},
    {LISTED ",http://localhost:3000", "null", NULL, "Origin"},
    {"*", NULL, "*", "Origin"},
    {"*", "https://anybody.example", "*", "Origin"},
    {"*", "null", NULL, "Origin"},
    {"", LISTED, NULL, NULL},
};

static struct http_response *send_raw(const char *text)
{
    struct http_raw *raw = http_raw_connect(fixture.service->port);
    assert_non_null(raw);
    (void)http_raw_send_text(raw, text); /* it may be refused in the middle */
    struct http_response *response = http_raw_receive(raw, ANSWER_WITHIN_MS);
    http_raw_close(&raw);
    return response;
}

static struct http_response *ask(size_t answer, const char *origin)
{
    static char text[REQUEST_SIZE];
    int size = snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: a\r\n", answers[answer].line);
    if (origin != NULL) {
        size += snprintf(text + size, sizeof text - (size_t)size, "Origin: %s\r\n", origin);
    }
    if (answers[answer].large) {
        size += snprintf(text + size, sizeof text - (size_t)size, "X: %015000d\r\n", 0);
    }
    snprintf(text + size, sizeof text - (size_t)size, "%s", answers[answer].rest);
    return send_raw(text);
}

static void use_list(const char *list)
{
    char variable[256];
    snprintf(variable, sizeof variable, "CORS_ORIGINS=%s", list);
    const char *const environment[] = {variable, "REQUEST_DEADLINE_MS=500", NULL};
    fixture_restart_service(environment);
}

static void expect_cors(struct http_response **response, int status, const char *allowed,
                        const char *vary_begin)
{
    expect_status(*response, status);
    expect_header(*response, "Access-Control-Allow-Origin", allowed);
    expect_header(*response, "Access-Control-Expose-Headers", allowed == NULL ? NULL : EXPOSED);
    expect_header(*response, "Access-Control-Allow-Credentials", NULL);
    const char *vary = http_header(*response, "Vary");
    size_t named = vary_begin == NULL ? 0 : strlen(vary_begin);
    assert_int_equal(http_header_count(*response, "Vary"), named > 0 ? 1 : 0);
    assert_true(named == 0 || strncmp(vary, vary_begin, named) == 0);
    http_response_free(response);
}

static void every_answer_tells_pages_alike(NO_STATE)
{
    for (size_t i = 0; i < LENGTH(askers); i++) {
        if (i == 0 || strcmp(askers[i].list, askers[i - 1].list) != 0) {
            use_list(askers[i].list);
        }
        for (size_t j = 0; j < LENGTH(answers); j++) {
            process_note("'%s' from '%s' under '%s'", answers[j].line,
                         askers[i].origin == NULL ? "none" : askers[i].origin, askers[i].list);
            struct http_response *response = ask(j, askers[i].origin);
            expect_cors(&response, answers[j].status, askers[i].allowed, askers[i].vary);
        }
    }
}

/* A preflight, and the write that comes after it. */
static void only_listed_pages_write(NO_STATE)
{
    static const struct {
        const char *list, *origin, *site;
        bool let_in;
    } rows[] = {
        {LISTED, LISTED, NULL, true},
        {LISTED, LISTED, "cross-site", true},
        {LISTED, LISTED, "same-site", true},
        {LISTED, LISTED ".evil.example", "cross-site", false},
        {LISTED, LISTED ".", NULL, false},
        {LISTED, "http://app.example", NULL, false},
        {LISTED, "https://user@app.example", NULL, false},
        {LISTED, "null", NULL, false},
        {LISTED, LISTED ", " LISTED, NULL, false},
        {LISTED, NULL, "cross-site", false},
        {"*", "https://anybody.example", "cross-site", true},
        {"*", "null", "cross-site", false},
        {"*", NULL, "cross-site", false},
        {"", LISTED, "cross-site", false},
    };
    char text[1024];
    for (size_t i = 0; i < LENGTH(rows); i++) {
        if (i == 0 || strcmp(rows[i].list, rows[i - 1].list) != 0) {
            use_list(rows[i].list);
        }
        char fields[256] = "";
        if (rows[i].origin != NULL) {
            snprintf(fields, sizeof fields, "Origin: %s\r\n", rows[i].origin);
        }
        if (rows[i].site != NULL) {
            snprintf(fields + strlen(fields), sizeof fields - strlen(fields),
                     "Sec-Fetch-Site: %s\r\n", rows[i].site);
        }
        process_note("%s", fields);
        snprintf(text, sizeof text,
                 "OPTIONS /v1/events/cors-%zu/rsvp HTTP/1.1\r\nHost: a\r\n%s"
                 "Access-Control-Request-Method: POST\r\n\r\n",
                 i, fields);
        struct http_response *response = send_raw(text);
        expect_status(response, 204);
        expect_header(response, "Allow", "POST, DELETE, OPTIONS");
        expect_header(response, "Access-Control-Allow-Methods",
                      rows[i].let_in ? "POST, DELETE, OPTIONS" : NULL);
        expect_header(response, "Access-Control-Max-Age", rows[i].let_in ? "600" : NULL);
        http_response_free(&response);
        snprintf(text, sizeof text,
                 "POST /v1/events/cors-%zu/rsvp?user_id=u1 HTTP/1.1\r\nHost: a\r\n%s\r\n", i,
                 fields);
        response = send_raw(text);
        expect_status(response, rows[i].let_in ? 201 : 403);
        http_response_free(&response);
    }
}

static void the_admin_port_lets_nobody_in(NO_STATE)
{
    use_list("*");
    const char *const headers[] = {"Origin: " LISTED, "Access-Control-Request-Method: GET", NULL};
    struct http_response *response =
        http_request(fixture.admin, "GET", "/metrics", &(struct http_options){.headers = headers});
    expect_status(response, 200);
    expect_header(response, "Access-Control-Allow-Origin", NULL);
    http_response_free(&response);
    response = http_request(fixture.admin, "OPTIONS", "/metrics",
                            &(struct http_options){.headers = headers});
    expect_status(response, 204);
    expect_header(response, "Access-Control-Allow-Methods", NULL);
    http_response_free(&response);
}

static void not_modified_and_unavailable_tell_pages_as_well(NO_STATE)
{
    const char *const headers[] = {"Origin: " LISTED, "If-None-Match: *", NULL};
    const struct http_options options = {.headers = headers};
    use_list(LISTED);
    struct http_response *response =
        http_request(fixture.client, "GET", "/v1/events/cors/rsvp_count", &options);
    expect_cors(&response, 304, LISTED, "Origin");
    pg_server_stop(fixture.pg);
    response = http_request(fixture.client, "GET", "/v1/events/cors/users/u1", &options);
    expect_problem(response, 503, "store-unavailable");
    expect_cors(&response, 503, LISTED, "Origin");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_tells_pages_alike),
        cmocka_unit_test(only_listed_pages_write),
        cmocka_unit_test(the_admin_port_lets_nobody_in),
        cmocka_unit_test_teardown(not_modified_and_unavailable_tell_pages_as_well, fixture_heal),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
