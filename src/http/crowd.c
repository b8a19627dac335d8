/* The limit on client connections that several servers share. */
#include "rsvpd/http/crowd.h"

#include <assert.h>

void crowd_init(struct crowd *crowd, int64_t limit)
{
    assert(limit > 0);
    crowd->limit = limit;
    atomic_init(&crowd->open, 0);
    atomic_init(&crowd->idle, 0);
    atomic_init(&crowd->owed, 0);
}

static int64_t load(const _Atomic int64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

bool crowd_takes(const struct crowd *crowd)
{
    return load(&crowd->open) < crowd->limit + CROWD_OVER_LIMIT_MAX;
}

/* Notes that one idle connection is to make room, where there are more of them than are spoken for.
 */
static bool owe(struct crowd *crowd)
{
    int64_t owed = load(&crowd->owed);
    while (owed < load(&crowd->idle)) {
        if (atomic_compare_exchange_weak_explicit(&crowd->owed, &owed, owed + 1,
                                                  memory_order_relaxed, memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

bool crowd_enter(struct crowd *crowd)
{
    int64_t before = atomic_fetch_add_explicit(&crowd->open, 1, memory_order_relaxed);
    return before < crowd->limit || owe(crowd);
}

void crowd_leave(struct crowd *crowd)
{
    int64_t before = atomic_fetch_sub_explicit(&crowd->open, 1, memory_order_relaxed);
    assert(before > 0);
}

bool crowd_is_near_limit(const struct crowd *crowd)
{
    return load(&crowd->open) >= crowd->limit - crowd->limit / 8;
}

void crowd_tell_idle(struct crowd *crowd, int64_t before, int64_t now)
{
    if (before != now) {
        atomic_fetch_add_explicit(&crowd->idle, now - before, memory_order_relaxed);
    }
}

bool crowd_take_debt(struct crowd *crowd)
{
    int64_t owed = load(&crowd->owed);
    if (owed > 0 && load(&crowd->open) <= crowd->limit) { /* others have left meanwhile */
        atomic_store_explicit(&crowd->owed, 0, memory_order_relaxed);
        return false;
    }
    while (owed > 0) {
        if (atomic_compare_exchange_weak_explicit(&crowd->owed, &owed, owed - 1,
                                                  memory_order_relaxed, memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}
