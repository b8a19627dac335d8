/* The invariants. */
#include "checks.h"
#include "erasures.h"
#include "world.h"

/* As the contract has them, not as the sources do. */
enum {
    COUNT_MAX_AGE_US = 4 * 1000 * 1000,
    STALE_MAX_AGE_US = 10 * 60 * 1000 * 1000,
    DEADLINE_GRAIN_US = 10 * 1000,
    REDIS_READS_MAX = 16,
};

int64_t checks_patience_us(void)
{
    return 2 * DEADLINE_GRAIN_US + 2 * TICK_US;
}

static bool same_pair(const struct request *a, const struct request *b)
{
    return a->relation == b->relation && a->entity == b->entity && a->user == b->user;
}

/* Whether the worker's store has a write of the pair, which its asker may wait for no more. */
static bool is_flying(const struct worker *worker, const struct request *request)
{
    for (size_t i = 0; i < worker->pg.link_count; i++) {
        const struct flight *flight = worker->pg.links[i].flight;
        for (size_t j = 0; flight != NULL && j < flight->batch->size; j++) {
            const struct operation *operation = flight->batch->operations[j];
            if (kind_writes_user(operation->kind) && operation->relation->id == request->relation &&
                number_of(&operation->entity) == (int)request->entity &&
                number_of(&operation->user) == (int)request->user) {
                return true;
            }
        }
    }
    return false;
}

/* Whether it may write the pair, or does: what an erasure finds is not known before. */
static bool may_write(const struct request *other, const struct request *request)
{
    return other->kind == OPERATION_ERASE
               ? other->user == request->user
               : kind_writes_user(other->kind) && same_pair(other, request);
}

bool checks_is_chained(const struct world *world, const struct request *request)
{
    const struct list *open = &world->clients.open;
    for (const struct list_node *node = open->head.next; node != &open->head; node = node->next) {
        const struct request *other = list_entry(node, const struct request, open);
        if (other != request && other->worker == request->worker && may_write(other, request)) {
            return true;
        }
    }
    return is_flying(request->worker, request);
}

/* ---- what is sent ---- */

/* Two writes of one pair are never under way at once, nor two loads of one count that is waited
 * for. */
static bool collide(const struct operation *a, const struct operation *b)
{
    if (a == b || a->relation != b->relation || !identifier_equal(&a->entity, &b->entity)) {
        return false;
    }
    if (a->kind == OPERATION_COUNT && b->kind == OPERATION_COUNT) {
        return !a->answered && !b->answered;
    }
    return kind_writes_user(a->kind) && kind_writes_user(b->kind) &&
           identifier_equal(&a->user, &b->user);
}

static int key_of(const struct operation *operation)
{
    return operation_is_write(operation) ? key_number_of(&operation_write(operation)->key)
                                         : KEY_NONE;
}

static bool past_capacity(const struct operation *operation)
{
    return operation_is_write(operation) && operation_write(operation)->past_capacity;
}

/* Whether this is still what was asked for. */
static bool is_of(const struct operation *operation, const struct request *request)
{
    return operation->kind == request->kind && operation->relation->id == request->relation &&
           number_of(&operation->entity) == (int)request->entity &&
           number_of(&operation->user) == (int)request->user && key_of(operation) == request->key &&
           past_capacity(operation) == request->past_capacity;
}

static bool collides(const struct operation *operation, const struct batch *batch)
{
    for (size_t i = 0; i < batch->size; i++) {
        if (collide(operation, batch->operations[i])) {
            return true;
        }
    }
    return false;
}

static const char *fault_of(const struct worker *worker, enum pool pool, const struct batch *batch,
                            const struct operation *operation)
{
    bool keyed = key_of(operation) != KEY_NONE;
    bool writes = kind_writes(operation->kind) || kind_is_housekeeping(operation->kind);
    if (operation->relation != batch->relation || operation->path != batch->path) {
        return "a batch is of one relation and path";
    }
    if (writes != (pool == POOL_WRITE)) {
        return "each pool has its own";
    }
    if ((batch->path == PATH_PLAIN && keyed) || (batch->path == PATH_KEYED && !keyed) ||
        (batch->path == PATH_ADMITTED && !batch->relation->has_settings)) {
        return "a path is for what it can carry";
    }
    if (operation->answered) {
        return "what nobody waits for is not sent again";
    }
    for (size_t i = 0; i < worker->pg.link_count; i++) {
        const struct flight *flight = worker->pg.links[i].flight;
        if (flight != NULL && collides(operation, flight->batch)) {
            return "two writes of a pair, or loads of a count, are never under way at once";
        }
    }
    return collides(operation, batch) ? "two writes of a pair never share a batch" : NULL;
}

void checks_sent(struct worker *worker, enum pool pool, const struct batch *batch)
{
    struct world *world = worker->world;
    if (!worker->pg.port.can_send(worker->pg.port.store, pool)) {
        world_fail(world, "nothing is sent where nothing can be");
    }
    if (batch->size < 1 || batch->size > BATCH_SIZE_MAX) {
        world_fail(world, "a batch is bounded, and not empty: this one has %zu", batch->size);
    }
    for (size_t i = 0; i < batch->size; i++) {
        const struct operation *operation = batch->operations[i];
        const char *fault = fault_of(worker, pool, batch, operation);
        struct request *request = clients_request_of(operation);
        if (fault != NULL) {
            world_fail(world, "%s", fault);
        }
        erasures_sent(world, operation);
        if (request != NULL) {
            if (!is_of(operation, request)) {
                world_fail(world, "what is sent is what was asked: request %llu is not",
                           (unsigned long long)request->number);
            }
            request->sent++;
            request->flying = true;
            request->told = false;
        }
    }
}

/* ---- what is done ---- */

/* Seats are given in the order of arrival at the worker. */
static void check_arrival(struct world *world, const struct flight *flight, const struct item *item)
{
    const struct operation *operation = &item->operation;
    const struct request *request = item->request;
    const struct list *open = &world->clients.open;
    if (flight->work->batch.path != PATH_ADMITTED || operation->kind != OPERATION_ADD ||
        !operation_write(operation)->changed) {
        return;
    }
    for (size_t i = 0; i < flight->work->batch.size; i++) {
        const struct request *other = flight->work->items[i].request;
        uint64_t arrival = flight->work->items[i].operation.arrival;
        if (other != NULL && other->entity == request->entity && other != request &&
            (arrival < operation->arrival) != (other->number < request->number)) {
            world_fail(world, "requests are numbered in the order of their arrival");
        }
    }
    for (const struct list_node *node = open->head.next; node != &open->head; node = node->next) {
        const struct request *other = list_entry(node, const struct request, open);
        if (other->number >= request->number) {
            return;
        }
        if (other->worker == request->worker && other->kind == OPERATION_ADD &&
            other->relation == request->relation && other->entity == request->entity &&
            other->first_path == PATH_ADMITTED && !other->rerouted && !other->chained &&
            !other->answered && !other->decided) {
            world_fail(world,
                       "seats are given in the order of arrival: request %llu came before %llu",
                       (unsigned long long)other->number, (unsigned long long)request->number);
        }
    }
}

static void check_order(struct world *world, const struct flight *flight, struct request *request)
{
    struct worker *worker = flight->worker;
    if (flight->life != worker->life) {
        return; /* of a process that was killed: nobody was promised anything */
    }
    int64_t *last = &worker->done_last[request->relation][request->entity][request->user];
    if (*last > (int64_t)request->number) {
        world_fail(world, "writes of a pair are done in the order of arrival: request %llu",
                   (unsigned long long)request->number);
    }
    *last = (int64_t)request->number;
}

/* Under a key a write is done once, as long as its answer is kept. */
static void check_key(struct world *world, const struct request *request)
{
    int64_t *done_us = request->key == KEY_NONE ? NULL : clients_key_done(world, request->key);
    int64_t now_us = world->timeline.now_us;
    if (done_us != NULL && *done_us > world->erasures.keys_erased_us[request->user] &&
        now_us < *done_us + world->plan.key_lifetime_us) {
        world_fail(world, "under a key a write is done once: request %llu was the second",
                   (unsigned long long)request->number);
    }
    if (done_us != NULL) {
        *done_us = now_us;
    }
}

static void check_done(struct world *world, const struct flight *flight, const struct item *item)
{
    struct request *request = item->request;
    request->executed++;
    check_key(world, request);
    if (request->answered && request->outcome != OUTCOME_UNKNOWN &&
        flight->life == flight->worker->life) {
        world_fail(world, "nothing is done after it was refused or answered: request %llu",
                   (unsigned long long)request->number);
    }
    if (operation_is_write(&item->operation)) {
        check_order(world, flight, request);
        check_arrival(world, flight, item);
    }
}

/* Whether it is a further step of what has been done. */
static bool continues(const struct operation *operation)
{
    return operation_is_settings(operation) && operation_settings(operation)->applied;
}

/* What was done kept to the rules. */
static void check_rules(struct world *world, const struct operation *operation)
{
    if (operation->entity.size > 0) {
        unsigned entity = (unsigned)number_of(&operation->entity);
        const struct model_row *row = pg_row(world, operation->relation->id, entity);
        if (row->broken != NULL) {
            world_fail(world, "%s: entity %u", row->broken, entity);
        }
    }
}

void checks_executed(struct world *world, const struct flight *flight)
{
    const struct batch *batch = &flight->work->batch;
    for (size_t i = 0; i < batch->size; i++) {
        if (flight->work->items[i].request != NULL) {
            flight->work->items[i].request->decided = true;
        }
    }
    for (size_t i = 0; i < batch->size; i++) {
        const struct item *item = &flight->work->items[i];
        const struct operation *operation = &item->operation;
        check_rules(world, operation);
        erasures_executed(world, item);
        if (item->request != NULL && kind_writes(operation->kind) && operation_acts(operation) &&
            operation->verdict == OUTCOME_DONE && !continues(operation)) {
            check_done(world, flight, item);
        }
    }
}

void checks_told(struct world *world, const struct item *item, enum batch_outcome end)
{
    struct request *request = item->request;
    if (item->erasure != NULL) {
        item->erasure->lost += end == BATCH_LOST;
    }
    if (request == NULL) {
        return;
    }
    request->flying = false;
    request->rerouted = request->rerouted || end == BATCH_MISROUTED;
    request->lost += end == BATCH_LOST;
    request->told = end == BATCH_DONE;
    request->told_answer = item->operation;
    request->told_digest = operation_is_listing(&item->operation)
                               ? page_digest(operation_listing(&item->operation)->page)
                               : 0;
    request->told_us = world->timeline.now_us;
    clients_close(request);
}

/* ---- what is answered ---- */

static bool same_settings(const struct settings *a, const struct settings *b)
{
    return a->limited == b->limited && a->capacity == b->capacity && a->waitlist == b->waitlist &&
           a->opens == b->opens && a->closes == b->closes && a->opens_at_us == b->opens_at_us &&
           a->closes_at_us == b->closes_at_us;
}

/* Whether the asker gets what the database answered to this request, and to no other. */
static bool same_answer(const struct operation *operation, const struct request *request)
{
    const struct operation *told = &request->told_answer;
    if (operation->verdict != told->verdict) {
        return false;
    }
    if (operation_is_write(operation)) {
        const struct operation_write *a = operation_write(operation), *b = operation_write(told);
        return operation->count.value == told->count.value && a->changed == b->changed &&
               a->position == b->position && a->replayed == b->replayed && a->member == b->member &&
               a->waiting == b->waiting;
    }
    if (operation_is_membership(operation)) {
        const struct operation_membership *a = operation_membership(operation);
        const struct operation_membership *b = operation_membership(told);
        return a->member == b->member && a->waiting == b->waiting &&
               a->created_at_us == b->created_at_us;
    }
    if (operation_is_settings(operation)) {
        const struct operation_settings *a = operation_settings(operation);
        const struct operation_settings *b = operation_settings(told);
        return operation->count.value == told->count.value &&
               a->waiting_count == b->waiting_count && a->incomplete == b->incomplete &&
               same_settings(&a->found, &b->found);
    }
    return page_digest(operation_listing(operation)->page) == request->told_digest;
}

/* A process never tells of an older version after a newer one, whichever of its workers does. */
static void check_version(struct worker *worker, const struct request *request, int64_t version)
{
    struct world *world = worker->world;
    int64_t *told = &worker->process->told_version[request->relation][request->entity];
    if (world->plan.redis_damage_every_us > 0) {
        return; /* Redis may claim versions that never were */
    }
    if (version < *told && request->kind == OPERATION_COUNT) {
        world_fail(world, "no count goes back: version %lld after %lld", (long long)version,
                   (long long)*told);
    }
    *told = version > *told ? version : *told;
}

static void check_count(struct world *world, const struct request *request,
                        const struct count *count)
{
    const struct model_history *history =
        &pg_row(world, request->relation, request->entity)->history;
    int64_t as_of_us = count->as_of_mono_us - request->worker->process->clock_us;
    int64_t age_us = world->timeline.now_us - as_of_us;
    bool wanted = as_of_us >= request->asked_us - request->age_max_us;
    if (as_of_us != count->as_of_wall_us) {
        world_fail(world, "the two clocks tell of one moment");
    }
    if (!model_history_was(history, count->value, as_of_us)) {
        world_fail(world, "the count was exact at its as_of: %lld of entity %u was not",
                   (long long)count->value, request->entity);
    }
    if (!count->stale && (age_us > COUNT_MAX_AGE_US || !wanted)) {
        world_fail(world, "a count is new enough or says stale: this one is %lld us old",
                   (long long)age_us);
    }
    if (count->stale && ((age_us <= COUNT_MAX_AGE_US && wanted) || age_us > STALE_MAX_AGE_US)) {
        world_fail(world, "a count that says stale is, and is not too old: this one is %lld us old",
                   (long long)age_us);
    }
}

/* Refused: nothing was done, now or before. */
static void check_refused(struct world *world, const struct request *request, enum outcome outcome)
{
    if (kind_writes(request->kind) && request->executed > 0) {
        world_fail(world, "what is refused has not been done: request %llu, outcome %d",
                   (unsigned long long)request->number, (int)outcome);
    }
}

static void check_decided(struct world *world, struct request *request,
                          const struct operation *operation, enum outcome outcome)
{
    const struct operation *told = &request->told_answer;
    if (!request->told || request->told_us != world->timeline.now_us) {
        world_fail(world, "acknowledged is committed: request %llu was not",
                   (unsigned long long)request->number);
    }
    if (told->verdict != outcome) {
        world_fail(world, "everybody gets their own verdict: request %llu got %d",
                   (unsigned long long)request->number, (int)outcome);
    }
    if (outcome != OUTCOME_DONE) {
        check_refused(world, request, outcome);
        return;
    }
    if (!same_answer(operation, request)) {
        world_fail(world, "everybody gets their own answer: request %llu did not",
                   (unsigned long long)request->number);
    }
    bool replayed = operation_is_write(told) && operation_write(told)->replayed;
    if (kind_writes(request->kind) && !replayed) {
        if (request->executed == 0) {
            world_fail(world, "acknowledged is done: request %llu was not",
                       (unsigned long long)request->number);
        }
        check_version(request->worker, request, operation->count.version);
    }
}

/* Whether a change of settings is answered between two of its steps, or because a further one
 * failed. */
static bool stands_applied(const struct world *world, const struct request *request,
                           const struct operation *operation)
{
    bool told = request->told && request->told_us == world->timeline.now_us;
    return !told && continues(operation);
}

static void check_applied(struct world *world, const struct request *request,
                          const struct operation *operation)
{
    if (request->executed == 0 || !operation_settings(operation)->incomplete) {
        world_fail(world, "what is applied, and not complete, says so: request %llu",
                   (unsigned long long)request->number);
    }
}

/* An erasure asks for much at once, and takes as many steps as there is time for: a queue that was
 * slow refuses it, and others may be in the way of a late step. */
static bool may_stop(const struct world *world, const struct request *request, enum outcome outcome)
{
    bool late = world->timeline.now_us > request->asked_us + world->plan.deadline_us / 4;
    return request->kind == OPERATION_ERASE && (late || outcome == OUTCOME_OVERLOADED);
}

/* Without faults, or with such as retries hide, there is no excuse. But what was lost, and is
 * against the rules when it is sent again, stays unknown. */
static void check_excuse(struct world *world, const struct request *request,
                         const struct operation *operation, enum outcome outcome)
{
    bool mild = world->plan.mild, probing = world->clients.probing;
    bool stale =
        outcome == OUTCOME_DONE && operation->kind == OPERATION_COUNT && operation->count.stale;
    bool failed = outcome == OUTCOME_UNAVAILABLE || outcome == OUTCOME_FAILED ||
                  outcome == OUTCOME_OVERLOADED || stale ||
                  (outcome == OUTCOME_UNKNOWN && request->lost == 0);
    if ((mild || probing) && failed && !request->poisonous && !may_stop(world, request, outcome)) {
        world_fail(world, "without faults all is answered: request %llu got %d",
                   (unsigned long long)request->number, (int)outcome);
    }
}

void checks_answered(struct world *world, struct request *request,
                     const struct operation *operation, enum outcome outcome)
{
    if (request->answered || request->life != request->worker->life) {
        world_fail(world, "every request is answered once: number %llu",
                   (unsigned long long)request->number);
    }
    world->outcomes[outcome]++;
    check_excuse(world, request, operation, outcome);
    if (request->kind == OPERATION_ERASE) {
        erasures_answered(world, request, operation, outcome);
        return;
    }
    switch (outcome) {
    case OUTCOME_DONE:
        if (request->kind == OPERATION_COUNT) {
            check_count(world, request, &operation->count);
            check_version(request->worker, request, operation->count.version);
            return;
        }
        if (stands_applied(world, request, operation)) {
            check_applied(world, request, operation);
            return;
        }
        check_decided(world, request, operation, outcome);
        return;
    case OUTCOME_FULL:
    case OUTCOME_CLOSED:
    case OUTCOME_KEY_REUSED:
    case OUTCOME_IN_FLIGHT:
        check_decided(world, request, operation, outcome);
        return;
    case OUTCOME_UNMET:
        world_fail(world, "nobody asks for a precondition: request %llu",
                   (unsigned long long)request->number);
        return;
    case OUTCOME_UNKNOWN:
        if (!kind_writes(request->kind) || request->sent == 0 ||
            (request->lost == 0 && world->timeline.now_us < request->deadline_us)) {
            world_fail(world, "only a write that was sent is of unknown outcome: request %llu",
                       (unsigned long long)request->number);
        }
        return;
    case OUTCOME_FAILED:
        if (!request->poisonous) {
            world_fail(world, "nobody fails for a batch-mate: request %llu",
                       (unsigned long long)request->number);
        }
        check_refused(world, request, outcome);
        return;
    case OUTCOME_UNAVAILABLE:
    case OUTCOME_OVERLOADED:
        check_refused(world, request, outcome);
        return;
    }
}

void checks_published(struct worker *worker, const struct redis_count *entries, size_t size)
{
    struct world *world = worker->world;
    for (size_t i = 0; i < size; i++) {
        const struct count *count = &entries[i].count;
        int entity = number_of(&entries[i].entity);
        const struct model_row *row = pg_row(world, entries[i].relation->id, (unsigned)entity);
        if (!model_history_holds(&row->history, count->value, count->version,
                                 count->as_of_wall_us)) {
            world_fail(world,
                       "only what is true is published: not %lld, version %lld, of entity %d",
                       (long long)count->value, (long long)count->version, entity);
        }
    }
}

void checks_replaced(struct world *world, const struct count *held, const struct count *published)
{
    if (published->version < held->version) {
        world_fail(world, "an older count never replaces a newer one: version %lld after %lld",
                   (long long)published->version, (long long)held->version);
    }
}

/* ---- always ---- */

static void check_row(struct world *world, const struct model_row *row)
{
    const struct model_event *event = &row->event;
    int in = 0;
    for (int user = 0; user < event->users_size; user++) {
        in += event->is_in[user];
        if (event->is_in[user] && model_position(event, user) > 0) {
            world_fail(world, "nobody waits who is in");
        }
    }
    if (in + event->waiting != erasures_known(world, row)) {
        world_fail(world, "nobody leaves whom no write removed: of entity %d",
                   number_of(&row->entity));
    }
    int64_t counted = row->history.at[row->history.size - 1].value;
    if (counted != in || event->going != in) {
        world_fail(world, "the counter is the number of rows: %lld and %d are not %d",
                   (long long)counted, event->going, in);
    }
}

void checks_step(struct world *world)
{
    size_t turn = world->steps % (RELATION_COUNT * ENTITIES_MAX);
    check_row(world, world->pg.model.rows[turn]);
    size_t held = 0;
    for (size_t i = 0; i < world->plan.workers; i++) {
        held += world->workers[i].redis.reads;
    }
    if (held > world->plan.workers * REDIS_READS_MAX) {
        world_fail(world, "what is asked of Redis is bounded");
    }
}

/* How many operations the pool has left. */
static size_t pool_size(const struct worker *worker)
{
    struct operation *all = NULL, *operation;
    size_t size = 0;
    while ((operation = service_take(worker->service)) != NULL) {
        operation->owner = all;
        all = operation;
        size++;
    }
    while ((operation = all) != NULL) {
        all = operation->owner;
        service_give_back(worker->service, operation);
    }
    return size;
}

bool checks_any_promoting(const struct world *world)
{
    for (unsigned i = 0; i < ENTITIES_MAX; i++) {
        if (pg_row(world, RELATION_RSVP, i)->event.promoting) {
            return true;
        }
    }
    return false;
}

bool checks_all_given_back(const struct world *world)
{
    bool all = true;
    for (size_t i = 0; i < world->plan.workers; i++) {
        all = all && pool_size(&world->workers[i]) == world->plan.pending_max;
    }
    return all;
}

void checks_end(struct world *world)
{
    for (size_t i = 0; i < RELATION_COUNT * ENTITIES_MAX; i++) {
        check_row(world, world->pg.model.rows[i]);
    }
    if (!list_empty(&world->clients.open)) {
        world_fail(world, "everything comes to its end");
    }
    if (!checks_all_given_back(world)) {
        world_fail(world, "no operation is lost");
    }
}
