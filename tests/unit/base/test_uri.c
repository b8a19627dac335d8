/* Percent-encoding: what an encoded text means, and that nothing else is taken for it. */
#include "unit.h"

#include "rsvpd/base/uri.h"

static const struct {
    const char *encoded, *plain; /* NULL: malformed */
} cases[] = {
    {"", ""},         {"a", "a"},      {"%61", "a"},  {"a%2Bb+c", "a+b+c"}, {"%2561", "%61"},
    {"%7e%7E", "~~"}, {"%c3", "\xC3"}, {"%", NULL},   {"%4", NULL},         {"a%", NULL},
    {"%%41", NULL},   {"%g1", NULL},   {"%1g", NULL}, {"% 1", NULL},        {"%0x41", NULL},
    {"%-1", NULL},    {"%4%31", NULL},
};

static void test_decode(NO_STATE)
{
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char out[16];
        size_t size;
        bool good = uri_decode(slice_of(cases[i].encoded), out, sizeof out, &size);
        if (good != (cases[i].plain != NULL)) {
            fail_msg("'%s' is %s", cases[i].encoded, good ? "taken" : "refused");
        }
        if (good) {
            unit_expect_text(cases[i].encoded, slice_make(out, size), cases[i].plain);
        }
    }
}

static void test_room(NO_STATE)
{
    char out[2];
    size_t size;
    assert_true(uri_decode(slice_of("%61b"), out, 2, &size));
    assert_int_equal(size, 2);
    assert_false(uri_decode(slice_of("%61b"), out, 1, &size));
    assert_false(uri_decode(slice_of("a"), out, 0, &size));
}

static void test_equal(NO_STATE)
{
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct slice encoded = slice_of(cases[i].encoded);
        for (size_t j = 0; j < LENGTH(cases); j++) {
            if (cases[j].plain != NULL) {
                bool same = cases[i].plain != NULL && strcmp(cases[i].plain, cases[j].plain) == 0;
                assert_int_equal(uri_equal(encoded, slice_of(cases[j].plain)), same);
            }
        }
    }
    assert_false(uri_equal(slice_of("ab"), slice_of("a")));
    assert_false(uri_equal(slice_of("a"), slice_of("ab")));
    assert_false(uri_equal(slice_of("a%"), slice_of("a")));
    assert_true(uri_equal(slice_of("%00"), slice_make("\0", 1)));
    assert_false(uri_equal(slice_of("%00"), slice_of("")));
    assert_false(uri_equal(slice_of("A"), slice_of("a")));
}

static void test_adding(NO_STATE)
{
    char buffer[64];
    struct text text = text_over(buffer, sizeof buffer);
    uri_add_segment(&text, slice_of("az-._~:@|+=/%?#\"<>\xC3"));
    unit_expect_text("segment", text_slice(&text), "az-._~:@%7C+=%2F%25%3F%23%22%3C%3E%C3");
    text.size = 0;
    uri_add_path(&text, slice_of("/v1/a%7cb/c|d>"));
    unit_expect_text("path", text_slice(&text), "/v1/a%7cb/c%7Cd%3E");
}

static void test_origins(NO_STATE)
{
    static const char *const origins[][2] = {
        {"https://h.example/hooks/sesame", "https://h.example"},
        {"https://h.example:8443/?token=sesame", "https://h.example:8443"},
        {"https://h.example?token=sesame", "https://h.example"},
        {"https://h.example#sesame", "https://h.example"},
        {"http://[::1]:80/a://b", "http://[::1]:80"},
        {"https://h.example", "https://h.example"},
        {"-", "-"},
        {"", ""},
    };
    for (size_t i = 0; i < LENGTH(origins); i++) {
        unit_expect_text(origins[i][0], uri_origin(origins[i][0]), origins[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode), cmocka_unit_test(test_room),    cmocka_unit_test(test_equal),
        cmocka_unit_test(test_adding), cmocka_unit_test(test_origins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
