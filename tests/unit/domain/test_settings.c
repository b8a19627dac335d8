/* The members of settings: their words, and each of them read and changed by its place. */
#include "unit.h"

#include "rsvpd/domain/settings.h"

/* The words are the contract with clients, with files, and with the schema. */
static void test_the_words(NO_STATE)
{
    static const struct setting_row expected[SETTING_COUNT] = {
        [SETTING_CAPACITY] = {"capacity", SETTING_NUMBER, 1000000000},
        [SETTING_WAITLIST] = {"waitlist", SETTING_FLAG, 1},
        [SETTING_OPENS_AT] = {"opens_at", SETTING_TIME, 0},
        [SETTING_CLOSES_AT] = {"closes_at", SETTING_TIME, 0},
    };
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        assert_string_equal(setting_rows[i].name, expected[i].name);
        assert_int_equal(setting_rows[i].type, expected[i].type);
        assert_int_equal(setting_rows[i].max, expected[i].max);
    }
    assert_string_equal(SETTINGS_NAMES, ", capacity, waitlist, opens_at, closes_at");
}

static void expect_member(const struct settings *settings, enum setting setting, bool given,
                          int64_t number)
{
    struct setting_value value = settings_get(settings, setting);
    assert_int_equal(value.given, given || setting_rows[setting].type == SETTING_FLAG);
    assert_int_equal(value.number, number);
}

/* Each is changed alone. */
static void test_values(NO_STATE)
{
    for (enum setting changed = 0; changed < SETTING_COUNT; changed++) {
        struct settings settings = {.given = true};
        for (enum setting i = 0; i < SETTING_COUNT; i++) {
            expect_member(&settings, i, false, 0);
        }
        settings_set(&settings, changed, (struct setting_value){true, 1});
        for (enum setting i = 0; i < SETTING_COUNT; i++) {
            expect_member(&settings, i, i == changed, i == changed);
        }
        settings_set(&settings, changed, (struct setting_value){false, 1});
        for (enum setting i = 0; i < SETTING_COUNT; i++) {
            expect_member(&settings, i, false, 0);
        }
        assert_true(settings.given);
    }
}

static void test_fields(NO_STATE)
{
    struct settings settings = {.limited = true,
                                .capacity = 2,
                                .waitlist = true,
                                .opens = true,
                                .closes = true,
                                .opens_at_us = 3,
                                .closes_at_us = 4};
    expect_member(&settings, SETTING_CAPACITY, true, 2);
    expect_member(&settings, SETTING_WAITLIST, true, 1);
    expect_member(&settings, SETTING_OPENS_AT, true, 3);
    expect_member(&settings, SETTING_CLOSES_AT, true, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_words),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
