/* What the system says of this process. */
#include "rsvpd/base/process_usage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { STAT_SIZE_BYTES = 1024 };

static bool parse_number(const char *text, uint64_t *number)
{
    errno = 0;
    *number = strtoull(text, NULL, 10);
    return *text >= '0' && *text <= '9' && errno == 0;
}

/* The field that comes so many fields behind this one; its end where there are fewer. */
static const char *skip_fields(const char *at, int count)
{
    for (int i = 0; i < count; i++) {
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    return at;
}

bool process_usage_parse_stat(const char *stat, uint64_t *start_ticks, uint64_t *pages)
{
    /* The second field is the name in parentheses, which may hold any byte: fields count from the
     * last one on, which ends it. */
    const char *name_end = strrchr(stat, ')');
    return name_end != NULL && parse_number(skip_fields(name_end, 22 - 2), start_ticks) &&
           parse_number(skip_fields(name_end, 24 - 2), pages);
}

/* Reads as much of a file as fits, and ends it with a zero. */
static bool read_file(const char *path, char *buffer, size_t size_bytes)
{
    size_t used = 0;
    ssize_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    do {
        got = read(fd, buffer + used, size_bytes - 1 - used);
        used += got > 0 ? (size_t)got : 0;
    } while (got > 0 && used < size_bytes - 1);
    close(fd);
    buffer[used] = '\0';
    return got >= 0;
}

static double seconds_of(clockid_t clock)
{
    struct timespec now = {0};
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* By the clocks: /proc/stat, which knows when the system started, is hidden from a service that a
 * service manager shuts in. Found once, so that it is the same each time. */
static double started_at(uint64_t ticks)
{
    static double started_s;
    if (started_s == 0) {
        started_s = seconds_of(CLOCK_REALTIME) - seconds_of(CLOCK_BOOTTIME) +
                    (double)ticks / (double)sysconf(_SC_CLK_TCK);
    }
    return started_s;
}

static bool count_descriptors(uint64_t *count)
{
    DIR *folder = opendir("/proc/self/fd");
    const struct dirent *entry;
    if (folder == NULL) {
        return false;
    }
    *count = 0;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this call's own */
    while ((entry = readdir(folder)) != NULL) {
        *count += entry->d_name[0] != '.';
    }
    *count -= 1; /* the folder's own */
    closedir(folder);
    return true;
}

bool process_usage_read(struct process_usage *usage)
{
    char stat[STAT_SIZE_BYTES];
    uint64_t start_ticks, pages;
    struct rlimit limit;
    struct rusage used;
    if (!read_file("/proc/self/stat", stat, sizeof stat) ||
        !process_usage_parse_stat(stat, &start_ticks, &pages) ||
        !count_descriptors(&usage->open_descriptors) || getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
        getrusage(RUSAGE_SELF, &used) != 0) {
        return false;
    }
    usage->started_s = started_at(start_ticks);
    usage->resident_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    usage->descriptors_max = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
    usage->cpu_s = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                   (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    return true;
}
