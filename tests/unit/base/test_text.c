/* Text in a buffer of fixed size: what does not fit, numbers, JSON strings, times. */
#include "unit.h"

#include "rsvpd/base/text.h"

#include <jansson.h>
#include <stdio.h>

enum { BUFFER_SIZE = 512 };

/* A text of some capacity, and bytes behind it that nobody may touch. */
struct guarded {
    char buffer[BUFFER_SIZE];
    struct text text;
};

static void guarded_init(struct guarded *guarded, size_t capacity)
{
    memset(guarded->buffer, '#', sizeof guarded->buffer);
    guarded->text = text_over(guarded->buffer, capacity);
}

static void guarded_check_untouched(const struct guarded *guarded)
{
    for (size_t i = guarded->text.capacity; i < sizeof guarded->buffer; i++) {
        assert_int_equal(guarded->buffer[i], '#');
    }
}

static void guarded_check(const struct guarded *guarded, const char *expected, bool truncated)
{
    unit_expect_text("text", text_slice(&guarded->text), expected);
    assert_int_equal(guarded->text.truncated, truncated);
    guarded_check_untouched(guarded);
}

static void test_what_does_not_fit_is_left_out(void **state)
{
    struct guarded guarded;
    (void)state;
    guarded_init(&guarded, 5);
    text_add_cstr(&guarded.text, "abc");
    guarded_check(&guarded, "abc", false);
    text_add_cstr(&guarded.text, "");
    text_add_cstr(&guarded.text, "de");
    guarded_check(&guarded, "abcde", false);
    text_add_cstr(&guarded.text, "");
    guarded_check(&guarded, "abcde", false);
    text_add_cstr(&guarded.text, "f");
    guarded_check(&guarded, "abcde", true);

    guarded_init(&guarded, 5);
    text_add_cstr(&guarded.text, "abcdef");
    guarded_check(&guarded, "", true);
}

static void add_cstr(struct text *text)
{
    text_add_cstr(text, "12345678901234567890");
}

static void add_int(struct text *text)
{
    text_add_int(text, INT64_MIN);
}

static void add_uint(struct text *text)
{
    text_add_uint(text, UINT64_MAX);
}

static void add_json_string(struct text *text)
{
    text_add_json_string(text, slice_of("\x01\xFF\xC3\xA9\"\\"));
}

static void add_time(struct text *text)
{
    text_add_time(text, 1795342530123);
}

static void add_format(struct text *text)
{
    text_add_format(text, "number %d, word %s", 42, "abc");
}

/* Every way of adding keeps to every capacity, and says when it could not. */
static void test_every_way_keeps_to_the_capacity(void **state)
{
    static const struct {
        void (*add)(struct text *text);
        const char *whole;
    } ways[] = {
        {add_cstr, "12345678901234567890"},
        {add_int, "-9223372036854775808"},
        {add_uint, "18446744073709551615"},
        {add_json_string, "\"\\u0001\\ufffd\xC3\xA9\\\"\\\\\""},
        {add_time, "2026-11-22T10:15:30.123Z"},
        {add_format, "number 42, word abc"},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(ways) * 40; i++) {
        size_t capacity = i / LENGTH(ways);
        const char *whole = ways[i % LENGTH(ways)].whole;
        struct guarded guarded;
        guarded_init(&guarded, capacity);
        ways[i % LENGTH(ways)].add(&guarded.text);
        assert_true(guarded.text.size <= capacity);
        guarded_check_untouched(&guarded);
        if (capacity < strlen(whole)) {
            assert_true(guarded.text.truncated);
        } else if (capacity > strlen(whole) || !guarded.text.truncated) {
            guarded_check(&guarded, whole, false); /* printf's NUL may want a byte more */
        }
    }
}

static void test_no_memory_at_all(void **state)
{
    struct text text = text_over(NULL, 0);
    (void)state;
    text_add(&text, slice_make(NULL, 0));
    assert_false(text.truncated);
    text_add_cstr(&text, "a");
    text_add_int(&text, 1);
    text_add_format(&text, "%d", 1);
    text_add_time(&text, 1);
    text_add_json_string(&text, slice_of("a"));
    assert_int_equal(text.size, 0);
    assert_true(text.truncated);
}

static void test_numbers(void **state)
{
    static const struct {
        int64_t number;
        const char *shown;
    } cases[] = {
        {0, "0"},
        {1, "1"},
        {-1, "-1"},
        {10, "10"},
        {-909, "-909"},
        {1234567890123, "1234567890123"},
        {INT64_MAX, "9223372036854775807"},
        {INT64_MIN, "-9223372036854775808"},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct guarded guarded;
        guarded_init(&guarded, 20);
        text_add_int(&guarded.text, cases[i].number);
        guarded_check(&guarded, cases[i].shown, false);
        if (cases[i].number >= 0) {
            guarded_init(&guarded, 20);
            text_add_uint(&guarded.text, (uint64_t)cases[i].number);
            guarded_check(&guarded, cases[i].shown, false);
        }
    }
}

#define FFFD "\\ufffd"

static void test_json_strings(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *shown; /* between the quotes */
    } cases[] = {
#define CASE(bytes, shown) {bytes, sizeof(bytes) - 1, shown}
        CASE("", ""),
        CASE("plain /~'", "plain /~'"),
        CASE("\"\\", "\\\"\\\\"),
        CASE("a\0b", "a\\u0000b"),
        CASE("\x01\b\t\n\r\x1F\x7F", "\\u0001\\u0008\\u0009\\u000a\\u000d\\u001f\\u007f"),
        /* Well-formed, at the ends of each row of Unicode's table 3-7. */
        CASE("\xC2\x80\xDF\xBF", "\xC2\x80\xDF\xBF"),
        CASE("\xE0\xA0\x80\xE0\xBF\xBF\xE1\x80\x80", "\xE0\xA0\x80\xE0\xBF\xBF\xE1\x80\x80"),
        CASE("\xED\x80\x80\xED\x9F\xBF\xEE\x80\x80", "\xED\x80\x80\xED\x9F\xBF\xEE\x80\x80"),
        CASE("\xEF\xBF\xBF", "\xEF\xBF\xBF"),
        CASE("\xF0\x90\x80\x80\xF3\xBF\xBF\xBF", "\xF0\x90\x80\x80\xF3\xBF\xBF\xBF"),
        CASE("\xF4\x80\x80\x80\xF4\x8F\xBF\xBF", "\xF4\x80\x80\x80\xF4\x8F\xBF\xBF"),
        /* Not: a continuation alone, overlong, surrogates, beyond U+10FFFF, cut short. */
        CASE("\x80", FFFD),
        CASE("a\xBFz", "a" FFFD "z"),
        CASE("\xC0\x80", FFFD FFFD),
        CASE("\xC1\xBF", FFFD FFFD),
        CASE("\xC2\x7Fz", FFFD "\\u007fz"),
        CASE("\xC2\xC0", FFFD FFFD),
        CASE("\xE0\x9F\xBF", FFFD FFFD FFFD),
        CASE("\xED\xA0\x80", FFFD FFFD FFFD),
        CASE("\xE2\x82", FFFD FFFD),
        CASE("\xE2\x82z", FFFD FFFD "z"),
        CASE("\xE2\x82\xC0", FFFD FFFD FFFD),
        CASE("\xF0\x8F\xBF\xBF", FFFD FFFD FFFD FFFD),
        CASE("\xF4\x90\x80\x80", FFFD FFFD FFFD FFFD),
        CASE("\xF0\x9F\x98", FFFD FFFD FFFD),
        CASE("\xF0\x9F\x98\"", FFFD FFFD FFFD "\\\""),
        CASE("\xF5\x80\xFE\xFF", FFFD FFFD FFFD FFFD),
        CASE("\xC3\xA9\xC3", "\xC3\xA9" FFFD),
#undef CASE
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char expected[BUFFER_SIZE], buffer[BUFFER_SIZE], exact[64];
        struct text text = text_over(buffer, sizeof buffer);
        snprintf(expected, sizeof expected, "\"%s\"", cases[i].shown);
        memcpy(exact, cases[i].bytes, cases[i].size);
        /* What follows in memory is not part of it, even where it would complete a sequence. */
        memset(exact + cases[i].size, 0x82, sizeof exact - cases[i].size);
        text_add_json_string(&text, slice_make(exact, cases[i].size));
        assert_false(text.truncated);
        unit_expect_text(expected, text_slice(&text), expected);
    }
}

/* Whatever comes in, a JSON parser takes it, and gives back what was valid. */
static void test_json_strings_of_random_bytes(void **state)
{
    static const unsigned char lead[] = {0x00, 0x1F, '"',  '\\', 0x7F, 0x80, 0x9F, 0xA0, 0xBF,
                                         0xC1, 0xC2, 0xDF, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5};
    struct random random = unit_random(1);
    (void)state;
    for (int round = 0; round < 20000; round++) {
        char bytes[12], buffer[128];
        size_t size = unit_below(&random, sizeof bytes + 1);
        for (size_t i = 0; i < size; i++) {
            bytes[i] = (char)(unit_percent(&random, 70) ? lead[unit_below(&random, LENGTH(lead))]
                                                        : unit_below(&random, 256));
        }
        struct text text = text_over(buffer, sizeof buffer);
        text_add_json_string(&text, slice_make(bytes, size));
        assert_false(text.truncated);
        json_t *back = json_loadb(text.data, text.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_non_null(back);
        json_t *valid = json_stringn(bytes, size); /* NULL where it is no UTF-8 */
        bool replaced = strstr(json_string_value(back), "\xEF\xBF\xBD") != NULL ||
                        strlen(json_string_value(back)) < json_string_length(back);
        assert_true(valid == NULL ? replaced : json_equal(valid, back));
        json_decref(valid);
        json_decref(back);
    }
}

static void test_times(void **state)
{
    static const struct {
        int64_t unix_ms;
        const char *shown;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1, "1970-01-01T00:00:00.001Z"},
        {999, "1970-01-01T00:00:00.999Z"},
        {1000, "1970-01-01T00:00:01.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {-1000, "1969-12-31T23:59:59.000Z"},
        {-1001, "1969-12-31T23:59:58.999Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {1795342530123, "2026-11-22T10:15:30.123Z"},
        {4102444799999, "2099-12-31T23:59:59.999Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct guarded guarded;
        guarded_init(&guarded, 64);
        text_add_time(&guarded.text, cases[i].unix_ms);
        guarded_check(&guarded, cases[i].shown, false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_does_not_fit_is_left_out),
        cmocka_unit_test(test_every_way_keeps_to_the_capacity),
        cmocka_unit_test(test_no_memory_at_all),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_json_strings),
        cmocka_unit_test(test_json_strings_of_random_bytes),
        cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
