/* What is printed of a configuration, and of what can be configured. */
#include "environment.h"
#include "unit.h"

#include "rsvpd/base/config_print.h"

#include <stdlib.h>

/* What is printed for an environment; to be freed. */
static char *printed(const struct environment_variable *variables)
{
    struct config config;
    struct config_error error;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_true(environment_load(&config, variables, true, &error));
    config_print(&config, out);
    fclose(out);
    config_free(&config);
    return text;
}

static void expect_line(const char *text, const char *line, bool there)
{
    size_t size = strlen(line);
    bool found = false;
    for (const char *at = text; at != NULL && !found; at = strchr(at, '\n')) {
        at += *at == '\n';
        found = strncmp(at, line, size) == 0 && at[size] == '\n';
    }
    if (found != there) {
        fail_msg("'%s' is %sin:\n%s", line, found ? "" : "not ", text);
    }
}

static void test_print_shows_all_but_secrets(NO_STATE)
{
    char *text = printed(
        (struct environment_variable[]){{"DATABASE_URL", ENVIRONMENT_SECRET},
                                        {"REDIS_URL", "redis://:open-sesame@cache"},
                                        {"RELAY_TARGET", "https://hooks.example/open-sesame"},
                                        {"LOG_LEVEL", "warn"},
                                        {"BIND_ADDRESS", "::"},
                                        {"PORT", "81"},
                                        {NULL, NULL}});
    assert_null(strstr(text, "open-sesame"));
    expect_line(text, "DATABASE_URL=<redacted>", true);
    expect_line(text, "REDIS_URL=<redacted>", true);
    expect_line(text, "RELAY_TARGET=https://hooks.example/<redacted>", true);
    expect_line(text, "LOG_LEVEL=warn", true);
    expect_line(text, "LOG_FORMAT=json", true);
    expect_line(text, "BIND_ADDRESS=::", true);
    expect_line(text, "PORT=81", true);
    free(text);
    text = printed((struct environment_variable[]){{NULL, NULL}});
    expect_line(text, "DATABASE_URL=", true);
    expect_line(text, "REDIS_URL=", true);
    expect_line(text, "RELAY_TARGET=-", true);
    for (size_t i = 0; i < config_option_count; i++) {
        assert_non_null(strstr(text, config_options[i].name));
        assert_non_null(strstr(text, config_options[i].help));
    }
    free(text);
}

static void test_markdown(NO_STATE)
{
    char *text = NULL;
    size_t size, lines = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    config_print_markdown(out);
    fclose(out);
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    assert_int_equal(lines, config_option_count + 2);
    expect_line(text, "| variable | default | range | meaning |", true);
    expect_line(text, "| --- | --- | --- | --- |", true);
    expect_line(text, "| `PORT` | 8080 | 1 to 65535 | TCP port of the public API |", true);
    expect_line(text, "| `BIND_ADDRESS` | 127.0.0.1 |  | address of the public API |", true);
    expect_line(text, "| `WORKERS` | number of processors | 1 to 256 | event loops |", true);
    expect_line(text, "| `LOG_FORMAT` | json | json text | json for machines, text for people |",
                true);
    assert_non_null(strstr(text, "| `DATABASE_URL` | required |  | "));
    assert_non_null(strstr(text, "| `REDIS_URL` | none |  | "));
    free(text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_print_shows_all_but_secrets),
        cmocka_unit_test(test_markdown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
