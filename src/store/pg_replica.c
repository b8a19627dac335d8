/* A replica that is read in place of the primary.
 *
 * DESIGN: Any read must show every write that was acknowledged before it arrived. So the primary is
 * asked first how far its log is flushed: once, by a small statement, for all batches of one
 * iteration of the loop, after the last of their requests has arrived. Each batch then goes to the
 * replica behind a question: whether that has replayed as much (sql/session/caught_up.sql). Who
 * wrote what need not be remembered, and a replica that is behind, that follows another server, or
 * that was promoted cannot pass.
 *
 * A batch that is declined, fails, or is not answered soon goes to the primary. Then a breaker
 * keeps the others from trying in vain: after a while one batch finds out how things are. */
#include "rsvpd/store/pg_replica.h"
#include "rsvpd/base/log.h"
#include "rsvpd/base/log_limit.h"
#include "rsvpd/base/random.h"
#include "rsvpd/domain/breaker.h"
#include "rsvpd/store/pg_link.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNECT_MIN_US = 50 * 1000,
    CONNECT_MAX_US = 2000 * 1000,
    REST_MIN_US = 50 * 1000, /* after a batch was declined */
    REST_MAX_US = 2000 * 1000,
    /* With the primary for a barrier, and with the replica for a batch: then the primary has the
     * rest of a request's time, half of it or more. */
    PATIENCE_MAX_US = 100 * 1000,
    DEADLINE_PARTS = 4,
};

/* A connection to the replica, or the one that asks the primary. */
struct line {
    struct pg_replica *replica;
    struct pg_link *link;
    struct batch *held; /* waits for the barrier; NULL: none */
    bool asks;
};

struct pg_replica {
    struct pg_replica_setup setup;
    struct breaker connects; /* attempts to connect */
    struct breaker answers;  /* batches */
    struct random random;
    struct pg_link_log link_log;
    struct log_limit change_log;
    bool closing;
    bool introduced;       /* a first question was asked since it connected: ahead of any batch */
    bool marked;           /* the primary, as far as is known */
    bool asking;           /* the primary, for the batches that are held */
    bool logged_available; /* what the log was told last */
    char logged_reason[PG_ERROR_SIZE_BYTES];
    size_t held_count;                /* batches that wait for a barrier */
    size_t under_way;                 /* batches that were taken and have not ended */
    size_t next_line;                 /* whose turn it is to try to connect */
    char reason[PG_ERROR_SIZE_BYTES]; /* of the last change for the worse */
    size_t line_count;
    struct line lines[]; /* the first asks the primary */
};

/* ---- states ---- */

static size_t usable_count(const struct pg_replica *replica)
{
    size_t count = 0;
    for (size_t i = 1; i < replica->line_count; i++) {
        count += pg_link_is_usable(replica->lines[i].link);
    }
    return count;
}

static bool is_connected(const struct pg_replica *replica)
{
    return pg_link_is_usable(replica->lines[0].link) && usable_count(replica) > 0;
}

/* While it is not known whether it answers again, one batch at a time. */
bool pg_replica_available(const struct pg_replica *replica)
{
    bool open = replica->answers.state == BREAKER_CLOSED ||
                (replica->answers.state == BREAKER_HALF_OPEN && replica->under_way == 0);
    return open && !replica->closing && is_connected(replica);
}

static struct line *free_line(const struct pg_replica *replica)
{
    for (size_t i = 1; i < replica->line_count; i++) {
        const struct line *line = &replica->lines[i];
        if (line->held == NULL && pg_link_state(line->link) == PG_LINK_READY) {
            return (struct line *)line;
        }
    }
    return NULL;
}

bool pg_replica_can_send(const struct pg_replica *replica)
{
    return pg_replica_available(replica) && !replica->asking &&
           pg_link_state(replica->lines[0].link) == PG_LINK_READY && free_line(replica) != NULL;
}

static void log_change(struct pg_replica *replica, int64_t now_us)
{
    bool available = replica->answers.state == BREAKER_CLOSED && is_connected(replica);
    bool told = available == replica->logged_available &&
                (available || strcmp(replica->reason, replica->logged_reason) == 0);
    int64_t left_out;
    if (told || replica->closing || !log_limit_allows(&replica->change_log, now_us, &left_out)) {
        return;
    }
    replica->logged_available = available;
    if (available) {
        log_event(LOG_INFO, "the replica is read");
    } else {
        snprintf(replica->logged_reason, sizeof replica->logged_reason, "%s", replica->reason);
        log_event(LOG_WARN, "the replica is not read: the primary is",
                  LOG_CSTR("reason", replica->reason));
    }
}

static void rest(struct pg_replica *replica, const char *reason, int64_t now_us)
{
    if (replica->answers.state != BREAKER_OPEN) {
        breaker_failure(&replica->answers, now_us, random_next(&replica->random));
    }
    snprintf(replica->reason, sizeof replica->reason, "%s", reason);
    log_change(replica, now_us);
}

/* ---- batches ---- */

void pg_replica_send(struct pg_replica *replica, struct batch *batch)
{
    struct line *line = free_line(replica);
    assert(line != NULL && !replica->asking);
    line->held = batch;
    replica->held_count++;
    replica->under_way++;
}

void pg_replica_end_iteration(struct pg_replica *replica, struct instant now)
{
    struct line *asker = &replica->lines[0];
    bool wanted = replica->held_count > 0 || !replica->introduced;
    if (wanted && !replica->asking && pg_link_state(asker->link) == PG_LINK_READY) {
        bool marks = !replica->marked;
        replica->asking = replica->introduced = replica->marked = true;
        metrics_add(replica->setup.metrics, METRIC_REPLICA_BARRIERS, 1);
        pg_link_ask_barrier(asker->link, marks, now);
    }
}

static void end_batch(struct pg_replica *replica, struct batch *batch, enum batch_outcome outcome,
                      int64_t now_us)
{
    assert(replica->under_way > 0);
    replica->under_way--;
    replica->setup.batch_ended(replica->setup.owner, batch, outcome, now_us);
}

/* It was not answered, for whatever reason: only the primary can tell what is wrong with it. */
static void decline(struct pg_replica *replica, struct batch *batch, bool behind,
                    const char *reason, int64_t now_us)
{
    metrics_add(replica->setup.metrics, behind ? METRIC_REPLICA_BEHIND : METRIC_REPLICA_FAILED, 1);
    rest(replica, reason, now_us);
    end_batch(replica, batch, BATCH_DECLINED, now_us);
}

static void release(struct line *line)
{
    line->held = NULL;
    line->replica->held_count--;
}

static void decline_held(struct pg_replica *replica, const char *reason, int64_t now_us)
{
    replica->asking = false;
    for (size_t i = 1; i < replica->line_count; i++) {
        struct batch *batch = replica->lines[i].held;
        if (batch != NULL) {
            release(&replica->lines[i]);
            decline(replica, batch, false, reason, now_us);
        }
    }
}

/* The one attempt that the breaker let through is to be reported, or there is never another. */
static void note_unproven(struct pg_replica *replica, int64_t now_us)
{
    if (replica->connects.state == BREAKER_HALF_OPEN) {
        breaker_failure(&replica->connects, now_us, random_next(&replica->random));
    }
}

static void on_told_barrier(void *line_, const struct pg_barrier *barrier, struct instant now)
{
    const struct line *asker = line_;
    struct pg_replica *replica = asker->replica;
    if (barrier == NULL) {
        replica->marked = false;
        note_unproven(replica, now.mono_us);
        decline_held(replica, "the primary does not tell how far its log is", now.mono_us);
        return;
    }
    breaker_success(&replica->connects);
    replica->asking = false;
    for (size_t i = 1; i < replica->line_count; i++) {
        struct line *line = &replica->lines[i];
        struct batch *batch = line->held;
        if (batch != NULL) {
            assert(pg_link_state(line->link) == PG_LINK_READY); /* see tick_line */
            release(line);
            pg_link_send(line->link, batch, barrier, now);
        }
    }
}

static void on_batch_ended(void *line_, struct batch *batch, enum batch_outcome outcome,
                           int64_t now_us)
{
    const struct line *line = line_;
    struct pg_replica *replica = line->replica;
    if (outcome == BATCH_DONE) {
        breaker_success(&replica->answers);
        log_change(replica, now_us);
        end_batch(replica, batch, BATCH_DONE, now_us);
        return;
    }
    const char *reason = pg_link_reason(line->link);
    decline(replica, batch, outcome == BATCH_DECLINED,
            *reason != '\0' ? reason : "it refused a statement", now_us);
}

/* ---- what links tell ---- */

/* A session with the primary is worth something once it has told a barrier: a role may lack a right
 * for that. */
static void on_set_up(void *line_, struct instant now)
{
    const struct line *line = line_;
    if (!line->asks) {
        breaker_success(&line->replica->connects);
    }
    log_change(line->replica, now.mono_us);
}

static void on_not_connected(void *line_, const char *reason, int64_t now_us)
{
    const struct line *line = line_;
    struct pg_replica *replica = line->replica;
    breaker_failure(&replica->connects, now_us, random_next(&replica->random));
    snprintf(replica->reason, sizeof replica->reason, "%s", reason);
    log_change(replica, now_us);
}

static void on_lost(void *line_, const struct pg_link_loss *loss, int64_t now_us)
{
    struct line *line = line_;
    struct pg_replica *replica = line->replica;
    if (loss->server_at_fault) {
        breaker_failure(&replica->connects, now_us, random_next(&replica->random));
    } else if (line->asks) {
        note_unproven(replica, now_us);
    }
    if (line->asks) {
        replica->introduced = replica->marked = false;
        decline_held(replica, loss->reason, now_us);
    }
    struct batch *batch = line->held != NULL ? line->held : loss->batch;
    if (line->held != NULL) {
        release(line);
    }
    if (batch != NULL) {
        decline(replica, batch, false, loss->reason, now_us);
    }
    snprintf(replica->reason, sizeof replica->reason, "%s", loss->reason);
    log_change(replica, now_us);
}

static void on_unfit(void *line, struct instant now)
{
    (void)line, (void)now; /* on_lost comes next */
}

/* Who asks must ask a primary, and the others a standby: the URL may name another one. */
static void on_idle(void *line_, struct instant now)
{
    const struct line *line = line_;
    if (pg_link_is_read_only(line->link) == line->asks) {
        pg_link_drop(line->link,
                     line->asks ? "the server became read-only" : "the server is no standby",
                     now.mono_us);
    }
}

static void on_measured(void *line_, int64_t latency_us)
{
    const struct line *line = line_;
    if (!line->asks) {
        metrics_add(line->replica->setup.metrics, METRIC_POOL_BUSY_REPLICA, (uint64_t)latency_us);
    }
}

/* ---- life ---- */

static struct pg_link *create_link(struct pg_replica *replica, struct line *line)
{
    const struct pg_replica_setup *setup = &replica->setup;
    int64_t part_us = setup->deadline_us / DEADLINE_PARTS;
    return pg_link_create(&(struct pg_link_setup){
        .loop = setup->loop,
        .url = line->asks ? setup->primary_url : setup->url,
        .access = line->asks ? PG_WRITES : PG_REPLICA,
        .use = line->asks ? PG_LINK_FOR_BARRIERS : PG_LINK_FOR_BATCHES,
        .deadline_us = setup->deadline_us,
        .patience_us = part_us < PATIENCE_MAX_US ? part_us : PATIENCE_MAX_US,
        .parameters = setup->parameters,
        .log = &replica->link_log,
        .owner = {.owner = line,
                  .set_up = on_set_up,
                  .not_connected = on_not_connected,
                  .lost = on_lost,
                  .unfit = on_unfit,
                  .idle = on_idle,
                  .told_barrier = on_told_barrier,
                  .measured = on_measured,
                  .batch_ended = on_batch_ended},
    });
}

struct pg_replica *pg_replica_create(const struct pg_replica_setup *setup)
{
    assert(setup->connections > 0);
    size_t count = setup->connections + 1;
    struct pg_replica *replica = calloc(1, sizeof *replica + count * sizeof replica->lines[0]);
    if (replica == NULL) {
        return NULL;
    }
    replica->setup = *setup;
    replica->line_count = count;
    replica->random.state = setup->random_seed;
    breaker_init(&replica->connects, CONNECT_MIN_US, CONNECT_MAX_US);
    breaker_init(&replica->answers, REST_MIN_US, REST_MAX_US);
    metrics_set(setup->metrics, METRIC_POOL_SIZE_REPLICA, setup->connections);
    bool created = true;
    for (size_t i = 0; i < count; i++) {
        struct line *line = &replica->lines[i];
        *line = (struct line){.replica = replica, .asks = i == 0};
        line->link = create_link(replica, line);
        created = created && line->link != NULL;
    }
    if (!created) {
        pg_replica_destroy(&replica);
    }
    return replica;
}

/* One that holds a batch is to send it as soon as the barrier is told: its upkeep waits. */
static void tick_line(struct line *line, struct instant now)
{
    struct pg_replica *replica = line->replica;
    if (line->held != NULL) {
        return;
    }
    if (pg_link_state(line->link) != PG_LINK_DOWN) {
        pg_link_tick(line->link, now);
    } else if (breaker_allows(&replica->connects, now.mono_us)) {
        metrics_add(replica->setup.metrics, METRIC_STORE_RECONNECTS_POSTGRES, 1);
        pg_link_connect(line->link);
        replica->next_line = (size_t)(line - replica->lines) + 1;
    }
}

void pg_replica_tick(struct pg_replica *replica, struct instant now)
{
    size_t first = replica->next_line;
    for (size_t i = 0; i < replica->line_count && !replica->closing; i++) {
        tick_line(&replica->lines[(first + i) % replica->line_count], now);
    }
    (void)breaker_allows(&replica->answers, now.mono_us); /* half open once its rest is over */
    log_change(replica, now.mono_us);
    metrics_set(replica->setup.metrics, METRIC_POOL_USABLE_REPLICA, usable_count(replica));
}

void pg_replica_close(struct pg_replica *replica)
{
    replica->closing = true;
    for (size_t i = 0; i < replica->line_count; i++) {
        pg_link_close(replica->lines[i].link);
    }
}

void pg_replica_destroy(struct pg_replica **replica)
{
    for (size_t i = 0; *replica != NULL && i < (*replica)->line_count; i++) {
        pg_link_destroy(&(*replica)->lines[i].link);
    }
    free(*replica);
    *replica = NULL;
}
