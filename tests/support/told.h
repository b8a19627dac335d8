/* What a relay told, as lines of JSON in a file, against the rows of the tables: a model that
 * replays the changes must end with exactly these. */
#ifndef RSVPD_TESTS_TOLD_H
#define RSVPD_TESTS_TOLD_H

#include <stdint.h>

/* Whole lines in the file. */
int64_t told_count(const char *path);

/* Waits until the file has so many lines, at most a minute. */
void told_await(const char *path, int64_t count);

/* Fails the test unless the lines are these: "type id user" each, without the user where there is
 * none, separated by "; ". Lines that came again are left out. */
void told_expect(const char *database_url, const char *path, const char *expected);

/* Waits until all that was committed is confirmed, at most a minute; then fails the test unless the
 * lines are changes in the order of the log, each as the ones before it allow, and end with the
 * rows of the tables. The tables were empty when the slot was made. */
void told_expect_tables(const char *database_url, const char *slot, const char *path);

#endif
