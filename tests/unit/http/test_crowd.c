/* The limit on connections that several servers share. */
#include "unit.h"

#include "rsvpd/http/crowd.h"

enum { LIMIT = 8 };

static struct crowd crowd;

static int set_up(NO_STATE)
{
    crowd_init(&crowd, LIMIT);
    return 0;
}

static void fill(void)
{
    for (int i = 0; i < LIMIT; i++) {
        assert_true(crowd_enter(&crowd));
    }
}

static void the_limit_holds(NO_STATE)
{
    fill();
    for (int i = 0; i < CROWD_OVER_LIMIT_MAX; i++) {
        assert_true(crowd_takes(&crowd));
        assert_false(crowd_enter(&crowd));
    }
    assert_false(crowd_takes(&crowd));
    crowd_leave(&crowd);
    assert_true(crowd_takes(&crowd));
}

static void idle_connections_of_any_server_make_room(NO_STATE)
{
    fill();
    crowd_tell_idle(&crowd, 0, 1); /* one server */
    crowd_tell_idle(&crowd, 0, 1); /* another one */
    assert_true(crowd_enter(&crowd));
    assert_true(crowd_enter(&crowd));
    assert_false(crowd_enter(&crowd)); /* no third one is idle */
    assert_true(crowd_take_debt(&crowd));
    assert_true(crowd_take_debt(&crowd));
    assert_false(crowd_take_debt(&crowd));
}

static void whoever_left_by_itself_has_made_room(NO_STATE)
{
    fill();
    crowd_tell_idle(&crowd, 0, 1);
    assert_true(crowd_enter(&crowd));
    crowd_leave(&crowd);
    assert_false(crowd_take_debt(&crowd));
    assert_true(crowd_enter(&crowd)); /* the idle one is still there to be asked */
    assert_true(crowd_take_debt(&crowd));
}

static void idle_connections_matter_near_the_limit_alone(NO_STATE)
{
    for (int i = 0; i < LIMIT - 1; i++) {
        assert_false(crowd_is_near_limit(&crowd));
        assert_true(crowd_enter(&crowd));
    }
    assert_true(crowd_is_near_limit(&crowd));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_limit_holds, set_up),
        cmocka_unit_test_setup(idle_connections_of_any_server_make_room, set_up),
        cmocka_unit_test_setup(whoever_left_by_itself_has_made_room, set_up),
        cmocka_unit_test_setup(idle_connections_matter_near_the_limit_alone, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
