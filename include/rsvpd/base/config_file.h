/* Values of the configuration that lie in files (NAME_FILE): read at the start, and again when the
 * operator asks for it. */
#ifndef RSVPD_BASE_CONFIG_FILE_H
#define RSVPD_BASE_CONFIG_FILE_H

#include "rsvpd/base/contract.h"

#include <stdbool.h>

/* One line for the operator: which variable is wrong, why, and what to write instead. */
struct config_error {
    char line[512];
};

enum { CONFIG_FILE_VALUE_SIZE_BYTES = 8193 /* with its NUL */ };

/* Reads the value that a file holds, without the line end that editors leave. False with `error`
 * filled in where it cannot be read or holds no value. Errors repeat neither the content nor the
 * path: that may be the secret itself, given to the wrong variable. May wait, as for a pipe. */
MUST_CHECK bool config_file_read(const char *name, const char *path,
                                 char value[CONFIG_FILE_VALUE_SIZE_BYTES],
                                 struct config_error *error);

/* The same of a process that serves: waits for nobody, and takes regular files alone. */
MUST_CHECK bool config_file_read_again(const char *name, const char *path,
                                       char value[CONFIG_FILE_VALUE_SIZE_BYTES],
                                       struct config_error *error);

#endif
