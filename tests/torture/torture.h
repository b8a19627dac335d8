/* What the programs of this directory share: which call numbers are tried, and what came of them.
 *
 * TORTURE=full tries every call number; otherwise so many of each kind as TORTURE says, or else the
 * test, spread evenly from an offset that follows from TEST_SEED (a fresh one is printed). */
#ifndef RSVPD_TESTS_TORTURE_H
#define RSVPD_TESTS_TORTURE_H

#include "fail.h"

/* Numbers of calls: there were, were tried, failed when they were tried. */
struct torture_tally {
    int calls, tried, failed;
};

/* The plan that is shared with processes that have the environment variable torture_environment.
 */
extern struct fail_control *torture_control;
extern char torture_environment[];

/* Makes the plan, in a private directory; and removes it. */
void torture_set_up(void);
void torture_tear_down(void);

/* Runs once with nothing failing, and then for the kinds of a group (FAIL_GROUP_COUNT: of all) once
 * for each call number that is tried. `run` arms the plan by torture_arm(). */
struct torture_tally torture_each(enum fail_group group, int budget, void (*run)(void));

/* Within `run`: from here on calls count, and the one that is being tried fails. */
void torture_arm(void);

/* Prints a tally under that name; it fails the test where of many calls none failed. */
void torture_report(const char *name, const struct torture_tally *tally);

#endif
