/* The table of problems: what clients are told, and finding one by its code. */
#include "unit.h"

#include "rsvpd/domain/problem.h"

#include <ctype.h>

/* The contract's table: statuses, and whether trying again may help. */
static void test_the_contract(NO_STATE)
{
    static const struct {
        enum problem problem;
        const char *code;
        unsigned status;
        bool retryable;
    } cases[] = {
        {PROBLEM_INVALID_IDENTIFIER, "invalid-identifier", 400, false},
        {PROBLEM_INVALID_JSON, "invalid-json", 400, false},
        {PROBLEM_INVALID_PARAMETER, "invalid-parameter", 400, false},
        {PROBLEM_UNKNOWN_FIELD, "unknown-field", 400, false},
        {PROBLEM_MISSING_USER_ID, "missing-user-id", 400, false},
        {PROBLEM_CONFLICTING_USER_ID, "conflicting-user-id", 400, false},
        {PROBLEM_UNAUTHENTICATED, "unauthenticated", 401, false},
        {PROBLEM_FORBIDDEN, "forbidden", 403, false},
        {PROBLEM_NOT_FOUND, "not-found", 404, false},
        {PROBLEM_METHOD_NOT_ALLOWED, "method-not-allowed", 405, false},
        {PROBLEM_REQUEST_TIMEOUT, "request-timeout", 408, true},
        {PROBLEM_EVENT_FULL, "event-full", 409, false},
        {PROBLEM_RSVP_CLOSED, "rsvp-closed", 409, false},
        {PROBLEM_REQUEST_IN_FLIGHT, "request-in-flight", 409, true},
        {PROBLEM_PRECONDITION_FAILED, "precondition-failed", 412, false},
        {PROBLEM_PAYLOAD_TOO_LARGE, "payload-too-large", 413, false},
        {PROBLEM_UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", 415, false},
        {PROBLEM_IDEMPOTENCY_KEY_REUSED, "idempotency-key-reused", 422, false},
        {PROBLEM_RATE_LIMITED, "rate-limited", 429, true},
        {PROBLEM_HEADERS_TOO_LARGE, "headers-too-large", 431, false},
        {PROBLEM_INTERNAL, "internal", 500, true},
        {PROBLEM_OVERLOADED, "overloaded", 503, true},
        {PROBLEM_STORE_UNAVAILABLE, "store-unavailable", 503, true},
        {PROBLEM_KEYS_UNAVAILABLE, "keys-unavailable", 503, true},
        {PROBLEM_OUTCOME_UNKNOWN, "outcome-unknown", 504, true},
    };
    assert_int_equal(LENGTH(cases), PROBLEM_COUNT - 1); /* all but PROBLEM_NONE */
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const struct problem_type *type = &problem_types[cases[i].problem];
        assert_string_equal(type->code, cases[i].code);
        assert_int_equal(type->status, cases[i].status);
        assert_int_equal(type->retryable, cases[i].retryable);
        assert_int_equal(problem_by_code(slice_of(cases[i].code)), cases[i].problem);
    }
}

/* A code is part of a URI, and title and explanation go into answers as they stand. */
static void test_texts_are_fit_for_answers(NO_STATE)
{
    for (int i = PROBLEM_NONE + 1; i < PROBLEM_COUNT; i++) {
        const struct problem_type *type = &problem_types[i];
        for (const char *c = type->code; *c != '\0'; c++) {
            assert_true(islower((unsigned char)*c) || *c == '-');
        }
        assert_true(strlen(type->title) > 0 && strlen(type->explanation) > 0);
        assert_null(strpbrk(type->title, "\"\\\n"));
        assert_null(strpbrk(type->explanation, "\"\\\n"));
        for (int j = PROBLEM_NONE + 1; j < i; j++) {
            assert_string_not_equal(type->code, problem_types[j].code);
            assert_string_not_equal(type->title, problem_types[j].title);
        }
    }
}

static void test_codes_that_are_none(NO_STATE)
{
    static const char *const codes[] = {"",           " ",          "nope",      "not-foun",
                                        "not-found ", "not-founds", "NOT-FOUND", "not_found"};
    for (size_t i = 0; i < LENGTH(codes); i++) {
        assert_int_equal(problem_by_code(slice_of(codes[i])), PROBLEM_NONE);
    }
    assert_int_equal(problem_by_code((struct slice){NULL, 0}), PROBLEM_NONE);
    assert_int_equal(problem_by_code(slice_make("internal\0", 9)), PROBLEM_NONE);
    assert_int_equal(problem_by_code(slice_make("internals", 8)), PROBLEM_INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_contract),
        cmocka_unit_test(test_texts_are_fit_for_answers),
        cmocka_unit_test(test_codes_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
