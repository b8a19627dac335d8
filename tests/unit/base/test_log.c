/* The log: lines of both formats, and the rings of threads. What would go to standard error goes to
 * a file in memory. */
#include "unit.h"

#include "rsvpd/base/log.h"

#include <jansson.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static int real_stderr, captured;

static void capture_begin(void)
{
    captured = memfd_create("stderr", MFD_CLOEXEC);
    real_stderr = dup(STDERR_FILENO);
    assert_true(captured >= 0 && real_stderr >= 0);
    assert_int_equal(dup2(captured, STDERR_FILENO), STDERR_FILENO);
}

/* What was written since capture_begin; to be freed. */
static char *capture_end(void)
{
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    off_t size = lseek(captured, 0, SEEK_END);
    char *text = calloc(1, (size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(pread(captured, text, (size_t)size, 0), size);
    close(captured);
    return text;
}

/* The one line in the text, as JSON, without its time, which must be one. */
static json_t *parse_line(const char *text)
{
    int year, month, day, hour, minute, second, ms, end = 0;
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    json_t *line = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (line == NULL) {
        fail_msg("no JSON: %s", text);
    }
    const char *time = json_string_value(json_object_get(line, "time"));
    assert_non_null(time);
    assert_int_equal(sscanf(time, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &year, &month, &day, &hour,
                            &minute, &second, &ms, &end),
                     7);
    assert_int_equal(time[end], '\0');
    json_object_del(line, "time");
    return line;
}

static void expect_json(const char *text, const char *expected)
{
    json_t *line = parse_line(text), *wanted = json_loads(expected, 0, NULL);
    assert_non_null(wanted);
    if (!json_equal(line, wanted)) {
        fail_msg("got %s, expected %s", text, expected);
    }
    json_decref(wanted);
    json_decref(line);
}

static void test_json_lines(NO_STATE)
{
    log_configure(LOG_INFO, LOG_FORMAT_JSON);
    capture_begin();
    log_event(LOG_WARN, "it went \"wrong\"", LOG_CSTR("reason", "a\nb\xFF"), LOG_INT("port", -5),
              LOG_USEC("took_ms", 1234567), LOG_STR("part", slice_make("abc", 2)),
              LOG_USEC("less_ms", 7));
    char *text = capture_end();
    expect_json(text, "{\"level\":\"warn\",\"message\":\"it went \\\"wrong\\\"\","
                      "\"reason\":\"a\\nb\\ufffd\",\"port\":-5,\"took_ms\":1234.567,"
                      "\"part\":\"ab\",\"less_ms\":0.007}");
    free(text);
}

static void test_negative_times(NO_STATE)
{
    log_configure(LOG_INFO, LOG_FORMAT_JSON);
    capture_begin();
    log_event(LOG_WARN, "went", LOG_USEC("a_ms", -1500), LOG_USEC("b_ms", -7));
    char *text = capture_end();
    expect_json(text, "{\"level\":\"warn\",\"message\":\"went\",\"a_ms\":-1.5,\"b_ms\":-0.007}");
    free(text);
}

static void test_a_text_line_that_is_too_long(NO_STATE)
{
    static char bytes[5000];
    memset(bytes, 'x', sizeof bytes);
    log_configure(LOG_INFO, LOG_FORMAT_TEXT);
    capture_begin();
    log_event(LOG_WARN, "much", LOG_STR("what", slice_make(bytes, sizeof bytes)));
    char *text = capture_end();
    if (strstr(text, " warn  much") == NULL) {
        fail_msg("%s", text);
    }
    free(text);
}

static void test_no_fields(NO_STATE)
{
    log_configure(LOG_INFO, LOG_FORMAT_JSON);
    capture_begin();
    log_event(LOG_ERROR, "nothing to add");
    char *text = capture_end();
    expect_json(text, "{\"level\":\"error\",\"message\":\"nothing to add\"}");
    free(text);
}

static void test_text_lines(NO_STATE)
{
    log_configure(LOG_INFO, LOG_FORMAT_TEXT);
    capture_begin();
    log_event(LOG_INFO, "ready", LOG_CSTR("address", "a b"), LOG_INT("port", 8080),
              LOG_USEC("took_ms", 1500));
    char *text = capture_end();
    const char *rest = strchr(text, ' ');
    assert_non_null(rest);
    assert_string_equal(rest, " info  ready address=\"a b\" port=8080 took_ms=1.500\n");
    free(text);
}

static void test_what_is_below_the_level_is_not_written(NO_STATE)
{
    static const enum log_level levels[] = {LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR};
    for (size_t i = 0; i < LENGTH(levels); i++) {
        log_configure(levels[i], LOG_FORMAT_JSON);
        for (size_t j = 0; j < LENGTH(levels); j++) {
            capture_begin();
            log_event(levels[j], "said");
            char *text = capture_end();
            assert_int_equal(log_enabled(levels[j]), j >= i);
            assert_int_equal(*text != '\0', j >= i);
            free(text);
        }
    }
}

/* A line that is too long is still a line of JSON that says what happened. */
static void test_a_line_that_is_too_long(NO_STATE)
{
    static char bytes[5000];
    memset(bytes, 'x', sizeof bytes);
    log_configure(LOG_INFO, LOG_FORMAT_JSON);
    capture_begin();
    log_event(LOG_WARN, "much", LOG_STR("what", slice_make(bytes, sizeof bytes)));
    char *text = capture_end();
    expect_json(text, "{\"level\":\"warn\",\"message\":\"much\"}");
    free(text);
}

/* Every line in the text is whole, and they carry the numbers 0, 1, 2…; returns how many. */
static uint64_t check_numbered(char *text)
{
    uint64_t count = 0;
    char *rest = text, *line;
    while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
        json_t *parsed = json_loads(line, 0, NULL);
        if (parsed == NULL) {
            fail_msg("no whole line: %s", line);
        }
        assert_int_equal(json_integer_value(json_object_get(parsed, "number")), count++);
        json_decref(parsed);
    }
    return count;
}

/* A thread that has attached does not wait for the writer: past what its ring holds, lines are
 * dropped and counted; the others come out whole and in order. */
static void test_a_full_ring_drops_whole_lines(NO_STATE)
{
    enum { LINES = 10000 };
    uint64_t dropped_before = log_dropped();
    log_configure(LOG_INFO, LOG_FORMAT_JSON);
    capture_begin();
    log_attach_thread();
    for (int i = 0; i < LINES; i++) {
        log_event(LOG_INFO, "a line of about a hundred bytes", LOG_INT("number", i));
    }
    uint64_t dropped = log_dropped() - dropped_before;
    bool started = log_start(); /* only now is there somebody to empty the ring */
    log_stop();
    char *text = capture_end();
    assert_true(started);
    assert_true(dropped > 0 && dropped < LINES);
    assert_int_equal(check_numbered(text) + dropped, LINES);
    free(text);
}

/* Logs until the line is taken: the writer makes room. */
static void log_patiently(int number)
{
    uint64_t dropped_before;
    do {
        dropped_before = log_dropped();
        log_event(LOG_INFO, "a line of about a hundred bytes", LOG_INT("number", number));
        sched_yield();
    } while (log_dropped() != dropped_before);
}

/* More than the ring holds, with somebody who empties it: what is written wraps around its end. */
static void test_lines_of_a_thread_come_in_order(NO_STATE)
{
    enum { LINES = 10000, ROUNDS = 2 };
    log_configure(LOG_INFO, LOG_FORMAT_JSON);
    for (int round = 0; round < ROUNDS; round++) {
        capture_begin();
        bool started = log_start();
        log_attach_thread();
        for (int i = 0; i < LINES && started; i++) {
            log_patiently(i);
        }
        log_stop();
        log_event(LOG_INFO, "written directly again", LOG_INT("number", LINES));
        char *text = capture_end();
        assert_true(started);
        assert_int_equal(check_numbered(text), LINES + 1);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_lines),
        cmocka_unit_test(test_negative_times),
        cmocka_unit_test(test_a_text_line_that_is_too_long),
        cmocka_unit_test(test_no_fields),
        cmocka_unit_test(test_text_lines),
        cmocka_unit_test(test_what_is_below_the_level_is_not_written),
        cmocka_unit_test(test_a_line_that_is_too_long),
        cmocka_unit_test(test_a_full_ring_drops_whole_lines),
        cmocka_unit_test(test_lines_of_a_thread_come_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
