/* Whether what callers show can be checked: only while there are keys to check it with. */
#include "unit.h"

#include "rsvpd/app/credentials.h"
#include "rsvpd/domain/api_keys.h"

static void put_in_force(struct published *published, void *value)
{
    assert_non_null(value);
    assert_true(published_replace(published, value));
}

static struct api_keys *some_api_keys(void)
{
    return api_keys_create(&(struct api_key){.id = 1, .expires_us = INT64_MAX}, 1);
}

static struct jwk_set *some_token_keys(void)
{
    char error[JWK_ERROR_SIZE_BYTES];
    return jwk_set_of_secret(slice_of("a secret that is long enough for HS256"), error);
}

/* As a configuration that names a secret, or none. */
static struct credentials credentials_with(char *secret)
{
    static char none[] = "", algorithms[] = "HS256";
    struct config config = {.auth_jwt_algorithms = algorithms,
                            .auth_jwks_url = none,
                            .auth_jwks_file = none,
                            .auth_jwt_secret = secret};
    struct credentials credentials;
    assert_true(credentials_init(&credentials, &config));
    return credentials;
}

static void both_kinds_of_keys_must_be_in_force(NO_STATE)
{
    char secret[] = "s";
    struct credentials credentials = credentials_with(secret);
    assert_false(credentials_are_here(&credentials));
    put_in_force(credentials.api_keys, some_api_keys());
    assert_false(credentials_are_here(&credentials));
    put_in_force(credentials.token_keys, some_token_keys());
    assert_true(credentials_are_here(&credentials));
    credentials_free(&credentials);
}

static void without_tokens_api_keys_are_enough(NO_STATE)
{
    char none[] = "";
    struct credentials credentials = credentials_with(none);
    assert_false(credentials_are_here(&credentials));
    put_in_force(credentials.api_keys, some_api_keys());
    assert_true(credentials_are_here(&credentials));
    credentials_free(&credentials);
}

static void keys_that_went_out_of_force_are_missed(NO_STATE)
{
    char secret[] = "s";
    struct credentials credentials = credentials_with(secret);
    put_in_force(credentials.api_keys, some_api_keys());
    put_in_force(credentials.token_keys, some_token_keys());
    assert_true(published_replace(credentials.api_keys, NULL));
    assert_false(credentials_are_here(&credentials));
    put_in_force(credentials.api_keys, some_api_keys());
    assert_true(credentials_are_here(&credentials));
    credentials_free(&credentials);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_kinds_of_keys_must_be_in_force),
        cmocka_unit_test(without_tokens_api_keys_are_enough),
        cmocka_unit_test(keys_that_went_out_of_force_are_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
