/* Those who ask: each sends a request, waits for its answer, and sends another; many hang up,
 * repeat, or send what they sent long ago. */
#ifndef RSVPD_SIM_CLIENTS_H
#define RSVPD_SIM_CLIENTS_H

#include "erasures.h"
#include "names.h"

#include "rsvpd/base/list.h"
#include "rsvpd/domain/operation.h"

enum { CLIENTS_MAX = 64 };

struct client;
struct worker;
struct world;

/* A request, and everything that is known of it outside of the service. */
struct request {
    uint64_t number;       /* in the order of submission */
    struct client *client; /* NULL once it has hung up */
    struct worker *worker;
    unsigned life; /* of the worker */
    enum operation_kind kind;
    enum relation_id relation;
    unsigned entity, user;
    int key;
    bool poisonous;
    bool past_capacity;
    struct settings settings;
    int64_t age_max_us; /* of a count */
    int after; /* of a listing: the number that the page follows; KEY_NONE: from the start */
    size_t page_size;
    int64_t asked_us, deadline_us;

    bool answered;
    enum outcome outcome;
    struct list_node open;      /* in the clients' list while the worker has it */
    enum write_path first_path; /* on which it set out */
    bool rerouted;              /* it had to take another since */
    bool chained;               /* an earlier write of the same pair is under way */
    bool flying;                /* it is in a batch */
    unsigned sent;              /* batches that it was in */
    unsigned lost;              /* of which it is not known how they ended */
    bool decided;               /* one of these was committed, whatever its verdict */
    unsigned executed;          /* times that it was done */
    bool told;                  /* the last batch ended well, with this answer, at that time */
    struct operation told_answer;
    uint64_t told_digest; /* of its page */
    int64_t told_us;
    struct erasure_log erasure; /* OPERATION_ERASE */
};

struct client {
    struct request *waits_for;
    const struct request *again; /* to be sent next */
};

struct clients {
    struct client all[CLIENTS_MAX];
    struct request **requests;
    size_t request_count, request_capacity;
    struct list open; /* requests that a worker has, in the order of their submission */
    int last_key;
    /* By key: when a write was last done under it. All requests with one key are of one user. */
    int64_t *key_done_us;
    size_t key_capacity;
    bool probing; /* the faults are over, and everything has to succeed */
};

void clients_start(struct world *world);
void clients_free(struct clients *clients);

/* The request that an operation in a batch is of, NULL where it is the service's own. */
struct request *clients_request_of(const struct operation *operation);

/* The request to erase a user that one of the service's own is a part of, NULL where of none. */
struct request *clients_erasure_of(const struct operation *operation);

/* When a write was last done under the key, virtual time; 0: never. */
int64_t *clients_key_done(struct world *world, int key);

/* The worker has no more to do with the request, if it is answered and in no batch. */
void clients_close(struct request *request);

/* The worker's process was killed: its clients notice. */
void clients_cut_off(struct worker *worker);

/* Asks each worker for every count as of now, and for a little of everything else, one after the
 * other within two seconds. */
void clients_probe(struct world *world);

#endif
