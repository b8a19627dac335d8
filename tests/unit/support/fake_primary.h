/* A small model of the primary that a test steps by hand: takes batches as Postgres's store does,
 * keeps them until the test says how they end, and checks that whoever sends keeps to the rules. */
#ifndef RSVPD_TESTS_FAKE_TRUTH_H
#define RSVPD_TESTS_FAKE_TRUTH_H

#include "rsvpd/domain/ports.h"

enum { FLIGHTS_MAX = 16, WAITERS_MAX = 64 };

/* A batch that is under way. */
struct flight {
    struct batch *batch;
    enum pool pool;
    bool executed; /* it took effect, though nobody has been told */
};

/* What a counter was, version by version: index 0 is before the first change. */
struct counter {
    const struct relation *relation;
    struct identifier entity;
    size_t versions, capacity;
    struct reading {
        int64_t value, since_us;
    } * at;
};

struct member {
    const struct relation *relation;
    struct identifier entity, user;
    int64_t since_us; /* Unix epoch */
};

/* An event that has settings, and who waits for a seat of it, the longest first. */
struct admitted {
    struct identifier entity;
    struct settings settings;
    struct waiting {
        struct identifier user;
        int64_t since_us; /* Unix epoch */
        int64_t ticket;
    } waiting[WAITERS_MAX];
    size_t waiting_count;
    int64_t last_ticket;
    bool promoting; /* seats are free, and are given to those who wait in steps */
    bool clearing;  /* the settings are to go once nobody waits */
};

/* An answer that is kept under an idempotency key. */
struct kept {
    struct identifier user, entity;
    struct idempotency_key key;
    enum operation_kind kind;
    const struct relation *relation;
    bool changed, past_capacity;
    int64_t count, place;
};

struct fake_primary {
    struct primary_port port;
    struct primary_listener listener;
    bool up;
    bool read_only; /* takes no writes */
    size_t connections[POOL_COUNT];
    struct flight flights[FLIGHTS_MAX]; /* in the order of their sending */
    size_t flight_count;
    size_t batches_sent; /* ever */
    struct counter *counters;
    size_t counter_count, counter_capacity;
    struct member *members;
    size_t member_count, member_capacity;
    struct admitted *admitted;
    size_t admitted_count, admitted_capacity;
    struct kept *kept;
    size_t kept_count, kept_capacity;
    size_t promote_max;       /* how many move up in one step; 0: all */
    bool promoting_elsewhere; /* another process is at what is done in steps */
    int64_t expired;          /* kept answers whose time is over; besides those above */
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
bool fake_primary_misroutes(struct fake_primary *primary, const struct batch *batch,
                            struct instant now);

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

/* The counter of an entity, which is made where there was never a change. */
struct counter *fake_primary_counter(struct fake_primary *primary, const struct relation *relation,
                                     const struct identifier *entity);

/* The count as of now. */
struct count fake_primary_count(struct fake_primary *primary, const struct relation *relation,
                                const char *entity, struct instant now);

#endif
