/* The configuration: defaults, every way to get a variable wrong, secrets. */
#include "environment.h"
#include "unit.h"

#include "rsvpd/base/config.h"
#include "rsvpd/base/trace.h"

#include <stdio.h>

static void test_defaults(NO_STATE)
{
    struct config config;
    environment_load_well(&config, (struct environment_variable[]){
                                       {"DATABASE_URL", ENVIRONMENT_SECRET}, {NULL, NULL}});
    assert_string_equal(config.database_url, ENVIRONMENT_SECRET);
    assert_string_equal(config.redis_url, "");
    assert_string_equal(config.bind_address, "127.0.0.1");
    assert_string_equal(config.admin_bind_address, "127.0.0.1");
    assert_int_equal(config.port, 8080);
    assert_int_equal(config.admin_port, 9090);
    assert_true(config.workers >= 1 && config.workers <= 256);
    assert_int_equal(config.request_deadline_ms, 2000);
    assert_int_equal(config.max_connections, 10000);
    assert_int_equal(config.max_connections_per_address, 0);
    assert_int_equal(config.max_pending, 20000);
    assert_int_equal(config.pg_write_connections, 2);
    assert_int_equal(config.pg_read_connections, 2);
    assert_int_equal(config.count_local_ttl_ms, 1000);
    assert_int_equal(config.count_redis_ttl_ms, 2500);
    assert_int_equal(config.shutdown_drain_ms, 5000);
    assert_int_equal(config.log_level, LOG_INFO);
    assert_int_equal(config.log_format, LOG_FORMAT_JSON);
    assert_int_equal(config.access_log_every, 1);
    config_free(&config);
}

static void test_everything_set(NO_STATE)
{
    static const struct environment_variable variables[] = {
        {"DATABASE_URL", ENVIRONMENT_SECRET},
        {"REDIS_URL", "unix:///run/r"},
        {"PORT", "1"},
        {"BIND_ADDRESS", "0.0.0.0"},
        {"ADMIN_PORT", "65535"},
        {"ADMIN_BIND_ADDRESS", "::1"},
        {"WORKERS", "256"},
        {"REQUEST_DEADLINE_MS", "50"},
        {"MAX_CONNECTIONS", "1000000"},
        {"MAX_CONNECTIONS_PER_ADDRESS", "7"},
        {"MAX_PENDING", "51712"},
        {"PG_WRITE_CONNECTIONS", "16"},
        {"PG_READ_CONNECTIONS", "3"},
        {"COUNT_LOCAL_TTL_MS", "0"},
        {"COUNT_REDIS_TTL_MS", "3500"},
        {"SHUTDOWN_DRAIN_MS", "600000"},
        {"LOG_LEVEL", "error"},
        {"LOG_FORMAT", "text"},
        {"ACCESS_LOG_EVERY", "0"},
        {"AUTH_MODE", "token"},
        {"AUTH_ALLOW_INSECURE", "true"},
        {"AUTH_JWT_ALGORITHMS", "PS256"},
        {"AUTH_JWKS_URL", "https://login.example/jwks"},
        {"AUTH_JWKS_REFRESH_S", "10"},
        {"AUTH_JWT_SECRET", ENVIRONMENT_SECRET_OF_32_BYTES},
        {"AUTH_JWT_ISSUER", "https://login.example/"},
        {"AUTH_JWT_AUDIENCE", "rsvp"},
        {"AUTH_JWT_LEEWAY_S", "300"},
        {"AUTH_OPEN_COUNTS", "false"},
        {"AUTH_OPEN_LISTINGS", "false"},
        {"RATE_LIMIT_USER", "600/60"},
        {"TRUSTED_PROXIES", "10.0.0.0/8"},
        {"CORS_ORIGINS", "https://app.example"},
        {NULL, NULL},
    };
    struct config config;
    environment_load_well(&config, variables);
    assert_int_equal(config.auth_mode, AUTH_MODE_TOKEN);
    assert_int_equal(config.auth_allow_insecure, 1);
    assert_string_equal(config.auth_jwt_algorithms, "PS256");
    assert_string_equal(config.auth_jwks_url, "https://login.example/jwks");
    assert_int_equal(config.auth_jwks_refresh_s, 10);
    assert_string_equal(config.auth_jwt_secret, ENVIRONMENT_SECRET_OF_32_BYTES);
    assert_string_equal(config.auth_jwt_issuer, "https://login.example/");
    assert_string_equal(config.auth_jwt_audience, "rsvp");
    assert_int_equal(config.auth_jwt_leeway_s, 300);
    assert_int_equal(config.auth_open_counts, 0);
    assert_int_equal(config.auth_open_listings, 0);
    assert_string_equal(config.rate_limit_user, "600/60");
    assert_string_equal(config.rate_limit_key, "off");
    assert_string_equal(config.trusted_proxies, "10.0.0.0/8");
    assert_string_equal(config.cors_origins, "https://app.example");
    assert_string_equal(config.redis_url, "unix:///run/r");
    assert_string_equal(config.bind_address, "0.0.0.0");
    assert_string_equal(config.admin_bind_address, "::1");
    assert_int_equal(config.port, 1);
    assert_int_equal(config.admin_port, 65535);
    assert_int_equal(config.workers, 256);
    assert_int_equal(config.request_deadline_ms, 50);
    assert_int_equal(config.max_connections, 1000000);
    assert_int_equal(config.max_connections_per_address, 7);
    assert_int_equal(config.max_pending, 51712);
    assert_int_equal(config.pg_write_connections, 16);
    assert_int_equal(config.pg_read_connections, 3);
    assert_int_equal(config.count_local_ttl_ms, 0);
    assert_int_equal(config.count_redis_ttl_ms, 3500);
    assert_int_equal(config.shutdown_drain_ms, 600000);
    assert_int_equal(config.log_level, LOG_ERROR);
    assert_int_equal(config.log_format, LOG_FORMAT_TEXT);
    assert_int_equal(config.access_log_every, 0);
    config_free(&config);
}

/* A secret alone says which algorithm is meant. */
static void test_algorithms_of_a_secret(NO_STATE)
{
    static const char *const cases[][2] = {
        {NULL, "HS256"}, {"", "HS256"}, {"ES256,HS256", "ES256,HS256"}};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const struct environment_variable variables[] = {
            {"DATABASE_URL", ENVIRONMENT_SECRET},
            {"AUTH_JWT_SECRET", ENVIRONMENT_SECRET_OF_32_BYTES},
            {cases[i][0] == NULL ? NULL : "AUTH_JWT_ALGORITHMS", cases[i][0]},
            {NULL, NULL}};
        struct config config;
        environment_load_well(&config, variables);
        assert_string_equal(config.auth_jwt_algorithms, cases[i][1]);
        config_free(&config);
    }
}

/* A start with this one variable on top of a good environment fails with one line that names it. */
static void expect_refused(const char *name, const char *value)
{
    struct environment_variable variables[] = {
        {name, value}, {"DATABASE_URL", ENVIRONMENT_SECRET}, {NULL, NULL}};
    struct config config;
    struct config_error error;
    if (environment_load(&config, variables, false, &error)) {
        fail_msg("%s='%s' was taken", name, value);
    }
    if (strncmp(error.line, name, strlen(name)) != 0 || strchr(error.line, '\n') != NULL ||
        strstr(error.line, "password") != NULL) {
        fail_msg("%s='%s' is refused with '%s'", name, value, error.line);
    }
    config_free(&config);
}

/* What no whole number, no address and no word is, and each option's own bounds. */
static void test_malformed_lists_are_refused(NO_STATE)
{
    static const char *const no_networks[] = {"10", "10.0.0.0/33", "::1, a.org", "10.1.0.0/8", "*"};
    static const char *const no_origins[] = {"null", "a.org", "https://a.org/", "*, https://a.org"};
    for (size_t i = 0; i < LENGTH(no_networks); i++) {
        expect_refused("TRUSTED_PROXIES", no_networks[i]);
    }
    for (size_t i = 0; i < LENGTH(no_origins); i++) {
        expect_refused("CORS_ORIGINS", no_origins[i]);
    }
}

static void test_every_malformed_value_is_refused(NO_STATE)
{
    static const char *const no_numbers[] = {"",
                                             " ",
                                             "x",
                                             "1x",
                                             "x1",
                                             " 1",
                                             "1 ",
                                             "1\n",
                                             "+1",
                                             "-1",
                                             "1.0",
                                             "1e3",
                                             "0x10",
                                             "1,0",
                                             "99999999999999999999",
                                             "٣",
                                             "9223372036854775808",
                                             "18446744073709551617"};
    static const char *const no_addresses[] = {"",          "localhost",  "1.2.3", "1.2.3.4.5",
                                               "256.1.1.1", "1.2.3.4:80", "[::1]", "::1%lo",
                                               " 1.2.3.4",  "1.2.3.4 ",   "*",     "::g"};
    static const char *const no_words[] = {"",      " ",         "INFO",      "inf",      "infos",
                                           "info ", "info warn", "json text", "jsontext", "1"};
    static const char *const nonsense[] = {" ", "non-sense", "1/2/3", "RS256,", "RS257", "1/0"};
    for (size_t i = 0; i < config_option_count; i++) {
        const struct config_option *option = &config_options[i];
        char below[32], above[32];
        snprintf(below, sizeof below, "%lld", (long long)option->min - 1);
        snprintf(above, sizeof above, "%lld", (long long)option->max + 1);
        for (size_t j = 0; option->type == OPTION_INTEGER && j < LENGTH(no_numbers); j++) {
            expect_refused(option->name, no_numbers[j]);
        }
        for (size_t j = 0; option->type == OPTION_ADDRESS && j < LENGTH(no_addresses); j++) {
            expect_refused(option->name, no_addresses[j]);
        }
        for (size_t j = 0; option->type == OPTION_CHOICE && j < LENGTH(no_words); j++) {
            expect_refused(option->name, no_words[j]);
        }
        /* Anything may be a name. */
        bool checked = option->check != NULL && strcmp(option->name, "OTEL_SERVICE_NAME") != 0;
        for (size_t j = 0; checked && j < LENGTH(nonsense); j++) {
            expect_refused(option->name, nonsense[j]);
        }
        if (option->type == OPTION_INTEGER) {
            expect_refused(option->name, below);
            expect_refused(option->name, above);
        }
    }
}

static void test_the_lifetimes_of_counts_have_a_bound_together(NO_STATE)
{
    static const struct {
        const char *local, *redis;
        bool good;
    } cases[] = {
        {"1000", "2500", true},  {"0", "3500", true},  {"3499", "1", true},
        {"1001", "2500", false}, {"3500", "1", false}, {"2500", "2500", false},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct environment_variable variables[] = {{"DATABASE_URL", ENVIRONMENT_SECRET},
                                                   {"COUNT_LOCAL_TTL_MS", cases[i].local},
                                                   {"COUNT_REDIS_TTL_MS", cases[i].redis},
                                                   {NULL, NULL}};
        struct config config;
        struct config_error error;
        assert_int_equal(environment_load(&config, variables, false, &error), cases[i].good);
        if (!cases[i].good) {
            assert_non_null(strstr(error.line, "COUNT_LOCAL_TTL_MS"));
            assert_non_null(strstr(error.line, "COUNT_REDIS_TTL_MS"));
        }
        config_free(&config);
    }
}

/* With less, a worker could never answer a request for a hundred counts. */
static void test_each_worker_may_have_enough_waiting(NO_STATE)
{
    static const struct {
        const char *workers, *pending; /* NULL: not set */
        bool good;
        int64_t in_force;
    } cases[] = {
        {"1", "202", true, 202},   {"2", "404", true, 404},    {"256", "51712", true, 51712},
        {"2", "202", false, 0},    {"2", "403", false, 0},     {"256", "20000", false, 0},
        {"99", NULL, true, 20000}, {"256", NULL, true, 51712},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct environment_variable variables[] = {{"DATABASE_URL", ENVIRONMENT_SECRET},
                                                   {"WORKERS", cases[i].workers},
                                                   {"MAX_PENDING", cases[i].pending},
                                                   {NULL, NULL}};
        if (cases[i].pending == NULL) {
            variables[2].name = NULL;
        }
        struct config config;
        struct config_error error;
        assert_int_equal(environment_load(&config, variables, false, &error), cases[i].good);
        if (cases[i].good) {
            assert_int_equal(config.max_pending, cases[i].in_force);
        } else {
            assert_non_null(strstr(error.line, "MAX_PENDING"));
            assert_non_null(strstr(error.line, "WORKERS"));
        }
        config_free(&config);
    }
}

static void test_what_is_required(NO_STATE)
{
    static const struct environment_variable none[] = {{NULL, NULL}};
    static const struct environment_variable empty[] = {{"DATABASE_URL", ""}, {NULL, NULL}};
    static const struct environment_variable *const environments[] = {none, empty};
    for (size_t i = 0; i < LENGTH(environments); i++) {
        struct config config;
        struct config_error error;
        assert_false(environment_load(&config, environments[i], false, &error));
        assert_non_null(strstr(error.line, "DATABASE_URL"));
        config_free(&config);
        assert_true(environment_load(&config, environments[i], true, &error));
        assert_string_equal(config.database_url, "");
        assert_int_equal(config.port, 8080);
        config_free(&config);
        assert_null(config.database_url);
    }
}

static void test_lenient_is_not_blind(NO_STATE)
{
    struct config config;
    struct config_error error;
    assert_false(environment_load(
        &config, (struct environment_variable[]){{"PORT", "x"}, {NULL, NULL}}, true, &error));
    config_free(&config);
}

static void test_a_redis_url_that_is_empty_is_none(NO_STATE)
{
    struct config config;
    environment_load_well(
        &config, (struct environment_variable[]){
                     {"DATABASE_URL", ENVIRONMENT_SECRET}, {"REDIS_URL", ""}, {NULL, NULL}});
    assert_string_equal(config.redis_url, "");
    config_free(&config);
}

static void test_only_secrets_are_read_from_files(NO_STATE)
{
    struct config config;
    environment_load_well(&config,
                          (struct environment_variable[]){{"DATABASE_URL", ENVIRONMENT_SECRET},
                                                          {"PORT_FILE", "/nonexistent"},
                                                          {NULL, NULL}});
    assert_int_equal(config.port, 8080);
    config_free(&config);
}

/* The table itself: names are unique, bounds hold the default, words are there where wanted. */
static void test_the_table_is_consistent(NO_STATE)
{
    for (size_t i = 0; i < config_option_count; i++) {
        const struct config_option *option = &config_options[i];
        assert_true(option->name[strspn(option->name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_")] == '\0');
        assert_true(strlen(option->help) > 0);
        assert_null(strchr(option->help, '|'));
        assert_int_equal(option->type == OPTION_CHOICE, option->choices != NULL);
        assert_true(option->min <= option->max);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(option->name, config_options[j].name);
            assert_int_not_equal(option->offset, config_options[j].offset);
        }
        if (!option->required && option->default_value == NULL) {
            assert_non_null(option->default_shown);
        }
    }
}

static void test_variables_of_the_relay(NO_STATE)
{
    static const char *const wrong[][2] = {
        {"RELAY_TARGET", "example.org"},
        {"RELAY_TARGET", "https://user:password@example.org/"},
        {"RELAY_SECRET", "secret"},
        {"RELAY_SLOT", "Upper"},
        {"RELAY_SLOT", "a234567890123456789012345678901234567890123456789012345678901234"},
    };
    struct config config;
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        expect_refused(wrong[i][0], wrong[i][1]);
    }
    environment_load_well(
        &config, (struct environment_variable[]){{"DATABASE_URL", ENVIRONMENT_SECRET},
                                                 {"RELAY_TARGET", "https://example.org/changes"},
                                                 {"RELAY_SLOT", "rsvpd_2"},
                                                 {NULL, NULL}});
    assert_string_equal(config.relay_target, "https://example.org/changes");
    assert_string_equal(config.relay_slot, "rsvpd_2");
    assert_string_equal(config.relay_secret, "");
    assert_string_equal(config.relay_types, "");
    assert_int_equal(config.relay_batch_max, 100);
    config_free(&config);
}

static void test_collectors_of_traces(NO_STATE)
{
    static char too_long[TRACE_ATTRIBUTES_SIZE_MAX_BYTES + 2] = "a=";
    static const char *const wrong[][2] = {
        {"OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://collector:4317"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://"},
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://user:password@collector/v1/traces"},
        {"OTEL_EXPORTER_OTLP_HEADERS", "Authorization"},
        {"OTEL_EXPORTER_OTLP_HEADERS", "a=b%0D%0Ac: d"},
        {"OTEL_EXPORTER_OTLP_HEADERS", "a b=c"},
        {"OTEL_EXPORTER_OTLP_HEADERS", "a\r\nb=c"},
        {"OTEL_EXPORTER_OTLP_HEADERS", "a:b=c"},
        {"OTEL_RESOURCE_ATTRIBUTES", "a=%zz"},
        {"OTEL_RESOURCE_ATTRIBUTES", too_long},
        {"OTEL_SERVICE_NAME", too_long},
        {"TRACE_SAMPLE", "1.1"},
    };
    struct config config;
    for (size_t i = 2; i < sizeof too_long - 1; i++) {
        too_long[i] = ",b="[i % 3]; /* pairs, none of which is too long */
    }
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        expect_refused(wrong[i][0], wrong[i][1]);
    }
    environment_load_well(&config, (struct environment_variable[]){
                                       {"DATABASE_URL", ENVIRONMENT_SECRET},
                                       {"OTEL_EXPORTER_OTLP_ENDPOINT", "https://[::1]:4318/otlp"},
                                       {"OTEL_EXPORTER_OTLP_HEADERS", "a=b,c=d"},
                                       {NULL, NULL}});
    assert_string_equal(config.otel_endpoint, "https://[::1]:4318/otlp");
    assert_string_equal(config.trace_sample, "0.01");
    config_free(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_everything_set),
        cmocka_unit_test(test_every_malformed_value_is_refused),
        cmocka_unit_test(test_malformed_lists_are_refused),
        cmocka_unit_test(test_algorithms_of_a_secret),
        cmocka_unit_test(test_the_lifetimes_of_counts_have_a_bound_together),
        cmocka_unit_test(test_each_worker_may_have_enough_waiting),
        cmocka_unit_test(test_what_is_required),
        cmocka_unit_test(test_lenient_is_not_blind),
        cmocka_unit_test(test_a_redis_url_that_is_empty_is_none),
        cmocka_unit_test(test_only_secrets_are_read_from_files),
        cmocka_unit_test(test_the_table_is_consistent),
        cmocka_unit_test(test_variables_of_the_relay),
        cmocka_unit_test(test_collectors_of_traces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
