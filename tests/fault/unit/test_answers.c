/* How often each answer came: which ones are the same, and what becomes of too many. */
#include "test.h"

#include <string.h>

#include "answers.h"

static void answers_are_told_apart_by_status_and_code(NO_STATE)
{
    struct answers answers = {0};
    answers_add(&answers, 200, NULL);
    answers_add(&answers, 503, "overloaded");
    answers_add(&answers, 503, "store-unavailable");
    answers_add(&answers, 503, NULL);
    answers_add(&answers, 200, NULL);
    assert_int_equal(answers.count, 4);
    assert_int_equal(answers.of[0].status, 200);
    assert_string_equal(answers.of[0].code, "");
    assert_int_equal(answers.of[0].count, 2);
    assert_string_equal(answers.of[2].code, "store-unavailable");
    assert_int_equal(answers.of[3].status, 503);
    assert_int_equal(answers.of[3].count, 1);
}

static void a_long_code_is_the_same_each_time(NO_STATE)
{
    struct answers answers = {0};
    char code[2 * ANSWERS_CODE_SIZE];
    memset(code, 'a', sizeof code - 1);
    code[sizeof code - 1] = '\0';
    answers_add(&answers, 409, code);
    answers_add(&answers, 409, code);
    assert_int_equal(answers.count, 1);
    assert_int_equal(answers.of[0].count, 2);
    assert_int_equal(strlen(answers.of[0].code), ANSWERS_CODE_SIZE - 1);
}

static void none_is_left_out_where_there_are_too_many(NO_STATE)
{
    struct answers answers = {0};
    uint64_t sum = 0;
    for (long status = 0; status < 2L * ANSWERS_MAX; status++) {
        answers_add(&answers, status, NULL);
    }
    assert_int_equal(answers.count, ANSWERS_MAX);
    for (size_t i = 0; i < answers.count; i++) {
        sum += answers.of[i].count;
    }
    assert_int_equal(sum, 2 * ANSWERS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_told_apart_by_status_and_code),
        cmocka_unit_test(a_long_code_is_the_same_each_time),
        cmocka_unit_test(none_is_left_out_where_there_are_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
