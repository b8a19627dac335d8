/* rsvpd import: adds members from CSV. */
#include "rsvpd/app/command.h"
#include "rsvpd/app/data_commands.h"
#include "rsvpd/app/import_input.h"
#include "rsvpd/base/clock.h"
#include "rsvpd/base/progress.h"
#include "rsvpd/store/pg_import.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

const char import_help[] =
    "usage: rsvpd import --relation rsvp|like [--past-capacity] [--skip-bad BADFILE] [FILE|-]\n\n"
    "Adds members from CSV (RFC 4180) in FILE or on standard input. The header names the columns, "
    "in\n"
    "any order: event_id (post_id for likes), user_id and, if wanted, created_at (RFC 3339; empty: "
    "now).\n"
    "Who is in already stays as they are, so a file may be imported again. Lines are applied 20000 "
    "at a\n"
    "time, each time in one transaction together with the counters: what was stopped half-way is "
    "right\n"
    "as far as it came, and can be started again. The service may go on meanwhile.\n"
    "A line that is bad, or adds somebody to an event with settings, ends the import by its "
    "number;\n"
    "with --skip-bad it goes to BADFILE instead, behind the header, to be corrected and imported.\n"
    "With --past-capacity (RSVPs only) lines of events with settings are added whatever capacity,\n"
    "waiting list and window say. Who waits keeps their place; who waits and is added waits no "
    "more.\n"
    "Exit status: 0 done (bad lines skipped or none), 1 it failed, 2 where an argument or a "
    "variable\n"
    "is wrong.\n";

static const char managed_reason[] =
    "the event has settings; --past-capacity adds to it whatever they say";

struct import {
    const struct relation *relation;
    bool past_capacity;
    struct pg_import *store;
    struct progress progress;
    int64_t began_us;
    int64_t applied,
        added; /* lines that are in the database, and those that were not there before */
    bool refused[IMPORT_CHUNK_ROWS];
    struct import_input input;
};

/* Applies the chunk, or what is left of it when lines that must not be are taken out. */
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
            return true;
        case PG_IMPORT_REFUSED:
            if (!import_input_refuse(&import->input, import->refused, managed_reason)) {
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
    printf("import %s: %" PRId64 " lines, %" PRId64 " added, %" PRId64 " already there, %" PRId64
           " bad, %.1f s, %.0f lines/s\n",
           import->relation->name, input->line_count, import->added,
           import->applied - import->added, input->bad_count, seconds,
           seconds > 0 ? (double)input->line_count / seconds : 0.0);
}

static int connect_and_run(struct import *import, const struct config *config)
{
    char reason[PG_ERROR_SIZE_BYTES];
    import->store =
        pg_import_open(config->database_url, import->relation, import->past_capacity, reason);
    if (import->store == NULL) {
        return command_failed("cannot import", reason);
    }
    bool done = run_import(import);
    progress_clear(&import->progress);
    pg_import_close(&import->store);
    if (!done) {
        fprintf(stderr, "rsvpd import: stopped; %" PRId64 " lines were applied\n", import->applied);
        return EXIT_FAILURE;
    }
    print_summary(import);
    return command_finish_output(EXIT_SUCCESS);
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
        status = command_relation("import", name, &import.relation);
    }
    if (status == EXIT_SUCCESS && import.past_capacity && !import.relation->has_settings) {
        status = command_wrong_usage("import", "only RSVPs have a capacity, not", name);
    }
    if (status != EXIT_SUCCESS) {
        return status;
    }
    struct config config;
    struct redis_url redis_url;
    signal(SIGPIPE, SIG_IGN); /* a write that fails says so */
    status = command_load(&config, &redis_url, false);
    if (status == EXIT_SUCCESS && !import_input_open(&import.input, path, import.relation)) {
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
