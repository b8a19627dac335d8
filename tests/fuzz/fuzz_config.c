/* The environment, as lines of NAME=VALUE: what was read, printed and read again is the same
 * configuration, and shows no secret; what is refused is refused in one line that names a variable.
 * A variable ending in _FILE holds the content of its file, unless it is an option of that name. */
#include "fuzz.h"

#include "rsvpd/base/config.h"
#include "rsvpd/base/config_print.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { VARIABLES_MAX = 256, PATH_SIZE_BYTES = 32 };

static struct variable {
    char *name, *value;
    int fd; /* of the file that it names, or -1 */
} variables[VARIABLES_MAX];
static size_t variable_count;

static const char *look_up(const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < variable_count && value == NULL; i++) {
        value = strcmp(variables[i].name, name) == 0 ? variables[i].value : NULL;
    }
    return value;
}

static bool ends_with(const char *text, const char *end)
{
    return strlen(text) >= strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

/* Puts the value into a file and the file's path in its place. */
static void move_into_file(struct variable *variable, struct slice content)
{
    char path[PATH_SIZE_BYTES];
    variable->fd = memfd_create("value", MFD_CLOEXEC);
    ssize_t written = write(variable->fd, content.data, content.size);
    assert(written == (ssize_t)content.size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", variable->fd);
    free(variable->value);
    variable->value = strdup(path);
}

static bool is_option(const char *name)
{
    bool is = false;
    for (size_t i = 0; i < config_option_count; i++) {
        is = is || strcmp(config_options[i].name, name) == 0;
    }
    return is;
}

static void set_variables(struct slice lines)
{
    for (variable_count = 0; lines.size > 0 && variable_count < VARIABLES_MAX; variable_count++) {
        struct variable *variable = &variables[variable_count];
        struct slice value = slice_cut(&lines, '\n');
        *variable = (struct variable){.fd = -1};
        variable->name = fuzz_string(slice_cut(&value, '='));
        variable->value = fuzz_string(value);
        if (ends_with(variable->name, "_FILE") && !is_option(variable->name)) {
            move_into_file(variable, value);
        }
    }
}

static void clear_variables(void)
{
    for (size_t i = 0; i < variable_count; i++) {
        free(variables[i].name);
        free(variables[i].value);
        if (variables[i].fd >= 0) {
            close(variables[i].fd);
        }
    }
    variable_count = 0;
}

static void expect_explained(const struct config_error *error)
{
    size_t size = strnlen(error->line, sizeof error->line);
    bool names = false;
    assert(size > 0 && size < sizeof error->line);
    for (size_t i = 0; i < size; i++) {
        assert((unsigned char)error->line[i] >= ' ');
    }
    for (size_t i = 0; i < config_option_count; i++) {
        const char *name = config_options[i].name;
        names = names || strncmp(error->line, name, strlen(name)) == 0;
    }
    assert(names);
}

static char *print(const struct config *config)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert(out != NULL);
    config_print(config, out);
    fclose(out);
    return text;
}

/* A secret that has a least size cannot be the word that stands for it. */
static void lengthen_secrets(void)
{
    for (size_t i = 0; i < variable_count; i++) {
        if (strcmp(variables[i].name, "AUTH_JWT_SECRET") == 0 && *variables[i].value != '\0') {
            free(variables[i].value);
            variables[i].value = strdup("a secret that is as long as it must be");
        }
    }
}

/* What was printed, as the environment of a second start. Secrets are not in it, but a word stands
 * there for each. */
static void expect_read_again(const char *printed)
{
    struct config again;
    struct config_error error;
    clear_variables();
    set_variables(slice_of(printed));
    lengthen_secrets();
    bool good = config_load(&again, look_up, false, &error);
    assert(good);
    char *second = print(&again);
    assert(strcmp(printed, second) == 0);
    free(second);
    config_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config config;
    struct config_error error;
    set_variables(fuzz_input(data, size));
    if (config_load(&config, look_up, false, &error)) {
        char *printed = print(&config);
        assert(strstr(printed, "DATABASE_URL=<redacted>\n") != NULL);
        assert(config.count_local_ttl_ms + config.count_redis_ttl_ms <= 3500);
        expect_read_again(printed);
        free(printed);
    } else {
        expect_explained(&error);
    }
    config_free(&config);
    clear_variables();
    return 0;
}
