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
 * that a count can be held against the moment that it names (as_of). */

enum {
    LEDGER_ID_SIZE = 32,
    LEDGER_CLIENTS = 48,
    LEDGER_USERS = 4, /* of each client */
    LEDGER_HISTORY = 8192,
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
    LEDGER_CAPACITY = LEDGER_CLIENTS,
    LEDGER_PAIRS = LEDGER_PLACES * LEDGER_USERS,
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
};

struct ledger_client {
    struct ledger_pair pairs[LEDGER_PAIRS];
    struct ledger_things own[2]; /* LEDGER_OWN_EVENT, LEDGER_OWN_POST */
};

struct ledger {
    struct ledger_client clients[LEDGER_CLIENTS];
};

/* All are out. The caller frees it. */
struct ledger *ledger_create(int64_t now_us);

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

/* Whether so many can have been in some time in the millisecond from as_of_us on. True where the
 * history does not reach back that far. */
bool ledger_count_possible(const struct ledger_things *things, int64_t as_of_us, int64_t count);

/* Lets what is open be what the database says, once nothing can be on its way any more. */
void ledger_settle(struct ledger_client *client, struct ledger_pair *pair, bool is_in,
                   int64_t now_us);

#endif
