/* rsvpd verify: are the counters right? */
#include "rsvpd/app/command.h"
#include "rsvpd/app/data_commands.h"
#include "rsvpd/base/clock.h"
#include "rsvpd/base/progress.h"
#include "rsvpd/store/pg_verify.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

const char verify_help[] =
    "usage: rsvpd verify [--repair]\n\n"
    "Compares every counter with the number of its rows, and what is kept about events with "
    "settings\n"
    "with their rows, while the service goes on writing: nobody waits while a seat is free, who "
    "is\n"
    "going already, or for an event without settings. --repair sets what differs, takes those who "
    "are\n"
    "going off the waiting list, and gives free seats to those who wait, the longest first; "
    "writers of\n"
    "that one event wait meanwhile. Prints what differs, and what was compared.\n"
    "Exit status: 0 where all is right, 1 where something differs (mended or not) or it could not\n"
    "go through, 2 where an argument or a variable is wrong.\n";

struct verification {
    bool repair;
    int64_t began_us;    /* the check that runs */
    int64_t differences; /* of all checks */
    struct progress progress;
};

static void on_begin(void *context, const char *check)
{
    struct verification *verification = context;
    verification->began_us = clock_mono_us();
    progress_begin(&verification->progress, stderr, check, "rows", verification->began_us);
}

static void on_progress(void *context, int64_t rows, int64_t total)
{
    struct verification *verification = context;
    progress_update(&verification->progress, rows, rows, total, clock_mono_us());
}

/* What follows "there". */
static void print_rows(int64_t count)
{
    printf("%s %" PRId64 " %s", command_plural(count, "is", "are"), count,
           command_plural(count, "row", "rows"));
}

static void print_difference(const struct pg_verify_difference *d)
{
    switch (d->what) {
    case PG_VERIFY_COUNT:
        if (!d->has_kept) {
            printf("%s %s: there is no counter, and %" PRId64 " %s", d->check, d->id, d->actual,
                   command_plural(d->actual, "row", "rows"));
        } else {
            printf("%s %s: the count is %" PRId64 ", and there ", d->check, d->id, d->kept);
            print_rows(d->actual);
        }
        break;
    case PG_VERIFY_ADMITTED:
        printf("%s %s: the counter says that there are %ssettings, and there are %s", d->check,
               d->id, d->kept ? "" : "no ", d->actual ? "some" : "none");
        break;
    case PG_VERIFY_WAITING:
        printf("%s %s: %" PRId64 " %s said to wait, and there ", d->check, d->id, d->kept,
               command_plural(d->kept, "is", "are"));
        print_rows(d->actual);
        break;
    case PG_VERIFY_ORPHANS:
        printf("%s %s: %" PRId64 " %s, and the event has no settings", d->check, d->id, d->actual,
               command_plural(d->actual, "waits", "wait"));
        break;
    case PG_VERIFY_PASSED:
        printf("%s %s: nobody is said to wait up to ticket %" PRId64 ", and ticket %" PRId64
               " waits",
               d->check, d->id, d->kept, d->actual);
        break;
    case PG_VERIFY_TICKETS:
        printf("%s %s: the last ticket is said to be %" PRId64 ", and ticket %" PRId64 " waits",
               d->check, d->id, d->kept, d->actual);
        break;
    case PG_VERIFY_BOTH:
        printf("%s %s: %" PRId64 " wait and are going, too", d->check, d->id, d->actual);
        break;
    case PG_VERIFY_SEATS:
        printf("%s %s: %" PRId64 " wait, and %" PRId64 " seats are free", d->check, d->id,
               d->actual, d->kept);
        break;
    case PG_VERIFY_CAPACITY:
        printf("warning: %s %s: %" PRId64 " are going, and there are %" PRId64 " seats", d->check,
               d->id, d->actual, d->kept);
        break;
    }
}

static void on_difference(void *context, const struct pg_verify_difference *difference)
{
    struct verification *verification = context;
    progress_clear(&verification->progress);
    print_difference(difference);
    if (verification->repair && difference->what != PG_VERIFY_CAPACITY) {
        fputs(difference->mended ? ": mended" : ": nothing to mend", stdout);
    }
    putchar('\n');
}

static void on_end(void *context, const struct pg_verify_summary *summary)
{
    struct verification *verification = context;
    assert(summary->entities >= 0 && summary->rows >= 0 && summary->differences >= 0);
    double seconds = (double)(clock_mono_us() - verification->began_us) / 1e6;
    progress_clear(&verification->progress);
    printf("%s: %" PRId64 " %s, %" PRId64 " %s, %" PRId64 " %s", summary->check, summary->entities,
           command_plural(summary->entities, "entity", "entities"), summary->rows,
           command_plural(summary->rows, "row", "rows"), summary->differences,
           command_plural(summary->differences, "difference", "differences"));
    if (verification->repair) {
        printf(", %" PRId64 " mended", summary->mended);
    }
    printf(", %.1f s\n", seconds);
    verification->differences += summary->differences;
}

int verify_command(int argc, char **argv)
{
    struct verification verification = {.repair = false};
    const struct command_option options[] = {{"--repair", NULL, &verification.repair}};
    char reason[PG_ERROR_SIZE_BYTES];
    int status = command_read_options("verify", argc, argv, options, 1, NULL);
    if (status != EXIT_SUCCESS) {
        return status;
    }
    struct config config;
    signal(SIGPIPE, SIG_IGN); /* a write that fails says so */
    status = command_load_database(&config);
    if (status == EXIT_SUCCESS) {
        const struct pg_verify_listener listener = {&verification, on_begin, on_progress,
                                                    on_difference, on_end};
        if (!pg_verify(config.database_url, verification.repair, &listener, reason)) {
            progress_clear(&verification.progress);
            status = command_failed("cannot verify", reason);
        } else if (verification.differences > 0) {
            status = EXIT_FAILURE;
        }
        status = command_finish_output(status);
    }
    config_free(&config);
    return status;
}
