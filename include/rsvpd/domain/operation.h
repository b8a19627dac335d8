/* One thing to be done in the stores: what is asked, where it stands, and what came out. */
#ifndef RSVPD_DOMAIN_OPERATION_H
#define RSVPD_DOMAIN_OPERATION_H

#include "rsvpd/base/hash_table.h"
#include "rsvpd/base/list.h"
#include "rsvpd/domain/identifier.h"
#include "rsvpd/domain/relation.h"

enum operation_kind {
    OPERATION_ADD,          /* make the user a member */
    OPERATION_REMOVE,       /* make the user no member */
    OPERATION_LOOKUP,       /* is the user a member? */
    OPERATION_COUNT,        /* how many members are there? */
    OPERATION_FIND,         /* is the user a member, and since when? */
    OPERATION_LIST_USERS,   /* a page of the members of the entity */
    OPERATION_LIST_ENTITIES /* a page of what the user is a member of */
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
    OUTCOME_FAILED       /* Postgres refuses this very operation; nothing was done */
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
};

/* A page of a listing. */
struct page {
    size_t size;
    struct page_line lines[];
};

struct operation;

/* Called exactly once for each operation, when it has ended; the operation is given back right
 * after. */
typedef void operation_done_fn(struct operation *operation, enum outcome outcome, int64_t now_us);

struct operation {
    struct list_node link;        /* in a ready queue, a key's chain, or a cache entry's waiters */
    struct list_node by_deadline; /* in the service's list of those still to be answered */
    struct hash_node key;         /* in the batcher's table, of the first operation of its key */
    struct list chain;            /* of the first: later operations on the same key, in order */

    enum operation_kind kind;
    enum operation_state state;
    const struct relation *relation;
    struct identifier entity; /* event or post, where the kind is about one */
    struct identifier user;   /* where the kind is about one */

    int64_t deadline_us; /* monotonic */
    bool attempted;      /* a write that was with Postgres once, and how that ended is not known */
    bool answered;       /* `done` was called while it was still with Postgres */
    unsigned mates_max;  /* how large a batch may be that it goes in; shrinks when one fails */

    int64_t not_before_us; /* OPERATION_COUNT: the oldest as_of that will do, monotonic */

    struct identifier after; /* a listing: what the page follows; size 0: from the beginning */
    size_t page_size;        /* a listing: lines wanted */

    /* The result, once OUTCOME_DONE. */
    bool changed; /* a write: whether this one changed anything */
    bool member;  /* whether the user is a member now */
    struct count count;
    int64_t created_at_us; /* OPERATION_FIND, of a member: since when, Unix epoch */
    struct page *page;     /* a listing; the operation's own, freed with it */

    operation_done_fn *done;
    void *owner;  /* of whoever set `done` */
    size_t place; /* likewise: which of its owner's operations it is */
};

#endif
