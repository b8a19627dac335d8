/* rsvpd erase: everything that is held about a user goes. */
#include "rsvpd/app/command.h"
#include "rsvpd/app/data_commands.h"
#include "rsvpd/base/clock.h"
#include "rsvpd/base/progress.h"
#include "rsvpd/store/pg_erase.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELP_MEMBERSHIPS(ID, name, collection, id, flag, settings, table) table ", "

const char erase_help[] = "usage: rsvpd erase USER_ID\n\n"
                          "Erases everything that is held about a user (" RELATIONS(
                              HELP_MEMBERSHIPS) "places on waiting "
                                                "lists, kept\n"
                                                "answers), while the service goes on. Counters "
                                                "follow, and free seats are given to those who\n"
                                                "wait. It works in transactions of a few hundred "
                                                "rows: if it is interrupted, run it again. It\n"
                                                "ends once it found nothing; what the user does "
                                                "after that stays. '--' goes before a USER_ID\n"
                                                "that begins with '-'. Prints how many rows went, "
                                                "and never the USER_ID.\n"
                                                "Exit status: 0 where nothing is left, 1 where it "
                                                "could not go through, 2 where an argument or "
                                                "a\n"
                                                "variable is wrong.\n";

static void print_erased(const struct pg_erased *erased, int64_t began_us)
{
    printf("erased: ");
    for (size_t i = 0; i < RELATION_COUNT; i++) {
        printf("%" PRId64 " %s, ", erased->memberships[i], relations[i].members_table);
    }
    printf("%" PRId64 " places on waiting lists, %" PRId64 " kept answers, %.1f s\n", erased->waits,
           erased->keys, (double)(clock_mono_us() - began_us) / 1e6);
}

static int erase(const struct config *config, const struct identifier *user)
{
    int64_t began_us = clock_mono_us();
    char reason[PG_ERROR_SIZE_BYTES];
    struct pg_erased erased;
    struct progress progress;
    const struct pg_erase_listener listener = {&progress, command_show_rows};
    progress_begin(&progress, stderr, "erase", "rows", began_us);
    bool done = pg_erase(config->database_url, user, &listener, &erased, reason);
    progress_clear(&progress);
    print_erased(&erased, began_us);
    int status = done ? EXIT_SUCCESS : command_failed("cannot erase the rest", reason);
    return command_finish_output(status);
}

/* No message repeats an argument: it may be the user's id. */
static int read_user(int argc, char **argv, struct identifier *user)
{
    bool marked = argc > 0 && strcmp(argv[0], "--") == 0;
    const char *id = argc == 1 + marked ? argv[marked] : NULL;
    const char *wrong =
        id == NULL              ? "takes one argument, the id of the user"
        : *id == '-' && !marked ? "has no options; an id that begins with '-' goes after '--'"
        : !identifier_parse(slice_of(id), user) ? "the id of a user is " IDENTIFIER_RULE
                                                : NULL;
    if (wrong != NULL) {
        fprintf(stderr, "rsvpd erase: %s; see 'rsvpd erase --help'\n", wrong);
        return EXIT_USAGE;
    }
    return EXIT_SUCCESS;
}

int erase_command(int argc, char **argv)
{
    struct identifier user;
    int status = read_user(argc, argv, &user);
    if (status != EXIT_SUCCESS) {
        return status;
    }
    struct config config;
    signal(SIGPIPE, SIG_IGN); /* a write that fails says so */
    status = command_load_database(&config);
    if (status == EXIT_SUCCESS) {
        status = erase(&config, &user);
    }
    config_free(&config);
    return status;
}
