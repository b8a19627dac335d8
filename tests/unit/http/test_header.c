/* The header fields of a request: which are noted, and in which order they are given back. */
#include "unit.h"
#include "unit_request.h"

#include "rsvpd/http/header.h"

#include <stdio.h>

enum { VALUES_MAX = 4 };

static void init(struct request *request)
{
    *request = (struct request){0};
    unit_request_init(request);
}

static void expect_field(const struct request *request, enum header_name name, const char *value)
{
    unit_expect_text(value, header_value(request, name), value);
}

/* Names compare without regard to case (RFC 9110 section 5.1). */
static void test_names(NO_STATE)
{
    struct request request;
    init(&request);
    unit_request_note(&request, "host", "a");
    unit_request_note(&request, "X-REQUEST-ID", "b");
    unit_request_note(&request, "Content-Type", "");
    unit_request_note(&request, "X-Request-Id2", "c");
    unit_request_note(&request, "X-Request-I", "d");
    unit_request_note(&request, "Accept", "f");
    expect_field(&request, HEADER_HOST, "a");
    expect_field(&request, HEADER_X_REQUEST_ID, "b");
    expect_field(&request, HEADER_CONTENT_TYPE, "");
    struct slice values[VALUES_MAX];
    assert_int_equal(header_values(&request, HEADER_CONTENT_TYPE, values, VALUES_MAX), 1);
    assert_int_equal(header_values(&request, HEADER_X_REQUEST_ID, values, VALUES_MAX), 1);
    assert_int_equal(header_values(&request, HEADER_X_USER_ID, values, VALUES_MAX), 0);
    expect_field(&request, HEADER_X_USER_ID, "");
    arena_reset(&request.arena);
}

static void test_every_name_has_a_field_of_its_own(NO_STATE)
{
    static const char *const names[HEADER_NAME_COUNT] = {
        [HEADER_ACCEPT_ENCODING] = "Accept-Encoding",
        [HEADER_ACCESS_CONTROL_REQUEST_METHOD] = "Access-Control-Request-Method",
        [HEADER_AUTHORIZATION] = "authorization",
        [HEADER_CONTENT_ENCODING] = "Content-Encoding",
        [HEADER_CONTENT_LENGTH] = "Content-Length",
        [HEADER_CONTENT_TYPE] = "Content-Type",
        [HEADER_FORWARDED] = "forwarded",
        [HEADER_HOST] = "Host",
        [HEADER_IDEMPOTENCY_KEY] = "Idempotency-Key",
        [HEADER_IF_MATCH] = "If-Match",
        [HEADER_IF_NONE_MATCH] = "If-None-Match",
        [HEADER_LAST_EVENT_ID] = "last-event-id",
        [HEADER_ORIGIN] = "origin",
        [HEADER_SEC_FETCH_SITE] = "Sec-Fetch-Site",
        [HEADER_TRACEPARENT] = "Traceparent",
        [HEADER_X_API_KEY] = "x-api-key",
        [HEADER_X_FORWARDED_FOR] = "X-Forwarded-For",
        [HEADER_X_REQUEST_ID] = "X-Request-ID",
        [HEADER_X_USER_ID] = "X-User-ID",
    };
    struct request request;
    init(&request);
    for (size_t i = HEADER_NAME_COUNT; i-- > 0;) {
        unit_request_note(&request, names[i], names[i]);
    }
    for (size_t i = 0; i < HEADER_NAME_COUNT; i++) {
        assert_int_equal(header_named(slice_of(names[i])), i);
        expect_field(&request, (enum header_name)i, names[i]);
    }
    assert_int_equal(header_named(slice_of("Cookie")), HEADER_NAME_COUNT);
    assert_int_equal(header_named(slice_of("")), HEADER_NAME_COUNT);
    arena_reset(&request.arena);
}

static void test_values_in_their_order(NO_STATE)
{
    enum { SENT = 1000 }; /* more than the request's first memory holds */
    struct request request;
    struct slice values[SENT + 1];
    char sent[SENT][8];
    init(&request);
    for (unsigned i = 0; i < SENT; i++) {
        snprintf(sent[i], sizeof sent[i], "%u", i);
        unit_request_note(&request, i % 2 == 0 ? "If-None-Match" : "if-none-match", sent[i]);
        unit_request_note(&request, "Host", "h");
    }
    assert_int_equal(header_values(&request, HEADER_IF_NONE_MATCH, values, SENT + 1), SENT);
    for (unsigned i = 0; i < SENT; i++) {
        unit_expect_text("value", values[i], sent[i]);
    }
    const struct header_field *field = NULL;
    struct slice value;
    for (unsigned i = 0; i < SENT; i++) {
        assert_true(header_next(&request, HEADER_IF_NONE_MATCH, &field, &value));
        unit_expect_text("value", value, sent[i]);
    }
    assert_false(header_next(&request, HEADER_IF_NONE_MATCH, &field, &value));
    field = NULL;
    assert_false(header_next(&request, HEADER_ORIGIN, &field, &value));
    assert_int_equal(header_values(&request, HEADER_IF_NONE_MATCH, values, 3), 3);
    assert_int_equal(header_values(&request, HEADER_IF_NONE_MATCH, values, 0), 0);
    expect_field(&request, HEADER_IF_NONE_MATCH, "0");
    arena_reset(&request.arena);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_every_name_has_a_field_of_its_own),
        cmocka_unit_test(test_values_in_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
