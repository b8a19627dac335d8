/* A service between two fake stores on a clock that the test moves, and those who ask it. */
#ifndef RSVPD_TESTS_BENCH_H
#define RSVPD_TESTS_BENCH_H

#include "fake_primary.h"
#include "fake_redis_counts.h"

#include "rsvpd/domain/count_memory.h"
#include "rsvpd/service/service.h"

#define SECONDS(n) ((int64_t)((n)*1e6))

enum {
    BENCH_DEADLINE_US = 2000 * 1000,
    BENCH_LOCAL_US = 1000 * 1000,
    BENCH_SHARED_US = 2500 * 1000,
    BENCH_PAGE_SIZE = 3, /* lines that a listing is asked for */
};

struct bench;

/* One who asks, and what came of it. */
struct ask {
    struct bench *bench;
    enum operation_kind kind;
    const struct relation *relation;
    struct identifier entity, user;
    struct idempotency_key key; /* idempotency key; size 0: none */
    struct settings settings;   /* asked for; and what came */
    int64_t asked_us, deadline_us, not_before_us;
    bool refused;      /* the service had no operation to give */
    unsigned sent;     /* a write: how often it went to the primary */
    unsigned executed; /* a write: how often it took effect there */
    unsigned answers;  /* how often `done` was called */
    size_t place;      /* of the answer among all answers, from 1 */
    int64_t answered_us;
    enum outcome outcome;
    bool changed, member, waiting, replayed, incomplete;
    int64_t position, waiting_count;
    struct count count;
    int64_t created_at_us;
    size_t lines; /* of the page that came */
    struct operation_erasure erasure;
};

struct bench_setup {
    size_t pending_max, write_connections, read_connections, replica_connections;
    bool has_redis;
    int64_t local_lifetime_us;
    int64_t expire_keys_every_us;
    int64_t promote_every_us;
    struct bench *colleague; /* another worker of its process, to be finished after it */
};

struct bench {
    struct bench_setup setup;
    struct count_memory *counts;
    struct instant now;
    struct metrics *metrics;
    struct fake_primary primary;
    struct fake_redis_counts redis;
    struct service *service;
    bool ticking; /* within service_tick: only what is past its deadline may end */
    struct ask **asks;
    size_t ask_count, ask_capacity, answers;
    void (*answered)(const struct ask *ask); /* NULL: nobody is told */
};

/* 64 operations, one connection a pool, Redis, a second in the worker's memory. */
extern const struct bench_setup bench_usual;

struct bench *bench_create(const struct bench_setup *setup);

/* Lets everything come to its end and checks that each ask was answered exactly once and that all
 * operations are back in the pool; then frees all. */
void bench_finish(struct bench *bench);

/* Moves the clocks. */
void bench_pass(struct bench *bench, int64_t us);

/* Moves the clocks by small steps, and ends at each what is past its deadline. */
void bench_wait(struct bench *bench, int64_t us);

void bench_turn(struct bench *bench);
void bench_tick(struct bench *bench);

/* A turn, and then the primary ends the oldest flight of the pool that way. */
void bench_end(struct bench *bench, enum pool pool, enum batch_outcome outcome);

/* Turns in which everything that is sent is done, until there is no more. */
void bench_settle(struct bench *bench);

/* An ask to be filled in further and submitted: of RSVPs, with the usual deadline. */
struct ask *bench_ask(struct bench *bench, enum operation_kind kind, struct identifier entity,
                      struct identifier user);
void bench_submit(struct ask *ask);

/* Asks at once. */
struct ask *bench_add(struct bench *bench, const char *entity, const char *user);
struct ask *bench_remove(struct bench *bench, const char *entity, const char *user);
struct ask *bench_lookup(struct bench *bench, const char *entity, const char *user);

/* The first two with an idempotency key. */
struct ask *bench_add_keyed(struct bench *bench, const char *entity, const char *user,
                            const char *key);
struct ask *bench_remove_keyed(struct bench *bench, const char *entity, const char *user,
                               const char *key);

extern const struct settings bench_ten_seats;

/* So many seats and perhaps a waiting list; or no settings any more. */
struct ask *bench_configure(struct bench *bench, const char *entity, int64_t capacity,
                            bool waitlist);
struct ask *bench_release(struct bench *bench, const char *entity);

/* Asks for a count that is not older than that. */
struct ask *bench_count(struct bench *bench, const char *entity, int64_t age_max_us);

/* A turn; then the oldest batch of writes that is under way, which there must be. */
const struct batch *bench_sent_batch(struct bench *bench);

/* Checks that the ask was answered, once, and how; or that it waits. */
void bench_expect(const struct ask *ask, enum outcome outcome);
void bench_expect_waiting(const struct ask *ask);

/* A count that was answered as fresh, with this value and version. */
void bench_expect_count(const struct ask *ask, int64_t value, int64_t version);

uint64_t bench_metric(const struct bench *bench, enum metric metric);

#endif
