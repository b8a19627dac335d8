/* Memory that lives exactly as long as one request. */
#include "rsvpd/base/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

struct arena_block {
    struct arena_block *older;
    size_t size; /* of memory */
    alignas(max_align_t) char memory[];
};

enum { BLOCK_SIZE_MIN_BYTES = 4096 };

void arena_init(struct arena *arena, void *first, size_t first_size)
{
    assert((uintptr_t)first % alignof(max_align_t) == 0);
    *arena = (struct arena){.first = first, .first_size = first_size};
}

void *arena_take(struct arena *arena, size_t size)
{
    const size_t unit = alignof(max_align_t);
    assert(size <= SIZE_MAX - unit);
    size = (size + unit - 1) / unit * unit;
    char *memory = arena->blocks == NULL ? arena->first : arena->blocks->memory;
    size_t capacity = arena->blocks == NULL ? arena->first_size : arena->blocks->size;
    if (size > capacity - arena->used) {
        size_t wanted = size > BLOCK_SIZE_MIN_BYTES ? size : BLOCK_SIZE_MIN_BYTES;
        struct arena_block *block = malloc(sizeof *block + wanted);
        if (block == NULL) {
            return NULL;
        }
        block->older = arena->blocks;
        block->size = wanted;
        arena->blocks = block;
        arena->used = 0;
        memory = block->memory;
    }
    void *taken = memory + arena->used;
    arena->used += size;
    return taken;
}

void arena_reset(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *older = arena->blocks->older;
        free(arena->blocks);
        arena->blocks = older;
    }
    arena->used = 0;
}
