/* How often each answer came: by status, and by the code of a problem. Pure bookkeeping. */
#ifndef RSVPD_TESTS_ANSWERS_H
#define RSVPD_TESTS_ANSWERS_H

#include <stddef.h>
#include <stdint.h>

enum {
    ANSWERS_MAX = 16, /* different ones: more are counted as the last */
    ANSWERS_CODE_SIZE = 32,
};

/* Starts zeroed. */
struct answers {
    struct {
        long status;                  /* 0: no answer came */
        char code[ANSWERS_CODE_SIZE]; /* cut where it is longer; empty: it has none */
        uint64_t count;
    } of[ANSWERS_MAX];
    size_t count;
};

/* code: NULL where the answer has none. */
void answers_add(struct answers *answers, long status, const char *code);

#endif
