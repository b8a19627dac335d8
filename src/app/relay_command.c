/* rsvpd relay: tells another system what happened. */
#include "rsvpd/app/relay_command.h"
#include "rsvpd/app/command.h"
#include "rsvpd/app/process.h"
#include "rsvpd/app/relay.h"
#include "rsvpd/domain/changes.h"
#include "rsvpd/store/fetch.h"
#include "rsvpd/store/pg_slot.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char relay_help[] =
    "usage: rsvpd relay [--create|--drop]\n\n"
    "Tells RELAY_TARGET of each committed change, in the order of the commits, at least once:\n"
    "standard output (-) gets a line of JSON for each, a URL gets signed webhooks. It reads a\n"
    "replication slot of PostgreSQL, which advances past what the target has confirmed, until\n"
    "SIGTERM or SIGINT. Of several relays with one slot one works, the others wait to take over.\n"
    "Health and metrics are on ADMIN_PORT. The role of DATABASE_URL needs REPLICATION.\n"
    "--create makes the slot and its publication, both named RELAY_SLOT, if they are missing: "
    "from\n"
    "then on PostgreSQL keeps its log until a relay has read it. Needs wal_level = logical, and "
    "the\n"
    "owner of the tables. --drop removes both.\n"
    "Exit status: 0 an orderly end, 1 it cannot go on: the slot is missing or lost, the target\n"
    "answers 410 or standard output is closed; 2 where an argument or a variable is wrong.\n";

static int wrong_variable(const char *name, const char *problem)
{
    fprintf(stderr, "rsvpd: %s: %s\n", name, problem);
    return EXIT_USAGE;
}

/* What only the relay asks of its variables. */
static int check_variables(const struct config *config, unsigned *types)
{
    char reason[FETCH_ERROR_SIZE_BYTES];
    if (!change_types_parse(slice_of(config->relay_types), types)) {
        return wrong_variable("RELAY_TYPES", "is not a list of types such as "
                                             "rsvp.created,rsvp.promoted; unset, all are told");
    }
    if (strcmp(config->relay_target, "-") == 0) {
        return EXIT_SUCCESS;
    }
    if (!fetch_url_valid(config->relay_target, reason)) {
        return wrong_variable("RELAY_TARGET", reason);
    }
    if (*config->relay_secret == '\0') {
        return wrong_variable("RELAY_SECRET",
                              "is needed to sign webhooks, and not set: \"whsec_$(openssl rand "
                              "-base64 32)\" makes one");
    }
    return EXIT_SUCCESS;
}

static void tell_created(const struct config *config, const struct pg_slot_state *before)
{
    bool there = before->has_slot && before->has_publication;
    printf("relay: slot and publication %s %s\n", config->relay_slot,
           there ? "are there already" : "created");
    if (before->is_kept) {
        fputs("rsvpd relay: warning: max_slot_wal_keep_size is -1: while no relay reads the slot, "
              "the log of PostgreSQL grows until the disk is full. Set it, or watch the lag\n",
              stderr);
    } else {
        fputs("rsvpd relay: warning: max_slot_wal_keep_size is set: a relay that is further behind "
              "than that loses the slot, and with it changes. Watch the lag\n",
              stderr);
    }
}

static int create(const struct config *config)
{
    struct pg_slot_state before;
    char error[PG_ERROR_SIZE_BYTES];
    if (!pg_slot_create(config->database_url, config->relay_slot, &before, error)) {
        return command_failed("cannot create the relay's slot", error);
    }
    tell_created(config, &before);
    return command_finish_output(EXIT_SUCCESS);
}

static int drop(const struct config *config)
{
    struct pg_slot_state before;
    char error[PG_ERROR_SIZE_BYTES];
    if (!pg_slot_drop(config->database_url, config->relay_slot, &before, error)) {
        return command_failed("cannot drop the relay's slot", error);
    }
    printf("relay: slot and publication %s %s\n", config->relay_slot,
           before.has_slot || before.has_publication ? "dropped" : "are not there");
    return command_finish_output(EXIT_SUCCESS);
}

static int act(const struct config *config, bool creates, bool drops)
{
    unsigned types;
    if (drops) {
        return drop(config); /* also of a schema that this rsvpd does not know */
    }
    int status = creates ? command_check_schema(config) : check_variables(config, &types);
    if (status != EXIT_SUCCESS) {
        return status;
    }
    return creates ? create(config) : relay_run(config, types);
}

int relay_command(int argc, char **argv)
{
    bool creates = false, drops = false;
    const struct command_option options[] = {{"--create", NULL, &creates},
                                             {"--drop", NULL, &drops}};
    struct config config;
    struct redis_url redis_url;
    int status = command_read_options("relay", argc, argv, options, 2, NULL);
    if (status == EXIT_SUCCESS && creates && drops) {
        status = command_wrong_usage("relay", "--create does not go with", "--drop");
    }
    if (status != EXIT_SUCCESS) {
        return status;
    }
    process_take_signals();
    status = command_load(&config, &redis_url, false);
    if (status == EXIT_SUCCESS) {
        status = act(&config, creates, drops);
    }
    config_free(&config);
    return status;
}
