/* Command lines with the real binary in them. */
#include "shell.h"

#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "process.h"

enum { LINE_SIZE = 4096, PATH_SIZE = 1024, END_TIMEOUT_MS = 180000 };

static char directory[PROCESS_PATH_SIZE];
static char path_entry[PATH_SIZE];
static char database_entry[PATH_SIZE];

static void set_up(const char *database_url)
{
    const char *binary = getenv("RSVPD_BINARY");
    if (binary == NULL) {
        process_fail("RSVPD_BINARY does not name the binary");
    }
    process_make_directory(directory, NULL);
    snprintf(path_entry, sizeof path_entry, "PATH=%.*s:/usr/local/bin:/usr/bin:/bin",
             (int)(strrchr(binary, '/') - binary), binary);
    snprintf(database_entry, sizeof database_entry, "DATABASE_URL=%s", database_url);
}

static void tear_down(void)
{
    process_remove_directory(directory);
}

/* ---- files ---- */

static void path_of(char path[PATH_SIZE], const char *name, const char *ending)
{
    snprintf(path, PATH_SIZE, "%s/%s%s", directory, name, ending);
}

void shell_write_file(const char *name, const char *text)
{
    char path[PATH_SIZE];
    path_of(path, name, "");
    process_write_file(path, text);
}

char *shell_read_file(const char *name)
{
    char path[PATH_SIZE];
    path_of(path, name, "");
    return process_read_file(path);
}

/* ---- running ---- */

static pid_t begin(const char *name, const char *line)
{
    static const char *const passed[] = {"ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS",
                                         "UBSAN_OPTIONS"};
    enum { PASSED = sizeof passed / sizeof passed[0] };
    char out[PATH_SIZE], err[PATH_SIZE], options[PASSED][PATH_SIZE];
    const char *environment[PASSED + 4] = {path_entry, database_entry, SERVICE_PATIENT_CONNECT};
    size_t count = 3;
    for (size_t i = 0; i < PASSED; i++) {
        if (getenv(passed[i]) != NULL) {
            snprintf(options[i], PATH_SIZE, "%s=%s", passed[i], getenv(passed[i]));
            environment[count++] = options[i];
        }
    }
    path_of(out, name, "out");
    path_of(err, name, "err");
    (void)remove(out);
    (void)remove(err);
    const char *const argv[] = {"/bin/sh", "-c", line, NULL};
    const struct process_spec spec = {
        .argv = argv,
        .environment = environment,
        .directory = directory,
        .stdout_path = out,
        .stderr_path = err,
    };
    process_note("%s", line);
    return process_spawn(&spec);
}

static int end(pid_t pid, const char *name)
{
    char path[PATH_SIZE];
    const int status = process_wait(pid, END_TIMEOUT_MS);
    if (status < 0) {
        process_end(pid, SIGKILL);
        process_fail("it does not end");
    }
    path_of(path, name, "err");
    char *err = process_read_file(path);
    if (strstr(err, "Sanitizer") != NULL || strstr(err, "runtime error:") != NULL) {
        process_fail("a sanitizer reports:\n%.3000s", err);
    }
    free(err);
    return status;
}

#define FORMAT_LINE(line, format)                                                                  \
    do {                                                                                           \
        va_list arguments;                                                                         \
        va_start(arguments, format);                                                               \
        vsnprintf(line, sizeof(line), format, arguments);                                          \
        va_end(arguments);                                                                         \
    } while (0)

int shell_run(const char *format, ...)
{
    char line[LINE_SIZE];
    FORMAT_LINE(line, format);
    return end(begin("", line), "");
}

pid_t shell_begin(const char *name, const char *format, ...)
{
    char line[LINE_SIZE], prefix[64];
    FORMAT_LINE(line, format);
    snprintf(prefix, sizeof prefix, "%s.", name);
    return begin(prefix, line);
}

int shell_end(pid_t pid, const char *name)
{
    char prefix[64];
    snprintf(prefix, sizeof prefix, "%s.", name);
    return end(pid, prefix);
}

/* ---- expecting ---- */

static void print_file(const char *name)
{
    char *text = shell_read_file(name);
    fprintf(stderr, "--- %s\n%.4000s---\n", name, text);
    free(text);
}

static bool contains(const char *name, const char *word)
{
    char *text = shell_read_file(name);
    const bool found = word == NULL || strstr(text, word) != NULL;
    free(text);
    return found;
}

void expect_shell_at(const char *file, int line_number, int status, const char *out,
                     const char *err, const char *format, ...)
{
    char line[LINE_SIZE];
    FORMAT_LINE(line, format);
    const int ended = end(begin("", line), "");
    if (ended != status || !contains("out", out) || !contains("err", err)) {
        print_file("out");
        print_file("err");
        process_fail("%s:%d: %s\nended with %d; expected %d, '%s' on stdout, '%s' on stderr", file,
                     line_number, line, ended, status, out != NULL ? out : "",
                     err != NULL ? err : "");
    }
}

static void expect_in(const char *name, const char *word)
{
    if (!contains(name, word)) {
        print_file(name);
        process_fail("'%s' is not there", word);
    }
}

void expect_out(const char *word)
{
    expect_in("out", word);
}

void expect_err(const char *word)
{
    expect_in("err", word);
}

int shell_group_setup(void **state)
{
    fixture_setup_servers(state);
    set_up(fixture.database_url);
    return 0;
}

int shell_group_setup_with_service(void **state)
{
    int status = fixture_setup(state);
    set_up(fixture.database_url);
    return status;
}

int shell_group_teardown(void **state)
{
    tear_down();
    return fixture_teardown(state);
}

void shell_clear_tables(void)
{
    pg_execute(fixture.database_url,
               "TRUNCATE rsvps, rsvp_counters, likes, like_counters, events, waitlist");
    pg_execute(fixture.database_url, "TRUNCATE idempotency_keys");
}
