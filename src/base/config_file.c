/* Values of the configuration that lie in files. */
#include "rsvpd/base/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool read_value(const char *name, int fd, char value[CONFIG_FILE_VALUE_SIZE_BYTES],
                       struct config_error *error)
{
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    if (file == NULL) {
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): glibc's strerror is safe since 2.32 */
        const char *why = strerror(errno);
        snprintf(error->line, sizeof error->line, "%s_FILE: cannot read the file that it names: %s",
                 name, why);
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    size_t size = fread(value, 1, CONFIG_FILE_VALUE_SIZE_BYTES, file);
    bool broken = ferror(file) != 0 || size == CONFIG_FILE_VALUE_SIZE_BYTES ||
                  memchr(value, '\0', size) != NULL;
    (void)fclose(file);
    while (size > 0 && (value[size - 1] == '\n' || value[size - 1] == '\r')) {
        size--;
    }
    if (broken || size == 0) {
        snprintf(error->line, sizeof error->line,
                 "%s_FILE: the file that it names does not hold one value of at most %d bytes",
                 name, CONFIG_FILE_VALUE_SIZE_BYTES - 1);
        return false;
    }
    value[size] = '\0';
    return true;
}

bool config_file_read(const char *name, const char *path, char value[CONFIG_FILE_VALUE_SIZE_BYTES],
                      struct config_error *error)
{
    return read_value(name, open(path, O_RDONLY | O_CLOEXEC), value, error);
}

bool config_file_read_again(const char *name, const char *path,
                            char value[CONFIG_FILE_VALUE_SIZE_BYTES], struct config_error *error)
{
    struct stat about;
    /* What is no regular file may keep us waiting. */
    if (stat(path, &about) == 0 && !S_ISREG(about.st_mode)) {
        snprintf(error->line, sizeof error->line,
                 "%s: the file that it came from is no regular one", name);
        return false;
    }
    return read_value(name, open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), value, error);
}
