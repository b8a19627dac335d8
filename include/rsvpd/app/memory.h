/* Gives back to the system what a crowd of clients needed. */
#ifndef RSVPD_APP_MEMORY_H
#define RSVPD_APP_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed at first. */
struct memory_keeper {
    int64_t most; /* connections there were at a time since memory was given back */
};

/* Call it now and then with the number of connections. When most of a crowd have left, it returns
 * the memory that the allocator kept for them to the system (malloc_trim(3)), and answers true.
 * That takes milliseconds and locks the memory of each thread in turn. So it is not called on a
 * worker's thread. */
bool memory_note_connections(struct memory_keeper *keeper, int64_t connections);

#endif
