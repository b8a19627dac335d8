/* What a head, the frame of a body and trailers may be made of, over raw sockets: every request is
 * answered, one that is refused has done nothing, and none keeps a processor busy. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "fixture.h"
#include "http.h"
#include "process.h"
#include "relation.h"
#include "service.h"
#include "test.h"

#define RSVP(event) "POST /v1/events/" event "/rsvp?user_id=u1 HTTP/1.1\r\nHost: h\r\n"

enum {
    HEAD_MAX_BYTES = 14 * 1024,
    BUFFER_BYTES = 128 * 1024,
    TIMEOUT_MS = PROCESS_BOUND_MS,
    CPU_MAX_MS = 1000, /* of connections that wait seconds for their deadline */
};

static const struct relation *const rsvp = &relations[RELATION_RSVP];

/* ---- sending ---- */

struct bytes {
    char data[BUFFER_BYTES];
    size_t size;
};

static struct bytes buffer;

static void begin(const char *text)
{
    buffer.size = (size_t)snprintf(buffer.data, sizeof buffer.data, "%s", text);
}

static void add(const char *data, size_t size)
{
    assert_true(buffer.size + size < sizeof buffer.data);
    memcpy(buffer.data + buffer.size, data, size);
    buffer.size += size;
    buffer.data[buffer.size] = '\0';
}

static void add_text(const char *text)
{
    add(text, strlen(text));
}

static void add_times(const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++) {
        add_text(text);
    }
}

/* Fills the head up with one field so that it has that size with its last line. */
static void end_head(const char *name, size_t size)
{
    add_text(name);
    add_text(":");
    while (buffer.size < size - 4) {
        add("x", 1);
    }
    add_text("\r\n\r\n");
    assert_int_equal(buffer.size, size);
}

static struct http_raw *send_buffer(void)
{
    struct http_raw *raw = http_raw_connect(fixture.service->port);
    assert_non_null(raw);
    http_raw_send(raw, buffer.data, buffer.size);
    return raw;
}

static struct http_response *exchange(void)
{
    struct http_raw *raw = send_buffer();
    struct http_response *response = http_raw_receive(raw, TIMEOUT_MS);
    http_raw_close(&raw);
    return response;
}

/* ---- what is answered ---- */

static void expect_done(const char *event)
{
    struct http_response *response = exchange();
    process_note("%s", event);
    expect_status(response, 201);
    http_response_free(&response);
    expect_member(fixture.client, rsvp, event, "u1", true);
}

static void expect_not_done(const char *event, int status, const char *code)
{
    struct http_response *response = exchange();
    process_note("%s", event);
    expect_problem(response, status, code);
    expect_header(response, "Connection", "close");
    http_response_free(&response);
    expect_exact_count(fixture.client, rsvp, event, 0);
}

/* The library that takes heads apart would need more memory for these than the answer leaves. */
static void cookies_leave_room_for_the_answer(NO_STATE)
{
    static const struct {
        size_t count, size;
    } cookies[] = {{127, 30}, {200, 4}, {5000, 1}, {1, 7873}, {1, 8000}, {1, 8090}, {1, 14000}};
    for (size_t i = 0; i < LENGTH(cookies); i++) {
        char request[256], event[32];
        snprintf(event, sizeof event, "cookies-%zu", i);
        snprintf(request, sizeof request,
                 "POST /v1/events/%s/rsvp?user_id=u1 HTTP/1.1\r\nHost: h\r\nCookie: ", event);
        begin(request);
        for (size_t j = 0; j < cookies[i].count; j++) {
            add_times("b", cookies[i].size);
            add_text(";");
        }
        add_text("\r\n\r\n");
        expect_done(event);
    }
    begin(RSVP("cookies-lines"));
    add_times("Cookie: a=b; c=d\r\n", 700);
    add_text("\r\n");
    expect_done("cookies-lines");
}

static void long_queries_and_many_fields_are_answered(NO_STATE)
{
    begin("GET /v1/rsvp_counts?");
    for (unsigned i = 0; i < 100; i++) {
        char parameter[96];
        snprintf(parameter, sizeof parameter, "%sevent_id=%064u", i == 0 ? "" : "&", i);
        add_text(parameter);
    }
    add_text(" HTTP/1.1\r\nHost: h\r\nCookie: a=");
    add_times("b", 5000);
    add_text("\r\n\r\n");
    struct http_response *response = exchange();
    expect_status(response, 200);
    http_response_free(&response);
    begin(RSVP("fields"));
    add_times("a:\r\n", 3500);
    add_text("\r\n");
    expect_done("fields");
    begin(RSVP("given-on"));
    add_times("X-User-Id: u1\r\n", 25);
    add_text("\r\n");
    expect_not_done("given-on", 400, "invalid-parameter");
}

/* Of one field that is dropped, one that is kept, and of a path. */
static void heads_are_taken_up_to_14_kib(NO_STATE)
{
    for (size_t extra = 0; extra < 2; extra++) {
        static const char *const names[] = {"Cookie", "X-Request-Id"};
        for (size_t i = 0; i < LENGTH(names); i++) {
            begin(RSVP("limit"));
            end_head(names[i], HEAD_MAX_BYTES + extra);
            struct http_response *response = exchange();
            process_note("%s, %zu too many", names[i], extra);
            if (extra > 0) {
                expect_problem(response, 431, "headers-too-large");
            } else {
                expect_status(response, i == 0 ? 201 : 200);
            }
            http_response_free(&response);
        }
        static const char rest[] = " HTTP/1.1\r\nHost: h\r\n\r\n";
        begin("GET /");
        add_times("a", HEAD_MAX_BYTES + extra - strlen("GET /") - strlen(rest));
        add_text(rest);
        struct http_response *response = exchange();
        expect_problem(response, extra == 0 ? 404 : 431,
                       extra == 0 ? "not-found" : "headers-too-large");
        http_response_free(&response);
    }
    begin(RSVP("too-large"));
    end_head("Cookie", HEAD_MAX_BYTES + 1);
    expect_not_done("too-large", 431, "headers-too-large");
    begin(RSVP("far-too-large"));
    add_times("Cookie: 0123456789012345678901234567890123456789\r\n", 2000);
    add_text("\r\n");
    expect_not_done("far-too-large", 431, "headers-too-large");
}

/* A large head whose connection brings further requests at once. */
static void pipelined_requests_are_all_answered(NO_STATE)
{
    enum { REQUESTS = 200 };
    begin("POST /v1/events/pipelined/rsvp?user_id=u1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n");
    size_t field = buffer.size;
    end_head("X-Request-Id", HEAD_MAX_BYTES - field % 2);
    add_text("{}");
    add_times("GET /livez HTTP/1.1\r\nHost: h\r\nCookie: a\r\n\r\n", REQUESTS);
    add_text("GET /nope HTTP/1.1\r\nHost: h\r\nA : b\r\n\r\n");
    struct http_raw *raw = send_buffer();
    for (int i = 0; i < REQUESTS + 2; i++) {
        struct http_response *response = http_raw_receive(raw, TIMEOUT_MS);
        process_note("answer %d", i);
        expect_status(response, i == 0 ? 201 : i <= REQUESTS ? 200 : 400);
        http_response_free(&response);
    }
    assert_true(http_raw_is_closed(raw, TIMEOUT_MS));
    http_raw_close(&raw);
}

static void trailers_are_dropped_or_refused(NO_STATE)
{
    begin(RSVP("trailers") "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n");
    for (unsigned i = 0; i < 220; i++) {
        char field[64];
        snprintf(field, sizeof field, "Trailer-%u: %040u\r\n", i, i);
        add_text(field);
    }
    add_text("Content-Length: 5\r\n\r\n");
    expect_done("trailers");
    begin(RSVP("large-trailers") "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n");
    add_times("A: 0123456789012345678901234567890123456789\r\n", 1000);
    add_text("\r\n");
    expect_not_done("large-trailers", 431, "headers-too-large");
    begin(RSVP("bad-trailers") "Transfer-Encoding: chunked\r\n\r\n0\r\nA : b\r\n\r\n");
    expect_not_done("bad-trailers", 400, "invalid-parameter");
}

/* ---- what is refused ---- */

/* Chunks that never end, on any path, at once: each is refused, and nothing spins until they are
 * gone. */
static void frames_without_end_are_refused_and_do_not_spin(NO_STATE)
{
    static const char *const heads[] = {
        RSVP("frames"),
        "GET /v1/events/frames/rsvp_count HTTP/1.1\r\nHost: h\r\n",
        "POST /nope HTTP/1.1\r\nHost: h\r\n",
        "PATCH / HTTP/1.1\r\nHost: h\r\n",
    };
    static const struct {
        const char *begin, *repeated;
        size_t times;
    } bodies[] = {
        {"2;", "a", 20000},     {"", "0", 60000}, {"2", " ", 20000},
        {"2;a=\"", "b", 20000}, {"", ";", 300},   {"1;a\r\nb\r\n2;", "a", 20000},
    };
    struct http_raw *raws[LENGTH(heads) * LENGTH(bodies)];
    long before_ms = service_cpu_ms(fixture.service);
    for (size_t i = 0; i < LENGTH(raws); i++) {
        begin(heads[i % LENGTH(heads)]);
        add_text("Transfer-Encoding: chunked\r\n\r\n");
        add_text(bodies[i / LENGTH(heads)].begin);
        add_times(bodies[i / LENGTH(heads)].repeated, bodies[i / LENGTH(heads)].times);
        raws[i] = send_buffer();
    }
    for (size_t i = 0; i < LENGTH(raws); i++) {
        struct http_response *response = http_raw_receive(raws[i], TIMEOUT_MS);
        process_note("head %zu, body %zu", i % LENGTH(heads), i / LENGTH(heads));
        expect_problem(response, 400, "invalid-parameter");
        http_response_free(&response);
    }
    for (size_t i = 0; i < LENGTH(raws); i++) {
        assert_true(http_raw_is_closed(raws[i], TIMEOUT_MS));
        http_raw_close(&raws[i]);
    }
    print_message("processor time: %ld ms\n", service_cpu_ms(fixture.service) - before_ms);
    assert_true(service_cpu_ms(fixture.service) - before_ms < CPU_MAX_MS);
    expect_exact_count(fixture.client, rsvp, "frames", 0);
}

/* Heads and frames that stop in the middle wait for their deadline, and for nothing else. */
static void what_stops_in_the_middle_does_not_spin(NO_STATE)
{
    static const char request[] =
        RSVP("stops") "Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\nA: b\r\n\r\n";
    struct http_raw *raws[LENGTH(request) - 2];
    long before_ms = service_cpu_ms(fixture.service);
    for (size_t i = 0; i < LENGTH(raws); i++) {
        raws[i] = http_raw_connect(fixture.service->port);
        assert_non_null(raws[i]);
        assert_true(http_raw_send(raws[i], request, i + 1));
    }
    size_t line = strcspn(request, "\n");
    for (size_t i = line; i < LENGTH(raws); i++) {
        struct http_response *response = http_raw_receive(raws[i], TIMEOUT_MS);
        process_note("%zu bytes", i + 1);
        expect_problem(response, 408, "request-timeout");
        http_response_free(&response);
    }
    for (size_t i = 0; i < LENGTH(raws); i++) {
        http_raw_abort(&raws[i]);
    }
    print_message("processor time: %ld ms\n", service_cpu_ms(fixture.service) - before_ms);
    assert_true(service_cpu_ms(fixture.service) - before_ms < CPU_MAX_MS);
    expect_exact_count(fixture.client, rsvp, "stops", 0);
}

/* The C strings that the library hands over end where a NUL is. */
static void a_nul_anywhere_in_a_head_is_refused(NO_STATE)
{
    static const char request[] = "DELETE /v1/events/nul/rsvp?user_id=u1 HTTP/1.1\r\nHost: h\r\n"
                                  "X-User-Id: u1\r\nCookie: a\r\nContent-Length: 0\r\n\r\n";
    const struct http_options settings = {.body = "{\"capacity\":5}"};
    struct http_response *response =
        http_request(fixture.client, "PUT", "/v1/events/nul", &settings);
    expect_status(response, 200);
    http_response_free(&response);
    response = relation_write(fixture.client, rsvp, "POST", "nul", "u1");
    expect_status(response, 201);
    http_response_free(&response);
    for (size_t i = 0; i < sizeof request - 1; i++) {
        begin("");
        add(request, i);
        add("", 1);
        add_text(request + i);
        response = exchange();
        process_note("before byte %zu", i);
        expect_problem(response, 400, "invalid-parameter");
        http_response_free(&response);
    }
    begin("DELETE /v1/events/nul");
    add("", 1);
    add_text("/rsvp HTTP/1.1\r\nHost: h\r\n\r\n");
    response = exchange();
    expect_problem(response, 400, "invalid-parameter");
    http_response_free(&response);
    expect_member(fixture.client, rsvp, "nul", "u1", true);
    response = http_request(fixture.client, "GET", "/v1/events/nul", NULL);
    expect_status(response, 200);
    assert_int_equal(json_integer_value(json_object_get(response->json, "capacity")), 5);
    http_response_free(&response);
}

static void hosts_that_are_none_are_refused(NO_STATE)
{
    static const char *const hosts[] = {
        "u@h",
        "u:p@h",
        "h/",
        "h/v1",
        "a,b",
        "a, b",
        "a b",
        "",
        " ",
        "h:a",
        "h:80a",
        "h:1:2",
        "b\xC3\xBC.example",
        "http://h",
        "h?q",
        "h#f",
        "[::1",
        "[x]",
        ":80",
        "h:65536",
        "*/",
    };
    for (size_t i = 0; i < LENGTH(hosts); i++) {
        char request[256];
        snprintf(request, sizeof request,
                 "POST /v1/events/hosts/rsvp?user_id=u1 HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i]);
        begin(request);
        expect_not_done("hosts", 400, "invalid-parameter");
    }
    begin("POST http://u@h/v1/events/hosts/rsvp?user_id=u1 HTTP/1.1\r\nHost: h\r\n\r\n");
    expect_not_done("hosts", 400, "invalid-parameter");
}

/* It says where, has an id that is the client's own where that came before the fault, and no body
 * where none was asked for. */
static void a_refusal_is_a_whole_answer(NO_STATE)
{
    size_t size;
    begin("GET /v1/events/a?user_id=u HTTP/1.1\r\nHost: h\r\nX-Request-Id: mine-7\r\n: b\r\n\r\n");
    struct http_response *response = exchange();
    expect_problem_naming(response, 400, "invalid-parameter", "line 4");
    expect_header(response, "X-Request-Id", "mine-7");
    assert_string_equal(json_string_value(json_object_get(response->json, "instance")),
                        "/v1/events/a");
    http_response_free(&response);
    begin("HEAD /v1/events/a HTTP/1.1\r\nHost: h\r\n: b\r\n\r\n");
    struct http_raw *raw = send_buffer();
    const char *answer = http_raw_receive_all(raw, TIMEOUT_MS, &size);
    assert_int_equal(strncmp(answer, "HTTP/1.1 400 ", 13), 0);
    assert_string_equal(answer + size - 4, "\r\n\r\n");
    assert_ptr_equal(strstr(answer, "\r\n\r\n"), answer + size - 4);
    http_raw_close(&raw);
}

/* ---- what is taken ---- */

static void blanks_behind_values_are_ignored(NO_STATE)
{
    static const char *const frames[] = {
        "Content-Length: 2 \r\n\r\n{}",
        "Content-Length:\t2\t \r\n\r\n{}",
        "Transfer-Encoding: chunked \r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "Transfer-Encoding:\tchunked\t\r\n\r\n2;a = \"b\"\r\n{}\r\n0\r\n\r\n",
    };
    for (size_t i = 0; i < LENGTH(frames); i++) {
        char event[32], request[256];
        snprintf(event, sizeof event, "blanks-%zu", i);
        snprintf(request, sizeof request,
                 "POST /v1/events/%s/rsvp HTTP/1.1\r\nHost: h \r\nX-User-Id: u1 \r\n%s", event,
                 frames[i]);
        begin(request);
        expect_done(event);
    }
}

/* The client waits for leave to send its body. */
static void an_expectation_is_met(NO_STATE)
{
    begin(RSVP("expects") "Content-Length: 2\r\nExpect: 100-continue \r\n\r\n");
    struct http_raw *raw = send_buffer();
    struct http_response *response = http_raw_receive(raw, TIMEOUT_MS);
    assert_int_equal(response->status, 100);
    http_response_free(&response);
    assert_true(http_raw_send_text(raw, "{}"));
    response = http_raw_receive(raw, TIMEOUT_MS);
    expect_status(response, 201);
    http_response_free(&response);
    http_raw_close(&raw);
}

/* However a request is cut on its way, and whatever follows it. */
static void pieces_make_no_difference(NO_STATE)
{
    static const char requests[] =
        "POST /v1/events/pieces/rsvp HTTP/1.1\r\nHost: h\r\nCookie: a=b\r\nX-User-Id: u1\r\n"
        "Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\nA: b\r\n\r\n"
        "GET /livez HTTP/1.1\r\nHost: h\r\n\r\n";
    for (size_t piece = 1; piece < sizeof requests; piece += piece < 4 ? 1 : 13) {
        struct http_raw *raw = http_raw_connect(fixture.service->port);
        assert_non_null(raw);
        for (size_t at = 0; at < sizeof requests - 1; at += piece) {
            size_t rest = sizeof requests - 1 - at;
            assert_true(http_raw_send(raw, requests + at, rest < piece ? rest : piece));
        }
        for (int i = 0; i < 2; i++) {
            struct http_response *response = http_raw_receive(raw, TIMEOUT_MS);
            process_note("pieces of %zu, answer %d", piece, i);
            expect_status(response, i == 0 && piece == 1 ? 201 : 200);
            http_response_free(&response);
        }
        http_raw_close(&raw);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cookies_leave_room_for_the_answer),
        cmocka_unit_test(long_queries_and_many_fields_are_answered),
        cmocka_unit_test(heads_are_taken_up_to_14_kib),
        cmocka_unit_test(pipelined_requests_are_all_answered),
        cmocka_unit_test(trailers_are_dropped_or_refused),
        cmocka_unit_test(frames_without_end_are_refused_and_do_not_spin),
        cmocka_unit_test(what_stops_in_the_middle_does_not_spin),
        cmocka_unit_test(a_nul_anywhere_in_a_head_is_refused),
        cmocka_unit_test(hosts_that_are_none_are_refused),
        cmocka_unit_test(a_refusal_is_a_whole_answer),
        cmocka_unit_test(blanks_behind_values_are_ignored),
        cmocka_unit_test(an_expectation_is_met),
        cmocka_unit_test(pieces_make_no_difference),
    };
    service_keep_defaults();
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
