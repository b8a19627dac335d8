/* One thing to be done in the stores: what is asked, where it stands, and what came out. */
#ifndef RSVPD_DOMAIN_OPERATION_H
#define RSVPD_DOMAIN_OPERATION_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/hash_table.h"
#include "rsvpd/base/list.h"
#include "rsvpd/base/trace.h"
#include "rsvpd/domain/idempotency_key.h"
#include "rsvpd/domain/identifier.h"
#include "rsvpd/domain/placement.h"
#include "rsvpd/domain/precondition.h"
#include "rsvpd/domain/relation.h"
#include "rsvpd/domain/settings.h"

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
    OPERATION_LIST_WAITS,       /* a page of what the user waits for a seat of */
    OPERATION_LIST_KEPT,        /* a page of the answers that are kept for the user */
    OPERATION_LIST_EVENTS,      /* a page of the events that have settings */
    OPERATION_SETTINGS,         /* what are the entity's settings? */
    OPERATION_STORE_SETTINGS,   /* give the entity these settings */
    OPERATION_CLEAR_SETTINGS,   /* clear its settings: it is open and unlimited */
    OPERATION_PROMOTE,          /* give further free seats to those who wait */
    OPERATION_CLAIM_PROMOTIONS, /* claim an entity that still has seats to give */
    OPERATION_EXPIRE_KEYS,      /* delete kept answers that have expired */
    OPERATION_ERASE_KEYS,       /* delete kept answers of the user */
    OPERATION_ERASE /* delete everything that is held about the user; the service does it
                       by operations of the other kinds */
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
    OPERATION_WAITING  /* it waits for other operations: a count for the cache's load of its entity,
                          an erasure for those that it consists of */
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

enum { ACTION_SIZE_MAX_BYTES = 63 };

/* What more there is of an answer that is kept under an idempotency key. */
struct kept_answer {
    struct idempotency_key key;
    uint8_t action_size;
    char action[ACTION_SIZE_MAX_BYTES]; /* what was asked: "POST rsvp" */
    bool changed;
    int64_t count;
    int64_t position; /* on the waiting list; 0: none */
};

/* What more there is of an event that has settings. */
struct event_state {
    struct settings settings;
    int64_t waiting_count, count;
};

/* A page of a listing. */
struct page {
    size_t size;
    struct kept_answer *kept;   /* OPERATION_LIST_KEPT: of each line, whose id is the entity's and
                                   whose time is when the answer expires; in the page's memory */
    struct event_state *events; /* OPERATION_LIST_EVENTS: of each line; likewise */
    struct page_line lines[];
};

/* ---- what each kind asks, and what it answers ---- */

/* OPERATION_ADD, OPERATION_REMOVE: a write of one user. */
struct operation_write {
    bool past_capacity; /* OPERATION_ADD: whatever the entity's settings say */

    bool changed;           /* whether this write changed anything */
    bool member;            /* whether the user is a member now */
    bool waiting;           /* whether the user is on the waiting list now */
    bool replayed;          /* the answer is the one that was kept under the key */
    bool position_is_exact; /* or a lower bound */
    int64_t position;       /* where on the waiting list, from 1; 0: not on it */

    struct idempotency_key key; /* asked; size 0: none. Last, for it is large and seldom read */
};

/* OPERATION_LOOKUP, OPERATION_FIND: is the user a member? */
struct operation_membership {
    bool member;
    bool waiting;          /* OPERATION_LOOKUP: the user is on the waiting list */
    int64_t created_at_us; /* OPERATION_FIND, of a member: since when, Unix epoch */
};

/* OPERATION_COUNT: answers `count` of the operation. */
struct operation_freshness {
    int64_t not_before_us; /* the oldest as_of that will do, monotonic */
    bool wants_primary;    /* so new a one that no other host's clock is to be believed */
};

/* OPERATION_LIST_… */
struct operation_listing {
    size_t page_size;     /* lines wanted */
    int64_t after_ticket; /* OPERATION_LIST_WAITING: what the page follows; 0: the beginning */
    union {
        struct identifier after;          /* the others, likewise; size 0: the beginning */
        struct idempotency_key after_key; /* OPERATION_LIST_KEPT, likewise */
    };

    struct page *page; /* the operation's own, freed with it */
};

/* OPERATION_SETTINGS, OPERATION_STORE_SETTINGS, OPERATION_CLEAR_SETTINGS, OPERATION_PROMOTE. All
 * answer `count` of the operation as well. */
struct operation_settings {
    struct settings wanted;            /* OPERATION_STORE_SETTINGS */
    struct precondition *precondition; /* OPERATION_STORE_SETTINGS, OPERATION_CLEAR_SETTINGS: NULL
                                          where there is none; the operation's own, freed with it */

    struct settings found; /* as they are now */
    int64_t waiting_count; /* how many wait */
    bool incomplete;       /* free seats are still to be given to those who wait */
    bool applied;          /* the change is committed, whatever else remains to be done */
};

/* OPERATION_CLAIM_PROMOTIONS. */
struct operation_claim {
    struct identifier entity; /* the one that was claimed; size 0: there is none to claim */
};

/* OPERATION_EXPIRE_KEYS, OPERATION_ERASE_KEYS. */
struct operation_expiry {
    int64_t keys_max;     /* how many answers may go */
    int64_t keys_expired; /* how many went */
};

/* OPERATION_ERASE. */
struct operation_erasure {
    int64_t memberships_erased[RELATION_COUNT];
    int64_t waits_erased, keys_erased;
    bool complete; /* nothing is left; else the same operation goes on */

    /* How far it is: of the service that works on it. */
    const void *eraser;
    size_t source;           /* what is being erased */
    struct identifier after; /* of a listing of that: what its next page follows */
    size_t pending;          /* operations that have not ended */
    bool more;               /* there is a further page */
    bool reached;            /* not all removals of the page were in vain */
    bool found;              /* there was something to erase since the first of the sources */
    bool failed;             /* something of that cannot be erased */
    bool under_way;          /* something was erased, or may have been */
    bool stopped;            /* no further operation is begun */
    enum outcome outcome;    /* OUTCOME_DONE, or how the first that failed did */
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

    enum operation_kind kind; /* set once, before anything else of it is looked at */
    enum operation_state state;
    enum write_path path; /* of a write of one user; else PATH_PLAIN */
    unsigned batch_limit; /* how large a batch may be that it goes in; shrinks when one fails */
    uint64_t arrival;     /* at its queue: grows from one to the next */
    uint64_t sequence;    /* its turn in the queue: as it arrived, or behind others */
    int64_t submitted_us; /* monotonic */
    int64_t deadline_us;  /* monotonic */
    enum outcome verdict; /* of one whose batch is done: OUTCOME_DONE, or the rule against it */
    bool attempted;       /* a write that was with Postgres once, and how that ended is not known */
    bool answered;        /* `done` was called while it was still with Postgres */

    struct trace_ref trace;  /* the span of whoever asks; its `span` is 0 where none is traced */
    int64_t traced_until_us; /* of one that is sent again: when its last batch ended; monotonic */

    const struct relation *relation;
    operation_done_fn *done;
    void *owner;              /* of whoever set `done` */
    size_t owner_index;       /* likewise: which of its owner's operations it is */
    struct count count;       /* answered by writes, counts, and whatever is about settings */
    struct identifier entity; /* event or post, where the kind is about one */
    struct place place;       /* of that (placement.h); else of none */
    struct identifier user;   /* where the kind is about one */

    union operation_part {
        struct operation_write write;
        struct operation_membership membership;
        struct operation_freshness freshness;
        struct operation_listing listing;
        struct operation_settings settings;
        struct operation_claim claim;
        struct operation_expiry expiry;
        struct operation_erasure erasure;
    } part; /* reached by the macros below, which hold it to the kind */
};

/* ---- which part a kind has ---- */

static inline bool operation_is_write(const struct operation *operation)
{
    return operation->kind == OPERATION_ADD || operation->kind == OPERATION_REMOVE;
}

static inline bool operation_is_membership(const struct operation *operation)
{
    return operation->kind == OPERATION_LOOKUP || operation->kind == OPERATION_FIND;
}

static inline bool operation_is_count(const struct operation *operation)
{
    return operation->kind == OPERATION_COUNT;
}

static inline bool operation_is_listing(const struct operation *operation)
{
    return operation->kind == OPERATION_LIST_USERS || operation->kind == OPERATION_LIST_ENTITIES ||
           operation->kind == OPERATION_LIST_WAITING || operation->kind == OPERATION_LIST_WAITS ||
           operation->kind == OPERATION_LIST_KEPT || operation->kind == OPERATION_LIST_EVENTS;
}

static inline bool operation_changes_settings(const struct operation *operation)
{
    return operation->kind == OPERATION_STORE_SETTINGS ||
           operation->kind == OPERATION_CLEAR_SETTINGS || operation->kind == OPERATION_PROMOTE;
}

static inline bool operation_is_settings(const struct operation *operation)
{
    return operation->kind == OPERATION_SETTINGS || operation_changes_settings(operation);
}

static inline bool operation_is_claim(const struct operation *operation)
{
    return operation->kind == OPERATION_CLAIM_PROMOTIONS;
}

static inline bool operation_is_expiry(const struct operation *operation)
{
    return operation->kind == OPERATION_EXPIRE_KEYS || operation->kind == OPERATION_ERASE_KEYS;
}

static inline bool operation_is_erasure(const struct operation *operation)
{
    return operation->kind == OPERATION_ERASE;
}

/* Whether it is about one entity, and so at one place. */
static inline bool operation_is_about_entity(const struct operation *operation)
{
    return operation_is_write(operation) || operation_is_membership(operation) ||
           operation_is_count(operation) || operation_is_settings(operation) ||
           operation->kind == OPERATION_LIST_USERS || operation->kind == OPERATION_LIST_WAITING;
}

/* A part of an operation, which must be of a kind that has it; constant where the operation is.
 * The operation is evaluated more than once: name it in a variable first. */
#define OPERATION_PART(operation, has, member) (assert(has(operation)), &(operation)->part.member)
#define operation_write(operation) OPERATION_PART(operation, operation_is_write, write)
#define operation_membership(operation)                                                            \
    OPERATION_PART(operation, operation_is_membership, membership)
#define operation_freshness(operation) OPERATION_PART(operation, operation_is_count, freshness)
#define operation_listing(operation) OPERATION_PART(operation, operation_is_listing, listing)
#define operation_settings(operation) OPERATION_PART(operation, operation_is_settings, settings)
#define operation_claim(operation) OPERATION_PART(operation, operation_is_claim, claim)
#define operation_expiry(operation) OPERATION_PART(operation, operation_is_expiry, expiry)
#define operation_erasure(operation) OPERATION_PART(operation, operation_is_erasure, erasure)

/* Whether an operation does anything in its batch: not a write whose key has been answered before,
 * or must not be used. */
static inline bool operation_acts(const struct operation *operation)
{
    bool replayed = operation_is_write(operation) && operation_write(operation)->replayed;
    return !replayed && operation->verdict != OUTCOME_KEY_REUSED &&
           operation->verdict != OUTCOME_IN_FLIGHT;
}

#endif
