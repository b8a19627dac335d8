/* What only serving asks of a configuration that is sound in itself. */
#include "rsvpd/base/config_serving.h"

#include <arpa/inet.h>
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

bool config_may_serve(const struct config *config, struct config_error *error)
{
    if (config->auth_mode == AUTH_MODE_NONE && config->auth_allow_insecure == 0 &&
        !is_loopback(config->bind_address)) {
        return fail(error, "AUTH_MODE",
                    "none lets whoever reaches BIND_ADDRESS act for any user: set AUTH_MODE=token, "
                    "or AUTH_ALLOW_INSECURE=true where only trusted services reach it");
    }
    if (config->auth_mode == AUTH_MODE_TOKEN && config_token_key_sources(config) > 1) {
        return fail(error, "AUTH_JWKS_URL",
                    "set one of it, AUTH_JWKS_FILE and AUTH_JWT_SECRET: the keys of tokens come "
                    "from one place");
    }
    return true;
}
