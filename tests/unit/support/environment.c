/* Configurations of environments that a test makes up. */
#include "environment.h"
#include "unit.h"

static const struct environment_variable *environment;

static const char *lookup(const char *name)
{
    for (const struct environment_variable *v = environment; v->name != NULL; v++) {
        if (strcmp(v->name, name) == 0) {
            return v->value;
        }
    }
    return NULL;
}

bool environment_load(struct config *config, const struct environment_variable *variables,
                      bool lenient, struct config_error *error)
{
    environment = variables;
    error->line[0] = '\0';
    return config_load(config, lookup, lenient, error);
}

void environment_load_well(struct config *config, const struct environment_variable *variables)
{
    struct config_error error;
    if (!environment_load(config, variables, false, &error)) {
        fail_msg("not loaded: %s", error.line);
    }
}
