/* The subcommands of the binary. */
#include "rsvpd/app/commands.h"
#include "rsvpd/app/command.h"
#include "rsvpd/app/data_commands.h"
#include "rsvpd/app/health_command.h"
#include "rsvpd/app/keys_command.h"
#include "rsvpd/app/process.h"
#include "rsvpd/app/relay_command.h"
#include "rsvpd/base/config_print.h"
#include "rsvpd/store/pg_migrate.h"
#include "rsvpd/store/pg_secrets.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { POOL_THREADS_MAX = 128 };

#define MIGRATE_WAIT_S "60" /* unless --wait says otherwise */

struct command {
    const char *name;
    int (*run)(int argc, char **argv); /* arguments after the command's name */
    const char *summary;
    const char *help;
};

static const struct command *command_named(const char *name);
static void print_commands(FILE *out);

static int run_serve(int argc, char **argv)
{
    struct config config;
    struct redis_url redis_url;
    struct pg_secrets secrets;
    char threads[16], reason[PG_ERROR_SIZE_BYTES];
    if (argc > 0) {
        return command_unexpected("serve", argv[0]);
    }
    process_take_signals();
    int status = command_load_to_serve(&config, &redis_url);
    if (status == EXIT_SUCCESS) {
        status = command_check_schema(&config);
    }
    if (status == EXIT_SUCCESS && !pg_secrets_load(config.database_url, &secrets, reason)) {
        status = command_failed("cannot read the database of DATABASE_URL", reason);
    }
    if (status == EXIT_SUCCESS) {
        /* Each connection to PostgreSQL may occupy a thread of libuv's pool, and so may each
         * worker's connection to Redis, and the reading of the API keys. */
        int64_t of_replica = *config.database_read_url == '\0' ? 0 : config.pg_read_connections + 1;
        int64_t wanted = config.workers * (config.pg_write_connections +
                                           config.pg_read_connections + of_replica + 1) +
                         3;
        snprintf(threads, sizeof threads, "%d",
                 wanted > POOL_THREADS_MAX ? POOL_THREADS_MAX : (int)wanted);
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): there are no threads yet */
        setenv("UV_THREADPOOL_SIZE", threads, 0);
        status = process_serve(&config, *config.redis_url == '\0' ? NULL : &redis_url, &secrets);
    }
    config_free(&config);
    return status;
}

static void print_migrated(const char *name)
{
    printf("applied %s\n", name);
}

static void print_waiting(const char *what, const char *holder)
{
    fprintf(stderr, "rsvpd migrate: waiting for %s: %s\n", what, holder);
}

/* Seconds as --wait gives them, in microseconds. */
static bool parse_wait(const char *text, int64_t *wait_us)
{
    int64_t seconds;
    if (!slice_number(slice_of(text), 6, &seconds)) {
        return false;
    }
    *wait_us = seconds * 1000000;
    return true;
}

static int run_migrate(int argc, char **argv)
{
    static const struct pg_migrate_listener listener = {print_migrated, print_waiting};
    struct config config;
    struct redis_url redis_url;
    char reason[PG_ERROR_SIZE_BYTES];
    const char *wait = MIGRATE_WAIT_S;
    int64_t wait_us = 0;
    const struct command_option options[] = {{"--wait", &wait, NULL}};
    int status = command_read_options("migrate", argc, argv, options, 1, NULL);
    if (status == EXIT_SUCCESS && !parse_wait(wait, &wait_us)) {
        status =
            command_wrong_usage("migrate", "--wait takes whole seconds, 0 to 999999, not", wait);
    }
    if (status != EXIT_SUCCESS) {
        return status;
    }
    status = command_load(&config, &redis_url, false);
    if (status == EXIT_SUCCESS) {
        if (pg_migrate(config.database_url, wait_us, &listener, reason)) {
            puts("the schema is up to date");
        } else {
            status = command_failed("cannot migrate", reason);
        }
    }
    config_free(&config);
    return status;
}

static int run_config(int argc, char **argv)
{
    struct config config;
    struct redis_url redis_url;
    if (argc == 1 && strcmp(argv[0], "--markdown") == 0) {
        config_print_markdown(stdout);
        return command_finish_output(EXIT_SUCCESS);
    }
    if (argc > 0) {
        return command_unexpected("config", argv[0]);
    }
    int status = command_load(&config, &redis_url, true);
    if (status == EXIT_SUCCESS) {
        config_print(&config, stdout);
        status = command_finish_output(EXIT_SUCCESS);
    }
    config_free(&config);
    return status;
}

static int run_version(int argc, char **argv)
{
    if (argc > 0) {
        return command_unexpected("version", argv[0]);
    }
    puts("rsvpd " RSVPD_VERSION);
    return command_finish_output(EXIT_SUCCESS);
}

static int run_help(int argc, char **argv)
{
    if (argc == 0) {
        print_commands(stdout);
        return command_finish_output(EXIT_SUCCESS);
    }
    const struct command *command = command_named(argv[0]);
    if (command == NULL) {
        return command_unexpected("help", argv[0]);
    }
    fputs(command->help, stdout);
    return command_finish_output(EXIT_SUCCESS);
}

static const struct command commands[] = {
    {"serve", run_serve, "serve the HTTP API",
     "usage: rsvpd serve\n\n"
     "Serves the HTTP API until SIGTERM or SIGINT. Configured by environment variables alone;\n"
     "'rsvpd config' lists them. SIGHUP reads again what DATABASE_URL_FILE and other\n"
     "variables ending in _FILE name. Logs go to standard error.\n"
     "Exit status: 0 after an orderly end, 1 where it cannot start, 2 where a variable is "
     "wrong.\n"},
    {"migrate", run_migrate, "bring the database's schema up to date",
     "usage: rsvpd migrate [--wait SECONDS]\n\n"
     "Applies the migrations that DATABASE_URL's database lacks, each in a transaction. May be "
     "run\n"
     "at any time, and by several at once: one works, the others say who it is and wait, for at\n"
     "most SECONDS (" MIGRATE_WAIT_S "; 0: not at all). Locks on tables are waited for as long, "
     "while\n"
     "others may use the tables.\n"
     "Where nothing is lacking it only reads.\n"
     "Exit status: 0 the schema is up to date, 1 it failed or waited in vain, 2 where an argument\n"
     "or a variable is wrong.\n"},
    {"import", import_command, "add members, settings or who waits from CSV", import_help},
    {"export", export_command, "write all members, settings or who waits as CSV", export_help},
    {"erase", erase_command, "erase everything about a user", erase_help},
    {"prune", prune_command, "remove events that closed long ago", prune_help},
    {"verify", verify_command, "compare the counters with the rows", verify_help},
    {"relay", relay_command, "tell another system what happened", relay_help},
    {"keys", keys_command, "create, list and revoke the API keys of services", keys_help},
    {"health", health_command, "ask a running service whether it is well", health_help},
    {"config", run_config, "print the configuration in force",
     "usage: rsvpd config [--markdown]\n\n"
     "Prints every environment variable with its meaning and the value in force; secrets are\n"
     "redacted. --markdown prints the table of variables and defaults instead.\n"},
    {"version", run_version, "print the version", "usage: rsvpd version\n\nPrints the version.\n"},
    {"help", run_help, "explain the commands",
     "usage: rsvpd help [COMMAND]\n\nExplains a command, or lists them all.\n"},
};

static const struct command *command_named(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(name, commands[i].name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static void print_commands(FILE *out)
{
    fputs("rsvpd: RSVPs and likes over HTTP\n\nusage: rsvpd COMMAND [--help]\n\n", out);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].summary);
    }
}

static bool asks_for_help(const char *argument)
{
    return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

static void end_at_once(int number)
{
    _exit(128 + number);
}

/* The kernel ends the first process of a container by no signal that it does not handle: `docker
 * stop` would wait for its time-out. A command that handles some itself does so later. */
static void take_signals_as_first_process(void)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; getpid() == 1 && i < sizeof ends / sizeof ends[0]; i++) {
        signal(ends[i], end_at_once);
    }
}

/* Whoever starts us may have closed the standard streams. The next file or socket would get their
 * numbers, and what is printed would go into it. What takes their places can be neither read nor
 * written, so that a command that must print fails. */
static bool fill_standard_streams(void)
{
    bool filled = true;
    for (int fd = STDIN_FILENO; filled && fd <= STDERR_FILENO; fd++) {
        int mode = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;
        filled = fcntl(fd, F_GETFD) >= 0 || open("/dev/null", mode) == fd;
    }
    return filled;
}

int commands_run(int argc, char **argv)
{
    if (!fill_standard_streams()) {
        return EXIT_FAILURE;
    }
    if (argc < 2) {
        print_commands(stderr);
        return EXIT_USAGE;
    }
    if (asks_for_help(argv[1])) {
        print_commands(stdout);
        return command_finish_output(EXIT_SUCCESS);
    }
    const struct command *command =
        command_named(strcmp(argv[1], "--version") == 0 ? "version" : argv[1]);
    if (command == NULL) {
        fprintf(stderr, "rsvpd: unknown command '%s'; see 'rsvpd help'\n", command_shown(argv[1]));
        return EXIT_USAGE;
    }
    for (int i = 2; i < argc; i++) {
        if (asks_for_help(argv[i])) {
            fputs(command->help, stdout);
            return command_finish_output(EXIT_SUCCESS);
        }
    }
    take_signals_as_first_process();
    return command->run(argc - 2, argv + 2);
}
