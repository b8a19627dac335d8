/* Those who ask. */
#include "clients.h"
#include "checks.h"
#include "choice.h"
#include "world.h"

#include <assert.h>
#include <stdlib.h>

enum {
    SECOND_US = 1000 * 1000,
    CACHE_US = SECOND_US,
    RECONNECT_US = 50 * 1000,
    USED_KEYS_MAX = 100,
    PROBE_EVERY_US = 100 * 1000, /* one at a time */

};

static void act(struct world *world, void *client_, uint64_t number);

static void act_after(struct world *world, struct client *client, int64_t usual_us)
{
    timeline_add(&world->timeline, world->timeline.now_us + choose_delay(&world->random, usual_us),
                 act, client, 0);
}

/* ---- what to ask ---- */

static struct request *new_request(struct clients *clients, struct request content)
{
    if (clients->request_count == clients->request_capacity) {
        clients->request_capacity = clients->request_count == 0 ? 1024 : clients->request_count * 2;
        clients->requests =
            realloc(clients->requests, clients->request_capacity * sizeof *clients->requests);
        assert(clients->requests != NULL);
    }
    struct request *request = malloc(sizeof *request);
    assert(request != NULL);
    *request = content;
    clients->requests[clients->request_count++] = request;
    return request;
}

/* The same once more. */
static struct request repetition(const struct request *request)
{
    return (struct request){
        .kind = request->kind,
        .relation = request->relation,
        .entity = request->entity,
        .user = request->user,
        .key = request->key,
        .poisonous = request->poisonous,
        .past_capacity = request->past_capacity,
        .settings = request->settings,
        .age_max_us = request->age_max_us,
        .after = request->after,
        .page_size = request->page_size,
    };
}

static enum operation_kind draw_kind(struct world *world, enum relation_id relation)
{
    static const enum operation_kind listings[] = {OPERATION_LIST_USERS, OPERATION_LIST_ENTITIES,
                                                   OPERATION_FIND, OPERATION_LIST_WAITING,
                                                   OPERATION_SETTINGS};
    const struct plan *plan = &world->plan;
    bool has_settings = relations[relation].has_settings;
    enum operation_kind listing = listings[choose_below(&world->random, has_settings ? 5 : 3)];
    bool released = choose_chance(&world->random, 2500);
    const struct {
        enum operation_kind kind;
        unsigned share;
    } kinds[] = {
        {OPERATION_ADD, plan->adds},
        {OPERATION_REMOVE, plan->removes},
        {OPERATION_LOOKUP, plan->lookups},
        {OPERATION_COUNT, plan->counts},
        {listing, plan->listings},
        {released ? OPERATION_CLEAR_SETTINGS : OPERATION_STORE_SETTINGS,
         has_settings ? plan->configures : 0},
        {OPERATION_ERASE, plan->erasures},
    };
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        sum += kinds[i].share;
    }
    unsigned at = choose_below(&world->random, sum);
    size_t i = 0;
    for (; at >= kinds[i].share; i++) {
        at -= kinds[i].share;
    }
    return kinds[i].kind;
}

static struct settings draw_settings(struct world *world)
{
    struct random *random = &world->random;
    int64_t now_us = world->timeline.now_us;
    struct settings settings = {.limited = choose_chance(random, 8000)};
    settings.waitlist = choose_chance(random, 7000);
    if (settings.limited) {
        settings.capacity = choose_between(random, 0, world->plan.users);
        settings.capacity >>= choose_below(random, 3);
    }
    if (choose_chance(random, 1000)) {
        settings.opens = true;
        settings.opens_at_us = now_us + choose_between(random, -SECOND_US, SECOND_US);
    }
    if (choose_chance(random, 1500)) {
        settings.closes = true;
        settings.closes_at_us = now_us + choose_between(random, -SECOND_US, 3 * SECOND_US);
    }
    return settings;
}

/* A key that the user gave to another request not long ago, KEY_NONE where none is found. */
static int used_key(const struct clients *clients, unsigned user)
{
    size_t end = clients->request_count, first = end > USED_KEYS_MAX ? end - USED_KEYS_MAX : 0;
    for (size_t at = end; at-- > first;) {
        if (clients->requests[at]->user == user && clients->requests[at]->key != KEY_NONE) {
            return clients->requests[at]->key;
        }
    }
    return KEY_NONE;
}

static struct request draw_request(struct world *world)
{
    static const int64_t stale_ms[] = {5000, 5000, 5000, 0, 1000, 2500};
    struct random *random = &world->random;
    const struct plan *plan = &world->plan;
    struct request request = {.key = KEY_NONE, .after = KEY_NONE};
    request.relation = choose_chance(random, 7500) ? RELATION_RSVP : RELATION_LIKE;
    unsigned entity = choose_below(random, plan->entities);
    request.entity = choose_below(random, entity + 1); /* some are hot */
    request.user = choose_below(random, plan->users);
    if (choose_chance(random, 3000)) {
        request.after = (int)choose_below(random, plan->users);
    }
    request.page_size = 1 + choose_below(random, 8);
    request.kind = draw_kind(world, request.relation);
    if (request.kind == OPERATION_COUNT) {
        int64_t ms = stale_ms[choose_below(random, 6)];
        request.age_max_us = service_count_bound_us(ms, ms * 1000 >= CACHE_US ? CACHE_US : 0);
    } else if (request.kind == OPERATION_STORE_SETTINGS) {
        request.settings = draw_settings(world);
    } else if (kind_writes_user(request.kind) && choose_chance(random, plan->keyed)) {
        bool misused = choose_chance(random, plan->key_misused);
        request.key = misused ? used_key(&world->clients, request.user) : ++world->clients.last_key;
    }
    request.past_capacity = request.kind == OPERATION_ADD &&
                            relations[request.relation].has_settings &&
                            choose_chance(random, plan->past_capacity);
    if (request.kind != OPERATION_COUNT && request.kind != OPERATION_ERASE &&
        choose_chance(random, plan->poisonous)) {
        request.poisonous = true;
        world_note_fault(world, FAULT_POISON);
    }
    return request;
}

int64_t *clients_key_done(struct world *world, int key)
{
    struct clients *clients = &world->clients;
    size_t needed = (size_t)key + 1;
    if (needed > clients->key_capacity) {
        size_t capacity = needed * 2;
        clients->key_done_us = realloc(clients->key_done_us, capacity * sizeof(int64_t));
        assert(clients->key_done_us != NULL);
        for (size_t i = clients->key_capacity; i < capacity; i++) {
            clients->key_done_us[i] = 0;
        }
        clients->key_capacity = capacity;
    }
    return &clients->key_done_us[key];
}

/* ---- asking ---- */

static void answered(struct operation *operation, enum outcome outcome, int64_t now_us)
{
    struct request *request = operation->owner;
    struct world *world = request->worker->world;
    struct client *client = request->client;
    (void)now_us;
    TRACE(world, "request %lld answered as %lld", (long long)request->number, outcome);
    checks_answered(world, request, operation, outcome);
    request->answered = true;
    request->outcome = outcome;
    clients_close(request);
    if (client == NULL) {
        return;
    }
    client->waits_for = NULL;
    bool retryable = outcome == OUTCOME_UNKNOWN || outcome == OUTCOME_UNAVAILABLE ||
                     outcome == OUTCOME_OVERLOADED || outcome == OUTCOME_IN_FLIGHT ||
                     (operation_is_erasure(operation) && !operation_erasure(operation)->complete);
    if (retryable && choose_chance(&world->random, 7000)) {
        client->again = request;
    }
    act_after(world, client,
              retryable ? world->plan.think_us + RECONNECT_US : world->plan.think_us);
}

struct request *clients_request_of(const struct operation *operation)
{
    return operation->done == answered ? operation->owner : NULL;
}

struct request *clients_erasure_of(const struct operation *operation)
{
    bool of_service = operation->done != answered;
    bool of_erasure = operation->kind == OPERATION_REMOVE || operation_is_listing(operation) ||
                      operation->kind == OPERATION_ERASE_KEYS;
    const struct operation *erasure = operation->owner;
    return of_service && of_erasure ? erasure->owner : NULL;
}

void clients_close(struct request *request)
{
    if (request->answered && !request->flying && list_linked(&request->open)) {
        list_remove(&request->open);
    }
}

static void overdue(struct world *world, void *request_, uint64_t number)
{
    const struct request *request = request_;
    const struct worker *worker = request->worker;
    int64_t slack_us = checks_patience_us();
    (void)number;
    if (request->answered || request->life != worker->life) {
        return;
    }
    if (world->timeline.now_us < worker->stalled_until_us + slack_us) {
        timeline_add(&world->timeline, worker->stalled_until_us + slack_us, overdue, request_, 0);
        return;
    }
    world_fail(world, "every request is answered by its deadline: number %llu is not",
               (unsigned long long)request->number);
}

/* What an operation of its kind asks. */
static void fill_in(struct operation *operation, const struct request *request)
{
    if (operation_is_write(operation)) {
        operation_write(operation)->past_capacity = request->past_capacity;
        if (request->key != KEY_NONE) {
            operation_write(operation)->key = key_named((unsigned)request->key);
        }
    } else if (operation_is_listing(operation)) {
        struct operation_listing *listing = operation_listing(operation);
        listing->page_size = request->page_size;
        if (request->after != KEY_NONE) {
            bool of_users = request->kind == OPERATION_LIST_USERS;
            listing->after = name_of(of_users ? 'u' : 'e', (unsigned)request->after);
            listing->after_ticket = request->after;
        }
    } else if (operation_is_settings(operation)) {
        operation_settings(operation)->wanted = request->settings;
    } else if (operation_is_count(operation)) {
        operation_freshness(operation)->not_before_us =
            request->asked_us + request->worker->process->clock_us - request->age_max_us;
    }
}

static void submit(struct request *request, struct operation *operation)
{
    struct worker *worker = request->worker;
    struct world *world = worker->world;
    request->asked_us = world->timeline.now_us;
    request->deadline_us = request->asked_us + world->plan.deadline_us;
    request->erasure.pass_us = request->asked_us;
    request->chained = checks_is_chained(world, request);
    operation->kind = request->kind;
    operation->relation = &relations[request->relation];
    operation->entity = name_of('e', request->entity);
    operation->user = name_of('u', request->user);
    operation->deadline_us = request->deadline_us + worker->process->clock_us;
    fill_in(operation, request);
    operation->done = answered;
    operation->owner = request;
    timeline_add(&world->timeline, request->deadline_us + checks_patience_us(), overdue, request,
                 0);
    list_push_back(&world->clients.open, &request->open);
    service_submit(worker->service, operation, worker_now(worker).mono_us);
    if (!request->answered) {
        request->first_path = operation->path;
    }
}

static void hang_up(struct world *world, void *request_, uint64_t number)
{
    struct request *request = request_;
    (void)number;
    if (!request->answered && request->client != NULL) {
        struct client *client = request->client;
        request->client = NULL;
        client->waits_for = NULL;
        client->again = choose_chance(&world->random, 7000) ? request : NULL;
        world_note_fault(world, FAULT_HANG_UP);
        act_after(world, client, world->plan.think_us);
    }
}

/* The request arrives at its worker. */
static void arrive(struct world *world, void *request_, uint64_t number)
{
    struct request *request = request_;
    struct worker *worker = request->worker;
    if (request->client == NULL || worker_puts_off(worker, arrive, request, number)) {
        return;
    }
    struct operation *operation = worker->service == NULL || request->life != worker->life
                                      ? NULL
                                      : service_take(worker->service);
    if (operation == NULL) { /* connection refused, or overloaded */
        struct client *client = request->client;
        request->answered = true;
        request->outcome = OUTCOME_OVERLOADED;
        client->waits_for = NULL;
        act_after(world, client, world->plan.think_us + RECONNECT_US);
        return;
    }
    request->number = ++world->operations;
    TRACE(world, "request %lld to worker %lld: kind %lld, entity %lld of relation %lld, user %lld",
          (long long)request->number, worker->id, request->kind, request->entity, request->relation,
          request->user);
    if (choose_chance(&world->random, world->plan.hung_up)) {
        timeline_add(&world->timeline,
                     world->timeline.now_us +
                         choose_between(&world->random, 1, world->plan.deadline_us),
                     hang_up, request, 0);
    }
    submit(request, operation);
    worker_wake(worker);
}

static void send(struct world *world, struct client *client, struct request content,
                 struct worker *worker, int64_t after_us)
{
    struct request *request = new_request(&world->clients, content);
    request->client = client;
    request->worker = worker;
    request->life = worker->life;
    client->waits_for = request;
    timeline_add(&world->timeline, world->timeline.now_us + after_us, arrive, request, 0);
}

static void act(struct world *world, void *client_, uint64_t number)
{
    struct client *client = client_;
    const struct clients *clients = &world->clients;
    (void)number;
    if (world->healing || client->waits_for != NULL) {
        return;
    }
    struct worker *worker = &world->workers[choose_below(&world->random, world->plan.workers)];
    const struct request *again = client->again;
    client->again = NULL;
    if (again == NULL && clients->request_count > 0 &&
        choose_chance(&world->random, world->plan.repeated)) {
        again = clients->requests[choose_below(&world->random, (unsigned)clients->request_count)];
    }
    if (again != NULL) {
        world_note_fault(world, FAULT_REPEAT);
    }
    send(world, client, again == NULL ? draw_request(world) : repetition(again), worker, 0);
}

void clients_start(struct world *world)
{
    list_init(&world->clients.open);
    for (size_t i = 0; i < world->plan.clients; i++) {
        act_after(world, &world->clients.all[i], 1000);
    }
}

void clients_cut_off(struct worker *worker)
{
    struct world *world = worker->world;
    struct list *open = &world->clients.open;
    for (struct list_node *node = open->head.next, *next; node != &open->head; node = next) {
        next = node->next;
        if (list_entry(node, struct request, open)->worker == worker) {
            list_remove(node);
        }
    }
    for (size_t i = 0; i < world->plan.clients; i++) {
        struct client *client = &world->clients.all[i];
        struct request *request = client->waits_for;
        if (request != NULL && request->worker == worker) {
            request->client = NULL;
            client->waits_for = NULL;
            client->again = request;
            act_after(world, client, world->plan.think_us + RECONNECT_US);
        }
    }
}

void clients_probe(struct world *world)
{
    static const enum operation_kind kinds[] = {OPERATION_ADD,        OPERATION_REMOVE,
                                                OPERATION_LOOKUP,     OPERATION_STORE_SETTINGS,
                                                OPERATION_LIST_USERS, OPERATION_ERASE};
    struct client *client = world->clients.all;
    world->clients.probing = true;
    for (size_t i = 0; i < world->plan.workers; i++) {
        struct request request = {.key = KEY_NONE,
                                  .after = KEY_NONE,
                                  .page_size = 4,
                                  .settings = {.limited = true, .capacity = 1}};
        int64_t after_us = 0;
        request.kind = OPERATION_COUNT;
        for (size_t j = 0; j < RELATION_COUNT * world->plan.entities; j++) {
            request.relation = (enum relation_id)(j % RELATION_COUNT);
            request.entity = (unsigned)(j / RELATION_COUNT);
            send(world, client++, request, &world->workers[i], after_us += PROBE_EVERY_US);
        }
        request.relation = RELATION_RSVP;
        request.entity = 0;
        for (size_t j = 0; j < sizeof kinds / sizeof kinds[0]; j++) {
            request.kind = kinds[j];
            send(world, client++, request, &world->workers[i], after_us += PROBE_EVERY_US);
        }
    }
}

void clients_free(struct clients *clients)
{
    for (size_t i = 0; i < clients->request_count; i++) {
        free(clients->requests[i]);
    }
    free(clients->requests);
    free(clients->key_done_us);
}
