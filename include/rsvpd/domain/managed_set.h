/* Which entities a worker has lately met that have settings: a hint by which path to send a write.
 * It may be wrong or forget; whoever sends finds out, and notes it here. */
#ifndef RSVPD_DOMAIN_MANAGED_SET_H
#define RSVPD_DOMAIN_MANAGED_SET_H

#include "rsvpd/domain/identifier.h"

struct managed_set {
    uint64_t *hashes; /* of entities, in sets of a few; the latest met of each set first */
    uint64_t secret;  /* key of the hash */
    size_t size;      /* entities in it */
};

/* False when memory is exhausted. */
bool managed_set_init(struct managed_set *set, uint64_t secret) __attribute__((warn_unused_result));
void managed_set_free(struct managed_set *set);

bool managed_set_has(const struct managed_set *set, const struct identifier *entity);

/* The entity has settings, or has none. The one met longest ago of its neighbours may be forgotten.
 */
void managed_set_note(struct managed_set *set, const struct identifier *entity, bool managed);

#endif
