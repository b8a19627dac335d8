/* Shows how far a command is: a bar on a terminal, a line now and then elsewhere. */
#ifndef RSVPD_BASE_PROGRESS_H
#define RSVPD_BASE_PROGRESS_H

#include "rsvpd/base/text.h"

#include <stdint.h>
#include <stdio.h>

struct progress {
    FILE *out;                 /* NULL: show nothing */
    bool is_terminal;          /* whether `out` is */
    bool shown;                /* a bar stands on the terminal */
    const char *title;         /* what is done: import */
    const char *unit;          /* what is counted: lines */
    int64_t began_us, next_us; /* when it began, and when to show it again */
};

/* Begins at `now_us` of the monotonic clock, as all times here. The caller keeps the strings. */
void progress_begin(struct progress *progress, FILE *out, const char *title, const char *unit,
                    int64_t now_us);

/* Reports that `count` units are done, which are `done` of `total` in any unit (0: not known).
 * Shows it when it is time to. */
void progress_update(struct progress *progress, int64_t count, int64_t done, int64_t total,
                     int64_t now_us);

/* Takes the bar away, for other output and at the end. */
void progress_clear(struct progress *progress);

/* What is shown. */
void progress_write(const struct progress *progress, int64_t count, int64_t done, int64_t total,
                    int64_t now_us, struct text *text);

#endif
