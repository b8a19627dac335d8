/* The model of the primary, stepped by hand: takes batches as Postgres's store does, keeps them
 * until the test says how they end, and checks that whoever sends keeps to the rules. */
#ifndef RSVPD_TESTS_FAKE_PRIMARY_H
#define RSVPD_TESTS_FAKE_PRIMARY_H

#include "model_primary.h"

#include "rsvpd/domain/ports.h"

enum { FLIGHTS_MAX = 16 };

/* A batch that is under way. */
struct flight {
    struct batch *batch;
    enum pool pool;
    bool executed; /* it took effect, though nobody has been told */
};

struct fake_primary {
    struct primary_port port;
    struct primary_listener listener;
    bool up;
    bool read_only; /* takes no writes */
    size_t connections[POOL_COUNT];
    struct flight flights[FLIGHTS_MAX]; /* in the order of their sending */
    size_t flight_count;
    size_t batches_sent;        /* ever */
    struct model_primary model; /* what is true */
    size_t promote_max;         /* how many move up in one step; 0: all */
    bool promoting_elsewhere;   /* another process is at what is done in steps */
    int64_t expired;            /* kept answers whose time is over; besides those above */
    /* Told of each write when it is sent, and each time that it takes effect; NULL: nobody. */
    void (*sent)(const struct operation *operation);
    void (*executed)(const struct operation *operation);
};

void fake_primary_init(struct fake_primary *primary, size_t write_connections,
                       size_t read_connections);
void fake_primary_free(struct fake_primary *primary);

/* The oldest flight on a pool, which must have one. */
struct flight *fake_primary_flight(struct fake_primary *primary, enum pool pool);

/* How many batches are under way on a pool. */
size_t fake_primary_flying(const struct fake_primary *primary, enum pool pool);

/* Lets a batch take effect now, and still be under way. */
void fake_primary_execute(struct fake_primary *primary, struct flight *flight, struct instant now);

/* Whether the batch, which must not have taken effect, is not on the path that all its operations
 * that act should be on by now. */
bool fake_primary_misroutes(struct fake_primary *primary, struct batch *batch, struct instant now);

/* Ends a flight and tells the listener. BATCH_DONE takes effect now unless it has already; on the
 * wrong path it does not, and ends as BATCH_MISROUTED. Of that the operations learn their paths. */
void fake_primary_end(struct fake_primary *primary, struct flight *flight,
                      enum batch_outcome outcome, struct instant now);

/* Goes away or comes back, and tells the listener. What was under way when it goes is lost. */
void fake_primary_set_up(struct fake_primary *primary, bool up, struct instant now);

/* Takes no writes any more, or takes them again, and tells the listener. */
void fake_primary_set_read_only(struct fake_primary *primary, bool read_only, struct instant now);

/* Makes or unmakes a member behind the service's back, as another process would. */
void fake_primary_change(struct fake_primary *primary, enum operation_kind kind,
                         const struct relation *relation, const char *entity, const char *user,
                         struct instant now);

/* Gives an event settings, or takes them away (NULL), behind the service's back. */
void fake_primary_configure(struct fake_primary *primary, const char *entity,
                            const struct settings *settings, struct instant now);

/* Whether the event has settings. */
bool fake_primary_is_admitted(struct fake_primary *primary, const struct identifier *entity);

/* What the counter of an entity was. */
const struct model_history *fake_primary_history(struct fake_primary *primary,
                                                 const struct relation *relation,
                                                 const struct identifier *entity);

/* The count as of now. */
struct count fake_primary_count(struct fake_primary *primary, const struct relation *relation,
                                const char *entity, struct instant now);

#endif
