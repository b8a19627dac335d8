/* Base64url: the standard's examples without their padding, and what it never writes. */
#include "unit.h"

#include "rsvpd/base/base64url.h"

static const struct {
    const char *raw, *text;
} examples[] = {
    {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
    {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "-_8"},
};

static void test_examples(NO_STATE)
{
    for (size_t i = 0; i < LENGTH(examples); i++) {
        struct slice raw = slice_of(examples[i].raw);
        char text[16];
        unsigned char back[16];
        size_t size = base64url_encode((const unsigned char *)raw.data, raw.size, text);
        assert_int_equal(size, BASE64URL_SIZE(raw.size));
        assert_true(slice_equal(slice_make(text, size), slice_of(examples[i].text)));
        assert_true(base64url_decode(slice_of(examples[i].text), back, sizeof back, &size));
        assert_true(slice_equal(slice_make((const char *)back, size), raw));
    }
}

static void test_what_is_never_written(NO_STATE)
{
    static const char *const texts[] = {
        "A", "Zm9vY", "Zh", "Zm9", "Zg==", "Zg=", "Z g", "+/8", "Zm8\n", "Zm\xc3\xa9"};
    for (size_t i = 0; i < LENGTH(texts); i++) {
        unsigned char raw[16];
        size_t size;
        assert_false(base64url_decode(slice_of(texts[i]), raw, sizeof raw, &size));
    }
    unsigned char raw[2];
    size_t size;
    assert_false(base64url_decode(slice_make("Zm\0v", 4), raw, sizeof raw, &size));
    assert_false(base64url_decode(slice_of("Zm9v"), raw, sizeof raw, &size)); /* too small */
    assert_true(base64url_decode(slice_of("Zm8"), raw, sizeof raw, &size));
}

static void test_characters(NO_STATE)
{
    int count = 0;
    for (int c = 0; c < 256; c++) {
        count += base64url_is_character((char)c);
    }
    assert_int_equal(count, 64);
    assert_true(base64url_is_character('-') && base64url_is_character('_'));
    assert_false(base64url_is_character('+') || base64url_is_character('\0'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_what_is_never_written),
        cmocka_unit_test(test_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
