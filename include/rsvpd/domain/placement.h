/* Where the rows of an entity are: in the one database, or in a shard of it on one of its servers.
 *
 * DESIGN: A transaction on one server is as cheap as one without shards; over several servers it is
 * not. So a batch is of one server. That is all that the service knows about it; where a server is,
 * is the engine's business. */
#ifndef RSVPD_DOMAIN_PLACEMENT_H
#define RSVPD_DOMAIN_PLACEMENT_H

#include "rsvpd/base/contract.h"
#include "rsvpd/domain/identifier.h"

#include <stddef.h>

enum { PLACEMENTS_MAX = 128 };

/* The engine's numbers. Where everything is in one place, both are 0. */
struct place {
    int64_t shard;
    int64_t server; /* that has it */
};

/* A shard: the entities with hashes from `first_hash` to that of the next. */
struct placement {
    int32_t first_hash;
    struct place place;
};

/* All shards, by hash. None: everything is in one place. */
struct placements {
    size_t count;
    int64_t read_at_us; /* monotonic: when they were asked for */
    struct placement shards[PLACEMENTS_MAX];
};

/* The hash of an entity as PostgreSQL has it (hashtext): Bob Jenkins' lookup3. */
int32_t placement_hash(struct slice entity);

struct place placement_of(const struct placements *placements, const struct identifier *entity);

#endif
