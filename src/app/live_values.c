/* Values of the configuration that may change, and whom a change is handed to. */
#include "rsvpd/app/live_values.h"
#include "rsvpd/base/jwk.h"
#include "rsvpd/store/pg_connect.h"
#include "rsvpd/store/redis_url.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static bool redis_url_valid(const char *value)
{
    struct redis_url ignored;
    const char *problem;
    return redis_url_parse(value, &ignored, &problem);
}

static bool jwt_secret_valid(const char *value)
{
    return strlen(value) >= JWK_SECRET_SIZE_MIN_BYTES;
}

/* As RATE_LIMIT_USER and the others have them. */
static const char *const limit_names[RATE_KIND_COUNT] = {[RATE_USER] = "RATE_LIMIT_USER",
                                                         [RATE_KEY] = "RATE_LIMIT_KEY",
                                                         [RATE_ADDRESS] = "RATE_LIMIT_ADDRESS"};

static bool init_limits(struct live_values *values, const struct config *config)
{
    const char *const texts[RATE_KIND_COUNT] = {[RATE_USER] = config->rate_limit_user,
                                                [RATE_KEY] = config->rate_limit_key,
                                                [RATE_ADDRESS] = config->rate_limit_address};
    const char *const files[RATE_KIND_COUNT] = {[RATE_USER] = config->rate_limit_user_file,
                                                [RATE_KEY] = config->rate_limit_key_file,
                                                [RATE_ADDRESS] = config->rate_limit_address_file};
    bool made = true;
    for (size_t i = 0; i < RATE_KIND_COUNT; i++) {
        struct live_limit *limit = &values->limits[i];
        limit->kind = (enum rate_kind)i;
        limit->value = secret_create(limit_names[i], files[i], texts[i], rates_value_valid);
        made = made && limit->value != NULL;
    }
    return made;
}

bool live_values_init(struct live_values *values, const struct config *config)
{
    assert(config->database_url != NULL && config->redis_url != NULL);
    *values = (struct live_values){
        .database_url = secret_create("DATABASE_URL", config->database_url_file,
                                      config->database_url, pg_url_parses),
        .database_read_url = secret_create("DATABASE_READ_URL", config->database_read_url_file,
                                           config->database_read_url, pg_url_parses),
        .redis_url =
            secret_create("REDIS_URL", config->redis_url_file, config->redis_url, redis_url_valid),
        .jwt_secret = secret_create("AUTH_JWT_SECRET", config->auth_jwt_secret_file,
                                    config->auth_jwt_secret, jwt_secret_valid),
    };
    bool made = init_limits(values, config);
    if (!made || values->database_url == NULL || values->database_read_url == NULL ||
        values->redis_url == NULL || values->jwt_secret == NULL) {
        live_values_free(values);
        return false;
    }
    return true;
}

void live_values_free(struct live_values *values)
{
    secret_destroy(&values->database_url);
    secret_destroy(&values->database_read_url);
    secret_destroy(&values->redis_url);
    secret_destroy(&values->jwt_secret);
    for (size_t i = 0; i < RATE_KIND_COUNT; i++) {
        secret_destroy(&values->limits[i].value);
    }
}

static enum secret_change read_jwt_secret(void *values_)
{
    struct live_values *values = values_;
    enum secret_change change = secret_reload(values->jwt_secret);
    if (change == SECRET_CHANGED) {
        char *value = secret_now(values->jwt_secret);
        change = value == NULL ? SECRET_FAILED : jwks_replace_secret(values->token_keys, value);
        free(value);
    }
    return change;
}

static enum secret_change read_jwks(void *token_keys)
{
    return jwks_read_file(token_keys);
}

static enum secret_change read_limit(void *limit_)
{
    struct live_limit *limit = limit_;
    enum secret_change change = secret_reload(limit->value);
    if (change == SECRET_CHANGED) {
        char *value = secret_now(limit->value);
        if (value != NULL) {
            rates_replace(limit->rates, limit->kind, value);
        } else {
            change = SECRET_FAILED;
        }
        free(value);
    }
    return change;
}

static_assert(5 + (int)RATE_KIND_COUNT <= (int)RELOAD_PARTS_MAX, "there is a part for each value");

void live_values_register(struct live_values *values, struct reload *reload, struct rates *rates,
                          struct jwks *token_keys)
{
    reload_add_secret(reload, "DATABASE_URL", values->database_url);
    reload_add_secret(reload, "DATABASE_READ_URL", values->database_read_url);
    reload_add_secret(reload, "REDIS_URL", values->redis_url);
    values->token_keys = token_keys;
    if (token_keys != NULL) {
        reload_add(reload, "AUTH_JWT_SECRET", read_jwt_secret, values);
        reload_add(reload, "AUTH_JWKS_FILE", read_jwks, token_keys);
    }
    for (size_t i = 0; i < RATE_KIND_COUNT; i++) {
        values->limits[i].rates = rates;
        reload_add(reload, limit_names[i], read_limit, &values->limits[i]);
    }
}
