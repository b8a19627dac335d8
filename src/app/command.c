/* What the subcommands share. */
#include "rsvpd/app/command.h"
#include "rsvpd/base/clock.h"
#include "rsvpd/base/config_serving.h"
#include "rsvpd/base/log.h"
#include "rsvpd/base/progress.h"
#include "rsvpd/store/jwks.h"
#include "rsvpd/store/pg_migrate.h"
#include "rsvpd/store/redis_tls.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *command_environment(const char *name)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): it is set only before there are threads */
    return getenv(name);
}

static int wrong_configuration(const char *line)
{
    fprintf(stderr, "rsvpd: %s\n", line);
    return EXIT_USAGE;
}

int command_failed(const char *what, const char *reason)
{
    fprintf(stderr, "rsvpd: %s: %s\n", what, reason);
    return EXIT_FAILURE;
}

const char *command_shown(const char *argument)
{
    bool may_hold_password =
        strstr(argument, "://") != NULL || strstr(argument, "password=") != NULL;
    return may_hold_password ? "(a URL)" : argument;
}

int command_wrong_usage(const char *command, const char *what, const char *argument)
{
    fprintf(stderr, "rsvpd %s: %s '%s'; see 'rsvpd %s --help'\n", command, what,
            command_shown(argument), command);
    return EXIT_USAGE;
}

int command_unexpected(const char *command, const char *argument)
{
    return command_wrong_usage(command, "unexpected argument", argument);
}

int command_load(struct config *config, struct redis_url *redis_url, bool lenient)
{
    struct config_error error;
    char reason[PG_ERROR_SIZE_BYTES];
    const char *problem = "";
    assert(config != NULL && redis_url != NULL);
    if (!config_load(config, command_environment, lenient, &error)) {
        return wrong_configuration(error.line);
    }
    if (*config->database_url != '\0' && !pg_url_valid(config->database_url, reason)) {
        snprintf(error.line, sizeof error.line, "DATABASE_URL: %.400s", reason);
        return wrong_configuration(error.line);
    }
    if (*config->database_read_url != '\0' && !pg_url_valid(config->database_read_url, reason)) {
        snprintf(error.line, sizeof error.line, "DATABASE_READ_URL: %.400s", reason);
        return wrong_configuration(error.line);
    }
    if (*config->redis_url != '\0' && !redis_url_parse(config->redis_url, redis_url, &problem)) {
        snprintf(error.line, sizeof error.line, "REDIS_URL: %s", problem);
        return wrong_configuration(error.line);
    }
    log_configure((enum log_level)config->log_level, (enum log_format)config->log_format);
    return EXIT_SUCCESS;
}

static const char *admin_environment(const char *name)
{
    bool wanted = strcmp(name, "ADMIN_PORT") == 0 || strcmp(name, "ADMIN_BIND_ADDRESS") == 0;
    return wanted ? command_environment(name) : NULL;
}

int command_load_admin(struct config *config)
{
    struct config_error error;
    bool loaded = config_load(config, admin_environment, true, &error);
    return loaded ? EXIT_SUCCESS : wrong_configuration(error.line);
}

/* Whether the files of TLS are such, where REDIS_URL asks for it. */
static bool redis_tls_valid(const struct config *config, const struct redis_url *redis_url,
                            const char **reason)
{
    const struct redis_tls_files files = {.ca = config->redis_tls_ca_file,
                                          .certificate = config->redis_tls_cert_file,
                                          .key = config->redis_tls_key_file};
    if (*config->redis_url == '\0' || !redis_url->tls) {
        return true;
    }
    struct redis_tls_context *context = redis_tls_context_create(&files, reason);
    bool valid = context != NULL;
    redis_tls_context_destroy(&context);
    return valid;
}

int command_load_to_serve(struct config *config, struct redis_url *redis_url)
{
    struct config_error error;
    char reason[JWKS_ERROR_SIZE_BYTES];
    const char *tls_reason;
    int status = command_load(config, redis_url, false);
    if (status == EXIT_SUCCESS && !config_may_serve(config, &error)) {
        return wrong_configuration(error.line);
    }
    if (status == EXIT_SUCCESS && config->auth_mode == AUTH_MODE_TOKEN &&
        !jwks_source_valid(config->auth_jwks_url, config->auth_jwks_file,
                           config_token_algorithms(config), reason)) {
        return wrong_configuration(reason);
    }
    if (status == EXIT_SUCCESS && !redis_tls_valid(config, redis_url, &tls_reason)) {
        return wrong_configuration(tls_reason);
    }
    return status;
}

int command_check_schema(const struct config *config)
{
    char reason[PG_ERROR_SIZE_BYTES];
    assert(config->database_url != NULL && *config->database_url != '\0');
    switch (pg_schema_state(config->database_url, reason)) {
    case SCHEMA_CURRENT:
        return EXIT_SUCCESS;
    case SCHEMA_BEHIND:
        return command_failed("the database's schema is not up to date",
                              "run 'rsvpd migrate' first");
    case SCHEMA_UNKNOWN:
        return command_failed("the database's schema is newer than this rsvpd knows",
                              "use the rsvpd that migrated it, or a newer one");
    case SCHEMA_UNUSABLE:
        return command_failed("cannot work on the database of DATABASE_URL", reason);
    case SCHEMA_UNREACHABLE:
        return command_failed("cannot reach the database of DATABASE_URL", reason);
    }
    return EXIT_FAILURE;
}

int command_load_database(struct config *config)
{
    struct redis_url redis_url;
    int status = command_load(config, &redis_url, false);
    return status == EXIT_SUCCESS ? command_check_schema(config) : status;
}

static bool is_option(const char *argument, const struct command_option *option, const char **value)
{
    size_t size = strlen(option->name);
    if (strncmp(argument, option->name, size) != 0) {
        return false;
    }
    *value = argument[size] == '=' ? argument + size + 1 : NULL;
    return argument[size] == '\0' || (*value != NULL && option->value != NULL);
}

int command_read_options(const char *command, int argc, char **argv,
                         const struct command_option *options, size_t count, const char **operand)
{
    for (size_t i = 0; i < count; i++) {
        assert((options[i].value == NULL) != (options[i].given == NULL)); /* one of the two */
    }
    for (int i = 0; i < argc; i++) {
        const struct command_option *option = options;
        const char *value = NULL;
        while (option < options + count && !is_option(argv[i], option, &value)) {
            option++;
        }
        if (option == options + count) {
            bool is_operand = argv[i][0] != '-' || strcmp(argv[i], "-") == 0;
            if (!is_operand || operand == NULL || *operand != NULL) {
                return command_unexpected(command, argv[i]);
            }
            *operand = argv[i];
        } else if (option->value == NULL) {
            *option->given = true;
        } else if (value == NULL && ++i == argc) {
            return command_wrong_usage(command, "no value follows", option->name);
        } else {
            *option->value = value != NULL ? value : argv[i];
        }
    }
    return EXIT_SUCCESS;
}

const char *command_plural(int64_t count, const char *one, const char *others)
{
    assert(one != NULL && others != NULL);
    return count == 1 ? one : others;
}

void command_show_rows(void *progress, int64_t rows)
{
    progress_update(progress, rows, rows, 0, clock_mono_us());
}

int command_finish_output(int status)
{
    assert(status == EXIT_SUCCESS || status == EXIT_FAILURE || status == EXIT_USAGE);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): glibc's strerror is safe since 2.32 */
        return command_failed("cannot write to standard output", strerror(errno));
    }
    return status;
}
