/* Watches the rules of admission inside the database: triggers look at each transaction as it
 * commits, so nothing that was wrong for a moment goes unseen. */
#ifndef RSVPD_TESTS_ADMISSION_WATCH_H
#define RSVPD_TESTS_ADMISSION_WATCH_H

/* Puts the triggers into a migrated database. */
void admission_watch(const char *database_url);

/* Fails the test when a commit has broken a rule since admission_watch(), or when what is there now
 * does, seen in one snapshot. */
void expect_admission_sound(const char *database_url);

#endif
