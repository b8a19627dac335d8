/* What was acknowledged stays, whichever process dies. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "http.h"
#include "load.h"
#include "load_relation.h"
#include "process.h"
#include "servers.h"
#include "service.h"
#include "test.h"

enum {
    CLIENTS = 32,
    USERS = 3, /* of each client */
    THINGS = 4,
    PAIRS = RELATION_COUNT * THINGS * USERS, /* of each client */
    ID_SIZE = 32,
    STEP_BOUND_MS = 60000,
    /* between two disturbances, in acknowledged writes of all clients */
    WRITES_BEFORE = 400,
    WRITES_AFTER = 400,
    WRITES_BETWEEN_TERMINATIONS = 100,
    KILL_ROUNDS = 5,
    RESTART_ROUNDS = 3,
    TERMINATIONS = 50,
};

static struct pg_server *postgres;
static struct redis_server *redis;
static char *database_url;
static struct service *service;
static uint16_t port; /* of the service; does not change while clients run */
static struct load *crowd;
static bool commits_hang;

static int set_up_servers(NO_STATE)
{
    postgres = pg_server_create();
    redis = redis_server_create();
    return 0;
}

static int tear_down_servers(NO_STATE)
{
    redis_server_destroy(&redis);
    pg_server_destroy(&postgres);
    return 0;
}

static void start_service(const char *const *environment)
{
    service = service_start(database_url, redis_server_url(redis), environment);
    port = service->port;
}

/* ---- writers ---- */

/* What a writer knows about a pair that it alone writes. */
enum knowledge {
    KNOWN_OUT,
    KNOWN_IN,
    UNKNOWN, /* a write got no answer, or one that leaves it open, and no later one was acknowledged
              */
};

struct pair {
    unsigned relation;
    enum knowledge knowledge;
    char thing[ID_SIZE];
    char user[ID_SIZE];
};

struct writer {
    struct load_random random;
    struct pair pairs[PAIRS];
    bool service_died; /* a request got no answer */
    unsigned verified; /* pairs compared with the service's answers after a round */
    /* what is on its way */
    struct pair *pair;
    bool reads;
    bool join;
};

static struct writer writers[CLIENTS];

/* What may happen to a request apart from success. */
static struct {
    bool death;   /* no answer: the service was killed */
    bool refusal; /* 503 or 504: Postgres was out of reach */
} allowed;

static void name_pairs(struct writer *writer, unsigned number)
{
    for (unsigned i = 0; i < PAIRS; i++) {
        struct pair *pair = &writer->pairs[i];
        pair->relation = i / (THINGS * USERS);
        snprintf(pair->thing, ID_SIZE, "thing-%u", i / USERS % THINGS);
        snprintf(pair->user, ID_SIZE, "user-%u.%u", number, i % USERS);
    }
}

static void set_up_with(const char *const *environment)
{
    redis_server_flush(redis);
    database_url = pg_fresh_database(postgres, "durability");
    service_migrate(database_url);
    start_service(environment);
    memset(&allowed, 0, sizeof allowed);
    for (unsigned i = 0; i < CLIENTS; i++) {
        writers[i] = (struct writer){.random = load_random_stream(i)};
        name_pairs(&writers[i], i);
    }
}

static int set_up(NO_STATE)
{
    set_up_with(NULL);
    return 0;
}

/* For writes whose deadline passes. */
static int set_up_hurried(NO_STATE)
{
    set_up_with((const char *const[]){"REQUEST_DEADLINE_MS=2000", NULL});
    return 0;
}

/* Commits wait for a standby that does not exist; what they did is seen by nobody meanwhile. */
static void set_commits_hang(bool hang)
{
    pg_execute(database_url, "ALTER SYSTEM SET synchronous_standby_names = '%s'",
               hang ? "nobody" : "");
    pg_execute(database_url, "SELECT pg_reload_conf()");
    commits_hang = hang;
}

static int tear_down(NO_STATE)
{
    if (commits_hang) { /* the test failed meanwhile */
        set_commits_hang(false);
    }
    load_destroy(&crowd);
    service_discard(&service);
    free(database_url);
    database_url = NULL;
    return 0;
}

static void ask_about_pair(const struct writer *writer, struct load_request *request)
{
    const struct pair *pair = writer->pair;
    const struct relation *relation = &relations[pair->relation];
    if (writer->reads) {
        load_ask_member(request, port, relation, pair->thing, pair->user);
    } else {
        load_ask_write(request, port, relation, writer->join, pair->thing, pair->user);
    }
}

static enum load_step writer_next(struct load *load, void *client, struct load_request *request)
{
    struct writer *writer = client;
    (void)load;
    if (writer->service_died) {
        return LOAD_DONE;
    }
    writer->pair = &writer->pairs[load_random_below(&writer->random, PAIRS)];
    writer->reads = load_random_below(&writer->random, 5) == 0;
    writer->join = load_random_below(&writer->random, 2) == 0;
    ask_about_pair(writer, request);
    return LOAD_SEND;
}

static void take_membership(const struct load_exchange *exchange, const struct writer *writer)
{
    const struct pair *pair = writer->pair;
    bool is_in;
    if (load_read_member(exchange, &relations[pair->relation], pair->thing, pair->user, &is_in) &&
        pair->knowledge != UNKNOWN && is_in != (pair->knowledge == KNOWN_IN)) {
        load_exchange_violation(exchange, "the last acknowledged write says otherwise");
    }
}

static void take_acknowledgement(const struct load_exchange *exchange, const struct writer *writer)
{
    struct pair *pair = writer->pair;
    struct load_write write;
    if (!load_read_write(exchange, &relations[pair->relation], writer->join, pair->thing,
                         pair->user, &write)) {
        return;
    }
    /* A write that the service sent a second time, because the connection broke under the first,
     * may find its own work done. It can never change what was so already. */
    const bool was_in = pair->knowledge == KNOWN_IN;
    const bool must_change = was_in != writer->join && !allowed.refusal;
    const bool may_change = was_in != writer->join;
    if (pair->knowledge != UNKNOWN &&
        ((must_change && !write.changed) || (write.changed && !may_change))) {
        load_exchange_violation(exchange, "the user was %s before", was_in ? "in" : "out");
    }
    pair->knowledge = writer->join ? KNOWN_IN : KNOWN_OUT;
    load_note_progress(exchange->load);
}

static void writer_answer(const struct load_exchange *exchange, void *client)
{
    struct writer *writer = client;
    const enum load_refusal refusal = load_read_refusal(exchange->answer);
    if (allowed.death && exchange->answer->status == 0) {
        writer->service_died = true;
        writer->pair->knowledge = writer->reads ? writer->pair->knowledge : UNKNOWN;
    } else if (allowed.refusal && refusal == REFUSAL_UNKNOWN && !writer->reads) {
        writer->pair->knowledge = UNKNOWN;
    } else if (allowed.refusal && refusal == REFUSAL_UNDONE) {
        return; /* what was known stays known */
    } else if (writer->reads) {
        take_membership(exchange, writer);
    } else {
        take_acknowledgement(exchange, writer);
    }
}

static void start_clients(const struct load_behaviour *behaviour)
{
    load_destroy(&crowd);
    crowd = load_create();
    for (size_t i = 0; i < CLIENTS; i++) {
        load_add_client(crowd, behaviour, &writers[i]);
    }
    load_start(crowd);
}

static void start_writing(void)
{
    static const struct load_behaviour writing = {writer_next, writer_answer};
    for (size_t i = 0; i < CLIENTS; i++) {
        writers[i].service_died = false;
    }
    start_clients(&writing);
}

/* ---- verifying ---- */

static enum load_step verifier_next(struct load *load, void *client, struct load_request *request)
{
    struct writer *writer = client;
    (void)load;
    if (writer->verified == PAIRS) {
        return LOAD_DONE;
    }
    writer->pair = &writer->pairs[writer->verified++];
    writer->reads = true;
    ask_about_pair(writer, request);
    return LOAD_SEND;
}

/* Compares, and learns what was not known. Asks again where the service is still recovering. */
static void verifier_answer(const struct load_exchange *exchange, void *client)
{
    struct writer *writer = client;
    struct pair *pair = writer->pair;
    bool is_in;
    if (allowed.refusal && load_read_refusal(exchange->answer) == REFUSAL_UNDONE) {
        writer->verified--;
        return;
    }
    take_membership(exchange, writer);
    if (load_read_member(exchange, &relations[pair->relation], pair->thing, pair->user, &is_in)) {
        pair->knowledge = is_in ? KNOWN_IN : KNOWN_OUT;
    }
}

/* How many pairs of the relation have this knowledge; each is written as one more element of an SQL
 * array. */
static int64_t list_pairs(unsigned relation, enum knowledge knowledge, FILE *array)
{
    int64_t count = 0;
    for (size_t i = 0; i < CLIENTS; i++) {
        for (size_t j = 0; j < PAIRS; j++) {
            const struct pair *pair = &writers[i].pairs[j];
            if (pair->relation == relation && pair->knowledge == knowledge) {
                fprintf(array, ",'%s %s'", pair->thing, pair->user);
                count++;
            }
        }
    }
    return count;
}

/* The pairs of the relation that are in the database, out of those with this knowledge. */
static void expect_rows(unsigned relation_index, enum knowledge knowledge, bool expect_all)
{
    const struct relation *relation = &relations[relation_index];
    char *array = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&array, &size);
    const int64_t listed = list_pairs(relation_index, knowledge, stream);
    fclose(stream);
    assert_int_equal(
        pg_query_int64(database_url,
                       "SELECT count(*) FROM %s WHERE %s || ' ' || user_id = ANY (ARRAY[''%s])",
                       relation->table, relation->id_member, array),
        expect_all ? listed : 0);
    free(array);
}

/* What is known is in the database, counters equal rows, and the service says the same. */
static void expect_nothing_lost(void)
{
    static const struct load_behaviour verifying = {verifier_next, verifier_answer};
    for (unsigned i = 0; i < RELATION_COUNT; i++) {
        expect_rows(i, KNOWN_IN, true);
        expect_rows(i, KNOWN_OUT, false);
    }
    expect_counters_equal_rows(database_url);
    for (size_t i = 0; i < CLIENTS; i++) {
        writers[i].verified = 0;
    }
    start_clients(&verifying);
    load_await_done(crowd, STEP_BOUND_MS);
}

/* ---- the tests ---- */

#define OTHER_SESSIONS                                                                             \
    " FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"        \
    " AND backend_type = 'client backend'"

static void acknowledged_writes_survive_kill_9_of_the_service(NO_STATE)
{
    allowed.death = true;
    service_stop(&service);
    start_service(NULL);
    for (unsigned round = 0; round < KILL_ROUNDS; round++) {
        start_writing();
        load_await_progress(crowd, WRITES_BEFORE, STEP_BOUND_MS);
        service_kill(&service);
        load_await_done(crowd, STEP_BOUND_MS);
        pg_await_sessions(database_url, 0);
        start_service(NULL);
        expect_nothing_lost();
    }
    service_stop(&service);
}

static void acknowledged_writes_survive_a_crash_of_postgres(NO_STATE)
{
    allowed.refusal = true;
    for (unsigned round = 0; round < RESTART_ROUNDS; round++) {
        start_writing();
        load_await_progress(crowd, WRITES_BEFORE, STEP_BOUND_MS);
        pg_server_stop_immediate(postgres);
        pg_server_start(postgres);
        load_await_progress(crowd, WRITES_AFTER, STEP_BOUND_MS);
        load_finish(crowd);
        expect_nothing_lost();
    }
    service_stop(&service);
}

static void acknowledged_writes_survive_terminated_sessions(NO_STATE)
{
    int64_t terminated = 0;
    allowed.refusal = true;
    start_writing();
    for (unsigned i = 0; i < TERMINATIONS; i++) {
        load_await_progress(crowd, WRITES_BETWEEN_TERMINATIONS, STEP_BOUND_MS);
        terminated += pg_query_int64(
            database_url,
            "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid))" OTHER_SESSIONS);
    }
    assert_true(terminated >= TERMINATIONS);
    load_await_progress(crowd, WRITES_AFTER, STEP_BOUND_MS);
    load_finish(crowd);
    expect_nothing_lost();
    service_stop(&service);
}

/* ---- commits that hang ---- */

static int write_once(struct http_client *client, const char *method, const char *user)
{
    struct http_response *response =
        relation_write(client, &relations[RELATION_RSVP], method, "thing", user);
    const int status = response->status;
    http_response_free(&response);
    return status;
}

/* Adds users until the commit of one hangs, since commits begin to hang some time after they are
 * told to. */
static void add_until_one_hangs(struct http_client *client, char user[ID_SIZE])
{
    int status = 201;
    for (unsigned i = 0; status == 201 && i < 1000; i++) {
        snprintf(user, ID_SIZE, "user-%u", i);
        status = write_once(client, "POST", user);
    }
    assert_int_equal(status, 504);
}

/* Takes the user out: tries three times while commits hang, and then until it is acknowledged. */
static void remove_user(struct http_client *client, const char *user)
{
    bool acknowledged = false;
    for (unsigned i = 0; i < 3 && !acknowledged; i++) {
        acknowledged = write_once(client, "DELETE", user) == 200;
    }
    set_commits_hang(false);
    const int64_t give_up_ms = process_now_ms() + STEP_BOUND_MS;
    while (!acknowledged && process_now_ms() < give_up_ms) {
        acknowledged = write_once(client, "DELETE", user) == 200;
    }
    assert_true(acknowledged);
}

/* The answer to a POST is 504: it may be done, then or later. A DELETE after it is acknowledged:
 * from then on the user is out, whatever becomes of the transaction of the POST. */
static void a_write_of_unknown_outcome_never_overtakes_a_later_one(NO_STATE)
{
    char user[ID_SIZE];
    struct http_client *client = http_client_create(port);
    set_commits_hang(true);
    add_until_one_hangs(client, user);
    remove_user(client, user);
    pg_await(database_url, "SELECT count(*) = 0" OTHER_SESSIONS " AND xact_start IS NOT NULL");
    expect_member(client, &relations[RELATION_RSVP], "thing", user, false);
    expect_counters_equal_rows(database_url);
    http_client_destroy(&client);
    service_stop(&service);
}

/* A commit that waited for a standby in vain has its session ended, and then it can be seen. Who
 * finds that it is done already must wait for the standby as well: a failover could take it back.
 */
static void what_is_found_done_is_as_safe_as_what_is_done(NO_STATE)
{
    char user[ID_SIZE];
    struct http_client *client = http_client_create(port);
    set_commits_hang(true);
    add_until_one_hangs(client, user);
    for (unsigned i = 0; i < 3; i++) {
        assert_in_range(write_once(client, "POST", user), 503, 504);
    }
    expect_member(client, &relations[RELATION_RSVP], "thing", user, true);
    assert_in_range(write_once(client, "POST", user), 503, 504);
    set_commits_hang(false);
    const int64_t give_up_ms = process_now_ms() + STEP_BOUND_MS;
    while (write_once(client, "POST", user) != 200) {
        assert_true(process_now_ms() < give_up_ms);
    }
    expect_counters_equal_rows(database_url);
    http_client_destroy(&client);
    service_stop(&service);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(acknowledged_writes_survive_kill_9_of_the_service, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(acknowledged_writes_survive_a_crash_of_postgres, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(acknowledged_writes_survive_terminated_sessions, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_write_of_unknown_outcome_never_overtakes_a_later_one,
                                        set_up_hurried, tear_down),
        cmocka_unit_test_setup_teardown(what_is_found_done_is_as_safe_as_what_is_done,
                                        set_up_hurried, tear_down),
    };
    load_seed();
    return cmocka_run_group_tests(tests, set_up_servers, tear_down_servers);
}
