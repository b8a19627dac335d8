/* The limit on client connections that several servers share, and how idle ones make room for
 * newcomers, at whichever server they are. */
#ifndef RSVPD_HTTP_CROWD_H
#define RSVPD_HTTP_CROWD_H

#include "rsvpd/base/contract.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    /* Connections past the limit that are still answered, if only with a refusal; past these they
     * are closed at once. */
    CROWD_OVER_LIMIT_MAX = 256,
};

struct crowd {
    int64_t limit;
    _Atomic int64_t open; /* connections of all servers */
    _Atomic int64_t idle; /* of those, how many could make room, as the servers saw it last */
    _Atomic int64_t owed; /* newcomers past the limit for whom one is to make room */
};

/* Before servers share it. */
void crowd_init(struct crowd *crowd, int64_t limit);

/* Whether there is room for one more to be told anything. */
bool crowd_takes(const struct crowd *crowd);

/* One more has come. True where it is within the limit, or an idle one makes room for it soon. */
MUST_CHECK bool crowd_enter(struct crowd *crowd);
void crowd_leave(struct crowd *crowd);

/* Whether it is so full that servers should look which of their connections are idle. */
bool crowd_is_near_limit(const struct crowd *crowd);

/* A server's idle connections were `before` when it said so last, and are `now`. */
void crowd_tell_idle(struct crowd *crowd, int64_t before, int64_t now);

/* Takes over to make room for one newcomer. False where nobody waits for that. */
MUST_CHECK bool crowd_take_debt(struct crowd *crowd);

#endif
