/* Postgres as the service sees it through its port: the server with its tables, and each worker's
 * store in front of it. What src/store promises, this keeps: a batch is answered when it has
 * committed; after a connection was lost, nothing is written before the session that had it is
 * ended; a server that is read-only does nothing. All else goes wrong as the seed says. */
#ifndef RSVPD_SIM_POSTGRES_H
#define RSVPD_SIM_POSTGRES_H

#include "model_primary.h"
#include "names.h"

#include "rsvpd/domain/breaker.h"
#include "rsvpd/domain/ports.h"

enum { PG_LINKS_MAX = 4 };

struct request;

struct worker;
struct world;

/* One operation of a batch as it went over the wire: the answers go into this copy, and from there
 * to the service, where that still waits. */
struct item {
    struct request *request; /* NULL of the service's own: loads of counts, tidying up, erasing */
    struct request *erasure; /* that it is a part of; else NULL */
    struct operation operation;
    bool poisonous; /* the database refuses it */
};

/* A batch likewise. */
struct work {
    struct batch batch; /* of the items' operations */
    struct item items[];
};

/* How the server treats a batch. */
enum fate { FATE_GOOD, FATE_ROLLED_BACK, FATE_LOCKED, FATE_UNAVAILABLE };

/* A batch on its way, and the session that has it. */
struct flight {
    struct worker *worker;
    struct pg_link *link; /* NULL once the connection is lost, or its process dead */
    struct batch *batch;  /* the service's; likewise */
    enum fate fate;
    unsigned life;          /* of the worker that sent it */
    bool session_ended;     /* nothing of it is done any more */
    bool executed;          /* it took effect, or was decided otherwise */
    enum batch_outcome end; /* as which it is answered */
    struct flight *next;    /* in the server's list of all that ever flew */
    struct work *work;      /* NULL once it is neither to be done nor to be answered */
};

enum pg_link_state { PG_DOWN, PG_CONNECTING, PG_READY, PG_BUSY, PG_FENCING };

struct pg_link {
    struct worker *worker;
    enum pool pool;
    enum pg_link_state state;
    struct flight *flight;
    uint64_t connection; /* which: events of an earlier one are none of this */
};

/* A worker's store. */
struct pg {
    struct primary_port port;
    struct breaker breaker;
    bool reported_available;
    struct pg_link links[PG_LINKS_MAX];
    size_t link_count;
    struct flight *given_up[PG_LINKS_MAX * 2]; /* of lost connections, to be ended first */
    size_t given_up_count, fencing_count;
};

struct pg_server {
    struct model_primary model; /* what is true; its first rows are those of pg_row */
    bool up, read_only;
    int64_t latency_us; /* usual, by now */
    struct flight *flights;
};

/* `promote_max` move up in one step, 0: all who can. */
void pg_server_init(struct pg_server *server, int64_t latency_us, int64_t key_lifetime_us,
                    int promote_max);
void pg_server_free(struct pg_server *server);

/* Leaves an event as a process does that is killed between two steps of giving it more seats: of
 * the first `users` all who are not in wait, but for those of one step. */
void pg_server_leave_promotion(struct world *world, unsigned users);

/* What is true of an entity. */
struct model_row *pg_row(const struct world *world, enum relation_id relation, unsigned entity);

bool kind_writes_user(enum operation_kind kind);
bool kind_writes(enum operation_kind kind);

/* What the service writes on its own. */
bool kind_is_housekeeping(enum operation_kind kind);

/* Tells pages apart by all their lines, in order; never 0. 0: there is none. */
uint64_t page_digest(const struct page *page);

/* The server goes, and with it all sessions; it comes back, perhaps as another that has every
 * commit. */
void pg_server_crash(struct world *world);
void pg_server_start(struct world *world);

void pg_init(struct worker *worker);
void pg_tick(struct worker *worker);

/* The worker's process was killed: its sessions find out later. */
void pg_abandon(struct worker *worker);

#endif
