/* Streams against the history that the database keeps: whatever happens to Redis and to the
 * processes, no stream tells a count that was never true, none goes back, each ends at the last.
 *
 * DESIGN: Clients of a thread of their own write through both processes. The test reads the streams
 * meanwhile and keeps all that they tell; it judges at the end, when the history is whole. A stream
 * of many tells no versions: each of its counts is matched with the first version that has it,
 * past the one before. The last count of each entity is one that it never had before, so it has one
 * match. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "count_history.h"
#include "event_stream.h"
#include "load.h"
#include "load_relation.h"
#include "pair.h"
#include "process.h"
#include "relation.h"
#include "test.h"

enum {
    ENTITIES = 4, /* of each relation */
    STREAMS = 40,
    WRITERS = 12,
    WRITER_PAUSE_MS = 60, /* the longest */
    JOINS_PERCENT = 80,
    EVENTS_STEP = 40, /* are told between two disturbances */
    TOLD_MAX = 1 << 16,
    BOUND_MS = 60000, /* generous: that it comes at all */
    ID_SIZE = 32,
    TARGET_SIZE = 256,
    NO_VERSION = -1,
};

static void entity_name(char name[ID_SIZE], unsigned entity)
{
    snprintf(name, ID_SIZE, "entity-%u", entity);
}

/* ---- the writers ---- */

struct writer {
    struct load_random random;
    unsigned number;
    /* What it does now, and does again where nobody answered. */
    bool pending, join;
    unsigned relation, entity;
    int64_t resume_us;
    unsigned joined[RELATION_COUNT][ENTITIES]; /* how many users it has there */
    unsigned writes;
};

static struct writer writers[WRITERS];
static struct load *crowd;
/* Of the pair; 0 while one is down. */
static _Atomic uint16_t ports[PAIR_SIZE];

static uint16_t any_port(struct load_random *random)
{
    unsigned index = load_random_below(random, PAIR_SIZE);
    uint16_t port = atomic_load(&ports[index]);
    return port != 0 ? port : atomic_load(&ports[PAIR_SIZE - 1 - index]);
}

static bool port_serves(uint16_t port)
{
    for (size_t i = 0; i < PAIR_SIZE; i++) {
        if (atomic_load(&ports[i]) == port) {
            return true;
        }
    }
    return false;
}

static unsigned *joined_of(struct writer *writer)
{
    return &writer->joined[writer->relation][writer->entity];
}

/* The user who comes next, or who came last. */
static void user_name(char name[ID_SIZE], struct writer *writer)
{
    snprintf(name, ID_SIZE, "user-%u-%u", writer->number,
             *joined_of(writer) - (writer->join ? 0 : 1));
}

static void choose_write(struct writer *writer)
{
    writer->relation = load_random_below(&writer->random, RELATION_COUNT);
    writer->entity = load_random_below(&writer->random, ENTITIES);
    writer->join = *joined_of(writer) == 0 ||
                   load_random_below(&writer->random, 100) < (unsigned)JOINS_PERCENT;
    writer->pending = true;
}

static enum load_step writer_next(struct load *load, void *client, struct load_request *request)
{
    struct writer *writer = client;
    char id[ID_SIZE], user[ID_SIZE];
    (void)load;
    if (load_now_us() < writer->resume_us) {
        return LOAD_WAIT;
    }
    if (!writer->pending) {
        choose_write(writer);
    }
    entity_name(id, writer->entity);
    user_name(user, writer);
    load_ask_write(request, any_port(&writer->random), &relations[writer->relation], writer->join,
                   id, user);
    return LOAD_SEND;
}

static void writer_answer(const struct load_exchange *exchange, void *client)
{
    struct writer *writer = client;
    struct load_write write;
    char id[ID_SIZE], user[ID_SIZE];
    writer->resume_us = load_now_us() + load_random_below(&writer->random, WRITER_PAUSE_MS * 1000);
    if (load_read_refusal(exchange->answer) != REFUSAL_NONE) {
        return;
    }
    if (exchange->answer->json == NULL) {
        if (port_serves(exchange->request->port)) {
            load_exchange_violation(exchange, "nothing has happened to this process");
        }
        return;
    }
    entity_name(id, writer->entity);
    user_name(user, writer);
    if (!load_read_write(exchange, &relations[writer->relation], writer->join, id, user, &write)) {
        return;
    }
    *joined_of(writer) += writer->join ? 1 : -1U;
    writer->pending = false;
    writer->writes++;
}

static void start_writers(void)
{
    static const struct load_behaviour writing = {writer_next, writer_answer};
    crowd = load_create();
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.random = load_random_stream(i), .number = i};
        load_add_client(crowd, &writing, &writers[i]);
    }
    load_start(crowd);
}

/* ---- the readers ---- */

struct reader {
    struct event_stream *stream;
    unsigned service, relation;
    bool many; /* then from `first` on, else that one */
    unsigned first, size;
    int64_t last_id;      /* NO_VERSION: none was told */
    unsigned incarnation; /* how often it came back */
};

/* An event, as it was told. */
struct told {
    unsigned reader, incarnation, entity;
    int64_t version, count; /* NO_VERSION: of many */
    bool stale;
};

static struct reader readers[STREAMS];
static struct told told[TOLD_MAX];
static size_t told_size;

static void reader_target(const struct reader *reader, char target[TARGET_SIZE])
{
    const struct relation *relation = &relations[reader->relation];
    char id[ID_SIZE];
    entity_name(id, reader->first);
    if (!reader->many) {
        snprintf(target, TARGET_SIZE, "/v1/%s/%s/%s/stream", relation->collection, id,
                 relation->count_member);
        return;
    }
    size_t size = (size_t)snprintf(target, TARGET_SIZE, "/v1/%ss/stream", relation->count_member);
    for (unsigned i = 0; i < reader->size; i++) {
        entity_name(id, (reader->first + i) % ENTITIES);
        size += (size_t)snprintf(target + size, TARGET_SIZE - size, "%c%s=%s", i == 0 ? '?' : '&',
                                 relation->id_member, id);
    }
}

static void open_reader(struct reader *reader)
{
    char target[TARGET_SIZE], line[64] = "";
    reader_target(reader, target);
    if (reader->last_id != NO_VERSION) {
        snprintf(line, sizeof line, "Last-Event-ID: %lld\r\n", (long long)reader->last_id);
    }
    reader->stream = event_stream_open(pair.services[reader->service]->port, target, line);
    if (reader->stream->status != 200) {
        process_fail("no stream was opened: %s", reader->stream->head);
    }
}

static void open_readers(void)
{
    struct load_random random = load_random_stream(WRITERS);
    told_size = 0;
    for (unsigned i = 0; i < STREAMS; i++) {
        bool many = load_random_below(&random, 3) == 0;
        readers[i] = (struct reader){
            .service = i % PAIR_SIZE,
            .relation = i / PAIR_SIZE % RELATION_COUNT,
            .many = many,
            .first = load_random_below(&random, ENTITIES),
            .size = many ? 1 + load_random_below(&random, ENTITIES) : 1,
            .last_id = NO_VERSION,
        };
        open_reader(&readers[i]);
    }
}

static unsigned entity_of(const json_t *event, const struct relation *relation)
{
    char name[ID_SIZE];
    const char *id = json_string_value(json_object_get(event, relation->id_member));
    for (unsigned i = 0; i < ENTITIES && id != NULL; i++) {
        entity_name(name, i);
        if (strcmp(id, name) == 0) {
            return i;
        }
    }
    process_fail("nobody has asked for %s", id == NULL ? "what this event is of" : id);
}

static void keep_event(struct reader *reader, const struct event_stream_event *event)
{
    const struct relation *relation = &relations[reader->relation];
    const json_t *count = json_object_get(event->json, relation->count_member);
    assert_true(told_size < TOLD_MAX);
    assert_true(json_is_integer(count));
    assert_int_equal(event->id[0] == '\0', reader->many);
    if (!reader->many) {
        reader->last_id = strtoll(event->id, NULL, 10);
    }
    told[told_size++] = (struct told){
        .reader = (unsigned)(reader - readers),
        .incarnation = reader->incarnation,
        .entity = entity_of(event->json, relation),
        .version = reader->last_id,
        .count = json_integer_value(count),
        .stale = json_is_true(json_object_get(event->json, "stale")),
    };
}

/* Keeps what it tells within that time. */
static void read_reader(struct reader *reader, int bound_ms)
{
    struct event_stream_event event;
    while (event_stream_next(reader->stream, bound_ms, &event)) {
        keep_event(reader, &event);
        event_stream_clear(&event);
    }
}

/* Keeps what all of them tell now, or soon. */
static void read_readers(void)
{
    struct event_stream *streams[STREAMS];
    for (size_t i = 0; i < STREAMS; i++) {
        streams[i] = readers[i].stream;
    }
    event_stream_wait_any(streams, STREAMS, BOUND_MS);
    for (size_t i = 0; i < STREAMS; i++) {
        read_reader(&readers[i], 0);
        if (readers[i].stream->ended || readers[i].stream->fd < 0) {
            process_fail("stream %zu has ended, and nothing has happened to its process", i);
        }
    }
}

static void read_events(size_t events)
{
    int64_t end_ms = process_now_ms() + BOUND_MS;
    size_t wanted = told_size + events;
    while (told_size < wanted) {
        if (process_now_ms() > end_ms || load_is_done(crowd)) {
            load_finish(crowd); /* which may say why */
            process_fail("the streams have fallen silent");
        }
        read_readers();
    }
}

/* ---- what happens meanwhile ---- */

static void flush_redis(void)
{
    redis_server_flush(pair.redis);
}

static void pause_redis(void)
{
    redis_server_pause(pair.redis);
}

static void resume_redis(void)
{
    redis_server_resume(pair.redis);
}

static void kill_redis(void)
{
    redis_server_kill(pair.redis);
}

static void start_redis(void)
{
    redis_server_start(pair.redis);
}

/* Ends a process with its streams, which come back to the next one. */
static void replace(unsigned index, void (*end)(unsigned index))
{
    atomic_store(&ports[index], 0);
    end(index);
    for (size_t i = 0; i < STREAMS; i++) {
        if (readers[i].service == index) {
            read_reader(&readers[i], BOUND_MS);
            event_stream_close(&readers[i].stream);
        }
    }
    pair_start(index);
    for (size_t i = 0; i < STREAMS; i++) {
        if (readers[i].service == index) {
            readers[i].incarnation++;
            open_reader(&readers[i]);
        }
    }
    atomic_store(&ports[index], pair.services[index]->port);
}

static void restart_one(void)
{
    replace(0, pair_stop);
}

static void kill_other(void)
{
    replace(1, pair_kill);
}

static const struct {
    const char *name;
    void (*happen)(void);
} disturbances[] = {
    {"Redis loses all", flush_redis},  {"Redis hangs", pause_redis},
    {"Redis goes on", resume_redis},   {"a process is restarted", restart_one},
    {"Redis is killed", kill_redis},   {"a process is killed", kill_other},
    {"Redis comes back", start_redis},
};

/* ---- the judgement ---- */

static struct count_history histories[RELATION_COUNT][ENTITIES];

static void read_histories(void)
{
    char id[ID_SIZE];
    for (unsigned i = 0; i < RELATION_COUNT; i++) {
        for (unsigned j = 0; j < ENTITIES; j++) {
            entity_name(id, j);
            count_history_free(&histories[i][j]);
            histories[i][j] = count_history_read(pair.database_url, &relations[i], id);
        }
    }
}

/* Writes until each count is one that it never was. */
static void write_last_counts(void)
{
    struct load_random random = load_random_stream(WRITERS + 1);
    char id[ID_SIZE], user[ID_SIZE];
    for (unsigned i = 0; i < RELATION_COUNT * ENTITIES; i++) {
        const struct relation *relation = &relations[i % RELATION_COUNT];
        const struct count_history *history = &histories[i % RELATION_COUNT][i / RELATION_COUNT];
        int64_t count = count_history_last(history).count, max = count_history_max(history);
        entity_name(id, i / RELATION_COUNT);
        for (; count <= max; count++) {
            snprintf(user, sizeof user, "last-%lld", (long long)count);
            expect_write(relation,
                         relation_write(pair_any_client(&random), relation, "POST", id, user),
                         .status = 201, .id = id, .user = user, .is_in = true, .changed = true,
                         .count = count + 1);
        }
    }
}

/* The last version that the reader was told; NO_VERSION: none. */
static int64_t version_told(unsigned reader, unsigned entity)
{
    const struct count_history *history = &histories[readers[reader].relation][entity];
    for (size_t i = told_size; i-- > 0;) {
        if (told[i].reader == reader && told[i].entity == entity) {
            return readers[reader].many ? count_history_next(history, NO_VERSION, told[i].count)
                                        : told[i].version;
        }
    }
    return NO_VERSION;
}

/* The first of a reader's entities that it does not know the last of; ENTITIES: none. */
static unsigned entity_behind(unsigned reader)
{
    for (unsigned i = 0; i < readers[reader].size; i++) {
        unsigned entity = (readers[reader].first + i) % ENTITIES;
        if (version_told(reader, entity) !=
            count_history_last(&histories[readers[reader].relation][entity]).version) {
            return entity;
        }
    }
    return ENTITIES;
}

/* Each stream ends at the last. */
static void await_last_counts(void)
{
    int64_t end_ms = process_now_ms() + BOUND_MS;
    for (unsigned i = 0; i < STREAMS;) {
        unsigned entity = entity_behind(i);
        if (entity == ENTITIES) {
            i++;
        } else if (process_now_ms() > end_ms) {
            process_fail("stream %u ends before the last of entity-%u", i, entity);
        } else {
            read_readers();
        }
    }
}

/* The version that this event told, past the one before on its stream. */
static int64_t judge_event(const struct told *event, int64_t before)
{
    const struct reader *reader = &readers[event->reader];
    const struct count_history *history = &histories[reader->relation][event->entity];
    struct count_version version = {.version = event->version, .count = event->count};
    if (reader->many) {
        version.version = count_history_next(history, before, event->count);
    }
    process_note("stream %u told %s of entity-%u: %lld, version %lld, after version %lld",
                 event->reader, relations[reader->relation].name, event->entity,
                 (long long)event->count, (long long)event->version, (long long)before);
    if (version.version <= before) {
        process_fail("a stream went back, or told a count that never was");
    } else if (!count_history_has(history, version)) {
        process_fail("a stream told a count that never was");
    } else if (event->stale) { /* PostgreSQL was there all the time */
        process_fail("a stream told a count as stale");
    }
    return version.version;
}

static void judge(void)
{
    int64_t before[STREAMS][ENTITIES];
    unsigned incarnations[STREAMS] = {0};
    memset(before, 0xff, sizeof before); /* NO_VERSION */
    for (size_t i = 0; i < told_size; i++) {
        const struct told *event = &told[i];
        if (event->incarnation != incarnations[event->reader]) {
            incarnations[event->reader] = event->incarnation;
            memset(before[event->reader], 0xff, sizeof before[0]);
        }
        int64_t *version = &before[event->reader][event->entity];
        *version = judge_event(event, *version);
    }
}

static void streams_tell_what_was_true_in_its_order(NO_STATE)
{
    unsigned writes = 0;
    open_readers();
    start_writers();
    for (size_t i = 0; i < LENGTH(disturbances); i++) {
        read_events(EVENTS_STEP);
        process_note("%s", disturbances[i].name);
        disturbances[i].happen();
    }
    read_events(EVENTS_STEP);
    load_finish(crowd);
    read_histories();
    write_last_counts();
    read_histories();
    await_last_counts();
    judge();
    for (size_t i = 0; i < WRITERS; i++) {
        writes += writers[i].writes;
    }
    print_message("%u writes, %zu events told\n", writes, told_size);
}

/* ---- the group ---- */

static int set_up(void **state)
{
    pair_setup(state);
    count_history_watch(pair.database_url);
    for (size_t i = 0; i < PAIR_SIZE; i++) {
        atomic_store(&ports[i], pair.services[i]->port);
    }
    return 0;
}

static int tear_down(void **state)
{
    load_destroy(&crowd);
    for (size_t i = 0; i < STREAMS; i++) {
        event_stream_close(&readers[i].stream);
    }
    for (size_t i = 0; i < RELATION_COUNT * ENTITIES; i++) {
        count_history_free(&histories[i / ENTITIES][i % ENTITIES]);
    }
    redis_server_heal(pair.redis);
    return pair_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_tell_what_was_true_in_its_order),
    };
    return cmocka_run_group_tests_name("stream history", tests, set_up, tear_down);
}
