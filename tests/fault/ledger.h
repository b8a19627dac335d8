/* What was asked of the service and what it answered, for every (relation, event, user) and for the
 * kept answers of every user; and from that what may be true now. Pure bookkeeping: no I/O, time is
 * an argument. */
#ifndef RSVPD_TESTS_LEDGER_H
#define RSVPD_TESTS_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relation.h"

/* DESIGN
 * A pair is written by one client, one request at a time. While a write is on its way both what was
 * true and what it makes true are possible. An acknowledgement leaves one possibility, a refusal
 * those of before. An answer that leaves it open (504, or none) leaves both until the next
 * acknowledgement: no read settles it, since the write may still be waiting for its commit.
 *
 * An erasure is one more kind of write: it covers all pairs of its user, and makes each of them
 * out. One that is not complete leaves all of them open. It cannot see a write that is still
 * waiting for its commit: where the outcome of a pair's own write is unknown, a complete erasure
 * leaves open that this write is done after it.
 *
 * A thing that one client alone writes has a history of how many could be in at each moment, so
 * that a count can be held against the moment that it names (as_of).
 *
 * So has each pair, for a database that is restored to an earlier moment: what could be true then
 * is true again, and nothing that came after it is. */

enum {
    LEDGER_ID_SIZE = 32,
    LEDGER_CLIENTS = 48, /* unless told otherwise */
    LEDGER_CLIENTS_MAX = 256,
    LEDGER_USERS = 4, /* of each client */
    LEDGER_HISTORY = 8192,
    LEDGER_STATES = 512,
};

/* A set of what may be true. */
enum ledger_possible {
    LEDGER_OUT = 1,
    LEDGER_IN = 2,
    LEDGER_OPEN = LEDGER_OUT | LEDGER_IN,
};

struct ledger_moment {
    int64_t from_us; /* it held from then on */
    unsigned least;  /* how many were in, at least and at most */
    unsigned most;
};

struct ledger_state {
    int64_t from_us; /* it held from then on */
    enum ledger_possible possible;
};

/* The kinds of events and posts that every client writes to; and what is kept of its writes. */
enum ledger_place {
    LEDGER_OWN_EVENT,
    LEDGER_OWN_POST,
    LEDGER_HOT_EVENT,    /* shared by all clients */
    LEDGER_HOT_POST,     /* shared by all clients */
    LEDGER_FULL_EVENT,   /* shared by all clients, with LEDGER_CAPACITY seats */
    LEDGER_QUEUED_EVENT, /* the same, with a waiting list: in is who goes or waits */
    LEDGER_KEPT,         /* in: there are answers kept under idempotency keys */
    LEDGER_PLACES,
};

enum {
    LEDGER_CAPACITY = 48, /* fewer than there are users, however many clients */
    LEDGER_PAIRS = LEDGER_PLACES * LEDGER_USERS,
    LEDGER_COUNT_BOUND_US = 5000000,                 /* no count is older, or says so */
    LEDGER_MEMBERSHIPS = LEDGER_KEPT * LEDGER_USERS, /* the first of them: what can be asked for */
};

struct ledger_pair {
    const struct relation *relation; /* NULL: LEDGER_KEPT */
    struct ledger_things *things;    /* of the client, for own ones; NULL: shared */
    enum ledger_place place;
    char id[LEDGER_ID_SIZE];
    char user[LEDGER_ID_SIZE];
    enum ledger_possible possible;
    enum ledger_possible before; /* the write on its way */
    enum ledger_possible late; /* what own writes of unknown outcome may yet make of it; 0: none */
    int64_t rests_until_us;    /* a process died with a write of it: it may yet be done */
    struct ledger_state states[LEDGER_STATES]; /* a ring */
    size_t states_noted;
};

enum ledger_kind { LEDGER_JOIN, LEDGER_LEAVE, LEDGER_ERASE };

struct ledger_write {
    enum ledger_kind kind;
    struct ledger_pair *pair; /* of an erasure: any of the user's */
    bool keyed;               /* under an idempotency key of its own: its answer is kept */
};

/* A thing of one client's own. */
struct ledger_things {
    struct ledger_moment history[LEDGER_HISTORY]; /* a ring */
    size_t moments;
    struct ledger_moment lost; /* by a restore: may be told as of moments until its from_us */
};

struct ledger_client {
    struct ledger_pair pairs[LEDGER_PAIRS];
    struct ledger_things own[2]; /* LEDGER_OWN_EVENT, LEDGER_OWN_POST */
};

struct ledger {
    unsigned client_count; /* at most LEDGER_CLIENTS_MAX */
    struct ledger_client clients[];
};

/* All are out, and have always been: somebody else may have asked for a count before. The caller
 * frees it. */
struct ledger *ledger_create(unsigned client_count);

void ledger_write_asked(struct ledger_client *client, const struct ledger_write *write,
                        int64_t now_us);
/* Of an erasure: it is complete. */
void ledger_write_acknowledged(struct ledger_client *client, const struct ledger_write *write,
                               int64_t now_us);
/* Nothing was done, says the service. */
void ledger_write_refused(struct ledger_client *client, const struct ledger_write *write,
                          int64_t now_us);
/* It may be done, now or later; of an erasure, also in part. A process that died with it may do it
 * until rests_until_us, whatever is written meanwhile; 0: none died. */
void ledger_write_unknown(struct ledger_client *client, const struct ledger_write *write,
                          int64_t rests_until_us);

static inline bool ledger_may_be(const struct ledger_pair *pair, bool is_in)
{
    return (pair->possible & (is_in ? LEDGER_IN : LEDGER_OUT)) != 0;
}

/* Whether so many can have been in some time between two moments, or in the millisecond from the
 * second one on. True where the history does not reach back that far. */
bool ledger_count_possible(const struct ledger_things *things, int64_t from_us, int64_t to_us,
                           int64_t count);

/* The database was restored to a moment between these two, some time between since_us and now_us,
 * while nothing was on its way: who reads meanwhile may be told of either. A count that the service
 * had learnt before may be told until its bound. Where the history does not reach back that far, a
 * pair is open. */
void ledger_rewind(struct ledger_client *client, int64_t from_us, int64_t until_us,
                   int64_t since_us, int64_t now_us);

/* Lets what is open be what the database says, once nothing can be on its way any more. */
void ledger_settle(struct ledger_client *client, struct ledger_pair *pair, bool is_in,
                   int64_t now_us);

#endif
