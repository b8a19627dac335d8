/* Command lines with the real binary in them, as an operator types them: pipes, redirections, files
 * of a private directory. Everything here fails the running test when it cannot do its job; from
 * the main thread only. */
#ifndef RSVPD_TESTS_SHELL_H
#define RSVPD_TESTS_SHELL_H

#include <sys/types.h>

/* Group fixtures: the servers and the migrated database of fixture.h, and the directory that all
 * command lines run in, where `rsvpd` is the binary and DATABASE_URL that database. */
int shell_group_setup(void **state);
/* The same with the service, as fixture_setup starts it. */
int shell_group_setup_with_service(void **state);
int shell_group_teardown(void **state);
/* Empties the tables of that database: memberships, settings and kept answers. */
void shell_clear_tables(void);

/* Writes, or reads, a file of the directory. The caller frees what was read. */
void shell_write_file(const char *name, const char *text);
char *shell_read_file(const char *name);

/* Runs a command line, built as printf() does, to its end; what it printed is in the files out and
 * err of the directory. Gives its exit status, and looks for reports of sanitizers. */
int shell_run(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Begins one, whose files are <name>.out and <name>.err. `exec` in front makes the child the
 * binary. */
pid_t shell_begin(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Waits for its end: its exit status. */
int shell_end(pid_t pid, const char *name);

/* Runs a command line that must end with this status, and print this on stdout and stderr (NULL:
 * whatever). */
#define expect_shell(status, out, err, ...)                                                        \
    expect_shell_at(__FILE__, __LINE__, status, out, err, __VA_ARGS__)
void expect_shell_at(const char *file, int line, int status, const char *out, const char *err,
                     const char *format, ...) __attribute__((format(printf, 6, 7)));
/* What the last one printed contains this. */
void expect_out(const char *word);
void expect_err(const char *word);

#endif
