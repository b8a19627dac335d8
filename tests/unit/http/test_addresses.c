/* Streams of each address. */
#include "unit.h"

#include "rsvpd/http/addresses.h"

enum { MAX = 3, MANY = 10000 };

static struct ip_address numbered(unsigned number)
{
    struct ip_address address = {{0}};
    memcpy(address.bytes, &number, sizeof number);
    return address;
}

static void each_address_has_its_limit(NO_STATE)
{
    struct addresses addresses;
    struct ip_address one = numbered(1), other = numbered(2);
    assert_true(addresses_init(&addresses, MAX, 7));
    for (int i = 0; i < MAX; i++) {
        assert_true(addresses_enter(&addresses, &one));
    }
    assert_false(addresses_enter(&addresses, &one));
    assert_true(addresses_enter(&addresses, &other));
    addresses_leave(&addresses, &one);
    assert_true(addresses_enter(&addresses, &one));
    assert_false(addresses_enter(&addresses, &one));
    for (int i = 0; i < MAX; i++) {
        addresses_leave(&addresses, &one);
    }
    addresses_leave(&addresses, &other);
    addresses_free(&addresses);
}

static void addresses_that_left_are_forgotten(NO_STATE)
{
    struct addresses addresses;
    assert_true(addresses_init(&addresses, MAX, unit_colliding_secret()));
    for (unsigned i = 0; i < MANY; i++) {
        struct ip_address address = numbered(i);
        assert_true(addresses_enter(&addresses, &address));
        addresses_leave(&addresses, &address);
        assert_int_equal(addresses.entries.size, 0);
    }
    addresses_free(&addresses);
}

static void without_a_limit_nothing_is_counted(NO_STATE)
{
    struct addresses addresses;
    struct ip_address address = numbered(1);
    assert_true(addresses_init(&addresses, 0, 7));
    for (int i = 0; i < MANY; i++) {
        assert_true(addresses_enter(&addresses, &address));
    }
    assert_int_equal(addresses.entries.size, 0);
    addresses_leave(&addresses, &address);
    addresses_free(&addresses);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_address_has_its_limit),
        cmocka_unit_test(addresses_that_left_are_forgotten),
        cmocka_unit_test(without_a_limit_nothing_is_counted),
    };
    return cmocka_run_group_tests_name("http/addresses", tests, NULL, NULL);
}
