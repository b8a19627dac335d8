/* Scopes and their names. */
#include "unit.h"

#include "rsvpd/domain/scope.h"

static void test_names(NO_STATE)
{
    for (enum scope scope = SCOPE_READ; scope <= SCOPE_ADMIN; scope++) {
        assert_int_equal(scope_named(slice_of(scope_name(scope))), scope);
    }
    assert_string_equal(scope_name(SCOPE_WRITE), "rsvp:write");
}

static void test_other_names(NO_STATE)
{
    static const char *const names[] = {"", "rsvp", "rsvp:", "rsvp:Read", "rsvp:read ", "rsvp:adm"};
    for (size_t i = 0; i < LENGTH(names); i++) {
        assert_int_equal(scope_named(slice_of(names[i])), SCOPE_NONE);
    }
}

/* Each includes those before it. */
static void test_order(NO_STATE)
{
    assert_true(SCOPE_NONE < SCOPE_READ && SCOPE_READ < SCOPE_WRITE && SCOPE_WRITE < SCOPE_ADMIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_other_names),
        cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
