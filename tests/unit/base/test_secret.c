/* A secret that may be replaced while the process runs. */
#include "unit.h"

#include "rsvpd/base/log.h"
#include "rsvpd/base/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[] = "/tmp/rsvpd-test-secret-XXXXXX";

static bool is_good(const char *value)
{
    return strncmp(value, "good", 4) == 0;
}

static void write_file(const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int make_file(NO_STATE)
{
    int fd = mkstemp(path);
    log_configure(LOG_ERROR, LOG_FORMAT_JSON);
    return fd < 0 || close(fd) != 0;
}

static int remove_file(NO_STATE)
{
    return unlink(path);
}

static void expect_now(struct secret *secret, const char *expected)
{
    char *value = secret_now(secret);
    assert_string_equal(value, expected);
    free(value);
}

static void test_what_came_from_no_file_stays(NO_STATE)
{
    struct secret *secret = secret_create("NAME", NULL, "good", is_good);
    assert_non_null(secret);
    assert_false(secret_is_in_file(secret));
    assert_int_equal(secret_reload(secret), SECRET_SAME);
    expect_now(secret, "good");
    secret_destroy(&secret);
    assert_null(secret);
}

static void test_what_came_from_a_file_is_read_again(NO_STATE)
{
    struct secret *secret = secret_create("NAME", path, "good 1", is_good);
    assert_true(secret_is_in_file(secret));
    write_file("good 1\n");
    assert_int_equal(secret_reload(secret), SECRET_SAME);
    write_file("good 2\r\n");
    assert_int_equal(secret_reload(secret), SECRET_CHANGED);
    assert_int_equal(secret_reload(secret), SECRET_SAME);
    write_file("good 3");
    expect_now(secret, "good 3"); /* with nobody asking for it */
    secret_destroy(&secret);
}

static void test_the_last_good_value_stays(NO_STATE)
{
    static const char *const contents[] = {"", "\n", "bad"};
    struct secret *secret = secret_create("NAME", path, "good", is_good);
    for (size_t i = 0; i < LENGTH(contents); i++) {
        write_file(contents[i]);
        assert_int_equal(secret_reload(secret), SECRET_FAILED);
        expect_now(secret, "good");
    }
    write_file("good again");
    assert_int_equal(secret_reload(secret), SECRET_CHANGED);
    expect_now(secret, "good again");
    secret_destroy(&secret);
    secret = secret_create("NAME", "/nonexistent", "good", is_good);
    assert_int_equal(secret_reload(secret), SECRET_FAILED);
    expect_now(secret, "good");
    secret_destroy(&secret);
}

/* Whose opening would wait for a writer. */
static void test_a_pipe_is_not_last_contended(NO_STATE)
{
    char pipe_path[sizeof path + 8];
    snprintf(pipe_path, sizeof pipe_path, "%s.pipe", path);
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    struct secret *secret = secret_create("NAME", pipe_path, "good", is_good);
    assert_int_equal(secret_reload(secret), SECRET_FAILED);
    expect_now(secret, "good");
    secret_destroy(&secret);
    unlink(pipe_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_came_from_no_file_stays),
        cmocka_unit_test(test_what_came_from_a_file_is_read_again),
        cmocka_unit_test(test_the_last_good_value_stays),
        cmocka_unit_test(test_a_pipe_is_not_last_contended),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
