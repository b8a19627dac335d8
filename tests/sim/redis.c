/* Redis as the service sees it. */
#include "redis.h"
#include "checks.h"
#include "choice.h"
#include "world.h"

#include <assert.h>
#include <stdlib.h>

enum {
    TIMEOUT_US = 50 * 1000,
    BACKOFF_MIN_US = 100 * 1000,
    BACKOFF_MAX_US = 2000 * 1000,
    READS_MAX = 16,
    APART_MAX_US = 5 * 1000 * 1000, /* further apart, what is held is not of about now */
};

/* A command and its answer. */
struct exchange {
    struct worker *worker;
    unsigned life;
    uint64_t connection;
    bool is_read, ended;
    struct exchange *next;
    size_t size;
    struct redis_count entries[];
};

void redis_server_init(struct redis_server *server)
{
    *server = (struct redis_server){.up = true};
}

static struct redis_key *key_of(struct world *world, const struct redis_count *entry)
{
    return &world->redis.keys[entry->relation->id][number_of(&entry->entity)];
}

static struct exchange *exchange_new(struct worker *worker, const struct redis_count *entries,
                                     size_t size, bool is_read)
{
    struct redis_server *server = &worker->world->redis;
    struct exchange *exchange = malloc(sizeof *exchange + size * sizeof *entries);
    assert(exchange != NULL);
    *exchange = (struct exchange){.worker = worker,
                                  .life = worker->life,
                                  .connection = worker->redis.connection,
                                  .is_read = is_read,
                                  .next = server->exchanges,
                                  .size = size};
    for (size_t i = 0; i < size; i++) {
        exchange->entries[i] = entries[i];
        exchange->entries[i].found = false;
    }
    server->exchanges = exchange;
    return exchange;
}

/* ---- reading ---- */

static void end_read(struct exchange *exchange, bool found)
{
    struct worker *worker = exchange->worker;
    if (exchange->ended || exchange->life != worker->life) {
        return;
    }
    exchange->ended = true;
    worker->redis.reads--;
    for (size_t i = 0; i < exchange->size; i++) {
        exchange->entries[i].found = exchange->entries[i].found && found;
    }
    service_redis_read_ended(worker->service, exchange->entries, exchange->size,
                             worker_now(worker));
    worker_wake(worker);
}

/* Everything on the connection ends without an answer. */
static void give_up(struct worker *worker)
{
    struct redis_client *client = &worker->redis;
    uint64_t connection = client->connection++;
    client->up = false;
    breaker_failure(&client->breaker, worker_now(worker).mono_us,
                    random_next(&worker->world->random));
    TRACE(worker->world, "worker %lld: redis is given up", worker->id);
    for (struct exchange *exchange = worker->world->redis.exchanges; exchange != NULL;
         exchange = exchange->next) {
        if (exchange->worker == worker && exchange->connection == connection && exchange->is_read) {
            end_read(exchange, false);
        }
    }
}

static void read_answered(struct world *world, void *exchange_, uint64_t in_time)
{
    struct exchange *exchange = exchange_;
    struct worker *worker = exchange->worker;
    (void)world;
    if (exchange->ended || exchange->life != worker->life ||
        worker_puts_off(worker, read_answered, exchange, in_time)) {
        return;
    }
    if (in_time != 0) {
        end_read(exchange, true);
    } else {
        give_up(worker);
    }
}

/* The server looks. */
static void read_arrived(struct world *world, void *exchange_, uint64_t number)
{
    struct exchange *exchange = exchange_;
    (void)number;
    for (size_t i = 0; i < exchange->size; i++) {
        struct redis_count *entry = &exchange->entries[i];
        const struct redis_key *key = key_of(world, entry);
        entry->found = key->held && world->timeline.now_us < key->expires_us;
        entry->count = key->count;
    }
}

static bool port_read(void *store, const struct redis_count *entries, size_t size,
                      struct instant now)
{
    struct worker *worker = store;
    struct world *world = worker->world;
    const struct plan *plan = &world->plan;
    struct timeline *timeline = &world->timeline;
    (void)now;
    if (!worker->redis.up || worker->redis.reads == READS_MAX) {
        return false;
    }
    struct exchange *exchange = exchange_new(worker, entries, size, true);
    worker->redis.reads++;
    int64_t arrives_us = timeline->now_us + choose_delay(&world->random, plan->redis_latency_us);
    int64_t answered_us = arrives_us + choose_delay(&world->random, plan->redis_latency_us);
    bool lost = !world->redis.up;
    if (!world->healing && choose_chance(&world->random, plan->redis_late)) {
        answered_us += choose_between(&world->random, 0, 2 * TIMEOUT_US);
        world_note_fault(world, FAULT_REDIS_LATE);
    }
    if (!world->healing && choose_chance(&world->random, plan->redis_lost)) {
        lost = true;
        world_note_fault(world, FAULT_REDIS_LOST);
    }
    if (!lost) {
        timeline_add(timeline, arrives_us, read_arrived, exchange, 0);
        timeline_add(timeline, answered_us, read_answered, exchange, 1);
    }
    /* If the loop is late itself, so is its patience. */
    timeline_add(timeline, timeline->now_us + TIMEOUT_US + TICK_US, read_answered, exchange, 0);
    return true;
}

/* ---- publishing ---- */

static void publication_arrived(struct world *world, void *exchange_, uint64_t number)
{
    struct exchange *exchange = exchange_;
    (void)number;
    for (size_t i = 0; i < exchange->size && world->redis.up; i++) {
        struct redis_key *key = key_of(world, &exchange->entries[i]);
        const struct count *new = &exchange->entries[i].count, *held = &key->count;
        int64_t apart_us = held->as_of_wall_us - new->as_of_wall_us;
        bool comparable = key->held && world->timeline.now_us < key->expires_us &&
                          apart_us > -APART_MAX_US && apart_us < APART_MAX_US;
        bool not_older =
            held->version > new->version || (held->version == new->version &&apart_us >= 0);
        if (!comparable || !not_older) {
            if (comparable) {
                checks_replaced(world, held, new);
            }
            key->old = key->count;
            key->count = (struct count){
                .value = new->value, .version = new->version, .as_of_wall_us = new->as_of_wall_us};
            key->held = true;
            key->expires_us = world->timeline.now_us + world->plan.redis_lifetime_us;
        }
    }
    exchange->ended = true;
}

static bool port_publish(void *store, const struct redis_count *entries, size_t size)
{
    struct worker *worker = store;
    struct world *world = worker->world;
    const struct plan *plan = &world->plan;
    checks_published(worker, entries, size);
    if (!worker->redis.up) {
        return false;
    }
    int64_t arrives_us =
        world->timeline.now_us + choose_delay(&world->random, plan->redis_latency_us);
    if (!world->healing && choose_chance(&world->random, plan->redis_late)) {
        arrives_us += choose_between(&world->random, 0, 2000 * 1000);
        world_note_fault(world, FAULT_REDIS_LATE);
    }
    if (!world->healing && choose_chance(&world->random, plan->redis_lost)) {
        world_note_fault(world, FAULT_REDIS_LOST);
    } else {
        timeline_add(&world->timeline, arrives_us, publication_arrived,
                     exchange_new(worker, entries, size, false), 0);
    }
    return true;
}

/* ---- life ---- */

static bool port_available(void *store)
{
    return ((const struct worker *)store)->redis.up;
}

static void connected(struct world *world, void *worker_, uint64_t connection)
{
    struct worker *worker = worker_;
    struct redis_client *client = &worker->redis;
    if (client->connection != connection ||
        worker_puts_off(worker, connected, worker, connection)) {
        return;
    }
    client->connecting = false;
    client->up = world->redis.up;
    if (client->up) {
        breaker_success(&client->breaker);
    } else {
        breaker_failure(&client->breaker, worker_now(worker).mono_us, random_next(&world->random));
    }
}

void redis_client_tick(struct worker *worker)
{
    struct world *world = worker->world;
    struct redis_client *client = &worker->redis;
    if (!client->up && !client->connecting &&
        breaker_allows(&client->breaker, worker_now(worker).mono_us)) {
        client->connecting = true;
        timeline_add(&world->timeline, world->timeline.now_us + choose_delay(&world->random, 2000),
                     connected, worker, client->connection);
    }
}

void redis_client_init(struct worker *worker)
{
    struct redis_client *client = &worker->redis;
    *client = (struct redis_client){
        .port = {.store = worker,
                 .available = port_available,
                 .read = port_read,
                 .publish = port_publish},
        .connection = client->connection + 1,
    };
    breaker_init(&client->breaker, BACKOFF_MIN_US, BACKOFF_MAX_US);
}

void redis_server_damage(struct world *world, enum damage damage)
{
    int64_t now_us = world->timeline.now_us;
    struct redis_key(*keys)[ENTITIES_MAX] = world->redis.keys;
    for (size_t i = 0; i < RELATION_COUNT * ENTITIES_MAX; i++) {
        struct redis_key *key = &keys[i / ENTITIES_MAX][i % ENTITIES_MAX];
        if (!key->held || (damage != DAMAGE_FLUSH && choose_chance(&world->random, 5000))) {
            continue;
        }
        switch (damage) {
        case DAMAGE_FLUSH:
        case DAMAGE_LOSE:
            key->held = false;
            break;
        case DAMAGE_NEVER_EXPIRE:
            key->expires_us = INT64_MAX;
            break;
        case DAMAGE_RESTORE:
            key->count = key->old;
            key->expires_us = now_us + 10 * 1000 * 1000;
            break;
        case DAMAGE_FUTURE:
            key->count.value += 1000;
            key->count.as_of_wall_us = now_us + 3600 * (int64_t)1000000;
            break;
        case DAMAGE_PAST:
            key->count.value += 1000;
            key->count.as_of_wall_us = now_us - 5 * 1000 * 1000;
            break;
        case DAMAGE_VERSION:
            key->count.version += 1000;
            break;
        case DAMAGE_COUNT:
            break;
        }
    }
}

void redis_server_free(struct redis_server *server)
{
    while (server->exchanges != NULL) {
        struct exchange *next = server->exchanges->next;
        free(server->exchanges);
        server->exchanges = next;
    }
}
