/* Watches the rules of admission inside the database: triggers look at each transaction as it
 * commits, so nothing that was wrong for a moment goes unseen. */
#ifndef RSVPD_TESTS_ADMISSION_WATCH_H
#define RSVPD_TESTS_ADMISSION_WATCH_H

#include <stdbool.h>

/* Puts the triggers into a migrated database. */
void admission_watch(const char *database_url);

/* pair_setup() with its database watched. */
int admission_watch_pair(void **state);

/* Fails the test when a commit has broken a rule since admission_watch(), or when what is there now
 * does, seen in one snapshot. */
void expect_admission_sound(const char *database_url);

/* Fails the test unless the event has a row of settings, or has none: one whose settings were taken
 * away costs no more than one that never had any. */
void expect_settings_stored(const char *database_url, const char *event_id, bool stored);

#endif
