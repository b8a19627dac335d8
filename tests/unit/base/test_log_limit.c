/* Lines that repeat: a burst, then one in a while with the number of those left out. */
#include "unit.h"

#include "rsvpd/base/log_limit.h"

static void test_a_burst_and_then_one_in_a_while(NO_STATE)
{
    struct log_limit limit = {0};
    int64_t now_us = 77, left_out;
    for (int i = 0; i < LOG_LIMIT_BURST; i++) {
        assert_true(log_limit_allows(&limit, now_us, &left_out));
        assert_int_equal(left_out, 0);
    }
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 5; j++) {
            assert_false(log_limit_allows(&limit, now_us + LOG_LIMIT_EVERY_US - 1, &left_out));
        }
        now_us += LOG_LIMIT_EVERY_US;
        assert_true(log_limit_allows(&limit, now_us, &left_out));
        assert_int_equal(left_out, 5);
    }
}

static void test_a_rest_brings_the_burst_back(NO_STATE)
{
    struct log_limit limit = {0};
    int64_t left_out;
    int64_t now_us = 0;
    for (int i = 0; i < 2; i++) {
        int logged = 0;
        for (int j = 0; j < 3 * LOG_LIMIT_BURST; j++) {
            logged += log_limit_allows(&limit, now_us, &left_out);
        }
        assert_int_equal(logged, LOG_LIMIT_BURST);
        now_us += (int64_t)LOG_LIMIT_BURST * LOG_LIMIT_EVERY_US;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_burst_and_then_one_in_a_while),
        cmocka_unit_test(test_a_rest_brings_the_burst_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
