/* Where documents may be fetched from, and how a URL is shown in the log. */
#include "unit.h"

#include "rsvpd/store/fetch.h"

static void test_which_urls_are_fetched(NO_STATE)
{
    static const struct {
        const char *url, *reason; /* NULL: it is */
    } cases[] = {
        {"https://id.example.org/keys", NULL},
        {"https://id.example.org:8443/realms/x/protocol/openid-connect/certs?a=b", NULL},
        {"HTTPS://ID.EXAMPLE.ORG/keys", NULL},
        {"https://192.0.2.1/keys", NULL},
        {"http://127.0.0.1/keys", NULL},
        {"http://127.0.0.1:4000/jwks", NULL},
        {"http://127.255.255.254/keys", NULL},
        {"http://[::1]:4000/keys", NULL},
        {"http://localhost/keys", NULL},
        {"http://LOCALHOST:4000/keys", NULL},
        {"http://id.example.org/keys", "http is for loopback alone: use https"},
        {"http://192.0.2.1/keys", "http is for loopback alone: use https"},
        {"http://0.0.0.0/keys", "http is for loopback alone: use https"},
        {"http://128.0.0.1/keys", "http is for loopback alone: use https"},
        {"http://[::2]/keys", "http is for loopback alone: use https"},
        {"http://[::ffff:192.0.2.1]/keys", "http is for loopback alone: use https"},
        {"http://localhost.example.org/keys", "http is for loopback alone: use https"},
        {"http://127.0.0.1.example.org/keys", "http is for loopback alone: use https"},
        {"http://127.0.0.1@example.org/keys", "http is for loopback alone: use https"},
        {"http://localhost:80@example.org/keys", "http is for loopback alone: use https"},
        {"ftp://127.0.0.1/keys", "its scheme must be https"},
        {"file:///etc/passwd", "it is no URL, such as https://id.example.org/keys"},
        {"id.example.org/keys", "it is no URL, such as https://id.example.org/keys"},
        {"https://", "it is no URL, such as https://id.example.org/keys"},
        {"https://id.example.org:port/keys", "it is no URL, such as https://id.example.org/keys"},
        {"https://id.example .org/keys", "it is no URL, such as https://id.example.org/keys"},
        {"", "it is no URL, such as https://id.example.org/keys"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char error[FETCH_ERROR_SIZE_BYTES] = "";
        bool valid = fetch_url_valid(cases[i].url, error);
        unit_expect_text(cases[i].url, slice_of(error), cases[i].reason ? cases[i].reason : "");
        assert_true(valid == (cases[i].reason == NULL));
    }
}

static void test_what_of_a_url_is_shown(NO_STATE)
{
    static const struct {
        const char *url, *shown;
    } cases[] = {
        {"https://id.example.org/keys", "https://id.example.org/keys"},
        {"https://id.example.org:8443/a/b", "https://id.example.org:8443/a/b"},
        {"https://user:password@id.example.org/keys?api_key=secret#part",
         "https://id.example.org/keys"},
        {"https://token@id.example.org/keys?", "https://id.example.org/keys"},
        {"not a URL with a secret", ""},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char shown[FETCH_SHOWN_SIZE_BYTES];
        fetch_url_show(cases[i].url, shown);
        unit_expect_text(cases[i].url, slice_of(shown), cases[i].shown);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_urls_are_fetched),
        cmocka_unit_test(test_what_of_a_url_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
