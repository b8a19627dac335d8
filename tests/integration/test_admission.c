/* Long random histories of events with settings: one request at a time against a model that knows
 * every answer, and many at once, watched at each commit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "admission_model.h"
#include "admission_watch.h"
#include "event.h"
#include "expect.h"
#include "http.h"
#include "load.h"
#include "load_event.h"
#include "load_relation.h"
#include "pair.h"
#include "process.h"
#include "relation.h"
#include "servers.h"
#include "test.h"

enum { ID_SIZE = 32, BODY_SIZE = LOAD_BODY_SIZE, RUN_BOUND_MS = 200000 };

static struct load *crowd;

static int drop_crowd(NO_STATE)
{
    load_destroy(&crowd);
    return 0;
}

static void name_user(char id[ID_SIZE], int user)
{
    /* Their order by name is not that of their numbers. */
    snprintf(id, ID_SIZE, "%c-user-%d", "qcxamzbk"[user % 8], user);
}

/* ---- settings ---- */

static const char *const opening_times[] = {
    [MODEL_NULL] = "null",
    [MODEL_PAST] = "\"2001-01-01T00:00:00.000Z\"",
    [MODEL_FUTURE] = "\"2998-01-01T00:00:00.000Z\"",
};
static const char *const closing_times[] = {
    [MODEL_NULL] = "null",
    [MODEL_PAST] = "\"2002-01-01T00:00:00.000Z\"",
    [MODEL_FUTURE] = "\"2999-01-01T00:00:00.000Z\"",
};

/* The four members, all of them. */
static void write_settings(char text[BODY_SIZE], const struct model_settings *settings)
{
    char capacity[32] = "null";
    if (settings->capacity >= 0) {
        snprintf(capacity, sizeof capacity, "%d", settings->capacity);
    }
    snprintf(text, BODY_SIZE, "\"capacity\":%s,\"waitlist\":%s,\"opens_at\":%s,\"closes_at\":%s",
             capacity, settings->waitlist ? "true" : "false", opening_times[settings->opens_at],
             closing_times[settings->closes_at]);
}

/* Mostly open, so that something happens. */
static enum model_time draw_time(struct load_random *random, enum model_time rare)
{
    static const enum model_time common[] = {MODEL_NULL, MODEL_PAST, MODEL_FUTURE};
    enum model_time drawn = common[load_random_below(random, LENGTH(common))];
    return drawn == rare && load_random_below(random, 3) > 0 ? MODEL_NULL : drawn;
}

static struct model_settings draw_settings(struct load_random *random, unsigned capacities)
{
    const unsigned capacity = load_random_below(random, capacities + 1);
    struct model_settings settings = {
        .capacity = capacity == capacities ? -1 : (int)capacity,
        .waitlist = load_random_below(random, 4) > 0,
        .opens_at = draw_time(random, MODEL_FUTURE),
        .closes_at = draw_time(random, MODEL_PAST),
    };
    if (settings.opens_at == MODEL_FUTURE && settings.closes_at == MODEL_PAST) {
        settings.closes_at = MODEL_FUTURE; /* a window that never opens is refused */
    }
    return settings;
}

/* ---- one after another ---- */

enum { USERS = 8, EVENTS = 3, STEPS = 1200, CAPACITIES = 6 };

/* As name_user() names them: q, c, x, a, m, z, b, k. */
static const int users_by_name[USERS] = {3, 6, 1, 7, 4, 0, 2, 5};

static struct model_event models[EVENTS];

static void name_event(char id[ID_SIZE], unsigned event)
{
    snprintf(id, ID_SIZE, "event-%u", event);
}

static void expect_answer(struct http_response *response, const char *id, const char *user,
                          const struct model_answer *answer)
{
    static const char *const words[] = {
        [MODEL_GOING] = "going", [MODEL_WAITLISTED] = "waitlisted", [MODEL_OUT] = "none"};
    switch (answer->verdict) {
    case MODEL_FULL:
        expect_problem(response, 409, "event-full");
        http_response_free(&response);
        break;
    case MODEL_CLOSED:
        expect_problem(response, 409, "rsvp-closed");
        http_response_free(&response);
        break;
    case MODEL_GOING:
    case MODEL_WAITLISTED:
    case MODEL_OUT:
        expect_event_write(response, id, user, .status = words[answer->verdict],
                           .changed = answer->changed, .count = answer->count,
                           .position = answer->position);
        break;
    }
}

static void expect_settings(struct http_response *response, const char *id,
                            const struct model_event *event)
{
    const struct model_settings *settings = &event->settings;
    const int left = settings->capacity - event->going;
    char text[BODY_SIZE];
    write_settings(text, settings);
    expect_event_settings(response, id, .settings = text, .count = event->going,
                          .waiting = event->waiting,
                          .remaining = settings->capacity < 0 ? -1
                                       : left > 0             ? left
                                                              : 0);
}

enum { LIST_SIZE = USERS * ID_SIZE };

static void append_user(char list[LIST_SIZE], int user)
{
    char id[ID_SIZE];
    const size_t used = strlen(list);
    name_user(id, user);
    snprintf(list + used, LIST_SIZE - used, "%s%s", used == 0 ? "" : " ", id);
}

/* Who is going, who waits, and the settings are as the model has them; so is what is said of one of
 * the users. */
static void compare_event(struct load_random *random, const char *id,
                          const struct model_event *event)
{
    char user[ID_SIZE], users[LIST_SIZE] = "", queue[LIST_SIZE] = "";
    expect_settings(event_request(pair_any_client(random), "GET", id, NULL), id, event);
    for (size_t i = 0; i < LENGTH(users_by_name); i++) {
        if (model_is_in(event, users_by_name[i])) {
            append_user(users, users_by_name[i]);
        }
    }
    expect_event_users(pair_any_client(random), id, users);
    for (int i = 0; i < event->waiting; i++) {
        append_user(queue, event->queue[i]);
    }
    expect_event_waitlist(pair_any_client(random), id, queue);
    const int any = (int)load_random_below(random, USERS);
    name_user(user, any);
    expect_event_user(pair_any_client(random), id, user,
                      model_is_in(event, any)          ? "going"
                      : model_position(event, any) > 0 ? "waitlisted"
                                                       : "none");
}

static void take_step(struct load_random *random, unsigned step)
{
    const unsigned number = load_random_below(random, EVENTS),
                   action = load_random_below(random, 100);
    const int user_number = (int)load_random_below(random, USERS);
    struct model_event *event = &models[number];
    struct http_client *client = pair_any_client(random);
    char id[ID_SIZE], user[ID_SIZE], text[BODY_SIZE], body[BODY_SIZE + 2];
    struct model_answer answer;
    name_event(id, number);
    name_user(user, user_number);
    if (action < 50) {
        process_note("step %u: POST %s %s", step, id, user);
        answer = model_join(event, user_number);
        expect_answer(event_write(client, "POST", id, user, NULL), id, user, &answer);
    } else if (action < 80) {
        process_note("step %u: DELETE %s %s", step, id, user);
        answer = model_leave(event, user_number);
        expect_answer(event_write(client, "DELETE", id, user, NULL), id, user, &answer);
    } else if (action < 97) {
        const struct model_settings settings = draw_settings(random, CAPACITIES);
        write_settings(text, &settings);
        snprintf(body, sizeof body, "{%s}", text);
        process_note("step %u: PUT %s %s", step, id, body);
        model_configure(event, &settings);
        expect_settings(event_request(client, "PUT", id, body), id, event);
    } else {
        process_note("step %u: DELETE %s", step, id);
        model_release(event);
        expect_settings(event_request(client, "DELETE", id, NULL), id, event);
    }
    compare_event(random, id, event);
    if (action >= 97) {
        expect_settings_stored(pair.database_url, id, false);
    }
}

static void every_answer_is_that_of_the_model(NO_STATE)
{
    struct load_random random = load_random_stream(0);
    for (unsigned i = 0; i < EVENTS; i++) {
        model_init(&models[i]);
    }
    for (unsigned step = 0; step < STEPS; step++) {
        take_step(&random, step);
    }
    for (unsigned i = 0; i < EVENTS; i++) {
        char id[ID_SIZE];
        name_event(id, i);
        compare_event(&random, id, &models[i]);
        expect_exact_count(pair.clients[i % PAIR_SIZE], &relations[RELATION_RSVP], id,
                           models[i].going);
        expect_settings_stored(pair.database_url, id, models[i].has_settings);
    }
    expect_admission_sound(pair.database_url);
    for (unsigned i = 0; i < EVENTS; i++) {
        model_free(&models[i]);
    }
}

/* ---- in one batch ---- */

enum { GATHERED_MAX = 16, RECEIVE_BOUND_MS = PROCESS_BOUND_MS };

/* Requests that wait at a service with one worker, behind one that waits for the event's counter,
 * so that the next batch has all of them. */
struct gathering {
    struct service *service;
    PGconn *holder; /* of the counter */
    const char *id;
    size_t size;
    struct http_raw *raw[GATHERED_MAX];
    const char *users[GATHERED_MAX];
};

/* The next one to arrive, of any event and with a key. */
static void gather_keyed(struct gathering *gathering, const char *method, const char *id,
                         const char *user, const char *key)
{
    char text[512];
    struct http_raw *raw = http_raw_connect(gathering->service->port);
    assert_non_null(raw);
    snprintf(text, sizeof text,
             "%s /v1/events/%s/rsvp?user_id=%s HTTP/1.1\r\nHost: test\r\n%s%s%s"
             "Content-Length: 0\r\n\r\n",
             method, id, user, key != NULL ? "Idempotency-Key: " : "", key != NULL ? key : "",
             key != NULL ? "\r\n" : "");
    assert_true(http_raw_send_text(raw, text));
    assert_true(gathering->size < GATHERED_MAX);
    gathering->raw[gathering->size] = raw;
    gathering->users[gathering->size++] = user;
    service_wait_queued(gathering->service, "writes", (long)gathering->size);
}

static void gather(struct gathering *gathering, const char *method, const char *user)
{
    gather_keyed(gathering, method, gathering->id, user, NULL);
}

/* So that the service knows of the settings. */
static void teach(const struct service *service, const char *id)
{
    struct http_client *client = http_client_create(service->port);
    struct http_response *response = event_write(client, "DELETE", id, "nobody", NULL);
    expect_status(response, 200);
    http_response_free(&response);
    http_client_destroy(&client);
}

/* Until the first request has gone and waits for the counter, as PostgreSQL tells. */
/* Requests are going to be of the event, or of the other one where it is not NULL. */
static struct gathering gathering_begin(const char *id, const char *other)
{
    static const char *const environment[] = {"REQUEST_DEADLINE_MS=15000", "WORKERS=1", NULL};
    struct gathering gathering = {.id = id};
    gathering.service = service_start(pair.database_url, redis_server_url(pair.redis), environment);
    teach(gathering.service, id);
    if (other != NULL) {
        teach(gathering.service, other);
    }
    gathering.holder = pg_session_begin(
        pair.database_url, "SELECT FROM rsvp_counters WHERE event_id = '%s' FOR UPDATE", id);
    gather(&gathering, "DELETE", "nobody"); /* goes alone, and waits for the counter */
    pg_await_lock_waiter(pair.database_url);
    return gathering;
}

/* Lets them go. */
static void gathering_release(struct gathering *gathering)
{
    pg_session_execute(gathering->holder, "ROLLBACK");
    PQfinish(gathering->holder);
}

static void expect_gathered(struct gathering *gathering, size_t place, const char *status,
                            bool changed, int64_t count, int64_t position)
{
    struct http_response *response = http_raw_receive(gathering->raw[place], RECEIVE_BOUND_MS);
    process_note("%s", gathering->users[place]);
    expect_event_write(response, gathering->id, gathering->users[place], .status = status,
                       .changed = changed, .count = count, .position = position);
}

static void gathering_end(struct gathering *gathering)
{
    for (size_t i = 0; i < gathering->size; i++) {
        http_raw_close(&gathering->raw[i]);
    }
    service_stop(&gathering->service);
}

static void seats_go_in_the_order_of_arrival(NO_STATE)
{
    static const char *const arrival[] = {"z", "m", "a", "q", "b", "y", "c"};
    event_put(pair.clients[0], "arrival", "{\"capacity\":3,\"waitlist\":true}");
    struct gathering gathering = gathering_begin("arrival", NULL);
    for (size_t i = 0; i < LENGTH(arrival); i++) {
        gather(&gathering, "POST", arrival[i]);
    }
    gathering_release(&gathering);
    expect_gathered(&gathering, 0, "none", false, 0, 0);
    for (size_t i = 0; i < LENGTH(arrival); i++) {
        expect_gathered(&gathering, i + 1, i < 3 ? "going" : "waitlisted", true, 3,
                        i < 3 ? 0 : (int64_t)i - 2);
    }
    expect_event_users(pair.clients[0], "arrival", "a m z");
    expect_event_waitlist(pair.clients[0], "arrival", "q b y c");
    gathering_end(&gathering);
    expect_admission_sound(pair.database_url);
}

/* Who leaves goes first, then who waited moves up, then the others come, in their order. */
static void batch_of_all_kinds_is_answered_exactly(NO_STATE)
{
    static const char *const present[] = {"m", "n", "w1", "w4", "w3", "w2"};
    event_put(pair.clients[0], "mixed", "{\"capacity\":2,\"waitlist\":true}");
    for (unsigned i = 0; i < LENGTH(present); i++) {
        event_do(pair.clients[0], "POST", "mixed", present[i],
                 .status = i < 2 ? "going" : "waitlisted", .changed = true,
                 .count = i < 2 ? i + 1 : 2, .position = i < 2 ? 0 : i - 1);
    }
    struct gathering gathering = gathering_begin("mixed", NULL);
    gather(&gathering, "POST", "w2");
    gather(&gathering, "POST", "new-b");
    gather(&gathering, "DELETE", "m");
    gather(&gathering, "POST", "w3");
    gather(&gathering, "POST", "w1");
    gather(&gathering, "DELETE", "w4");
    gather(&gathering, "POST", "n");
    gather(&gathering, "POST", "new-a");
    gather(&gathering, "DELETE", "stranger");
    gathering_release(&gathering);
    expect_gathered(&gathering, 1, "waitlisted", false, 2, 2);
    expect_gathered(&gathering, 2, "waitlisted", true, 2, 3);
    expect_gathered(&gathering, 3, "none", true, 2, 0);
    expect_gathered(&gathering, 4, "waitlisted", false, 2, 1);
    expect_gathered(&gathering, 5, "going", false, 2, 0);
    expect_gathered(&gathering, 6, "none", true, 2, 0);
    expect_gathered(&gathering, 7, "going", false, 2, 0);
    expect_gathered(&gathering, 8, "waitlisted", true, 2, 4);
    expect_gathered(&gathering, 9, "none", false, 2, 0);
    expect_event_users(pair.clients[0], "mixed", "n w1");
    expect_event_waitlist(pair.clients[0], "mixed", "w3 w2 new-b new-a");
    gathering_end(&gathering);
    expect_admission_sound(pair.database_url);
}

/* The key has no answer yet: who comes second must ask again, and is refused then. */
/* Two events that a shard of Citus has both, so that a batch has both. */
static void second_request_under_a_key_must_wait(NO_STATE)
{
    event_put(pair.clients[0], "keyed-1", "{\"capacity\":5}");
    event_put(pair.clients[0], "keyed-1223", "{\"capacity\":5}");
    struct gathering gathering = gathering_begin("keyed-1", "keyed-1223");
    gather_keyed(&gathering, "POST", "keyed-1223", "u", "k");
    gather_keyed(&gathering, "POST", "keyed-1", "u", "k");
    gather_keyed(&gathering, "POST", "keyed-1", "v", "k"); /* a key is its user's own */
    gathering_release(&gathering);
    struct http_response *response = http_raw_receive(gathering.raw[1], RECEIVE_BOUND_MS);
    expect_event_write(response, "keyed-1223", "u", .status = "going", .changed = true, .count = 1);
    response = http_raw_receive(gathering.raw[2], RECEIVE_BOUND_MS);
    expect_problem(response, 409, "request-in-flight");
    http_response_free(&response);
    expect_gathered(&gathering, 3, "going", true, 1, 0);
    response = event_write(pair.clients[0], "POST", "keyed-1", "u", "k");
    expect_problem(response, 422, "idempotency-key-reused");
    http_response_free(&response);
    expect_event_users(pair.clients[0], "keyed-1", "v");
    gathering_end(&gathering);
}

/* ---- many at once ---- */

enum {
    CLIENTS = 64,
    RIVALS = 24,    /* users that all clients write for */
    REQUESTS = 100, /* of each client */
    MANAGERS = 4,   /* clients that also change settings */
    KEYS = 6,       /* that a client uses again and again */
};

/* Each event has its own way to change. */
static const struct {
    const char *id;
    unsigned capacities; /* the capacity is below it; 0: always FIXED_CAPACITY */
    bool may_be_unlimited, may_be_released;
} crowded[] = {
    {"fixed", 0, false, false},
    {"shrinking", 10, false, false},
    {"anything", 10, true, true},
};
enum { FIXED_CAPACITY = 5 };

struct client {
    struct load_random random;
    bool manages;
    unsigned left;
    /* what is on its way */
    bool about_settings, join;
    unsigned event;
    char user[ID_SIZE];
    unsigned key; /* 0: none */
};

static void ask_for_change(struct client *client, uint16_t port, struct load_request *request)
{
    const unsigned event = client->event;
    char text[BODY_SIZE], body[BODY_SIZE + 2];
    const unsigned capacities = crowded[event].capacities;
    struct model_settings settings = draw_settings(&client->random, capacities);
    if (capacities == 0) {
        settings.capacity = FIXED_CAPACITY;
    } else if (settings.capacity < 0 && !crowded[event].may_be_unlimited) {
        settings.capacity = 0;
    }
    write_settings(text, &settings);
    snprintf(body, sizeof body, "{%s}", text);
    client->about_settings = true;
    const bool releases =
        crowded[event].may_be_released && load_random_below(&client->random, 5) == 0;
    load_ask_settings(request, port, crowded[event].id, releases ? NULL : body);
}

static enum load_step client_next(struct load *load, void *context, struct load_request *request)
{
    struct client *client = context;
    (void)load;
    if (client->left == 0) {
        return LOAD_DONE;
    }
    client->left--;
    const uint16_t port = pair_any_port(&client->random);
    client->event = load_random_below(&client->random, LENGTH(crowded));
    client->about_settings = false;
    if (client->manages && load_random_below(&client->random, 2) == 0) {
        ask_for_change(client, port, request);
        return LOAD_SEND;
    }
    client->join = load_random_below(&client->random, 100) < 65;
    client->key = load_random_below(&client->random, 3) == 0
                      ? 1 + load_random_below(&client->random, KEYS)
                      : 0;
    name_user(client->user, (int)load_random_below(&client->random, RIVALS));
    load_ask_write(request, port, &relations[RELATION_RSVP], client->join,
                   crowded[client->event].id, client->user);
    if (client->key > 0) { /* likely with other requests of this user as well */
        snprintf(request->key, sizeof request->key, "key-%u", client->key);
    }
    return LOAD_SEND;
}

static void client_answer(const struct load_exchange *exchange, void *context)
{
    const struct client *client = context;
    if (client->about_settings) {
        if (exchange->answer->status != 200) {
            load_exchange_violation(exchange, "settings are taken");
        }
        return;
    }
    const struct load_event_write write =
        load_read_event_write(exchange, client->join, crowded[client->event].id, client->user);
    const bool about_key =
        write.verdict == VERDICT_IN_FLIGHT || write.verdict == VERDICT_KEY_REUSED;
    if (client->key == 0 && (about_key || exchange->answer->replayed)) {
        load_exchange_violation(exchange, "it had no key");
    } else if (crowded[client->event].capacities == 0 && write.count > FIXED_CAPACITY) {
        load_exchange_violation(exchange, "the capacity is %d", FIXED_CAPACITY);
    } else if (write.position > RIVALS) {
        load_exchange_violation(exchange, "there are only %d users", RIVALS);
    }
}

static void rules_hold_at_every_commit(NO_STATE)
{
    static const struct load_behaviour behaviour = {client_next, client_answer};
    static struct client clients[CLIENTS];
    event_put(pair.clients[0], crowded[0].id, "{\"capacity\":5,\"waitlist\":true}");
    crowd = load_create();
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){
            .random = load_random_stream(100 + i), .manages = i < MANAGERS, .left = REQUESTS};
        load_add_client(crowd, &behaviour, &clients[i]);
    }
    load_start(crowd);
    /* From outside as well; on Citus workers do not look at one moment. */
    while (citus_url() == NULL && !load_is_done(crowd)) {
        expect_admission_sound(pair.database_url);
        process_nap();
    }
    load_await_done(crowd, RUN_BOUND_MS);
    expect_admission_sound(pair.database_url);
    expect_counters_equal_rows(pair.database_url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_is_that_of_the_model),
        cmocka_unit_test(seats_go_in_the_order_of_arrival),
        cmocka_unit_test(batch_of_all_kinds_is_answered_exactly),
        cmocka_unit_test(second_request_under_a_key_must_wait),
        cmocka_unit_test_teardown(rules_hold_at_every_commit, drop_crowd),
    };
    load_seed();
    return cmocka_run_group_tests(tests, admission_watch_pair, pair_teardown);
}
