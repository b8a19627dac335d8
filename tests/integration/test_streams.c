/* Streams of counts: the contract, line by line, over the real binary. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event_stream.h"
#include "expect.h"
#include "fixture.h"
#include "http.h"
#include "process.h"
#include "prometheus.h"
#include "relation.h"
#include "test.h"
#include "token.h"

enum {
    BOUND_MS = 60000,   /* generous: that it comes at all */
    QUIET_MS = 2500,    /* what was told again would have come by then */
    COMMENT_MS = 15000, /* of the contract */
    AGE_MAX_MS = 5000,  /* likewise */
    TARGET_SIZE = 2048,
    MANY = 100,
};

/* ---- asking ---- */

static void one_target(char target[TARGET_SIZE], const struct relation *relation, const char *id)
{
    snprintf(target, TARGET_SIZE, "/v1/%s/%s/%s/stream", relation->collection, id,
             relation->count_member);
}

static struct event_stream *open_one(const struct service *service, const struct relation *relation,
                                     const char *id, const char *lines)
{
    char target[TARGET_SIZE];
    one_target(target, relation, id);
    struct event_stream *stream = event_stream_open(service->port, target, lines);
    if (stream->status != 200) {
        process_fail("no stream was opened: %s", stream->head);
    }
    return stream;
}

static void write_to(struct http_client *client, const struct relation *relation, const char *id,
                     const char *user)
{
    struct http_response *response = relation_write(client, relation, "POST", id, user);
    expect_status(response, 201);
    http_response_free(&response);
}

/* ---- what events say ---- */

/* What an event said. */
struct told {
    int64_t count, version, as_of_ms;
    bool stale;
};

static struct told read_event(const struct relation *relation, const char *id,
                              const struct event_stream_event *event)
{
    struct told told = {.version = event->id[0] == '\0' ? -1 : strtoll(event->id, NULL, 10)};
    assert_string_equal(event->type, relation->count_member);
    expect_members(event->json, relation->id_member, relation->count_member, "as_of", "stale");
    assert_string_equal(json_string_value(json_object_get(event->json, relation->id_member)), id);
    told.count = json_integer_value(json_object_get(event->json, relation->count_member));
    told.as_of_ms = expect_parse_time(json_string_value(json_object_get(event->json, "as_of")));
    told.stale = json_is_true(json_object_get(event->json, "stale"));
    assert_true(told.as_of_ms > 0);
    return told;
}

/* Of an event that was read as soon as it came. */
static void expect_young(const struct told *told)
{
    assert_true(told->stale || expect_now_ms() - told->as_of_ms <= AGE_MAX_MS);
}

static struct told next_told(struct event_stream *stream, const struct relation *relation,
                             const char *id)
{
    struct event_stream_event event;
    if (!event_stream_next(stream, BOUND_MS, &event)) {
        process_fail("no event came");
    }
    struct told told = read_event(relation, id, &event);
    event_stream_clear(&event);
    return told;
}

/* Reads on until that count is told; versions only grow on the way. */
static struct told await_count(struct event_stream *stream, const struct relation *relation,
                               const char *id, int64_t count)
{
    int64_t end_ms = process_now_ms() + BOUND_MS;
    struct told told = next_told(stream, relation, id), before;
    while (told.count != count || told.stale) {
        if (process_now_ms() > end_ms) {
            process_fail("the count %lld was never told", (long long)count);
        }
        before = told;
        told = next_told(stream, relation, id);
        assert_true(told.version >= before.version);
    }
    return told;
}

static void expect_quiet(struct event_stream *stream, int quiet_ms)
{
    struct event_stream_event event;
    if (event_stream_next(stream, quiet_ms, &event)) {
        process_fail("something was told: %s", event.data);
    }
    assert_false(stream->ended);
    assert_true(stream->fd >= 0);
}

static double metric(struct http_client *admin, const char *name)
{
    struct http_response *response = http_request(admin, "GET", "/metrics", NULL);
    struct prometheus *metrics = prometheus_parse(response->body);
    double value = prometheus_sum(metrics, name, (const char *const[]){NULL});
    prometheus_free(&metrics);
    http_response_free(&response);
    return value;
}

static void await_metric(const char *name, int64_t expected)
{
    int64_t end_ms = process_now_ms() + BOUND_MS;
    double value;
    while ((int64_t)(value = metric(fixture.admin, name)) != expected) {
        if (process_now_ms() > end_ms) {
            process_fail("%s is %g, not %lld", name, value, (long long)expected);
        }
        process_nap();
    }
}

static void await_streams(int64_t open)
{
    await_metric("rsvpd_streams", open);
}

static void await_connections(int64_t open)
{
    await_metric("rsvpd_http_connections", open);
}

/* ---- one entity ---- */

static void a_count_is_told_at_once_and_when_it_changes(void **state)
{
    const struct relation *relation = *state;
    struct event_stream *stream = open_one(fixture.service, relation, "told", NULL);
    assert_int_equal(
        strncmp(event_stream_header(stream, "Content-Type"), "text/event-stream\r\n", 19), 0);
    assert_int_equal(strncmp(event_stream_header(stream, "Cache-Control"), "no-store\r\n", 10), 0);
    struct told first = next_told(stream, relation, "told");
    expect_young(&first);
    assert_int_equal(first.count, 0);
    assert_true(first.version >= 0);
    assert_true(stream->text.retry_ms >= 1000 && stream->text.retry_ms <= 3000);
    write_to(fixture.client, relation, "told", "u1");
    struct told second = next_told(stream, relation, "told");
    expect_young(&second);
    assert_int_equal(second.count, 1);
    assert_true(second.version > first.version);
    struct http_response *response =
        relation_write(fixture.client, relation, "DELETE", "told", "u1");
    expect_status(response, 200);
    http_response_free(&response);
    struct told third = next_told(stream, relation, "told");
    expect_young(&third);
    assert_int_equal(third.count, 0);
    assert_true(third.version > second.version);
    event_stream_close(&stream);
}

static void what_changes_often_is_told_once_a_second_and_the_last_always(void **state)
{
    enum { WRITES = 300 };
    const struct relation *relation = *state;
    char user[16];
    struct event_stream *stream = open_one(fixture.service, relation, "often", NULL);
    (void)next_told(stream, relation, "often");
    int64_t begun_ms = process_now_ms();
    for (int i = 0; i < WRITES; i++) {
        snprintf(user, sizeof user, "u%d", i);
        write_to(fixture.client, relation, "often", user);
    }
    struct event_stream_event event;
    struct told told = {.count = 0, .version = -1};
    int64_t events = 0;
    while (told.count != WRITES) {
        int64_t before = told.version;
        told = next_told(stream, relation, "often");
        assert_true(told.version > before);
        events++;
    }
    /* The first of a second and the last of the one before may come close together. */
    assert_true(events <= (process_now_ms() - begun_ms) / 1000 + 2);
    assert_false(event_stream_next(stream, QUIET_MS, &event));
    event_stream_close(&stream);
}

static void who_comes_back_with_the_current_version_is_not_told_it_again(void **state)
{
    const struct relation *relation = *state;
    char line[64];
    write_to(fixture.client, relation, "back", "u1");
    struct event_stream *stream = open_one(fixture.service, relation, "back", NULL);
    struct told told = await_count(stream, relation, "back", 1);
    event_stream_close(&stream);
    snprintf(line, sizeof line, "Last-Event-ID: %lld\r\n", (long long)told.version);
    stream = open_one(fixture.service, relation, "back", line);
    expect_quiet(stream, QUIET_MS);
    assert_true(stream->text.retry_ms >= 1000 && stream->text.retry_ms <= 3000);
    write_to(fixture.client, relation, "back", "u2");
    assert_int_equal(next_told(stream, relation, "back").count, 2);
    event_stream_close(&stream);
    stream = open_one(fixture.service, relation, "back", line); /* it is current no more */
    assert_int_equal(next_told(stream, relation, "back").count, 2);
    event_stream_close(&stream);
    static const char *const no_versions[] = {"Last-Event-ID: x\r\n", "Last-Event-ID: \r\n",
                                              "Last-Event-ID: 99999999999999999999\r\n"};
    for (size_t i = 0; i < LENGTH(no_versions); i++) {
        process_note("%s", no_versions[i]);
        stream = open_one(fixture.service, relation, "back", no_versions[i]);
        assert_int_equal(next_told(stream, relation, "back").count, 2);
        event_stream_close(&stream);
    }
}

static void a_quiet_stream_has_comments(NO_STATE)
{
    const struct relation *relation = &relations[RELATION_RSVP];
    struct event_stream *stream = open_one(fixture.service, relation, "quiet", NULL);
    (void)next_told(stream, relation, "quiet");
    int64_t heard_ms = stream->heard_ms;
    expect_quiet(stream, COMMENT_MS);
    assert_true(stream->text.comments > 0);
    assert_true(stream->heard_ms > heard_ms);
    event_stream_close(&stream);
}

/* ---- several ---- */

static void each_of_many_is_told_once(void **state)
{
    const struct relation *relation = *state;
    char target[16 * 1024];
    size_t size = (size_t)snprintf(target, sizeof target, "/v1/%ss/stream", relation->count_member);
    for (int i = 0; i < MANY; i++) {
        /* The last one is the first one again. */
        size += (size_t)snprintf(target + size, sizeof target - size, "%c%s=m%d",
                                 i == 0 ? '?' : '&', relation->id_member, i % (MANY - 1));
    }
    struct event_stream *stream = event_stream_open(fixture.service->port, target, NULL);
    assert_int_equal(stream->status, 200);
    bool seen[MANY] = {false};
    struct event_stream_event event;
    for (int i = 0; i < MANY - 1; i++) {
        assert_true(event_stream_next(stream, BOUND_MS, &event));
        const char *id = json_string_value(json_object_get(event.json, relation->id_member));
        assert_non_null(id);
        struct told told = read_event(relation, id, &event);
        assert_int_equal(told.version, -1); /* it would be of one of them */
        assert_int_equal(told.count, 0);
        long number = strtol(id + 1, NULL, 10);
        assert_true(number >= 0 && number < MANY && !seen[number]);
        seen[number] = true;
        event_stream_clear(&event);
    }
    expect_quiet(stream, QUIET_MS);
    write_to(fixture.client, relation, "m7", "u1");
    assert_int_equal(next_told(stream, relation, "m7").count, 1);
    event_stream_close(&stream);
}

static void what_is_wrong_is_refused(void **state)
{
    const struct relation *relation = *state;
    char target[TARGET_SIZE];
    const struct {
        const char *query, *code;
    } cases[] = {
        {"", "invalid-parameter"},
        {"?user_id=a", "invalid-parameter"},
        {"?max_stale_ms=0", "invalid-parameter"},
        {"?ID=a&ID=b+c", "invalid-identifier"},
        {"?ID=", "invalid-identifier"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char query[TARGET_SIZE] = "";
        for (const char *at = cases[i].query; *at != '\0'; at++) {
            bool id = strncmp(at, "ID", 2) == 0;
            size_t size = strlen(query);
            snprintf(query + size, sizeof query - size, "%.*s", id ? 32 : 1,
                     id ? relation->id_member : at);
            at += id;
        }
        snprintf(target, sizeof target, "/v1/%ss/stream%s", relation->count_member, query);
        process_note("%s", target);
        struct http_response *response = http_request(fixture.client, "GET", target, NULL);
        expect_problem(response, 400, cases[i].code);
        http_response_free(&response);
    }
    one_target(target, relation, "a%20b");
    struct http_response *response = http_request(fixture.client, "GET", target, NULL);
    expect_problem(response, 400, "invalid-identifier");
    http_response_free(&response);
    one_target(target, relation, "a");
    response = http_request(fixture.client, "POST", target, NULL);
    expect_problem(response, 405, "method-not-allowed");
    expect_header(response, "Allow", "GET, HEAD, OPTIONS");
    http_response_free(&response);
    await_streams(0);
}

static void more_than_a_hundred_are_refused(NO_STATE)
{
    char target[8 * 1024];
    size_t size = (size_t)snprintf(target, sizeof target, "/v1/rsvp_counts/stream?event_id=e");
    for (int i = 0; i < MANY; i++) {
        size += (size_t)snprintf(target + size, sizeof target - size, "&event_id=e%d", i);
    }
    struct http_response *response = http_request(fixture.client, "GET", target, NULL);
    expect_problem(response, 400, "invalid-parameter");
    http_response_free(&response);
}

/* ---- connections ---- */

static void head_has_the_head_alone(void **state)
{
    const struct relation *relation = *state;
    char target[TARGET_SIZE];
    one_target(target, relation, "head");
    struct http_response *response = http_request(fixture.client, "HEAD", target, NULL);
    expect_status(response, 200);
    expect_header(response, "Content-Type", "text/event-stream");
    http_response_free(&response);
    await_streams(0);
}

static void http_1_0_gets_no_chunks(NO_STATE)
{
    struct event_stream *stream = event_stream_open_raw(
        fixture.service->port, "GET /events/old/rsvp_count/stream HTTP/1.0\r\n\r\n", 0);
    assert_int_equal(stream->status, 200);
    assert_false(stream->chunked);
    assert_int_equal(next_told(stream, &relations[RELATION_RSVP], "old").count, 0);
    write_to(fixture.client, &relations[RELATION_RSVP], "old", "u1");
    assert_int_equal(next_told(stream, &relations[RELATION_RSVP], "old").count, 1);
    event_stream_close(&stream);
}

static void who_leaves_is_noticed(NO_STATE)
{
    enum { READERS = 20 };
    struct event_stream *streams[READERS];
    await_streams(0);
    for (int i = 0; i < READERS; i++) {
        streams[i] = open_one(fixture.service, &relations[i % RELATION_COUNT], "left", NULL);
        (void)next_told(streams[i], &relations[i % RELATION_COUNT], "left");
    }
    await_streams(READERS);
    for (int i = 0; i < READERS; i++) {
        event_stream_close(&streams[i]);
    }
    await_streams(0);
}

static void the_log_tells_how_long_a_stream_was_open(NO_STATE)
{
    fixture_restart_service(NULL);
    struct event_stream *stream =
        open_one(fixture.service, &relations[RELATION_RSVP], "logged", NULL);
    event_stream_close(&stream);
    service_await_log(fixture.service, "\"open_ms\":");
}

static void past_the_limit_streams_are_refused(NO_STATE)
{
    enum { LIMIT = 3 };
    const struct relation *relation = &relations[RELATION_RSVP];
    struct event_stream *streams[LIMIT];
    char target[TARGET_SIZE];
    fixture_restart_service((const char *const[]){"MAX_STREAMS=3", NULL});
    for (int i = 0; i < LIMIT; i++) {
        streams[i] = open_one(fixture.service, relation, "limit", NULL);
    }
    one_target(target, relation, "limit");
    struct http_response *response = http_request(fixture.client, "GET", target, NULL);
    expect_problem(response, 503, "overloaded");
    http_response_free(&response);
    assert_int_equal((int)metric(fixture.admin, "rsvpd_streams_refused_total"), 1);
    event_stream_close(&streams[0]);
    await_streams(LIMIT - 1);
    streams[0] = open_one(fixture.service, relation, "limit", NULL);
    for (int i = 0; i < LIMIT; i++) {
        assert_int_equal(next_told(streams[i], relation, "limit").count, 0);
        event_stream_close(&streams[i]);
    }
    fixture_restart_service(NULL);
}

/* As many streams as there may be, and more than connections: other requests have their room. */
static void streams_leave_room_for_requests(NO_STATE)
{
    enum { LIMIT = 8, REQUESTS = 10 };
    const struct relation *relation = &relations[RELATION_RSVP];
    struct event_stream *streams[LIMIT];
    char target[TARGET_SIZE], user[16];
    fixture_restart_service(
        (const char *const[]){"WORKERS=1", "MAX_STREAMS=8", "MAX_CONNECTIONS=2", NULL});
    for (int i = 0; i < LIMIT; i++) {
        streams[i] = open_one(fixture.service, relation, "room", NULL);
    }
    await_streams(LIMIT);
    one_target(target, relation, "room");
    for (int i = 0; i < REQUESTS; i++) {
        snprintf(user, sizeof user, "u%d", i);
        write_to(fixture.client, relation, "room", user);
        struct http_response *response = http_request(fixture.client, "GET", target, NULL);
        expect_problem(response, 503, "overloaded");
        http_response_free(&response);
    }
    for (int i = 0; i < LIMIT; i++) {
        (void)await_count(streams[i], relation, "room", REQUESTS);
        event_stream_close(&streams[i]);
    }
    fixture_restart_service(NULL);
}

/* Connections that are all in use: newcomers are refused as ever. */
static void connections_leave_streams_alone(NO_STATE)
{
    enum { LIMIT = 3 };
    const struct relation *relation = &relations[RELATION_RSVP];
    struct http_raw *raws[LIMIT];
    struct service *other =
        service_start(fixture.database_url, redis_server_url(fixture.redis), NULL);
    struct http_client *client = http_client_create(other->port);
    fixture_restart_service(
        (const char *const[]){"WORKERS=1", "MAX_CONNECTIONS=3", "REQUEST_DEADLINE_MS=60000", NULL});
    struct event_stream *stream = open_one(fixture.service, relation, "full", NULL);
    (void)next_told(stream, relation, "full");
    for (int i = 0; i < LIMIT; i++) {
        raws[i] = http_raw_connect(fixture.service->port);
        assert_non_null(raws[i]);
        assert_true(http_raw_send_text(raws[i], "GET /livez HTTP/1.1\r\nHost: t"));
        await_connections(1 + i + 1); /* with that of the admin port */
    }
    struct http_raw *newcomer = http_raw_connect(fixture.service->port);
    assert_true(http_raw_send_text(newcomer, "GET /livez HTTP/1.1\r\nHost: test\r\n\r\n"));
    struct http_response *response = http_raw_receive(newcomer, BOUND_MS);
    expect_problem(response, 503, "overloaded");
    http_response_free(&response);
    http_raw_close(&newcomer);
    write_to(client, relation, "full", "u1");
    (void)await_count(stream, relation, "full", 1);
    for (int i = 0; i < LIMIT; i++) {
        assert_true(http_raw_send_text(raws[i], "est\r\n\r\n"));
        response = http_raw_receive(raws[i], BOUND_MS);
        expect_status(response, 200);
        http_response_free(&response);
        http_raw_close(&raws[i]);
    }
    event_stream_close(&stream);
    http_client_destroy(&client);
    service_stop(&other);
    fixture_restart_service(NULL);
}

/* Or one address would take the connections of all. */
static void an_address_has_its_limit(NO_STATE)
{
    enum { LIMIT = 3 };
    const struct relation *relation = &relations[RELATION_RSVP];
    struct event_stream *streams[LIMIT];
    char target[TARGET_SIZE];
    fixture_restart_service(
        (const char *const[]){"WORKERS=1", "MAX_CONNECTIONS_PER_ADDRESS=3", NULL});
    one_target(target, relation, "address");
    for (int i = 0; i < LIMIT; i++) {
        streams[i] = open_one(fixture.service, relation, "address", NULL);
    }
    struct http_response *response = http_request(fixture.client, "GET", target, NULL);
    expect_problem(response, 503, "overloaded");
    http_response_free(&response);
    event_stream_close(&streams[0]);
    await_streams(LIMIT - 1);
    streams[0] = open_one(fixture.service, relation, "address", NULL);
    for (int i = 0; i < LIMIT; i++) {
        assert_int_equal(next_told(streams[i], relation, "address").count, 0);
        event_stream_close(&streams[i]);
    }
    fixture_restart_service(NULL);
}

/* ---- what else happens ---- */

/* Waits until so many of them have ended well, and closes those. */
static void await_ends(struct event_stream **streams, int size, int ends)
{
    int64_t end_ms = process_now_ms() + BOUND_MS;
    while (ends > 0) {
        for (int i = 0; i < size && ends > 0; i++) {
            if (streams[i] != NULL && event_stream_wait_end(streams[i], 1)) {
                event_stream_close(&streams[i]);
                ends--;
            } else if (streams[i] != NULL && streams[i]->fd < 0) {
                process_fail("a stream was broken off");
            }
        }
        if (process_now_ms() > end_ms) {
            process_fail("%d streams have not ended", ends);
        }
        process_nap();
    }
}

/* A drain so long that the others are open by far once a few have ended; a second signal ends it.
 */
static void a_drain_ends_streams_one_after_the_other(NO_STATE)
{
    enum { READERS = 60, FIRST = 3 };
    const struct relation *relation = &relations[RELATION_RSVP];
    struct event_stream *streams[READERS];
    fixture_restart_service((const char *const[]){"SHUTDOWN_DRAIN_MS=60000", NULL});
    for (int i = 0; i < READERS; i++) {
        streams[i] = open_one(fixture.service, relation, "drain", NULL);
        (void)next_told(streams[i], relation, "drain");
    }
    kill(fixture.service->pid, SIGTERM);
    await_ends(streams, READERS, FIRST);
    assert_in_range(metric(fixture.admin, "rsvpd_streams"), 1, READERS - FIRST);
    kill(fixture.service->pid, SIGTERM);
    await_ends(streams, READERS, READERS - FIRST);
    assert_int_equal(service_wait_end(&fixture.service), 0);
    fixture_restart_service(NULL);
}

static void staleness_is_told_and_its_end(void **state)
{
    const struct relation *relation = *state;
    write_to(fixture.client, relation, "stale", "u1");
    struct event_stream *stream = open_one(fixture.service, relation, "stale", NULL);
    struct told fresh = await_count(stream, relation, "stale", 1);
    pg_server_stop_immediate(fixture.pg);
    struct told told = next_told(stream, relation, "stale");
    assert_true(told.stale);
    assert_int_equal(told.count, 1);
    assert_int_equal(told.version, fresh.version);
    pg_server_start(fixture.pg);
    told = next_told(stream, relation, "stale");
    assert_false(told.stale);
    assert_int_equal(told.count, 1);
    event_stream_close(&stream);
}

/* A change through another process, whatever is with Redis. */
static void expect_told_of_others(struct service *other, const struct relation *relation,
                                  const char *id, int users_before)
{
    char user[16];
    struct http_client *client = http_client_create(other->port);
    struct event_stream *stream = open_one(fixture.service, relation, id, NULL);
    (void)await_count(stream, relation, id, users_before);
    snprintf(user, sizeof user, "u%d", users_before);
    write_to(client, relation, id, user);
    const struct told told = await_count(stream, relation, id, users_before + 1);
    expect_young(&told);
    event_stream_close(&stream);
    http_client_destroy(&client);
}

static void what_other_processes_commit_is_told(void **state)
{
    const struct relation *relation = *state;
    struct service *other =
        service_start(fixture.database_url, redis_server_url(fixture.redis), NULL);
    expect_told_of_others(other, relation, "other", 0);
    redis_server_flush(fixture.redis);
    expect_told_of_others(other, relation, "other", 1);
    redis_server_pause(fixture.redis);
    expect_told_of_others(other, relation, "other", 2);
    redis_server_resume(fixture.redis);
    redis_server_kill(fixture.redis);
    expect_told_of_others(other, relation, "other", 3);
    redis_server_start(fixture.redis);
    expect_told_of_others(other, relation, "other", 4);
    service_stop(&other);
}

static void without_redis_it_is_told_as_well(NO_STATE)
{
    struct service *one = service_start(fixture.database_url, NULL, NULL);
    struct service *other = service_start(fixture.database_url, NULL, NULL);
    struct http_client *client = http_client_create(other->port);
    const struct relation *relation = &relations[RELATION_RSVP];
    struct event_stream *stream = open_one(one, relation, "alone", NULL);
    (void)await_count(stream, relation, "alone", 0);
    write_to(client, relation, "alone", "u1");
    (void)await_count(stream, relation, "alone", 1);
    event_stream_close(&stream);
    http_client_destroy(&client);
    service_stop(&one);
    service_stop(&other);
}

static void who_does_not_read_gets_the_last_one(NO_STATE)
{
    enum { WRITES = 400 };
    const struct relation *relation = &relations[RELATION_RSVP];
    char user[16];
    struct event_stream *stream = event_stream_open_raw(
        fixture.service->port,
        "GET /v1/events/slow/rsvp_count/stream HTTP/1.1\r\nHost: test\r\n\r\n", 1024);
    struct event_stream *quick = open_one(fixture.service, relation, "slow", NULL);
    for (int i = 0; i < WRITES; i++) {
        snprintf(user, sizeof user, "u%d", i);
        write_to(fixture.client, relation, "slow", user);
    }
    (void)await_count(quick, relation, "slow", WRITES);
    (void)await_count(stream, relation, "slow", WRITES);
    event_stream_close(&quick);
    event_stream_close(&stream);
}

/* As for counts: other origins, and how often somebody may come. */
static void streams_are_held_to_what_counts_are(NO_STATE)
{
    char target[TARGET_SIZE];
    fixture_restart_service(
        (const char *const[]){"CORS_ORIGINS=https://a.example", "RATE_LIMIT_ADDRESS=2/600", NULL});
    struct event_stream *stream = open_one(fixture.service, &relations[RELATION_RSVP], "held",
                                           "Origin: https://a.example\r\n");
    const char *origin = event_stream_header(stream, "Access-Control-Allow-Origin");
    assert_non_null(origin);
    assert_int_equal(strncmp(origin, "https://a.example\r\n", 19), 0);
    assert_non_null(event_stream_header(stream, "RateLimit"));
    assert_int_equal(next_told(stream, &relations[RELATION_RSVP], "held").count, 0);
    event_stream_close(&stream);
    stream = open_one(fixture.service, &relations[RELATION_RSVP], "held", NULL);
    event_stream_close(&stream);
    one_target(target, &relations[RELATION_RSVP], "held");
    struct http_response *response = http_request(fixture.client, "GET", target, NULL);
    expect_problem(response, 429, "rate-limited");
    http_response_free(&response);
    fixture_restart_service(NULL);
}

/* Where counts are not open. The other one goes on. */
static void a_stream_ends_with_its_token(NO_STATE)
{
    enum { GOOD_FOR_S = 5, STREAMS = 2 };
    static const char secret[] = "0123456789abcdef0123456789abcdef";
    const struct relation *relation = &relations[RELATION_RSVP];
    struct token_key *key = token_key_of_secret(secret, sizeof secret - 1);
    struct event_stream *streams[STREAMS];
    fixture_restart_service(
        (const char *const[]){"AUTH_MODE=token", "AUTH_JWT_ALGORITHMS=HS256",
                              "AUTH_JWT_SECRET=0123456789abcdef0123456789abcdef",
                              "AUTH_JWT_LEEWAY_S=0", "AUTH_OPEN_COUNTS=false", NULL});
    for (int i = 0; i < STREAMS; i++) {
        char line[1024];
        char *token = token_for(key, "HS256", "u1", NULL, i == 0 ? 3600 : GOOD_FOR_S);
        snprintf(line, sizeof line, "Authorization: Bearer %s\r\n", token);
        free(token);
        streams[i] = open_one(fixture.service, relation, "token", line);
        assert_int_equal(next_told(streams[i], relation, "token").count, 0);
    }
    assert_true(event_stream_wait_end(streams[1], BOUND_MS));
    await_streams(1);
    assert_false(event_stream_wait_end(streams[0], 0));
    assert_true(streams[0]->fd >= 0);
    for (int i = 0; i < STREAMS; i++) {
        event_stream_close(&streams[i]);
    }
    token_key_destroy(&key);
    fixture_restart_service(NULL);
}

/* Whichever worker holds the stream. */
static void other_workers_tell(NO_STATE)
{
    enum { READERS = 8 };
    const struct relation *relation = &relations[RELATION_LIKE];
    struct event_stream *streams[READERS];
    for (int i = 0; i < READERS; i++) {
        streams[i] = open_one(fixture.service, relation, "workers", NULL);
        (void)next_told(streams[i], relation, "workers");
    }
    write_to(fixture.client, relation, "workers", "u1");
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(next_told(streams[i], relation, "workers").count, 1);
        event_stream_close(&streams[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RELATION_TESTS(a_count_is_told_at_once_and_when_it_changes),
        RELATION_TESTS(what_changes_often_is_told_once_a_second_and_the_last_always),
        RELATION_TESTS(who_comes_back_with_the_current_version_is_not_told_it_again),
        cmocka_unit_test(a_quiet_stream_has_comments),
        RELATION_TESTS(each_of_many_is_told_once),
        RELATION_TESTS(what_is_wrong_is_refused),
        cmocka_unit_test(more_than_a_hundred_are_refused),
        RELATION_TESTS(head_has_the_head_alone),
        cmocka_unit_test(http_1_0_gets_no_chunks),
        cmocka_unit_test(who_leaves_is_noticed),
        cmocka_unit_test(the_log_tells_how_long_a_stream_was_open),
        cmocka_unit_test(past_the_limit_streams_are_refused),
        cmocka_unit_test(streams_leave_room_for_requests),
        cmocka_unit_test(connections_leave_streams_alone),
        cmocka_unit_test(an_address_has_its_limit),
        cmocka_unit_test(a_drain_ends_streams_one_after_the_other),
        RELATION_TESTS(staleness_is_told_and_its_end),
        RELATION_TESTS(what_other_processes_commit_is_told),
        cmocka_unit_test_teardown(without_redis_it_is_told_as_well, fixture_heal),
        cmocka_unit_test(other_workers_tell),
        cmocka_unit_test(who_does_not_read_gets_the_last_one),
        cmocka_unit_test(streams_are_held_to_what_counts_are),
        cmocka_unit_test(a_stream_ends_with_its_token),
    };
    return cmocka_run_group_tests_name("streams", tests, fixture_setup, fixture_teardown);
}
