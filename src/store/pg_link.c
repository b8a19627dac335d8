/* One connection to Postgres in a loop.
 *
 * DESIGN: Connecting happens on a thread of libuv's pool, because libpq looks names up, reads files
 * and may try several hosts, each of which blocks. A connection that is up is handed to the loop
 * and prepares its statements there as its first pipeline. From then on it carries one thing at a
 * time. A batch is one transaction: it has committed when the answer to its last sync
 * (pg_exchange.h) is here, and not before. */
#include "rsvpd/store/pg_link.h"
#include "rsvpd/base/log.h"
#include "rsvpd/store/pg_failure.h"
#include "rsvpd/store/pg_placements.h"
#include "rsvpd/store/pg_statement.h"
#include "rsvpd/store/pg_vet.h"
#include "rsvpd/store/sql.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    SETUP_TIMEOUT_US = 2000 * 1000,
    REFRESH_TIMEOUT_US = 1000 * 1000,
    FENCE_TIMEOUT_US = 5 * 1000 * 1000,
    SETUP_IDENTITY_STEP = 1, /* of setting up: identity.sql */
    REFRESH_SHARDS_STEP = 1, /* of refreshing: shards.sql */
};

struct watch;

struct pg_link {
    struct pg_link_setup setup;
    enum pg_link_state state; /* changed by link_change_state alone */
    bool closing;
    PGconn *connection;
    struct watch *watch; /* of its socket; its memory goes when libuv has closed it */
    int poll_events;
    uv_work_t work;
    char error[PG_ERROR_SIZE_BYTES]; /* of the connecting thread */
    unsigned step;                   /* statements answered, of a pipeline that is no batch's */
    bool failed;                     /* a statement of the pipeline failed, as `failure` says */
    bool asks_paths; /* the batch was misrouted: its operations' paths are asked for */
    struct pg_failure failure;
    const char *problem; /* why the session cannot be used any more, where it cannot */
    struct instant sent;
    struct pg_session session;    /* the server's end */
    struct placements placements; /* where entities are, read with each refresh */
    int64_t timeout_us;           /* monotonic; while waiting for the server */
    int64_t refreshed_us;         /* monotonic; when plans were last dropped */
    struct pg_barrier barrier;    /* that the primary told, or that the batch has */
    bool told;                    /* the primary told one */
    struct pg_exchange exchange;  /* of its batch; exchange.batch is NULL while it has none */
};

/* ---- states ---- */

/* changes[from][to]. Whatever has a connection may lose it. */
static const bool changes[PG_LINK_STATE_COUNT][PG_LINK_STATE_COUNT] = {
    [PG_LINK_DOWN] = {[PG_LINK_CONNECTING] = true},
    [PG_LINK_CONNECTING] = {[PG_LINK_SETTING_UP] = true, [PG_LINK_DOWN] = true},
    [PG_LINK_SETTING_UP] = {[PG_LINK_READY] = true, [PG_LINK_DOWN] = true},
    [PG_LINK_READY] = {[PG_LINK_BUSY] = true,
                       [PG_LINK_REFRESHING] = true,
                       [PG_LINK_ASKING] = true,
                       [PG_LINK_FENCING] = true,
                       [PG_LINK_DOWN] = true},
    [PG_LINK_BUSY] = {[PG_LINK_READY] = true, [PG_LINK_BROKEN] = true, [PG_LINK_DOWN] = true},
    [PG_LINK_REFRESHING] = {[PG_LINK_READY] = true, [PG_LINK_BROKEN] = true, [PG_LINK_DOWN] = true},
    [PG_LINK_ASKING] = {[PG_LINK_READY] = true, [PG_LINK_BROKEN] = true, [PG_LINK_DOWN] = true},
    [PG_LINK_FENCING] = {[PG_LINK_READY] = true, [PG_LINK_BROKEN] = true, [PG_LINK_DOWN] = true},
    [PG_LINK_BROKEN] = {[PG_LINK_DOWN] = true},
};

bool pg_link_may_change(enum pg_link_state from, enum pg_link_state to)
{
    assert(from < PG_LINK_STATE_COUNT && to < PG_LINK_STATE_COUNT);
    return changes[from][to];
}

static void link_change_state(struct pg_link *link, enum pg_link_state state)
{
    assert(pg_link_may_change(link->state, state));
    link->state = state;
}

enum pg_link_state pg_link_state(const struct pg_link *link)
{
    return link->state;
}

/* For the log. */
static const char *server_name(const struct pg_link *link)
{
    return link->setup.access == PG_REPLICA ? "replica" : "primary";
}

bool pg_link_is_usable(const struct pg_link *link)
{
    return link->state == PG_LINK_READY || link->state == PG_LINK_BUSY ||
           link->state == PG_LINK_REFRESHING || link->state == PG_LINK_ASKING ||
           link->state == PG_LINK_FENCING;
}

bool pg_link_is_read_only(const struct pg_link *link)
{
    assert(link->connection != NULL);
    return pg_is_read_only(link->connection);
}

const struct pg_session *pg_link_session(const struct pg_link *link)
{
    return &link->session;
}

const struct placements *pg_link_placements(const struct pg_link *link)
{
    return &link->placements;
}

static bool awaits_answers(const struct pg_link *link)
{
    return link->state == PG_LINK_SETTING_UP || link->state == PG_LINK_BUSY ||
           link->state == PG_LINK_REFRESHING || link->state == PG_LINK_ASKING ||
           link->state == PG_LINK_FENCING;
}

/* ---- the socket ---- */

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
    if (watch->fd < 0 || uv_poll_init(link->setup.loop, &watch->poll, watch->fd) != 0) {
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

static void close_watch(struct pg_link *link)
{
    if (link->watch != NULL) {
        link->watch->link = NULL;
        uv_close((uv_handle_t *)&link->watch->poll, free_watch);
        link->watch = NULL;
    }
}

static bool is_unsure(const struct pg_link *link)
{
    return link->failed && link->failure.outcome == BATCH_UNSURE;
}

/* Closes the connection and tells the owner of it and of the batch that it had. */
static void take_down(struct pg_link *link, const char *reason, bool server_at_fault,
                      int64_t now_us)
{
    const struct pg_session session = link->session;
    const struct pg_link_loss loss = {
        .reason = reason,
        .server_at_fault = server_at_fault,
        .fencing = link->state == PG_LINK_FENCING,
        .batch = link->exchange.batch,
        .outcome = is_unsure(link) ? BATCH_UNSURE : BATCH_LOST,
        .session = &session,
    };
    close_watch(link);
    PQfinish(link->connection);
    link->connection = NULL;
    link->session = (struct pg_session){.pid = ""};
    link->exchange.batch = NULL;
    link_change_state(link, PG_LINK_DOWN);
    int64_t left_out;
    if (!link->closing && log_limit_allows(&link->setup.log->lost, now_us, &left_out)) {
        log_event(LOG_WARN, "lost a connection to postgres", LOG_CSTR("server", server_name(link)),
                  LOG_CSTR("reason", reason), LOG_INT("left_out", left_out));
    }
    link->setup.owner.lost(link->setup.owner.owner, &loss, now_us);
}

void pg_link_drop(struct pg_link *link, const char *reason, int64_t now_us)
{
    assert(link->state == PG_LINK_READY);
    take_down(link, reason, true, now_us);
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
static bool send_queued(struct pg_link *link, struct instant now, int64_t timeout_us)
{
    assert(awaits_answers(link));
    link->step = 0;
    link->failed = false;
    link->problem = "the session cannot be used any more";
    link->asks_paths = false;
    link->sent = now;
    link->timeout_us = now.mono_us + timeout_us;
    return flush_link(link);
}

/* ---- setting a session up ---- */

static bool queue_setup(struct pg_link *link)
{
    char statement_timeout[32], lock_timeout[32];
    long long deadline_ms = link->setup.deadline_us / 1000;
    snprintf(statement_timeout, sizeof statement_timeout, "%lldms", deadline_ms);
    snprintf(lock_timeout, sizeof lock_timeout, "%lldms", deadline_ms / 4);
    const char *values[] = {statement_timeout, lock_timeout};
    bool queued =
        PQsendQueryParams(link->connection, sql_text("session/setup"), 2, NULL, values, NULL, NULL,
                          0) == 1 &&
        PQsendQueryParams(link->connection, sql_text("session/identity"), 0, NULL, NULL, NULL, NULL,
                          0) == 1 &&
        PQsendPrepare(link->connection, "refresh", sql_text("session/refresh"), 0, NULL) == 1;
    if (link->setup.access == PG_REPLICA) {
        queued = queued && pg_barrier_prepare_check(link->connection);
    }
    return queued && (link->setup.use == PG_LINK_FOR_BARRIERS
                          ? pg_barrier_prepare_ask(link->connection)
                          : pg_statement_prepare_all(link->connection, link->placements.count > 0));
}

/* Whether a connection suits its use: everything that must be asked before it is used. */
static bool suits(struct pg_link *link, PGconn *connection, const char *url)
{
    const enum pg_access access = link->setup.access;
    char *error = link->error;
    bool read_only = pg_is_read_only(connection);
    if (read_only && access == PG_WRITES) {
        snprintf(error, PG_ERROR_SIZE_BYTES, "%s", "the server is read-only");
        return false;
    }
    if (!read_only && access == PG_REPLICA) {
        snprintf(error, PG_ERROR_SIZE_BYTES, "%s", "the server is no standby");
        return false;
    }
    return pg_vet_session(connection, url, access, error) && pg_vet_tables(connection, error) &&
           pg_placements_read(connection, &link->placements, error) &&
           (access != PG_REPLICA ||
            pg_placements_refuse_shards(link->placements.count > 0, error)) &&
           (!read_only || access == PG_REPLICA || pg_vet_replayed(connection, url, error));
}

static void connect_on_thread(uv_work_t *work)
{
    struct pg_link *link = work->data;
    char *url = secret_now(link->setup.url);
    if (url == NULL) {
        snprintf(link->error, sizeof link->error, "%s", "out of memory");
        link->connection = NULL;
        return;
    }
    PGconn *connection = pg_connect(url, link->setup.access, link->error);
    if (connection != NULL && !suits(link, connection, url)) {
        PQfinish(connection);
        connection = NULL;
    }
    link->connection = connection;
    free(url);
}

/* Sends the first pipeline of a new connection. */
static void begin_setup(struct pg_link *link, struct instant now)
{
    link->poll_events = 0;
    link->watch = watch_socket(link);
    if (link->watch == NULL) {
        take_down(link, "cannot watch its socket", true, now.mono_us);
        return;
    }
    link->refreshed_us = now.mono_us;
    link_change_state(link, PG_LINK_SETTING_UP);
    if (PQsetnonblocking(link->connection, 1) != 0 || PQenterPipelineMode(link->connection) != 1 ||
        !queue_setup(link) || PQpipelineSync(link->connection) != 1 ||
        !send_queued(link, now, SETUP_TIMEOUT_US)) {
        take_down(link, "cannot set the session up", true, now.mono_us);
    }
}

/* On the loop again: takes the connection over, or notes that there is none. */
static void on_connected(uv_work_t *work, int status)
{
    struct pg_link *link = work->data;
    struct instant now = clock_now();
    if (link->closing || status != 0) {
        PQfinish(link->connection);
        link->connection = NULL;
        link_change_state(link, PG_LINK_DOWN);
    } else if (link->connection == NULL) {
        link_change_state(link, PG_LINK_DOWN);
        int64_t left_out;
        if (log_limit_allows(&link->setup.log->not_connected, now.mono_us, &left_out)) {
            log_event(LOG_WARN, "cannot connect to postgres", LOG_CSTR("server", server_name(link)),
                      LOG_CSTR("reason", link->error), LOG_INT("left_out", left_out));
        }
        link->setup.owner.not_connected(link->setup.owner.owner, link->error, now.mono_us);
    } else {
        begin_setup(link, now);
    }
}

void pg_link_connect(struct pg_link *link)
{
    assert(!link->closing && link->connection == NULL);
    link_change_state(link, PG_LINK_CONNECTING);
    link->work.data = link;
    int failed = uv_queue_work(link->setup.loop, &link->work, connect_on_thread, on_connected);
    assert(failed == 0); /* fails for a NULL argument alone */
}

/* ---- what it carries ---- */

/* Whatever was lost by it is reported by the next tick, not from inside the call that sends. */
static void note_broken(struct pg_link *link)
{
    link_change_state(link, PG_LINK_BROKEN);
}

void pg_link_send(struct pg_link *link, struct batch *batch, const struct pg_barrier *barrier,
                  struct instant now)
{
    assert(batch->size > 0 && link->exchange.batch == NULL);
    assert((barrier != NULL) == (link->setup.access == PG_REPLICA));
    if (barrier != NULL) {
        link->barrier = *barrier;
        link->exchange.barrier = &link->barrier;
    }
    link_change_state(link, PG_LINK_BUSY);
    link->exchange.connection = link->connection;
    link->exchange.parameters = link->setup.parameters;
    link->exchange.sharded = link->placements.count > 0;
    link->exchange.deadline_us = link->setup.deadline_us;
    link->exchange.batch = batch;
    if (!pg_exchange_begin(&link->exchange, now) ||
        !send_queued(link, now, link->setup.patience_us)) {
        note_broken(link);
    }
}

const char *pg_link_reason(const struct pg_link *link)
{
    return link->exchange.declined ? link->exchange.reason : "";
}

void pg_link_ask_barrier(struct pg_link *link, bool marks, struct instant now)
{
    assert(link->setup.use == PG_LINK_FOR_BARRIERS);
    link_change_state(link, PG_LINK_ASKING);
    link->told = false;
    if (!pg_barrier_queue_ask(link->connection, marks) || PQpipelineSync(link->connection) != 1 ||
        !send_queued(link, now, link->setup.patience_us)) {
        note_broken(link);
    }
}

/* The batch was undone because it went the wrong way: finds out which way is right. */
static void ask_paths(struct pg_link *link, struct instant now)
{
    if (!pg_exchange_ask_paths(&link->exchange, now) ||
        !send_queued(link, now, link->setup.patience_us)) {
        note_broken(link);
    }
    link->asks_paths = true;
}

/* Once a second: see refresh.sql. */
static void refresh(struct pg_link *link, struct instant now)
{
    link_change_state(link, PG_LINK_REFRESHING);
    link->refreshed_us = now.mono_us;
    bool sharded = link->placements.count > 0;
    if (PQsendQueryPrepared(link->connection, "refresh", 0, NULL, NULL, NULL, 1) != 1 ||
        (sharded && PQsendQueryParams(link->connection, sql_text("distributed/shards"), 0, NULL,
                                      NULL, NULL, NULL, 0) != 1) ||
        PQpipelineSync(link->connection) != 1 || !send_queued(link, now, REFRESH_TIMEOUT_US)) {
        note_broken(link);
    }
}

bool pg_link_end_sessions(struct pg_link *link, struct pg_fence *fence, struct instant now)
{
    link_change_state(link, PG_LINK_FENCING);
    bool sharded = link->placements.count > 0;
    bool sent = pg_fence_queue(fence, link->connection, sharded) &&
                PQpipelineSync(link->connection) == 1 && send_queued(link, now, FENCE_TIMEOUT_US);
    if (!sent) {
        note_broken(link);
    }
    return sent;
}

/* Before anything else is sent: what the owner wants of it, and its own upkeep. */
static void maintain(struct pg_link *link, struct instant now)
{
    link->setup.owner.idle(link->setup.owner.owner, now);
    if (link->state == PG_LINK_READY &&
        now.mono_us - link->refreshed_us > PG_LINK_REFRESH_EVERY_US) {
        refresh(link, now);
    }
}

/* ---- answers ---- */

static void parse_result(struct pg_link *link, const PGresult *result, struct instant now)
{
    if (link->state == PG_LINK_SETTING_UP && link->step == SETUP_IDENTITY_STEP) {
        pg_session_parse(&link->session, result);
    } else if (link->state == PG_LINK_REFRESHING && link->step == REFRESH_SHARDS_STEP) {
        link->failed =
            !pg_placements_parse(result, &link->placements, link->sent.mono_us, &link->problem);
        link->failure = (struct pg_failure){BATCH_UNAVAILABLE, true};
    } else if (link->state == PG_LINK_ASKING) {
        link->told = pg_barrier_parse(&link->barrier, result);
    } else if (link->state == PG_LINK_BUSY && !pg_exchange_parse(&link->exchange, result, now)) {
        link->failed = true;
        link->failure = (struct pg_failure){BATCH_UNAVAILABLE, link->exchange.malformed};
    }
}

/* Whether the failure is in the course of things: a path that was not known, a precondition that is
 * not met, an entity that is still held. */
static bool is_expected(const struct pg_link *link)
{
    const enum batch_outcome outcome = link->failure.outcome;
    const struct batch *batch = link->exchange.batch;
    return outcome == BATCH_MISROUTED ||
           (batch != NULL &&
            (outcome == BATCH_UNMET || (outcome == BATCH_LOCKED && batch->short_lock_timeout)));
}

/* Whether a worker of Citus commits the batch by itself. It does not where a transaction of the
 * coordinator is around it, which commits in two phases: then an error tells that none has. */
static bool commits_remotely(const struct pg_link *link)
{
    return link->exchange.batch != NULL && link->exchange.sharded &&
           link->exchange.part == PG_PART_WHOLE;
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
    link->failure = pg_failure_of(sqlstate, commits_remotely(link));
    if (is_expected(link)) {
        return true;
    }
    char reason[PG_ERROR_SIZE_BYTES];
    int64_t left_out;
    pg_error_statement(link->connection, result, reason);
    if (log_limit_allows(&link->setup.log->refused, clock_mono_us(), &left_out)) {
        log_event(LOG_WARN, "postgres refused a statement", LOG_CSTR("server", server_name(link)),
                  LOG_CSTR("sqlstate", sqlstate), LOG_CSTR("reason", reason),
                  LOG_INT("left_out", left_out));
    }
    return true;
}

/* The set-up has been answered, and has failed or not. */
static void setup_ended(struct pg_link *link, struct instant now)
{
    const struct pg_link_owner *owner = &link->setup.owner;
    if (link->failed) {
        owner->unfit(owner->owner, now);
        take_down(link, link->problem, true, now.mono_us);
        return;
    }
    link_change_state(link, PG_LINK_READY);
    owner->set_up(owner->owner, now);
    maintain(link, now);
}

/* What a link that was set up has carried has been answered whole. */
static void exchange_ended(struct pg_link *link, struct instant now)
{
    const struct pg_link_owner *owner = &link->setup.owner;
    if (link->exchange.batch != NULL && is_unsure(link)) {
        owner->unfit(owner->owner, now);
        take_down(link, "it cannot tell what a worker has done", true, now.mono_us);
        return;
    }
    struct batch *batch = link->exchange.batch;
    enum batch_outcome outcome = link->failed              ? link->failure.outcome
                                 : link->asks_paths        ? BATCH_MISROUTED
                                 : link->exchange.declined ? BATCH_DECLINED
                                                           : BATCH_DONE;
    bool fenced = link->state == PG_LINK_FENCING, asked = link->state == PG_LINK_ASKING;
    link->exchange.batch = NULL;
    link_change_state(link, PG_LINK_READY);
    if (fenced) {
        owner->fenced(owner->owner); /* if it was refused, then for good: that is in the log, and
                                        must not stop all writes */
    }
    if (asked) {
        owner->told_barrier(owner->owner, link->told && !link->failed ? &link->barrier : NULL, now);
    }
    if (link->failed && link->failure.reconnect) {
        owner->unfit(owner->owner, now);
        take_down(link, link->problem, true, now.mono_us);
    } else {
        maintain(link, now);
    }
    if (batch != NULL) {
        owner->batch_ended(owner->owner, batch, outcome, now.mono_us);
    }
}

/* The last sync has been answered: the transaction has committed or was rolled back. */
static void pipeline_ended(struct pg_link *link, struct instant now)
{
    const struct pg_link_owner *owner = &link->setup.owner;
    owner->measured(owner->owner, now.mono_us - link->sent.mono_us);
    if (link->state == PG_LINK_SETTING_UP) {
        setup_ended(link, now);
    } else if (link->failed && link->failure.outcome == BATCH_MISROUTED) {
        ask_paths(link, now);
    } else {
        exchange_ended(link, now);
    }
}

static void answer_ended(struct pg_link *link)
{
    if (link->state == PG_LINK_BUSY) {
        pg_exchange_answer_ended(&link->exchange);
    } else {
        link->step++;
    }
}

/* What was sent at a time has been answered whole. False once the connection is broken. */
static bool sync_answered(struct pg_link *link, struct instant now)
{
    if (link->state == PG_LINK_BUSY) {
        switch (pg_exchange_synced(&link->exchange, link->failed)) {
        case PG_EXCHANGE_GOES_ON:
            return flush_link(link);
        case PG_EXCHANGE_BROKEN:
            return false;
        case PG_EXCHANGE_ENDED:
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
            answer_ended(link);
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
        take_down(link, reason, link->state == PG_LINK_SETTING_UP, clock_mono_us());
    }
}

/* ---- life ---- */

struct pg_link *pg_link_create(const struct pg_link_setup *setup)
{
    struct pg_link *link = calloc(1, sizeof *link);
    if (link != NULL) {
        link->setup = *setup;
    }
    return link;
}

void pg_link_tick(struct pg_link *link, struct instant now)
{
    switch (link->state) {
    case PG_LINK_DOWN:
    case PG_LINK_CONNECTING:
    case PG_LINK_STATE_COUNT:
        return;
    case PG_LINK_SETTING_UP:
    case PG_LINK_BUSY:
    case PG_LINK_REFRESHING:
    case PG_LINK_ASKING:
    case PG_LINK_FENCING:
        if (now.mono_us > link->timeout_us) {
            take_down(link, "no answer in time", true, now.mono_us);
        }
        return;
    case PG_LINK_READY:
        maintain(link, now);
        return;
    case PG_LINK_BROKEN:
        take_down(link, "cannot send", false, now.mono_us);
        return;
    }
}

void pg_link_close(struct pg_link *link)
{
    link->closing = true;
    /* What a thread is connecting is the thread's until it hands it over. */
    if (link->state != PG_LINK_DOWN && link->state != PG_LINK_CONNECTING) {
        take_down(link, "", false, clock_mono_us());
    }
}

void pg_link_destroy(struct pg_link **link)
{
    assert(*link == NULL || (*link)->connection == NULL);
    free(*link);
    *link = NULL;
}
