/* Postgres for one worker.
 *
 * DESIGN: Connecting happens on a thread of libuv's pool, because libpq looks names up, reads files
 * and may try several hosts, each of which blocks. A connection that is up is handed to the loop,
 * prepares its statements there as its first pipeline, and from then on carries one batch at a
 * time, which Postgres runs as one transaction: it has committed when the answer to the last sync
 * (pg_batch.h) is here and not before. While no connection is up and the
 * breaker is not closed, nothing is accepted; one attempt at a time is made.
 *
 * Where no host takes writes, those are refused, and the read pool makes do with a server that only
 * reads, until one takes writes again: then its connections are made anew. */
#include "rsvpd/store/pg_store.h"
#include "rsvpd/base/log.h"
#include "rsvpd/base/random.h"
#include "rsvpd/domain/breaker.h"
#include "rsvpd/store/pg_batch.h"
#include "rsvpd/store/pg_connect.h"
#include "rsvpd/store/pg_failure.h"
#include "rsvpd/store/pg_fence.h"
#include "rsvpd/store/pg_statement.h"
#include "rsvpd/store/pg_vet.h"
#include "rsvpd/store/sql.h"

#include <assert.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    BACKOFF_MIN_US = 50 * 1000,
    BACKOFF_MAX_US = 400 * 1000, /* success is back within a second of the server */
    SETUP_TIMEOUT_US = 2000 * 1000,
    REFRESH_EVERY_US = 1000 * 1000,
    REFRESH_TIMEOUT_US = 1000 * 1000,
    NEWS_US = 2 * REFRESH_EVERY_US, /* in which each session has told whether it takes writes */
    BATCH_GRACE_US =
        250 * 1000, /* beyond the deadline at which Postgres itself should have given up */
    FENCE_TIMEOUT_US = 5 * 1000 * 1000,
    SETUP_IDENTITY_STEP = 1, /* of setting up: identity.sql */
};

enum link_state {
    LINK_DOWN,       /* no connection; the next allowed attempt makes one */
    LINK_CONNECTING, /* a thread is connecting */
    LINK_SETTING_UP, /* the session is being set up and the statements prepared */
    LINK_READY,      /* may be given a batch */
    LINK_BUSY,       /* has a batch */
    LINK_REFRESHING, /* forgets its plans, which also tells whether the server still answers */
    LINK_FENCING,    /* ends sessions that were given up */
    LINK_BROKEN,     /* found broken while sending; the next tick cleans up */
};

struct watch;

struct pg_link {
    struct pg_store *store;
    enum pool pool;
    enum link_state state;
    PGconn *connection;
    struct watch *watch; /* of its socket; its memory goes when libuv has closed it */
    int poll_events;
    uv_work_t work;
    char error[PG_ERROR_SIZE_BYTES]; /* of the connecting thread */
    unsigned step;                   /* statements answered, of a pipeline that is no batch's */
    bool failed;                     /* a statement of the pipeline failed, as `failure` says */
    bool asks_paths; /* the batch was misrouted: its operations' paths are asked for */
    struct pg_failure failure;
    struct instant sent;
    bool stands_in;             /* it was made to a server that only reads, and this still does */
    int64_t stands_in_until_us; /* monotonic; then it goes if others take writes */
    struct pg_session session;  /* the server's end */
    int64_t timeout_us;         /* monotonic; while waiting for the server */
    int64_t refreshed_us;       /* monotonic; when plans were last forgotten */
    struct pg_batch run;        /* its batch; run.batch is NULL while it has none */
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
    bool reported_available[POOL_COUNT]; /* what the listener and the log were last told */
    size_t next_link;                    /* whose turn it is to try to connect */
    int64_t latency_us;
    struct pg_fence fence;           /* no writes are sent while there are sessions to end */
    struct pg_parameters parameters; /* of whatever is being sent */
    size_t link_count;
    struct pg_link links[];
};

static bool usable(const struct pg_link *link)
{
    return link->state == LINK_READY || link->state == LINK_BUSY ||
           link->state == LINK_REFRESHING || link->state == LINK_FENCING;
}

static size_t usable_count(const struct pg_store *store)
{
    size_t count = 0;
    for (size_t i = 0; i < store->link_count; i++) {
        count += usable(&store->links[i]);
    }
    return count;
}

/* Whether it serves everything. */
static bool is_up(const struct pg_store *store)
{
    return usable_count(store) > 0 && !store->read_only;
}

static bool port_available(void *store_, enum pool pool)
{
    const struct pg_store *store = store_;
    /* That there is nobody to write to says nothing of reads yet. */
    bool open = pool == POOL_READ && !store->reads_tried;
    return (open || store->breaker.state == BREAKER_CLOSED || usable_count(store) > 0) &&
           !(store->read_only && pool == POOL_WRITE);
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
    if (writes) {
        log_event(LOG_INFO, "postgres answers again");
    } else if (reads) {
        log_event(LOG_ERROR, "postgres takes no writes; it is read", LOG_CSTR("reason", reason));
    } else {
        log_event(LOG_ERROR, "postgres is unavailable", LOG_CSTR("reason", reason));
    }
    store->listener.changed(store->listener.service, now_us);
}

/* The loop watches a duplicate of libpq's socket, which it closes itself: libpq closes its own
 * wherever it finds it broken, and the loop would then take a number out of its set that is
 * somebody else's by now. */
struct watch {
    uv_poll_t poll;
    int fd;
    struct pg_link *link; /* NULL once it is being closed */
};

static void free_watch(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    close(watch->fd);
    free(watch);
}

static struct watch *watch_socket(struct pg_link *link)
{
    struct watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL) {
        return NULL;
    }
    watch->fd = fcntl(PQsocket(link->connection), F_DUPFD_CLOEXEC, 0);
    if (watch->fd < 0 || uv_poll_init(link->store->setup.loop, &watch->poll, watch->fd) != 0) {
        if (watch->fd >= 0) {
            close(watch->fd);
        }
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    watch->link = link;
    return watch;
}

/* Closes the connection and reports its batch as lost. */
static void drop_link(struct pg_link *link, const char *reason, bool server_at_fault,
                      int64_t now_us)
{
    struct pg_store *store = link->store;
    if (link->watch != NULL) {
        link->watch->link = NULL;
        uv_close((uv_handle_t *)&link->watch->poll, free_watch);
        link->watch = NULL;
    }
    if (link->run.batch != NULL && link->pool == POOL_WRITE) {
        pg_fence_add(&store->fence, &link->session);
    }
    if (link->state == LINK_FENCING) {
        pg_fence_undone(&store->fence);
    }
    link->session = (struct pg_session){.pid = ""};
    PQfinish(link->connection);
    link->connection = NULL;
    link->state = LINK_DOWN;
    store->reads_tried = store->reads_tried || link->pool == POOL_READ;
    if (!store->closing) {
        log_event(LOG_WARN, "lost a connection to postgres", LOG_CSTR("reason", reason));
    }
    if (server_at_fault) {
        breaker_failure(&store->breaker, now_us, random_next(&store->random));
    }
    struct batch *batch = link->run.batch;
    link->run.batch = NULL;
    if (batch != NULL) {
        store->listener.batch_ended(store->listener.service, batch, BATCH_LOST, now_us);
    }
    report_availability(store, reason, now_us);
}

static void on_socket(uv_poll_t *poll, int status, int events);

/* Sends what libpq has buffered and asks for the events it waits for. */
static bool flush_link(struct pg_link *link)
{
    int rest = PQflush(link->connection);
    int events = rest > 0 ? UV_READABLE | UV_WRITABLE : UV_READABLE;
    if (rest < 0) {
        return false;
    }
    if (events != link->poll_events) {
        link->poll_events = events;
        return uv_poll_start(&link->watch->poll, events, on_socket) == 0;
    }
    return true;
}

/* Sends what was queued: from here on the link waits for its answers. */
static bool launch(struct pg_link *link, enum link_state state, struct instant now,
                   int64_t timeout_us)
{
    link->step = 0;
    link->failed = false;
    link->asks_paths = false;
    link->sent = now;
    link->timeout_us = now.mono_us + timeout_us;
    link->state = state;
    return flush_link(link);
}

/* ---- setting a session up ---- */

static bool queue_setup(struct pg_link *link)
{
    char statement_timeout[32], lock_timeout[32];
    long long deadline_ms = link->store->setup.deadline_us / 1000;
    snprintf(statement_timeout, sizeof statement_timeout, "%lldms", deadline_ms);
    snprintf(lock_timeout, sizeof lock_timeout, "%lldms", deadline_ms / 4);
    const char *values[] = {statement_timeout, lock_timeout};
    bool queued =
        PQsendQueryParams(link->connection, sql_text("session/setup"), 2, NULL, values, NULL, NULL,
                          0) == 1 &&
        PQsendQueryParams(link->connection, sql_text("session/identity"), 0, NULL, NULL, NULL, NULL,
                          0) == 1 &&
        PQsendPrepare(link->connection, "refresh", sql_text("session/refresh"), 0, NULL) == 1;
    return queued && pg_statement_prepare_all(link->connection);
}

/* Whether a connection suits its pool: everything that must be asked before it is used. */
static bool suits(PGconn *connection, const char *url, enum pool pool, char *error)
{
    bool read_only = pg_is_read_only(connection);
    if (read_only && pool == POOL_WRITE) {
        snprintf(error, PG_ERROR_SIZE_BYTES, "%s", "the server is read-only");
        return false;
    }
    return pg_vet_session(connection, url, error) && pg_vet_tables(connection, error) &&
           (!read_only || pg_vet_replayed(connection, error));
}

static void connect_on_thread(uv_work_t *work)
{
    struct pg_link *link = work->data;
    char *url = secret_now(link->store->setup.url);
    if (url == NULL) {
        snprintf(link->error, sizeof link->error, "%s", "out of memory");
        link->connection = NULL;
        return;
    }
    PGconn *connection =
        pg_connect(url, link->pool == POOL_WRITE ? PG_WRITES : PG_READS, link->error);
    if (connection != NULL && !suits(connection, url, link->pool, link->error)) {
        PQfinish(connection);
        connection = NULL;
    }
    link->connection = connection;
    free(url);
}

/* On the loop again: takes the connection over, or notes that there is none. */
static void connected(uv_work_t *work, int status)
{
    struct pg_link *link = work->data;
    struct pg_store *store = link->store;
    struct instant now = clock_now();
    link->state = LINK_DOWN;
    if (store->closing || status != 0) {
        PQfinish(link->connection);
        link->connection = NULL;
        return;
    }
    if (link->connection == NULL) {
        store->reads_tried = store->reads_tried || link->pool == POOL_READ;
        breaker_failure(&store->breaker, now.mono_us, random_next(&store->random));
        log_event(LOG_WARN, "cannot connect to postgres", LOG_CSTR("reason", link->error));
        report_availability(store, link->error, now.mono_us);
        return;
    }
    link->poll_events = 0;
    link->watch = watch_socket(link);
    if (link->watch == NULL) {
        drop_link(link, "cannot watch its socket", true, now.mono_us);
        return;
    }
    link->refreshed_us = now.mono_us;
    if (PQsetnonblocking(link->connection, 1) != 0 || PQenterPipelineMode(link->connection) != 1 ||
        !queue_setup(link) || PQpipelineSync(link->connection) != 1 ||
        !launch(link, LINK_SETTING_UP, now, SETUP_TIMEOUT_US)) {
        drop_link(link, "cannot set the session up", true, now.mono_us);
    }
}

static void start_connecting(struct pg_link *link)
{
    link->state = LINK_CONNECTING;
    link->work.data = link;
    metrics_add(link->store->setup.metrics, METRIC_STORE_RECONNECTS_POSTGRES, 1);
    int failed = uv_queue_work(link->store->setup.loop, &link->work, connect_on_thread, connected);
    assert(failed == 0); /* fails for a NULL argument alone */
}

/* ---- batches ---- */

static struct pg_link *ready_link(struct pg_store *store, enum pool pool)
{
    for (size_t i = 0; i < store->link_count; i++) {
        if (store->links[i].pool == pool && store->links[i].state == LINK_READY) {
            return &store->links[i];
        }
    }
    return NULL;
}

static bool port_can_send(void *store_, enum pool pool)
{
    struct pg_store *store = store_;
    bool fenced = pool == POOL_READ || store->fence.count == 0;
    return fenced && ready_link(store, pool) != NULL;
}

static void port_send(void *store_, enum pool pool, struct batch *batch, int64_t now_us)
{
    struct pg_store *store = store_;
    struct pg_link *link = ready_link(store, pool);
    assert(link != NULL && batch->size > 0);
    struct instant now = clock_now();
    (void)now_us;
    link->run.connection = link->connection;
    link->run.parameters = &store->parameters;
    link->run.batch = batch;
    if (!pg_batch_begin(&link->run, now) ||
        !launch(link, LINK_BUSY, now, store->setup.deadline_us + BATCH_GRACE_US)) {
        link->state = LINK_BROKEN; /* batch_ended must not be called from in here */
    }
}

/* Once a second: see refresh.sql. */
static void refresh(struct pg_link *link, struct instant now)
{
    link->refreshed_us = now.mono_us;
    if (PQsendQueryPrepared(link->connection, "refresh", 0, NULL, NULL, NULL, 1) != 1 ||
        PQpipelineSync(link->connection) != 1 ||
        !launch(link, LINK_REFRESHING, now, REFRESH_TIMEOUT_US)) {
        link->state = LINK_BROKEN;
    }
}

/* Ends the sessions that were given up. */
static void fence(struct pg_link *link, struct instant now)
{
    struct pg_store *store = link->store;
    if (!pg_fence_queue(&store->fence, link->connection) || PQpipelineSync(link->connection) != 1 ||
        !launch(link, LINK_FENCING, now, FENCE_TIMEOUT_US)) {
        link->state = LINK_BROKEN;
        pg_fence_undone(&store->fence);
    }
}

/* What a session says of the hosts: whether any takes writes. One that only reads says so where no
 * other takes them. */
static void note_access(const struct pg_link *link, struct instant now)
{
    struct pg_store *store = link->store;
    bool read_only = pg_is_read_only(link->connection);
    for (size_t i = 0; i < store->link_count; i++) {
        const struct pg_link *other = &store->links[i];
        read_only =
            read_only && !(other != link && usable(other) && !pg_is_read_only(other->connection));
    }
    for (size_t i = 0; i < store->link_count && store->read_only && !read_only; i++) {
        store->links[i].stands_in_until_us = now.mono_us + NEWS_US;
    }
    store->read_only = read_only;
    report_availability(store, "the server is read-only", now.mono_us);
}

/* What a link that has nothing to do has to do first. */
static void maintain(struct pg_link *link, struct instant now)
{
    const struct pg_store *store = link->store;
    bool read_only = pg_is_read_only(link->connection);
    link->stands_in = link->stands_in && read_only;
    if (read_only && link->pool == POOL_WRITE) {
        note_access(link, now);
        drop_link(link, "it takes no writes any more", true, now.mono_us);
    } else if (link->stands_in && !store->read_only && now.mono_us > link->stands_in_until_us) {
        drop_link(link, "another one takes writes", true, now.mono_us);
    } else if (link->pool == POOL_WRITE && pg_fence_waits(&store->fence)) {
        fence(link, now);
    } else if (now.mono_us - link->refreshed_us > REFRESH_EVERY_US) {
        refresh(link, now);
    }
}

/* ---- answers ---- */

static void parse_result(struct pg_link *link, const PGresult *result, struct instant now)
{
    if (link->state == LINK_SETTING_UP && link->step == SETUP_IDENTITY_STEP) {
        pg_session_take(&link->session, result);
    } else if (link->state == LINK_BUSY && !pg_batch_take(&link->run, result, now)) {
        link->failed = true;
        link->failure = (struct pg_failure){BATCH_UNAVAILABLE, link->run.malformed};
    }
}

/* Whether the failure is in the course of things: a path that was not known, an entity that is
 * still held. */
static bool is_expected(const struct pg_link *link)
{
    const struct batch *batch = link->run.batch;
    return link->failure.outcome == BATCH_MISROUTED ||
           (link->failure.outcome == BATCH_LOCKED && batch != NULL && batch->short_lock_timeout);
}

/* False where the error is libpq's own: the connection is gone, or there was no memory for what the
 * server said, and so nobody knows what became of the statement. */
static bool parse_error(struct pg_link *link, const PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (sqlstate == NULL || link->failed) {
        return sqlstate != NULL;
    }
    link->failed = true;
    link->failure = pg_failure_of(sqlstate);
    if (is_expected(link)) {
        return true;
    }
    char reason[PG_ERROR_SIZE_BYTES];
    pg_error_statement(link->connection, result, reason);
    log_event(LOG_WARN, "postgres refused a statement", LOG_CSTR("sqlstate", sqlstate),
              LOG_CSTR("reason", reason));
    return true;
}

/* The batch was undone because it went the wrong way: finds out which way is right. */
static void ask_paths(struct pg_link *link, struct instant now)
{
    int64_t timeout_us = link->store->setup.deadline_us + BATCH_GRACE_US;
    if (!pg_batch_ask_paths(&link->run, now) || !launch(link, LINK_BUSY, now, timeout_us)) {
        link->state = LINK_BROKEN;
    }
    link->asks_paths = true;
}

/* The last sync has been answered: the transaction has committed or was rolled back. */
static void pipeline_ended(struct pg_link *link, struct instant now)
{
    struct pg_store *store = link->store;
    enum link_state ended = link->state;
    struct batch *batch = link->run.batch;
    store->latency_us = now.mono_us - link->sent.mono_us;
    metrics_observe(store->setup.metrics, HISTOGRAM_LATENCY_POSTGRES, (uint64_t)store->latency_us);
    if (link->failed && link->failure.outcome == BATCH_MISROUTED) {
        ask_paths(link, now);
        return;
    }
    link->state = LINK_READY;
    link->run.batch = NULL;
    if (ended == LINK_SETTING_UP && !link->failed) {
        breaker_success(&store->breaker);
        link->stands_in = pg_is_read_only(link->connection);
        link->stands_in_until_us = now.mono_us + NEWS_US;
        store->reads_tried = true;
        note_access(link, now);
    }
    if (ended == LINK_FENCING) {
        pg_fence_ended(&store->fence); /* if it was refused, then for good: that is in the log, and
                          must not stop all writes */
    }
    enum batch_outcome outcome = link->failed       ? link->failure.outcome
                                 : link->asks_paths ? BATCH_MISROUTED
                                                    : BATCH_DONE;
    if (link->failed && (link->failure.reconnect || ended == LINK_SETTING_UP)) {
        note_access(link, now);
        drop_link(link, "the session is of no use", true, now.mono_us);
    }
    if (link->state == LINK_READY) {
        maintain(link, now); /* here, because a link under load is never ready for long */
    }
    if (batch != NULL) {
        store->listener.batch_ended(store->listener.service, batch, outcome, now.mono_us);
    }
}

static bool awaits_answers(const struct pg_link *link)
{
    return link->state == LINK_SETTING_UP || link->state == LINK_BUSY ||
           link->state == LINK_REFRESHING || link->state == LINK_FENCING;
}

static void statement_answered(struct pg_link *link)
{
    if (link->state == LINK_BUSY) {
        pg_batch_answered(&link->run);
    } else {
        link->step++;
    }
}

/* What was sent at a time has been answered whole. False once the connection is broken. */
static bool sync_answered(struct pg_link *link, struct instant now)
{
    if (link->state == LINK_BUSY) {
        switch (pg_batch_synced(&link->run, link->failed)) {
        case PG_BATCH_GOES_ON:
            return flush_link(link);
        case PG_BATCH_BROKEN:
            return false;
        case PG_BATCH_ENDED:
            break;
        }
    }
    pipeline_ended(link, now);
    return true;
}

/* Takes in every answer that has arrived. False once the connection is broken. */
static bool parse_answers(struct pg_link *link)
{
    struct instant now = clock_now();
    bool gap = false; /* the last result was the end of a statement's results */
    bool alive = true;
    while (alive && awaits_answers(link) && PQisBusy(link->connection) == 0) {
        PGresult *result = PQgetResult(link->connection);
        ExecStatusType status = PQresultStatus(result);
        if (PQstatus(link->connection) != CONNECTION_OK || (result == NULL && gap)) {
            alive = false;
        } else if (result == NULL) {
            statement_answered(link);
        } else if (status == PGRES_TUPLES_OK && !link->failed) {
            parse_result(link, result, now);
        } else if (status == PGRES_FATAL_ERROR) {
            alive = parse_error(link, result);
        }
        gap = result == NULL;
        PQclear(result);
        if (alive && status == PGRES_PIPELINE_SYNC) {
            alive = sync_answered(link, now);
        }
    }
    return alive;
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    struct pg_link *link = watch->link;
    bool alive = status == 0;
    if (alive && (events & UV_WRITABLE) != 0) {
        alive = flush_link(link);
    }
    if (alive && (events & UV_READABLE) != 0) {
        alive = PQconsumeInput(link->connection) == 1;
        alive = parse_answers(link) && alive; /* what came before the end still counts */
    }
    if (!alive && link->connection != NULL) {
        char reason[PG_ERROR_SIZE_BYTES];
        pg_error_connection(PQerrorMessage(link->connection), "", reason);
        drop_link(link, reason, link->state == LINK_SETTING_UP, clock_mono_us());
    }
}

/* ---- life ---- */

struct pg_store *pg_store_create(const struct pg_store_setup *setup)
{
    size_t count = setup->write_connections + setup->read_connections;
    struct pg_store *store = calloc(1, sizeof *store + count * sizeof store->links[0]);
    if (store == NULL) {
        return NULL;
    }
    store->setup = *setup;
    store->link_count = count;
    store->random.state = setup->random_seed;
    store->reported_available[POOL_READ] = store->reported_available[POOL_WRITE] = true;
    store->latency_us = -1;
    store->port = (struct primary_port){
        .store = store, .can_send = port_can_send, .send = port_send, .available = port_available};
    breaker_init(&store->breaker, BACKOFF_MIN_US, BACKOFF_MAX_US);
    size_t writes = 0;
    for (size_t i = 0; i < count; i++) {
        /* In turn, so that after an outage neither pool waits for the other's connections. */
        bool write = writes < setup->write_connections &&
                     (i % 2 == 0 || i - writes >= setup->read_connections);
        writes += write;
        store->links[i] = (struct pg_link){.store = store, .pool = write ? POOL_WRITE : POOL_READ};
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

static void tick_link(struct pg_link *link, struct instant now)
{
    switch (link->state) {
    case LINK_DOWN:
        if (breaker_allows(&link->store->breaker, now.mono_us)) {
            start_connecting(link);
            link->store->next_link = (size_t)(link - link->store->links) + 1;
        }
        return;
    case LINK_CONNECTING:
        return;
    case LINK_SETTING_UP:
    case LINK_BUSY:
    case LINK_REFRESHING:
    case LINK_FENCING:
        if (now.mono_us > link->timeout_us) {
            drop_link(link, "no answer in time", true, now.mono_us);
        }
        return;
    case LINK_READY:
        maintain(link, now);
        return;
    case LINK_BROKEN:
        drop_link(link, "cannot send", false, now.mono_us);
        return;
    }
}

void pg_store_tick(struct pg_store *store, struct instant now)
{
    /* In turn: where one attempt at a time is made, neither pool takes all of them. */
    size_t first = store->next_link;
    for (size_t i = 0; i < store->link_count && !store->closing; i++) {
        tick_link(&store->links[(first + i) % store->link_count], now);
    }
    metrics_set(store->setup.metrics, METRIC_UP_POSTGRES, is_up(store));
}

struct dependency_state pg_store_state(const struct pg_store *store)
{
    return (struct dependency_state){
        .configured = true, .up = is_up(store), .latency_us = store->latency_us};
}

void pg_store_close(struct pg_store *store)
{
    store->closing = true;
    for (size_t i = 0; i < store->link_count; i++) {
        /* What a thread is connecting is the thread's until it hands it over. */
        if (store->links[i].state != LINK_CONNECTING && store->links[i].connection != NULL) {
            drop_link(&store->links[i], "", false, clock_mono_us());
        }
    }
}

void pg_store_destroy(struct pg_store **store)
{
    free(*store);
    *store = NULL;
}
