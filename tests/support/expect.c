/* What the contract says about answers, as assertions. */
#include "expect.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "process.h"
#include "test.h"

const struct expect_problem_row expect_problem_rows[] = {
    {"invalid-identifier", 400, false, false},
    {"invalid-json", 400, false, false},
    {"invalid-parameter", 400, false, false},
    {"unknown-field", 400, false, false},
    {"missing-user-id", 400, false, false},
    {"conflicting-user-id", 400, false, false},
    {"unauthenticated", 401, false, false},
    {"forbidden", 403, false, false},
    {"not-found", 404, false, false},
    {"method-not-allowed", 405, false, false},
    {"request-timeout", 408, true, false},
    {"event-full", 409, false, false},
    {"rsvp-closed", 409, false, false},
    {"request-in-flight", 409, true, false},
    {"precondition-failed", 412, false, false},
    {"payload-too-large", 413, false, false},
    {"unsupported-media-type", 415, false, false},
    {"idempotency-key-reused", 422, false, false},
    {"rate-limited", 429, true, true},
    {"headers-too-large", 431, false, false},
    {"internal", 500, true, false},
    {"overloaded", 503, true, true},
    {"store-unavailable", 503, true, true},
    {"keys-unavailable", 503, true, true},
    {"outcome-unknown", 504, true, true},
};
const size_t expect_problem_row_count = sizeof expect_problem_rows / sizeof expect_problem_rows[0];

static void fail_at(const char *file, int line, const struct http_response *response,
                    const char *format, ...) __attribute__((format(printf, 4, 5), noreturn));
static void fail_at(const char *file, int line, const struct http_response *response,
                    const char *format, ...)
{
    char message[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    process_print_context();
    fprintf(stderr, "%s\n", message);
    if (response != NULL) {
        fprintf(stderr, "the answer to %s: %d %s\n", response->path, response->status,
                response->error);
        for (size_t i = 0; i < response->header_count; i++) {
            fprintf(stderr, "  %s: %s\n", response->headers[i].name, response->headers[i].value);
        }
        fprintf(stderr, "%.2000s\n", response->body);
    }
    _fail(file, line);
    abort();
}

/* ---- times ---- */

int64_t expect_parse_time(const char *text)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    if (text == NULL || strlen(text) != sizeof form - 1) {
        return -1;
    }
    for (size_t i = 0; form[i] != '\0'; i++) {
        const bool digit = isdigit((unsigned char)text[i]) != 0;
        if (form[i] == 'd' ? !digit : text[i] != form[i]) {
            return -1;
        }
    }
    struct tm parts = {.tm_isdst = 0};
    if (strptime(text, "%Y-%m-%dT%H:%M:%S", &parts) == NULL) {
        return -1;
    }
    return (int64_t)timegm(&parts) * 1000 + strtol(text + 20, NULL, 10);
}

int64_t expect_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- every response ---- */

static bool is_request_id(const char *text)
{
    const size_t size = strlen(text);
    return size >= 1 && size <= 64 &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._") ==
               size;
}

void expect_status_at(const char *file, int line, const struct http_response *response, int status)
{
    if (response->status != status) {
        fail_at(file, line, response, "expected status %d", status);
    }
    const char *request_id = http_header(response, "X-Request-Id");
    if (request_id == NULL || !is_request_id(request_id) ||
        http_header_count(response, "X-Request-Id") != 1) {
        fail_at(file, line, response, "expected one X-Request-Id");
    }
    const char *sniffing = http_header(response, "X-Content-Type-Options");
    if (sniffing == NULL || strcmp(sniffing, "nosniff") != 0 ||
        http_header_count(response, "X-Content-Type-Options") != 1) {
        fail_at(file, line, response, "expected one X-Content-Type-Options: nosniff");
    }
}

void expect_header_at(const char *file, int line, const struct http_response *response,
                      const char *name, const char *value)
{
    const char *actual = http_header(response, name);
    if (value == NULL ? actual != NULL : actual == NULL || strcmp(actual, value) != 0) {
        fail_at(file, line, response, "expected %s: %s", name, value != NULL ? value : "(none)");
    }
    if (value != NULL && http_header_count(response, name) != 1) {
        fail_at(file, line, response, "expected %s once", name);
    }
}

/* ---- JSON ---- */

/* application/json, whatever parameters follow. */
static bool has_media_type(const struct http_response *response, const char *type)
{
    const char *actual = http_header(response, "Content-Type");
    const size_t size = strlen(type);
    return actual != NULL && strncmp(actual, type, size) == 0 &&
           (actual[size] == '\0' || actual[size] == ';' || actual[size] == ' ');
}

void expect_json_at(const char *file, int line, const struct http_response *response, int status,
                    const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    const int size = vasprintf(&text, format, arguments);
    va_end(arguments);
    json_error_t error;
    json_t *expected = size < 0 ? NULL : json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (expected == NULL) {
        fail_at(file, line, NULL, "the test's own JSON is wrong: %s", text);
    }
    expect_status_at(file, line, response, status);
    if (!has_media_type(response, "application/json")) {
        fail_at(file, line, response, "expected application/json");
    }
    if (!json_equal(response->json, expected)) {
        fail_at(file, line, response, "expected %s", text);
    }
    json_decref(expected);
    free(text);
}

void expect_members_at(const char *file, int line, const json_t *object, const char *const *members)
{
    size_t count = 0;
    for (; members[count] != NULL; count++) {
        if (json_object_get(object, members[count]) == NULL) {
            fail_at(file, line, NULL, "the member %s is missing", members[count]);
        }
    }
    if (json_object_size(object) != count) {
        char *text = json_dumps(object, 0);
        fail_at(file, line, NULL, "expected %zu members in %s", count, text);
    }
}

void expect_count_at(const char *file, int line, const struct http_response *response,
                     const char *id_member, const char *id, const char *count_member, int64_t count,
                     bool stale)
{
    const int64_t now_ms = expect_now_ms();
    const char *as_of = json_string_value(json_object_get(response->json, "as_of"));
    expect_json_at(file, line, response, 200,
                   "{\"%s\":\"%s\",\"%s\":%lld,\"as_of\":\"%s\",\"stale\":%s}", id_member, id,
                   count_member, (long long)count, as_of != NULL ? as_of : "",
                   stale ? "true" : "false");
    const int64_t as_of_ms = expect_parse_time(as_of);
    if (as_of_ms < 0) {
        fail_at(file, line, response, "as_of is not like 2026-11-22T10:15:30.123Z");
    }
    if (as_of_ms > now_ms || (!stale && now_ms - as_of_ms > 5000)) {
        fail_at(file, line, response, "as_of is %lld ms old", (long long)(now_ms - as_of_ms));
    }
}

/* -- problems
 * --------------------------------------------------------------------------------------- */

static const struct expect_problem_row *find_row(const char *code)
{
    for (size_t i = 0; i < expect_problem_row_count; i++) {
        if (strcmp(expect_problem_rows[i].code, code) == 0) {
            return &expect_problem_rows[i];
        }
    }
    return NULL;
}

static const char *text_member(const char *file, int line, const struct http_response *response,
                               const char *name)
{
    const char *value = json_string_value(json_object_get(response->json, name));
    if (value == NULL || value[0] == '\0') {
        fail_at(file, line, response, "expected a text in %s", name);
    }
    return value;
}

static void check_text(const char *file, int line, const struct http_response *response,
                       const char *name, const char *expected)
{
    if (strcmp(text_member(file, line, response, name), expected) != 0) {
        fail_at(file, line, response, "expected %s in %s", expected, name);
    }
}

static void check_retry_after(const char *file, int line, const struct http_response *response)
{
    const char *value = http_header(response, "Retry-After");
    if (value == NULL || value[0] < '1' || value[0] > '9' ||
        strspn(value, "0123456789") != strlen(value)) {
        fail_at(file, line, response, "expected Retry-After in whole seconds");
    }
}

void expect_problem_at(const char *file, int line, const struct http_response *response, int status,
                       const char *code)
{
    static const char *const members[] = {"type", "title",      "status",    "detail", "instance",
                                          "code", "request_id", "retryable", NULL};
    const struct expect_problem_row *row = find_row(code);
    char type[128];
    if (row == NULL || row->status != status) {
        fail_at(file, line, NULL, "the contract has no problem %s with status %d", code, status);
    }
    expect_status_at(file, line, response, status);
    if (!has_media_type(response, "application/problem+json") || response->json == NULL) {
        fail_at(file, line, response, "expected application/problem+json");
    }
    expect_members_at(file, line, response->json, members);
    snprintf(type, sizeof type, "/problems/%s", code);
    check_text(file, line, response, "type", type);
    check_text(file, line, response, "code", code);
    check_text(file, line, response, "request_id", http_header(response, "X-Request-Id"));
    text_member(file, line, response, "title");
    text_member(file, line, response, "detail");
    if (response->path[0] != '\0') { /* raw responses do not know theirs */
        check_text(file, line, response, "instance", response->path);
    }
    if (json_integer_value(json_object_get(response->json, "status")) != status) {
        fail_at(file, line, response, "expected status %d in the body", status);
    }
    const json_t *retryable = json_object_get(response->json, "retryable");
    if (!json_is_boolean(retryable) || json_is_true(retryable) != row->retryable) {
        fail_at(file, line, response, "expected retryable %s", row->retryable ? "true" : "false");
    }
    if (row->has_retry_after) {
        check_retry_after(file, line, response);
    }
}

void expect_problem_naming_at(const char *file, int line, const struct http_response *response,
                              int status, const char *code, const char *word)
{
    expect_problem_at(file, line, response, status, code);
    if (strstr(text_member(file, line, response, "detail"), word) == NULL) {
        fail_at(file, line, response, "expected the detail to name %s", word);
    }
}
