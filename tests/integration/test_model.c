/* Many clients at once, each comparing every answer with its own model of what it did. */
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
    SERVICE_COUNT = 2,
    ID_SIZE = 32,
    RUN_BOUND_MS = 200000,
    RECEIVE_BOUND_MS = PROCESS_BOUND_MS,
};

static struct pg_server *postgres;
static struct redis_server *redis;

/* One test's own database, services and load. */
static char *database_url;
static struct service *services[SERVICE_COUNT];
static struct load *crowd;

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

static int set_up(NO_STATE)
{
    redis_server_flush(redis);
    database_url = pg_fresh_database(postgres, "model");
    service_migrate(database_url);
    for (size_t i = 0; i < SERVICE_COUNT; i++) {
        services[i] = service_start(database_url, redis_server_url(redis), NULL);
    }
    crowd = load_create();
    return 0;
}

static int tear_down(NO_STATE)
{
    load_destroy(&crowd);
    for (size_t i = 0; i < SERVICE_COUNT; i++) {
        service_discard(&services[i]);
    }
    free(database_url);
    database_url = NULL;
    return 0;
}

static void stop_services(void)
{
    for (size_t i = 0; i < SERVICE_COUNT; i++) {
        service_stop(&services[i]);
    }
}

static uint16_t any_port(struct load_random *random)
{
    return services[load_random_below(random, SERVICE_COUNT)]->port;
}

/* ---- disjoint users ---- */

enum {
    CLIENTS = 64,
    USERS = 4, /* of each client */
    THINGS = 8,
    ALL_USERS = CLIENTS * USERS,
    WRITES = 300, /* of each client: 19,200 in all */
    PAIRS = RELATION_COUNT * THINGS * USERS,
};

enum question { ASK_JOIN, ASK_LEAVE, ASK_MEMBER, ASK_COUNT, ASK_COUNT_NOW };

/* What a client asks next, in parts of a hundred. */
static const struct {
    unsigned parts;
    enum question question;
} question_mix[] = {
    {42, ASK_JOIN}, {38, ASK_LEAVE}, {12, ASK_MEMBER}, {4, ASK_COUNT}, {4, ASK_COUNT_NOW},
};

/* It alone writes for its users, so it knows the answers. */
struct owner {
    struct load_random random;
    unsigned number;
    unsigned writes_left;
    bool is_in[RELATION_COUNT][THINGS][USERS];
    unsigned verified; /* pairs compared at the end */
    /* what is on its way */
    enum question question;
    unsigned relation;
    unsigned thing;
    unsigned user;
};

static void name_thing(char id[ID_SIZE], unsigned thing)
{
    snprintf(id, ID_SIZE, "thing-%u", thing);
}

static void name_user(char id[ID_SIZE], unsigned owner, unsigned user)
{
    snprintf(id, ID_SIZE, "user-%u.%u", owner, user);
}

static enum question draw_question(struct load_random *random)
{
    unsigned drawn = load_random_below(random, 100);
    size_t i = 0;
    while (drawn >= question_mix[i].parts) {
        drawn -= question_mix[i++].parts;
    }
    return question_mix[i].question;
}

static void owner_ask(struct owner *owner, struct load_request *request)
{
    const struct relation *relation = &relations[owner->relation];
    const uint16_t port = any_port(&owner->random);
    char thing[ID_SIZE];
    char user[ID_SIZE];
    name_thing(thing, owner->thing);
    name_user(user, owner->number, owner->user);
    switch (owner->question) {
    case ASK_JOIN:
    case ASK_LEAVE:
        load_ask_write(request, port, relation, owner->question == ASK_JOIN, thing, user);
        break;
    case ASK_MEMBER:
        load_ask_member(request, port, relation, thing, user);
        break;
    case ASK_COUNT:
    case ASK_COUNT_NOW:
        load_ask_count(request, port, relation, thing, owner->question == ASK_COUNT ? -1 : 0);
        break;
    }
}

static enum load_step owner_next(struct load *load, void *client, struct load_request *request)
{
    struct owner *owner = client;
    (void)load;
    if (owner->writes_left == 0) {
        return LOAD_DONE;
    }
    owner->question = draw_question(&owner->random);
    owner->relation = load_random_below(&owner->random, RELATION_COUNT);
    owner->thing = load_random_below(&owner->random, THINGS);
    owner->user = load_random_below(&owner->random, USERS);
    owner_ask(owner, request);
    return LOAD_SEND;
}

/* Whatever all the others did, the count lies between the users of this client that are in, and all
 * users but those of this client that are out. */
static bool is_possible_count(const struct owner *owner, int64_t count)
{
    const bool *is_in = owner->is_in[owner->relation][owner->thing];
    int64_t own = 0;
    for (size_t i = 0; i < USERS; i++) {
        own += is_in[i];
    }
    return own <= count && count <= ALL_USERS - (USERS - own);
}

static void owner_check_write(const struct load_exchange *exchange, struct owner *owner)
{
    char thing[ID_SIZE];
    char user[ID_SIZE];
    struct load_write write;
    const bool join = owner->question == ASK_JOIN;
    bool *is_in = &owner->is_in[owner->relation][owner->thing][owner->user];
    name_thing(thing, owner->thing);
    name_user(user, owner->number, owner->user);
    if (!load_read_write(exchange, &relations[owner->relation], join, thing, user, &write)) {
        return;
    }
    if (write.changed != (*is_in != join)) {
        load_exchange_violation(exchange, "the user was %s before", *is_in ? "in" : "out");
    }
    *is_in = join;
    if (!is_possible_count(owner, write.count)) {
        load_exchange_violation(exchange, "the count cannot be");
    }
    owner->writes_left--;
}

static void owner_check_member(const struct load_exchange *exchange, struct owner *owner)
{
    char thing[ID_SIZE];
    char user[ID_SIZE];
    bool is_in;
    const bool expected = owner->is_in[owner->relation][owner->thing][owner->user];
    name_thing(thing, owner->thing);
    name_user(user, owner->number, owner->user);
    if (load_read_member(exchange, &relations[owner->relation], thing, user, &is_in) &&
        is_in != expected) {
        load_exchange_violation(exchange, "the user is %s", expected ? "in" : "out");
    }
}

/* A count may be older than this client's last writes, unless it was asked of Postgres. */
static void owner_check_count(const struct load_exchange *exchange, struct owner *owner)
{
    char thing[ID_SIZE];
    struct load_count count;
    name_thing(thing, owner->thing);
    if (!load_read_count(exchange, &relations[owner->relation], thing, &count)) {
        return;
    }
    const bool possible = owner->question == ASK_COUNT_NOW
                              ? is_possible_count(owner, count.count)
                              : 0 <= count.count && count.count <= ALL_USERS;
    if (!possible || count.stale) {
        load_exchange_violation(exchange, "the count cannot be, or be stale");
    }
}

static void owner_answer(const struct load_exchange *exchange, void *client)
{
    static void (*const checks[])(const struct load_exchange *, struct owner *) = {
        [ASK_JOIN] = owner_check_write,      [ASK_LEAVE] = owner_check_write,
        [ASK_MEMBER] = owner_check_member,   [ASK_COUNT] = owner_check_count,
        [ASK_COUNT_NOW] = owner_check_count,
    };
    struct owner *owner = client;
    checks[owner->question](exchange, owner);
}

/* Asks for each pair of the owner once. */
static enum load_step verifier_next(struct load *load, void *client, struct load_request *request)
{
    struct owner *owner = client;
    (void)load;
    if (owner->verified == PAIRS) {
        return LOAD_DONE;
    }
    const unsigned pair = owner->verified++;
    owner->question = ASK_MEMBER;
    owner->relation = pair / (THINGS * USERS);
    owner->thing = pair / USERS % THINGS;
    owner->user = pair % USERS;
    owner_ask(owner, request);
    return LOAD_SEND;
}

static void run_clients(const struct load_behaviour *behaviour, struct owner *owners)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        load_add_client(crowd, behaviour, &owners[i]);
    }
    load_start(crowd);
    load_await_done(crowd, RUN_BOUND_MS);
}

/* How many are in. Writes each as one more element of an SQL array. */
static int64_t model_count(const struct owner *owners, unsigned relation, unsigned thing,
                           FILE *pairs)
{
    char thing_id[ID_SIZE];
    char user_id[ID_SIZE];
    int64_t count = 0;
    name_thing(thing_id, thing);
    for (unsigned i = 0; i < ALL_USERS; i++) {
        if (owners[i / USERS].is_in[relation][thing][i % USERS]) {
            name_user(user_id, i / USERS, i % USERS);
            fprintf(pairs, ",'%s %s'", thing_id, user_id);
            count++;
        }
    }
    return count;
}

static void expect_model_in_store(const struct owner *owners, unsigned relation_index)
{
    const struct relation *relation = &relations[relation_index];
    char *pairs_text = NULL;
    size_t pairs_size = 0;
    int64_t all = 0;
    FILE *pairs = open_memstream(&pairs_text, &pairs_size);
    struct http_client *client = http_client_create(services[0]->port);
    for (unsigned thing = 0; thing < THINGS; thing++) {
        char id[ID_SIZE];
        name_thing(id, thing);
        const int64_t count = model_count(owners, relation_index, thing, pairs);
        expect_exact_count(client, relation, id, count);
        all += count;
    }
    fclose(pairs);
    http_client_destroy(&client);
    assert_true(all > 0);
    assert_int_equal(pg_query_int64(database_url, "SELECT count(*) FROM %s", relation->table), all);
    assert_int_equal(pg_query_int64(database_url,
                                    "SELECT count(*) FROM %s"
                                    " WHERE %s || ' ' || user_id = ANY (ARRAY[''%s])",
                                    relation->table, relation->id_member, pairs_text),
                     all);
    free(pairs_text);
}

static void random_writes_of_disjoint_users_match_each_clients_model(NO_STATE)
{
    static const struct load_behaviour writing = {owner_next, owner_answer};
    static const struct load_behaviour verifying = {verifier_next, owner_answer};
    static struct owner owners[CLIENTS];
    for (unsigned i = 0; i < CLIENTS; i++) {
        owners[i] =
            (struct owner){.random = load_random_stream(i), .number = i, .writes_left = WRITES};
    }
    run_clients(&writing, owners);
    load_destroy(&crowd);
    crowd = load_create();
    run_clients(&verifying, owners);
    for (unsigned i = 0; i < RELATION_COUNT; i++) {
        expect_model_in_store(owners, i);
    }
    expect_counters_equal_rows(database_url);
    stop_services();
}

/* ---- the same users ---- */

enum {
    RIVALS = 16,
    RIVAL_WRITES = 400, /* of each rival */
    CROWDED_THINGS = 2,
    CROWD_MAX = 3,
};

/* How many users each thing has. With one alone, the count of every change is known. */
static const unsigned crowds[CROWDED_THINGS] = {1, CROWD_MAX};

/* changed:true of POSTs minus changed:true of DELETEs. */
static int64_t balances[RELATION_COUNT][CROWDED_THINGS][CROWD_MAX];

struct rival {
    struct load_random random;
    unsigned writes_left;
    /* what is on its way */
    bool join;
    unsigned relation;
    unsigned thing;
    unsigned user;
};

static enum load_step rival_next(struct load *load, void *client, struct load_request *request)
{
    struct rival *rival = client;
    char thing[ID_SIZE];
    char user[ID_SIZE];
    (void)load;
    if (rival->writes_left == 0) {
        return LOAD_DONE;
    }
    rival->writes_left--;
    rival->join = load_random_below(&rival->random, 2) == 0;
    rival->relation = load_random_below(&rival->random, RELATION_COUNT);
    rival->thing = load_random_below(&rival->random, CROWDED_THINGS);
    rival->user = load_random_below(&rival->random, crowds[rival->thing]);
    name_thing(thing, rival->thing);
    name_user(user, 0, rival->user);
    load_ask_write(request, any_port(&rival->random), &relations[rival->relation], rival->join,
                   thing, user);
    return LOAD_SEND;
}

static void rival_answer(const struct load_exchange *exchange, void *client)
{
    struct rival *rival = client;
    struct load_write write;
    char thing[ID_SIZE];
    char user[ID_SIZE];
    name_thing(thing, rival->thing);
    name_user(user, 0, rival->user);
    if (!load_read_write(exchange, &relations[rival->relation], rival->join, thing, user, &write)) {
        return;
    }
    /* As of the commit of a write that changed something, its user is in after a POST and out after
     * a DELETE. Before the commit of one that changed nothing a rival may have been faster. */
    const int64_t least = write.changed && rival->join ? 1 : 0;
    const int64_t most = (int64_t)crowds[rival->thing] - (write.changed && !rival->join ? 1 : 0);
    if (write.count < least || write.count > most) {
        load_exchange_violation(exchange, "the count cannot be");
    }
    balances[rival->relation][rival->thing][rival->user] +=
        write.changed ? (rival->join ? 1 : -1) : 0;
}

static void expect_balance(unsigned relation_index, unsigned thing_index, unsigned user_index)
{
    const struct relation *relation = &relations[relation_index];
    char thing[ID_SIZE];
    char user[ID_SIZE];
    name_thing(thing, thing_index);
    name_user(user, 0, user_index);
    const int64_t rows =
        pg_query_int64(database_url, "SELECT count(*) FROM %s WHERE %s = '%s' AND user_id = '%s'",
                       relation->table, relation->id_member, thing, user);
    assert_int_equal(balances[relation_index][thing_index][user_index], rows);
}

static void rivals_for_the_same_pairs_change_each_in_turn(NO_STATE)
{
    static const struct load_behaviour behaviour = {rival_next, rival_answer};
    static struct rival rivals[RIVALS];
    memset(balances, 0, sizeof balances);
    for (unsigned i = 0; i < RIVALS; i++) {
        rivals[i] =
            (struct rival){.random = load_random_stream(1000 + i), .writes_left = RIVAL_WRITES};
        load_add_client(crowd, &behaviour, &rivals[i]);
    }
    load_start(crowd);
    load_await_done(crowd, RUN_BOUND_MS);
    for (unsigned relation = 0; relation < RELATION_COUNT; relation++) {
        for (unsigned thing = 0; thing < CROWDED_THINGS; thing++) {
            for (unsigned user = 0; user < crowds[thing]; user++) {
                expect_balance(relation, thing, user);
            }
        }
    }
    expect_counters_equal_rows(database_url);
    stop_services();
}

/* ---- one after another without waiting ---- */

enum { PIPELINED = 400 };

static void send_pipelined(struct http_raw *raw, const struct relation *relation, const bool *joins)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    for (size_t i = 0; i < PIPELINED; i++) {
        fprintf(stream, "%s /v1/%s/busy/%s?user_id=u HTTP/1.1\r\nHost: test\r\n%s\r\n",
                joins[i] ? "POST" : "DELETE", relation->collection, relation->action,
                joins[i] ? "Content-Length: 0\r\n" : "");
    }
    fclose(stream);
    assert_true(http_raw_send(raw, text, size));
    free(text);
}

static void expect_answers_in_order(struct http_raw *raw, const struct relation *relation,
                                    const bool *joins)
{
    bool was_in = false;
    for (size_t i = 0; i < PIPELINED; i++) {
        const bool changed = joins[i] != was_in;
        struct http_response *response = http_raw_receive(raw, RECEIVE_BOUND_MS);
        char status[64] = "";
        if (relation->has_status) {
            snprintf(status, sizeof status, "\"status\":\"%s\",", joins[i] ? "going" : "none");
        }
        expect_json(response, joins[i] && changed ? 201 : 200,
                    "{\"%s\":\"busy\",\"user_id\":\"u\",\"%s\":%s,%s\"changed\":%s,\"%s\":%d}",
                    relation->id_member, relation->flag, joins[i] ? "true" : "false", status,
                    changed ? "true" : "false", relation->count_member, joins[i] ? 1 : 0);
        http_response_free(&response);
        was_in = joins[i];
    }
}

static void pipelined_writes_are_answered_in_arrival_order(NO_STATE)
{
    struct load_random random = load_random_stream(2000);
    bool joins[PIPELINED];
    for (size_t i = 0; i < PIPELINED; i++) {
        joins[i] = load_random_below(&random, 2) == 0;
    }
    for (size_t i = 0; i < RELATION_COUNT; i++) {
        struct http_raw *raw = http_raw_connect(services[0]->port);
        assert_non_null(raw);
        send_pipelined(raw, &relations[i], joins);
        expect_answers_in_order(raw, &relations[i], joins);
        http_raw_close(&raw);
    }
    expect_counters_equal_rows(database_url);
    stop_services();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_writes_of_disjoint_users_match_each_clients_model,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(rivals_for_the_same_pairs_change_each_in_turn, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(pipelined_writes_are_answered_in_arrival_order, set_up,
                                        tear_down),
    };
    load_seed();
    return cmocka_run_group_tests(tests, set_up_servers, tear_down_servers);
}
