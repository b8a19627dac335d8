/* Comma-separated values: fields and quotes, lines however the input is cut, lines that are bad. */
#include "unit.h"

#include "rsvpd/base/csv.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the fields of a line ---- */

/* The line in memory of exactly its size, so that a sanitizer sees reads past its end. */
static char *exact(const char *text, size_t size)
{
    char *copy = malloc(size == 0 ? 1 : size);
    assert_non_null(copy);
    memcpy(copy, text, size);
    return copy;
}

static void test_fields(NO_STATE)
{
    static const struct {
        const char *line;
        const char *fields[5]; /* up to the first NULL */
    } cases[] = {
        {"", {""}},
        {"a", {"a"}},
        {"a,b,c", {"a", "b", "c"}},
        {",", {"", ""}},
        {"a,,c", {"a", "", "c"}},
        {"a,b,", {"a", "b", ""}},
        {" a , b ", {" a ", " b "}},
        {"\"a\",\"b\"", {"a", "b"}},
        {"\"\"", {""}},
        {"\"\",\"\"", {"", ""}},
        {"\"a,b\",c", {"a,b", "c"}},
        {"\"a\"\"b\",c", {"a\"b", "c"}},
        {"\"\"\"\"", {"\""}},
        {"\"\"\"\"\"\"", {"\"\""}},
        {"\"a\"\"\",\"\"\"b\",\"c\"\"d\"", {"a\"", "\"b", "c\"d"}},
        {"a,\",\",\"\"\",\"\"\"", {"a", ",", "\",\""}},
        {"\xEF\xBB\xBF", {"\xEF\xBB\xBF"}},
    };
    static struct csv_record record;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const char *problem = NULL;
        size_t size = strlen(cases[i].line), count = 0;
        char *line = exact(cases[i].line, size);
        if (!csv_split(slice_make(line, size), &record, &problem)) {
            fail_msg("'%s': %s", cases[i].line, problem);
        }
        for (; cases[i].fields[count] != NULL; count++) {
            unit_expect_text(cases[i].line, record.fields[count], cases[i].fields[count]);
        }
        assert_int_equal(record.count, count);
        free(line);
    }
}

static void test_a_nul_is_a_byte_like_others(NO_STATE)
{
    static struct csv_record record;
    const char *problem;
    assert_true(csv_split(slice_make("a\0b,\"c\0\"", 8), &record, &problem));
    assert_int_equal(record.count, 2);
    assert_int_equal(record.fields[0].size, 3);
    assert_int_equal(record.fields[1].size, 2);
}

static void expect_bad(const char *line, const char *word)
{
    static struct csv_record record;
    const char *problem = "";
    size_t size = strlen(line);
    char *copy = exact(line, size);
    if (csv_split(slice_make(copy, size), &record, &problem) || strstr(problem, word) == NULL) {
        fail_msg("'%s' is taken, or not refused for '%s': %s", line, word, problem);
    }
    free(copy);
}

static void test_bad_lines(NO_STATE)
{
    static const struct {
        const char *line, *word;
    } cases[] = {
        {"\"", "not closed"},
        {"\"a", "not closed"},
        {"a,\"b", "not closed"},
        {"a,\"b\"\"", "not closed"},
        {"\"a,b\nc,d", "not closed"},
        {"\"\"\"", "not closed"},
        {"\"a\"b", "behind a closing quote"},
        {"\"a\" ,b", "behind a closing quote"},
        {"\"\"a\"\"", "behind a closing quote"},
        {"a\"", "not quoted"},
        {"a\"b\",c", "not quoted"},
        {" \"a\"", "not quoted"},
        {"a,b\"\"c", "not quoted"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        expect_bad(cases[i].line, cases[i].word);
    }
}

static void test_as_many_fields_as_fit(NO_STATE)
{
    static struct csv_record record;
    const char *problem;
    char line[CSV_FIELDS_MAX + 1];
    memset(line, ',', sizeof line);
    assert_true(csv_split(slice_make(line, CSV_FIELDS_MAX - 1), &record, &problem));
    assert_int_equal(record.count, CSV_FIELDS_MAX);
    line[CSV_FIELDS_MAX] = '\0';
    expect_bad(line, "too many");
}

/* The longest line, all of it quotes, fits into the record's own memory. */
static void test_the_longest_line_of_quotes(NO_STATE)
{
    static struct csv_record record;
    static char line[CSV_LINE_SIZE_MAX_BYTES];
    const char *problem;
    memset(line, '"', sizeof line);
    assert_true(csv_split(slice_make(line, sizeof line), &record, &problem));
    assert_int_equal(record.count, 1);
    assert_int_equal(record.fields[0].size, sizeof line / 2 - 1);
}

/* ---- lines ---- */

enum { TRACE_SIZE = 65536 };

/* What came out, so that different ways of cutting can be compared: number, content and end of each
 * line; of one that is too long its bytes. */
struct trace {
    char text[TRACE_SIZE];
    size_t size;
};

static void trace_add(struct trace *trace, const void *bytes, size_t size)
{
    assert_true(trace->size + size < TRACE_SIZE);
    memcpy(trace->text + trace->size, bytes, size);
    trace->size += size;
}

static void trace_line(struct trace *trace, enum csv_event event, int64_t number, struct slice line)
{
    char head[32];
    int size = event == CSV_LONG_REST ? 0
                                      : snprintf(head, sizeof head, "|%lld%s:", (long long)number,
                                                 event == CSV_LONG_LINE ? " long" : "");
    trace_add(trace, head, (size_t)size);
    trace_add(trace, line.data, line.size);
}

/* Feeds the input in pieces of that size. */
static void run_lines(struct slice input, size_t piece, struct trace *trace)
{
    char *buffer = malloc(CSV_BUFFER_SIZE_MIN_BYTES);
    assert_non_null(buffer);
    struct csv_lines lines = csv_lines_over(buffer, CSV_BUFFER_SIZE_MIN_BYTES);
    struct slice line;
    enum csv_event event;
    trace->size = 0;
    while ((event = csv_lines_next(&lines, input.size == 0, &line)) != CSV_END) {
        if (event != CSV_NEEDS_INPUT) {
            trace_line(trace, event, lines.number, line);
            continue;
        }
        size_t room;
        char *to = csv_lines_room(&lines, &room);
        size_t size = piece < input.size ? piece : input.size;
        size = size < room ? size : room;
        assert_true(size > 0);
        memcpy(to, input.data, size);
        csv_lines_fill(&lines, size);
        input = slice_make(input.data + size, input.size - size);
    }
    trace->text[trace->size] = '\0';
    free(buffer);
}

static void expect_lines(struct slice input, const char *expected)
{
    static struct trace trace;
    static const size_t pieces[] = {1, 2, 3, 5, 7, 64, 4095, 4096, 4097, 1000000};
    for (size_t i = 0; i < LENGTH(pieces); i++) {
        char name[64];
        snprintf(name, sizeof name, "in pieces of %zu", pieces[i]);
        run_lines(input, pieces[i], &trace);
        unit_expect_text(name, slice_make(trace.text, trace.size), expected);
    }
}

static void test_lines(NO_STATE)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"a", "|1:a"},
        {"a\n", "|1:a\n"},
        {"a\nb", "|1:a\n|2:b"},
        {"a\r\nb\r\n", "|1:a\r\n|2:b\r\n"},
        {"\n\n", "|1:\n|2:\n"},
        {"a\rb\nc\r", "|1:a\rb\n|2:c\r"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        expect_lines(slice_of(cases[i][0]), cases[i][1]);
    }
}

/* Lines of lengths around the longest that is taken, one that is far longer, and one behind them.
 */
static void test_long_lines(NO_STATE)
{
    static const size_t sizes[] = {CSV_LINE_SIZE_MAX_BYTES - 1, CSV_LINE_SIZE_MAX_BYTES,
                                   CSV_LINE_SIZE_MAX_BYTES + 1, 20000, 1};
    static char input[TRACE_SIZE], expected[TRACE_SIZE];
    size_t in = 0, out = 0;
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        out += (size_t)snprintf(expected + out, 32, "|%zu%s:", i + 1,
                                sizes[i] > CSV_LINE_SIZE_MAX_BYTES ? " long" : "");
        memset(input + in, 'x', sizes[i]);
        input[in + sizes[i] - 1] = '\n';
        memcpy(expected + out, input + in, sizes[i]);
        in += sizes[i];
        out += sizes[i];
        expected[out] = '\0';
        expect_lines(slice_make(input, in), expected);
        /* The same without the last line's end. */
        expected[out - 1] = '\0';
        if (sizes[i] > 1 && sizes[i] != CSV_LINE_SIZE_MAX_BYTES + 1) {
            expect_lines(slice_make(input, in - 1), expected);
        }
        expected[out - 1] = '\n';
    }
}

static void test_ends_and_marks(NO_STATE)
{
    unit_expect_text("LF", csv_line_content(slice_of("a\n")), "a");
    unit_expect_text("CRLF", csv_line_content(slice_of("a\r\n")), "a");
    unit_expect_text("none", csv_line_content(slice_of("a")), "a");
    unit_expect_text("CR", csv_line_content(slice_of("a\r")), "a");
    unit_expect_text("two", csv_line_content(slice_of("a\r\r\n")), "a\r");
    unit_expect_text("empty", csv_line_content(slice_of("")), "");
    unit_expect_text("a mark",
                     csv_without_mark(slice_of("\xEF\xBB\xBF"
                                               "a")),
                     "a");
    unit_expect_text("no mark", csv_without_mark(slice_of("\xEF\xBB")), "\xEF\xBB");
    unit_expect_text("nothing", csv_without_mark(slice_of("")), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_a_nul_is_a_byte_like_others),
        cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_as_many_fields_as_fit),
        cmocka_unit_test(test_the_longest_line_of_quotes),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_ends_and_marks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
