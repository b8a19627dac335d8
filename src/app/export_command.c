/* rsvpd export: all members, settings or waiting lists as CSV. */
#include "rsvpd/app/command.h"
#include "rsvpd/app/data_commands.h"
#include "rsvpd/base/clock.h"
#include "rsvpd/base/progress.h"
#include "rsvpd/domain/settings.h"
#include "rsvpd/store/pg_export.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMBERS(ID, name, collection, id, ...)                                                     \
    "  " name ": " id ", user_id, created_at, ordered by " id " and user_id.\n"
#define MEMBER_LINES RELATIONS(MEMBERS)
const char export_help[] =
    "usage: rsvpd export " RELATION_OPTION " [FILE|-]\n\n"
    "Writes who is in what, as of one moment, as CSV that 'rsvpd import' reads:\n" MEMBER_LINES
    "  settings: event_id" SETTINGS_NAMES ", ordered by event_id.\n"
    "  waitlist: event_id, user_id, created_at of who waits, ordered by event_id and turn.\n"
    "Times are in UTC with microseconds. FILE appears when it is complete; until then\n"
    "FILE.partial grows. Without FILE, or with -, to standard output.\n"
    "Exit status: 0 done, 1 it failed, 2 where an argument or a variable is wrong.\n";

/* Where the export goes. */
struct output {
    int fd;
    const char *name; /* for people */
    char *target;     /* the name of the file once it is complete; NULL: written in place */
    struct progress progress;
    bool began; /* the header was taken */
    int64_t rows;
    int error;   /* errno of a write that failed, or 0 */
    size_t size; /* of what is in the buffer */
    char buffer[262144];
};

/* The incomplete file, which the signals that end the process remove. */
static char *partial;

static void remove_partial(int number)
{
    unlink(partial);
    if (getpid() == 1) { /* the first process of a container, which the signal would not end */
        _exit(128 + number);
    }
    signal(number, SIG_DFL);
    raise(number);
}

/* ---- the file ---- */

static int cannot_write(const char *name, int error)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): glibc's strerror is safe since 2.32 */
    fprintf(stderr, "rsvpd export: cannot write %s: %s\n", name, strerror(error));
    return EXIT_FAILURE;
}

/* Whether it is something that must not be replaced: a pipe, /dev/null. */
static bool is_special(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && !S_ISREG(status.st_mode);
}

static int open_partial(struct output *output, const char *path)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    char *existing = realpath(path, NULL); /* a link stays, and what it leads to is replaced */
    output->fd = -1; /* until the file is there, there is none to close or remove */
    output->target = existing != NULL ? existing : strdup(path);
    if (output->target == NULL || asprintf(&partial, "%s.partial", output->target) < 0) {
        return cannot_write(path, ENOMEM);
    }
    output->fd = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (output->fd < 0) {
        int error = errno;
        int status = cannot_write(partial, error);
        if (error == EEXIST) {
            fputs("rsvpd export: another export is writing it, or was killed and left it: then "
                  "remove it\n",
                  stderr);
        }
        return status;
    }
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        signal(ends[i], remove_partial);
    }
    return EXIT_SUCCESS;
}

static int open_output(struct output *output, const char *path)
{
    *output = (struct output){.fd = STDOUT_FILENO, .name = "standard output"};
    if (path == NULL || strcmp(path, "-") == 0) {
        return EXIT_SUCCESS;
    }
    output->name = path;
    if (!is_special(path)) {
        return open_partial(output, path);
    }
    output->fd = open(path, O_WRONLY | O_CLOEXEC);
    return output->fd < 0 ? cannot_write(path, errno) : EXIT_SUCCESS;
}

static bool flush(struct output *output)
{
    const char *from = output->buffer;
    assert(output->fd >= 0 && output->size <= sizeof output->buffer);
    while (output->size > 0) {
        ssize_t written = write(output->fd, from, output->size);
        if (written < 0 && errno != EINTR) {
            output->error = errno;
            return false;
        }
        from += written < 0 ? 0 : written;
        output->size -= written < 0 ? 0 : (size_t)written;
    }
    return true;
}

/* Syncs a complete file before it gets its name. Removes an incomplete one. */
static int close_output(struct output *output, int status)
{
    bool is_file = output->target != NULL && output->fd >= 0;
    bool is_complete = status == EXIT_SUCCESS;
    assert(!is_file || partial != NULL);
    assert(!is_complete || (output->error == 0 && output->size == 0)); /* all of it was written */
    if (is_file && is_complete && fsync(output->fd) != 0) {
        status = cannot_write(output->name, errno);
    }
    if (output->fd >= 0 && close(output->fd) != 0 && status == EXIT_SUCCESS) {
        status = cannot_write(output->name, errno);
    }
    if (is_file && status == EXIT_SUCCESS && rename(partial, output->target) != 0) {
        status = cannot_write(output->name, errno);
    }
    if (is_file && status != EXIT_SUCCESS) {
        unlink(partial);
    }
    free(output->target);
    return status;
}

/* ---- the export ---- */

static bool take_line(void *context, struct slice line, int64_t total)
{
    struct output *output = context;
    assert(output->error == 0); /* the first ends the export */
    if (output->size + line.size > sizeof output->buffer && !flush(output)) {
        return false;
    }
    if (line.size > sizeof output->buffer) {
        output->error = EFBIG; /* no row of ours is */
        return false;
    }
    memcpy(output->buffer + output->size, line.data, line.size);
    output->size += line.size;
    output->rows += output->began;
    output->began = true;
    if (output->rows % 1024 == 0) {
        progress_update(&output->progress, output->rows, output->rows, total, clock_mono_us());
    }
    return true;
}

static int run_export(struct output *output, const struct config *config,
                      const struct pg_export_kind *kind)
{
    char reason[PG_ERROR_SIZE_BYTES];
    int64_t began_us = clock_mono_us();
    bool shows_itself = isatty(output->fd); /* the export does, on the same terminal */
    progress_begin(&output->progress, shows_itself ? NULL : stderr, "export", "rows", began_us);
    bool exported =
        pg_export(config->database_url, kind, take_line, output, reason) && flush(output);
    progress_clear(&output->progress);
    if (output->error != 0) {
        return cannot_write(output->name, output->error);
    }
    if (!exported) {
        return command_failed("cannot export", reason);
    }
    double seconds = (double)(clock_mono_us() - began_us) / 1e6;
    fprintf(stderr, "export %s: %" PRId64 " %s, %.1f s, %.0f rows/s\n", kind->name, output->rows,
            command_plural(output->rows, "row", "rows"), seconds,
            seconds > 0 ? (double)output->rows / seconds : 0.0);
    return EXIT_SUCCESS;
}

int export_command(int argc, char **argv)
{
    static struct output output;
    const char *name = NULL, *path = NULL;
    const struct command_option options[] = {{"--relation", &name, NULL}};
    int status = command_read_options("export", argc, argv, options, 1, &path);
    if (status != EXIT_SUCCESS) {
        return status;
    }
    if (name == NULL) {
        return command_wrong_usage("export", "say which relation, with", RELATION_OPTION);
    }
    const struct pg_export_kind *kind = pg_export_kind_named(name);
    if (kind == NULL) {
        return command_wrong_usage("export", "there is no relation", name);
    }
    struct config config;
    signal(SIGPIPE, SIG_IGN); /* a write that fails says so */
    status = command_load_database(&config);
    if (status == EXIT_SUCCESS) {
        status = open_output(&output, path);
        if (status == EXIT_SUCCESS) {
            status = run_export(&output, &config, kind);
        }
        status = close_output(&output, status);
    }
    config_free(&config);
    return status;
}
