/* What the process checks tokens and API keys with. */
#include "rsvpd/app/credentials.h"
#include "rsvpd/domain/api_keys.h"

static void destroy_token_keys(void *keys)
{
    struct jwk_set *set = keys;
    jwk_set_destroy(&set);
}

static void destroy_api_keys(void *keys)
{
    struct api_keys *set = keys;
    api_keys_destroy(&set);
}

static bool takes_tokens(const struct config *config)
{
    return *config->auth_jwks_url != '\0' || *config->auth_jwks_file != '\0' ||
           *config->auth_jwt_secret != '\0';
}

bool credentials_init(struct credentials *credentials, const struct config *config)
{
    *credentials = (struct credentials){
        .api_keys = published_create(destroy_api_keys),
        .token_keys = takes_tokens(config) ? published_create(destroy_token_keys) : NULL,
        .policy = {.issuer = config->auth_jwt_issuer,
                   .audience = config->auth_jwt_audience,
                   .leeway_s = config->auth_jwt_leeway_s},
    };
    bool parsed = jwt_algorithms_parse(slice_of(config->auth_jwt_algorithms),
                                       &credentials->policy.algorithms);
    assert(parsed); /* or the configuration would have been refused */
    (void)parsed;
    return credentials->api_keys != NULL &&
           (credentials->token_keys != NULL || !takes_tokens(config));
}

void credentials_free(struct credentials *credentials)
{
    published_destroy(&credentials->api_keys);
    published_destroy(&credentials->token_keys);
}

bool credentials_are_here(const struct credentials *credentials)
{
    return published_version(credentials->api_keys) > 0 &&
           (credentials->token_keys == NULL || published_version(credentials->token_keys) > 0);
}
