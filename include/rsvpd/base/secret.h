/* A value of the configuration that may change while the process runs, such as a secret. If it came
 * from a file (NAME_FILE), the file is read again before each use. */
#ifndef RSVPD_BASE_SECRET_H
#define RSVPD_BASE_SECRET_H

#include "rsvpd/base/config.h"

struct secret;

enum secret_change {
    SECRET_SAME,
    SECRET_CHANGED,
    SECRET_FAILED, /* the file cannot be read, or its value is not valid: the last good value stays,
                      and the log gives each reason once */
};

/* `path` is NULL if it came from no file. `valid` checks a value. The strings are copied, except
 * the name. NULL when memory is exhausted. */
struct secret *secret_create(const char *name, const char *path, const char *value,
                             bool (*valid)(const char *value));
void secret_destroy(struct secret **secret);

/* Whether it may change. */
bool secret_is_in_file(const struct secret *secret);

/* Reads the file again. Blocks: for any thread but a loop's. */
enum secret_change secret_reload(struct secret *secret);

/* Returns the current value, which the caller frees; NULL when memory is exhausted. It calls
 * secret_reload first, so it blocks as that does. */
char *secret_now(struct secret *secret);

#endif
