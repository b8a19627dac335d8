/* One connection to Postgres in a loop, from connecting to its loss. It carries one thing at a
 * time: its set-up, a batch, a question, or upkeep. It knows nothing of other connections: its
 * owner decides when it connects and what it carries. */
#ifndef RSVPD_STORE_PG_LINK_H
#define RSVPD_STORE_PG_LINK_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/log_limit.h"
#include "rsvpd/base/secret.h"
#include "rsvpd/domain/ports.h"
#include "rsvpd/store/pg_barrier.h"
#include "rsvpd/store/pg_connect.h"
#include "rsvpd/store/pg_exchange.h"
#include "rsvpd/store/pg_fence.h"

#include <uv.h>

enum { PG_LINK_REFRESH_EVERY_US = 1000 * 1000 }; /* at least so often its server answers */

enum pg_link_state {
    PG_LINK_DOWN,       /* no connection; pg_link_connect makes one */
    PG_LINK_CONNECTING, /* a thread is connecting */
    PG_LINK_SETTING_UP, /* the session is being set up and the statements prepared */
    PG_LINK_READY,      /* waits for something to do */
    PG_LINK_BUSY,       /* has a batch */
    PG_LINK_REFRESHING, /* drops its plans, which also tells whether the server still answers */
    PG_LINK_ASKING,     /* asks the primary for a barrier */
    PG_LINK_FENCING,    /* ends sessions that were given up */
    PG_LINK_BROKEN,     /* could not send; the next tick takes it down */
    PG_LINK_STATE_COUNT
};

/* Whether a link may go from one state to the other: the table of all changes. */
bool pg_link_may_change(enum pg_link_state from, enum pg_link_state to);

/* How a link went down, and what it had under way. */
struct pg_link_loss {
    const char *reason;               /* fit for the log */
    bool server_at_fault;             /* another attempt is likely to fail as well */
    bool fencing;                     /* it was ending sessions: those are not ended */
    struct batch *batch;              /* whose end is not known; NULL: none */
    enum batch_outcome outcome;       /* of the batch: BATCH_LOST or BATCH_UNSURE */
    const struct pg_session *session; /* the server's end of the link */
};

/* Whom it tells. All calls happen in the loop. */
struct pg_link_owner {
    void *owner;
    /* Its session is set up: it can be used. */
    void (*set_up)(void *owner, struct instant now);
    /* It could not connect, and is down again. */
    void (*not_connected)(void *owner, const char *reason, int64_t now_us);
    /* It is down. The loss is valid during the call. */
    void (*lost)(void *owner, const struct pg_link_loss *loss, int64_t now_us);
    /* Its server has refused something, and the session cannot be used any more: `lost` comes next.
     */
    void (*unfit)(void *owner, struct instant now);
    /* It is ready: the owner may have it fence, or drop it. Called after every exchange too, since
     * a link under load is never ready for long. */
    void (*idle)(void *owner, struct instant now);
    /* The sessions that it was to end are ended. */
    void (*fenced)(void *owner);
    /* The primary told the barrier that it was asked for; NULL: it cannot. */
    void (*told_barrier)(void *owner, const struct pg_barrier *barrier, struct instant now);
    /* An exchange has ended, so long after it was sent. */
    void (*measured)(void *owner, int64_t latency_us);
    /* A batch has ended; never from inside pg_link_send. One that was lost comes with `lost`. */
    void (*batch_ended)(void *owner, struct batch *batch, enum batch_outcome outcome,
                        int64_t now_us);
};

/* How often links log what goes wrong: each line has its own limit. */
struct pg_link_log {
    struct log_limit not_connected, lost, refused;
};

/* What a link carries. */
enum pg_link_use {
    PG_LINK_FOR_BATCHES,
    PG_LINK_FOR_BARRIERS, /* questions for barriers, and no batches */
};

struct pg_link_setup {
    uv_loop_t *loop;
    struct secret *url; /* DATABASE_URL or DATABASE_READ_URL; must outlive the link */
    enum pg_access access;
    enum pg_link_use use;
    int64_t deadline_us;              /* of a request: Postgres ends what takes longer */
    int64_t patience_us;              /* in which a batch or a question must be answered, or the
                                         link is taken down */
    struct pg_parameters *parameters; /* of whatever is being sent; links of a thread share them */
    struct pg_link_log *log;          /* links of a thread share it */
    struct pg_link_owner owner;
};

struct pg_link;

/* Is down. NULL when memory is exhausted. */
struct pg_link *pg_link_create(const struct pg_link_setup *setup);

enum pg_link_state pg_link_state(const struct pg_link *link);

/* Whether its session is set up and it is not known to be broken. */
bool pg_link_is_usable(const struct pg_link *link);

/* Whether its server only reads, as far as the server has told. It must have a connection. */
bool pg_link_is_read_only(const struct pg_link *link);

/* The server's end of it. */
const struct pg_session *pg_link_session(const struct pg_link *link);

/* Where entities are, as its server last told. */
const struct placements *pg_link_placements(const struct pg_link *link);

/* Begins to connect; it must be down. `set_up`, `not_connected` or `lost` tells how that ended. */
void pg_link_connect(struct pg_link *link);

/* Sends a batch, which is sorted by shard, entity and user; it must be ready. `barrier` is what a
 * replica must be past, or the batch is declined; it is copied. NULL: the server is no replica. */
void pg_link_send(struct pg_link *link, struct batch *batch, const struct pg_barrier *barrier,
                  struct instant now);

/* Why the last batch was declined. Empty: its server failed. */
const char *pg_link_reason(const struct pg_link *link);

/* Asks for a barrier; it must be ready. `marks`: as in pg_barrier.h. `told_barrier` or `lost` tells
 * how that ended, never from inside this call. */
void pg_link_ask_barrier(struct pg_link *link, bool marks, struct instant now);

/* Ends the sessions of the fence; it must be ready. False where that cannot be sent: the link is
 * broken, and `fenced` will not be called. */
MUST_CHECK bool pg_link_end_sessions(struct pg_link *link, struct pg_fence *fence,
                                     struct instant now);

/* Takes it down, as if it were lost; it must be ready. */
void pg_link_drop(struct pg_link *link, const char *reason, int64_t now_us);

/* Time-outs and upkeep, unless it is down. To be called every few milliseconds. */
void pg_link_tick(struct pg_link *link, struct instant now);

/* Takes it down for good. Where a thread is connecting, that ends first; nobody is told of it. */
void pg_link_close(struct pg_link *link);

/* After the loop has come to its end. */
void pg_link_destroy(struct pg_link **link);

#endif
