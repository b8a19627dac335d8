/* rsvpd import: adds members, settings and who waits from CSV. */
#include "rsvpd/app/command.h"
#include "rsvpd/app/data_commands.h"
#include "rsvpd/app/import_input.h"
#include "rsvpd/base/clock.h"
#include "rsvpd/base/progress.h"
#include "rsvpd/store/pg_import.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#define MEMBERS(ID, name, collection, id, ...)                                                     \
    "  " name ": " id ", user_id and, if wanted, created_at (empty: now).\n"
#define MEMBER_LINES RELATIONS(MEMBERS)

const char import_help[] =
    "usage: rsvpd import " RELATION_OPTION "\n"
    "                    [--past-capacity] [--skip-bad BADFILE] [FILE|-]\n\n"
    "Reads CSV (RFC 4180) in FILE or on standard input. The header names the columns, in any\n"
    "order. Times are RFC 3339.\n" MEMBER_LINES
    "      Adds members; who is in already stays as they are.\n"
    "  settings: event_id" SETTINGS_NAMES ", all of them; what is empty is\n"
    "      not set, waitlist is t or f. A line replaces the event's settings, as PUT does.\n"
    "  waitlist: event_id, user_id and, if wanted, created_at. Adds users behind those who wait,\n"
    "      in the order of the file; who waits or is going already stays as they are. Free seats\n"
    "      go to the first in line. The event has to have settings, with a waiting list or not.\n"
    "A file may be imported again. Lines are applied 20000 at a time, each time in one\n"
    "transaction together with the counters: what was stopped half-way is right as far as it\n"
    "came, and can be started again. The service may go on meanwhile.\n"
    "A line that is bad, or adds an RSVP to an event with settings, ends the import by its\n"
    "number; with --skip-bad it goes to BADFILE instead, behind the header, to be corrected and\n"
    "imported.\n"
    "With --past-capacity (RSVPs only) lines of events with settings are added whatever capacity,\n"
    "waiting list and window say. Who waits keeps their place; who waits and is added waits no\n"
    "more.\n"
    "To restore all exports, with the service stopped: settings, rsvp with --past-capacity, the\n"
    "other relations, waitlist, in this order; then 'rsvpd verify'.\n"
    "Exit status: 0 done (bad lines skipped or none), 1 it failed, 2 where an argument or a\n"
    "variable is wrong.\n";

struct import {
    const struct import_kind *kind;
    bool past_capacity;
    struct pg_import *store;
    struct progress progress;
    int64_t began_us;
    int64_t applied,
        added; /* lines that are in the database, and those that were not there before */
    bool refused[IMPORT_CHUNK_ROWS];
    struct import_input input;
};

/* Applies the chunk. If lines are refused, removes them and tries again. */
static bool apply_chunk(struct import *import)
{
    char reason[PG_ERROR_SIZE_BYTES];
    struct import_chunk *chunk = &import->input.chunk;
    while (chunk->count > 0) {
        int64_t added;
        switch (pg_import_apply(import->store, chunk->rows, chunk->count, import->refused, &added,
                                reason)) {
        case PG_IMPORT_APPLIED:
            import->applied += (int64_t)chunk->count;
            import->added += added;
            assert(added >= 0 && import->added <= import->applied);
            return true;
        case PG_IMPORT_REFUSED:
            if (!import_input_refuse(&import->input, import->refused, import->kind->refusal)) {
                return false;
            }
            break;
        case PG_IMPORT_FAILED:
            (void)command_failed("cannot import", reason);
            return false;
        }
    }
    return true;
}

static bool run_import(struct import *import)
{
    struct import_input *input = &import->input;
    import->began_us = clock_mono_us();
    progress_begin(&import->progress, stderr, "import", "lines", import->began_us);
    do {
        if (!import_input_read(input) || !apply_chunk(import) || !import_input_flush(input)) {
            return false;
        }
        progress_update(&import->progress, input->line_count, input->read_bytes, input->size_bytes,
                        clock_mono_us());
    } while (!input->finished);
    return true;
}

static void print_summary(const struct import *import)
{
    const struct import_input *input = &import->input;
    double seconds = (double)(clock_mono_us() - import->began_us) / 1e6;
    printf("import %s: %" PRId64 " %s, %" PRId64 " added, %" PRId64 " %s, %" PRId64
           " bad, %.1f s, %.0f lines/s\n",
           import->kind->name, input->line_count,
           command_plural(input->line_count, "line", "lines"), import->added,
           import->applied - import->added, import->kind->kept, input->bad_count, seconds,
           seconds > 0 ? (double)input->line_count / seconds : 0.0);
}

static int connect_and_run(struct import *import, const struct config *config)
{
    char reason[PG_ERROR_SIZE_BYTES];
    import->store =
        pg_import_open(config->database_url, import->kind, import->past_capacity, reason);
    if (import->store == NULL) {
        return command_failed("cannot import", reason);
    }
    bool done = run_import(import);
    progress_clear(&import->progress);
    pg_import_close(&import->store);
    if (!done) {
        fprintf(stderr, "rsvpd import: stopped; %" PRId64 " %s applied\n", import->applied,
                command_plural(import->applied, "line was", "lines were"));
        return EXIT_FAILURE;
    }
    print_summary(import);
    return command_finish_output(EXIT_SUCCESS);
}

/* What --relation names (NULL: it was not given). 0, or the exit status. */
static int choose_kind(const char *name, const struct import_kind **kind)
{
    if (name == NULL) {
        return command_wrong_usage("import", "say which relation, with", RELATION_OPTION);
    }
    *kind = import_kind_named(name);
    return *kind != NULL ? EXIT_SUCCESS
                         : command_wrong_usage("import", "there is no relation", name);
}

int import_command(int argc, char **argv)
{
    static struct import import;
    const char *name = NULL, *skip_path = NULL, *path = NULL;
    const struct command_option options[] = {{"--relation", &name, NULL},
                                             {"--skip-bad", &skip_path, NULL},
                                             {"--past-capacity", NULL, &import.past_capacity}};
    int status = command_read_options("import", argc, argv, options, 3, &path);
    if (status == EXIT_SUCCESS) {
        status = choose_kind(name, &import.kind);
    }
    if (status == EXIT_SUCCESS && import.past_capacity &&
        !(import.kind->what == IMPORT_MEMBERS && import.kind->relation->has_settings)) {
        status = command_wrong_usage("import", "only RSVPs have a capacity, not", name);
    }
    if (status != EXIT_SUCCESS) {
        return status;
    }
    struct config config;
    struct redis_url redis_url;
    signal(SIGPIPE, SIG_IGN); /* a write that fails says so */
    status = command_load(&config, &redis_url, false);
    if (status == EXIT_SUCCESS && !import_input_open(&import.input, path, import.kind)) {
        status = EXIT_FAILURE;
    }
    if (status == EXIT_SUCCESS) {
        status = command_check_schema(&config);
    }
    if (status == EXIT_SUCCESS && skip_path != NULL &&
        !import_input_skip_to(&import.input, skip_path)) {
        status = EXIT_FAILURE;
    }
    if (status == EXIT_SUCCESS) {
        status = connect_and_run(&import, &config);
    }
    import_input_close(&import.input);
    config_free(&config);
    return status;
}
