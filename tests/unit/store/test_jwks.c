/* When keys of tokens are fetched, and what those who wait for them are told meanwhile. */
#include "unit.h"

#include "rsvpd/base/clock.h"
#include "rsvpd/base/jwk.h"
#include "rsvpd/base/log.h"
#include "rsvpd/store/jwks.h"

#include "token.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

static void test_pauses_after_failures(NO_STATE)
{
    static const struct {
        unsigned failures;
        bool keys_are_here;
        int64_t refresh_s, pause_ms;
    } cases[] = {{1, true, 300, 1000},    {2, true, 300, 2000},   {6, true, 300, 32000},
                 {7, true, 300, 64000},   {8, true, 300, 64000},  {UINT32_MAX, true, 300, 64000},
                 {7, true, 10, 10000},    {1, false, 300, 1000},  {4, false, 300, 8000},
                 {5, false, 300, 8000},   {99, false, 300, 8000}, {99, false, 86400, 8000},
                 {99, true, 86400, 64000}};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        assert_int_equal(
            jwks_retry_max_ms(cases[i].failures, cases[i].keys_are_here, cases[i].refresh_s),
            cases[i].pause_ms);
    }
}

/* ---- a provider in the same loop, who shows another set each time ---- */

static struct {
    uv_loop_t loop;
    uv_tcp_t listener, client;
    uv_write_t write;
    char answer[4096];
    struct jwks *jwks;
    struct published *keys;
    struct metrics *metrics;
    bool replaced, coming_when_replaced;
} provider;

static void close_client(uv_write_t *write, int status)
{
    (void)status;
    uv_close((uv_handle_t *)write->handle, NULL);
}

static void allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    static char bytes[4096]; /* what is asked for does not matter */
    (void)handle;
    (void)suggested;
    *buffer = uv_buf_init(bytes, sizeof bytes);
}

static void on_request(uv_stream_t *client, ssize_t size, const uv_buf_t *bytes)
{
    (void)bytes;
    assert_true(size > 0);
    uv_read_stop(client);
    struct token_key *key = token_key_create(TOKEN_EC, "k");
    char *set = token_key_set((const struct token_key *[]){key}, 1);
    int written = snprintf(provider.answer, sizeof provider.answer,
                           "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(set), set);
    assert_in_range(written, 1, sizeof provider.answer - 1);
    uv_buf_t answer = uv_buf_init(provider.answer, (unsigned)written);
    assert_int_equal(uv_write(&provider.write, client, &answer, 1, close_client), 0);
    free(set);
    token_key_destroy(&key);
}

static void on_client(uv_stream_t *listener, int status)
{
    assert_int_equal(status, 0);
    assert_int_equal(uv_tcp_init(&provider.loop, &provider.client), 0);
    assert_int_equal(uv_accept(listener, (uv_stream_t *)&provider.client), 0);
    assert_int_equal(uv_read_start((uv_stream_t *)&provider.client, allocate, on_request), 0);
}

static uint16_t listen_on_loopback(void)
{
    struct sockaddr_in address;
    int size = sizeof address;
    assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &address), 0);
    assert_int_equal(uv_tcp_init(&provider.loop, &provider.listener), 0);
    assert_int_equal(uv_tcp_bind(&provider.listener, (struct sockaddr *)&address, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&provider.listener, 8, on_client), 0);
    assert_int_equal(uv_tcp_getsockname(&provider.listener, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

/* A set is let go of as soon as another one is in force. */
static void note_and_destroy(void *set)
{
    if (provider.jwks != NULL) {
        provider.replaced = true;
        provider.coming_when_replaced = jwks_is_coming(provider.jwks);
    }
    jwks_destroy_set(set);
}

static void run_until_version(uint64_t version)
{
    while (published_version(provider.keys) < version) {
        (void)uv_run(&provider.loop, UV_RUN_ONCE);
    }
}

static int start(NO_STATE)
{
    char url[64], error[JWKS_ERROR_SIZE_BYTES];
    log_configure(LOG_ERROR, LOG_FORMAT_JSON);
    assert_int_equal(uv_loop_init(&provider.loop), 0);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/keys", listen_on_loopback());
    provider.keys = published_create(note_and_destroy);
    provider.metrics = metrics_create();
    provider.jwks = jwks_create(&(struct jwks_setup){.loop = &provider.loop,
                                                     .url = url,
                                                     .file = "",
                                                     .secret = "",
                                                     .algorithms = 1u << JWT_RS256,
                                                     .refresh_s = 300,
                                                     .metrics = provider.metrics,
                                                     .keys = provider.keys,
                                                     .random_seed = 1},
                                error);
    assert_non_null(provider.jwks);
    return 0;
}

static int end(NO_STATE)
{
    jwks_end(provider.jwks);
    uv_close((uv_handle_t *)&provider.listener, NULL);
    (void)uv_run(&provider.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&provider.loop), 0);
    jwks_free(&provider.jwks);
    published_destroy(&provider.keys);
    free(provider.metrics);
    return 0;
}

/* Else those who wait would go on, and not find what they wait for. */
static void test_keys_are_coming_until_they_are_in_force(NO_STATE)
{
    assert_true(jwks_is_coming(provider.jwks));
    run_until_version(1);
    assert_false(jwks_is_coming(provider.jwks));
    assert_true(jwks_want(provider.jwks));
    assert_true(jwks_is_coming(provider.jwks));
    run_until_version(2);
    assert_true(provider.replaced);
    assert_true(provider.coming_when_replaced);
    assert_false(jwks_is_coming(provider.jwks));
    assert_false(jwks_want(provider.jwks)); /* not twice in so short a time */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pauses_after_failures),
        cmocka_unit_test_setup_teardown(test_keys_are_coming_until_they_are_in_force, start, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
