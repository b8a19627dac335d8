/* Where the keys of tokens come from: a provider that may fail, a file, a secret. What is good
 * stays in use until something newer is good. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <signal.h>
#include <unistd.h>

#include "expect.h"
#include "fixture.h"
#include "key_server.h"
#include "process.h"
#include "prometheus.h"
#include "test.h"
#include "token.h"

enum { BOUND_MS = PROCESS_BOUND_MS, VARIABLE_SIZE = 512, PATH_SIZE = PROCESS_PATH_SIZE + 32 };

static const char secret[] = "a secret that has more than thirty-two bytes";

static struct {
    struct key_server *provider;
    struct service *service;
    struct http_client *client, *admin;
    struct token_key *first, *second; /* of the provider */
    char *first_set, *both, *second_set;
    char directory[PROCESS_PATH_SIZE];
} keys;

static int set_up(void **state)
{
    fixture_setup_servers(state);
    process_make_directory(keys.directory, NULL);
    keys.first = token_key_create(TOKEN_RSA, "first");
    keys.second = token_key_create(TOKEN_EC, "second");
    keys.first_set = token_key_set((const struct token_key *[]){keys.first}, 1);
    keys.second_set = token_key_set((const struct token_key *[]){keys.second}, 1);
    keys.both = token_key_set((const struct token_key *[]){keys.first, keys.second}, 2);
    return 0;
}

static int tear_down(void **state)
{
    free(keys.first_set);
    free(keys.second_set);
    free(keys.both);
    token_key_destroy(&keys.first);
    token_key_destroy(&keys.second);
    process_remove_directory(keys.directory);
    return fixture_teardown(state);
}

/* ---- one service ---- */

/* With AUTH_MODE=token and these variables. */
static void start(const char *const *variables)
{
    const char *environment[8] = {"AUTH_MODE=token"};
    for (size_t i = 0; variables[i] != NULL; i++) {
        environment[i + 1] = variables[i];
    }
    keys.service = service_start_unready(fixture.database_url, NULL, environment);
    keys.client = http_client_create(keys.service->port);
    keys.admin = http_client_create(keys.service->admin_port);
}

static void start_with_provider(const char *more)
{
    char url[VARIABLE_SIZE];
    snprintf(url, sizeof url, "AUTH_JWKS_URL=%s", key_server_url(keys.provider));
    start((const char *const[]){url, more, NULL});
}

static int end(NO_STATE)
{
    http_client_destroy(&keys.client);
    http_client_destroy(&keys.admin);
    service_discard(&keys.service);
    key_server_stop(&keys.provider);
    return 0;
}

/* Ends it well, and gives all that it logged. */
static char *stop(void)
{
    http_client_destroy(&keys.client);
    http_client_destroy(&keys.admin);
    return service_stop_and_read_log(&keys.service);
}

/* The answer to a look-up by u1 with that token; its status, 0 where there was none. */
static int ask_with(const char *token)
{
    char field[2048];
    snprintf(field, sizeof field, "Authorization: Bearer %s", token);
    struct http_response *response =
        http_request(keys.client, "GET", "/v1/events/e1/users/u1",
                     &(struct http_options){.headers = (const char *const[]){field, NULL}});
    int status = response->status;
    http_response_free(&response);
    return status;
}

static int ask(const struct token_key *key, const char *algorithm)
{
    char *token = token_for(key, algorithm, "u1", NULL, 60);
    int status = ask_with(token);
    free(token);
    return status;
}

static void wait_for(const struct token_key *key, const char *algorithm, int status)
{
    int64_t until_ms = process_now_ms() + BOUND_MS;
    int got;
    while ((got = ask(key, algorithm)) != status) {
        if (process_now_ms() > until_ms) {
            process_fail("status %d, not %d", got, status);
        }
        process_nap();
    }
}

static long fetches(const char *outcome)
{
    struct http_response *response = http_request(keys.admin, "GET", "/metrics", NULL);
    struct prometheus *metrics = prometheus_parse(response->status == 200 ? response->body : "");
    long count = (long)prometheus_sum(metrics, "rsvpd_token_keys_fetches_total",
                                      (const char *const[]){"outcome", outcome, NULL});
    prometheus_free(&metrics);
    http_response_free(&response);
    return count;
}

static void wait_for_fetches(const char *outcome, long at_least)
{
    int64_t until_ms = process_now_ms() + BOUND_MS;
    while (fetches(outcome) < at_least) {
        if (process_now_ms() > until_ms) {
            process_fail("there were no %ld fetches that were %s", at_least, outcome);
        }
        process_nap();
    }
}

static void expect_logged(const char *log, const char *words)
{
    if (strstr(log, words) == NULL) {
        process_fail("the log does not say: %s\n%s", words, log);
    }
}

/* ---- the provider ---- */

static void test_keys_of_a_provider(NO_STATE)
{
    keys.provider = key_server_start(false);
    key_server_show(keys.provider, keys.first_set);
    start_with_provider(NULL);
    wait_for(keys.first, "RS256", 200);
    struct token_key *stranger = token_key_create(TOKEN_RSA, "first");
    assert_int_equal(ask(stranger, "RS256"), 401);
    assert_int_equal(ask(keys.first, "PS256"), 401); /* not among those that are accepted */
    token_key_destroy(&stranger);
    char *log = stop();
    expect_logged(log, "keys of tokens are in force");
    free(log);
}

/* Until there are keys, a token can be neither good nor bad. */
static void test_what_is_not_taken_from_a_provider(NO_STATE)
{
    static const struct {
        const char *mode, *document, *reason;
    } cases[] = {
        {"redirect", NULL, "status 302: redirects are not followed"},
        {"larger", NULL, "the answer has more than 65536 bytes"},
        {"larger-unannounced", NULL, "the answer has more than 65536 bytes"},
        {"404", NULL, "status 404"},
        {"503", NULL, "status 503"},
        {"204", NULL, "status 204"},
        {"good", "{", "the key set is not valid JSON"},
        {"good", "{\"keys\":[]}", "none of the 0 keys in the set"},
        {"silent", NULL, "no whole answer came within 5000 ms"},
    };
    keys.provider = key_server_start(false);
    for (size_t i = 0; i < LENGTH(cases); i++) {
        process_note("%s", cases[i].reason);
        key_server_show(keys.provider, cases[i].document ? cases[i].document : keys.first_set);
        key_server_behave(keys.provider, cases[i].mode);
        start_with_provider(NULL);
        wait_for_fetches("failed", 1);
        assert_int_equal(ask(keys.first, "RS256"), 503);
        service_wait_ready(keys.service, 503);
        char *log = stop();
        expect_logged(log, cases[i].reason);
        assert_null(strstr(log, "keys of tokens are in force"));
        free(log);
    }
}

static void test_the_largest_set(NO_STATE)
{
    keys.provider = key_server_start(false);
    key_server_show(keys.provider, keys.first_set);
    key_server_behave(keys.provider, "largest");
    start_with_provider(NULL);
    wait_for(keys.first, "RS256", 200);
    free(stop());
}

/* It is asked again soon, and what it says then is taken. */
static void test_a_provider_that_comes_back(NO_STATE)
{
    keys.provider = key_server_start(false);
    key_server_show(keys.provider, keys.first_set);
    key_server_behave(keys.provider, "503");
    start_with_provider(NULL);
    wait_for_fetches("failed", 1);
    key_server_behave(keys.provider, "good");
    wait_for(keys.first, "RS256", 200);
    free(stop());
}

/* A new key: the first token that was signed with it is good already, and the old ones still are,
 * until the provider takes their key away. */
static void test_a_new_key(NO_STATE)
{
    keys.provider = key_server_start(false);
    key_server_show(keys.provider, keys.first_set);
    start_with_provider(NULL);
    wait_for(keys.first, "RS256", 200);
    key_server_show(keys.provider, keys.both);
    assert_int_equal(ask(keys.second, "ES256"), 200);
    assert_int_equal(ask(keys.first, "RS256"), 200);
    assert_int_equal(key_server_requests(keys.provider), 2);
    free(stop());
}

/* What was good stays in use when the provider fails, and is replaced when it is back. */
static void test_a_failure_in_between(NO_STATE)
{
    keys.provider = key_server_start(false);
    key_server_show(keys.provider, keys.first_set);
    start_with_provider(NULL);
    wait_for(keys.first, "RS256", 200);
    key_server_show(keys.provider, "{\"keys\":[");
    assert_int_equal(ask(keys.second, "ES256"), 401);
    wait_for_fetches("failed", 1);
    assert_int_equal(ask(keys.first, "RS256"), 200);
    key_server_show(keys.provider, keys.second_set);
    wait_for(keys.second, "ES256", 200);
    assert_int_equal(ask(keys.first, "RS256"), 401);
    free(stop());
}

/* A stranger's tokens do not become a flood at the provider's door. */
static void test_unknown_keys_in_plenty(NO_STATE)
{
    keys.provider = key_server_start(false);
    key_server_show(keys.provider, keys.first_set);
    start_with_provider(NULL);
    wait_for(keys.first, "RS256", 200);
    int64_t begun_ms = process_now_ms();
    for (size_t i = 0; i < 200; i++) {
        char header[64];
        snprintf(header, sizeof header, "{\"alg\":\"RS256\",\"kid\":\"none-%zu\"}", i);
        char *token =
            token_sign(keys.first, "RS256", header, "{\"sub\":\"u1\",\"exp\":4000000000}");
        assert_int_equal(ask_with(token), 401);
        free(token);
    }
    size_t allowed = 2 + (size_t)(process_now_ms() - begun_ms) / 10000;
    assert_true(key_server_requests(keys.provider) <= allowed);
    assert_int_equal(ask(keys.first, "RS256"), 200);
    free(stop());
}

/* One of many that come at once: by their number a write, a look-up, or what is open to all. */
static void send_one_of_many(struct http_raw *raw, size_t number, const char *token)
{
    char request[2048], body[32], target[64] = "/v1/events/e1/rsvp_count";
    size_t size = 0;
    if (number % 3 == 0) {
        size = (size_t)snprintf(body, sizeof body, "{\"user_id\":\"u%zu\"}", number);
        snprintf(target, sizeof target, "/v1/events/e1/rsvp");
    } else if (number % 3 == 1) {
        snprintf(target, sizeof target, "/v1/events/e1/users/u%zu", number);
    }
    snprintf(request, sizeof request,
             "%s %s HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\nContent-Length: "
             "%zu\r\n\r\n%.*s",
             size > 0 ? "POST" : "GET", target, token, size, (int)size, body);
    assert_true(http_raw_send_text(raw, request));
}

/* More strangers come in one iteration of the loop than it checks: all get the answer that each
 * gets alone. */
static void test_many_strangers_at_once(NO_STATE)
{
    enum { MANY = 96 };
    struct http_raw *raws[MANY];
    /* The answers to a write, to a look-up, and to what is open. */
    static const int good[] = {201, 200, 200}, bad[] = {401, 401, 200};
    keys.provider = key_server_start(false);
    key_server_show(keys.provider, keys.first_set);
    start_with_provider("WORKERS=1");
    wait_for(keys.first, "RS256", 200);
    assert_int_equal(kill(keys.service->pid, SIGSTOP), 0); /* so that they come at once */
    for (size_t i = 0; i < MANY; i++) {
        char user[16];
        snprintf(user, sizeof user, "u%zu", i);
        char *token = token_for(keys.first, "RS256", user, NULL, 60);
        char *signature = strrchr(token, '.') + 1;
        signature[0] = i % 2 == 0 ? signature[0] : signature[0] == 'A' ? 'B' : 'A';
        raws[i] = http_raw_connect(keys.service->port);
        assert_non_null(raws[i]);
        send_one_of_many(raws[i], i, token);
        free(token);
    }
    assert_int_equal(kill(keys.service->pid, SIGCONT), 0);
    for (size_t i = 0; i < MANY; i++) {
        struct http_response *response = http_raw_receive(raws[i], BOUND_MS);
        assert_int_equal(response->status, (i % 2 == 0 ? good : bad)[i % 3]);
        http_response_free(&response);
        http_raw_close(&raws[i]);
    }
    free(stop());
}

/* A provider that does not answer keeps neither requests nor the end. */
static void test_the_end_does_not_wait_for_a_provider(NO_STATE)
{
    keys.provider = key_server_start(false);
    key_server_behave(keys.provider, "silent");
    start_with_provider(NULL);
    int64_t until_ms = process_now_ms() + BOUND_MS;
    while (key_server_requests(keys.provider) == 0 && process_now_ms() < until_ms) {
        process_nap();
    }
    assert_int_equal(key_server_requests(keys.provider), 1);
    assert_int_equal(ask(keys.first, "RS256"), 503);
    char *log = stop();
    assert_null(strstr(log, "cannot fetch"));
    free(log);
}

static void test_certificates(NO_STATE)
{
    char trusted[VARIABLE_SIZE];
    keys.provider = key_server_start(true);
    key_server_show(keys.provider, keys.first_set);
    start_with_provider(NULL);
    wait_for_fetches("failed", 1);
    assert_int_equal(ask(keys.first, "RS256"), 503);
    char *log = stop();
    expect_logged(log, "certificate");
    free(log);
    assert_int_equal(key_server_requests(keys.provider), 0);
    snprintf(trusted, sizeof trusted, "SSL_CERT_FILE=%s", key_server_certificate(keys.provider));
    start_with_provider(trusted);
    wait_for(keys.first, "RS256", 200);
    free(stop());
}

/* ---- a file, a secret, and what cannot be ---- */

static void send_hangup(void)
{
    assert_int_equal(kill(keys.service->pid, SIGHUP), 0);
}

static void test_a_file_is_read_again(NO_STATE)
{
    char path[PATH_SIZE], variable[VARIABLE_SIZE];
    snprintf(path, sizeof path, "%s/keys.json", keys.directory);
    snprintf(variable, sizeof variable, "AUTH_JWKS_FILE=%s", path);
    process_write_file(path, keys.first_set);
    start((const char *const[]){variable, NULL});
    wait_for(keys.first, "RS256", 200);
    process_write_file(path, "rubbish");
    send_hangup();
    service_await_log(keys.service, "\"failed\":\"AUTH_JWKS_FILE\"");
    assert_int_equal(ask(keys.first, "RS256"), 200);
    process_write_file(path, keys.second_set);
    send_hangup();
    wait_for(keys.second, "ES256", 200);
    assert_int_equal(ask(keys.first, "RS256"), 401);
    free(stop());
}

static void test_a_secret_is_read_again(NO_STATE)
{
    char path[PATH_SIZE], variable[VARIABLE_SIZE], shorter[sizeof secret];
    struct token_key *old = token_key_of_secret(secret, strlen(secret));
    struct token_key *fresh = token_key_of_secret(secret, strlen(secret) - 1);
    snprintf(path, sizeof path, "%s/secret", keys.directory);
    snprintf(variable, sizeof variable, "AUTH_JWT_SECRET_FILE=%s", path);
    snprintf(shorter, sizeof shorter, "%.*s", (int)strlen(secret) - 1, secret);
    process_write_file(path, secret);
    start((const char *const[]){variable, NULL});
    wait_for(old, "HS256", 200);
    assert_int_equal(ask(fresh, "HS256"), 401);
    process_write_file(path, "too short");
    send_hangup();
    service_await_log(keys.service, "\"failed\":\"AUTH_JWT_SECRET\"");
    assert_int_equal(ask(old, "HS256"), 200);
    process_write_file(path, shorter);
    send_hangup();
    wait_for(fresh, "HS256", 200);
    assert_int_equal(ask(old, "HS256"), 401);
    free(stop());
    token_key_destroy(&old);
    token_key_destroy(&fresh);
}

static void test_algorithms_without_keys_are_told(NO_STATE)
{
    char path[PATH_SIZE], variable[VARIABLE_SIZE];
    snprintf(path, sizeof path, "%s/some.json", keys.directory);
    snprintf(variable, sizeof variable, "AUTH_JWKS_FILE=%s", path);
    process_write_file(path, keys.first_set);
    start((const char *const[]){variable, "AUTH_JWT_ALGORITHMS=RS256,HS256", NULL});
    wait_for(keys.first, "RS256", 200);
    service_await_log(keys.service, "some algorithms of tokens can have no key");
    process_write_file(path, keys.second_set);
    send_hangup();
    service_await_log(keys.service, "no key fits the algorithms of tokens: every token is refused");
    assert_int_equal(ask(keys.second, "ES256"), 401);
    free(stop());
}

static void test_sources_that_cannot_be(NO_STATE)
{
    char path[PATH_SIZE], of_ec[VARIABLE_SIZE], of_secret[VARIABLE_SIZE];
    snprintf(path, sizeof path, "%s/ec.json", keys.directory);
    snprintf(of_ec, sizeof of_ec, "AUTH_JWKS_FILE=%s", path);
    snprintf(of_secret, sizeof of_secret, "AUTH_JWT_SECRET=%s", secret);
    process_write_file(path, keys.second_set);
    const struct {
        const char *variable, *words, *more;
    } cases[] = {
        {of_ec, "AUTH_JWKS_FILE: none of its keys", "AUTH_JWT_ALGORITHMS=RS256"},
        {of_ec, "AUTH_JWT_ALGORITHMS: HS256 needs", "AUTH_JWT_ALGORITHMS=HS256"},
        {of_secret, "AUTH_JWT_ALGORITHMS: the key of", "AUTH_JWT_ALGORITHMS=RS256"},
        {"AUTH_JWKS_URL=http://id.example.org/keys", "AUTH_JWKS_URL: http is for loopback alone",
         NULL},
        {"AUTH_JWKS_URL=id.example.org/keys", "AUTH_JWKS_URL: it is no URL", NULL},
        {"AUTH_JWKS_URL=ftp://127.0.0.1/keys", "AUTH_JWKS_URL: its scheme must be https", NULL},
        {"AUTH_JWKS_FILE=/nowhere/keys.json", "AUTH_JWKS_FILE: no such file", NULL},
        {"AUTH_JWKS_FILE=/etc/passwd", "AUTH_JWKS_FILE: the key set is not valid JSON", NULL},
        {"AUTH_JWKS_FILE=/etc", "AUTH_JWKS_FILE: ", NULL},
    };
    char database[VARIABLE_SIZE];
    snprintf(database, sizeof database, "DATABASE_URL=%s", fixture.database_url);
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct service_run run =
            service_run((const char *const[]){"serve", NULL},
                        (const char *const[]){database, "AUTH_MODE=token", cases[i].variable,
                                              cases[i].more, NULL});
        process_note("%s", cases[i].variable);
        assert_int_equal(run.status, 2);
        expect_logged(run.err, cases[i].words);
        service_run_free(&run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_keys_of_a_provider, end),
        cmocka_unit_test_teardown(test_what_is_not_taken_from_a_provider, end),
        cmocka_unit_test_teardown(test_the_largest_set, end),
        cmocka_unit_test_teardown(test_a_provider_that_comes_back, end),
        cmocka_unit_test_teardown(test_a_new_key, end),
        cmocka_unit_test_teardown(test_a_failure_in_between, end),
        cmocka_unit_test_teardown(test_unknown_keys_in_plenty, end),
        cmocka_unit_test_teardown(test_many_strangers_at_once, end),
        cmocka_unit_test_teardown(test_the_end_does_not_wait_for_a_provider, end),
        cmocka_unit_test_teardown(test_certificates, end),
        cmocka_unit_test_teardown(test_a_file_is_read_again, end),
        cmocka_unit_test_teardown(test_algorithms_without_keys_are_told, end),
        cmocka_unit_test_teardown(test_a_secret_is_read_again, end),
        cmocka_unit_test_teardown(test_sources_that_cannot_be, end),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
