/* What the system says of this process. */
#include "rsvpd/base/process_usage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    STAT_SIZE_BYTES = 1024,
    SYSTEM_STAT_SIZE_BYTES = 256 * 1024, /* a line for each core, and a long one of interrupts */
};

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

bool process_usage_parse_boot(const char *system_stat, uint64_t *boot_s)
{
    static const char name[] = "\nbtime ";
    const char *line = strstr(system_stat, name);
    return line != NULL && parse_number(line + sizeof name - 1, boot_s);
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

static bool read_boot(uint64_t *boot_s)
{
    char *buffer = malloc(SYSTEM_STAT_SIZE_BYTES);
    bool known = buffer != NULL && read_file("/proc/stat", buffer, SYSTEM_STAT_SIZE_BYTES) &&
                 process_usage_parse_boot(buffer, boot_s);
    free(buffer);
    return known;
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
    uint64_t boot_s, start_ticks, pages;
    struct rlimit limit;
    struct rusage used;
    if (!read_file("/proc/self/stat", stat, sizeof stat) ||
        !process_usage_parse_stat(stat, &start_ticks, &pages) || !read_boot(&boot_s) ||
        !count_descriptors(&usage->open_descriptors) || getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
        getrusage(RUSAGE_SELF, &used) != 0) {
        return false;
    }
    usage->started_s = (double)boot_s + (double)start_ticks / (double)sysconf(_SC_CLK_TCK);
    usage->resident_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    usage->descriptors_max = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
    usage->cpu_s = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                   (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    return true;
}
