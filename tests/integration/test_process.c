/* What the test programs' own support does as root: it follows nothing that a server's user laid in
 * its way. Where the caller is not root, the same of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process.h"
#include "test.h"

static struct {
    char safe[PROCESS_PATH_SIZE];   /* the caller's, and nobody else's */
    char shared[PROCESS_PATH_SIZE]; /* the server's user's */
    char precious[PROCESS_PATH_SIZE + 32];
    const char *user; /* of servers; NULL: the caller */
} place;

static int make_place(NO_STATE)
{
    place.user = geteuid() == 0 ? "postgres" : NULL;
    process_make_directory(place.safe, NULL);
    process_make_directory(place.shared, place.user);
    snprintf(place.precious, sizeof place.precious, "%s/precious", place.safe);
    process_write_file(place.precious, "precious");
    return 0;
}

static int remove_place(NO_STATE)
{
    if (access(place.shared, F_OK) == 0) {
        process_remove_directory(place.shared);
    }
    process_remove_directory(place.safe);
    return 0;
}

static void expect_precious(void)
{
    char *text = process_read_file(place.precious);
    assert_string_equal(text, "precious");
    free(text);
}

/* Runs something that writes to that file; its status. */
static int write_to(const char *path)
{
    return process_run(&(struct process_spec){
        .argv = (const char *const[]){"/bin/echo", "overwritten", NULL},
        .user = place.user,
        .stdout_path = path,
    });
}

static void a_log_that_is_a_link_is_not_followed(NO_STATE)
{
    char log[PROCESS_PATH_SIZE + 32];
    snprintf(log, sizeof log, "%s/log", place.shared);
    assert_int_equal(symlink(place.precious, log), 0);
    assert_int_equal(write_to(log), 126);
    expect_precious();
}

static void a_log_belongs_to_its_server(NO_STATE)
{
    char log[PROCESS_PATH_SIZE + 32];
    struct stat directory, file;
    snprintf(log, sizeof log, "%s/log", place.shared);
    assert_int_equal(write_to(log), 0);
    assert_int_equal(stat(place.shared, &directory), 0);
    assert_int_equal(stat(log, &file), 0);
    assert_int_equal(file.st_uid, directory.st_uid);
}

static void a_tree_is_removed_without_what_links_name(NO_STATE)
{
    char path[PROCESS_PATH_SIZE + 32];
    snprintf(path, sizeof path, "%s/-deep", place.shared);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/-deep/link", place.shared);
    assert_int_equal(symlink(place.safe, path), 0);
    snprintf(path, sizeof path, "%s/-deep/file", place.shared);
    process_write_file(path, "");
    process_remove_directory(place.shared);
    assert_int_equal(access(place.shared, F_OK), -1);
    expect_precious();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_log_that_is_a_link_is_not_followed, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(a_log_belongs_to_its_server, make_place, remove_place),
        cmocka_unit_test_setup_teardown(a_tree_is_removed_without_what_links_name, make_place,
                                        remove_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
