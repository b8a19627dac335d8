/* Child processes and private directories of a test program: none of them outlives it, whatever way
 * it ends.
 *
 * A child gets a signal when the thread that started it dies (PR_SET_PDEATHSIG), so start children
 * from the main thread only. A guard process, forked with the first directory, wakes children that
 * a dead test program left stopped and removes its directories. */
#ifndef RSVPD_TESTS_PROCESS_H
#define RSVPD_TESTS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    PROCESS_PATH_SIZE = 128,
    /* Far past all that a test waits for, however slow the machine: what takes so long never comes.
     */
    PROCESS_BOUND_MS = 60000,
};

struct process_spec {
    const char *const *argv;        /* NULL-terminated; argv[0] is the path of the program */
    const char *const *environment; /* NAME=VALUE, NULL-terminated; NULL: the caller's own */
    const char *user;               /* the system user to become, or NULL */
    const char *directory;          /* working directory, or NULL */
    const char *stdout_path;        /* appended to; NULL: /dev/null */
    const char *stderr_path;        /* appended to; NULL: /dev/null */
    int death_signal;               /* what it gets when the test program dies; 0: SIGKILL */
};

/* Ends the running test (or fixture) as failed, with the message and the tails of the logs that
 * process_watch_log() named. From the main thread only. */
void process_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Says what is being tried, for loops over a table: a failure prints the last note. */
void process_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Adds the file to those whose last lines are printed when something fails, or takes it out. */
void process_watch_log(const char *path);
void process_unwatch_log(const char *path);
/* What a failure prints: the last note and the ends of the logs. */
void process_print_context(void);

/* A fresh directory under /tmp with mode 700 and a short name, owned by user (NULL: the caller). */
void process_make_directory(char path[PROCESS_PATH_SIZE], const char *user);
/* Makes it that user's (NULL: leaves it). */
void process_give_directory(const char *path, const char *user);
/* Removes it with all that is in it; a directory that is gone is no error. */
void process_remove_directory(const char *path);

pid_t process_spawn(const struct process_spec *spec);
/* Waits for the child's end; gives its exit status (128 + N: ended by signal N), or -1 if it is
 * still running after timeout_ms. */
int process_wait(pid_t pid, int timeout_ms);
/* Sends the signal and waits as process_wait() does, for up to 30 s; fails the test past that. */
int process_end(pid_t pid, int signal_number);
/* Runs to the end (at most 60 s, then fails the test) and gives the exit status. */
int process_run(const struct process_spec *spec);

/* Stops (SIGSTOP) the process and its direct children and returns when all of them stand still. */
void process_pause_tree(pid_t pid);
void process_resume_tree(pid_t pid);

/* The whole file as a NUL-terminated string that the caller frees; "" if there is no such file. */
char *process_read_file(const char *path);
void process_write_file(const char *path, const char *text);

/* Monotonic milliseconds, and the short nap between two looks of a bounded poll. */
int64_t process_now_ms(void);
void process_nap(void);

#endif
