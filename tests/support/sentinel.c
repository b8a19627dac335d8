/* A sentinel, which watches over a Redis. */
#include "sentinel.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "service.h"

void sentinel_create(struct sentinel *sentinel)
{
    sentinel->port = port_reserve(&sentinel->lock);
    process_make_directory(sentinel->directory, NULL);
}

static void write_configuration(const struct sentinel *sentinel, const char *path,
                                const struct sentinel_watch *watch)
{
    char text[2048];
    snprintf(text, sizeof text,
             "port %u\nbind 127.0.0.1\ndir %s\n"
             "sentinel monitor %s 127.0.0.1 %u %u\n"
             "sentinel down-after-milliseconds %s 1000\n"
             "sentinel failover-timeout %s 5000\n%s",
             (unsigned)sentinel->port, sentinel->directory, watch->name, (unsigned)watch->primary,
             watch->quorum, watch->name, watch->name, watch->lines);
    process_write_file(path, text);
}

void sentinel_start(struct sentinel *sentinel, const struct sentinel_watch *watch)
{
    char path[PROCESS_PATH_SIZE + 16], log[PROCESS_PATH_SIZE + 16];
    snprintf(path, sizeof path, "%s/conf", sentinel->directory);
    snprintf(log, sizeof log, "%s/log", sentinel->directory);
    if (access(path, F_OK) != 0) {
        write_configuration(sentinel, path, watch);
    }
    if (sentinel->pid == 0) {
        const char *const argv[] = {"/usr/bin/redis-server", path, "--sentinel", NULL};
        const struct process_spec spec = {
            .argv = argv, .directory = sentinel->directory, .stdout_path = log, .stderr_path = log};
        sentinel->pid = process_spawn(&spec);
    }
}

void sentinel_stop(struct sentinel *sentinel)
{
    if (sentinel->pid != 0) {
        process_end(sentinel->pid, SIGKILL);
        sentinel->pid = 0;
    }
}

void sentinel_destroy(struct sentinel *sentinel)
{
    if (sentinel->port != 0) {
        sentinel_stop(sentinel);
        process_remove_directory(sentinel->directory);
        close(sentinel->lock);
        *sentinel = (struct sentinel){.pid = 0};
    }
}
