/* One worker's engine: where operations come in, and where the stores report. */
#include "rsvpd/service/service.h"
#include "rsvpd/service/counts.h"
#include "rsvpd/service/erasure.h"
#include "rsvpd/service/watch.h"

#include <assert.h>
#include <stdlib.h>

enum {
    FORGET_MAX = 1000, /* kept answers at a time */
    /* The part of the operations that asking for what streams watch may use, and of the counts held
     * that they may watch. */
    WATCH_PENDING_PART = 4,
    WATCH_COUNTS_PART = 2,
};

struct service {
    struct operations operations;
    struct dispatch dispatch;
    struct counts counts;
    struct hub hub;
    struct watch watch;
    struct eraser eraser;
    const struct primary_port *primary;
    int64_t deadline_us;
    int64_t expire_keys_every_us, expire_keys_at_us;
    bool forgetting;
    int64_t promote_every_us, promote_at_us;
    bool promoting;            /* an operation of it is under way */
    struct identifier promote; /* the event whose turn it was last; size 0: none is left */
};

/* The answers of a batch are going to tell these counts. Writes are sorted by entity and have one
 * count of each; settings were read by themselves. */
static void counted(void *listener, const struct batch *batch, int64_t now_us)
{
    struct service *service = listener;
    const struct operation *last = NULL;
    assert(batch->size > 0);
    for (size_t i = 0; i < batch->size; i++) {
        const struct operation *operation = batch->operations[i];
        if (!operation_acts(operation)) {
            continue;
        }
        if (last == NULL || !identifier_equal(&last->entity, &operation->entity) ||
            last->count.version != operation->count.version) {
            counts_learn(&service->counts, batch->relation, &operation->entity, &operation->count,
                         now_us);
        }
        last = operation;
    }
}

static bool make_hub(struct service *service, const struct service_setup *setup)
{
    size_t topics_max = setup->counts_max / WATCH_COUNTS_PART;
    struct hub_source source = watch_source(&service->watch);
    watch_init(&service->watch, &service->counts, &service->hub, topics_max,
               setup->pending_max / WATCH_PENDING_PART + 1, setup->now.mono_us);
    service->counts.noticed = watch_noticed;
    service->counts.listener = &service->watch;
    return hub_init(&service->hub, &source, setup->write_event, setup->metrics, topics_max + 1,
                    setup->hash_secret, setup->now.mono_us);
}

struct service *service_create(const struct service_setup *setup)
{
    assert(setup->primary != NULL && setup->counts != NULL && setup->metrics != NULL);
    struct service *service = calloc(1, sizeof *service);
    if (service == NULL) {
        return NULL;
    }
    service->primary = setup->primary;
    service->deadline_us = setup->deadline_us;
    service->expire_keys_every_us = setup->expire_keys_every_us;
    service->expire_keys_at_us = setup->now.mono_us + setup->expire_keys_every_us;
    service->promote_every_us = setup->promote_every_us;
    service->promote_at_us = setup->now.mono_us + setup->promote_every_us;
    const struct dispatch_connections connections = {.writes = setup->write_connections,
                                                     .reads = setup->read_connections,
                                                     .replica = setup->replica_connections};
    bool made =
        operations_init(&service->operations, setup->pending_max, setup->deadline_us,
                        setup->now.mono_us) &&
        dispatch_init(&service->dispatch, &service->operations, setup->primary, setup->metrics,
                      &connections, setup->hash_secret) &&
        counts_init(&service->counts, &service->operations, &service->dispatch, setup->counts,
                    setup->counts_max, setup->redis, setup->metrics, setup->deadline_us,
                    setup->count_local_lifetime_us, setup->count_redis_lifetime_us) &&
        make_hub(service, setup);
    if (!made) {
        service_destroy(&service);
        return NULL;
    }
    service->eraser = (struct eraser){&service->operations, &service->dispatch};
    service->dispatch.tracer = setup->tracer;
    service->dispatch.counted = counted;
    service->dispatch.listener = service;
    return service;
}

void service_destroy(struct service **service)
{
    if (*service != NULL) {
        hub_free(&(*service)->hub);
        counts_free(&(*service)->counts);
        dispatch_free(&(*service)->dispatch);
        operations_free(&(*service)->operations);
        free(*service);
        *service = NULL;
    }
}

struct hub *service_hub(struct service *service)
{
    return &service->hub;
}

struct operation *service_take(struct service *service)
{
    struct operation *operation = operations_take(&service->operations);
    if (operation == NULL) {
        metrics_add(service->dispatch.metrics, METRIC_REFUSED_OVERLOAD, 1);
    }
    return operation;
}

void service_give_back(struct service *service, struct operation *operation)
{
    operations_release(&service->operations, operation);
}

void service_submit(struct service *service, struct operation *operation, int64_t now_us)
{
    assert(operation->state == OPERATION_FREE && operation->done != NULL);
    if (operation_is_erasure(operation)) {
        erasure_begin(&service->eraser, operation, now_us);
        return;
    }
    operations_watch(&service->operations, operation);
    if (operation->kind == OPERATION_COUNT) {
        counts_submit(&service->counts, operation, now_us);
    } else {
        dispatch_submit(&service->dispatch, operation, now_us);
    }
}

int64_t service_count_bound_us(int64_t max_stale_ms, int64_t cache_us)
{
    assert(max_stale_ms >= 0 && cache_us >= 0);
    int64_t bound_us = max_stale_ms * 1000 - cache_us;
    return bound_us > COUNT_BOUND_US ? COUNT_BOUND_US : bound_us;
}

static void forgot(struct operation *operation, enum outcome outcome, int64_t now_us)
{
    struct service *service = operation->owner;
    bool more = outcome == OUTCOME_DONE && operation_expiry(operation)->keys_expired == FORGET_MAX;
    assert(service->forgetting);
    service->forgetting = false;
    service->expire_keys_at_us = more ? now_us : now_us + service->expire_keys_every_us;
}

/* Kept answers whose time is over go, a few at a time. */
static void forget(struct service *service, int64_t now_us)
{
    struct operation *operation = operations_take(&service->operations);
    if (operation != NULL) {
        service->forgetting = true;
        operation->kind = OPERATION_EXPIRE_KEYS;
        operation->relation = &relations[0]; /* of all: they share a table */
        operation_expiry(operation)->keys_max = FORGET_MAX;
        operation->deadline_us = now_us + service->deadline_us;
        operation->done = forgot;
        operation->owner = service;
        service_submit(service, operation, now_us);
    }
}

/* ---- promotions that take many steps ---- */

static void promote_next(struct service *service, int64_t now_us);

/* After its share of time another event may have its turn. */
static void promoted(struct operation *operation, enum outcome outcome, int64_t now_us)
{
    struct service *service = operation->owner;
    bool more = outcome == OUTCOME_DONE && operation_settings(operation)->incomplete;
    assert(service->promoting);
    service->promoting = false;
    service->promote = more ? operation->entity : (struct identifier){.size = 0};
    service->promote_at_us = more ? now_us : now_us + service->promote_every_us;
}

/* The event that nobody else is at, or else the one of the last iteration. */
static void found_promoting(struct operation *operation, enum outcome outcome, int64_t now_us)
{
    struct service *service = operation->owner;
    assert(service->promoting);
    service->promoting = false;
    if (outcome == OUTCOME_DONE && operation_claim(operation)->entity.size > 0) {
        service->promote = operation_claim(operation)->entity;
    }
    if (outcome == OUTCOME_DONE && service->promote.size > 0) {
        promote_next(service, now_us);
    } else {
        service->promote_at_us = now_us + service->promote_every_us;
    }
}

static void submit_promoting(struct service *service, enum operation_kind kind,
                             operation_done_fn *done, int64_t now_us)
{
    struct operation *operation = operations_take(&service->operations);
    if (operation != NULL) {
        service->promoting = true;
        operation->kind = kind;
        operation->relation = &relations[RELATION_RSVP];
        operation->entity = service->promote;
        operation->deadline_us = now_us + service->deadline_us;
        operation->done = done;
        operation->owner = service;
        service_submit(service, operation, now_us);
    }
}

static void promote_next(struct service *service, int64_t now_us)
{
    submit_promoting(service, OPERATION_PROMOTE, promoted, now_us);
}

/* What was left of a promotion when its asker was answered, or when a process ended, goes on here:
 * whoever sees first that nobody is at it. */
static void find_promoting(struct service *service, int64_t now_us)
{
    submit_promoting(service, OPERATION_CLAIM_PROMOTIONS, found_promoting, now_us);
}

void service_tick(struct service *service, struct instant now)
{
    struct operation *operation;
    while ((operation = operations_expired(&service->operations, now.mono_us)) != NULL) {
        if (operation->state == OPERATION_WAITING) {
            counts_expire(&service->counts, operation, now.mono_us);
        } else {
            dispatch_expire(&service->dispatch, operation, now.mono_us);
        }
    }
    if (service->expire_keys_every_us > 0 && !service->forgetting &&
        service->primary->available(service->primary->store, POOL_WRITE) &&
        now.mono_us >= service->expire_keys_at_us) {
        forget(service, now.mono_us);
    }
    if (service->promote_every_us > 0 && !service->promoting &&
        service->primary->available(service->primary->store, POOL_WRITE) &&
        now.mono_us >= service->promote_at_us) {
        find_promoting(service, now.mono_us);
    }
    dispatch_report(&service->dispatch);
}

bool service_end_iteration(struct service *service, struct instant now)
{
    watch_end_iteration(&service->watch, now.mono_us);
    counts_end_iteration(&service->counts, now);
    bool telling = hub_end_iteration(&service->hub, now.mono_us);
    return dispatch_end_iteration(&service->dispatch, now.mono_us) || telling;
}

void service_batch_ended(void *listener, struct batch *batch, enum batch_outcome outcome,
                         int64_t now_us)
{
    struct service *service = listener;
    dispatch_batch_ended(&service->dispatch, batch, outcome, now_us);
}

void service_primary_changed(void *listener, int64_t now_us)
{
    struct service *service = listener;
    for (enum pool pool = 0; pool < POOL_COUNT; pool++) {
        if (!service->primary->available(service->primary->store, pool)) {
            dispatch_refuse_waiting(&service->dispatch, pool, now_us);
        }
    }
}

void service_redis_read_ended(void *listener, const struct redis_count *entries, size_t size,
                              struct instant now)
{
    struct service *service = listener;
    counts_redis_read_ended(&service->counts, entries, size, now);
}
