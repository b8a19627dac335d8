/* Entities about which a worker has lately found something out, such as that they have settings: a
 * hint by which path to send a write. It may be wrong or forget; whoever sends finds out, and notes
 * it here. */
#ifndef RSVPD_DOMAIN_ENTITY_SET_H
#define RSVPD_DOMAIN_ENTITY_SET_H

#include "rsvpd/base/contract.h"
#include "rsvpd/domain/identifier.h"

struct entity_set {
    uint64_t *hashes; /* of entities, in sets of a few; the latest met of each set first */
    uint64_t secret;  /* key of the hash */
    size_t size;      /* entities in it */
};

/* False when memory is exhausted. */
MUST_CHECK bool entity_set_init(struct entity_set *set, uint64_t secret);
void entity_set_free(struct entity_set *set);

bool entity_set_has(const struct entity_set *set, const struct identifier *entity);

/* The entity belongs in, or does not. The one met longest ago of its neighbours may be forgotten.
 */
void entity_set_note(struct entity_set *set, const struct identifier *entity, bool belongs);

#endif
