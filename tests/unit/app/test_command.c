/* What the commands say. */
#include "unit.h"

#include "rsvpd/app/command.h"

static void one_is_singular_and_all_others_plural(NO_STATE)
{
    assert_string_equal(command_plural(1, "row", "rows"), "row");
    assert_string_equal(command_plural(0, "row", "rows"), "rows");
    assert_string_equal(command_plural(2, "row", "rows"), "rows");
    assert_string_equal(command_plural(-1, "row", "rows"), "rows");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_is_singular_and_all_others_plural),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
