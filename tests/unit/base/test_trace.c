/* Contexts of traces as callers send them, ids, and which requests are chosen. */
#include "unit.h"

#include "rsvpd/base/trace.h"

#define EXAMPLE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static void expect_context(const char *text, bool sampled)
{
    struct trace_parent parent;
    char trace[TRACE_ID_DIGITS], span[SPAN_ID_DIGITS];
    if (!trace_parent_parse(slice_of(text), &parent)) {
        fail_msg("'%s' is refused", text);
    }
    assert_int_equal(parent.sampled, sampled);
    trace_write_trace_id(&parent.ref, trace);
    trace_write_span_id(parent.ref.span, span);
    unit_expect_bytes(text, slice_make(trace, sizeof trace),
                      slice_of("4bf92f3577b34da6a3ce929d0e0e4736"));
    unit_expect_bytes(text, slice_make(span, sizeof span), slice_of("00f067aa0ba902b7"));
}

/* The examples of W3C Trace Context, sections 3.2.2 and 3.2.3, and what section 4.3 asks of later
 * versions. */
static void test_what_is_a_context(NO_STATE)
{
    expect_context(EXAMPLE, true);
    expect_context("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", false);
    expect_context("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03", true);
    expect_context("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fe", false);
    expect_context("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true);
    expect_context("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes", true);
}

static void test_what_is_none(NO_STATE)
{
    static const char *const wrong[] = {
        "",
        "00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        EXAMPLE "0",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.what",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
        "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7_01",
        "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "-0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct trace_parent parent;
        if (trace_parent_parse(slice_of(wrong[i]), &parent)) {
            fail_msg("'%s' is taken", wrong[i]);
        }
    }
}

/* Any byte in any place: only a digit in the place of a digit leaves it a context. */
static void test_any_byte_anywhere(NO_STATE)
{
    for (size_t place = 0; place < TRACEPARENT_SIZE_BYTES; place++) {
        bool dash = EXAMPLE[place] == '-';
        for (int c = 0; c < 256; c++) {
            char bytes[] = EXAMPLE;
            struct trace_parent parent;
            bytes[place] = (char)c;
            bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
            assert_int_equal(trace_parent_parse(slice_make(bytes, sizeof bytes - 1), &parent),
                             dash ? c == '-' : hex);
        }
    }
}

static void test_spans_of_a_trace(NO_STATE)
{
    struct random random = unit_random(1);
    struct trace_ref first = trace_begin(&random), other = trace_begin(&random);
    struct trace_ref second = trace_continue(&first, &random);
    assert_true(first.span != 0 && second.span != 0 && first.span != second.span);
    assert_true(first.trace_high == second.trace_high && first.trace_low == second.trace_low);
    assert_true(first.trace_high != other.trace_high && first.trace_low != other.trace_low);
}

static void test_shares(NO_STATE)
{
    static const struct {
        const char *text;
        double share;
    } good[] = {{"0", 0}, {"1", 1}, {"0.0", 0}, {"1.000", 1}, {"0.5", 0.5}, {"0.01", 0.01}};
    static const char *const wrong[] = {"",   ".",    ".5",  "2",    "1.1",  "1.0000001", "-0.1",
                                        "0.", "0.1x", "1e0", "+0.5", "0,5",  " 0.5",      "0.5 ",
                                        "00", "nan",  "inf", "0x1",  "0.1.1"};
    double share;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(trace_share_parse(slice_of(good[i].text), &share));
        assert_true(share > good[i].share - 1e-12 && share < good[i].share + 1e-12);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (trace_share_parse(slice_of(wrong[i]), &share)) {
            fail_msg("'%s' is taken", wrong[i]);
        }
    }
}

static void test_who_is_chosen(NO_STATE)
{
    enum { REQUESTS = 100000 };
    struct random random = unit_random(2);
    int chosen = 0;
    for (int i = 0; i < REQUESTS; i++) {
        assert_false(trace_chosen(0, &random));
        assert_true(trace_chosen(1, &random));
        chosen += trace_chosen(0.25, &random);
    }
    assert_in_range(chosen, REQUESTS * 23 / 100, REQUESTS * 27 / 100); /* by 14 deviations */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_a_context),
        cmocka_unit_test(test_what_is_none),
        cmocka_unit_test(test_any_byte_anywhere),
        cmocka_unit_test(test_spans_of_a_trace),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_who_is_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
