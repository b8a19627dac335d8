/* Child processes and private directories of a test program. */
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

enum {
    WATCHED_LOGS_MAX = 16,
    GUARDED_MAX = 64,
    LOG_TAIL_BYTES = 6000,
    END_TIMEOUT_MS = PROCESS_BOUND_MS,
    RUN_TIMEOUT_MS = PROCESS_BOUND_MS,
    CLEANUP_TIMEOUT_MS = PROCESS_BOUND_MS,
};

static char watched_logs[WATCHED_LOGS_MAX][PROCESS_PATH_SIZE];
static char last_note[512];
static int guard_pipe = -1;

/* ---- time ---- */

int64_t process_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void process_nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

/* ---- failing ---- */

static void set_watched_log(const char *from, const char *to)
{
    for (size_t i = 0; i < WATCHED_LOGS_MAX; i++) {
        if (strcmp(watched_logs[i], from) == 0) {
            snprintf(watched_logs[i], PROCESS_PATH_SIZE, "%s", to);
            return;
        }
    }
}

void process_watch_log(const char *path)
{
    set_watched_log("", path);
}

void process_unwatch_log(const char *path)
{
    set_watched_log(path, "");
}

void process_note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(last_note, sizeof last_note, format, arguments);
    va_end(arguments);
}

/* Straight to stderr: cmocka cuts what it prints at a kilobyte. */
void process_print_context(void)
{
    if (last_note[0] != '\0') {
        fprintf(stderr, "last noted: %s\n", last_note);
    }
    for (size_t i = 0; i < WATCHED_LOGS_MAX; i++) {
        if (watched_logs[i][0] == '\0') {
            continue;
        }
        char *text = process_read_file(watched_logs[i]);
        size_t size = strlen(text);
        const char *tail = size > LOG_TAIL_BYTES ? text + size - LOG_TAIL_BYTES : text;
        fprintf(stderr, "--- end of %s\n%s\n---\n", watched_logs[i], tail);
        free(text);
    }
}

void process_fail(const char *format, ...)
{
    char message[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    process_print_context();
    fprintf(stderr, "%s\n", message);
    _fail(__FILE__, __LINE__);
    abort();
}

/* ---- files ---- */

char *process_read_file(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;
    FILE *copy = open_memstream(&text, &size);
    char block[4096];
    size_t got;
    while (file != NULL && (got = fread(block, 1, sizeof block, file)) > 0) {
        fwrite(block, 1, got, copy);
    }
    (void)fclose(copy);
    if (file != NULL) {
        (void)fclose(file);
    }
    return text;
}

void process_write_file(const char *path, const char *text)
{
    const int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
        process_fail("cannot write %s: %s", path, strerror(errno));
    }
}

/* By rm, which goes down by descriptors: whoever owns a directory in the tree may put a link in its
 * place at any moment. What cannot be removed yet is left. */
static void remove_tree(const char *path)
{
    const char *const arguments[] = {"rm", "-rf", "--one-file-system", "--", path, NULL};
    posix_spawn_file_actions_t quiet;
    pid_t pid;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
    if (posix_spawnp(&pid, arguments[0], &quiet, NULL, (char *const *)arguments, environ) == 0) {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    posix_spawn_file_actions_destroy(&quiet);
}

void process_remove_directory(const char *path)
{
    /* A server's last child may still be writing: try until it is gone. */
    const int64_t end_ms = process_now_ms() + CLEANUP_TIMEOUT_MS;
    for (remove_tree(path); access(path, F_OK) == 0; remove_tree(path)) {
        if (process_now_ms() > end_ms) {
            process_fail("cannot remove %s", path);
        }
        process_nap();
    }
}

/* ---- the process table ---- */

/* Reads state and parent of a process; false if there is none. The name in the second field may
 * itself hold parentheses and blanks, so parsing starts after the last ')' (proc(5)). */
static bool read_stat(pid_t pid, char *state, pid_t *parent)
{
    char path[64];
    char line[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    const char *read = fgets(line, sizeof line, file);
    (void)fclose(file);
    const char *rest = read == NULL ? NULL : strrchr(line, ')');
    if (rest == NULL || strlen(rest) <= strlen(") S ")) {
        return false;
    }
    *state = rest[2];
    *parent = (pid_t)strtol(rest + strlen(") S "), NULL, 10);
    return true;
}

static void signal_children(pid_t parent, int signal_number)
{
    DIR *processes = opendir("/proc");
    struct dirent *entry;
    while (processes != NULL && (entry = readdir(processes)) != NULL) {
        const pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        char state;
        pid_t its_parent;
        if (pid > 0 && read_stat(pid, &state, &its_parent) && its_parent == parent) {
            kill(pid, signal_number);
        }
    }
    if (processes != NULL) {
        closedir(processes);
    }
}

/* proc(5) */
static const char stopped[] = "TtZX";
/* Or in a system call that cannot be interrupted (a slow disk's fsync): where the signal was sent,
 * the process runs no instruction of its own before it is stopped. */
static const char stopped_or_stopping[] = "TtZXD";

static bool is_in(pid_t pid, const char *states)
{
    char state;
    pid_t parent;
    return !read_stat(pid, &state, &parent) || (state != '\0' && strchr(states, state) != NULL);
}

static bool children_are_in(pid_t root, const char *states)
{
    bool all = true;
    DIR *processes = opendir("/proc");
    struct dirent *entry;
    while (all && processes != NULL && (entry = readdir(processes)) != NULL) {
        const pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        char state;
        pid_t parent;
        if (pid > 0 && read_stat(pid, &state, &parent) && parent == root) {
            all = is_in(pid, states);
        }
    }
    if (processes != NULL) {
        closedir(processes);
    }
    return all;
}

/* The parent first: once it is stopped, no further child can appear that gets no signal. */
void process_pause_tree(pid_t pid)
{
    const int64_t end_ms = process_now_ms() + END_TIMEOUT_MS;
    kill(pid, SIGSTOP);
    while (!is_in(pid, stopped)) {
        if (process_now_ms() > end_ms) {
            process_fail("process %d does not stop", (int)pid);
        }
        process_nap();
    }
    signal_children(pid, SIGSTOP);
    while (!children_are_in(pid, stopped_or_stopping)) {
        if (process_now_ms() > end_ms) {
            process_fail("the children of process %d do not stop", (int)pid);
        }
        process_nap();
    }
}

void process_resume_tree(pid_t pid)
{
    signal_children(pid, SIGCONT);
    kill(pid, SIGCONT);
}

/* ---- the guard ---- */

struct guarded {
    char directories[GUARDED_MAX][PROCESS_PATH_SIZE];
    pid_t pids[GUARDED_MAX];
    size_t directory_count;
    size_t pid_count;
};

static void guard_clean_up(struct guarded *guarded)
{
    /* The children's own death signal is pending where they are stopped: wake them to get it. */
    for (size_t i = 0; i < guarded->pid_count; i++) {
        process_resume_tree(guarded->pids[i]);
    }
    const int64_t end_ms = process_now_ms() + CLEANUP_TIMEOUT_MS;
    for (size_t i = 0; i < guarded->directory_count; i++) {
        do {
            remove_tree(guarded->directories[i]);
            process_nap();
        } while (access(guarded->directories[i], F_OK) == 0 && process_now_ms() < end_ms);
    }
}

/* Reads "d DIRECTORY" and "p PID" lines until the test program has gone, then cleans up. */
static void guard_main(int descriptor)
{
    static struct guarded guarded;
    char line[PROCESS_PATH_SIZE + 8];
    setsid();
    FILE *commands = fdopen(descriptor, "r");
    while (commands != NULL && fgets(line, sizeof line, commands) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == 'd') {
            const size_t slot = guarded.directory_count++ % GUARDED_MAX;
            snprintf(guarded.directories[slot], PROCESS_PATH_SIZE, "%.*s", PROCESS_PATH_SIZE - 1,
                     line + 2);
        } else {
            guarded.pids[guarded.pid_count++ % GUARDED_MAX] = (pid_t)strtol(line + 2, NULL, 10);
        }
    }
    guarded.directory_count =
        guarded.directory_count < GUARDED_MAX ? guarded.directory_count : GUARDED_MAX;
    guarded.pid_count = guarded.pid_count < GUARDED_MAX ? guarded.pid_count : GUARDED_MAX;
    guard_clean_up(&guarded);
    _exit(0);
}

static void guard_start(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        process_fail("pipe: %s", strerror(errno));
    }
    const pid_t pid = fork();
    if (pid == 0) {
        /* Not the caller's output: who waits for its end must not wait for the guard's. */
        const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
        for (int descriptor = 0; descriptor < 3; descriptor++) {
            dup2(nothing, descriptor);
        }
        close(ends[1]);
        guard_main(ends[0]);
    }
    close(ends[0]);
    guard_pipe = ends[1];
}

static void guard_tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void guard_tell(const char *format, ...)
{
    if (guard_pipe < 0) {
        guard_start();
    }
    va_list arguments;
    va_start(arguments, format);
    vdprintf(guard_pipe, format, arguments);
    va_end(arguments);
}

/* ---- starting and ending ---- */

static const struct passwd *find_user(const char *name)
{
    const struct passwd *user = getpwnam(name);
    if (user == NULL) {
        process_fail("there is no system user %s", name);
    }
    return user;
}

void process_give_directory(const char *path, const char *user)
{
    if (user == NULL) {
        return;
    }
    const struct passwd *owner = find_user(user);
    if (chown(path, owner->pw_uid, owner->pw_gid) != 0) {
        process_fail("chown %s: %s", path, strerror(errno));
    }
}

void process_make_directory(char path[PROCESS_PATH_SIZE], const char *user)
{
    snprintf(path, PROCESS_PATH_SIZE, "/tmp/rsvpd-test-XXXXXX");
    if (mkdtemp(path) == NULL) {
        process_fail("mkdtemp: %s", strerror(errno));
    }
    guard_tell("d %s\n", path);
    process_give_directory(path, user);
}

static void redirect(int descriptor, const char *path, int flags)
{
    const int file = open(path, flags | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (file < 0 || dup2(file, descriptor) < 0) {
        _exit(126);
    }
}

static void become(const struct passwd *user)
{
    if (setgid(user->pw_gid) != 0 || initgroups(user->pw_name, user->pw_gid) != 0 ||
        setuid(user->pw_uid) != 0) {
        _exit(126);
    }
}

static void run_child(const struct process_spec *spec, const struct passwd *user, pid_t parent)
{
    const int write_flags = O_WRONLY | O_CREAT | O_APPEND;
    /* First, so that the files are opened with the rights of the user whose directory they are in.
     */
    if (user != NULL) {
        become(user);
    }
    redirect(0, "/dev/null", O_RDONLY);
    redirect(1, spec->stdout_path != NULL ? spec->stdout_path : "/dev/null", write_flags);
    redirect(2, spec->stderr_path != NULL ? spec->stderr_path : "/dev/null", write_flags);
    if (spec->directory != NULL && chdir(spec->directory) != 0) {
        _exit(126);
    }
    /* After the change of user, which would clear it. */
    prctl(PR_SET_PDEATHSIG, spec->death_signal != 0 ? spec->death_signal : SIGKILL);
    if (getppid() != parent) {
        _exit(126);
    }
    /* Not every library's descriptors close by themselves: libcurl's sockets do not. */
    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    char *const *environment = (char *const *)spec->environment;
    execve(spec->argv[0], (char *const *)spec->argv, environment != NULL ? environment : environ);
    dprintf(2, "cannot run %s: %s\n", spec->argv[0], strerror(errno));
    _exit(127);
}

pid_t process_spawn(const struct process_spec *spec)
{
    const struct passwd *user = spec->user != NULL ? find_user(spec->user) : NULL;
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid < 0) {
        process_fail("fork: %s", strerror(errno));
    }
    if (pid == 0) {
        run_child(spec, user, parent);
    }
    guard_tell("p %d\n", (int)pid);
    return pid;
}

int process_wait(pid_t pid, int timeout_ms)
{
    const int64_t end_ms = process_now_ms() + timeout_ms;
    int status;
    pid_t ended;
    while ((ended = waitpid(pid, &status, WNOHANG)) == 0) {
        if (process_now_ms() > end_ms) {
            return -1;
        }
        process_nap();
    }
    if (ended < 0) {
        process_fail("waitpid %d: %s", (int)pid, strerror(errno));
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int process_end(pid_t pid, int signal_number)
{
    kill(pid, signal_number);
    const int status = process_wait(pid, END_TIMEOUT_MS);
    if (status < 0) {
        kill(pid, SIGKILL);
        process_wait(pid, END_TIMEOUT_MS);
        process_fail("process %d did not end on signal %d", (int)pid, signal_number);
    }
    return status;
}

int process_run(const struct process_spec *spec)
{
    const pid_t pid = process_spawn(spec);
    const int status = process_wait(pid, RUN_TIMEOUT_MS);
    if (status < 0) {
        process_end(pid, SIGKILL);
        process_fail("%s did not end by itself", spec->argv[0]);
    }
    return status;
}
