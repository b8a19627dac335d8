/* One call that fails: which it is, and how many calls of each kind there have been.
 *
 * Programs that are linked with fail.c count their calls of the kinds of kinds.def and let the one
 * that is asked for fail as its library says that it may. The plan lies in memory that a test
 * shares with the process under test, by the file that RSVPD_FAIL_CONTROL names; without that
 * variable it is the program's own. */
#ifndef RSVPD_TESTS_FAIL_H
#define RSVPD_TESTS_FAIL_H

#include <stdatomic.h>
#include <stdbool.h>

enum fail_kind {
#define FAIL_KIND(name, group) FAIL_##name,
#include "kinds.def"
#undef FAIL_KIND
    FAIL_KIND_COUNT
};

/* Whose calls they are. */
enum fail_group {
    FAIL_GROUP_MEMORY,
    FAIL_GROUP_OPENSSL,
    FAIL_GROUP_LIBCURL,
    FAIL_GROUP_SYSTEM,
    FAIL_GROUP_LIBPQ,
    FAIL_GROUP_HIREDIS,
    FAIL_GROUP_MICROHTTPD,
    FAIL_GROUP_LIBUV,
    FAIL_GROUP_COUNT
};

struct fail_control {
    atomic_int kind;
    atomic_int at;                     /* the call of that kind that fails, from 1; 0: none */
    atomic_bool failed;                /* it has */
    atomic_int calls[FAIL_KIND_COUNT]; /* since fail_arm() */
};

extern const char *const fail_names[FAIL_KIND_COUNT];
extern const enum fail_group fail_groups[FAIL_KIND_COUNT];

/* The plan of this process. */
extern struct fail_control *fail_control;

/* Counts anew from here on and lets that call fail; at 0 counts alone. */
void fail_arm(struct fail_control *control, enum fail_kind kind, int at);

/* Notes a call; whether it is to fail. */
bool fail_now(enum fail_kind kind);

/* The plan in the file, which is made where it is missing; NULL with errno set. It lives as long as
 * the process. */
struct fail_control *fail_share(const char *path);

#endif
