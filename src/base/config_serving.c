/* What only serving asks of a configuration that is sound in itself. */
#include "rsvpd/base/config_serving.h"
#include "rsvpd/base/jwk.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>

static bool fail(struct config_error *error, const char *name, const char *problem)
{
    snprintf(error->line, sizeof error->line, "%s: %s", name, problem);
    return false;
}

static bool is_loopback(const char *address)
{
    struct in6_addr six;
    struct in_addr four;
    if (inet_pton(AF_INET, address, &four) == 1) {
        return ntohl(four.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    return inet_pton(AF_INET6, address, &six) == 1 &&
           (IN6_IS_ADDR_LOOPBACK(&six) ||
            (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == IN_LOOPBACKNET));
}

int config_token_key_sources(const struct config *config)
{
    return (*config->auth_jwks_url != '\0') + (*config->auth_jwks_file != '\0') +
           (*config->auth_jwt_secret != '\0');
}

unsigned config_token_algorithms(const struct config *config)
{
    unsigned algorithms;
    bool parsed = jwt_algorithms_parse(slice_of(config->auth_jwt_algorithms), &algorithms);
    assert(parsed); /* or config_load would have refused it */
    (void)parsed;
    return algorithms;
}

/* A secret has the one algorithm that key sets have no keys for: those are public. */
unsigned config_token_algorithms_without_keys(const struct config *config)
{
    const unsigned of_secret = 1u << JWT_HS256;
    unsigned algorithms = config_token_algorithms(config);
    assert(config_token_key_sources(config) == 1);
    return *config->auth_jwt_secret != '\0' ? algorithms & ~of_secret : algorithms & of_secret;
}

/* Refuses where every token would be. */
static bool check_token_keys(const struct config *config, struct config_error *error)
{
    int sources = config_token_key_sources(config);
    if (sources > 1) {
        return fail(error, "AUTH_JWKS_URL",
                    "set one of it, AUTH_JWKS_FILE and AUTH_JWT_SECRET: the keys of tokens come "
                    "from one place");
    }
    if (sources == 0 ||
        config_token_algorithms_without_keys(config) != config_token_algorithms(config)) {
        return true;
    }
    return fail(error, "AUTH_JWT_ALGORITHMS",
                *config->auth_jwt_secret != '\0'
                    ? "the key of AUTH_JWT_SECRET is for HS256, which it lacks, so no token could "
                      "pass: add HS256, or leave it unset"
                    : "HS256 needs AUTH_JWT_SECRET, and key sets have no keys for it, so no token "
                      "could pass: add an algorithm of the key set, such as RS256");
}

bool config_may_serve(const struct config *config, struct config_error *error)
{
    if (config->auth_mode == AUTH_MODE_NONE && config->auth_allow_insecure == 0 &&
        !is_loopback(config->bind_address)) {
        return fail(error, "AUTH_MODE",
                    "none lets whoever reaches BIND_ADDRESS act for any user: set AUTH_MODE=token, "
                    "or AUTH_ALLOW_INSECURE=true where only trusted services reach it");
    }
    return config->auth_mode != AUTH_MODE_TOKEN || check_token_keys(config, error);
}
