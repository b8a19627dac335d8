/* Origins as operators list them: which are taken, and which of a browser's match. */
#include "unit.h"

#include "rsvpd/base/origin_list.h"

#include <stdio.h>
#include <stdlib.h>

static struct origin_list parse(const char *text)
{
    struct origin_list list;
    char error[ORIGIN_LIST_ERROR_SIZE_BYTES];
    if (!origin_list_parse(&list, text, error)) {
        fail_msg("'%s' is refused: %s", text, error);
    }
    return list;
}

struct row {
    const char *list, *origin, *allowed; /* NULL: it is not */
};

static void test_what_matches(NO_STATE)
{
    static const struct row rows[] = {
        {"", "https://a.org", NULL},
        {"https://a.org", "https://a.org", "https://a.org"},
        {"https://a.org, http://b.org:8080", "http://b.org:8080", "http://b.org:8080"},
        {"https://a.org http://b.org", "http://b.org", "http://b.org"},
        {"http://[::1]:3000", "http://[::1]:3000", "http://[::1]:3000"},
        {"http://127.0.0.1:3000", "http://127.0.0.1:3000", "http://127.0.0.1:3000"},
        {"capacitor://localhost", "capacitor://localhost", "capacitor://localhost"},
        {"https://xn--bcher-kva.example", "https://xn--bcher-kva.example",
         "https://xn--bcher-kva.example"},
        {"https://a.org", "https://a.org.evil", NULL},
        {"https://a.org", "https://evil-a.org", NULL},
        {"https://a.org", "https://b.a.org", NULL},
        {"https://a.org", "https://aXorg", NULL},
        {"https://a.org", "https://a.org.", NULL},
        {"https://a.org", "https://A.org", NULL},
        {"https://a.org", "HTTPS://a.org", NULL},
        {"https://a.org", "http://a.org", NULL},
        {"https://a.org", "https://a.org:443", NULL},
        {"https://a.org", "https://a.org:8443", NULL},
        {"https://a.org", "https://a.org/", NULL},
        {"https://a.org", "https://a.org:", NULL},
        {"https://a.org", "https://u@a.org", NULL},
        {"https://a.org", "https://a.org@evil", NULL},
        {"https://a.org", "https://a.org#x", NULL},
        {"https://a.org", "https://a.org\\.evil", NULL},
        {"https://a.org", "https://a.org https://evil", NULL},
        {"https://a.org", "https://a.org, https://evil", NULL},
        {"https://a.org", "a.org", NULL},
        {"https://a.org", "null", NULL},
        {"https://a.org", "", NULL},
        {"https://a.org", "*", NULL},
        {"http://[::1]", "http://[0:0:0:0:0:0:0:1]", NULL},
        {"*", "https://a.org", "*"},
        {" * ", "https://a.org", "*"},
        {"*", "null", NULL},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct origin_list list = parse(rows[i].list);
        const char *allowed = origin_list_find(&list, slice_of(rows[i].origin));
        if ((allowed == NULL) != (rows[i].allowed == NULL) ||
            (allowed != NULL && strcmp(allowed, rows[i].allowed) != 0)) {
            fail_msg("'%s' in '%s': %s", rows[i].origin, rows[i].list,
                     allowed == NULL ? "not allowed" : allowed);
        }
        origin_list_free(&list);
    }
}

static void test_what_is_refused(NO_STATE)
{
    static const struct {
        const char *text, *told;
    } rows[] = {
        {"null", "'null' is what any page can send that hides its origin"},
        {"https://a.org null", "'null' is what"},
        {"*, https://a.org", "'*' allows every origin: give it alone"},
        {"https://a.org, *", "'*' allows every origin: give it alone"},
        {"*, *", "'*' allows every origin: give it alone"},
        {"a.org", "'a.org' is not an origin"},
        {"//a.org", "is not an origin"},
        {"https:a.org", "is not an origin"},
        {"HTTPS://a.org", "'HTTPS://a.org' is not an origin"},
        {"https://", "'https://' has no host"},
        {"https://:80", "has no host"},
        {"https://A.org", "'https://A.org' has no host as browsers send it"},
        {"https://*.a.org", "'https://*.a.org' has no host as browsers send it"},
        {"https://u@a.org", "has no host as browsers send it"},
        {"https://a.org/", "has no host as browsers send it: in lower case, without path"},
        {"https://b\xc3\xbc.org", "has no host as browsers send it"},
        {"https://[::1", "has no host"},
        {"https://[a.org]", "has no host"},
        {"https://[::1]x", "has something behind its host that is no port"},
        {"https://[::1]:3000/", "has something behind its host that is no port"},
        {"https://a.org:", "has something behind its host that is no port"},
        {"https://a.org:0", "has something behind its host that is no port"},
        {"https://a.org:080", "has something behind its host that is no port"},
        {"https://a.org:65536", "has something behind its host that is no port"},
        {"https://a.org:80x", "has something behind its host that is no port"},
        {"https://a.org:443", "names the port of its scheme"},
        {"http://a.org:80", "names the port of its scheme"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct origin_list list;
        char error[ORIGIN_LIST_ERROR_SIZE_BYTES];
        if (origin_list_parse(&list, rows[i].text, error)) {
            fail_msg("'%s' is taken", rows[i].text);
        }
        if (strstr(error, rows[i].told) == NULL) {
            fail_msg("'%s': told '%s', not '%s'", rows[i].text, error, rows[i].told);
        }
        assert_null(list.at);
    }
}

static void test_as_many_and_as_long_as_they_may_be(NO_STATE)
{
    static char text[(ORIGIN_LIST_MAX + 1) * 16 + ORIGIN_SIZE_MAX_BYTES];
    char error[ORIGIN_LIST_ERROR_SIZE_BYTES];
    struct origin_list list;
    size_t size = 0;
    for (unsigned i = 0; i < ORIGIN_LIST_MAX; i++) {
        size += (size_t)snprintf(text + size, sizeof text - size, "http://h%u,", i);
    }
    list = parse(text);
    assert_string_equal(origin_list_find(&list, slice_of("http://h63")), "http://h63");
    origin_list_free(&list);
    snprintf(text + size, sizeof text - size, "http://h64");
    assert_false(origin_list_parse(&list, text, error));
    assert_string_equal(error, "'http://h64' is one origin too many: 64 are taken");
    memset(text, 'a', ORIGIN_SIZE_MAX_BYTES + 1);
    memcpy(text, "http://", strlen("http://"));
    text[ORIGIN_SIZE_MAX_BYTES + 1] = '\0';
    assert_false(origin_list_parse(&list, text, error));
    assert_non_null(strstr(error, "is too long for an origin"));
    text[ORIGIN_SIZE_MAX_BYTES] = '\0';
    list = parse(text);
    assert_non_null(origin_list_find(&list, slice_of(text)));
    origin_list_free(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_matches),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_as_many_and_as_long_as_they_may_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
