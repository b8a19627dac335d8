/* Where the rows of an entity are. The hash is lookup3 (burtleburtle.net/bob/c/lookup3.c, public
 * domain), with the initial value that PostgreSQL's hash_bytes() takes. */
#include "rsvpd/domain/placement.h"

enum { BLOCK_SIZE_BYTES = 12 };

static uint32_t rotate(uint32_t word, unsigned bits)
{
    return (word << bits) | (word >> (32 - bits));
}

static void mix(uint32_t state[3])
{
    static const unsigned rotations[] = {4, 6, 8, 16, 19, 4};
    for (size_t i = 0; i < sizeof rotations / sizeof rotations[0]; i++) {
        uint32_t *a = &state[i % 3], *b = &state[(i + 1) % 3], *c = &state[(i + 2) % 3];
        *a = (*a - *c) ^ rotate(*c, rotations[i]);
        *c += *b;
    }
}

static void finish(uint32_t state[3])
{
    static const unsigned rotations[] = {14, 11, 25, 16, 4, 14, 24};
    for (size_t i = 0; i < sizeof rotations / sizeof rotations[0]; i++) {
        uint32_t *to = &state[(i + 2) % 3], from = state[(i + 1) % 3];
        *to = (*to ^ from) - rotate(from, rotations[i]);
    }
}

/* Adds a byte to the word that has it: the last word leaves its lowest byte to the length where the
 * block is not full. */
static void add_byte(uint32_t state[3], size_t at, unsigned char byte, bool full)
{
    size_t shifted = !full && at >= 8 ? at + 1 : at;
    state[at / 4] += (uint32_t)byte << (shifted % 4 * 8);
}

int32_t placement_hash(struct slice entity)
{
    const uint32_t start = UINT32_C(0x9e3779b9) + (uint32_t)entity.size + 3923095;
    uint32_t state[3] = {start, start, start};
    size_t block = 0;
    for (; entity.size - block >= BLOCK_SIZE_BYTES; block += BLOCK_SIZE_BYTES) {
        for (size_t i = 0; i < BLOCK_SIZE_BYTES; i++) {
            add_byte(state, i, (unsigned char)entity.data[block + i], true);
        }
        mix(state);
    }
    for (size_t i = 0; block + i < entity.size; i++) {
        add_byte(state, i, (unsigned char)entity.data[block + i], false);
    }
    finish(state);
    return (int32_t)state[2];
}

struct place placement_of(const struct placements *placements, const struct identifier *entity)
{
    if (placements->count == 0) {
        return (struct place){.shard = 0, .server = 0};
    }
    const int32_t hash = placement_hash(identifier_slice(entity));
    size_t low = 0, high = placements->count; /* the shard is one of these */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (placements->shards[middle].first_hash <= hash) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return placements->shards[low].place;
}
