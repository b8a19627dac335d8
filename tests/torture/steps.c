/* See steps.h. */
#include "steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>
#include <sys/wait.h>

#include "fixture.h"
#include "process.h"
#include "test.h"
#include "torture.h"

enum {
    TOKEN_SIZE = 128,
    /* Header fields and a host's name that leave little of what a request has of memory to begin
     * with. */
    CROWD = 20,
    CROWD_HOST_BYTES = 860,
};

const struct step steps_few[STEPS_FEW] = {
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

const char *steps_own(const char *text, char out[STEPS_TEXT_SIZE])
{
    size_t size = 0;
    for (; *text != '\0' && size < STEPS_TEXT_SIZE - TOKEN_SIZE; text++) {
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

void steps_disturb(bool by_test)
{
    disturbed = by_test;
}

/* ---- the database ---- */

char *steps_query(const char *sql)
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
    char sql[STEPS_TEXT_SIZE];
    return steps_query(
        steps_own("SELECT md5(concat_ws(' ', "
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
    char text[STEPS_TEXT_SIZE];
    const char *name;
    json_t *value;
    json_t *expected = json_loads(steps_own(answer, text), 0, NULL);
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

/* Of an erasure: the same request goes on. */
static bool says_more_is_left(const struct http_response *response)
{
    return response->status == 202 && json_is_false(json_object_get(response->json, "complete"));
}

static bool failure_allowed(const struct http_response *response)
{
    const int status = response->status;
    const char *caching = http_header(response, "Cache-Control");
    const bool kept = caching != NULL && strcmp(caching, "no-store") != 0;
    return may_differ() && !kept &&
           (says_more_is_left(response) || status == 0 || status == 500 || status == 503 ||
            status == 504);
}

bool steps_service_ended(void)
{
    siginfo_t end = {.si_pid = 0};
    return waitid(P_PID, (id_t)fixture.service->pid, &end, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           end.si_pid != 0;
}

void steps_take_one(struct http_client *client, const struct step *step, bool crowded)
{
    char path[STEPS_TEXT_SIZE], body[STEPS_TEXT_SIZE], key[STEPS_TEXT_SIZE],
        header[STEPS_TEXT_SIZE + 32];
    const char *headers[CROWD + 2] = {NULL};
    const struct http_options options = {.body = step->body ? steps_own(step->body, body) : NULL,
                                         .headers = headers};
    const bool writes = strcmp(step->method, "GET") != 0;
    const int64_t end_ms = process_now_ms() + STEPS_RECOVERS_WITHIN_MS;
    snprintf(header, sizeof header, "Idempotency-Key: %s",
             step->key ? steps_own(step->key, key) : "");
    char target[STEPS_TEXT_SIZE + 2 * CROWD_HOST_BYTES];
    steps_own(step->target, path);
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
        if (steps_service_ended()) {
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
        steps_take_one(admin, &asks[i], i % 2 != 0);
    }
    const int64_t end_ms = process_now_ms() + STEPS_RECOVERS_WITHIN_MS;
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

void steps_take(const struct step *steps, size_t count, bool crowded)
{
    struct http_client *clients[] = {http_client_create(fixture.service->port),
                                     http_client_create(fixture.service->port)};
    for (size_t i = 0; i < count; i++) {
        steps_take_one(clients[i % 2], &steps[i], crowded);
    }
    http_client_destroy(&clients[0]);
    http_client_destroy(&clients[1]);
}

void steps_new_words(void)
{
    run_number++;
}

void steps_begin_run(void)
{
    steps_new_words();
    torture_arm();
}

void steps_finish_run(void)
{
    struct http_client *admin = http_client_create(fixture.service->admin_port);
    expect_well(admin);
    http_client_destroy(&admin);
    char *wrong = steps_query("SELECT count(*) FROM rsvp_counters c WHERE count <>"
                              " (SELECT count(*) FROM rsvps r WHERE r.event_id = c.event_id)");
    assert_string_equal(wrong, "0");
    free(wrong);
}

void steps_start_service(void)
{
    fail_arm(torture_control, (enum fail_kind)0, 0);
    fixture.service = service_start(fixture.database_url, redis_server_url(fixture.redis),
                                    (const char *const[]){torture_environment, "WORKERS=1", NULL});
}

int steps_set_up(void **state)
{
    torture_set_up();
    service_keep_defaults();
    fixture_setup_servers(state);
    session = PQconnectdb(fixture.database_url);
    return PQstatus(session) == CONNECTION_OK ? 0 : -1;
}

int steps_tear_down(void **state)
{
    PQfinish(session);
    service_discard(&fixture.service);
    fixture_teardown(state);
    torture_tear_down();
    return 0;
}

int steps_discard(NO_STATE)
{
    disturbed = false;
    service_discard(&fixture.service);
    return 0;
}
