/* Whom proxies name: what is believed, and from where on it is not. */
#include "unit.h"

#include "rsvpd/http/forwarded.h"

#include <arpa/inet.h>
#include <stdio.h>

enum { LINES_MAX = 20 };

static struct cidr_list trusted;

static int set_up(NO_STATE)
{
    char error[CIDR_ERROR_SIZE_BYTES];
    return cidr_list_parse(&trusted, "10.0.0.0/8, 2001:db8:aaaa::/48, ::1", error) ? 0 : -1;
}

static int tear_down(NO_STATE)
{
    cidr_list_free(&trusted);
    return 0;
}

static struct ip_address address_of(const char *text)
{
    struct ip_address address;
    assert_true(ip_address_parse(slice_of(text), &address));
    return address;
}

/* Lines are separated by '\n'; NULL: there are none. */
static struct forwarded_lines lines_of(const char *text, struct slice at[LINES_MAX])
{
    struct slice rest = slice_of(text);
    struct forwarded_lines lines = {.at = at};
    if (text == NULL) {
        return lines;
    }
    do {
        assert_true(lines.count < LINES_MAX);
        at[lines.count++] = slice_cut(&rest, '\n');
    } while (rest.data != NULL);
    return lines;
}

struct row {
    const char *peer, *forwarded, *x; /* NULL: not sent */
    const char *client;
};

static void check(const struct row *row)
{
    struct slice forwarded[LINES_MAX], x[LINES_MAX];
    struct ip_address peer = address_of(row->peer), expected = address_of(row->client);
    struct ip_address client =
        forwarded_client(&trusted, &peer, lines_of(row->forwarded, forwarded), lines_of(row->x, x));
    if (memcmp(&client, &expected, sizeof client) != 0) {
        char shown[INET6_ADDRSTRLEN];
        assert_non_null(inet_ntop(AF_INET6, client.bytes, shown, sizeof shown));
        fail_msg("from %s, Forwarded '%s', X-Forwarded-For '%s': %s, not %s", row->peer,
                 row->forwarded == NULL ? "none" : row->forwarded, row->x == NULL ? "none" : row->x,
                 shown, row->client);
    }
}

#define CHECK_ROWS(rows)                                                                           \
    for (size_t i = 0; i < LENGTH(rows); i++) {                                                    \
        check(&(rows)[i]);                                                                         \
    }

static void who_is_not_trusted_is_not_believed(NO_STATE)
{
    static const struct row rows[] = {
        {"192.0.2.1", NULL, NULL, "192.0.2.1"},
        {"192.0.2.1", NULL, "1.1.1.1", "192.0.2.1"},
        {"192.0.2.1", "for=1.1.1.1", NULL, "192.0.2.1"},
        {"192.0.2.1", "for=10.0.0.1", "10.0.0.1", "192.0.2.1"},
        {"2001:db8:aaab::1", NULL, "1.1.1.1", "2001:db8:aaab::1"},
        {"11.0.0.1", NULL, "1.1.1.1", "11.0.0.1"},
    };
    CHECK_ROWS(rows);
}

static void x_forwarded_for_counts_from_the_right(NO_STATE)
{
    static const struct row rows[] = {
        {"10.0.0.1", NULL, NULL, "10.0.0.1"},
        {"10.0.0.1", NULL, "1.1.1.1", "1.1.1.1"},
        {"::ffff:10.0.0.1", NULL, "1.1.1.1", "1.1.1.1"},
        {"::1", NULL, "1.1.1.1", "1.1.1.1"},
        {"10.0.0.1", NULL, "9.9.9.9, 1.1.1.1", "1.1.1.1"},
        {"10.0.0.1", NULL, "9.9.9.9,1.1.1.1,10.0.0.2", "1.1.1.1"},
        {"10.0.0.1", NULL, "9.9.9.9\n1.1.1.1", "1.1.1.1"},
        {"10.0.0.1", NULL, "9.9.9.9\n1.1.1.1\n10.0.0.2", "1.1.1.1"},
        {"10.0.0.1", NULL, "9.9.9.9,1.1.1.1\n10.0.0.3 ,\t10.0.0.2", "1.1.1.1"},
        {"10.0.0.1", NULL, "10.0.0.3, 10.0.0.2", "10.0.0.3"},
        {"10.0.0.1", NULL, "1.1.1.1:80", "1.1.1.1"},
        {"10.0.0.1", NULL, "1.1.1.1:65535", "1.1.1.1"},
        {"10.0.0.1", NULL, "::ffff:1.1.1.1", "1.1.1.1"},
        {"10.0.0.1", NULL, "2001:db8::7", "2001:db8::7"},
        {"10.0.0.1", NULL, "[2001:db8::7]", "2001:db8::7"},
        {"10.0.0.1", NULL, "[2001:db8::7]:4711", "2001:db8::7"},
        {"10.0.0.1", NULL, "1.1.1.1, 2001:db8:aaaa::2", "1.1.1.1"},
        {"10.0.0.1", NULL, "1.1.1.1, [2001:db8:aaaa::2]:80", "1.1.1.1"},
        {"10.0.0.1", NULL, "1.1.1.1, ::ffff:10.0.0.2", "1.1.1.1"},
    };
    CHECK_ROWS(rows);
}

/* Whoever wrote what cannot be read is the last whom we know. */
static void what_cannot_be_read_ends_the_walk(NO_STATE)
{
    static const char *const nodes[] = {
        "",
        "unknown",
        "_hidden",
        "a.org",
        "1.1.1",
        "1.1.1.1.1",
        "1.1.1.256",
        "01.1.1.1",
        "1.1.1.1:",
        "1.1.1.1:x",
        "1.1.1.1:1:2",
        "1.1.1.1:123456",
        "1.1.1.1 x",
        "\"1.1.1.1\"",
        "[1.1.1.1]",
        "[::2",
        "::2]",
        "[::2]x",
        "[::2]:",
        "[::2]:x",
        "[::2]:_x",
        "[::2%lo]",
        "[]",
        "[]:80",
        "for=1.1.1.1",
        "1.1.1.1/32",
        "1.1.1.1;",
        "1.1.1.1:_x",
        "[",
        ":80",
    };
    for (size_t i = 0; i < LENGTH(nodes); i++) {
        char text[128];
        snprintf(text, sizeof text, "9.9.9.9, %s", nodes[i]);
        check(&(struct row){"10.0.0.1", NULL, text, "10.0.0.1"});
        snprintf(text, sizeof text, "9.9.9.9, %s, 10.0.0.2", nodes[i]);
        check(&(struct row){"10.0.0.1", NULL, text, "10.0.0.2"});
        snprintf(text, sizeof text, "9.9.9.9\n%s\n10.0.0.2", nodes[i]);
        check(&(struct row){"10.0.0.1", NULL, text, "10.0.0.2"});
        snprintf(text, sizeof text, "%s, 1.1.1.2, 10.0.0.2", nodes[i]);
        check(&(struct row){"10.0.0.1", NULL, text, "1.1.1.2"});
    }
}

static void forwarded_counts_from_the_right(NO_STATE)
{
    static const struct row rows[] = {
        {"10.0.0.1", "for=1.1.1.1", NULL, "1.1.1.1"},
        {"10.0.0.1", "For=1.1.1.1", NULL, "1.1.1.1"},
        {"10.0.0.1", "for=\"1.1.1.1\"", NULL, "1.1.1.1"},
        {"10.0.0.1", "for=\"1.1.1.1:80\"", NULL, "1.1.1.1"},
        {"10.0.0.1", "for=\"1.1.1.1:_port\"", NULL, "1.1.1.1"},
        {"10.0.0.1", "for=\"1\\.1.1\\.1\"", NULL, "1.1.1.1"},
        {"10.0.0.1", "for=\"[2001:db8::7]\"", NULL, "2001:db8::7"},
        {"10.0.0.1", "for=\"[2001:db8::7]:4711\"", NULL, "2001:db8::7"},
        {"10.0.0.1", "for=\"[2001:db8::7]:_a.b-c\"", NULL, "2001:db8::7"},
        {"10.0.0.1", "proto=https;for=1.1.1.1;by=10.0.0.1;host=\"a.org:80\"", NULL, "1.1.1.1"},
        {"10.0.0.1", "for=1.1.1.1 ; proto=https", NULL, "1.1.1.1"},
        {"10.0.0.1", "for=1.1.1.1;", NULL, "1.1.1.1"},
        {"10.0.0.1", ";for=1.1.1.1", NULL, "1.1.1.1"},
        {"10.0.0.1", "for=9.9.9.9, for=1.1.1.1", NULL, "1.1.1.1"},
        {"10.0.0.1", "for=9.9.9.9,for=1.1.1.1,for=10.0.0.2", NULL, "1.1.1.1"},
        {"10.0.0.1", "for=9.9.9.9 , for=1.1.1.1\nfor=10.0.0.2", NULL, "1.1.1.1"},
        {"10.0.0.1", "for=9.9.9.9;x=\"a, for=8.8.8.8\", for=10.0.0.2", NULL, "9.9.9.9"},
        {"10.0.0.1", "x=\"a\\\", for=8.8.8.8\";for=9.9.9.9, for=10.0.0.2", NULL, "9.9.9.9"},
        {"10.0.0.1", "for=1.1.1.1, for=\"[2001:db8:aaaa::2]:80\"", NULL, "1.1.1.1"},
        /* A line is not looked at before it counts. */
        {"10.0.0.1", "for=\"\nfor=1.1.1.1", NULL, "1.1.1.1"},
    };
    CHECK_ROWS(rows);
}

/* What a client may send so that what its proxy appends is read as something else. */
static void a_client_cannot_hide_what_its_proxy_appends(NO_STATE)
{
    static const struct row rows[] = {
        {"10.0.0.1", "for=\"9.9.9.9, for=1.1.1.1", NULL, "10.0.0.1"},
        {"10.0.0.1", "for=9.9.9.9;x=\", for=\"[2001:db8::7]\"", NULL, "10.0.0.1"},
        {"10.0.0.1", "for=9.9.9.9;x=\"\\, for=\"[2001:db8::7]\"", NULL, "10.0.0.1"},
        {"10.0.0.1", "for=9.9.9.9;x=\", for=\"[2001:db8::7]\";by=\"[::1]\"", NULL, "10.0.0.1"},
        {"10.0.0.1", "for=9.9.9.9,, for=1.1.1.1", NULL, "1.1.1.1"},
        {"10.0.0.1", "for=9.9.9.9, for=1.1.1.1,", NULL, "10.0.0.1"},
        {"10.0.0.1", "for=9.9.9.9, proto=https", NULL, "10.0.0.1"},
        {"10.0.0.1", "for=9.9.9.9, for=unknown", NULL, "10.0.0.1"},
        {"10.0.0.1", "for=9.9.9.9, for=_gazonk", NULL, "10.0.0.1"},
        {"10.0.0.1", "for=9.9.9.9, for=\"_gazonk:80\"", NULL, "10.0.0.1"},
        {"10.0.0.1", "for=9.9.9.9, for=unknown, for=10.0.0.2", NULL, "10.0.0.2"},
        {"10.0.0.1", "for=9.9.9.9;for=1.1.1.1", NULL, "10.0.0.1"},
        {"10.0.0.1", "for=[2001:db8::7]", NULL, "10.0.0.1"},
        {"10.0.0.1", "for=\"2001:db8::7\"", NULL, "10.0.0.1"},
        {"10.0.0.1", "for=1.1.1.1:80", NULL, "10.0.0.1"},
        {"10.0.0.1", "for = 1.1.1.1", NULL, "10.0.0.1"},
        {"10.0.0.1", "for=", NULL, "10.0.0.1"},
        {"10.0.0.1", "for=\"\"", NULL, "10.0.0.1"},
        {"10.0.0.1", "=1.1.1.1", NULL, "10.0.0.1"},
        {"10.0.0.1", "1.1.1.1", NULL, "10.0.0.1"},
        {"10.0.0.1", "for=1.1.1.1 for=2.2.2.2", NULL, "10.0.0.1"},
        {"10.0.0.1", "for=\"1.1.1.1\"x", NULL, "10.0.0.1"},
        {"10.0.0.1", "for=\"1.1.1.1:_\"", NULL, "10.0.0.1"},
        {"10.0.0.1", "for=\"1.1.1.1\\\"", NULL, "10.0.0.1"},
        {"10.0.0.1", "", NULL, "10.0.0.1"},
    };
    CHECK_ROWS(rows);
}

/* The proxy writes one of the two, and its client the other. */
static void both_must_agree(NO_STATE)
{
    static const struct row rows[] = {
        {"10.0.0.1", "for=1.1.1.1", "1.1.1.1", "1.1.1.1"},
        {"10.0.0.1", "for=\"[2001:db8::7]:80\"", "2001:db8::7", "2001:db8::7"},
        {"10.0.0.1", "for=1.1.1.1", "9.9.9.9, 1.1.1.1, 10.0.0.2", "1.1.1.1"},
        {"10.0.0.1", "for=9.9.9.9", "1.1.1.1", "10.0.0.1"},
        {"10.0.0.1", "for=1.1.1.1", "9.9.9.9", "10.0.0.1"},
        {"10.0.0.1", "for=1.1.1.1", "", "10.0.0.1"},
        {"10.0.0.1", "", "1.1.1.1", "10.0.0.1"},
        {"10.0.0.1", "for=10.0.0.2", "1.1.1.1, 10.0.0.2", "10.0.0.1"},
        {"10.0.0.1", "for=unknown", "1.1.1.1", "10.0.0.1"},
    };
    CHECK_ROWS(rows);
}

static void the_walk_is_bounded(NO_STATE)
{
    char text[1024] = "1.1.1.1";
    for (int i = 1; i < FORWARDED_HOPS_MAX; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), ",10.0.1.%d", i);
    }
    check(&(struct row){"10.0.0.1", NULL, text, "1.1.1.1"});
    snprintf(text, sizeof text, "1.1.1.1");
    for (int i = 1; i <= FORWARDED_HOPS_MAX; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), ",10.0.1.%d", i);
    }
    check(&(struct row){"10.0.0.1", NULL, text, "10.0.1.1"});
    for (char *c = text; *c != '\0'; c++) {
        *c = *c == ',' ? '\n' : *c;
    }
    check(&(struct row){"10.0.0.1", NULL, text, "10.0.0.1"});
    check(&(struct row){"10.0.0.1", NULL, strchr(text, '\n') + 1, "10.0.1.1"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_not_trusted_is_not_believed),
        cmocka_unit_test(x_forwarded_for_counts_from_the_right),
        cmocka_unit_test(what_cannot_be_read_ends_the_walk),
        cmocka_unit_test(forwarded_counts_from_the_right),
        cmocka_unit_test(a_client_cannot_hide_what_its_proxy_appends),
        cmocka_unit_test(both_must_agree),
        cmocka_unit_test(the_walk_is_bounded),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
