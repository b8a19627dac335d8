/* Postgres for one worker: what its connections share.
 *
 * DESIGN: While no connection is up and the breaker is not closed, nothing is accepted; one attempt
 * at a time is made.
 *
 * Where no host takes writes, those are refused, and the read pool makes do with a server that only
 * reads, until one takes writes again: then its connections are made anew. */
#include "rsvpd/store/pg_store.h"
#include "rsvpd/base/log.h"
#include "rsvpd/base/random.h"
#include "rsvpd/domain/breaker.h"
#include "rsvpd/store/pg_fence.h"
#include "rsvpd/store/pg_link.h"
#include "rsvpd/store/pg_replica.h"
#include "rsvpd/store/pg_shard_call.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BACKOFF_MIN_US = 50 * 1000,
    BACKOFF_MAX_US = 400 * 1000, /* success is back within a second of the server */
    BATCH_GRACE_US =
        250 * 1000, /* beyond the deadline at which Postgres itself should have given up */
    NEWS_US = 2 * PG_LINK_REFRESH_EVERY_US, /* in which each session has told whether it takes
                                               writes */
};

/* A connection, and what it is to the others. */
struct member {
    struct pg_store *store;
    struct pg_link *link;
    enum pool pool;
    bool stands_in;             /* it was made to a server that only reads, and this still does */
    int64_t stands_in_until_us; /* monotonic; then it goes if others take writes */
};

struct pg_store {
    struct pg_store_setup setup;
    struct primary_listener listener;
    struct primary_port port;
    struct breaker breaker;
    struct random random;
    bool closing;
    bool reads_tried; /* an attempt of the read pool has ended, since the start */
    bool read_only;   /* the last that is known: no host takes writes */
    bool reported_available[POOL_COUNT]; /* what the listener was last told */
    bool logged_available[POOL_COUNT];   /* what the log was */
    char reason[PG_ERROR_SIZE_BYTES];    /* of the last change for the worse */
    struct log_limit availability_log;
    struct pg_link_log link_log;
    size_t next_member; /* whose turn it is to try to connect */
    int64_t latency_us;
    char
        primary_start[PG_SERVER_START_SIZE_BYTES]; /* of whom the last session for writes is with */
    struct pg_fence fence;           /* no writes are sent while there are sessions to end */
    struct pg_parameters parameters; /* of whatever is being sent */
    struct pg_replica *replica;      /* NULL: there is none */
    struct placements placements;    /* where entities are, as the last session learned it */
    size_t member_count;
    struct member members[];
};

static size_t usable_of(const struct pg_store *store, enum pool pool)
{
    size_t count = 0;
    for (size_t i = 0; i < store->member_count; i++) {
        count += store->members[i].pool == pool && pg_link_is_usable(store->members[i].link);
    }
    return count;
}

static size_t usable_count(const struct pg_store *store)
{
    return usable_of(store, POOL_WRITE) + usable_of(store, POOL_READ);
}

/* Whether it serves everything. */
static bool is_up(const struct pg_store *store)
{
    return usable_count(store) > 0 && !store->read_only;
}

static bool port_available(void *store_, enum pool pool)
{
    const struct pg_store *store = store_;
    if (pool == POOL_REPLICA) {
        return store->replica != NULL && pg_replica_available(store->replica);
    }
    /* That there is nobody to write to says nothing of reads yet. */
    bool open = pool == POOL_READ && !store->reads_tried;
    return (open || store->breaker.state == BREAKER_CLOSED || usable_count(store) > 0) &&
           !(store->read_only && pool == POOL_WRITE);
}

/* Tells the log what the listener was told, at once or, where that changes all the time, later. */
static void log_availability(struct pg_store *store, int64_t now_us)
{
    const bool *reported = store->reported_available;
    int64_t left_out;
    if (memcmp(reported, store->logged_available, sizeof store->logged_available) == 0 ||
        !log_limit_allows(&store->availability_log, now_us, &left_out)) {
        return;
    }
    memcpy(store->logged_available, reported, sizeof store->logged_available);
    if (reported[POOL_WRITE]) {
        log_event(LOG_INFO, "postgres is available again");
    } else if (reported[POOL_READ]) {
        log_event(LOG_ERROR, "postgres is read-only: writes are refused, reads are answered",
                  LOG_CSTR("reason", store->reason));
    } else {
        log_event(LOG_ERROR, "postgres is unavailable", LOG_CSTR("reason", store->reason));
    }
}

/* Tells the listener and the log when the answer to port_available has changed. */
static void report_availability(struct pg_store *store, const char *reason, int64_t now_us)
{
    bool reads = port_available(store, POOL_READ), writes = port_available(store, POOL_WRITE);
    bool *reported = store->reported_available;
    if ((reads == reported[POOL_READ] && writes == reported[POOL_WRITE]) || store->closing) {
        return;
    }
    reported[POOL_READ] = reads;
    reported[POOL_WRITE] = writes;
    snprintf(store->reason, sizeof store->reason, "%s", reason);
    log_availability(store, now_us);
    store->listener.changed(store->listener.service, now_us);
}

/* ---- what links tell ---- */

/* What a session says of the hosts: whether any takes writes. One that only reads says so where no
 * other takes them. */
static void note_access(const struct member *member, struct instant now)
{
    struct pg_store *store = member->store;
    bool read_only = pg_link_is_read_only(member->link);
    for (size_t i = 0; i < store->member_count; i++) {
        const struct pg_link *other = store->members[i].link;
        read_only = read_only && !(other != member->link && pg_link_is_usable(other) &&
                                   !pg_link_is_read_only(other));
    }
    for (size_t i = 0; i < store->member_count && store->read_only && !read_only; i++) {
        store->members[i].stands_in_until_us = now.mono_us + NEWS_US;
    }
    store->read_only = read_only;
    report_availability(store, "the server is read-only", now.mono_us);
}

/* Notes which server a new session is with. */
static void note_server(struct member *member)
{
    struct pg_store *store = member->store;
    const struct pg_session *session = pg_link_session(member->link);
    metrics_set(store->setup.metrics, METRIC_SCHEMA_VERSION, session->schema_version);
    if (member->pool == POOL_WRITE && !pg_link_is_read_only(member->link)) {
        bool known = store->primary_start[0] != '\0';
        bool changed = known && strcmp(store->primary_start, session->server_start) != 0;
        metrics_add(store->setup.metrics, METRIC_PRIMARY_CHANGES, changed);
        memcpy(store->primary_start, session->server_start, sizeof store->primary_start);
    }
}

/* Notes where entities are, where a session has read that since it was last noted: another one's
 * older view is no news. What waits by then was placed otherwise: it fails there, and is placed
 * again. */
static void note_placements(const struct member *member)
{
    struct placements *known = &member->store->placements;
    const struct placements *found = pg_link_placements(member->link);
    if (found->read_at_us <= known->read_at_us) {
        return;
    }
    if (known->count != found->count) {
        log_event(LOG_INFO, "postgres has the tables in shards",
                  LOG_INT("shards", (int64_t)found->count));
    }
    *known = *found;
}

static void on_set_up(void *member_, struct instant now)
{
    struct member *member = member_;
    breaker_success(&member->store->breaker);
    note_server(member);
    note_placements(member);
    member->stands_in = pg_link_is_read_only(member->link);
    member->stands_in_until_us = now.mono_us + NEWS_US;
    member->store->reads_tried = true;
    note_access(member, now);
}

static void on_unfit(void *member, struct instant now)
{
    note_access(member, now);
}

static void on_not_connected(void *member_, const char *reason, int64_t now_us)
{
    struct member *member = member_;
    struct pg_store *store = member->store;
    store->reads_tried = store->reads_tried || member->pool == POOL_READ;
    breaker_failure(&store->breaker, now_us, random_next(&store->random));
    report_availability(store, reason, now_us);
}

static void on_lost(void *member_, const struct pg_link_loss *loss, int64_t now_us)
{
    struct member *member = member_;
    struct pg_store *store = member->store;
    store->reads_tried = store->reads_tried || member->pool == POOL_READ;
    if (loss->batch != NULL && member->pool == POOL_WRITE) {
        pg_fence_add(&store->fence, loss->session);
    }
    if (loss->fencing) {
        pg_fence_undone(&store->fence);
    }
    if (loss->server_at_fault) {
        breaker_failure(&store->breaker, now_us, random_next(&store->random));
    }
    if (loss->batch != NULL) {
        store->listener.batch_ended(store->listener.service, loss->batch, loss->outcome, now_us);
    }
    report_availability(store, loss->reason, now_us);
}

/* What a link that has nothing to do has to do first. */
static void on_idle(void *member_, struct instant now)
{
    struct member *member = member_;
    struct pg_store *store = member->store;
    bool read_only = pg_link_is_read_only(member->link);
    member->stands_in = member->stands_in && read_only;
    note_placements(member);
    if (read_only && !store->read_only) {
        note_access(member, now); /* the last to learn it tells it for all */
    }
    if (read_only && member->pool == POOL_WRITE) {
        pg_link_drop(member->link, "the server became read-only", now.mono_us);
    } else if (member->stands_in && !store->read_only && now.mono_us > member->stands_in_until_us) {
        pg_link_drop(member->link, "another host takes writes", now.mono_us);
    } else if (member->pool == POOL_WRITE && pg_fence_waits(&store->fence) &&
               !pg_link_end_sessions(member->link, &store->fence, now)) {
        pg_fence_undone(&store->fence);
    }
}

static void on_fenced(void *member_)
{
    const struct member *member = member_;
    const struct pg_store *store = member->store;
    metrics_add(store->setup.metrics, METRIC_SESSIONS_FENCED, store->fence.ending_count);
    pg_fence_ended(&member->store->fence);
}

static void on_measured(void *member_, int64_t latency_us)
{
    const struct member *member = member_;
    struct pg_store *store = member->store;
    store->latency_us = latency_us;
    metrics_observe(store->setup.metrics, HISTOGRAM_LATENCY_POSTGRES, (uint64_t)latency_us);
    metrics_add(store->setup.metrics,
                member->pool == POOL_WRITE ? METRIC_POOL_BUSY_WRITES : METRIC_POOL_BUSY_READS,
                (uint64_t)latency_us);
}

static void on_batch_ended(void *member_, struct batch *batch, enum batch_outcome outcome,
                           int64_t now_us)
{
    const struct member *member = member_;
    const struct primary_listener *listener = &member->store->listener;
    listener->batch_ended(listener->service, batch, outcome, now_us);
}

/* What the replica has declined while the primary is away must not wait for it. */
static void on_replica_batch_ended(void *store_, struct batch *batch, enum batch_outcome outcome,
                                   int64_t now_us)
{
    struct pg_store *store = store_;
    const struct primary_listener *listener = &store->listener;
    listener->batch_ended(listener->service, batch, outcome, now_us);
    if (!port_available(store, POOL_READ) && !store->closing) {
        listener->changed(listener->service, now_us);
    }
}

/* ---- the port ---- */

static struct pg_link *ready_link(struct pg_store *store, enum pool pool)
{
    for (size_t i = 0; i < store->member_count; i++) {
        struct member *member = &store->members[i];
        if (member->pool == pool && pg_link_state(member->link) == PG_LINK_READY) {
            return member->link;
        }
    }
    return NULL;
}

static bool port_can_send(void *store_, enum pool pool)
{
    struct pg_store *store = store_;
    if (pool == POOL_REPLICA) {
        return store->replica != NULL && pg_replica_can_send(store->replica);
    }
    bool fenced = pool == POOL_READ || store->fence.count == 0;
    return fenced && ready_link(store, pool) != NULL;
}

static void port_send(void *store_, enum pool pool, struct batch *batch, int64_t now_us)
{
    struct pg_store *store = store_;
    (void)now_us;
    if (pool == POOL_REPLICA) {
        pg_replica_send(store->replica, batch);
        return;
    }
    struct pg_link *link = ready_link(store, pool);
    assert(link != NULL);
    pg_link_send(link, batch, NULL, clock_now());
}

/* ---- life ---- */

static struct pg_link *create_link(struct pg_store *store, struct member *member)
{
    return pg_link_create(&(struct pg_link_setup){
        .loop = store->setup.loop,
        .url = store->setup.url,
        .access = member->pool == POOL_WRITE ? PG_WRITES : PG_READS,
        .deadline_us = store->setup.deadline_us,
        .patience_us = store->setup.deadline_us + BATCH_GRACE_US,
        .parameters = &store->parameters,
        .log = &store->link_log,
        .owner = {.owner = member,
                  .set_up = on_set_up,
                  .not_connected = on_not_connected,
                  .lost = on_lost,
                  .unfit = on_unfit,
                  .idle = on_idle,
                  .fenced = on_fenced,
                  .measured = on_measured,
                  .batch_ended = on_batch_ended},
    });
}

static struct pg_replica *create_replica(struct pg_store *store)
{
    const struct pg_store_setup *setup = &store->setup;
    return pg_replica_create(&(struct pg_replica_setup){
        .loop = setup->loop,
        .primary_url = setup->url,
        .url = setup->replica_url,
        .connections = setup->replica_connections,
        .deadline_us = setup->deadline_us,
        .parameters = &store->parameters,
        .metrics = setup->metrics,
        .random_seed = random_next(&store->random),
        .batch_ended = on_replica_batch_ended,
        .owner = store,
    });
}

struct pg_store *pg_store_create(const struct pg_store_setup *setup)
{
    assert(setup->write_connections > 0 && setup->write_connections <= CONFIG_PG_CONNECTIONS_MAX &&
           setup->read_connections > 0);
    size_t count = setup->write_connections + setup->read_connections;
    struct pg_store *store = calloc(1, sizeof *store + count * sizeof store->members[0]);
    if (store == NULL) {
        return NULL;
    }
    store->setup = *setup;
    store->member_count = count;
    store->random.state = setup->random_seed;
    for (enum pool pool = 0; pool < POOL_COUNT; pool++) {
        store->reported_available[pool] = store->logged_available[pool] = true;
    }
    store->latency_us = -1;
    store->port = (struct primary_port){.store = store,
                                        .can_send = port_can_send,
                                        .send = port_send,
                                        .available = port_available,
                                        .placements = &store->placements};
    metrics_set(setup->metrics, METRIC_POOL_SIZE_WRITES, setup->write_connections);
    metrics_set(setup->metrics, METRIC_POOL_SIZE_READS, setup->read_connections);
    breaker_init(&store->breaker, BACKOFF_MIN_US, BACKOFF_MAX_US);
    store->parameters.call = pg_shard_call_create();
    bool created = store->parameters.call != NULL;
    size_t writes = 0;
    for (size_t i = 0; i < count; i++) {
        /* In turn, so that after an outage neither pool waits for the other's connections. */
        bool write = writes < setup->write_connections &&
                     (i % 2 == 0 || i - writes >= setup->read_connections);
        struct member *member = &store->members[i];
        writes += write;
        *member = (struct member){.store = store, .pool = write ? POOL_WRITE : POOL_READ};
        member->link = create_link(store, member);
        created = created && member->link != NULL;
    }
    if (setup->replica_url != NULL) {
        store->replica = create_replica(store);
        created = created && store->replica != NULL;
    }
    if (!created) {
        pg_store_destroy(&store);
    }
    return store;
}

void pg_store_listen(struct pg_store *store, const struct primary_listener *listener)
{
    store->listener = *listener;
}

const struct primary_port *pg_store_port(const struct pg_store *store)
{
    return &store->port;
}

static void tick_member(struct member *member, struct instant now)
{
    struct pg_store *store = member->store;
    if (pg_link_state(member->link) != PG_LINK_DOWN) {
        pg_link_tick(member->link, now);
    } else if (breaker_allows(&store->breaker, now.mono_us)) {
        metrics_add(store->setup.metrics, METRIC_STORE_RECONNECTS_POSTGRES, 1);
        pg_link_connect(member->link);
        store->next_member = (size_t)(member - store->members) + 1;
    }
}

void pg_store_end_iteration(struct pg_store *store)
{
    if (store->replica != NULL) {
        pg_replica_end_iteration(store->replica, clock_now());
    }
}

void pg_store_tick(struct pg_store *store, struct instant now)
{
    /* In turn: where one attempt at a time is made, neither pool takes all of them. */
    size_t first = store->next_member;
    for (size_t i = 0; i < store->member_count && !store->closing; i++) {
        tick_member(&store->members[(first + i) % store->member_count], now);
    }
    if (store->replica != NULL) {
        pg_replica_tick(store->replica, now);
    }
    log_availability(store, now.mono_us);
    metrics_set(store->setup.metrics, METRIC_UP_POSTGRES, is_up(store));
    metrics_set(store->setup.metrics, METRIC_POOL_USABLE_WRITES, usable_of(store, POOL_WRITE));
    metrics_set(store->setup.metrics, METRIC_POOL_USABLE_READS, usable_of(store, POOL_READ));
}

struct dependency_state pg_store_state(const struct pg_store *store)
{
    return (struct dependency_state){
        .configured = true, .up = is_up(store), .latency_us = store->latency_us};
}

void pg_store_close(struct pg_store *store)
{
    store->closing = true;
    for (size_t i = 0; i < store->member_count; i++) {
        pg_link_close(store->members[i].link);
    }
    if (store->replica != NULL) {
        pg_replica_close(store->replica);
    }
}

void pg_store_destroy(struct pg_store **store)
{
    for (size_t i = 0; *store != NULL && i < (*store)->member_count; i++) {
        pg_link_destroy(&(*store)->members[i].link);
    }
    if (*store != NULL) {
        pg_replica_destroy(&(*store)->replica);
        pg_shard_call_destroy(&(*store)->parameters.call);
    }
    free(*store);
    *store = NULL;
}
