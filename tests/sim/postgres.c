/* Postgres as the service sees it. */
#include "postgres.h"
#include "checks.h"
#include "choice.h"
#include "world.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    BACKOFF_MIN_US = 50 * 1000,
    BACKOFF_MAX_US = 1000 * 1000,
    GRACE_US = 250 * 1000, /* beyond the deadline, before a connection is given up */
};

/* The rows come first, and in this order: pg_row finds them so. */
void pg_server_init(struct pg_server *server, int64_t latency_us, int64_t key_lifetime_us,
                    int promote_max)
{
    *server = (struct pg_server){.up = true, .latency_us = latency_us};
    model_primary_init(&server->model, key_lifetime_us);
    server->model.step_max = promote_max;
    for (unsigned i = 0; i < RELATION_COUNT * ENTITIES_MAX; i++) {
        const struct identifier entity = name_of('e', i % ENTITIES_MAX);
        model_primary_row(&server->model, &relations[i / ENTITIES_MAX], &entity);
    }
}

struct model_row *pg_row(const struct world *world, enum relation_id relation, unsigned entity)
{
    return world->pg.model.rows[relation * ENTITIES_MAX + entity];
}

/* ---- work: what goes over the wire ---- */

bool kind_writes_user(enum operation_kind kind)
{
    return kind == OPERATION_ADD || kind == OPERATION_REMOVE;
}

bool kind_writes(enum operation_kind kind)
{
    return kind_writes_user(kind) || kind == OPERATION_STORE_SETTINGS ||
           kind == OPERATION_CLEAR_SETTINGS;
}

bool kind_is_housekeeping(enum operation_kind kind)
{
    return kind == OPERATION_EXPIRE_KEYS || kind == OPERATION_ERASE_KEYS ||
           kind == OPERATION_CLAIM_PROMOTIONS || kind == OPERATION_PROMOTE;
}

uint64_t page_digest(const struct page *page)
{
    uint64_t digest = page == NULL ? 0 : page->size + 1;
    for (size_t i = 0; page != NULL && i < page->size; i++) {
        const struct page_line *line = &page->lines[i];
        digest = hash_bytes(digest, identifier_slice(&line->id));
        digest = digest * 31 + (uint64_t)line->created_at_us;
        digest = digest * 31 + (uint64_t)line->ticket;
    }
    return digest;
}

/* The operation as it is sent: without what is the service's own. */
static struct operation asked(const struct operation *operation)
{
    struct operation copy = *operation;
    model_primary_reset(&copy);
    if (operation_is_listing(&copy)) {
        operation_listing(&copy)->page = NULL;
    } else if (operation_is_settings(&copy)) {
        operation_settings(&copy)->precondition = NULL;
    }
    return copy;
}

static struct work *work_of(const struct batch *batch)
{
    struct work *work = calloc(1, sizeof *work + batch->size * sizeof work->items[0]);
    assert(work != NULL);
    work->batch = *batch;
    for (size_t i = 0; i < batch->size; i++) {
        struct request *request = clients_request_of(batch->operations[i]);
        struct item *item = &work->items[i];
        *item = (struct item){.request = request,
                              .erasure = clients_erasure_of(batch->operations[i]),
                              .operation = asked(batch->operations[i]),
                              .poisonous = request != NULL && request->poisonous};
        work->batch.operations[i] = &item->operation;
    }
    return work;
}

static void forget_page(struct operation *operation)
{
    if (operation_is_listing(operation)) {
        free(operation_listing(operation)->page);
        operation_listing(operation)->page = NULL;
    }
}

static void work_free(struct work **work)
{
    for (size_t i = 0; *work != NULL && i < (*work)->batch.size; i++) {
        forget_page(&(*work)->items[i].operation);
    }
    free(*work);
    *work = NULL;
}

/* Nobody will do it or tell of it any more. */
static void settle_flight(struct flight *flight)
{
    bool done = flight->executed || flight->session_ended;
    if (done && flight->batch == NULL) {
        work_free(&flight->work);
    }
}

/* What an operation of its kind answers. */
static void deliver_part(struct operation *operation, const struct operation *answer)
{
    if (operation_is_settings(operation)) {
        struct precondition *precondition = operation_settings(operation)->precondition;
        *operation_settings(operation) = *operation_settings(answer);
        operation_settings(operation)->precondition = precondition;
    } else if (!operation_is_count(operation)) {
        forget_page(operation); /* of an attempt that was lost */
        operation->part = answer->part;
    }
}

/* What the answer says goes into the operation; of a batch that was undone, rubbish. */
static void deliver(const struct worker *worker, struct operation *operation,
                    const struct operation *answer, enum batch_outcome end)
{
    if (end == BATCH_MISROUTED) {
        operation->path = answer->path;
        operation->verdict = OUTCOME_DONE;
        return;
    }
    if (end != BATCH_DONE) {
        operation->verdict = OUTCOME_FULL;
        if (operation_is_write(operation)) {
            operation_write(operation)->changed = !operation_write(operation)->changed;
            operation_write(operation)->replayed = false;
        } else if (operation_is_settings(operation)) {
            operation_settings(operation)->incomplete = !operation_settings(operation)->incomplete;
        }
        operation->count.value = operation->count.version = MODEL_NONSENSE;
        return;
    }
    operation->verdict = answer->verdict;
    operation->count = answer->count;
    if (operation_acts(answer)) {
        operation->count.as_of_mono_us += worker->process->clock_us;
    }
    deliver_part(operation, answer);
}

/* ---- a worker's store ---- */

static bool usable(const struct pg_link *link)
{
    return link->state == PG_READY || link->state == PG_BUSY || link->state == PG_FENCING;
}

static bool port_available(void *store, enum pool pool)
{
    const struct pg *pg = store;
    bool available = pg->breaker.state == BREAKER_CLOSED;
    for (size_t i = 0; i < pg->link_count; i++) {
        available = available || usable(&pg->links[i]);
    }
    return available && pool != POOL_REPLICA;
}

static struct pg_link *ready_link(struct pg *pg, enum pool pool)
{
    for (size_t i = 0; i < pg->link_count; i++) {
        if (pg->links[i].pool == pool && pg->links[i].state == PG_READY) {
            return &pg->links[i];
        }
    }
    return NULL;
}

static bool port_can_send(void *store, enum pool pool)
{
    struct pg *pg = store;
    bool fenced = pool == POOL_READ || pg->given_up_count == 0;
    return fenced && ready_link(pg, pool) != NULL;
}

static void report_availability(struct worker *worker)
{
    bool available = port_available(&worker->pg, POOL_WRITE);
    if (available != worker->pg.reported_available) {
        worker->pg.reported_available = available;
        TRACE(worker->world, "worker %lld: postgres is %lld", worker->id, available);
        service_primary_changed(worker->service, worker_now(worker).mono_us);
        worker_wake(worker);
    }
}

/* Hands the batch back to the service, and with it the answers. */
static void end_flight(struct flight *flight, enum batch_outcome end)
{
    struct worker *worker = flight->worker;
    struct batch *batch = flight->batch;
    bool told = end != BATCH_LOST;
    for (size_t i = 0; i < batch->size; i++) {
        struct item *item = &flight->work->items[i];
        deliver(worker, batch->operations[i], &item->operation, end);
        checks_told(worker->world, item, end);
        if (end == BATCH_DONE && operation_is_listing(&item->operation)) {
            operation_listing(&item->operation)->page = NULL; /* the service's now */
        }
    }
    flight->link->flight = NULL;
    flight->link = NULL;
    flight->batch = NULL;
    flight->session_ended = flight->session_ended || told;
    TRACE(worker->world, "worker %lld: batch of %lld ended as %lld", worker->id,
          (long long)batch->size, end);
    service_batch_ended(worker->service, batch, end, worker_now(worker).mono_us);
    settle_flight(flight);
    worker_wake(worker);
}

/* The connection is lost. Whatever the session had of writes may still be done while it lives. */
static void drop_link(struct pg_link *link, bool server_at_fault)
{
    struct worker *worker = link->worker;
    struct pg *pg = &worker->pg;
    struct flight *flight = link->flight;
    pg->fencing_count = link->state == PG_FENCING ? 0 : pg->fencing_count;
    link->state = PG_DOWN;
    link->connection++;
    if (server_at_fault) {
        breaker_failure(&pg->breaker, worker_now(worker).mono_us,
                        random_next(&worker->world->random));
    }
    if (flight != NULL) {
        if (link->pool == POOL_WRITE) {
            assert(pg->given_up_count < sizeof pg->given_up / sizeof pg->given_up[0]);
            pg->given_up[pg->given_up_count++] = flight;
        }
        end_flight(flight, BATCH_LOST);
    }
    report_availability(worker);
}

static void fenced(struct world *world, void *link_, uint64_t connection)
{
    struct pg_link *link = link_;
    struct pg *pg = &link->worker->pg;
    if (link->connection != connection || link->state != PG_FENCING ||
        worker_puts_off(link->worker, fenced, link, connection)) {
        return;
    }
    for (size_t i = 0; i < pg->fencing_count; i++) {
        pg->given_up[i]->session_ended = true;
        settle_flight(pg->given_up[i]);
    }
    pg->given_up_count -= pg->fencing_count;
    memmove(pg->given_up, pg->given_up + pg->fencing_count,
            pg->given_up_count * sizeof pg->given_up[0]);
    pg->fencing_count = 0;
    link->state = PG_READY;
    TRACE(world, "worker %lld: fenced", link->worker->id);
    worker_wake(link->worker);
}

static void take_care(struct pg_link *link)
{
    struct world *world = link->worker->world;
    struct pg *pg = &link->worker->pg;
    if (link->pool == POOL_WRITE && pg->given_up_count > 0 && pg->fencing_count == 0) {
        link->state = PG_FENCING;
        pg->fencing_count = pg->given_up_count;
        timeline_add(&world->timeline,
                     world->timeline.now_us + choose_delay(&world->random, world->pg.latency_us),
                     fenced, link, link->connection);
    }
}

static void answered(struct world *world, void *flight_, uint64_t number)
{
    struct flight *flight = flight_;
    if (flight->link == NULL || worker_puts_off(flight->worker, answered, flight, number)) {
        return;
    }
    struct pg_link *link = flight->link;
    if (!flight->executed) {
        drop_link(link, false); /* the server is gone; the worker had not noticed yet */
        return;
    }
    link->state = PG_READY;
    if (flight->end == BATCH_UNAVAILABLE && world->pg.read_only) {
        link->flight = NULL; /* the session cannot be used any more */
        drop_link(link, true);
    }
    if (link->state == PG_READY) {
        take_care(link);
    }
    end_flight(flight, flight->end);
}

static void broken(struct world *world, void *flight_, uint64_t number)
{
    struct flight *flight = flight_;
    (void)world;
    if (flight->link != NULL && !worker_puts_off(flight->worker, broken, flight, number)) {
        drop_link(flight->link, number != 0);
    }
}

/* ---- a batch at the server ---- */

static struct instant server_now(const struct world *world)
{
    return (struct instant){world->timeline.now_us, world->timeline.now_us};
}

void pg_server_leave_promotion(struct world *world, unsigned users)
{
    struct model_primary *model = &world->pg.model;
    struct model_row *row = pg_row(world, RELATION_RSVP, 0);
    struct settings settings = {.limited = true, .capacity = row->event.going, .waitlist = true};
    model_primary_configure(model, row, &settings, server_now(world));
    for (unsigned i = 0; i < users; i++) {
        const struct identifier user = name_of('u', i);
        model_primary_write(model, OPERATION_ADD, row->relation, &row->entity, &user,
                            server_now(world));
        erasures_wrote(world, row, &user, KEY_NONE);
    }
    settings.limited = false;
    model_primary_configure(model, row, &settings, server_now(world));
}

static void recall(struct world *world, void *flight_, uint64_t number)
{
    struct flight *flight = flight_;
    (void)number;
    if (!flight->session_ended) {
        model_primary_recall(&world->pg.model, &flight->work->batch, server_now(world));
    }
}

static bool is_poisoned(const struct work *work)
{
    for (size_t i = 0; i < work->batch.size; i++) {
        if (work->items[i].poisonous && operation_acts(&work->items[i].operation)) {
            return true;
        }
    }
    return false;
}

/* Does the batch, unless something in it is against that. */
static enum batch_outcome do_work(struct world *world, struct work *work)
{
    struct batch *batch = &work->batch;
    struct model_primary *model = &world->pg.model;
    enum batch_outcome outcome = is_poisoned(work) ? BATCH_REJECTED : BATCH_DONE;
    if (outcome == BATCH_DONE && batch->kind == OPERATION_ADD) {
        outcome = model_primary_obstacle(model, batch, server_now(world));
    }
    for (size_t i = 0; i < batch->size && outcome == BATCH_MISROUTED; i++) {
        batch->operations[i]->path = model_primary_path(model, batch->operations[i]);
    }
    if (outcome == BATCH_DONE) {
        model_primary_execute(model, batch, server_now(world));
    }
    return outcome;
}

static enum batch_outcome decide(struct world *world, const struct flight *flight)
{
    enum operation_kind kind = flight->work->batch.kind;
    bool writes = kind_writes(kind) || kind_is_housekeeping(kind);
    if (writes && world->pg.read_only) {
        return BATCH_UNAVAILABLE;
    }
    switch (flight->fate) {
    case FATE_ROLLED_BACK:
        return BATCH_ROLLED_BACK;
    case FATE_LOCKED:
        return BATCH_LOCKED;
    case FATE_UNAVAILABLE:
        return BATCH_UNAVAILABLE;
    case FATE_GOOD:
        break;
    }
    return do_work(world, flight->work);
}

static void execute(struct world *world, void *flight_, uint64_t number)
{
    struct flight *flight = flight_;
    (void)number;
    if (flight->session_ended) {
        return;
    }
    flight->end = decide(world, flight);
    flight->executed = true;
    TRACE(world, "postgres: batch of %lld of worker %lld decided as %lld",
          (long long)flight->work->batch.size, flight->worker->id, flight->end);
    if (flight->end == BATCH_DONE) {
        checks_executed(world, flight);
    }
    settle_flight(flight);
}

static bool has_keys(const struct batch *batch)
{
    for (size_t i = 0; i < batch->size; i++) {
        const struct operation *operation = batch->operations[i];
        if (operation_is_write(operation) && operation_write(operation)->key.size > 0) {
            return true;
        }
    }
    return false;
}

/* What becomes of a batch is decided when it is sent; it happens later. */
static void plan_flight(struct world *world, struct flight *flight)
{
    const struct plan *plan = &world->plan;
    struct timeline *timeline = &world->timeline;
    struct random *random = &world->random;
    bool faults = !world->healing;
    int64_t now_us = timeline->now_us;
    int64_t execute_us = now_us + choose_delay(random, world->pg.latency_us);
    if (faults && choose_chance(random, plan->stood_still)) {
        execute_us += choose_between(random, plan->deadline_us / 4, plan->deadline_us * 2);
        world_note_fault(world, FAULT_STOOD_STILL);
    }
    int64_t answered_us = execute_us + choose_delay(random, world->pg.latency_us / 2);
    if (faults && choose_chance(random, plan->rolled_back)) {
        flight->fate = choose_between(random, 0, 1) == 0 ? FATE_ROLLED_BACK : FATE_LOCKED;
        world_note_fault(world, FAULT_ROLLED_BACK);
    } else if (faults && choose_chance(random, plan->unavailable)) {
        flight->fate = FATE_UNAVAILABLE;
        world_note_fault(world, FAULT_UNAVAILABLE);
    }
    if (faults && choose_chance(random, plan->broken_before)) {
        timeline_add(timeline, choose_between(random, now_us + 1, execute_us), broken, flight, 0);
        world_note_fault(world, FAULT_LOST_BEFORE);
        if (choose_chance(random, 5000)) { /* the server's end broke as well */
            timeline_add(timeline, answered_us, answered, flight, 0);
            flight->session_ended = true;
            return;
        }
    } else if (faults && choose_chance(random, plan->broken_after)) {
        timeline_add(timeline, choose_between(random, execute_us, answered_us - 1), broken, flight,
                     0);
        world_note_fault(world, FAULT_LOST_AFTER);
    }
    if (flight->work->batch.path != PATH_PLAIN && has_keys(&flight->work->batch)) {
        timeline_add(timeline, choose_between(random, now_us + 1, execute_us), recall, flight, 0);
    }
    timeline_add(timeline, execute_us, execute, flight, 0);
    timeline_add(timeline, answered_us, answered, flight, 0);
    timeline_add(timeline, now_us + plan->deadline_us + GRACE_US, broken, flight, 1);
}

static int by_entity_and_user(const void *a_, const void *b_)
{
    const struct operation *a = *(const struct operation *const *)a_;
    const struct operation *b = *(const struct operation *const *)b_;
    int order = identifier_compare(&a->entity, &b->entity);
    return order != 0 ? order : identifier_compare(&a->user, &b->user);
}

static void port_send(void *store, enum pool pool, struct batch *batch, int64_t now_us)
{
    struct pg *pg = store;
    struct pg_link *link = ready_link(pg, pool);
    struct worker *worker = pg->links[0].worker;
    struct world *world = worker->world;
    (void)now_us;
    checks_sent(worker, pool, batch);
    qsort(batch->operations, batch->size, sizeof batch->operations[0], by_entity_and_user);
    struct flight *flight = calloc(1, sizeof *flight);
    assert(flight != NULL);
    *flight = (struct flight){.worker = worker,
                              .link = link,
                              .batch = batch,
                              .life = worker->life,
                              .next = world->pg.flights,
                              .work = work_of(batch)};
    world->pg.flights = flight;
    link->flight = flight;
    link->state = PG_BUSY;
    TRACE(world, "worker %lld: sends a batch of %lld of kind %lld on path %lld", worker->id,
          (long long)batch->size, batch->kind, batch->path);
    plan_flight(world, flight);
}

/* ---- life ---- */

static void connected(struct world *world, void *link_, uint64_t connection)
{
    struct pg_link *link = link_;
    struct worker *worker = link->worker;
    if (link->connection != connection || link->state != PG_CONNECTING ||
        worker_puts_off(worker, connected, link, connection)) {
        return;
    }
    if (!world->pg.up || world->pg.read_only) {
        link->state = PG_DOWN;
        breaker_failure(&worker->pg.breaker, worker_now(worker).mono_us,
                        random_next(&world->random));
    } else {
        link->state = PG_READY;
        breaker_success(&worker->pg.breaker);
        take_care(link);
        worker_wake(worker);
    }
    report_availability(worker);
}

void pg_tick(struct worker *worker)
{
    struct world *world = worker->world;
    for (size_t i = 0; i < worker->pg.link_count; i++) {
        struct pg_link *link = &worker->pg.links[i];
        if (link->state == PG_READY) {
            take_care(link);
        } else if (link->state == PG_DOWN &&
                   breaker_allows(&worker->pg.breaker, worker_now(worker).mono_us)) {
            link->state = PG_CONNECTING;
            timeline_add(&world->timeline,
                         world->timeline.now_us + choose_delay(&world->random, 5000), connected,
                         link, link->connection);
        }
    }
}

void pg_init(struct worker *worker)
{
    struct pg *pg = &worker->pg;
    const struct plan *plan = &worker->world->plan;
    uint64_t connections[PG_LINKS_MAX];
    for (size_t i = 0; i < PG_LINKS_MAX; i++) {
        connections[i] = pg->links[i].connection; /* never one of an earlier life */
    }
    *pg = (struct pg){
        .port = {.store = pg,
                 .can_send = port_can_send,
                 .send = port_send,
                 .available = port_available},
        .reported_available = true,
        .link_count = plan->write_links + plan->read_links,
    };
    breaker_init(&pg->breaker, BACKOFF_MIN_US, BACKOFF_MAX_US);
    for (size_t i = 0; i < pg->link_count; i++) {
        pg->links[i] = (struct pg_link){.worker = worker,
                                        .pool = i < plan->write_links ? POOL_WRITE : POOL_READ,
                                        .connection = connections[i] + 1};
    }
}

void pg_abandon(struct worker *worker)
{
    for (size_t i = 0; i < worker->pg.link_count; i++) {
        struct pg_link *link = &worker->pg.links[i];
        struct flight *flight = link->flight;
        link->connection++;
        link->state = PG_DOWN;
        link->flight = NULL;
        if (flight != NULL) {
            for (size_t j = 0; j < flight->batch->size; j++) {
                forget_page(flight->batch->operations[j]);
            }
            flight->link = NULL;
            flight->batch = NULL;
            settle_flight(flight);
        }
    }
}

static void cut(struct world *world, void *link_, uint64_t connection)
{
    struct pg_link *link = link_;
    (void)world;
    if (link->connection == connection && usable(link) &&
        !worker_puts_off(link->worker, cut, link, connection)) {
        drop_link(link, false);
    }
}

void pg_server_crash(struct world *world)
{
    world->pg.up = false;
    for (struct flight *flight = world->pg.flights; flight != NULL; flight = flight->next) {
        flight->session_ended = true;
        settle_flight(flight);
    }
    for (size_t i = 0; i < world->plan.workers; i++) {
        struct worker *worker = &world->workers[i];
        for (size_t j = 0; j < worker->pg.link_count; j++) {
            struct pg_link *link = &worker->pg.links[j];
            timeline_add(&world->timeline, world->timeline.now_us, cut, link, link->connection);
        }
    }
}

void pg_server_start(struct world *world)
{
    world->pg.up = true;
}

void pg_server_free(struct pg_server *server)
{
    while (server->flights != NULL) {
        struct flight *next = server->flights->next;
        work_free(&server->flights->work);
        free(server->flights);
        server->flights = next;
    }
    model_primary_free(&server->model);
}
