/* rsvpd prune: events that closed long ago go. */
#include "rsvpd/app/command.h"
#include "rsvpd/app/data_commands.h"
#include "rsvpd/base/clock.h"
#include "rsvpd/base/progress.h"
#include "rsvpd/base/rfc3339.h"
#include "rsvpd/store/pg_prune.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char prune_help[] =
    "usage: rsvpd prune --relation rsvp|like --closed-before TIME\n\n"
    "Removes the events whose closes_at is before TIME (RFC 3339), with their RSVPs, waiting "
    "lists,\n"
    "settings and kept answers, while the service goes on. Their counters stay, at 0. It works in\n"
    "transactions of a few hundred rows: if it is interrupted, run it again. Only events with a\n"
    "closes_at close; posts have none, so of likes nothing is removed. Prints how many went.\n"
    "Exit status: 0 done, 1 it could not go through, 2 where an argument or a variable is wrong.\n";

static int prune(const struct config *config, int64_t closed_before_us)
{
    int64_t began_us = clock_mono_us();
    char reason[PG_ERROR_SIZE_BYTES];
    struct pg_pruned pruned;
    struct progress progress;
    const struct pg_prune_listener listener = {&progress, command_show_rows};
    progress_begin(&progress, stderr, "prune", "rows", began_us);
    bool done = pg_prune(config->database_url, closed_before_us, &listener, &pruned, reason);
    progress_clear(&progress);
    printf("prune rsvp: %" PRId64 " events, %" PRId64 " rsvps, %" PRId64
           " places on waiting lists, %" PRId64 " kept answers, %.1f s\n",
           pruned.events, pruned.members, pruned.waits, pruned.keys,
           (double)(clock_mono_us() - began_us) / 1e6);
    return command_finish_output(done ? EXIT_SUCCESS
                                      : command_failed("cannot prune the rest", reason));
}

static const struct relation *relation_named(const char *name)
{
    for (size_t i = 0; i < RELATION_COUNT; i++) {
        if (strcmp(relations[i].name, name) == 0) {
            return &relations[i];
        }
    }
    return NULL;
}

static int check_arguments(const char *name, const char *closed_before, int64_t *closed_before_us)
{
    if (name == NULL) {
        return command_wrong_usage("prune", "say which relation, with", "--relation rsvp|like");
    }
    if (relation_named(name) == NULL) {
        return command_wrong_usage("prune", "there is no relation", name);
    }
    if (closed_before == NULL) {
        return command_wrong_usage("prune", "say which events, with", "--closed-before TIME");
    }
    return rfc3339_parse(slice_of(closed_before), closed_before_us)
               ? EXIT_SUCCESS
               : command_wrong_usage(
                     "prune", "--closed-before takes a time such as 2026-12-01T00:00:00Z, not",
                     closed_before);
}

int prune_command(int argc, char **argv)
{
    const char *name = NULL, *closed_before = NULL;
    int64_t closed_before_us = 0;
    const struct command_option options[] = {{"--relation", &name, NULL},
                                             {"--closed-before", &closed_before, NULL}};
    int status = command_read_options("prune", argc, argv, options, 2, NULL);
    status =
        status == EXIT_SUCCESS ? check_arguments(name, closed_before, &closed_before_us) : status;
    if (status != EXIT_SUCCESS) {
        return status;
    }
    if (!relation_named(name)->has_settings) {
        printf("prune %s: nothing is removed: only events have a closes_at\n", name);
        return command_finish_output(EXIT_SUCCESS);
    }
    struct config config;
    signal(SIGPIPE, SIG_IGN); /* a write that fails says so */
    status = command_load_database(&config);
    if (status == EXIT_SUCCESS) {
        status = prune(&config, closed_before_us);
    }
    config_free(&config);
    return status;
}
