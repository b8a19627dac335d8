/* Several workers of one process: what one of them has told, none of them takes back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "fixture.h"
#include "http.h"
#include "load.h"
#include "load_relation.h"
#include "relation.h"
#include "test.h"

enum {
    CONNECTIONS = 16, /* which the kernel spreads over the workers */
    USERS = 20,
    ID_SIZE = 32,
    TARGET_SIZE = 256,
    READERS = 24,
    WRITERS = 4,
    STEPS = 6000,
    STEP_BOUND_MS = 60000,
};

static const char *const four_workers[] = {"WORKERS=4", "REQUEST_DEADLINE_MS=10000", NULL};

static struct http_client *clients[CONNECTIONS];
static struct service *other; /* another process on the same stores */
static struct load *crowd;

static int set_up(void **state)
{
    if (fixture_setup_servers(state) != 0) {
        return -1;
    }
    fixture_restart_service(four_workers);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        clients[i] = http_client_create(fixture.service->port);
    }
    return 0;
}

static int tear_down(void **state)
{
    for (size_t i = 0; i < CONNECTIONS; i++) {
        http_client_destroy(&clients[i]);
    }
    return fixture_teardown(state);
}

static int heal(void **state)
{
    load_destroy(&crowd);
    service_discard(&other);
    return fixture_heal(state);
}

/* ---- one after the other ---- */

/* The count as a connection is told it, alone or with others. */
static void expect_told(struct http_client *client, const struct relation *relation, const char *id,
                        int64_t count)
{
    char target[TARGET_SIZE];
    struct http_response *response = relation_get_count(client, relation, id, "");
    expect_count(response, relation->id_member, id, relation->count_member, count);
    http_response_free(&response);
    snprintf(target, sizeof target, "/v1/%s_counts?%s=%s", relation->action, relation->id_member,
             id);
    response = http_request(client, "GET", target, NULL);
    expect_status(response, 200);
    const json_t *first = json_array_get(json_object_get(response->json, "counts"), 0);
    assert_int_equal(json_integer_value(json_object_get(first, relation->count_member)), count);
    http_response_free(&response);
}

/* Every connection's own write is at once told to all the others, which knew an older count. */
static void test_a_write_is_told_over_every_worker(void **state)
{
    const struct relation *relation = *state;
    char user[ID_SIZE];
    expect_told(clients[0], relation, "one", 0);
    for (unsigned i = 0; i < USERS; i++) {
        snprintf(user, sizeof user, "u%u", i);
        expect_write(relation,
                     relation_write(clients[i % CONNECTIONS], relation, "POST", "one", user),
                     .status = 201, .id = "one", .user = user, .is_in = true, .changed = true,
                     .count = i + 1);
        for (size_t j = 0; j < CONNECTIONS; j++) {
            expect_told(clients[j], relation, "one", i + 1);
        }
    }
    for (unsigned i = 0; i < USERS; i++) {
        snprintf(user, sizeof user, "u%u", i);
        expect_write(relation,
                     relation_write(clients[i % CONNECTIONS], relation, "DELETE", "one", user),
                     .status = 200, .id = "one", .user = user, .is_in = false, .changed = true,
                     .count = USERS - i - 1);
        for (size_t j = 0; j < CONNECTIONS; j++) {
            expect_told(clients[j], relation, "one", USERS - i - 1);
        }
    }
}

/* Settings tell a count, too: what another process has changed, and nobody here has heard of. */
static void test_what_settings_tell_is_not_taken_back(NO_STATE)
{
    const struct relation *relation = &relations[RELATION_RSVP];
    other = service_start(fixture.database_url, NULL, NULL); /* it tells Redis nothing */
    struct http_client *there = http_client_create(other->port);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        expect_told(clients[i], relation, "told", 0);
    }
    struct http_response *response = relation_write(there, relation, "POST", "told", "u");
    expect_status(response, 201);
    http_response_free(&response);
    response = http_request(clients[0], "GET", "/v1/events/told", NULL);
    expect_status(response, 200);
    assert_int_equal(json_integer_value(json_object_get(response->json, "rsvp_count")), 1);
    http_response_free(&response);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        expect_told(clients[i], relation, "told", 1);
    }
    http_client_destroy(&there);
    service_stop(&other);
}

/* ---- many at once ---- */

/* An event that only grows, and the largest count of it that the process has told anybody. */
struct growth {
    const char *event;
    int64_t told;
    unsigned users;
};
static struct growth growths[] = {{.event = "grows"}, {.event = "grows-too"}};

struct client {
    const struct service *service;
    struct growth *growth;
    int64_t told_before; /* when it asked */
    unsigned asked;
    char user[ID_SIZE];
};
static struct client readers[READERS], writers[WRITERS];

static const struct relation *const likes = &relations[RELATION_LIKE];

static void note_told(const struct client *client, int64_t count)
{
    if (client->service == fixture.service && count > client->growth->told) {
        client->growth->told = count;
    }
}

static enum load_step writer_next(struct load *load, void *client, struct load_request *request)
{
    struct client *writer = client;
    (void)load;
    snprintf(writer->user, sizeof writer->user, "u%u", writer->growth->users++);
    load_ask_write(request, writer->service->port, likes, true, writer->growth->event,
                   writer->user);
    return LOAD_SEND;
}

static void writer_answer(const struct load_exchange *exchange, void *client)
{
    const struct client *writer = client;
    struct load_write write;
    if (load_read_write(exchange, likes, true, writer->growth->event, writer->user, &write)) {
        note_told(writer, write.count);
    }
}

/* Now and then it wants a count that nobody knows yet. */
static enum load_step reader_next(struct load *load, void *client, struct load_request *request)
{
    struct client *reader = client;
    (void)load;
    reader->told_before = reader->growth->told;
    load_ask_count(request, reader->service->port, likes, reader->growth->event,
                   reader->asked++ % 50 == 0 ? 0 : -1);
    return LOAD_SEND;
}

static void reader_answer(const struct load_exchange *exchange, void *client)
{
    const struct client *reader = client;
    struct load_count count;
    load_note_progress(exchange->load);
    if (!load_read_count(exchange, likes, reader->growth->event, &count)) {
        return;
    }
    if (count.count < reader->told_before) {
        load_exchange_violation(exchange, "the process had told %lld before it was asked",
                                (long long)reader->told_before);
    }
    note_told(reader, count.count);
}

/* Half of the writes are this process's own, of the others it hears from Redis and PostgreSQL. */
static void test_no_count_goes_back_over_any_worker(NO_STATE)
{
    static const struct load_behaviour writing = {writer_next, writer_answer};
    static const struct load_behaviour reading = {reader_next, reader_answer};
    other = service_start(fixture.database_url, redis_server_url(fixture.redis), four_workers);
    crowd = load_create();
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct client){.service = i % 2 == 0 ? fixture.service : other,
                                     .growth = &growths[i / 2 % LENGTH(growths)]};
        load_add_client(crowd, &writing, &writers[i]);
    }
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = (struct client){
            .service = fixture.service, .growth = &growths[i % LENGTH(growths)], .asked = i};
        load_add_client(crowd, &reading, &readers[i]);
    }
    load_start(crowd);
    load_await_progress(crowd, STEPS, STEP_BOUND_MS);
    load_finish(crowd);
    for (size_t i = 0; i < LENGTH(growths); i++) {
        print_message("%s: %lld told\n", growths[i].event, (long long)growths[i].told);
        assert_true(growths[i].told > 1);
    }
    service_stop(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RELATION_TESTS(test_a_write_is_told_over_every_worker),
        cmocka_unit_test_teardown(test_what_settings_tell_is_not_taken_back, heal),
        cmocka_unit_test_teardown(test_no_count_goes_back_over_any_worker, heal),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
