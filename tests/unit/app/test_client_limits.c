/* How many clients so many descriptors allow. */
#include "unit.h"

#include "rsvpd/app/client_limits.h"

enum { OTHERS = 640 + 2 * 128 };

static const struct config config = {.workers = 2, .max_connections = 3000, .max_streams = 1000};

static void expect(const struct config *of, int64_t descriptors, int64_t connections,
                   int64_t streams)
{
    struct client_limits limits = client_limits_within(of, descriptors);
    assert_int_equal(limits.connections, connections);
    assert_int_equal(limits.streams, streams);
}

static void all_fit_where_descriptors_reach(NO_STATE)
{
    assert_int_equal(client_limits_descriptors(&config), 4000 + OTHERS);
    expect(&config, 4000 + OTHERS, 3000, 1000);
    expect(&config, 1000 * 1000, 3000, 1000);
}

static void streams_give_way_first_where_they_do_not(NO_STATE)
{
    expect(&config, 3999 + OTHERS, 3000, 999);
    expect(&config, 3429 + OTHERS, 3000, 429);
    expect(&config, 3428 + OTHERS, 3000, 428);
}

static void an_eighth_stays_for_streams(NO_STATE)
{
    const struct config few = {.workers = 2, .max_connections = 3000, .max_streams = 100};
    const struct config many = {.workers = 2, .max_connections = 3000, .max_streams = 1000 * 1000};
    expect(&config, 3424 + OTHERS, 2996, 428);
    expect(&config, 2000 + OTHERS, 1750, 250);
    expect(&few, 2000 + OTHERS, 1900, 100);
    expect(&many, 2000 + OTHERS, 1750, 250);
    expect(&many, 100 * 1000 + OTHERS, 3000, 97 * 1000);
}

static void one_client_always_gets_in(NO_STATE)
{
    const struct config streams = {.workers = 1, .max_connections = 1, .max_streams = 1000 * 1000};
    expect(&config, 0, 1, 0);
    expect(&config, OTHERS, 1, 0);
    expect(&streams, 0, 1, 0);
    expect(&streams, 10 * 1000, 1, 10 * 1000 - 640 - 128 - 1);
}

static void without_streams_all_is_for_connections(NO_STATE)
{
    const struct config none = {.workers = 2, .max_connections = 3000};
    expect(&none, 2000 + OTHERS, 2000, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_fit_where_descriptors_reach),
        cmocka_unit_test(streams_give_way_first_where_they_do_not),
        cmocka_unit_test(an_eighth_stays_for_streams),
        cmocka_unit_test(one_client_always_gets_in),
        cmocka_unit_test(without_streams_all_is_for_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
