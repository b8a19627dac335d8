/* The whole service against a real PostgreSQL and a real Redis while one call at a time fails: it
 * lives, each request has an answer or a closed connection, no answer is wrong, afterwards all is
 * well again, and nothing is leaked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>
#include <libpq-fe.h>
#include <signal.h>
#include <sys/wait.h>

#include "fixture.h"
#include "process.h"
#include "test.h"
#include "torture.h"

enum {
    TEXT_SIZE = 16 * 1024,
    TOKEN_SIZE = 128,
    RECOVERS_WITHIN_MS = 20000,
    /* Header fields and a host's name that leave little of what a request has of memory to begin
     * with. */
    CROWD = 20,
    CROWD_HOST_BYTES = 860,
    BUDGET_MEMORY = 40, /* of each kind */
    BUDGET_REQUESTS = 5,
    BUDGET_RECONNECT = 3,
    BUDGET_START = 2,
    BUDGET_END = 1,
};

struct step {
    const char *method;
    const char *target; /* '$' stands for what this run alone uses, '^' for the last page's token */
    const char *body;   /* likewise; NULL: none */
    const char *key;    /* idempotency key, or NULL */
    int status;
    const char *answer; /* members that it has; of a list, the ids; NULL: whatever */
};

#define PADDING_64 "                                                                "
#define PADDING_1K                                                                                 \
    PADDING_64 PADDING_64 PADDING_64 PADDING_64 PADDING_64 PADDING_64 PADDING_64 PADDING_64        \
        PADDING_64 PADDING_64 PADDING_64 PADDING_64 PADDING_64 PADDING_64 PADDING_64 PADDING_64
#define PADDING_6K PADDING_1K PADDING_1K PADDING_1K PADDING_1K PADDING_1K PADDING_1K

#define MANY_5                                                                                     \
    "&user_id=nobody-who-has-a-long-name-and-never-comes-1"                                        \
    "&user_id=nobody-who-has-a-long-name-and-never-comes-2"                                        \
    "&user_id=nobody-who-has-a-long-name-and-never-comes-3"                                        \
    "&user_id=nobody-who-has-a-long-name-and-never-comes-4"                                        \
    "&user_id=nobody-who-has-a-long-name-and-never-comes-5"
#define MANY_20 MANY_5 MANY_5 MANY_5 MANY_5
#define MANY_80 MANY_20 MANY_20 MANY_20 MANY_20

static const struct step requests[] = {
    {"POST", "/v1/events/$a/rsvp", "{\"user_id\":\"$u1\"}", NULL, 201,
     "{\"event_id\":\"$a\",\"user_id\":\"$u1\",\"has_rsvped\":true,\"status\":\"going\","
     "\"changed\":true,\"rsvp_count\":1}"},
    {"POST", "/v1/events/$a/rsvp?user_id=$u2", NULL, NULL, 201,
     "{\"user_id\":\"$u2\",\"has_rsvped\":true,\"rsvp_count\":2}"},
    {"GET", "/v1/events/$a/users/$u1", NULL, NULL, 200,
     "{\"user_id\":\"$u1\",\"has_rsvped\":true}"},
    {"GET", "/v1/events/$a/users/$u9", NULL, NULL, 200,
     "{\"user_id\":\"$u9\",\"has_rsvped\":false,\"status\":\"none\"}"},
    {"GET", "/v1/events/$a/rsvp_count?max_stale_ms=0", NULL, NULL, 200,
     "{\"event_id\":\"$a\",\"rsvp_count\":2,\"stale\":false}"},
    {"GET", "/v1/events/$a/rsvp_count", NULL, NULL, 200, "{\"event_id\":\"$a\",\"stale\":false}"},
    {"GET", "/v1/rsvp_counts?event_id=$a&event_id=$x&event_id=$y", NULL, NULL, 200,
     "{\"counts\":[\"$a\",\"$x\",\"$y\"]}"},
    {"GET", "/v1/events/$a/users", NULL, NULL, 200, "{\"users\":[\"$u1\",\"$u2\"]}"},
    {"GET", "/v1/events/$a/users?page_size=1", NULL, NULL, 200, "{\"users\":[\"$u1\"]}"},
    {"GET", "/v1/events/$a/users?page_size=1&page_token=^", NULL, NULL, 200,
     "{\"users\":[\"$u2\"]}"},
    {"GET", "/v1/events/$a/users?user_id=$u1&user_id=$u7", NULL, NULL, 200,
     "{\"users\":[\"$u1\"]}"},
    {"GET", "/v1/events/$a/users?user_id=$u2" MANY_80, NULL, NULL, 200, "{\"users\":[\"$u2\"]}"},
    {"GET", "/v1/users/$u1/events", NULL, NULL, 200, "{\"events\":[\"$a\"]}"},
    {"DELETE", "/v1/events/$a/rsvp?user_id=$u2", NULL, NULL, 200,
     "{\"user_id\":\"$u2\",\"has_rsvped\":false,\"changed\":true,\"rsvp_count\":1}"},
    {"PUT", "/v1/events/$b", "{\"capacity\":1,\"waitlist\":true}", NULL, 200,
     "{\"event_id\":\"$b\",\"capacity\":1,\"waitlist\":true,\"rsvp_count\":0,\"remaining\":1}"},
    {"POST", "/v1/events/$b/rsvp", "{\"user_id\":\"$u1\"}", NULL, 201,
     "{\"user_id\":\"$u1\",\"has_rsvped\":true,\"status\":\"going\",\"rsvp_count\":1}"},
    {"POST", "/v1/events/$b/rsvp", "{\"user_id\":\"$u2\"}", NULL, 202,
     "{\"user_id\":\"$u2\",\"has_rsvped\":false,\"status\":\"waitlisted\",\"waitlist_position\":"
     "1}"},
    {"POST", "/v1/events/$b/rsvp", "{\"user_id\":\"$u3\"}" PADDING_6K, NULL, 202,
     "{\"user_id\":\"$u3\",\"status\":\"waitlisted\",\"waitlist_position\":2}"},
    {"GET", "/v1/events/$b", NULL, NULL, 200,
     "{\"capacity\":1,\"rsvp_count\":1,\"waitlist_count\":2,\"remaining\":0}"},
    {"GET", "/v1/events/$b/waitlist", NULL, NULL, 200, "{\"users\":[\"$u2\",\"$u3\"]}"},
    {"DELETE", "/v1/events/$b/rsvp", "{\"user_id\":\"$u1\"}", NULL, 200,
     "{\"has_rsvped\":false,\"status\":\"none\",\"rsvp_count\":1}"},
    {"GET", "/v1/events/$b/users/$u2", NULL, NULL, 200,
     "{\"has_rsvped\":true,\"status\":\"going\"}"},
    {"GET", "/v1/events/$b/users/$u3", NULL, NULL, 200,
     "{\"has_rsvped\":false,\"status\":\"waitlisted\"}"},
    {"PUT", "/v1/events/$c", "{\"capacity\":0}", NULL, 200, "{\"capacity\":0,\"remaining\":0}"},
    {"POST", "/v1/events/$c/rsvp", "{\"user_id\":\"$u1\"}", NULL, 409, "{\"code\":\"event-full\"}"},
    {"DELETE", "/v1/events/$b", NULL, NULL, 200, "{\"event_id\":\"$b\",\"capacity\":null}"},
    {"GET", "/v1/events/$b/users/$u3", NULL, NULL, 200,
     "{\"has_rsvped\":true,\"status\":\"going\"}"},
    {"POST", "/v1/events/$d/rsvp", "{\"user_id\":\"$u1\"}", "$k", 201,
     "{\"has_rsvped\":true,\"rsvp_count\":1}"},
    {"DELETE", "/v1/events/$d/rsvp", "{\"user_id\":\"$u1\"}", NULL, 200,
     "{\"has_rsvped\":false,\"rsvp_count\":0}"},
    {"POST", "/v1/events/$d/rsvp", "{\"user_id\":\"$u1\"}", "$k", 201,
     "{\"has_rsvped\":true,\"rsvp_count\":1}"},
    {"GET", "/v1/events/$d/users/$u1", NULL, NULL, 200, "{\"has_rsvped\":false}"},
    {"DELETE", "/v1/events/$d/rsvp", "{\"user_id\":\"$u1\"}", "$k", 422,
     "{\"code\":\"idempotency-key-reused\"}"},
    {"POST", "/v1/posts/$p/like", "{\"user_id\":\"$u1\"}", NULL, 201,
     "{\"post_id\":\"$p\",\"has_liked\":true,\"like_count\":1}"},
    {"GET", "/v1/posts/$p/users/$u1", NULL, NULL, 200, "{\"has_liked\":true}"},
    {"POST", "/v1/events/$a/rsvp", "{\"user_id\":", NULL, 400, "{\"code\":\"invalid-json\"}"},
    {"POST", "/v1/events/$a/rsvp", "{\"user\":\"$u1\"}", NULL, 400, "{\"code\":\"unknown-field\"}"},
    {"GET", "/v1/nowhere", NULL, NULL, 404, "{\"code\":\"not-found\"}"},
    {"DELETE", "/v1/events/$a/rsvp_count", NULL, NULL, 405, "{\"code\":\"method-not-allowed\"}"},
    {"HEAD", "/v1/events/$a/rsvp_count", NULL, NULL, 200, NULL},
    {"OPTIONS", "/v1/events/$a/rsvp", NULL, NULL, 204, NULL},
};

/* The same with CROWD header fields more, in a proxy's form. */
static const struct step crowded_requests[] = {
    {"GET", "/v1/events/$a/rsvp_count?max_stale_ms=5000", NULL, NULL, 200,
     "{\"event_id\":\"$a\",\"stale\":false}"},
    {"GET", "/v1/events/$a/users/$u1", NULL, NULL, 200, "{\"has_rsvped\":true}"},
    {"POST", "/v1/events/$a/rsvp?user_id=$u1", NULL, NULL, 200,
     "{\"changed\":false,\"rsvp_count\":1}"},
    {"GET", "/v1/events/$b", NULL, NULL, 200, "{\"event_id\":\"$b\",\"capacity\":null}"},
    {"GET", "/v1/events/$a/users?page_size=1", NULL, NULL, 200, "{\"users\":[\"$u1\"]}"},
    {"GET", "/problems/overloaded", NULL, NULL, 200, "{\"code\":\"overloaded\"}"},
    {"GET", "/readyz", NULL, NULL, 200, "{}"},
    {"DELETE", "/v1/events/$a", "{\"surprise\":1}", NULL, 400, "{\"code\":\"unknown-field\"}"},
};

/* What the database holds after them. */
static const char left_members[] = "$a/$u1 $b/$u2 $b/$u3";

/* While connections break. */
static const struct step few_requests[] = {
    {"POST", "/v1/events/$a/rsvp", "{\"user_id\":\"$u1\"}", NULL, 201,
     "{\"event_id\":\"$a\",\"user_id\":\"$u1\",\"has_rsvped\":true,\"rsvp_count\":1}"},
    {"GET", "/v1/events/$a/users/$u1", NULL, NULL, 200,
     "{\"user_id\":\"$u1\",\"has_rsvped\":true}"},
    {"POST", "/v1/events/$b/rsvp", "{\"user_id\":\"$u2\"}", "$k", 201,
     "{\"has_rsvped\":true,\"rsvp_count\":1}"},
    {"POST", "/v1/events/$b/rsvp?user_id=$u3", NULL, NULL, 201,
     "{\"has_rsvped\":true,\"rsvp_count\":2}"},
    {"GET", "/v1/events/$a/rsvp_count?max_stale_ms=0", NULL, NULL, 200, "{\"rsvp_count\":1}"},
};

static PGconn *session; /* to look at the database */
static unsigned run_number;
static char page_token[TOKEN_SIZE]; /* of the last page that has a next one */
static bool disturbed;              /* by the test itself, besides the call that fails */

/* The text with the run's own word in place of '$', and the page token in place of '^'. */
static const char *own(const char *text, char out[TEXT_SIZE])
{
    size_t size = 0;
    for (; *text != '\0' && size < TEXT_SIZE - TOKEN_SIZE; text++) {
        if (*text == '$' || *text == '^') {
            size += (size_t)(*text == '$' ? snprintf(out + size, 16, "t%u-", run_number)
                                          : snprintf(out + size, TOKEN_SIZE, "%s", page_token));
        } else {
            out[size++] = *text;
        }
    }
    out[size] = '\0';
    return out;
}

/* ---- the database ---- */

static char *query(const char *sql)
{
    PGresult *result = PQexec(session, sql);
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        process_fail("%s\n%s", sql, PQerrorMessage(session));
    }
    char *value = strdup(PQgetvalue(result, 0, 0));
    PQclear(result);
    return value;
}

/* All that the run's requests can change. */
static char *contents(void)
{
    char sql[TEXT_SIZE];
    return query(own("SELECT md5(concat_ws(' ', "
                     "(SELECT string_agg(t::text, ' ') FROM rsvps t WHERE event_id LIKE '$%'), "
                     "(SELECT string_agg(t::text, ' ') FROM rsvp_counters t"
                     " WHERE event_id LIKE '$%'), "
                     "(SELECT string_agg(t::text, ' ') FROM events t WHERE event_id LIKE '$%'), "
                     "(SELECT string_agg(t::text, ' ') FROM waitlist t WHERE event_id LIKE '$%'), "
                     "(SELECT string_agg(t::text, ' ') FROM likes t WHERE post_id LIKE '$%')))",
                     sql));
}

/* ---- one request ---- */

static bool may_differ(void)
{
    return disturbed || atomic_load(&torture_control->failed);
}

/* The ids that a list of the answer names, in order. */
static bool names(const json_t *list, const json_t *ids)
{
    bool same = json_array_size(list) == json_array_size(ids);
    for (size_t i = 0; same && i < json_array_size(ids); i++) {
        const json_t *item = json_array_get(list, i);
        const json_t *user = json_object_get(item, "user_id");
        same = json_equal(user != NULL ? user : json_object_get(item, "event_id"),
                          json_array_get(ids, i));
    }
    return same;
}

/* A repetition of a write whose answer was lost finds it done. */
static bool says(const struct http_response *response, const char *answer)
{
    char text[TEXT_SIZE];
    const char *name;
    json_t *value;
    json_t *expected = json_loads(own(answer, text), 0, NULL);
    bool same = response->json != NULL && expected != NULL;
    json_object_foreach(expected, name, value)
    {
        const json_t *got = json_object_get(response->json, name);
        bool by_retry = strcmp(name, "changed") == 0 && may_differ();
        same = same && got != NULL &&
               (by_retry || json_equal(got, value) || (json_is_array(value) && names(got, value)));
    }
    json_decref(expected);
    return same;
}

static bool right(const struct http_response *response, const struct step *step)
{
    bool by_retry = may_differ() && response->status == 200 && step->status == 201;
    return (response->status == step->status || by_retry) &&
           (step->answer == NULL || says(response, step->answer));
}

static bool failure_allowed(const struct http_response *response)
{
    const int status = response->status;
    const char *caching = http_header(response, "Cache-Control");
    const bool kept = caching != NULL && strcmp(caching, "no-store") != 0;
    return may_differ() && !kept &&
           (status == 0 || status == 500 || status == 503 || status == 504);
}

static bool has_ended(pid_t pid)
{
    siginfo_t end = {.si_pid = 0};
    return waitid(P_PID, (id_t)pid, &end, WEXITED | WNOHANG | WNOWAIT) == 0 && end.si_pid != 0;
}

/* Sends it until its answer is the right one. What is refused with 503 has changed nothing. */
static void take_step(struct http_client *client, const struct step *step, bool crowded)
{
    char path[TEXT_SIZE], body[TEXT_SIZE], key[TEXT_SIZE], header[TEXT_SIZE + 32];
    const char *headers[CROWD + 2] = {NULL};
    const struct http_options options = {.body = step->body ? own(step->body, body) : NULL,
                                         .headers = headers};
    const bool writes = strcmp(step->method, "GET") != 0;
    const int64_t end_ms = process_now_ms() + RECOVERS_WITHIN_MS;
    snprintf(header, sizeof header, "Idempotency-Key: %s", step->key ? own(step->key, key) : "");
    char target[TEXT_SIZE + 2 * CROWD_HOST_BYTES];
    own(step->target, path);
    snprintf(target, sizeof target, "http://%0*d%s", CROWD_HOST_BYTES, 0, path);
    size_t header_count = 0;
    while (crowded && header_count < CROWD) {
        headers[header_count++] = "If-None-Match: none";
    }
    headers[header_count] = step->key ? header : NULL;
    bool done = false;
    while (!done) {
        char *before = writes ? contents() : NULL;
        struct http_response *response =
            http_request(client, step->method, crowded ? target : path, &options);
        done = right(response, step);
        if (has_ended(fixture.service->pid)) {
            process_fail("%s %.80s: the service has ended", step->method, path);
        }
        if (!done && (!failure_allowed(response) || process_now_ms() > end_ms)) {
            process_fail("%s %.80s: wrong answer: %d %s\n%.1000s", step->method, path,
                         response->status, response->error, response->body);
        }
        if (!done && response->status == 503 && writes) {
            char *after = contents();
            if (strcmp(before, after) != 0) {
                process_fail("%s %.80s: refused with 503, but something was done", step->method,
                             path);
            }
            free(after);
        }
        if (!done) {
            process_nap();
        }
        const json_t *token = json_object_get(response->json, "next_page_token");
        if (done && token != NULL) {
            snprintf(page_token, sizeof page_token, "%s", json_string_value(token));
        }
        free(before);
        http_response_free(&response);
    }
}

/* ---- a run ---- */

/* Answers of the admin port, until it is there and both stores are. */
static void expect_well(struct http_client *admin)
{
    static const struct step asks[] = {
        {"GET", "/livez", NULL, NULL, 200, "{\"status\":\"alive\"}"},
        {"GET", "/metrics", NULL, NULL, 200, NULL},
        {"GET", "/readyz", NULL, NULL, 200, NULL},
    };
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++) {
        take_step(admin, &asks[i], i % 2 != 0);
    }
    const int64_t end_ms = process_now_ms() + RECOVERS_WITHIN_MS;
    bool well = false;
    while (!well) {
        struct http_response *response = http_request(admin, "GET", "/readyz", NULL);
        well = response->status == 200 && strstr(response->body, "\"ready\"") != NULL;
        if (!well && process_now_ms() > end_ms) {
            process_fail("it does not recover: %d %s", response->status, response->body);
        }
        http_response_free(&response);
        if (!well) {
            process_nap();
        }
    }
}

static void take_steps(const struct step *steps, size_t count, bool crowded)
{
    struct http_client *clients[] = {http_client_create(fixture.service->port),
                                     http_client_create(fixture.service->port)};
    for (size_t i = 0; i < count; i++) {
        take_step(clients[i % 2], &steps[i], crowded);
    }
    http_client_destroy(&clients[0]);
    http_client_destroy(&clients[1]);
}

/* Every run has words of its own, since what it did is still in caches. */
static void begin_run(void)
{
    run_number++;
    torture_arm();
}

static void finish_run(void)
{
    struct http_client *admin = http_client_create(fixture.service->admin_port);
    expect_well(admin);
    http_client_destroy(&admin);
    char *wrong = query("SELECT count(*) FROM rsvp_counters c WHERE count <>"
                        " (SELECT count(*) FROM rsvps r WHERE r.event_id = c.event_id)");
    assert_string_equal(wrong, "0");
    free(wrong);
}

static void run_requests(void)
{
    char sql[TEXT_SIZE], expected[TEXT_SIZE];
    begin_run();
    take_steps(requests, sizeof requests / sizeof requests[0], false);
    take_steps(crowded_requests, sizeof crowded_requests / sizeof crowded_requests[0], true);
    finish_run();
    char *members = query(own("SELECT string_agg(event_id || '/' || user_id, ' '"
                              " ORDER BY event_id, user_id) FROM rsvps WHERE event_id LIKE '$%'",
                              sql));
    assert_string_equal(members, own(left_members, expected));
    free(members);
}

static void break_connections(void)
{
    char *ended = query("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                        " WHERE application_name = 'rsvpd'");
    free(ended);
    redisContext *redis = redisConnectUnix(strchr(redis_server_url(fixture.redis), '/') + 2);
    assert_non_null(redis);
    freeReplyObject(redisCommand(redis, "CLIENT KILL TYPE normal"));
    redisFree(redis);
}

static void run_reconnect(void)
{
    disturbed = true;
    begin_run();
    break_connections();
    take_steps(few_requests, sizeof few_requests / sizeof few_requests[0], false);
    finish_run();
    disturbed = false;
}

static void start_service(void)
{
    fail_arm(torture_control, (enum fail_kind)0, 0);
    fixture.service = service_start(fixture.database_url, redis_server_url(fixture.redis),
                                    (const char *const[]){torture_environment, "WORKERS=1", NULL});
}

/* ---- tests ---- */

static void serves(void **state)
{
    const enum fail_group group = (enum fail_group)(uintptr_t)*state;
    start_service();
    const int budget = group == FAIL_GROUP_MEMORY ? BUDGET_MEMORY : BUDGET_REQUESTS;
    struct torture_tally tally = torture_each(group, budget, run_requests);
    process_note("it ends, after one of all these calls had failed");
    service_stop(&fixture.service);
    torture_report("requests", &tally);
}

static void reconnects(void **state)
{
    const enum fail_group group = (enum fail_group)(uintptr_t)*state;
    start_service();
    struct torture_tally tally = torture_each(group, BUDGET_RECONNECT, run_reconnect);
    process_note("it ends, after one of all these calls had failed");
    service_stop(&fixture.service);
    torture_report("reconnecting", &tally);
}

/* It serves, or says why not and ends. */
static void run_start(void)
{
    run_number++;
    torture_arm();
    struct http_client *admin;
    fixture.service =
        service_start_unready(fixture.database_url, redis_server_url(fixture.redis),
                              (const char *const[]){torture_environment, "WORKERS=2", NULL});
    admin = http_client_create(fixture.service->admin_port);
    const int64_t end_ms = process_now_ms() + RECOVERS_WITHIN_MS;
    bool ended = false, ready = false;
    while (!ended && !ready) {
        struct http_response *response = http_request(admin, "GET", "/readyz", NULL);
        ready = response->status == 200;
        http_response_free(&response);
        ended = has_ended(fixture.service->pid);
        if (process_now_ms() > end_ms) {
            process_fail("neither ready nor ended");
        }
        process_nap();
    }
    http_client_destroy(&admin);
    if (ready) {
        take_steps(few_requests, sizeof few_requests / sizeof few_requests[0], false);
        finish_run();
        service_stop(&fixture.service);
        return;
    }
    char *log = service_read_log(fixture.service);
    bool told = strstr(log, "\"level\":\"error\"") != NULL || strstr(log, "rsvpd: ") != NULL;
    const int status = service_wait_end(&fixture.service);
    if (!told || (status != 1 && status != 2) || !atomic_load(&torture_control->failed)) {
        process_fail("it ended with status %d, saying only: %s", status, log);
    }
    free(log);
}

static void starts(NO_STATE)
{
    struct torture_tally tally = torture_each(FAIL_GROUP_COUNT, BUDGET_START, run_start);
    torture_report("starting", &tally);
}

/* It was told to end, and ends well. */
static void run_end(void)
{
    run_number++;
    start_service();
    struct http_client *client = http_client_create(fixture.service->port);
    take_step(client, &few_requests[0], false);
    torture_arm();
    service_stop(&fixture.service);
    http_client_destroy(&client);
}

static void ends(NO_STATE)
{
    struct torture_tally tally = torture_each(FAIL_GROUP_COUNT, BUDGET_END, run_end);
    torture_report("ending", &tally);
}

/* A Redis that is named by a host, where none listens: it serves without. */
static void resolves(NO_STATE)
{
    static const enum fail_kind kinds[] = {FAIL_uv_getaddrinfo, FAIL_uv_tcp_connect};
    fail_arm(torture_control, (enum fail_kind)0, 0);
    fixture.service = service_start(fixture.database_url, "redis://localhost:1/0",
                                    (const char *const[]){torture_environment, "WORKERS=1", NULL});
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        run_number++;
        process_note("%s fails", fail_names[kinds[i]]);
        fail_arm(torture_control, kinds[i], 1);
        const int64_t end_ms = process_now_ms() + RECOVERS_WITHIN_MS;
        while (!atomic_load(&torture_control->failed)) {
            if (process_now_ms() > end_ms) {
                process_fail("it is not called");
            }
            process_nap();
        }
        take_steps(few_requests, sizeof few_requests / sizeof few_requests[0], false);
    }
    service_stop(&fixture.service);
}

static int set_up(void **state)
{
    torture_set_up();
    fixture_setup_servers(state);
    session = PQconnectdb(fixture.database_url);
    return PQstatus(session) == CONNECTION_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    PQfinish(session);
    service_discard(&fixture.service);
    fixture_teardown(state);
    torture_tear_down();
    return 0;
}

static int discard(NO_STATE)
{
    disturbed = false;
    service_discard(&fixture.service);
    return 0;
}

#define GROUP_TEST(test, group)                                                                    \
    {                                                                                              \
#test " (" #group ")", test, NULL, discard, (void *)(uintptr_t)FAIL_GROUP_##group          \
    }

/* An argument selects tests by a pattern of their names. */
int main(int argc, char **argv)
{
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    const struct CMUnitTest tests[] = {
        GROUP_TEST(serves, MEMORY),
        GROUP_TEST(serves, LIBPQ),
        GROUP_TEST(serves, HIREDIS),
        GROUP_TEST(serves, MICROHTTPD),
        GROUP_TEST(serves, LIBUV),
        GROUP_TEST(reconnects, MEMORY),
        GROUP_TEST(reconnects, LIBPQ),
        GROUP_TEST(reconnects, HIREDIS),
        GROUP_TEST(reconnects, LIBUV),
        cmocka_unit_test_teardown(starts, discard),
        cmocka_unit_test_teardown(ends, discard),
        cmocka_unit_test_teardown(resolves, discard),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
