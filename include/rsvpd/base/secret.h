/* A secret of the configuration that may be replaced while the process runs: where NAME_FILE names
 * a file, it is read again whenever the secret is about to be used. */
#ifndef RSVPD_BASE_SECRET_H
#define RSVPD_BASE_SECRET_H

#include "rsvpd/base/config.h"

struct secret;

enum secret_change {
    SECRET_SAME,
    SECRET_CHANGED,
    SECRET_FAILED, /* what the file holds is of no use, or it cannot be read: the last good value
                    * stays, and the log says why, once for each reason */
};

/* `path` is NULL where it came from no file. `valid` says whether a value is one. The strings are
 * copied, but for the name. NULL when memory is exhausted. */
struct secret *secret_create(const char *name, const char *path, const char *value,
                             bool (*valid)(const char *value));
void secret_destroy(struct secret **secret);

/* Whether it may change. */
bool secret_is_in_file(const struct secret *secret);

/* Reads the file again. Blocks: for any thread but a loop's. */
enum secret_change secret_reload(struct secret *secret);

/* The value that is good now, which the caller frees; NULL when memory is exhausted. Blocks as
 * secret_reload does, which it begins with. */
char *secret_now(struct secret *secret);

#endif
