/* Networks: which texts are some, and which addresses they hold. */
#include "unit.h"

#include "rsvpd/base/cidr.h"

#include <stdio.h>

static struct ip_address address_of(const char *text)
{
    struct ip_address address;
    if (!ip_address_parse(slice_of(text), &address)) {
        fail_msg("'%s' is not taken for an address", text);
    }
    return address;
}

static void test_addresses(NO_STATE)
{
    static const char *const malformed[] = {
        "",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "01.2.3.4",
        "1.2.3.4 ",
        " 1.2.3.4",
        "0x1.2.3.4",
        "1.2.3.4/32",
        "[::1]",
        "::1%lo",
        ":::",
        "1::2::3",
        "::1:80:",
        "::ffff:1.2.3",
        "a.org",
        "unknown",
        "12345::",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "0000:0000:0000:0000:0000:0000:0000:0000:0",
    };
    struct ip_address address;
    for (size_t i = 0; i < LENGTH(malformed); i++) {
        if (ip_address_parse(slice_of(malformed[i]), &address)) {
            fail_msg("'%s' is taken for an address", malformed[i]);
        }
    }
    assert_false(ip_address_parse(slice_make("::1\0", 4), &address));
    address = address_of("192.0.2.7");
    struct ip_address mapped = address_of("::FFFF:192.0.2.7");
    assert_memory_equal(address.bytes, mapped.bytes, sizeof address.bytes);
    assert_true(ip_address_is_v4(&address));
    address = address_of("2001:db8::192.0.2.7");
    assert_false(ip_address_is_v4(&address));
}

struct row {
    const char *networks, *address;
    bool held;
};

static void test_what_they_hold(NO_STATE)
{
    static const struct row rows[] = {
        {"", "127.0.0.1", false},
        {"127.0.0.1", "127.0.0.1", true},
        {"127.0.0.1", "127.0.0.2", false},
        {"127.0.0.1", "::ffff:127.0.0.1", true},
        {"::ffff:127.0.0.1", "127.0.0.1", true},
        {"::ffff:127.0.0.0/104", "127.1.2.3", true},
        {"::ffff:127.0.0.0/104", "128.1.2.3", false},
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "9.255.255.255", false},
        {"172.16.0.0/12", "172.31.255.255", true},
        {"172.16.0.0/12", "172.32.0.0", false},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.128/25", "192.0.2.128", true},
        {"192.0.2.6/31", "192.0.2.7", true},
        {"192.0.2.6/31", "192.0.2.8", false},
        {"0.0.0.0/0", "255.255.255.255", true},
        {"0.0.0.0/0", "::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "127.0.0.1", false},
        {"::/0", "::ffff:127.0.0.1", false},
        {"::/64", "127.0.0.1", false},
        {"::/95", "127.0.0.1", false},
        {"::1", "::1", true},
        {"::1", "::2", false},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/32", "2001:db9::1", false},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"fd00::/8", "fdff::1", true},
        {"10.0.0.0/8,192.168.0.0/16", "192.168.1.1", true},
        {"10.0.0.0/8, 192.168.0.0/16", "10.1.1.1", true},
        {" 10.0.0.0/8 \t,, ::1 ", "::1", true},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct cidr_list list;
        char error[CIDR_ERROR_SIZE_BYTES];
        struct ip_address address = address_of(rows[i].address);
        assert_true(cidr_list_parse(&list, rows[i].networks, error));
        if (cidr_list_holds(&list, &address) != rows[i].held) {
            fail_msg("'%s' %s %s", rows[i].networks, rows[i].held ? "lacks" : "holds",
                     rows[i].address);
        }
        cidr_list_free(&list);
        assert_false(cidr_list_holds(&list, &address));
    }
}

static void test_what_is_refused(NO_STATE)
{
    static const struct {
        const char *text, *told;
    } rows[] = {
        {"10", "'10' is not a network"},
        {"10.0.0.0/", "'10.0.0.0/' has a prefix that is no number from 0 to 32"},
        {"10.0.0.0/33", "'10.0.0.0/33' has a prefix"},
        {"10.0.0.0/08", "'10.0.0.0/08' has a prefix"},
        {"10.0.0.0/-1", "'10.0.0.0/-1' has a prefix"},
        {"10.0.0.0/8/8", "'10.0.0.0/8/8' has a prefix"},
        {"10.0.0.0/255.0.0.0", "has a prefix"},
        {"10.0.0.0/4294967304", "has a prefix"},
        {"::/129", "'::/129' has a prefix that is no number from 0 to 128"},
        {"10.1.2.3/8", "'10.1.2.3/8' has bits behind its prefix: write 10.0.0.0/8"},
        {"2001:db8::1/32", "has bits behind its prefix: write 2001:db8::/32"},
        {"::1, a.org", "'a.org' is not a network"},
        {"[::1]", "'[::1]' is not a network"},
        {"*", "'*' is not a network"},
        {"10.0.0.0/8;::1", "has a prefix"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct cidr_list list;
        char error[CIDR_ERROR_SIZE_BYTES];
        assert_false(cidr_list_parse(&list, rows[i].text, error));
        if (strstr(error, rows[i].told) == NULL) {
            fail_msg("'%s': told '%s', not '%s'", rows[i].text, error, rows[i].told);
        }
        assert_null(list.at);
    }
}

static void test_as_many_as_there_may_be(NO_STATE)
{
    static char text[(CIDR_NETWORKS_MAX + 1) * 16];
    struct cidr_list list;
    char error[CIDR_ERROR_SIZE_BYTES];
    size_t size = 0;
    for (unsigned i = 0; i < CIDR_NETWORKS_MAX; i++) {
        size += (size_t)snprintf(text + size, sizeof text - size, "10.0.%u.0/24,", i);
    }
    struct ip_address last = address_of("10.0.255.1");
    assert_true(cidr_list_parse(&list, text, error));
    assert_true(cidr_list_holds(&list, &last));
    cidr_list_free(&list);
    snprintf(text + size, sizeof text - size, "::1");
    assert_false(cidr_list_parse(&list, text, error));
    assert_string_equal(error, "'::1' is one network too many: 256 are taken");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_what_they_hold),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_as_many_as_there_may_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
