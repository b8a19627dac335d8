/* Returns memory to the system after a crowd of clients has left. */
#include "rsvpd/app/memory.h"

#include <assert.h>
#include <malloc.h>

enum { CROWD = 1000 /* connections; some 20 KiB each */ };

bool memory_note_connections(struct memory_keeper *keeper, int64_t connections)
{
    assert(connections >= 0);
    bool left = keeper->most >= CROWD && connections < keeper->most / 2;
    if (left || connections > keeper->most) {
        keeper->most = connections;
    }
    if (left) {
        (void)malloc_trim(0); /* 0: nothing could be returned */
    }
    return left;
}
