/* A sentinel, which watches over a Redis: on a TCP port of loopback, in a private directory.
 * Everything here fails the running test when it cannot do its job; call it from the main thread.
 */
#ifndef RSVPD_TESTS_SENTINEL_H
#define RSVPD_TESTS_SENTINEL_H

#include <stdint.h>
#include <sys/types.h>

#include "process.h"

/* All zero: it is not there. */
struct sentinel {
    pid_t pid; /* 0: it does not run */
    uint16_t port;
    int lock;
    char directory[PROCESS_PATH_SIZE];
};

/* What it watches over, and how. */
struct sentinel_watch {
    const char *name;  /* what it calls the primary */
    uint16_t primary;  /* port of the primary on loopback */
    unsigned quorum;   /* how many sentinels must find it gone */
    const char *lines; /* of the configuration, behind all others */
};

/* Takes a port. It does not run yet. */
void sentinel_create(struct sentinel *sentinel);
/* With the configuration that it wrote itself, if it has run before. Returns at once; leaves one
 * that runs alone. */
void sentinel_start(struct sentinel *sentinel, const struct sentinel_watch *watch);
/* By SIGKILL. */
void sentinel_stop(struct sentinel *sentinel);
void sentinel_destroy(struct sentinel *sentinel);

#endif
