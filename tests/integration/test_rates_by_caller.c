/* Whom a request counts for where callers show tokens or API keys, or stand behind a proxy. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "fixture.h"
#include "process.h"
#include "service.h"
#include "shell.h"
#include "test.h"
#include "token.h"

enum { FIELD_SIZE = 2048, VARIABLES_MAX = 12, KEY_SIZE = 49 };

#define SECRET "a secret that has more than thirty-two bytes"
#define ORIGIN "https://app.example"

static struct token_key *signer;
static struct service *service;
static struct http_client *client;

static int set_up(void **state)
{
    shell_group_setup(state);
    signer = token_key_of_secret(SECRET, strlen(SECRET));
    return 0;
}

static int tear_down(void **state)
{
    token_key_destroy(&signer);
    return shell_group_teardown(state);
}

static void start(const char *const *variables)
{
    static const char secret[] = "AUTH_JWT_SECRET=" SECRET;
    const char *environment[VARIABLES_MAX + 4] = {"AUTH_MODE=token", "AUTH_JWT_ALGORITHMS=HS256",
                                                  secret};
    for (size_t i = 0; variables[i] != NULL; i++) {
        assert_true(i < VARIABLES_MAX);
        environment[i + 3] = variables[i];
    }
    service = service_start(fixture.database_url, NULL, environment);
    client = http_client_create(service->port);
}

static void stop(void)
{
    http_client_destroy(&client);
    service_stop(&service);
}

static int heal(void **state)
{
    if (service != NULL) { /* the test failed */
        http_client_destroy(&client);
        service_discard(&service);
    }
    return fixture_heal(state);
}

/* ---- who sends it ---- */

/* The header field of a token of that subject; `scope` may be NULL. */
static void show_token(char field[FIELD_SIZE], const char *subject, const char *scope)
{
    char *token = token_for(signer, "HS256", subject, scope, 600);
    snprintf(field, FIELD_SIZE, "Authorization: Bearer %s", token);
    free(token);
}

/* The header field of a new API key. */
static void show_new_key(char field[FIELD_SIZE], const char *scope)
{
    expect_shell(0, "rsvpd_", "", "rsvpd keys create --name n --scope %s", scope);
    char *out = shell_read_file("out");
    snprintf(field, FIELD_SIZE, "X-API-Key: %.*s", KEY_SIZE, out);
    free(out);
}

static struct http_response *ask(const char *method, const char *target, const char *field)
{
    return http_request(client, method, target,
                        &(struct http_options){.headers = (const char *const[]){field, NULL}});
}

/* Asks, and expects that status and the beginning of RateLimit. */
static void expect_rate(const char *method, const char *target, const char *field, int status,
                        const char *rate)
{
    struct http_response *response = ask(method, target, field);
    process_note("%s %s", method, target);
    if (status == 429) {
        expect_problem(response, 429, "rate-limited");
    } else {
        expect_status(response, status);
    }
    const char *told = http_header(response, "RateLimit");
    if (told == NULL || strncmp(told, rate, strlen(rate)) != 0) {
        process_fail("%s %s: RateLimit is %s, not %s", method, target,
                     told == NULL ? "missing" : told, rate);
    }
    http_response_free(&response);
}

static void expect_no_rate(const char *target, int status)
{
    struct http_response *response = http_request(client, "GET", target, NULL);
    expect_status(response, status);
    expect_header(response, "RateLimit", NULL);
    expect_header(response, "RateLimit-Policy", NULL);
    http_response_free(&response);
}

/* ---- tokens and keys ---- */

static void a_token_counts_for_its_subject_alone(NO_STATE)
{
    char own[FIELD_SIZE], writer[FIELD_SIZE], other[FIELD_SIZE];
    show_token(own, "u1", NULL);
    show_token(writer, "u1", "rsvp:write");
    show_token(other, "u2", NULL);
    start((const char *const[]){"RATE_LIMIT_USER=6/86400", NULL});
    expect_rate("GET", "/v1/events/e1/users/u1", own, 200, "\"user\";r=5;");
    /* Whoever acts for others counts for itself. */
    expect_rate("GET", "/v1/events/e1/users/u2", writer, 200, "\"user\";r=4;");
    expect_rate("POST", "/v1/events/e1/rsvp?user_id=u3", writer, 201, "\"user\";r=3;");
    /* And so does what may not be done. */
    expect_rate("GET", "/v1/events/e1/users/u2", own, 403, "\"user\";r=2;");
    expect_rate("POST", "/v1/events/e1/rsvp?user_id=u2", own, 403, "\"user\";r=1;");
    expect_rate("GET", "/v1/events/e1/users", own, 200, "\"user\";r=0;");
    expect_rate("GET", "/v1/events/e1/users/u1", own, 429, "\"user\";r=0;");
    expect_rate("POST", "/v1/events/e1/rsvp?user_id=u4", writer, 429, "\"user\";r=0;");
    expect_rate("GET", "/v1/events/e1/users/u2", other, 200, "\"user\";r=5;");
    stop();
}

static void a_key_counts_for_itself_alone(NO_STATE)
{
    char first[FIELD_SIZE], second[FIELD_SIZE], token[FIELD_SIZE];
    show_new_key(first, "rsvp:write");
    show_new_key(second, "rsvp:read");
    show_token(token, "u1", NULL);
    start((const char *const[]){"RATE_LIMIT_KEY=3/86400", "RATE_LIMIT_USER=9/86400", NULL});
    expect_rate("POST", "/v1/events/e1/rsvp?user_id=u1", first, 201, "\"key\";r=2;");
    expect_rate("GET", "/v1/events/e1/users/u1", first, 200, "\"key\";r=1;");
    expect_rate("GET", "/v1/events/e1/rsvp_count", first, 200, "\"key\";r=0;");
    expect_rate("GET", "/v1/events/e1/users/u2", first, 429, "\"key\";r=0;");
    expect_rate("GET", "/v1/events/e1/users/u1", second, 200, "\"key\";r=2;");
    expect_rate("POST", "/v1/events/e1/rsvp?user_id=u1", second, 403, "\"key\";r=1;");
    expect_rate("GET", "/v1/events/e1/users/u1", token, 200, "\"user\";r=8;");
    stop();
}

/* A request is held to all limits; what is told is the one nearest to its end. */
static void all_limits_hold(NO_STATE)
{
    char token[FIELD_SIZE], other[FIELD_SIZE], key[FIELD_SIZE];
    show_token(token, "u1", NULL);
    show_token(other, "u2", NULL);
    show_new_key(key, "rsvp:read");
    start((const char *const[]){"RATE_LIMIT_USER=3/86400", "RATE_LIMIT_KEY=2/86400",
                                "RATE_LIMIT_ADDRESS=7/86400", NULL});
    expect_rate("GET", "/v1/events/e1/users/u1", token, 200, "\"user\";r=2;");
    expect_rate("GET", "/v1/events/e1/users/u1", key, 200, "\"key\";r=1;");
    expect_rate("GET", "/v1/events/e1/users/u1", key, 200, "\"key\";r=0;");
    expect_rate("GET", "/v1/events/e1/users/u1", key, 429, "\"key\";r=0;");
    expect_rate("GET", "/v1/events/e1/users/u1", token, 200, "\"user\";r=1;");
    expect_rate("GET", "/v1/events/e1/users/u2", other, 200, "\"address\";r=1;");
    expect_rate("GET", "/v1/events/e1/users/u2", other, 200, "\"address\";r=0;");
    expect_rate("GET", "/v1/events/e1/users/u2", other, 429, "\"address\";r=0;");
    expect_rate("GET", "/v1/events/e1/users/u1", key, 429, "\"address\";r=0;");
    expect_no_rate("/livez", 200);
    expect_no_rate("/readyz", 200);
    stop();
}

static void a_stranger_counts_for_the_address(NO_STATE)
{
    char good[FIELD_SIZE];
    show_token(good, "u1", NULL);
    start((const char *const[]){"RATE_LIMIT_USER=100/86400", "RATE_LIMIT_KEY=1/86400",
                                "RATE_LIMIT_ADDRESS=5/86400", NULL});
    const char *target = "/v1/events/e1/users/u1";
    expect_rate("GET", target, NULL, 401, "\"address\";r=4;");
    expect_rate("GET", target, "Authorization: Bearer no.such.token", 401, "\"address\";r=3;");
    expect_rate("GET", target, "X-API-Key: rsvpd_nobody", 401, "\"address\";r=2;");
    expect_rate("GET", target, "Authorization: Basic dTpw", 401, "\"address\";r=1;");
    expect_rate("POST", "/v1/events/e1/rsvp?user_id=u1", NULL, 401, "\"address\";r=0;");
    expect_rate("GET", target, "Authorization: Bearer no.such.token", 429, "\"address\";r=0;");
    expect_rate("GET", target, good, 429, "\"address\";r=0;");
    expect_no_rate("/livez", 200);
    stop();
}

/* Open to all: whoever shows a token counts for it all the same. */
static void open_counts_count_for_whoever_is_known(NO_STATE)
{
    char token[FIELD_SIZE];
    show_token(token, "u1", NULL);
    start((const char *const[]){"RATE_LIMIT_USER=2/86400", "RATE_LIMIT_ADDRESS=9/86400", NULL});
    const char *target = "/v1/events/e1/rsvp_count";
    expect_rate("GET", target, NULL, 200, "\"address\";r=8;");
    expect_rate("GET", target, token, 200, "\"user\";r=1;");
    expect_rate("GET", target, token, 200, "\"user\";r=0;");
    expect_rate("GET", target, token, 429, "\"user\";r=0;");
    expect_rate("GET", target, NULL, 200, "\"address\";r=4;");
    expect_rate("GET", target, "Authorization: Bearer no.such.token", 200, "\"address\";r=3;");
    stop();
}

/* ---- behind a proxy ---- */

#define COUNT "/v1/events/e1/rsvp_count"

static void expect_counted(const char *field, int status, const char *rate)
{
    process_note("%s", field == NULL ? "no field" : field);
    expect_rate("GET", COUNT, field, status, rate);
}

static void clients_behind_a_proxy_are_told_apart(NO_STATE)
{
    start((const char *const[]){"RATE_LIMIT_ADDRESS=3/86400",
                                "TRUSTED_PROXIES=127.0.0.0/8,10.0.0.0/8", NULL});
    expect_counted("X-Forwarded-For: 203.0.113.1", 200, "\"address\";r=2;");
    expect_counted("X-Forwarded-For: 203.0.113.2", 200, "\"address\";r=2;");
    /* What a client puts in front of its own address changes nothing. */
    expect_counted("X-Forwarded-For: 198.51.100.9, 203.0.113.1", 200, "\"address\";r=1;");
    expect_counted("X-Forwarded-For: 127.0.0.1, 203.0.113.1, 10.1.2.3", 200, "\"address\";r=0;");
    expect_counted("X-Forwarded-For: 198.51.100.7, 203.0.113.1", 429, "\"address\";r=0;");
    expect_counted("Forwarded: for=203.0.113.1", 429, "\"address\";r=0;");
    expect_counted("X-Forwarded-For: ::ffff:203.0.113.1", 429, "\"address\";r=0;");
    expect_counted("X-Forwarded-For: 203.0.113.2", 200, "\"address\";r=1;");
    /* Of IPv6, whatever is of one /64 is one. */
    expect_counted("X-Forwarded-For: 2001:db8:1:1::1", 200, "\"address\";r=2;");
    expect_counted("X-Forwarded-For: 2001:db8:1:1:ffff::2", 200, "\"address\";r=1;");
    expect_counted("Forwarded: for=\"[2001:db8:1:1::3]:4711\"", 200, "\"address\";r=0;");
    expect_counted("X-Forwarded-For: 2001:db8:1:1::4", 429, "\"address\";r=0;");
    expect_counted("X-Forwarded-For: 2001:db8:1:2::1", 200, "\"address\";r=2;");
    expect_counted(NULL, 200, "\"address\";r=2;"); /* the proxy itself */
    stop();
}

static void nobody_else_may_say_where_a_request_came_from(NO_STATE)
{
    start((const char *const[]){"RATE_LIMIT_ADDRESS=2/86400", "TRUSTED_PROXIES=10.0.0.0/8", NULL});
    expect_counted("X-Forwarded-For: 203.0.113.1", 200, "\"address\";r=1;");
    expect_counted("X-Forwarded-For: 203.0.113.2", 200, "\"address\";r=0;");
    expect_counted("Forwarded: for=203.0.113.3", 429, "\"address\";r=0;");
    stop();
}

/* ---- answers ---- */

/* All that a page needs to understand a refusal; and then the time it tells is enough. */
static void a_refusal_says_all(NO_STATE)
{
    char token[FIELD_SIZE];
    show_token(token, "u1", NULL);
    start((const char *const[]){"RATE_LIMIT_USER=2/5", "RATE_LIMIT_ADDRESS=3/6",
                                "CORS_ORIGINS=" ORIGIN, NULL});
    const struct http_options options = {.headers =
                                             (const char *const[]){token, "Origin: " ORIGIN, NULL}};
    struct http_response *response = NULL;
    do {
        http_response_free(&response);
        response = http_request(client, "GET", "/v1/events/e1/users/u1", &options);
    } while (response->status == 200);
    const int64_t refused_ms = process_now_ms();
    expect_problem(response, 429, "rate-limited");
    const char *retry_after = http_header(response, "Retry-After");
    assert_in_range(atoi(retry_after), 1, 3);
    assert_int_equal(strspn(retry_after, "0123456789"), strlen(retry_after));
    assert_non_null(http_header(response, "RateLimit"));
    assert_non_null(http_header(response, "RateLimit-Policy"));
    expect_header(response, "Access-Control-Allow-Origin", ORIGIN);
    assert_non_null(strstr(http_header(response, "Access-Control-Expose-Headers"), "Retry-After"));
    assert_non_null(strstr(http_header(response, "Vary"), "Origin"));
    expect_header(response, "X-Content-Type-Options", "nosniff");
    const int64_t free_ms = refused_ms + 1000 * atoi(retry_after);
    http_response_free(&response);
    while (process_now_ms() < free_ms) {
        process_nap();
    }
    response = http_request(client, "GET", "/v1/events/e1/users/u1", &options);
    expect_status(response, 200);
    http_response_free(&response);
    stop();
}

enum credential { NOBODY, STRANGER, USER, ADMIN, CREDENTIAL_COUNT };

static const struct {
    const char *method, *target;
    enum credential credential;
    int status;
} kinds[] = {
    {"GET", "/v1/events?page_size=2", ADMIN, 200},
    {"GET", "/v1/events?page_size=2", USER, 403},
    {"GET", "/v1/events?page_size=2", NOBODY, 401},
    {"GET", "/v1/users/u1/export", USER, 200},
    {"GET", "/v1/users/u1/export", STRANGER, 401},
    {"GET", "/v1/users/u2/export", USER, 403},
    {"GET", "/v1/users/u1/export?page_token=x", ADMIN, 400},
    {"DELETE", "/v1/users/u1", USER, 200},
    {"DELETE", "/v1/users/u2", USER, 403},
    {"DELETE", "/v1/users/u2", ADMIN, 200},
    {"DELETE", "/v1/users/u1", NOBODY, 401},
    {"OPTIONS", "/v1/users/u1", NOBODY, 204},
    {"PUT", "/v1/users/u1", ADMIN, 405},
    {"GET", "/v1/events/e1/users", NOBODY, 401},
    {"POST", "/v1/events/e1/rsvp?user_id=u1", STRANGER, 401},
    {"POST", "/v1/events/e1/rsvp?user_id=u2", USER, 403},
    {"GET", "/v1/problems/rate-limited", NOBODY, 200},
};

static void every_answer_tells_the_limit(NO_STATE)
{
    char fields[CREDENTIAL_COUNT][FIELD_SIZE] = {"Accept: */*",
                                                 "Authorization: Bearer no.such.token"};
    show_token(fields[USER], "u1", NULL);
    show_token(fields[ADMIN], "boss", "rsvp:admin");
    static_assert(LENGTH(kinds) == 17, "the last of them is the last that is admitted");
    start((const char *const[]){"RATE_LIMIT_ADDRESS=17/86400", NULL});
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        char rate[32];
        snprintf(rate, sizeof rate, "\"address\";r=%zu;", LENGTH(kinds) - 1 - i);
        expect_rate(kinds[i].method, kinds[i].target, fields[kinds[i].credential], kinds[i].status,
                    rate);
    }
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        expect_rate(kinds[i].method, kinds[i].target, fields[kinds[i].credential], 429,
                    "\"address\";r=0;");
    }
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_token_counts_for_its_subject_alone, heal),
        cmocka_unit_test_teardown(a_key_counts_for_itself_alone, heal),
        cmocka_unit_test_teardown(all_limits_hold, heal),
        cmocka_unit_test_teardown(a_stranger_counts_for_the_address, heal),
        cmocka_unit_test_teardown(open_counts_count_for_whoever_is_known, heal),
        cmocka_unit_test_teardown(clients_behind_a_proxy_are_told_apart, heal),
        cmocka_unit_test_teardown(nobody_else_may_say_where_a_request_came_from, heal),
        cmocka_unit_test_teardown(a_refusal_says_all, heal),
        cmocka_unit_test_teardown(every_answer_tells_the_limit, heal),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
