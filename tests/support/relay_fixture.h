/* What the tests of rsvpd relay stand on, besides fixture.h: a slot, and a file for what relays
 * tell. */
#ifndef RSVPD_TESTS_RELAY_FIXTURE_H
#define RSVPD_TESTS_RELAY_FIXTURE_H

#include "process.h"
#include "service.h"

struct relay_fixture {
    char directory[PROCESS_PATH_SIZE];
    char told_path[PROCESS_PATH_SIZE + 16]; /* in that directory */
};

extern struct relay_fixture relay_fixture;

/* Runs rsvpd relay with this option. */
struct service_run relay_run(const char *option);
/* Empty tables, and a slot. */
void relay_fixture_set_up(void);
/* Drops the slot once no relay uses it: those of the test are to have ended. */
void relay_fixture_tear_down(void);

#endif
