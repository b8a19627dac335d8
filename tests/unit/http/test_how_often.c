/* Which limit a request is held to, and what its answer tells of it. */
#include "unit.h"
#include "unit_request.h"

#include "rsvpd/http/answer.h"
#include "rsvpd/http/connection.h"
#include "rsvpd/http/context.h"
#include "rsvpd/http/how_often.h"
#include "rsvpd/http/rate_limit_fields.h"

#include <stdio.h>
#include <stdlib.h>

static const struct route anything = {.pattern = "/v1/x", .parameters = "", .flags = ROUTE_PUBLIC};
static const struct route health = {
    .pattern = "/v1/livez", .parameters = "", .flags = ROUTE_PUBLIC | ROUTE_HEALTH};

static struct connection connection;
static struct principal principal;
static struct http_context context;
static struct request request;
static int64_t clock_us;

static int64_t now_us(void)
{
    return clock_us;
}

static int set_up(void **state)
{
    (void)state;
    connection = (struct connection){.address.bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};
    principal = (struct principal){.kind = PRINCIPAL_ANONYMOUS};
    clock_us = 1000 * 1000 * 1000;
    context = (struct http_context){
        .now_us = now_us,
        .metrics = metrics_create(),
        .rates = rate_table_create(&(struct rate_table_setup){
            .limits.of = {[RATE_USER] = {2, 10}, [RATE_KEY] = {2, 20}, [RATE_ADDRESS] = {3, 30}},
            .capacity = 64}),
    };
    assert_non_null(context.metrics);
    assert_non_null(context.rates);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_reset(&request.arena);
    free(context.metrics);
    rate_table_destroy(&context.rates);
    return 0;
}

static void begin(void)
{
    arena_reset(&request.arena);
    request = (struct request){.context = &context,
                               .route = &anything,
                               .client = &connection,
                               .principal = &principal,
                               .method = HTTP_GET};
    unit_request_init(&request);
}

static void expect_fields(const char *policy, const char *remaining)
{
    how_often_add_fields(&request);
    assert_string_equal(unit_request_answered(&request, "RateLimit-Policy"), policy);
    assert_string_equal(unit_request_answered(&request, "RateLimit"), remaining);
}

static void expect_no_fields(void)
{
    how_often_add_fields(&request);
    assert_null(unit_request_answered(&request, "RateLimit-Policy"));
    assert_null(unit_request_answered(&request, "RateLimit"));
}

static void expect_refused(const char *retry_after)
{
    assert_int_equal(request.answer.status, 429);
    assert_string_equal(unit_request_answered(&request, "Retry-After"), retry_after);
}

static void test_addresses(NO_STATE)
{
    for (int remaining = 2; remaining >= 0; remaining--) {
        char expected[RATE_LIMIT_FIELD_SIZE_BYTES];
        begin();
        assert_true(how_often_by_address(&request));
        snprintf(expected, sizeof expected, "\"address\";r=%d;t=%d", remaining,
                 10 * (3 - remaining));
        expect_fields("\"address\";q=3;w=30", expected);
    }
    begin();
    connection.address.bytes[15] = 2; /* of the same /64 */
    assert_false(how_often_by_address(&request));
    expect_refused("10");
    expect_fields("\"address\";q=3;w=30", "\"address\";r=0;t=30");
    assert_int_equal(metrics_get(context.metrics, METRIC_RATE_LIMITED_ADDRESS), 1);
    begin();
    connection.address.bytes[7] = 1; /* another */
    assert_true(how_often_by_address(&request));
}

static void test_health_is_exempt(NO_STATE)
{
    for (int i = 0; i < 10; i++) {
        begin();
        request.route = &health;
        assert_true(how_often_by_address(&request) && how_often_by_principal(&request));
        expect_no_fields();
    }
}

static void expect_two(const char *policy, const char *retry_after, enum metric metric)
{
    for (int i = 0; i < 2; i++) {
        begin();
        assert_true(how_often_by_principal(&request) && how_often_by_named_user(&request));
    }
    how_often_add_fields(&request);
    assert_string_equal(unit_request_answered(&request, "RateLimit-Policy"), policy);
    begin();
    assert_false(how_often_by_principal(&request));
    expect_refused(retry_after);
    assert_int_equal(metrics_get(context.metrics, metric), 1);
}

static void test_tokens_count_for_their_subject(NO_STATE)
{
    principal = (struct principal){.kind = PRINCIPAL_TOKEN, .subject = unit_id("u1")};
    expect_two("\"user\";q=2;w=10", "5", METRIC_RATE_LIMITED_USER);
    begin();
    request.user = unit_id("u2"); /* acts for another: still itself */
    assert_false(how_often_by_principal(&request));
    principal.subject = unit_id("u2");
    begin();
    assert_true(how_often_by_principal(&request));
}

static void test_keys_count_for_themselves(NO_STATE)
{
    principal = (struct principal){.kind = PRINCIPAL_KEY, .key_id = 7};
    expect_two("\"key\";q=2;w=20", "10", METRIC_RATE_LIMITED_KEY);
    principal.key_id = 8;
    begin();
    request.user = unit_id("u1");
    assert_true(how_often_by_principal(&request));
}

static void test_trusted_callers_count_for_whom_they_name(NO_STATE)
{
    principal.kind = PRINCIPAL_TRUSTED;
    begin();
    request.user = unit_id("u1"); /* in the path */
    assert_true(how_often_by_principal(&request));
    begin();
    assert_true(how_often_by_principal(&request)); /* nobody is named yet */
    request.user = unit_id("u1");
    assert_true(how_often_by_named_user(&request));
    begin();
    request.user = unit_id("u1");
    assert_false(how_often_by_named_user(&request));
    expect_refused("5");
    begin();
    assert_true(how_often_by_principal(&request));
    expect_no_fields();
}

/* The one of which the fewest requests are left is told. */
static void test_the_nearest_limit_is_told(NO_STATE)
{
    principal = (struct principal){.kind = PRINCIPAL_TOKEN, .subject = unit_id("u1")};
    begin();
    assert_true(how_often_by_address(&request) && how_often_by_principal(&request));
    expect_fields("\"user\";q=2;w=10", "\"user\";r=1;t=5");
    for (int i = 0; i < 2; i++) { /* others come from there too */
        begin();
        assert_true(how_often_by_address(&request));
    }
    clock_us += 10 * 1000 * 1000;
    begin();
    assert_true(how_often_by_address(&request) && how_often_by_principal(&request));
    expect_fields("\"address\";q=3;w=30", "\"address\";r=0;t=30");
}

/* What a refusal tells to wait for is enough for all limits that it was held to. */
static void test_retry_after_is_enough_for_all(NO_STATE)
{
    principal = (struct principal){.kind = PRINCIPAL_TOKEN, .subject = unit_id("u1")};
    for (int i = 0; i < 2; i++) {
        begin();
        assert_true(how_often_by_address(&request) && how_often_by_principal(&request));
    }
    begin();
    assert_true(how_often_by_address(&request)); /* the last one for 10 s */
    assert_false(how_often_by_principal(&request));
    expect_refused("10");
    expect_fields("\"user\";q=2;w=10", "\"user\";r=0;t=10");
    clock_us += 10 * 1000 * 1000;
    begin();
    assert_true(how_often_by_address(&request) && how_often_by_principal(&request));
}

static void test_without_limits_nothing_is_told(NO_STATE)
{
    rate_table_destroy(&context.rates);
    principal = (struct principal){.kind = PRINCIPAL_TOKEN, .subject = unit_id("u1")};
    for (int i = 0; i < 10; i++) {
        begin();
        assert_true(how_often_by_address(&request) && how_often_by_principal(&request));
        expect_no_fields();
    }
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_addresses),
        CASE(test_health_is_exempt),
        CASE(test_tokens_count_for_their_subject),
        CASE(test_keys_count_for_themselves),
        CASE(test_trusted_callers_count_for_whom_they_name),
        CASE(test_the_nearest_limit_is_told),
        CASE(test_retry_after_is_enough_for_all),
        CASE(test_without_limits_nothing_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
