/* How far a command is: what is shown, and when. */
#include "unit.h"

#include "rsvpd/base/progress.h"

#include <stdio.h>

static void expect_shown(bool is_terminal, int64_t count, int64_t done, int64_t total,
                         int64_t seconds, const char *expected)
{
    struct progress progress = {.title = "import", .unit = "lines", .is_terminal = is_terminal};
    char line[256];
    struct text text = text_over(line, sizeof line);
    progress_write(&progress, count, done, total, seconds * 1000000, &text);
    unit_expect_text("shown", text_slice(&text), expected);
}

static void test_what_is_shown(NO_STATE)
{
    expect_shown(false, 0, 0, 0, 0, "import: 0 lines, 0/s");
    expect_shown(false, 1000, 5, 0, 10, "import: 1000 lines, 100/s");
    expect_shown(false, 1000, 5, 10, 10, "import: 50%, 1000 lines, 100/s");
    expect_shown(false, 7, 11, 10, 1, "import: 99%, 7 lines, 7/s");
    expect_shown(true, 0, 0, 10, 0, "import: [..............................] 0%, 0 lines, 0/s");
    expect_shown(true, 9, 5, 10, 3, "import: [###############...............] 50%, 9 lines, 3/s");
    expect_shown(true, 9, 10, 10, 3, "import: [#############################.] 99%, 9 lines, 3/s");
    expect_shown(true, 9, 5, 0, 3, "import: 9 lines, 3/s");
}

static void test_a_line_every_two_seconds(NO_STATE)
{
    FILE *out = tmpfile();
    struct progress progress;
    char line[256] = "";
    assert_non_null(out);
    progress_begin(&progress, out, "export", "rows", 500);
    for (int64_t ms = 0; ms <= 5000; ms++) {
        progress_update(&progress, ms, 0, 0, 500 + ms * 1000);
    }
    progress_clear(&progress); /* there is no bar to take away */
    rewind(out);
    assert_non_null(fgets(line, sizeof line, out));
    assert_string_equal(line, "export: 2000 rows, 1000/s\n");
    assert_non_null(fgets(line, sizeof line, out));
    assert_string_equal(line, "export: 4000 rows, 1000/s\n");
    assert_null(fgets(line, sizeof line, out));
    fclose(out);
}

static void test_nothing_is_shown_to_nobody(NO_STATE)
{
    struct progress progress;
    progress_begin(&progress, NULL, "export", "rows", 0);
    progress_update(&progress, 1, 0, 0, 10000000);
    progress_clear(&progress);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_shown),
        cmocka_unit_test(test_a_line_every_two_seconds),
        cmocka_unit_test(test_nothing_is_shown_to_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
