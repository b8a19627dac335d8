/* A host of a DATABASE_URL that takes connections and never says a word. */
#ifndef RSVPD_TESTS_SILENT_HOST_H
#define RSVPD_TESTS_SILENT_HOST_H

#include "process.h"

struct silent_host {
    char directory[PROCESS_PATH_SIZE]; /* the host; its port is 5432 */
    int listener;
};

void silent_host_start(struct silent_host *host);
void silent_host_stop(struct silent_host *host);

#endif
