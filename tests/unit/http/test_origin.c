/* Which requests come from a page of another origin. */
#include "unit.h"
#include "unit_request.h"

#include "rsvpd/http/header.h"
#include "rsvpd/http/origin.h"

struct row {
    const char *host, *origin, *site; /* NULL: not sent */
    bool own;
};

static void check(const struct row *row)
{
    struct request request = {0};
    unit_request_init(&request);
    const char *const fields[][2] = {
        {"Host", row->host}, {"Origin", row->origin}, {"Sec-Fetch-Site", row->site}};
    for (size_t i = 0; i < LENGTH(fields); i++) {
        if (fields[i][1] != NULL) {
            unit_request_note(&request, fields[i][0], fields[i][1]);
        }
    }
    if (origin_is_own(&request) != row->own) {
        fail_msg("Host %s, Origin %s, Sec-Fetch-Site %s: %s",
                 row->host == NULL ? "none" : row->host, row->origin == NULL ? "none" : row->origin,
                 row->site == NULL ? "none" : row->site, row->own ? "refused" : "taken");
    }
    arena_reset(&request.arena);
}

static void test_origins(NO_STATE)
{
    static const struct row rows[] = {
        {"a.org", NULL, NULL, true},
        {NULL, NULL, NULL, true},
        {"a.org", "http://a.org", NULL, true},
        {"a.org", "https://a.org", NULL, true},
        {"a.org", "HTTPS://A.org", NULL, true},
        {"A.ORG", "http://a.org", NULL, true},
        {"a.org:80", "http://a.org", NULL, true},
        {"a.org", "http://a.org:80", NULL, true},
        {"a.org:443", "https://a.org", NULL, true},
        {"a.org:8080", "http://a.org:8080", NULL, true},
        {" a.org ", " http://a.org\t", NULL, true},
        {"[::1]:8080", "http://[::1]:8080", NULL, true},
        {"[::1]", "http://[::1]", NULL, true},
        {"127.0.0.1:8080", "http://127.0.0.1:8080", NULL, true},
        {"a.org", "http://b.org", NULL, false},
        {"a.org", "http://a.org.b.org", NULL, false},
        {"a.org", "http://b.a.org", NULL, false},
        {"a.org", "http://a.org:8080", NULL, false},
        {"a.org:8080", "http://a.org", NULL, false},
        {"a.org:443", "http://a.org", NULL, false},
        {"a.org:80", "https://a.org", NULL, false},
        {"127.0.0.1:8080", "http://localhost:8080", NULL, false},
        {"127.0.0.1:8080", "http://127.0.0.1:3000", NULL, false},
        {"[::1]:8080", "http://[::1]:8081", NULL, false},
        {"[::1]", "http://[::2]", NULL, false},
        {"a.org", "null", NULL, false},
        {"a.org", "", NULL, false},
        {"a.org", "a.org", NULL, false},
        {"a.org", "//a.org", NULL, false},
        {"a.org", "http://", NULL, false},
        {"a.org", "http://a.org/", NULL, false},
        {"a.org", "http://u@a.org", NULL, false},
        {"a.org", "http://a.org http://b.org", NULL, false},
        {"a.org", "http://a.org, http://b.org", NULL, false},
        {"a.org", "file://a.org", NULL, false},
        {"a.org", "ftp://a.org", NULL, false},
        {"a.org", "chrome-extension://a.org", NULL, false},
        {"a.org", "http://a.org:", NULL, true},
        {"a.org", "http://a.org:x", NULL, false},
        {"a.org:65616", "http://a.org:80", NULL, false},
        {"a.org:4294967376", "http://a.org:80", NULL, false},
        {"[::1", "http://[::1", NULL, false},
        {"[::1]x", "http://[::1]x", NULL, false},
        {"", "http://", NULL, false},
        {":80", "http://:80", NULL, false},
        {NULL, "http://a.org", NULL, false},
        /* What a page cannot set goes before what a client may have left out or made up. */
        {"a.org", NULL, "same-origin", true},
        {"a.org", NULL, "none", true},
        {"a.org", "http://b.org", "same-origin", true},
        {"a.org", NULL, " same-origin\t", true},
        {"a.org", NULL, "same-site", false},
        {"a.org", NULL, "cross-site", false},
        {"a.org", "http://a.org", "cross-site", false},
        {"a.org", "http://a.org", "", false},
        {"a.org", NULL, "Same-Origin", false},
        {"a.org", NULL, "same-origin, none", false},
        {"a.org", NULL, "same-origin;x", false},
        {"a.org", NULL, "\"same-origin\"", false},
        {"a.org", NULL, "anything", false},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        check(&rows[i]);
    }
}

/* Who gives one twice has something to hide. */
static void test_more_than_once(NO_STATE)
{
    static const char *const fields[][2] = {{"Origin", "http://a.org"},
                                            {"Sec-Fetch-Site", "same-origin"}};
    for (size_t i = 0; i < LENGTH(fields); i++) {
        struct request request = {0};
        unit_request_init(&request);
        unit_request_note(&request, "Host", "a.org");
        unit_request_note(&request, fields[i][0], fields[i][1]);
        assert_true(origin_is_own(&request));
        unit_request_note(&request, fields[i][0], fields[i][1]);
        assert_false(origin_is_own(&request));
        arena_reset(&request.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_origins),
        cmocka_unit_test(test_more_than_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
