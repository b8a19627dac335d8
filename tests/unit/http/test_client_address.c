/* Addresses of clients in their compact form. */
#include "unit.h"

#include "rsvpd/http/client_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

static void expect_address(const struct sockaddr *address, const char *expected)
{
    struct ip_address client = client_address_of(address);
    char text[INET6_ADDRSTRLEN];
    assert_non_null(inet_ntop(AF_INET6, client.bytes, text, sizeof text));
    assert_string_equal(text, expected);
}

static void ipv4_is_mapped(NO_STATE)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(4711)};
    assert_int_equal(inet_pton(AF_INET, "192.0.2.7", &address.sin_addr), 1);
    expect_address((const struct sockaddr *)&address, "::ffff:192.0.2.7");
}

static void ipv6_is_itself(NO_STATE)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(4711)};
    assert_int_equal(inet_pton(AF_INET6, "2001:db8::17", &address.sin6_addr), 1);
    expect_address((const struct sockaddr *)&address, "2001:db8::17");
}

static void what_is_no_address_is_zero(NO_STATE)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/a"};
    expect_address((const struct sockaddr *)&address, "::");
    expect_address(NULL, "::");
}

static void one_client_has_a_network_of_ipv6(NO_STATE)
{
    static const char *const rows[][2] = {
        {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
        {"2001:db8:1:2::", "2001:db8:1:2::"},
        {"::1", "::"},
        {"192.0.2.7", "::ffff:192.0.2.7"},
        {"0.0.0.0", "::ffff:0.0.0.0"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct ip_address address, expected;
        assert_true(ip_address_parse(slice_of(rows[i][0]), &address));
        assert_true(ip_address_parse(slice_of(rows[i][1]), &expected));
        struct ip_address prefix = client_address_prefix(&address);
        assert_memory_equal(prefix.bytes, expected.bytes, sizeof expected.bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4_is_mapped),
        cmocka_unit_test(ipv6_is_itself),
        cmocka_unit_test(what_is_no_address_is_zero),
        cmocka_unit_test(one_client_has_a_network_of_ipv6),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
