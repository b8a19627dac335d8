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
    RUBBISH = 1000 * 1000,
    GRACE_US = 250 * 1000, /* beyond the deadline, before a connection is given up */
};

void pg_server_init(struct pg_server *server, int64_t latency_us)
{
    *server = (struct pg_server){.up = true, .latency_us = latency_us};
}

/* ---- work: what goes over the wire ---- */

/* What an operation of its kind asks. */
static void note_asked(struct item *item, const struct operation *operation)
{
    if (operation_is_write(operation)) {
        item->key = key_number_of(&operation_write(operation)->key);
    } else if (operation_is_listing(operation)) {
        item->after = operation_listing(operation)->after;
        item->after_ticket = operation_listing(operation)->after_ticket;
        item->page_size = operation_listing(operation)->page_size;
    } else if (operation_is_settings(operation)) {
        item->settings = operation_settings(operation)->wanted;
    } else if (operation_is_expiry(operation)) {
        item->keys_max = operation_expiry(operation)->keys_max;
    }
}

static struct work *work_of(const struct batch *batch)
{
    struct work *work = calloc(1, sizeof *work + batch->size * sizeof work->items[0]);
    assert(work != NULL);
    work->relation = batch->relation->id;
    work->kind = batch->kind;
    work->path = batch->path;
    work->size = batch->size;
    for (size_t i = 0; i < batch->size; i++) {
        const struct operation *operation = batch->operations[i];
        struct request *request = clients_request_of(operation);
        struct item *item = &work->items[i];
        *item = (struct item){
            .request = request,
            .kind = operation->kind,
            .path = operation->path,
            .entity = operation->entity.size == 0 ? 0 : (unsigned)number_of(&operation->entity),
            .user = operation->user.size == 0 ? 0 : (unsigned)number_of(&operation->user),
            .key = KEY_NONE,
            .poisonous = request != NULL && request->poisonous,
            .arrival = operation->arrival,
            .answer = {.verdict = OUTCOME_DONE, .member = operation->kind == OPERATION_ADD},
        };
        note_asked(item, operation);
    }
    return work;
}

static void work_free(struct work **work)
{
    for (size_t i = 0; *work != NULL && i < (*work)->size; i++) {
        free((*work)->items[i].answer.page);
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
static void deliver_answer(struct operation *operation, const struct answer *answer)
{
    if (operation_is_write(operation)) {
        struct operation_write *write = operation_write(operation);
        write->changed = answer->changed;
        write->member = answer->member;
        write->waiting = answer->waiting;
        write->replayed = answer->replayed;
        write->position = answer->place;
        write->position_is_exact = true;
    } else if (operation_is_membership(operation)) {
        *operation_membership(operation) =
            (struct operation_membership){answer->member, answer->waiting, answer->created_at_us};
    } else if (operation_is_listing(operation)) {
        free(operation_listing(operation)->page);
        operation_listing(operation)->page = answer->page;
    } else if (operation_is_settings(operation)) {
        operation_settings(operation)->found = answer->settings;
        operation_settings(operation)->waiting_count = answer->waiting_count;
    } else if (operation_is_expiry(operation)) {
        operation_expiry(operation)->keys_expired = answer->keys_expired;
    }
}

/* What the answer says goes into the operation; of a batch that was undone, rubbish. */
static void deliver(const struct worker *worker, struct operation *operation,
                    const struct item *item, enum batch_outcome end)
{
    const struct answer *answer = &item->answer;
    if (end == BATCH_MISROUTED) {
        operation->path = item->path;
        operation->verdict = OUTCOME_DONE;
        return;
    }
    if (end != BATCH_DONE) {
        operation->verdict = OUTCOME_FULL;
        if (operation_is_write(operation)) {
            operation_write(operation)->changed = !operation_write(operation)->changed;
            operation_write(operation)->replayed = false;
        }
        operation->count.value = operation->count.version = RUBBISH;
        return;
    }
    operation->verdict = answer->verdict;
    deliver_answer(operation, answer);
    bool acts = item_acts(item); /* of a kept count neither version nor time is known */
    operation->count = (struct count){
        .value = answer->count,
        .version = acts ? answer->version : RUBBISH,
        .as_of_mono_us = acts ? answer->as_of_us + worker->process->clock_us : RUBBISH,
        .as_of_wall_us = acts ? answer->as_of_us : RUBBISH};
}

/* ---- a worker's store ---- */

static bool usable(const struct pg_link *link)
{
    return link->state == PG_READY || link->state == PG_BUSY || link->state == PG_FENCING;
}

static bool port_available(void *store, enum pool pool)
{
    const struct pg *pg = store;
    (void)pool;
    bool available = pg->breaker.state == BREAKER_CLOSED;
    for (size_t i = 0; i < pg->link_count; i++) {
        available = available || usable(&pg->links[i]);
    }
    return available;
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
        deliver(worker, batch->operations[i], item, end);
        checks_told(worker->world, item, end);
    }
    for (size_t i = 0; i < batch->size && end == BATCH_DONE; i++) {
        flight->work->items[i].answer.page = NULL; /* the operation's now */
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

static void recall(struct world *world, void *flight_, uint64_t number)
{
    struct flight *flight = flight_;
    (void)number;
    if (!flight->session_ended) {
        tables_recall(&world->tables, flight->work, world->timeline.now_us);
    }
}

static enum batch_outcome decide(struct world *world, const struct flight *flight)
{
    bool writes = kind_writes(flight->work->kind) || flight->work->kind == OPERATION_EXPIRE_KEYS;
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
    return tables_execute(&world->tables, flight->work, world->timeline.now_us);
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
          (long long)flight->work->size, flight->worker->id, flight->end);
    if (flight->end == BATCH_DONE) {
        checks_executed(world, flight);
    }
    settle_flight(flight);
}

static bool has_keys(const struct work *work)
{
    for (size_t i = 0; i < work->size; i++) {
        if (work->items[i].key != KEY_NONE) {
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
    if (flight->work->path != PATH_PLAIN && has_keys(flight->work)) {
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

static void forget_page(struct operation *operation)
{
    if (operation_is_listing(operation)) {
        free(operation_listing(operation)->page);
        operation_listing(operation)->page = NULL;
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
}
