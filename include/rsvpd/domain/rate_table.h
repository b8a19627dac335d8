/* How often each caller came: one table for all workers of a process. Of fixed size, whatever
 * comes; time is an argument. May be called from any thread.
 *
 * DESIGN: Callers are known by a keyed hash of 64 bits, so the table holds no names. It is an array
 * of buckets of a few cache lines. Each bucket has room for eight callers of one kind. A new caller
 * takes the place of the one who owes least, as a rule nothing, so nothing is lost. Kinds have
 * buckets of their own: a flood of addresses under a long window makes no user forgotten who is
 * limited under a short one. Changes take the lock of one of many stripes, for some ten
 * nanoseconds, in which nothing is called that could wait or allocate.
 *
 * Processes tell each other what they admitted. What a caller was admitted for and others have not
 * heard of is a share. A caller with one is in a list of its stripe, at most once. So the lists
 * need no memory of their own. */
#ifndef RSVPD_DOMAIN_RATE_TABLE_H
#define RSVPD_DOMAIN_RATE_TABLE_H

#include "rsvpd/base/slice.h"
#include "rsvpd/domain/rate_limit.h"

/* Whom a limit is for. */
enum rate_kind { RATE_USER, RATE_KEY, RATE_ADDRESS, RATE_KIND_COUNT };

/* The limits in force. */
struct rate_limits {
    struct rate of[RATE_KIND_COUNT];
};

/* What a process admitted a caller for, to be told to others; and what they all know then. */
struct rate_share {
    enum rate_kind kind;
    uint64_t hash; /* of the caller; never 0 */
    uint32_t requests;
    int64_t charge_us;   /* what they cost, as far as it was not paid off before `spell_us` */
    int64_t spell_us;    /* before now, in which they came; at most RATE_SPELL_MAX_US */
    int64_t debt_max_us; /* more than that nobody owes */
    bool answered;       /* of an exchange that has ended: whether the debt is known */
    int64_t debt_us;     /* what the caller owed all processes as the exchange was made */
};

enum {
    /* Shares are exchanged more often than that. Of older ones it is only known what is still owed
     * of them here. */
    RATE_SPELL_MAX_US = 250 * 1000,
};

struct rate_table;

struct rate_table_setup {
    struct rate_limits limits;
    size_t capacity; /* about so many callers of each kind */
    uint64_t secret; /* of the hash; all processes that exchange shares have the same */
    bool shared;     /* whether anybody will collect shares */
};

/* NULL when memory is exhausted. */
struct rate_table *rate_table_create(const struct rate_table_setup *setup);
void rate_table_destroy(struct rate_table **table);

/* The limit for callers of that kind, or off. */
struct rate rate_table_limit(const struct rate_table *table, enum rate_kind kind);

/* Puts another limit in force, or takes it out of force (off), for requests from now on. What a
 * caller owes stays owed under a limit with the same window. Under another one nobody owes
 * anything yet: a debt of hours would else refuse those who are far below a limit of a minute. */
void rate_table_set_limit(struct rate_table *table, enum rate_kind kind, const struct rate *limit);

/* Lets a request of the caller pass, or refuses it: see rate_limit_take. Where no limit for callers
 * of that kind is in force, it passes, held to none. `name` is what tells a caller from others of
 * that kind. */
struct rate_verdict rate_table_take(struct rate_table *table, enum rate_kind kind,
                                    struct slice name, int64_t now_us);

/* Takes up to `max` shares out, to be handed to others. Adds to `dropped` how many were forgotten
 * before that. To be called often, also where there is nothing to hand on: a spell is the time
 * since the last call. */
size_t rate_table_collect(struct rate_table *table, struct rate_share *shares, size_t max,
                          int64_t now_us, uint64_t *dropped);

/* Takes a share back that was not handed on. */
void rate_table_put_back(struct rate_table *table, const struct rate_share *share);

/* Learns what the caller of an answered share owes. `sent_us`: when the exchange began. */
void rate_table_learn(struct rate_table *table, const struct rate_share *share, int64_t sent_us,
                      int64_t now_us);

/* Whether it is time for the next exchange: true for one caller every `every_us`. */
bool rate_table_is_due(struct rate_table *table, int64_t every_us, int64_t now_us);

#endif
