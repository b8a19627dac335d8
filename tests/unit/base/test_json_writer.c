/* JSON that is written: commas, names, nesting, values, strings, what does not fit. */
#include "unit.h"

#include "rsvpd/base/json_writer.h"

#include <jansson.h>
#include <stdio.h>

enum { BUFFER_SIZE = 512 };

/* Every kind of value, in an object and in an array, empty levels too. */
static void write_everything(struct json_writer *json)
{
    json_write_object_begin(json, NULL);
    json_write_string(json, "s", slice_of("a\"b"));
    json_write_int(json, "i", INT64_MIN);
    json_write_array_begin(json, "list");
    json_write_array_begin(json, NULL);
    json_write_array_end(json);
    json_write_object_begin(json, NULL);
    json_write_object_end(json);
    json_write_int(json, NULL, 0);
    json_write_bool(json, NULL, true);
    json_write_null(json, NULL);
    json_write_array_end(json);
    json_write_object_begin(json, "inner");
    json_write_bool(json, "no", false);
    json_write_null(json, "none");
    json_write_object_end(json);
    json_write_time(json, "at", 1795342530123456);
    json_write_milliseconds(json, "ms", 1050);
    json_write_object_end(json);
}

static const char everything[] =
    "{\"s\":\"a\\\"b\",\"i\":-9223372036854775808,\"list\":[[],{},0,true,null],"
    "\"inner\":{\"no\":false,\"none\":null},\"at\":\"2026-11-22T10:15:30.123Z\",\"ms\":1.050}";

static void test_everything(NO_STATE)
{
    char buffer[BUFFER_SIZE];
    struct text text = text_over(buffer, sizeof buffer);
    struct json_writer json = json_writer_over(&text);
    write_everything(&json);
    assert_true(json_writer_complete(&json));
    unit_expect_text("json", text_slice(&text), everything);
    json_t *read = json_loadb(text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(read);
    json_decref(read);
}

/* Whatever the capacity, nothing behind it is touched, and it says when not all of it is there. */
static void test_every_capacity(NO_STATE)
{
    for (size_t capacity = 0; capacity < sizeof everything + 1; capacity++) {
        char buffer[BUFFER_SIZE];
        memset(buffer, '#', sizeof buffer);
        struct text text = text_over(capacity == 0 ? NULL : buffer, capacity);
        struct json_writer json = json_writer_over(&text);
        write_everything(&json);
        assert_int_equal(json_writer_complete(&json), capacity >= sizeof everything - 1);
        assert_true(text.size <= capacity);
        for (size_t i = capacity; i < sizeof buffer; i++) {
            assert_int_equal(buffer[i], '#');
        }
    }
}

/* Several texts may follow each other, behind what others wrote. */
static void test_lines(NO_STATE)
{
    char buffer[BUFFER_SIZE];
    struct text text = text_over(buffer, sizeof buffer);
    text_add_cstr(&text, "a=");
    for (int64_t i = 1; i <= 2; i++) {
        struct json_writer json = json_writer_over(&text);
        json_write_int(&json, NULL, i);
        assert_true(json_writer_complete(&json));
        text_add_cstr(&text, "\n");
    }
    unit_expect_text("lines", text_slice(&text), "a=1\n2\n");
}

static void test_milliseconds(NO_STATE)
{
    static const struct {
        int64_t microseconds;
        const char *shown;
    } cases[] = {
        {0, "0.000"},
        {1, "0.001"},
        {999, "0.999"},
        {1000, "1.000"},
        {12345678, "12345.678"},
        {-5, "-0.005"},
        {-1234567, "-1234.567"},
        {INT64_MIN, "-9223372036854775.808"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char buffer[BUFFER_SIZE];
        struct text text = text_over(buffer, sizeof buffer);
        struct json_writer json = json_writer_over(&text);
        json_write_milliseconds(&json, NULL, cases[i].microseconds);
        unit_expect_text("milliseconds", text_slice(&text), cases[i].shown);
    }
}

static void test_as_deep_as_can_be(NO_STATE)
{
    char buffer[2 * JSON_DEPTH_MAX];
    struct text text = text_over(buffer, sizeof buffer);
    struct json_writer json = json_writer_over(&text);
    for (size_t i = 0; i < JSON_DEPTH_MAX; i++) {
        json_write_array_begin(&json, NULL);
    }
    for (size_t i = 0; i < JSON_DEPTH_MAX; i++) {
        json_write_array_end(&json);
    }
    assert_true(json_writer_complete(&json));
    for (size_t i = 0; i < sizeof buffer; i++) {
        assert_int_equal(buffer[i], i < JSON_DEPTH_MAX ? '[' : ']');
    }
}

#define FFFD "\\ufffd"

static void test_strings(NO_STATE)
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
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char expected[BUFFER_SIZE], buffer[BUFFER_SIZE], exact[64];
        struct text text = text_over(buffer, sizeof buffer);
        snprintf(expected, sizeof expected, "\"%s\"", cases[i].shown);
        memcpy(exact, cases[i].bytes, cases[i].size);
        /* What follows in memory is not part of it, even where it would complete a sequence. */
        memset(exact + cases[i].size, 0x82, sizeof exact - cases[i].size);
        struct json_writer json = json_writer_over(&text);
        json_write_string(&json, NULL, slice_make(exact, cases[i].size));
        assert_true(json_writer_complete(&json));
        unit_expect_text(expected, text_slice(&text), expected);
    }
}

/* Whatever comes in, a JSON parser takes it, and gives back what was valid. */
static void test_strings_of_random_bytes(NO_STATE)
{
    static const unsigned char lead[] = {0x00, 0x1F, '"',  '\\', 0x7F, 0x80, 0x9F, 0xA0, 0xBF,
                                         0xC1, 0xC2, 0xDF, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5};
    struct random random = unit_random(1);
    for (int round = 0; round < 20000; round++) {
        char bytes[12], buffer[128];
        size_t size = unit_below(&random, sizeof bytes + 1);
        for (size_t i = 0; i < size; i++) {
            bytes[i] = (char)(unit_percent(&random, 70) ? lead[unit_below(&random, LENGTH(lead))]
                                                        : unit_below(&random, 256));
        }
        struct text text = text_over(buffer, sizeof buffer);
        struct json_writer json = json_writer_over(&text);
        json_write_string(&json, NULL, slice_make(bytes, size));
        assert_true(json_writer_complete(&json));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_every_capacity),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_milliseconds),
        cmocka_unit_test(test_as_deep_as_can_be),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_strings_of_random_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
