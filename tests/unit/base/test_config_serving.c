/* What serving asks of a configuration: who can reach it, and keys that tokens can be checked with.
 */
#include "environment.h"
#include "unit.h"

#include "rsvpd/base/config_serving.h"
#include "rsvpd/base/jwk.h"

/* With these on top of a good environment. */
struct serving_case {
    struct environment_variable variables[4];
    const char *names; /* in the line that refuses; NULL: it may */
};

static void expect_cases(const struct serving_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct environment_variable variables[6] = {{"DATABASE_URL", ENVIRONMENT_SECRET}};
        for (size_t j = 0; j < 4 && cases[i].variables[j].name != NULL; j++) {
            variables[j + 1] = cases[i].variables[j];
        }
        struct config config;
        struct config_error error = {""};
        environment_load_well(&config, variables);
        bool may = config_may_serve(&config, &error);
        if (may != (cases[i].names == NULL) ||
            (!may && strstr(error.line, cases[i].names) == NULL)) {
            fail_msg("case %zu: '%s'", i, error.line);
        }
        config_free(&config);
    }
}

/* What serving asks besides: who can reach it must show who they are, unless the operator says so.
 */
static void test_may_serve(NO_STATE)
{
    static const struct serving_case cases[] = {
        {{{"BIND_ADDRESS", "127.0.0.1"}}, NULL},
        {{{"BIND_ADDRESS", "127.8.9.10"}}, NULL},
        {{{"BIND_ADDRESS", "::1"}}, NULL},
        {{{"BIND_ADDRESS", "::ffff:127.0.0.1"}}, NULL},
        {{{"BIND_ADDRESS", "0.0.0.0"}}, "AUTH_ALLOW_INSECURE"},
        {{{"BIND_ADDRESS", "::"}}, "AUTH_MODE"},
        {{{"BIND_ADDRESS", "10.0.0.5"}, {"AUTH_ALLOW_INSECURE", "false"}}, "AUTH_MODE"},
        {{{"BIND_ADDRESS", "::ffff:10.0.0.5"}}, "AUTH_MODE"},
        {{{"BIND_ADDRESS", "128.0.0.1"}}, "AUTH_MODE"},
        {{{"BIND_ADDRESS", "0.0.0.0"}, {"AUTH_ALLOW_INSECURE", "true"}}, NULL},
        {{{"BIND_ADDRESS", "0.0.0.0"}, {"AUTH_MODE", "token"}}, NULL},
        {{{"AUTH_MODE", "token"},
          {"AUTH_JWKS_URL", "https://login.example/jwks"},
          {"AUTH_JWKS_FILE", "/etc/jwks.json"}},
         "AUTH_JWKS_FILE"},
        {{{"AUTH_MODE", "token"},
          {"AUTH_JWT_SECRET", ENVIRONMENT_SECRET_OF_32_BYTES},
          {"AUTH_JWKS_FILE", "/etc/jwks.json"}},
         "AUTH_JWT_SECRET"},
    };
    expect_cases(cases, LENGTH(cases));
}

#define TOKENS                                                                                     \
    {                                                                                              \
        "AUTH_MODE", "token"                                                                       \
    }
#define ALGORITHMS(list)                                                                           \
    {                                                                                              \
        "AUTH_JWT_ALGORITHMS", list                                                                \
    }
#define OF_SECRET                                                                                  \
    {                                                                                              \
        "AUTH_JWT_SECRET", ENVIRONMENT_SECRET_OF_32_BYTES                                          \
    }
#define OF_URL                                                                                     \
    {                                                                                              \
        "AUTH_JWKS_URL", "https://login.example/jwks"                                              \
    }
#define OF_FILE                                                                                    \
    {                                                                                              \
        "AUTH_JWKS_FILE", "/etc/jwks.json"                                                         \
    }

/* Where no token could ever pass, the service does not start. */
static void test_algorithms_must_fit_the_source_of_keys(NO_STATE)
{
    static const struct serving_case cases[] = {
        {{TOKENS, OF_SECRET}, NULL},
        {{TOKENS, OF_SECRET, ALGORITHMS("HS256")}, NULL},
        {{TOKENS, OF_SECRET, ALGORITHMS("RS256,HS256")}, NULL},
        {{TOKENS, OF_SECRET, ALGORITHMS("RS256")}, "AUTH_JWT_ALGORITHMS"},
        {{TOKENS, OF_SECRET, ALGORITHMS("RS256,PS256,ES256,EdDSA")}, "add HS256"},
        {{TOKENS, OF_URL}, NULL},
        {{TOKENS, OF_URL, ALGORITHMS("EdDSA,HS256")}, NULL},
        {{TOKENS, OF_URL, ALGORITHMS("HS256")}, "AUTH_JWT_SECRET"},
        {{TOKENS, OF_FILE}, NULL},
        {{TOKENS, OF_FILE, ALGORITHMS("HS256")}, "AUTH_JWT_ALGORITHMS"},
        {{TOKENS, ALGORITHMS("HS256")}, NULL},    /* API keys alone */
        {{OF_SECRET, ALGORITHMS("RS256")}, NULL}, /* nobody looks at tokens */
    };
    expect_cases(cases, LENGTH(cases));
}

static void expect_without_keys(const struct environment_variable *variables, unsigned expected)
{
    struct config config;
    environment_load_well(&config, variables);
    assert_int_equal(config_token_algorithms_without_keys(&config), expected);
    config_free(&config);
}

static void test_algorithms_without_keys(NO_STATE)
{
    static const struct environment_variable database = {"DATABASE_URL", ENVIRONMENT_SECRET};
    expect_without_keys((struct environment_variable[]){database, OF_SECRET, {NULL, NULL}}, 0);
    expect_without_keys((struct environment_variable[]){database, OF_URL, {NULL, NULL}}, 0);
    expect_without_keys(
        (struct environment_variable[]){
            database, OF_SECRET, ALGORITHMS("HS256,ES256,RS256"), {NULL, NULL}},
        1u << JWT_ES256 | 1u << JWT_RS256);
    expect_without_keys(
        (struct environment_variable[]){database, OF_FILE, ALGORITHMS("HS256,ES256"), {NULL, NULL}},
        1u << JWT_HS256);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_may_serve),
        cmocka_unit_test(test_algorithms_must_fit_the_source_of_keys),
        cmocka_unit_test(test_algorithms_without_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
