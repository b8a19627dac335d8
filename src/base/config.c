/* How the configuration is read: what config_options says. */
#include "rsvpd/base/config.h"
#include "rsvpd/base/cidr.h"
#include "rsvpd/base/origin_list.h"

#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUOTED_SIZE_BYTES = 64 };

static char **string_at(struct config *config, const struct config_option *option)
{
    return (char **)(void *)((char *)config + option->offset);
}

static char **file_at(struct config *config, const struct config_option *option)
{
    return (char **)(void *)((char *)config + option->file_offset);
}

static int64_t *integer_at(struct config *config, const struct config_option *option)
{
    return (int64_t *)(void *)((char *)config + option->offset);
}

static bool holds_string(const struct config_option *option)
{
    return option->type == OPTION_STRING || option->type == OPTION_ADDRESS;
}

static bool fail(struct config_error *error, const char *name, const char *problem)
{
    snprintf(error->line, sizeof error->line, "%s: %s", name, problem);
    return false;
}

/* Writes the value as messages begin with it. One of a file is hidden like a secret: it may be one
 * that got into the wrong file. */
static void quote(const char *text, bool hidden, char out[QUOTED_SIZE_BYTES])
{
    out[0] = '\0';
    if (!hidden) {
        snprintf(out, QUOTED_SIZE_BYTES, "'%.60s' ", text);
    }
}

static bool set_integer(struct config *config, const struct config_option *option, const char *text,
                        bool hidden, struct config_error *error)
{
    int64_t value;
    if (slice_number(slice_of(text), 18, &value) && value >= option->min && value <= option->max) {
        *integer_at(config, option) = value;
        return true;
    }
    char quoted[QUOTED_SIZE_BYTES];
    quote(text, hidden, quoted);
    snprintf(error->line, sizeof error->line, "%s: %sis not a whole number from %lld to %lld",
             option->name, quoted, (long long)option->min, (long long)option->max);
    return false;
}

static bool set_choice(struct config *config, const struct config_option *option, const char *text,
                       bool hidden, struct config_error *error)
{
    const char *word = option->choices;
    size_t wanted = strlen(text);
    for (int64_t place = 0; wanted > 0 && *word != '\0'; place++) {
        size_t size = strcspn(word, " ");
        if (size == wanted && memcmp(word, text, size) == 0) {
            *integer_at(config, option) = place;
            return true;
        }
        word += size + (word[size] == ' ');
    }
    char quoted[QUOTED_SIZE_BYTES];
    quote(text, hidden, quoted);
    snprintf(error->line, sizeof error->line, "%s: %sis not one of: %s", option->name, quoted,
             option->choices);
    return false;
}

static bool set_string(struct config *config, const struct config_option *option, const char *text,
                       bool hidden, struct config_error *error)
{
    struct in6_addr scratch;
    char quoted[QUOTED_SIZE_BYTES];
    bool may_have_password = strchr(text, '@') != NULL; /* a URL with a user */
    quote(text, hidden || may_have_password, quoted);
    if (option->type == OPTION_ADDRESS && inet_pton(AF_INET, text, &scratch) != 1 &&
        inet_pton(AF_INET6, text, &scratch) != 1) {
        snprintf(error->line, sizeof error->line,
                 "%s: %sis not an IPv4 or IPv6 address such as 127.0.0.1 or ::1", option->name,
                 quoted);
        return false;
    }
    const char *problem = option->check == NULL || *text == '\0' ? NULL : option->check(text);
    if (problem != NULL) {
        snprintf(error->line, sizeof error->line, "%s: %s%s", option->name, quoted, problem);
        return false;
    }
    char **at = string_at(config, option);
    free(*at);
    *at = strdup(text);
    return *at != NULL || fail(error, option->name, "out of memory");
}

static bool set_option(struct config *config, const struct config_option *option, const char *text,
                       bool hidden, struct config_error *error)
{
    switch (option->type) {
    case OPTION_INTEGER:
        return set_integer(config, option, text, hidden, error);
    case OPTION_CHOICE:
        return set_choice(config, option, text, hidden, error);
    case OPTION_STRING:
    case OPTION_ADDRESS:
        return set_string(config, option, text, hidden, error);
    }
    assert(false && "a type that the table does not use");
    return false;
}

static bool set_from_file(struct config *config, const struct config_option *option,
                          const char *path, struct config_error *error)
{
    char value[CONFIG_FILE_VALUE_SIZE_BYTES];
    char **kept = file_at(config, option);
    *kept = strdup(path);
    if (*kept == NULL) {
        return fail(error, option->name, "out of memory");
    }
    return config_file_read(option->name, path, value, error) &&
           set_option(config, option, value, true, error);
}

static bool load_option(struct config *config, const struct config_option *option,
                        config_lookup_fn *lookup, bool lenient, struct config_error *error)
{
    const char *value = lookup(option->name);
    const char *file = NULL;
    char file_name[64];
    if (option->file_offset != 0) {
        snprintf(file_name, sizeof file_name, "%s_FILE", option->name);
        file = lookup(file_name);
    }
    if (value != NULL && *value != '\0' && file != NULL) {
        return fail(error, option->name, "set either it or the variable ending in _FILE, not both");
    }
    if (file != NULL) {
        return set_from_file(config, option, file, error);
    }
    if (value != NULL && !(option->required && *value == '\0')) {
        bool unset_by_empty = *value == '\0' && option->type == OPTION_STRING;
        return unset_by_empty || set_option(config, option, value, option->secret, error);
    }
    if (option->required && !lenient) {
        return fail(error, option->name,
                    "is required and not set; 'rsvpd config' says what it means");
    }
    return true;
}

static int64_t processors(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count > 0 ? count : 1;
}

static bool set_default(struct config *config, const struct config_option *option,
                        struct config_error *error)
{
    const char *value = option->default_value;
    if (holds_string(option)) {
        return set_string(config, option, value, false, error);
    }
    if (*value == '\0') { /* the one default that depends on the machine */
        assert(option->offset == offsetof(struct config, workers));
        int64_t count = processors();
        *integer_at(config, option) = count < option->max ? count : option->max;
        return true;
    }
    return set_option(config, option, value, false, error);
}

/* One line, whatever a value has in it. */
static bool refuse(struct config_error *error)
{
    for (char *c = error->line; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ') {
            *c = '?';
        }
    }
    return false;
}

/* Every worker gets what it needs: by itself where the variable is not set, or else the operator
 * says so. */
static bool check_pending(struct config *config, bool given, struct config_error *error)
{
    int64_t needed = config->workers * CONFIG_PENDING_PER_WORKER_MIN;
    if (config->max_pending >= needed) {
        return true;
    }
    if (!given) {
        config->max_pending = needed;
        return true;
    }
    snprintf(error->line, sizeof error->line,
             "MAX_PENDING: %" PRId64 " is too small for %" PRId64
             " workers (WORKERS): each needs %d, so set it to at least %" PRId64,
             config->max_pending, config->workers, CONFIG_PENDING_PER_WORKER_MIN, needed);
    return false;
}

/* A secret has one algorithm: whoever gives one need not name it. */
static bool choose_algorithms(struct config *config, const char *given, struct config_error *error)
{
    if ((given != NULL && *given != '\0') || *config->auth_jwt_secret == '\0') {
        return true;
    }
    free(config->auth_jwt_algorithms);
    config->auth_jwt_algorithms = strdup("HS256");
    return config->auth_jwt_algorithms != NULL ||
           fail(error, "AUTH_JWT_ALGORITHMS", "out of memory");
}

/* Whether networks and origins are such. */
static bool check_lists(const struct config *config, struct config_error *error)
{
    char network_error[CIDR_ERROR_SIZE_BYTES], origin_error[ORIGIN_LIST_ERROR_SIZE_BYTES];
    struct cidr_list networks;
    struct origin_list origins;
    if (!cidr_list_parse(&networks, config->trusted_proxies, network_error)) {
        return fail(error, "TRUSTED_PROXIES", network_error);
    }
    cidr_list_free(&networks);
    if (!origin_list_parse(&origins, config->cors_origins, origin_error)) {
        return fail(error, "CORS_ORIGINS", origin_error);
    }
    origin_list_free(&origins);
    return true;
}

bool config_load(struct config *config, config_lookup_fn *lookup, bool lenient,
                 struct config_error *error)
{
    *config = (struct config){0};
    for (size_t i = 0; i < config_option_count; i++) {
        struct config_option option = config_options[i];
        if (option.default_value == NULL) {
            option.default_value = "";
        }
        if (!set_default(config, &option, error) ||
            !load_option(config, &option, lookup, lenient, error)) {
            return refuse(error);
        }
    }
    if (!check_pending(config, lookup("MAX_PENDING") != NULL, error) ||
        !choose_algorithms(config, lookup("AUTH_JWT_ALGORITHMS"), error)) {
        return false;
    }
    if (!check_lists(config, error)) {
        return refuse(error);
    }
    if (config->count_local_ttl_ms + config->count_redis_ttl_ms > CONFIG_COUNT_TTL_SUM_MAX_MS) {
        snprintf(
            error->line, sizeof error->line,
            "COUNT_LOCAL_TTL_MS and COUNT_REDIS_TTL_MS: their sum is %" PRId64 ", at most %d keeps "
            "counts inside their bound of 5 s",
            config->count_local_ttl_ms + config->count_redis_ttl_ms, CONFIG_COUNT_TTL_SUM_MAX_MS);
        return false;
    }
    return true;
}

bool config_read_log_level_again(const struct config *config, enum log_level *level,
                                 struct config_error *error)
{
    char value[CONFIG_FILE_VALUE_SIZE_BYTES];
    struct config scratch = {.log_level = config->log_level};
    const struct config_option *option = config_options;
    while (option->offset != offsetof(struct config, log_level)) {
        option++;
    }
    bool read = config->log_level_file == NULL ||
                (config_file_read_again(option->name, config->log_level_file, value, error) &&
                 set_option(&scratch, option, value, true, error));
    *level = (enum log_level)scratch.log_level;
    return read;
}

void config_free(struct config *config)
{
    for (size_t i = 0; i < config_option_count; i++) {
        if (holds_string(&config_options[i])) {
            char **at = string_at(config, &config_options[i]);
            free(*at);
            *at = NULL;
        }
        if (config_options[i].file_offset != 0) {
            char **path = file_at(config, &config_options[i]);
            free(*path);
            *path = NULL;
        }
    }
}
