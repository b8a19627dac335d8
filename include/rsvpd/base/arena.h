/* Memory that lives as long as one request. Parts are taken from the front, and all of it is given
 * back at once. */
#ifndef RSVPD_BASE_ARENA_H
#define RSVPD_BASE_ARENA_H

#include "rsvpd/base/contract.h"

#include <stddef.h>

struct arena_block;

struct arena {
    char *first; /* the block that the owner brings; used before any other */
    size_t first_size;
    size_t used;                /* bytes taken from the block in use */
    struct arena_block *blocks; /* further blocks from the heap, the newest (in use) first */
};

/* An arena over `first`, which stays the caller's and must be aligned for any type. */
void arena_init(struct arena *arena, void *first, size_t first_size);

/* `size` bytes, aligned for any type and not cleared; NULL when memory is exhausted. They live
 * until arena_reset. */
MUST_CHECK void *arena_take(struct arena *arena, size_t size);

/* Gives back everything; the first block is used anew. */
void arena_reset(struct arena *arena);

#endif
