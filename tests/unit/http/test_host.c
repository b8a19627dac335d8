/* Hosts, as a client may name them. */
#include "unit.h"

#include "rsvpd/http/host.h"

static void hosts_are_told_from_what_is_none(NO_STATE)
{
    static const char *const good[] = {
        "h",
        "example.org",
        "example.org:8080",
        "127.0.0.1:1",
        "a-b_c~d",
        "%41b:65535",
        "h:",
        "[::1]",
        "[::1]:80",
        "[2001:db8::1]:",
        "xn--bcher-kva.example",
        "b%C3%BCcher.example",
        "%61%2D%21",
        "h:00080",
        "[::ffff:1.2.3.4]",
    };
    static const char *const bad[] = {
        "",         ":80",       "u@h",          "h/",
        "h/path",   "a,b",       "a, b",         "a b",
        "h:a",      "h:80:80",   "h:-1",         "h:65536",
        "h:8 0",    "b\xC3\xBC", "h?q",          "h#f",
        "http://h", "[::1",      "::1",          "[::1]a",
        "[::1]:a",  "[]",        "[g::]",        "[h]",
        "%4",       "%zz",       "h%",           "\"h\"",
        "h\\a",     "<h>",       "[::1%25eth0]", "h:99999999999999999999",
        "{h}",      "h^",        "h%00",         "h%0d",
        "a%2Fb",    "u%40h",     "h%3A80",       "h%7F",
        "h%20",     "h%3f",      "h%23",         "h%2C",
    };
    for (size_t i = 0; i < LENGTH(good); i++) {
        if (!host_is_valid(slice_of(good[i]))) {
            fail_msg("'%s' is no host", good[i]);
        }
    }
    for (size_t i = 0; i < LENGTH(bad); i++) {
        if (host_is_valid(slice_of(bad[i]))) {
            fail_msg("'%s' is a host", bad[i]);
        }
    }
    assert_false(host_is_valid(slice_make("h\0", 2)));
    assert_false(host_is_valid(slice_make("[::1\0]", 6)));
}

static void a_port_has_16_bits_and_an_address_is_whole(NO_STATE)
{
    assert_true(host_is_valid(slice_of("h:65535")));
    assert_false(host_is_valid(slice_of("h:65536")));
    assert_true(host_is_valid(slice_of("[1111:2222:3333:4444:5555:6666:123.123.123.123]")));
    assert_false(host_is_valid(slice_of("[1111:2222:3333:4444:5555:6666:123.123.123.1234]")));
    assert_false(host_is_valid(slice_of("[1:2:3:4:5:6:7]")));
    assert_false(host_is_valid(slice_of("[::1")));
    assert_false(host_is_valid(slice_make("[::1]", 4)));
}

static void no_byte_beside_those_of_a_name_passes(NO_STATE)
{
    static const char others[] = "\"#%,/<>?@[]\\^`{|}";
    for (int byte = 0; byte < 256; byte++) {
        const char text[] = {'h', (char)byte, 'h'};
        bool name = byte > ' ' && byte < 0x7F && strchr(others, byte) == NULL && byte != ':';
        if (host_is_valid(slice_make(text, sizeof text)) != name) {
            fail_msg("byte %d", byte);
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_are_told_from_what_is_none),
        cmocka_unit_test(a_port_has_16_bits_and_an_address_is_whole),
        cmocka_unit_test(no_byte_beside_those_of_a_name_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
