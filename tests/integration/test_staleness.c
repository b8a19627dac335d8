/* How old counts are, measured: each count of a growing number identifies a span of time.
 *
 * One writer alone adds users to an event, so the count k was true from the commit of its k-th
 * write to that of the next. Readers compare every answer with what the writer wrote down: whether
 * k was true at as_of, and whether as_of, and k itself, are inside the bound. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "expect.h"
#include "http.h"
#include "load.h"
#include "load_relation.h"
#include "process.h"
#include "servers.h"
#include "service.h"
#include "test.h"

enum {
    SERVICES_MAX = 2,
    WRITES_MAX = 1 << 16,
    READERS_MAX = 32,
    ID_SIZE = 32,
    STEP_BOUND_MS = PROCESS_BOUND_MS,
    ROUNDING_US = 2000,         /* as_of has whole milliseconds */
    BOUND_US = 5000 * 1000,     /* of the contract */
    OWN_BOUND_US = 4000 * 1000, /* of the service: the fifth second is a shared cache's */
    BOUND_MAX_MS = 5000,        /* largest max_stale_ms */
};

static const struct relation *const relation = &relations[RELATION_RSVP];

/* ---- the servers ---- */

static struct pg_server *postgres;
static struct redis_server *redis;
static char *database_url;
static struct service *services[SERVICES_MAX];
static struct load *crowd;

static int set_up_servers(NO_STATE)
{
    postgres = pg_server_create();
    return 0;
}

static int tear_down_servers(NO_STATE)
{
    pg_server_destroy(&postgres);
    return 0;
}

/* ---- what is known about a count over time ---- */

struct moment {
    int64_t sent_us;  /* of its first attempt */
    int64_t acked_us; /* 0: not yet */
};

struct timeline {
    const char *event;
    unsigned pause_max_ms;             /* between two writes */
    bool names_bounds;                 /* readers ask with a max_stale_ms */
    struct moment moments[WRITES_MAX]; /* [k]: the write that made the count k */
    int64_t sent;                      /* the last k that was sent */
    int64_t acked;                     /* the last k that was acknowledged */
    int64_t oldest_us;                 /* the greatest age of an as_of when its answer came */
};

enum { TIMELINES = 3 };

/* Who asks for a count newer than what is in memory makes all copies new: that is done to one event
 * alone, so that the others grow as old as they can. */
static struct timeline timelines[TIMELINES] = {
    {.event = "busy", .pause_max_ms = 4},
    {.event = "quiet", .pause_max_ms = 3000},
    {.event = "urgent", .pause_max_ms = 20, .names_bounds = true},
};

struct outage {
    const char *name;
    void (*stop)(struct pg_server *server);
    void (*start)(struct pg_server *server);
};

/* The one that Postgres is in; NULL: none. */
static const struct outage *outage;

/* What the test looks at while clients run. */
static atomic_uint stale_answers[TIMELINES];
static atomic_int_least64_t postgres_down_us; /* since when it cannot answer; 0: it may */

/* Whether 503, 504 and stale counts are good answers. */
static bool outage_allowed;

/* How many writes were acknowledged at that time. They are in order: search by halves. */
static int64_t acknowledged_at(const struct timeline *timeline, int64_t time_us)
{
    int64_t low = 0;
    int64_t high = timeline->acked;
    while (low < high) {
        const int64_t middle = low + (high - low + 1) / 2;
        if (timeline->moments[middle].acked_us <= time_us) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

/* The count was this at as_of: its write had been sent, and the next one was not acknowledged. */
static void check_truth(const struct load_exchange *exchange, const struct timeline *timeline,
                        const struct load_count *count)
{
    const int64_t k = count->count;
    if (k < 0 || k > timeline->sent) {
        load_exchange_violation(exchange, "the count never was %lld", (long long)k);
        return;
    }
    const int64_t early_us = timeline->moments[k].sent_us - count->as_of_us;
    if (k > 0 && early_us > ROUNDING_US) {
        load_exchange_violation(exchange, "as_of is %lld us before the write that made the count",
                                (long long)early_us);
    }
    const int64_t late_us = count->as_of_us - timeline->moments[k + 1].acked_us;
    if (k < timeline->acked && late_us > ROUNDING_US) {
        load_exchange_violation(exchange, "as_of is %lld us after the next write's acknowledgement",
                                (long long)late_us);
    }
}

/* The age is inside the bound of the contract, and the one that the service has for itself. */
static void check_age(const struct load_exchange *exchange, struct timeline *timeline,
                      const struct load_count *count, int max_stale_ms)
{
    const struct load_answer *answer = exchange->answer;
    const int64_t asked_us = max_stale_ms < 0 ? BOUND_US : max_stale_ms * INT64_C(1000);
    const int64_t own_us = asked_us < OWN_BOUND_US ? asked_us : OWN_BOUND_US;
    const int64_t age_us = answer->received_us - count->as_of_us;
    const int64_t least = acknowledged_at(timeline, answer->sent_us - asked_us);
    timeline->oldest_us = age_us > timeline->oldest_us ? age_us : timeline->oldest_us;
    if (age_us < -ROUNDING_US || age_us > BOUND_US) {
        load_exchange_violation(exchange, "as_of is %lld us old on receipt", (long long)age_us);
    } else if (count->as_of_us < answer->sent_us - own_us - ROUNDING_US) {
        load_exchange_violation(exchange, "as_of was %lld us old when the request was sent",
                                (long long)(answer->sent_us - count->as_of_us));
    } else if (count->count < least) {
        load_exchange_violation(exchange,
                                "%lld writes were acknowledged %lld us before the request",
                                (long long)least, (long long)asked_us);
    }
}

/* ---- the clients ---- */

struct writer {
    struct load_random random;
    struct timeline *timeline;
    uint16_t port;
    int64_t resume_us;
};

struct reader {
    struct load_random random;
    struct timeline *timeline;
    uint16_t port;
    unsigned pause_max_ms;
    int max_stale_ms; /* of what is on its way; -1: left out */
    int64_t resume_us;
};

static struct writer writers[TIMELINES];
static struct reader readers[READERS_MAX];

static int64_t pause_us(struct load_random *random, unsigned max_ms)
{
    return load_now_us() + load_random_below(random, max_ms * 1000);
}

static enum load_step writer_next(struct load *load, void *client, struct load_request *request)
{
    struct writer *writer = client;
    struct timeline *timeline = writer->timeline;
    char user[ID_SIZE];
    const int64_t now_us = load_now_us();
    if (now_us < writer->resume_us) {
        return LOAD_WAIT;
    }
    if (timeline->sent == timeline->acked) { /* otherwise the last write is to be sent again */
        timeline->sent++;
        if (timeline->sent == WRITES_MAX - 1) {
            load_violation(load, "there is no room for more writes");
        }
        timeline->moments[timeline->sent].sent_us = now_us;
    }
    snprintf(user, sizeof user, "user-%lld", (long long)timeline->sent);
    load_ask_write(request, writer->port, relation, true, timeline->event, user);
    return LOAD_SEND;
}

static void writer_answer(const struct load_exchange *exchange, void *client)
{
    struct writer *writer = client;
    struct timeline *timeline = writer->timeline;
    struct load_write write;
    char user[ID_SIZE];
    writer->resume_us = pause_us(&writer->random, timeline->pause_max_ms);
    if (outage_allowed && load_read_refusal(exchange->answer) != REFUSAL_NONE) {
        return;
    }
    snprintf(user, sizeof user, "user-%lld", (long long)timeline->sent);
    if (!load_read_write(exchange, relation, true, timeline->event, user, &write)) {
        return;
    }
    if (write.count != timeline->sent) {
        load_exchange_violation(exchange, "it is write number %lld", (long long)timeline->sent);
    }
    timeline->moments[timeline->sent].acked_us = exchange->answer->received_us;
    timeline->acked = timeline->sent;
}

static enum load_step reader_next(struct load *load, void *client, struct load_request *request)
{
    struct reader *reader = client;
    (void)load;
    if (load_now_us() < reader->resume_us) {
        return LOAD_WAIT;
    }
    reader->max_stale_ms = reader->timeline->names_bounds
                               ? (int)load_random_below(&reader->random, BOUND_MAX_MS + 1)
                               : -1;
    load_ask_count(request, reader->port, relation, reader->timeline->event, reader->max_stale_ms);
    return LOAD_SEND;
}

/* While Postgres is down nobody can know what is true later than that. */
static void check_stale(const struct load_exchange *exchange, const struct reader *reader,
                        const struct load_count *count)
{
    const int64_t down_us = atomic_load(&postgres_down_us);
    if (!outage_allowed) {
        load_exchange_violation(exchange, "Postgres can be reached");
    }
    if (down_us != 0 && down_us < exchange->answer->sent_us && count->as_of_us > down_us) {
        load_exchange_violation(exchange, "as_of is after the end of Postgres");
    }
    atomic_fetch_add(&stale_answers[reader->timeline - timelines], 1);
}

static void reader_answer(const struct load_exchange *exchange, void *client)
{
    struct reader *reader = client;
    struct load_count count;
    reader->resume_us = pause_us(&reader->random, reader->pause_max_ms);
    load_note_progress(exchange->load);
    /* Who wants a count newer than the last one known may be refused. */
    if (outage_allowed && reader->timeline->names_bounds &&
        load_read_refusal(exchange->answer) == REFUSAL_UNDONE) {
        return;
    }
    if (!load_read_count(exchange, relation, reader->timeline->event, &count)) {
        return;
    }
    check_truth(exchange, reader->timeline, &count);
    if (count.stale) {
        check_stale(exchange, reader, &count);
    } else {
        check_age(exchange, reader->timeline, &count, reader->max_stale_ms);
    }
}

/* The longest pauses of the readers that each timeline has on each service. */
static const unsigned reader_pauses_ms[] = {4, 50, 2000};

static void add_clients(void)
{
    static const struct load_behaviour writing = {writer_next, writer_answer};
    static const struct load_behaviour reading = {reader_next, reader_answer};
    const size_t pauses = sizeof reader_pauses_ms / sizeof reader_pauses_ms[0];
    for (unsigned i = 0; i < TIMELINES; i++) {
        writers[i] = (struct writer){
            .random = load_random_stream(i), .timeline = &timelines[i], .port = services[0]->port};
        load_add_client(crowd, &writing, &writers[i]);
    }
    for (unsigned i = 0; i < SERVICES_MAX * TIMELINES * pauses; i++) {
        const struct service *service = services[i / (TIMELINES * pauses)];
        if (service == NULL) {
            break;
        }
        readers[i] = (struct reader){
            .random = load_random_stream(TIMELINES + i),
            .timeline = &timelines[i / pauses % TIMELINES],
            .port = service->port,
            .pause_max_ms = reader_pauses_ms[i % pauses],
        };
        load_add_client(crowd, &reading, &readers[i]);
    }
}

static void clear_timelines(void)
{
    for (size_t i = 0; i < TIMELINES; i++) {
        struct timeline *timeline = &timelines[i];
        memset(timeline->moments, 0, sizeof timeline->moments);
        timeline->sent = timeline->acked = timeline->oldest_us = 0;
        atomic_store(&stale_answers[i], 0);
    }
}

static void begin(size_t service_count, bool with_redis, const char *const *environment)
{
    clear_timelines();
    database_url = pg_fresh_database(postgres, "staleness");
    service_migrate(database_url);
    redis = with_redis ? redis_server_create() : NULL;
    for (size_t i = 0; i < service_count; i++) {
        services[i] =
            service_start(database_url, with_redis ? redis_server_url(redis) : NULL, environment);
    }
    crowd = load_create();
    add_clients();
    load_start(crowd);
}

static void end(void)
{
    load_finish(crowd);
    for (size_t i = 0; i < SERVICES_MAX && services[i] != NULL; i++) {
        service_stop(&services[i]);
    }
    for (size_t i = 0; i < TIMELINES; i++) {
        print_message("%s: %lld writes, no fresh count older than %lld ms\n", timelines[i].event,
                      (long long)timelines[i].acked, (long long)timelines[i].oldest_us / 1000);
        assert_true(timelines[i].acked > 0);
    }
}

static void begin_outage(const struct outage *wanted)
{
    outage = wanted;
    outage->stop(postgres);
    atomic_store(&postgres_down_us, load_now_us());
}

static void end_outage(void)
{
    atomic_store(&postgres_down_us, 0);
    outage->start(postgres);
    outage = NULL;
}

static int tear_down(NO_STATE)
{
    outage_allowed = false;
    load_destroy(&crowd);
    if (outage != NULL) { /* the test failed within it */
        end_outage();
    }
    for (size_t i = 0; i < SERVICES_MAX; i++) {
        service_discard(&services[i]);
    }
    redis_server_destroy(&redis);
    free(database_url);
    database_url = NULL;
    return 0;
}

/* ---- disturbing Redis ---- */

static void flush(void)
{
    redis_server_flush(redis);
}

static void stop(void)
{
    redis_server_pause(redis);
}

static void go_on(void)
{
    redis_server_resume(redis);
}

static void kill_it(void)
{
    redis_server_kill(redis);
}

static void start_empty(void)
{
    redis_server_start(redis);
}

/* Spoils a key. The first %b is the key, the second its value when it was first seen. */
static const struct {
    const char *command;
    bool deletes_first;
    bool replays;
} spoilings[] = {
    {"SET %b garbage", false, false},
    {"SET %b 1000000", false, false},
    {"SET %b -1", false, false},
    {"SET %b {\"count\":1000000,\"version\":1000000}", false, false},
    {"SET %b %b", false, true},
    {"APPEND %b x", false, false},
    {"SETRANGE %b 0 \xff\xfe", false, false},
    {"SETRANGE %b 100000 x", false, false},
    {"LPUSH %b garbage", true, false},
    {"HSET %b count 1000000", true, false},
    {"SADD %b garbage", true, false},
};

static redisReply *command(redisContext *context, const char *format, const redisReply *key,
                           const redisReply *value)
{
    redisReply *reply =
        redisCommand(context, format, key->str, key->len, value != NULL ? value->str : NULL,
                     value != NULL ? value->len : 0);
    if (reply == NULL) {
        process_fail("Redis does not answer: %s", context->errstr);
    }
    return reply;
}

/* The first value that was seen under each key, kept to be put back when it is old. */
static struct {
    char key[128];
    redisReply *value;
} old_values[TIMELINES];
static unsigned spoiled;

/* NULL, which is put back as an empty value, for keys that are no counts of ours. */
static const redisReply *old_value(redisContext *context, const redisReply *key)
{
    size_t i = 0;
    while (old_values[i].value != NULL && strcmp(old_values[i].key, key->str) != 0) {
        if (++i == TIMELINES) {
            return NULL;
        }
    }
    if (old_values[i].value == NULL) {
        snprintf(old_values[i].key, sizeof old_values[i].key, "%s", key->str);
        old_values[i].value = command(context, "GET %b", key, NULL);
    }
    return old_values[i].value;
}

static void forget_old_values(void)
{
    for (size_t i = 0; i < TIMELINES; i++) {
        freeReplyObject(old_values[i].value);
        old_values[i].value = NULL;
    }
    spoiled = 0;
}

static void spoil_key(redisContext *context, const redisReply *key)
{
    const size_t i = spoiled++ % (sizeof spoilings / sizeof spoilings[0]);
    const redisReply *old = old_value(context, key);
    if (spoilings[i].deletes_first) {
        freeReplyObject(command(context, "DEL %b", key, NULL));
    }
    freeReplyObject(command(context, spoilings[i].command, key, spoilings[i].replays ? old : NULL));
}

static void spoil_all_keys(void)
{
    redisContext *context = redisConnectUnix(redis_server_url(redis) + strlen("unix://"));
    unsigned long cursor = 0;
    do {
        redisReply *page = redisCommand(context, "SCAN %lu", cursor);
        if (page == NULL || page->type != REDIS_REPLY_ARRAY || page->elements != 2) {
            process_fail("Redis does not scan");
        }
        cursor = strtoul(page->element[0]->str, NULL, 10);
        for (size_t i = 0; i < page->element[1]->elements; i++) {
            spoil_key(context, page->element[1]->element[i]);
        }
        freeReplyObject(page);
    } while (cursor != 0);
    redisFree(context);
}

/* ---- phases with Postgres up ---- */

enum { DISTURBANCES_MAX = 2 };

struct phase {
    const char *name;
    size_t service_count;
    bool with_redis;
    int duration_ms;
    struct {
        int first_ms;
        int last_ms;
        int every_ms;
        void (*act)(void);
    } disturbances[DISTURBANCES_MAX];
};

static struct phase phases[] = {
    {"with Redis", 1, true, 5500, {{.act = NULL}}},
    {"with Redis and two processes", 2, true, 5500, {{.act = NULL}}},
    {"with Redis flushed in the middle", 2, true, 4500, {{1000, 4000, 500, flush}}},
    {"with Redis stopped in the middle",
     2,
     true,
     7000,
     {{1500, 1500, 1, stop}, {5000, 5000, 1, go_on}}},
    {"with Redis killed in the middle",
     2,
     true,
     6000,
     {{1500, 1500, 1, kill_it}, {4500, 4500, 1, start_empty}}},
    {"with Redis never there", 2, false, 4500, {{.act = NULL}}},
    {"with garbage in Redis", 2, true, 4500, {{500, 4500, 25, spoil_all_keys}}},
};

enum { PHASE_COUNT = sizeof phases / sizeof phases[0] };

static void disturb_for(const struct phase *phase)
{
    int64_t next_ms[DISTURBANCES_MAX];
    const int64_t start_ms = process_now_ms();
    for (size_t i = 0; i < DISTURBANCES_MAX; i++) {
        next_ms[i] = phase->disturbances[i].first_ms;
    }
    for (int64_t now_ms = 0; now_ms < phase->duration_ms; now_ms = process_now_ms() - start_ms) {
        for (size_t i = 0; i < DISTURBANCES_MAX; i++) {
            if (phase->disturbances[i].act != NULL && next_ms[i] <= now_ms &&
                next_ms[i] <= phase->disturbances[i].last_ms) {
                phase->disturbances[i].act();
                next_ms[i] += phase->disturbances[i].every_ms;
            }
        }
        process_nap();
    }
}

static void counts_are_true_and_young(void **state)
{
    const struct phase *phase = *state;
    forget_old_values();
    begin(phase->service_count, phase->with_redis, NULL);
    disturb_for(phase);
    end();
    assert_true(spoiled > 0 || phase->disturbances[0].act != spoil_all_keys);
    forget_old_values();
}

/* ---- with Postgres down ---- */

static struct outage outages[] = {
    {"with Postgres crashed", pg_server_stop_immediate, pg_server_start},
    {"with Postgres standing still", pg_server_pause, pg_server_resume},
};

enum { OUTAGE_COUNT = sizeof outages / sizeof outages[0] };

enum { READS_BEFORE = 1000, STALE_ANSWERS = 20 };

static void await_stale_answers(void)
{
    const int64_t give_up_ms = process_now_ms() + STEP_BOUND_MS;
    for (size_t i = 0; i < TIMELINES; i++) {
        while (atomic_load(&stale_answers[i]) < STALE_ANSWERS) {
            load_await_progress(crowd, 1, STEP_BOUND_MS);
            if (process_now_ms() > give_up_ms) {
                process_fail("no stale counts are served");
            }
        }
    }
}

static void expect_unknown_count_is_refused(void)
{
    struct http_client *client = http_client_create(services[0]->port);
    struct http_response *response = relation_get_count(client, relation, "never-asked-for", "");
    expect_problem(response, 503, "store-unavailable");
    http_response_free(&response);
    http_client_destroy(&client);
}

static bool is_fresh(const struct http_response *response, int64_t after_ms)
{
    const json_t *as_of = json_object_get(response->json, "as_of");
    return response->status == 200 && json_is_false(json_object_get(response->json, "stale")) &&
           expect_parse_time(json_string_value(as_of)) > after_ms;
}

static void await_fresh_counts(void)
{
    const int64_t start_ms = expect_now_ms();
    const int64_t give_up_ms = process_now_ms() + STEP_BOUND_MS;
    struct http_client *client = http_client_create(services[0]->port);
    for (size_t i = 0; i < TIMELINES; i++) {
        bool fresh = false;
        while (!fresh) {
            struct http_response *response =
                relation_get_count(client, relation, timelines[i].event, "");
            fresh = is_fresh(response, start_ms);
            http_response_free(&response);
            if (process_now_ms() > give_up_ms) {
                process_fail("counts do not become fresh again");
            }
            process_nap();
        }
    }
    http_client_destroy(&client);
}

static void known_counts_are_served_stale(void **state)
{
    outage_allowed = true;
    begin(1, true, (const char *const[]){"REQUEST_DEADLINE_MS=2000", NULL});
    load_await_progress(crowd, READS_BEFORE, STEP_BOUND_MS);
    begin_outage(*state);
    await_stale_answers();
    expect_unknown_count_is_refused();
    end_outage();
    await_fresh_counts();
    end();
}

int main(void)
{
    struct CMUnitTest tests[PHASE_COUNT + OUTAGE_COUNT] = {{.name = NULL}};
    for (size_t i = 0; i < PHASE_COUNT; i++) {
        tests[i] = (struct CMUnitTest){phases[i].name, counts_are_true_and_young, NULL, tear_down,
                                       &phases[i]};
    }
    for (size_t i = 0; i < OUTAGE_COUNT; i++) {
        tests[PHASE_COUNT + i] = (struct CMUnitTest){outages[i].name, known_counts_are_served_stale,
                                                     NULL, tear_down, &outages[i]};
    }
    load_seed();
    return cmocka_run_group_tests(tests, set_up_servers, tear_down_servers);
}
