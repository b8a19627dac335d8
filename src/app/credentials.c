/* What the process checks tokens and API keys with. */
#include "rsvpd/app/credentials.h"
#include "rsvpd/base/clock.h"
#include "rsvpd/base/config_serving.h"
#include "rsvpd/base/log.h"
#include "rsvpd/domain/api_keys.h"

#include <stdlib.h>

static void destroy_api_keys(void *keys)
{
    struct api_keys *set = keys;
    api_keys_destroy(&set);
}

bool credentials_init(struct credentials *credentials, const struct config *config)
{
    bool takes_tokens = config_token_key_sources(config) > 0;
    *credentials = (struct credentials){
        .api_keys = published_create(destroy_api_keys),
        .token_keys = takes_tokens ? published_create(jwks_destroy_set) : NULL,
        .policy = {.algorithms = config_token_algorithms(config),
                   .issuer = config->auth_jwt_issuer,
                   .audience = config->auth_jwt_audience,
                   .leeway_s = config->auth_jwt_leeway_s},
    };
    return credentials->api_keys != NULL && (credentials->token_keys != NULL || !takes_tokens);
}

static bool want(void *source)
{
    return jwks_want(source);
}

static bool coming(void *source)
{
    return jwks_is_coming(source);
}

bool credentials_start(struct credentials *credentials, const struct config *config,
                       uv_loop_t *loop, struct metrics *metrics)
{
    char error[JWKS_ERROR_SIZE_BYTES];
    if (credentials->token_keys == NULL) {
        return true;
    }
    if (config_token_algorithms_without_keys(config) != 0) {
        log_event(LOG_WARN, "some algorithms of tokens can have no key");
    }
    credentials->source = jwks_create(
        &(struct jwks_setup){
            .loop = loop,
            .url = config->auth_jwks_url,
            .file = config->auth_jwks_file,
            .secret = config->auth_jwt_secret,
            .algorithms = credentials->policy.algorithms,
            .refresh_s = config->auth_jwks_refresh_s,
            /* NOLINTNEXTLINE(concurrency-mt-unsafe): nothing sets it while there are threads */
            .ca_file = getenv("SSL_CERT_FILE"),
            .metrics = metrics,
            .keys = credentials->token_keys,
            .random_seed = clock_entropy(),
        },
        error);
    if (credentials->source == NULL) {
        log_event(LOG_ERROR, "cannot get the keys of tokens", LOG_CSTR("reason", error));
        return false;
    }
    credentials->refresh =
        (struct key_refresh){.source = credentials->source, .want = want, .coming = coming};
    return true;
}

void credentials_end(struct credentials *credentials)
{
    if (credentials->source != NULL) {
        jwks_end(credentials->source);
    }
}

void credentials_free(struct credentials *credentials)
{
    jwks_free(&credentials->source);
    published_destroy(&credentials->api_keys);
    published_destroy(&credentials->token_keys);
}

bool credentials_are_here(const struct credentials *credentials)
{
    return published_in_force(credentials->api_keys) &&
           (credentials->token_keys == NULL || published_in_force(credentials->token_keys));
}
