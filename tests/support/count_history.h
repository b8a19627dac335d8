/* What counts truly were: triggers copy each version of a counter as it is committed, whichever
 * process committed it. Everything here fails the running test when it cannot do its job; call it
 * from the main thread. */
#ifndef RSVPD_TESTS_COUNT_HISTORY_H
#define RSVPD_TESTS_COUNT_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relation.h"

/* Puts the triggers into a migrated database. */
void count_history_watch(const char *database_url);

struct count_version {
    int64_t version, count;
};

/* All versions of one count in their order. The first is 0: there was no counter. */
struct count_history {
    struct count_version *versions;
    size_t size;
};

/* What was committed since count_history_watch(); to be freed by count_history_free. */
struct count_history count_history_read(const char *database_url, const struct relation *relation,
                                        const char *id);
void count_history_free(struct count_history *history);

struct count_version count_history_last(const struct count_history *history);
int64_t count_history_max(const struct count_history *history);

/* Whether this version was committed with this count. */
bool count_history_has(const struct count_history *history, struct count_version version);
/* The first version past that one with this count; -1: there is none. */
int64_t count_history_next(const struct count_history *history, int64_t after, int64_t count);

#endif
