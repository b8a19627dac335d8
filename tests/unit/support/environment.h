/* Configurations of environments that a test makes up. */
#ifndef RSVPD_TESTS_ENVIRONMENT_H
#define RSVPD_TESTS_ENVIRONMENT_H

#include "rsvpd/base/config.h"

/* A good DATABASE_URL with a password, and a good AUTH_JWT_SECRET. */
#define ENVIRONMENT_SECRET "postgresql://u:open-sesame@db/x"
#define ENVIRONMENT_SECRET_OF_32_BYTES "0123456789abcdef0123456789abcdef"

/* An environment is an array of them, up to the first without a name. */
struct environment_variable {
    const char *name, *value;
};

/* config_load of that environment; the config is to be freed either way. */
MUST_CHECK bool environment_load(struct config *config,
                                 const struct environment_variable *variables, bool lenient,
                                 struct config_error *error);

/* The same, without leniency, of one that must be good: else the test fails. */
void environment_load_well(struct config *config, const struct environment_variable *variables);

#endif
