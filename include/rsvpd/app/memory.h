/* Gives back to the system what a crowd of clients needed. */
#ifndef RSVPD_APP_MEMORY_H
#define RSVPD_APP_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed at first. */
struct memory_keeper {
    int64_t most; /* connections there were at a time since memory was given back */
};

/* To be told now and then how many connections there are. Once most of a crowd have left, what the
 * allocator keeps of theirs goes back (malloc_trim(3)), and the answer is true: that takes
 * milliseconds and a lock of each thread's memory in turn, so not on a worker's thread and not for
 * a few. */
bool memory_note_connections(struct memory_keeper *keeper, int64_t connections);

#endif
