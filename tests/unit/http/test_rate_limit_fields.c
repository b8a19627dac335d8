/* The header fields of limits, as the draft has them. */
#include "unit.h"

#include "rsvpd/http/rate_limit_fields.h"

static void expect_policy(enum rate_kind kind, struct rate limit, const char *expected)
{
    char buffer[RATE_LIMIT_FIELD_SIZE_BYTES];
    struct text text = text_over(buffer, sizeof buffer);
    rate_limit_write_policy(&text, kind, &limit);
    assert_false(text.truncated);
    unit_expect_text("policy", text_slice(&text), expected);
}

static void test_policies(NO_STATE)
{
    expect_policy(RATE_USER, (struct rate){600, 60}, "\"user\";q=600;w=60");
    expect_policy(RATE_KEY, (struct rate){1, 1}, "\"key\";q=1;w=1");
    expect_policy(RATE_ADDRESS, (struct rate){RATE_REQUESTS_MAX, RATE_SECONDS_MAX},
                  "\"address\";q=1000000;w=86400");
}

static void expect_remaining(enum rate_kind kind, int32_t remaining, int32_t reset_s,
                             const char *expected)
{
    const struct rate_verdict verdict = {
        .allowed = true, .remaining = remaining, .reset_s = reset_s};
    char buffer[RATE_LIMIT_FIELD_SIZE_BYTES];
    struct text text = text_over(buffer, sizeof buffer);
    rate_limit_write_remaining(&text, kind, &verdict);
    assert_false(text.truncated);
    unit_expect_text("remaining", text_slice(&text), expected);
}

static void test_what_remains(NO_STATE)
{
    expect_remaining(RATE_USER, 599, 1, "\"user\";r=599;t=1");
    expect_remaining(RATE_KEY, 0, 60, "\"key\";r=0;t=60");
    expect_remaining(RATE_ADDRESS, RATE_REQUESTS_MAX, 2 * RATE_SECONDS_MAX,
                     "\"address\";r=1000000;t=172800");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_what_remains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
