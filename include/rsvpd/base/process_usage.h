/* What the system says of this process: how long it runs, and what it holds. Read from /proc/self
 * (proc(5)), and so for a thread that serves no clients: with many descriptors it takes a while. Of
 * one thread. */
#ifndef RSVPD_BASE_PROCESS_USAGE_H
#define RSVPD_BASE_PROCESS_USAGE_H

#include "rsvpd/base/contract.h"

#include <stdbool.h>
#include <stdint.h>

struct process_usage {
    double started_s; /* Unix time */
    double cpu_s;     /* of all threads, user and system */
    uint64_t resident_bytes;
    uint64_t open_descriptors, descriptors_max; /* of the soft limit; UINT64_MAX: unlimited */
};

/* False where /proc/self cannot be read: then nothing is known. */
MUST_CHECK bool process_usage_read(struct process_usage *usage);

/* The part that is read as text. `stat` is the content of /proc/PID/stat: the number of the clock
 * tick after the start of the system in which the process started, and its resident pages. */
MUST_CHECK bool process_usage_parse_stat(const char *stat, uint64_t *start_ticks, uint64_t *pages);

#endif
