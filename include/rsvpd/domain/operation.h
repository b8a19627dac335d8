/* One thing to be done in the stores: what is asked, where it stands, and what came out. */
#ifndef RSVPD_DOMAIN_OPERATION_H
#define RSVPD_DOMAIN_OPERATION_H

#include "rsvpd/base/hash_table.h"
#include "rsvpd/base/list.h"
#include "rsvpd/domain/idempotency_key.h"
#include "rsvpd/domain/identifier.h"
#include "rsvpd/domain/precondition.h"
#include "rsvpd/domain/relation.h"

#include <stdint.h>

enum operation_kind {
    OPERATION_ADD,              /* make the user a member */
    OPERATION_REMOVE,           /* make the user no member */
    OPERATION_LOOKUP,           /* is the user a member? */
    OPERATION_COUNT,            /* how many members are there? */
    OPERATION_FIND,             /* is the user a member, and since when? */
    OPERATION_LIST_USERS,       /* a page of the members of the entity */
    OPERATION_LIST_ENTITIES,    /* a page of what the user is a member of */
    OPERATION_LIST_WAITING,     /* a page of those who wait for a seat of the entity */
    OPERATION_SETTINGS,         /* what are the entity's settings? */
    OPERATION_STORE_SETTINGS,   /* give the entity these settings */
    OPERATION_CLEAR_SETTINGS,   /* clear its settings: it is open and unlimited */
    OPERATION_PROMOTE,          /* give further free seats to those who wait */
    OPERATION_CLAIM_PROMOTIONS, /* claim entities that still have seats to give: a listing */
    OPERATION_EXPIRE_KEYS       /* delete kept answers that have expired */
};

/* How a write of one user gets to Postgres. Batches are of one path. */
enum write_path {
    PATH_PLAIN,     /* the entity has no settings, as far as is known */
    PATH_KEYED,     /* the same, and the write carries an idempotency key */
    PATH_ADMITTED,  /* the entity has settings; some writes may carry keys */
    PATH_CONTENDED, /* somebody may hold a lock on the entity; some writes may carry keys */
    PATH_COUNT
};

enum operation_state {
    OPERATION_FREE,    /* in the pool */
    OPERATION_CHAINED, /* waits for an earlier operation on the same key */
    OPERATION_READY,   /* waits for a batch */
    OPERATION_SENT,    /* in a batch that a store is working on */
    OPERATION_WAITING  /* a count that waits for the cache's load of its entity */
};

/* How an operation ended. */
enum outcome {
    OUTCOME_DONE,        /* for a write: committed */
    OUTCOME_UNAVAILABLE, /* the store cannot be asked; nothing was done */
    OUTCOME_UNKNOWN,     /* the deadline passed while Postgres had the write */
    OUTCOME_OVERLOADED,  /* refused at the door; nothing was done */
    OUTCOME_FAILED,      /* Postgres refuses this very operation; nothing was done */

    /* Nothing was done, by the rules: */
    OUTCOME_FULL,       /* no seat is free and there is no waiting list */
    OUTCOME_CLOSED,     /* outside of the entity's window */
    OUTCOME_KEY_REUSED, /* the idempotency key was given to another request */
    OUTCOME_IN_FLIGHT,  /* the same, and that one is under way */
    OUTCOME_UNMET       /* the entity's settings are not as the precondition has them */
};

/* A count and how it is known. */
struct count {
    int64_t value;
    int64_t version;       /* grows with every change of the counter row; 0: no row yet */
    int64_t as_of_mono_us; /* a moment at which the count was exactly this, monotonic clock */
    int64_t as_of_wall_us; /* the same moment for people, Unix epoch */
    bool stale;            /* older than the bound; only while Postgres cannot be asked */
};

/* One line of a listing: a user, or an entity. */
struct page_line {
    struct identifier id;
    int64_t created_at_us; /* Unix epoch */
    int64_t ticket;        /* on a waiting list: its place in the order; else 0 */
};

/* A page of a listing. */
struct page {
    size_t size;
    struct page_line lines[];
};

enum { SETTINGS_CAPACITY_MAX = 1000 * 1000 * 1000 };

/* When and for how many an entity is open. */
struct settings {
    bool given; /* false: the entity has none, which is the same as having no limits */
    bool limited;
    int64_t capacity; /* where limited */
    bool waitlist;    /* whether those who find it full may wait */
    bool opens, closes;
    int64_t opens_at_us, closes_at_us; /* Unix epoch; where it opens, where it closes */
};

struct operation;

/* Called exactly once for each operation, when it has ended; the operation is given back right
 * after. */
typedef void operation_done_fn(struct operation *operation, enum outcome outcome, int64_t now_us);

struct operation {
    struct list_node link;        /* in a ready queue, a key's chain, or a cache entry's waiters */
    struct list_node by_deadline; /* with those whose deadline falls into the same moment */
    struct hash_node key;         /* in the batcher's table, of the first operation of its key */
    struct list chain;            /* of the first: later operations on the same key, in order */

    enum operation_kind kind;
    enum operation_state state;
    const struct relation *relation;
    struct identifier entity; /* event or post, where the kind is about one */
    struct identifier user;   /* where the kind is about one */

    int64_t submitted_us; /* monotonic */
    int64_t deadline_us;  /* monotonic */
    bool attempted;       /* a write that was with Postgres once, and how that ended is not known */
    bool answered;        /* `done` was called while it was still with Postgres */
    unsigned batch_limit; /* how large a batch may be that it goes in; shrinks when one fails */

    enum write_path path; /* a write of one user */
    uint64_t arrival;     /* a write of one user: grows from one to the next */
    uint64_t sequence;    /* its place in the queue: as it arrived, or behind others */
    struct idempotency_key idempotency_key; /* likewise; size 0: none */

    bool past_capacity; /* OPERATION_ADD: whatever the entity's settings say */

    int64_t not_before_us; /* OPERATION_COUNT: the oldest as_of that will do, monotonic */
    bool wants_primary;    /* the same: so new a one that no other host's clock is to be believed */

    struct identifier after; /* a listing: what the page follows; size 0: from the beginning */
    int64_t after_ticket;    /* OPERATION_LIST_WAITING, instead */
    size_t page_size;        /* a listing: lines wanted */

    struct settings settings; /* OPERATION_STORE_SETTINGS: asked for; and the result of the three
                                 about settings */
    struct precondition *precondition; /* OPERATION_STORE_SETTINGS, OPERATION_CLEAR_SETTINGS: NULL
                                          where there is none; the operation's own, freed with it */

    /* The result, once OUTCOME_DONE. */
    enum outcome verdict; /* of a write whose batch is done: OUTCOME_DONE, or the rule against it */
    bool changed;         /* a write: whether this one changed anything */
    bool member;          /* whether the user is a member now */
    bool waiting;         /* whether the user is on the waiting list now */
    bool replayed;        /* a write: the answer is the one that was kept under its key */
    int64_t position;     /* a write: where on the waiting list, from 1; 0: not on it */
    bool position_is_exact; /* or a lower bound */
    int64_t waiting_count;  /* settings: how many wait */
    bool incomplete;        /* the same: free seats are still to be given to those who wait */
    bool applied; /* the same, when changed: that is committed, whatever else remains to be done */
    int64_t expired_keys; /* OPERATION_EXPIRE_KEYS: how many answers went */
    struct count count;
    int64_t created_at_us; /* OPERATION_FIND, of a member: since when, Unix epoch */
    struct page *page;     /* a listing; the operation's own, freed with it */

    operation_done_fn *done;
    void *owner;        /* of whoever set `done` */
    size_t owner_index; /* likewise: which of its owner's operations it is */
};

/* Whether a write does anything in its batch: not where its key has been answered before, or must
 * not be used. */
static inline bool operation_acts(const struct operation *operation)
{
    return !operation->replayed && operation->verdict != OUTCOME_KEY_REUSED &&
           operation->verdict != OUTCOME_IN_FLIGHT;
}

#endif
