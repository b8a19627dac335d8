/* What the subcommands share: exit statuses, messages, the configuration, the check of the schema.
 */
#ifndef RSVPD_APP_COMMAND_H
#define RSVPD_APP_COMMAND_H

#include "rsvpd/base/config.h"
#include "rsvpd/store/redis_url.h"

#include <stdbool.h>
#include <stdint.h>

enum { EXIT_USAGE = 2 };

/* Say on standard error what is wrong and return the exit status. */
int command_failed(const char *what, const char *reason);
int command_wrong_usage(const char *command, const char *what, const char *argument);
int command_unexpected(const char *command, const char *argument);

/* Returns the argument as messages may show it: hidden if it looks like a URL, which may hold a
 * password. */
const char *command_shown(const char *argument);

/* Looks a variable of the environment up; NULL: it is not set. */
const char *command_environment(const char *name);

/* Loads the configuration, which the caller frees in any case, and checks what only the stores
 * understand. Returns 0 or the exit status. */
int command_load(struct config *config, struct redis_url *redis_url, bool lenient);

/* The same, and checks that it may serve. */
int command_load_to_serve(struct config *config, struct redis_url *redis_url);

/* Loads where the admin port is, and nothing else: other variables may be wrong or missing, and no
 * file is read. Returns 0 or the exit status; the caller frees the configuration in any case. */
int command_load_admin(struct config *config);

/* Whether this binary can work on the database. Says why if it cannot. */
int command_check_schema(const struct config *config);

/* Both, for commands that work on the database. */
int command_load_database(struct config *config);

/* Options of a command: --name VALUE, --name=VALUE or --name, and other arguments. */
struct command_option {
    const char *name;   /* --relation */
    const char **value; /* set to the value, or NULL: it has none, and `given` is set */
    bool *given;
};

/* Reads all arguments. One that is no option goes to `operand`, of which there may be one (NULL:
 * none). Returns 0 or the exit status. */
int command_read_options(const char *command, int argc, char **argv,
                         const struct command_option *options, size_t count, const char **operand);

/* Returns `one` if the count is 1, else `others`. */
const char *command_plural(int64_t count, const char *one, const char *others);

/* Shows how many rows are done: of a progress (base/progress), for listeners of the stores. */
void command_show_rows(void *progress, int64_t rows);

/* Flushes standard output. Returns `status`, or EXIT_FAILURE with a message if it could not be
 * written. */
int command_finish_output(int status);

#endif
