/* Entities about which a worker has lately found something out. */
#include "rsvpd/domain/entity_set.h"
#include "rsvpd/base/hash_table.h"

#include <stdlib.h>
#include <string.h>

enum { NEIGHBOURS = 8, SETS = 8 * 1024 };

bool entity_set_init(struct entity_set *set, uint64_t secret)
{
    *set = (struct entity_set){.secret = secret};
    set->hashes = calloc((size_t)SETS * NEIGHBOURS, sizeof *set->hashes);
    return set->hashes != NULL;
}

void entity_set_free(struct entity_set *set)
{
    free(set->hashes);
    set->hashes = NULL;
}

/* Never 0, which is an empty place. */
static uint64_t hash_of(const struct entity_set *set, const struct identifier *entity)
{
    return hash_bytes(set->secret, identifier_slice(entity)) | 1;
}

static uint64_t *neighbours_of(const struct entity_set *set, uint64_t hash)
{
    return set->hashes + (hash >> 1) % SETS * NEIGHBOURS;
}

/* The entity's place among its neighbours; NEIGHBOURS where it has none. */
static size_t place_of(const uint64_t *neighbours, uint64_t hash)
{
    size_t place = 0;
    while (place < NEIGHBOURS && neighbours[place] != hash) {
        place++;
    }
    return place;
}

bool entity_set_has(const struct entity_set *set, const struct identifier *entity)
{
    if (set->size == 0) {
        return false;
    }
    uint64_t hash = hash_of(set, entity);
    return place_of(neighbours_of(set, hash), hash) < NEIGHBOURS;
}

void entity_set_note(struct entity_set *set, const struct identifier *entity, bool belongs)
{
    assert(entity->size > 0);
    uint64_t hash = hash_of(set, entity);
    uint64_t *neighbours = neighbours_of(set, hash);
    size_t place = place_of(neighbours, hash);
    if (place < NEIGHBOURS) { /* out of its place, and the rest closes up */
        memmove(neighbours + place, neighbours + place + 1,
                (NEIGHBOURS - 1 - place) * sizeof *neighbours);
        neighbours[NEIGHBOURS - 1] = 0;
        assert(set->size > 0);
        set->size--;
    }
    if (belongs) {
        set->size += neighbours[NEIGHBOURS - 1] == 0;
        memmove(neighbours + 1, neighbours, (NEIGHBOURS - 1) * sizeof *neighbours);
        neighbours[0] = hash;
    }
    assert(set->size <= (size_t)SETS * NEIGHBOURS);
}
