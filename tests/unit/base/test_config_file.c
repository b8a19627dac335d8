/* What files say of the configuration. */
#include "environment.h"
#include "unit.h"

#include "rsvpd/base/config.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PATH_SIZE_BYTES = 64 };

/* A file in memory of these bytes; it goes when the descriptor is closed. */
static int make_file(const char *bytes, size_t size, char path[PATH_SIZE_BYTES])
{
    int fd = memfd_create("secret", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    snprintf(path, PATH_SIZE_BYTES, "/proc/self/fd/%d", fd);
    return fd;
}

/* However good both are. */
static void test_a_secret_is_named_once(NO_STATE)
{
    static const char *const secrets[] = {"DATABASE_URL", "REDIS_URL"};
    char path[PATH_SIZE_BYTES];
    int fd = make_file(ENVIRONMENT_SECRET, strlen(ENVIRONMENT_SECRET), path);
    for (size_t i = 0; i < LENGTH(secrets); i++) {
        char file_name[64];
        snprintf(file_name, sizeof file_name, "%s_FILE", secrets[i]);
        struct environment_variable variables[] = {{secrets[i], ENVIRONMENT_SECRET},
                                                   {file_name, path},
                                                   {"DATABASE_URL", ENVIRONMENT_SECRET},
                                                   {NULL, NULL}};
        struct config config;
        struct config_error error;
        assert_false(environment_load(&config, variables, false, &error));
        assert_non_null(strstr(error.line, secrets[i]));
        assert_non_null(strstr(error.line, "_FILE"));
        assert_null(strstr(error.line, "open-sesame"));
        config_free(&config);
    }
    close(fd);
}

/* Loads with DATABASE_URL_FILE naming a file, in memory, of these bytes. */
static bool load_from_file(struct config *config, const char *bytes, size_t size,
                           struct config_error *error)
{
    char path[PATH_SIZE_BYTES];
    int fd = make_file(bytes, size, path);
    bool loaded = environment_load(
        config, (struct environment_variable[]){{"DATABASE_URL_FILE", path}, {NULL, NULL}}, false,
        error);
    close(fd);
    return loaded;
}

static void test_a_secret_from_a_file(NO_STATE)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *value; /* NULL: refused */
    } cases[] = {
#define CASE(bytes, value) {bytes, sizeof(bytes) - 1, value}
        CASE(ENVIRONMENT_SECRET, ENVIRONMENT_SECRET),
        CASE(ENVIRONMENT_SECRET "\n", ENVIRONMENT_SECRET),
        CASE(ENVIRONMENT_SECRET "\r\n\n", ENVIRONMENT_SECRET),
        CASE(" " ENVIRONMENT_SECRET " \n", " " ENVIRONMENT_SECRET " "),
        CASE("", NULL),
        CASE("\n\r\n", NULL),
        CASE(ENVIRONMENT_SECRET "\0x", NULL),
#undef CASE
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct config config;
        struct config_error error;
        bool loaded = load_from_file(&config, cases[i].bytes, cases[i].size, &error);
        assert_int_equal(loaded, cases[i].value != NULL);
        if (loaded) {
            assert_string_equal(config.database_url, cases[i].value);
        } else {
            assert_non_null(strstr(error.line, "DATABASE_URL_FILE"));
            assert_null(strstr(error.line, "open-sesame"));
        }
        config_free(&config);
    }
}

/* A secret that got into the wrong file is in no message. */
static void test_a_secret_in_a_wrong_file_is_not_shown(NO_STATE)
{
    static const char secret[] = "open-sesame";
    char path[PATH_SIZE_BYTES], name[64];
    int fd = make_file(secret, sizeof secret - 1, path), refused = 0;
    for (size_t i = 0; i < config_option_count; i++) {
        struct config config;
        struct config_error error = {.line = ""};
        snprintf(name, sizeof name, "%s_FILE", config_options[i].name);
        bool loaded =
            environment_load(&config,
                             (struct environment_variable[]){
                                 {name, path}, {"DATABASE_URL", ENVIRONMENT_SECRET}, {NULL, NULL}},
                             true, &error);
        refused += !loaded;
        assert_null(strstr(error.line, secret));
        config_free(&config);
    }
    assert_true(refused > 4); /* of the log's level and the limits, say */
    struct config config = {.log_level_file = path};
    struct config_error error = {.line = ""};
    enum log_level level;
    assert_false(config_read_log_level_again(&config, &level, &error));
    assert_null(strstr(error.line, secret));
    assert_non_null(strstr(error.line, "is not one of: debug"));
    close(fd);
}

static void test_a_file_has_a_largest_size(NO_STATE)
{
    enum { LARGEST = 8192 };
    static char bytes[LARGEST + 1];
    struct config config;
    struct config_error error;
    memset(bytes, 'x', sizeof bytes);
    assert_true(load_from_file(&config, bytes, LARGEST, &error));
    assert_int_equal(strlen(config.database_url), LARGEST);
    config_free(&config);
    assert_false(load_from_file(&config, bytes, LARGEST + 1, &error));
    config_free(&config);
}

static void test_a_file_that_is_not_there(NO_STATE)
{
    struct config config;
    struct config_error error;
    struct environment_variable variables[] = {{"DATABASE_URL_FILE", "/proc/self/fd/-1"},
                                               {NULL, NULL}};
    assert_false(environment_load(&config, variables, false, &error));
    assert_non_null(strstr(error.line, "DATABASE_URL_FILE"));
    assert_null(strstr(error.line, "/proc/self/fd/-1")); /* it may be the secret itself */
    config_free(&config);
}

/* Somebody might never write into a pipe, and a loop would wait for that. */
static void test_only_a_regular_file_is_read_again(NO_STATE)
{
    char path[PATH_SIZE_BYTES], value[CONFIG_FILE_VALUE_SIZE_BYTES];
    struct config_error error;
    int fd = make_file("value\n", 6, path), ends[2];
    assert_true(config_file_read_again("NAME", path, value, &error));
    assert_string_equal(value, "value");
    close(fd);
    assert_int_equal(pipe(ends), 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
    assert_false(config_file_read_again("NAME", path, value, &error));
    assert_string_equal(error.line, "NAME: the file that it came from is no regular one");
    close(ends[0]);
    close(ends[1]);
}

static void test_the_level_of_the_log_is_read_again(NO_STATE)
{
    char path[PATH_SIZE_BYTES];
    struct config config = {.log_level = LOG_WARN};
    struct config_error error;
    enum log_level level;
    assert_true(config_read_log_level_again(&config, &level, &error));
    assert_int_equal(level, LOG_WARN);
    int fd = make_file("debug\n", 6, path);
    config.log_level_file = path;
    assert_true(config_read_log_level_again(&config, &level, &error));
    assert_int_equal(level, LOG_DEBUG);
    close(fd);
    assert_false(config_read_log_level_again(&config, &level, &error));
    assert_int_equal(level, LOG_WARN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_secret_is_named_once),
        cmocka_unit_test(test_a_secret_from_a_file),
        cmocka_unit_test(test_a_secret_in_a_wrong_file_is_not_shown),
        cmocka_unit_test(test_a_file_has_a_largest_size),
        cmocka_unit_test(test_a_file_that_is_not_there),
        cmocka_unit_test(test_only_a_regular_file_is_read_again),
        cmocka_unit_test(test_the_level_of_the_log_is_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
