/* What the system says of this process: the formats of proc(5), and this very process. */
#include "unit.h"

#include "rsvpd/base/process_usage.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define BEFORE_START " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 0 "

static void test_stat(NO_STATE)
{
    static const char *const names[] = {"rsvpd", "", "a b", ") S 1 (", "\n"};
    for (size_t i = 0; i < LENGTH(names); i++) {
        char stat[256];
        uint64_t ticks, pages;
        snprintf(stat, sizeof stat, "77 (%s)" BEFORE_START "123456 9999 4321 18446744073709551615",
                 names[i]);
        assert_true(process_usage_parse_stat(stat, &ticks, &pages));
        assert_int_equal(ticks, 123456);
        assert_int_equal(pages, 4321);
    }
}

static void test_what_is_no_stat(NO_STATE)
{
    static const char *const texts[] = {"",
                                        "77",
                                        "77 (rsvpd",
                                        "77 (rsvpd)",
                                        "77 (rsvpd)" BEFORE_START,
                                        "77 (rsvpd)" BEFORE_START "123456 9999",
                                        "77 (rsvpd)" BEFORE_START "x 9999 4321"};
    uint64_t ticks, pages;
    for (size_t i = 0; i < LENGTH(texts); i++) {
        assert_false(process_usage_parse_stat(texts[i], &ticks, &pages));
    }
}

static void read_file(const char *path, char *buffer, size_t size)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    buffer[fread(buffer, 1, size - 1, file)] = '\0';
    fclose(file);
}

/* The moment is that of the kernel: its start, which it gives in whole seconds, and the ticks
 * since. */
static void test_boot(NO_STATE)
{
    static char system_stat[256 * 1024], stat[1024];
    struct process_usage usage;
    uint64_t ticks, pages;
    read_file("/proc/stat", system_stat, sizeof system_stat);
    read_file("/proc/self/stat", stat, sizeof stat);
    const char *boot = strstr(system_stat, "\nbtime ");
    assert_non_null(boot);
    assert_true(process_usage_parse_stat(stat, &ticks, &pages));
    assert_true(process_usage_read(&usage));
    double expected_s =
        strtod(boot + strlen("\nbtime "), NULL) + (double)ticks / (double)sysconf(_SC_CLK_TCK);
    assert_true(usage.started_s > expected_s - 2 && usage.started_s < expected_s + 2);
}

static void test_this_process(NO_STATE)
{
    struct process_usage before, after;
    assert_true(process_usage_read(&before));
    assert_true(before.started_s > 0 && before.started_s <= (double)time(NULL) + 1);
    assert_true(before.resident_bytes > 0);
    assert_true(before.open_descriptors > 0);
    assert_true(before.open_descriptors <= before.descriptors_max);
    int fd = open("/", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(process_usage_read(&after));
    close(fd);
    assert_int_equal(after.open_descriptors, before.open_descriptors + 1);
    assert_true(after.started_s == before.started_s);
    assert_true(after.cpu_s >= before.cpu_s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stat),
        cmocka_unit_test(test_what_is_no_stat),
        cmocka_unit_test(test_boot),
        cmocka_unit_test(test_this_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
