/* Text in a buffer of fixed size: what does not fit, numbers, times. */
#include "unit.h"

#include "rsvpd/base/text.h"

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

static void test_what_does_not_fit_is_left_out(NO_STATE)
{
    struct guarded guarded;
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

static void add_time(struct text *text)
{
    text_add_time(text, 1795342530123);
}

static void add_format(struct text *text)
{
    text_add_format(text, "number %d, word %s", 42, "abc");
}

/* Every way of adding keeps to every capacity, and says when it could not. */
static void test_every_way_keeps_to_the_capacity(NO_STATE)
{
    static const struct {
        void (*add)(struct text *text);
        const char *whole;
    } ways[] = {
        {add_cstr, "12345678901234567890"},  {add_int, "-9223372036854775808"},
        {add_uint, "18446744073709551615"},  {add_time, "2026-11-22T10:15:30.123Z"},
        {add_format, "number 42, word abc"},
    };
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

static void test_no_memory_at_all(NO_STATE)
{
    struct text text = text_over(NULL, 0);
    text_add(&text, slice_make(NULL, 0));
    assert_false(text.truncated);
    text_add_cstr(&text, "a");
    text_add_int(&text, 1);
    text_add_format(&text, "%d", 1);
    text_add_time(&text, 1);
    assert_int_equal(text.size, 0);
    assert_true(text.truncated);
}

static void test_numbers(NO_STATE)
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

static void test_times(NO_STATE)
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
        cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
