/* Far more users than seats, all at once, over two services. In the middle each of these is killed
 * once, sessions are ended, and PostgreSQL crashes. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stdatomic.h>

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
#include "test.h"

enum {
    SEATS = 100,
    CLIENTS = 500,
    USERS_OF_CLIENT = 4,
    USERS = CLIENTS * USERS_OF_CLIENT,
    WRITES_MAX = 4, /* of each user */
    TRIES_MAX = 10000,
    WAITS_AFTER_FAILURE = 20, /* turns of a millisecond or more */
    WRITES_BETWEEN_BLOWS = 600,
    UNANSWERED_AT_A_BLOW = 450,
    RUN_BOUND_MS = 200000,
};

#define EVENT "stampede"

static struct load *crowd;

/* Of the two services. That of one that was killed is the old one until it is started again. */
static atomic_uint_least16_t ports[PAIR_SIZE];

/* ---- users ---- */

/* What the user knows: each write is sent until it is answered, always under its own key. */
enum knowledge { OUT, WAITS, GOING };

struct user {
    char name[32];
    unsigned writes;        /* it makes in all */
    bool joins[WRITES_MAX]; /* POST, or DELETE */
    unsigned answered;
    enum knowledge knowledge;
    int64_t position; /* the last answered one, while it waits */
    /* Around the POST that put it on the list. */
    int64_t queued_sent_us, queued_answered_us;
};

static struct user users[USERS];

struct client {
    struct load_random random;
    struct user *own; /* USERS_OF_CLIENT of them */
    unsigned waits_left;
    /* what is on its way, and is sent again until it is answered */
    struct user *user; /* NULL: nothing */
    int64_t first_sent_us;
    unsigned tries;
};

static struct client clients[CLIENTS];

/* However long a blow takes, there is work left for the next one: so many writes may be begun. */
static atomic_uint begin_max, answered;
static unsigned begun;

/* Seven in ten come once, the others change their minds; some ask again. */
static void make_plan(struct user *user, struct load_random *random)
{
    static const struct {
        unsigned parts, writes;
        bool joins[WRITES_MAX];
    } plans[] = {
        {50, 1, {true}},        {20, 3, {true, true, true}}, /* asks for its place */
        {15, 2, {true, false}}, {10, 3, {true, false, true}}, {5, 4, {true, true, false, true}},
    };
    unsigned drawn = load_random_below(random, 100);
    size_t i = 0;
    while (drawn >= plans[i].parts) {
        drawn -= plans[i++].parts;
    }
    user->writes = plans[i].writes;
    memcpy(user->joins, plans[i].joins, sizeof user->joins);
}

static bool wants_in(const struct user *user)
{
    return user->joins[user->writes - 1];
}

/* ---- clients ---- */

/* Any of its users that has something left to do; NULL when all are done. */
static struct user *choose_user(struct client *client)
{
    const unsigned drawn = load_random_below(&client->random, USERS_OF_CLIENT);
    for (unsigned i = 0; i < USERS_OF_CLIENT; i++) {
        struct user *user = &client->own[(drawn + i) % USERS_OF_CLIENT];
        if (user->answered < user->writes) {
            return user;
        }
    }
    return NULL;
}

static enum load_step client_next(struct load *load, void *context, struct load_request *request)
{
    struct client *client = context;
    (void)load;
    if (client->waits_left > 0) {
        client->waits_left--;
        return LOAD_WAIT;
    }
    if (client->user == NULL && choose_user(client) != NULL) {
        if (begun == atomic_load(&begin_max)) {
            return LOAD_WAIT;
        }
        begun++;
        client->user = choose_user(client);
        client->first_sent_us = load_now_us();
        client->tries = 0;
    }
    if (client->user == NULL) {
        return LOAD_DONE;
    }
    const struct user *user = client->user;
    load_ask_write(request, atomic_load(&ports[load_random_below(&client->random, PAIR_SIZE)]),
                   &relations[RELATION_RSVP], user->joins[user->answered], EVENT, user->name);
    snprintf(request->key, sizeof request->key, "write-%u", user->answered);
    client->tries++;
    return LOAD_SEND;
}

/* What is answered may be a repeat's: it is the answer to the first that arrived. */
static void take_join(const struct load_exchange *exchange, const struct client *client,
                      const struct load_event_write *write)
{
    struct user *user = client->user;
    if (write->verdict != VERDICT_GOING && write->verdict != VERDICT_WAITS) {
        load_exchange_violation(exchange, "there is a waiting list");
    } else if (write->changed != (user->knowledge == OUT)) {
        load_exchange_violation(exchange, "the user was %s before",
                                user->knowledge == OUT ? "out" : "in or waiting");
    } else if (user->knowledge == GOING && write->verdict == VERDICT_WAITS) {
        load_exchange_violation(exchange, "the user had a seat");
    } else if (user->knowledge == WAITS && write->position > user->position) {
        load_exchange_violation(exchange, "the user was number %lld before",
                                (long long)user->position);
    }
    if (user->knowledge == OUT) {
        user->queued_sent_us = client->first_sent_us;
        user->queued_answered_us = exchange->answer->received_us;
    }
    user->knowledge = write->verdict == VERDICT_GOING ? GOING : WAITS;
    user->position = write->position;
}

static void client_answer(const struct load_exchange *exchange, void *context)
{
    struct client *client = context;
    struct user *user = client->user;
    const bool join = user->joins[user->answered];
    if (exchange->answer->status == 0 || load_read_refusal(exchange->answer) != REFUSAL_NONE) {
        client->waits_left = WAITS_AFTER_FAILURE;
        if (client->tries > TRIES_MAX) {
            load_exchange_violation(exchange, "nobody answers");
        }
        return;
    }
    const struct load_event_write write = load_read_event_write(exchange, join, EVENT, user->name);
    if (write.count > SEATS) {
        load_exchange_violation(exchange, "there are %d seats", SEATS);
    } else if (join) {
        take_join(exchange, client, &write);
    } else {
        if (write.verdict != VERDICT_OUT || !write.changed) {
            load_exchange_violation(exchange, "the user was in or waiting");
        }
        user->knowledge = OUT;
    }
    user->answered++;
    client->user = NULL;
    atomic_fetch_add(&answered, 1);
}

/* ---- the end ---- */

static struct user *find_user(const char *name)
{
    unsigned number = USERS;
    char again[32] = "";
    if (sscanf(name, "user-%u", &number) == 1 && number < USERS) {
        snprintf(again, sizeof again, "%s", users[number].name);
    }
    if (strcmp(again, name) != 0) {
        process_fail("%s is none of the users", name);
    }
    return &users[number];
}

/* All that wait, in their order; answers how many. */
static size_t read_waiting(struct user *waiting[USERS])
{
    char target[2048] = "/v1/events/" EVENT "/waitlist?page_size=1000";
    size_t size = 0;
    bool more = true;
    while (more) {
        size_t i;
        const json_t *line;
        struct http_response *response = http_request(pair.clients[0], "GET", target, NULL);
        expect_status(response, 200);
        json_array_foreach(json_object_get(response->json, "users"), i, line)
        {
            assert_true(size < USERS);
            waiting[size++] = find_user(json_string_value(json_object_get(line, "user_id")));
        }
        const char *link = http_header(response, "Link");
        more = link != NULL;
        if (more) {
            assert_int_equal(sscanf(link, "<%2047[^>]>", target), 1);
        }
        http_response_free(&response);
    }
    return size;
}

/* Nobody is further back than was answered, and whoever had an answer before another one even asked
 * is in front of that one. */
static void expect_consistent_order(struct user *const waiting[USERS], size_t size)
{
    int64_t earliest_answer_behind_us = INT64_MAX;
    for (size_t i = size; i-- > 0;) {
        const struct user *user = waiting[i];
        if (user->knowledge != WAITS || user->position < (int64_t)i + 1) {
            process_fail("%s is number %zu, and was number %lld", user->name, i + 1,
                         (long long)user->position);
        }
        if (user->queued_sent_us > earliest_answer_behind_us) {
            process_fail("somebody behind %s was there first", user->name);
        }
        if (user->queued_answered_us < earliest_answer_behind_us) {
            earliest_answer_behind_us = user->queued_answered_us;
        }
    }
}

/* Every user that wants in is in or waits, once; nobody else. */
static void expect_everybody_is_where_they_want(struct user *const waiting[USERS], size_t size)
{
    static unsigned seen[USERS];
    char *names = NULL;
    size_t names_size = 0;
    int64_t wanting = 0;
    FILE *stream = open_memstream(&names, &names_size);
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(seen[waiting[i] - users]++, 0);
        if (!wants_in(waiting[i])) {
            process_fail("%s waits, but left", waiting[i]->name);
        }
    }
    for (size_t i = 0; i < USERS; i++) {
        wanting += wants_in(&users[i]);
        if (wants_in(&users[i]) && seen[i] == 0) { /* then it must be in */
            fprintf(stream, ",'%s'", users[i].name);
        }
    }
    fclose(stream);
    assert_int_equal(wanting, SEATS + (int64_t)size);
    assert_int_equal(pg_query_int64(pair.database_url,
                                    "SELECT count(*) FROM rsvps WHERE event_id = '" EVENT
                                    "' AND user_id = ANY (ARRAY[''%s])",
                                    names),
                     SEATS);
    assert_int_equal(pg_query_int64(pair.database_url,
                                    "SELECT count(*) FROM rsvps WHERE event_id = '" EVENT "'"),
                     SEATS);
    free(names);
}

/* ---- the test ---- */

/* Lets so many more writes begin, and waits until some of them are left unanswered. */
static void await_answers(void)
{
    const int64_t give_up_ms = process_now_ms() + RUN_BOUND_MS;
    const unsigned allowed = atomic_fetch_add(&begin_max, WRITES_BETWEEN_BLOWS);
    const unsigned wanted = allowed + WRITES_BETWEEN_BLOWS - UNANSWERED_AT_A_BLOW;
    while (atomic_load(&answered) < wanted) {
        if (load_is_done(crowd)) {
            load_finish(crowd);
        }
        assert_true(!load_is_done(crowd) && process_now_ms() < give_up_ms);
        process_nap();
    }
}

static void end_sessions(void)
{
    assert_true(pg_query_int64(pair.database_url,
                               "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid))"
                               " FROM pg_stat_activity WHERE datname = current_database()"
                               " AND pid <> pg_backend_pid()"
                               " AND backend_type = 'client backend'") > 0);
}

static void crash_postgres(void)
{
    pg_server_stop_immediate(pair.pg);
    pg_server_start(pair.pg);
    expect_admission_sound(pair.database_url);
}

static void kill_and_start(unsigned index)
{
    expect_admission_sound(pair.database_url);
    pair_kill(index);
    expect_admission_sound(pair.database_url);
    pair_start(index);
    atomic_store(&ports[index], pair.services[index]->port);
}

static void start_clients(void)
{
    static const struct load_behaviour behaviour = {client_next, client_answer};
    crowd = load_create();
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] =
            (struct client){.random = load_random_stream(i), .own = &users[i * USERS_OF_CLIENT]};
        load_add_client(crowd, &behaviour, &clients[i]);
    }
    for (unsigned i = 0; i < PAIR_SIZE; i++) {
        atomic_store(&ports[i], pair.services[i]->port);
    }
    load_start(crowd);
}

static void seats_go_to_who_came_first_whatever_dies(NO_STATE)
{
    static struct user *waiting[USERS];
    struct load_random random = load_random_stream(10000);
    for (unsigned i = 0; i < USERS; i++) {
        users[i] = (struct user){.answered = 0};
        snprintf(users[i].name, sizeof users[i].name, "user-%u", i);
        make_plan(&users[i], &random);
    }
    event_put(pair.clients[0], EVENT, "{\"capacity\":100,\"waitlist\":true}");
    start_clients();
    await_answers();
    kill_and_start(1);
    await_answers();
    end_sessions();
    await_answers();
    kill_and_start(0);
    await_answers();
    crash_postgres();
    atomic_store(&begin_max, UINT_MAX);
    while (!load_is_done(crowd)) {
        expect_admission_sound(pair.database_url);
        process_nap();
    }
    load_await_done(crowd, RUN_BOUND_MS);
    const size_t size = read_waiting(waiting);
    expect_everybody_is_where_they_want(waiting, size);
    expect_consistent_order(waiting, size);
    expect_event(pair.clients[1], EVENT,
                 .settings =
                     "\"capacity\":100,\"waitlist\":true,\"opens_at\":null,\"closes_at\":null",
                 .count = SEATS, .waiting = (int64_t)size);
    /* And in the end there is room for all. */
    event_release(pair.clients[0], EVENT);
    expect_exact_count(pair.clients[1], &relations[RELATION_RSVP], EVENT, SEATS + (int64_t)size);
    expect_event_waitlist(pair.clients[1], EVENT, "");
    expect_counters_equal_rows(pair.database_url);
    expect_admission_sound(pair.database_url);
}

static int drop_crowd(NO_STATE)
{
    load_destroy(&crowd);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(seats_go_to_who_came_first_whatever_dies, drop_crowd),
    };
    load_seed();
    return cmocka_run_group_tests(tests, admission_watch_pair, pair_teardown);
}
