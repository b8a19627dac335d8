/* Waiting lists that are long, and users who are put in past all rules, over HTTP. The lists are
 * written by SQL, as the service would have made them. */
#include <stdio.h>
#include <stdlib.h>

#include "event.h"
#include "expect.h"
#include "http.h"
#include "process.h"
#include "servers.h"
#include "service.h"
#include "test.h"

#define NO_SETTINGS "\"capacity\":null,\"waitlist\":false,\"opens_at\":null,\"closes_at\":null"

enum { LONG = 60000, EXACT_MAX = 10000, TARGET_SIZE = 256, POLL_BOUND_MS = PROCESS_BOUND_MS };

static struct pg_server *postgres;
static char *database_url;
/* The deadline of the other ends a long promotion after a few steps. */
static struct service *service, *hurried;
static struct http_client *client, *hurried_client;

static void start(void)
{
    service = service_start(database_url, NULL, NULL);
    client = http_client_create(service->port);
    hurried =
        service_start(database_url, NULL, (const char *const[]){"REQUEST_DEADLINE_MS=400", NULL});
    hurried_client = http_client_create(hurried->port);
}

static void disconnect(void)
{
    http_client_destroy(&client);
    http_client_destroy(&hurried_client);
}

static int set_up(NO_STATE)
{
    postgres = pg_server_create();
    database_url = pg_fresh_database(postgres, "queue");
    service_migrate(database_url);
    start();
    return 0;
}

static int tear_down(NO_STATE)
{
    disconnect();
    if (service != NULL) {
        service_stop(&service);
    }
    if (hurried != NULL) {
        service_stop(&hurried);
    }
    free(database_url);
    pg_server_destroy(&postgres);
    return 0;
}

/* An event without a seat for which so many wait: w1, w2 and so on, in this order. */
static void make_list(const char *id, unsigned waiting)
{
    pg_execute(database_url,
               "INSERT INTO events (event_id, capacity, waitlist, waiting, last_ticket)"
               " VALUES ('%s', 0, true, %u, %u)",
               id, waiting, waiting);
    pg_execute(database_url,
               "INSERT INTO rsvp_counters (event_id, count, version, managed)"
               " VALUES ('%s', 0, 0, true)",
               id);
    pg_execute(database_url,
               "INSERT INTO waitlist (event_id, ticket, user_id)"
               " SELECT '%s', i, 'w' || i FROM generate_series(1, %u) AS i",
               id, waiting);
}

static struct http_response *put_in(const char *method, const char *id, const char *user,
                                    const char *parameters, const char *key)
{
    char target[TARGET_SIZE], body[TARGET_SIZE], header[TARGET_SIZE];
    const char *const headers[] = {header, NULL};
    snprintf(target, sizeof target, "/v1/events/%s/rsvp%s", id, parameters);
    snprintf(body, sizeof body, "{\"user_id\":\"%s\"}", user);
    snprintf(header, sizeof header, "Idempotency-Key: %s", key == NULL ? "" : key);
    return http_request(
        client, method, target,
        &(const struct http_options){.body = body, .headers = key == NULL ? NULL : headers});
}

/* ---- places ---- */

static void expect_place(const char *user, int64_t place, bool exact)
{
    struct http_response *response = put_in("POST", "places", user, "", NULL);
    expect_json(response, 202,
                "{\"event_id\":\"places\",\"user_id\":\"%s\",\"has_rsvped\":false,"
                "\"status\":\"waitlisted\",\"waitlist_position\":%lld,%s\"changed\":false,"
                "\"rsvp_count\":0}",
                user, (long long)place, exact ? "" : "\"waitlist_position_exact\":false,");
    http_response_free(&response);
}

/* While nobody has left from the middle every place is known; then up to 10,000, and further back
 * never too high. */
static void places_are_exact_up_to_a_bound(NO_STATE)
{
    make_list("places", LONG);
    expect_place("w1", 1, true);
    expect_place("w10000", EXACT_MAX, true);
    expect_place("w60000", LONG, true);
    event_do(client, "DELETE", "places", "w2", .status = "none", .changed = true);
    expect_place("w1", 1, true);
    expect_place("w3", 2, true);
    expect_place("w10001", EXACT_MAX, true);
    expect_place("w10002", EXACT_MAX + 1, false);
    expect_place("w60000", LONG - 1, false);
    /* Who leaves behind lowers the bound, and no place. */
    pg_execute(database_url, "DELETE FROM waitlist WHERE event_id = 'places' AND ticket > 50000"
                             " AND ticket < 60000");
    pg_execute(database_url,
               "UPDATE events SET waiting = waiting - 9999 WHERE event_id = 'places'");
    expect_place("w12000", EXACT_MAX + 1, false);
    expect_place("w60000", LONG - 10000, false);
    expect_place("w9000", 8999, true);
    event_do(client, "POST", "places", "new", .status = "waitlisted", .changed = true,
             .position = LONG - 10000 + 1);
}

/* ---- promotions in steps ---- */

/* Whether somebody is in while another one waits who came before. */
static bool is_overtaken(const char *id)
{
    return pg_query_bool(
        database_url,
        "SELECT coalesce((SELECT min(substr(user_id, 2)::integer) FROM waitlist"
        " WHERE event_id = '%s' AND user_id LIKE 'w%%')"
        " <= (SELECT max(CASE WHEN user_id LIKE 'w%%' THEN substr(user_id, 2)::integer"
        " WHEN user_id = 'newcomer' THEN 1000000 END) FROM rsvps WHERE event_id = '%s'), false)",
        id, id);
}

static void wait_until_nobody_waits(const char *id)
{
    const int64_t until_ms = expect_now_ms() + POLL_BOUND_MS;
    while (pg_query_bool(database_url,
                         "SELECT EXISTS (SELECT FROM waitlist WHERE event_id = '%s')"
                         " OR EXISTS (SELECT FROM events WHERE promoting_at IS NOT NULL)",
                         id)) {
        assert_false(is_overtaken(id));
        if (expect_now_ms() > until_ms) {
            process_fail("%s: they wait still", id);
        }
        process_nap();
    }
}

static void expect_in(const char *id, unsigned size)
{
    assert_false(is_overtaken(id));
    assert_int_equal(
        pg_query_int64(database_url, "SELECT count(*) FROM rsvps WHERE event_id = '%s'", id), size);
    assert_int_equal(
        pg_query_int64(database_url, "SELECT count FROM rsvp_counters WHERE event_id = '%s'", id),
        size);
}

static void few_move_up_within_the_answer(NO_STATE)
{
    make_list("few", 2500);
    expect_event_settings(event_request(client, "PUT", "few", "{\"capacity\":2300}"), "few",
                          .settings = "\"capacity\":2300,\"waitlist\":false,\"opens_at\":null,"
                                      "\"closes_at\":null",
                          .count = 2300, .waiting = 200);
    expect_in("few", 2300);
    expect_event_settings(event_request(client, "DELETE", "few", NULL), "few",
                          .settings = NO_SETTINGS, .remaining = -1, .count = 2500);
    expect_in("few", 2500);
}

static json_t *expect_incomplete(struct http_response **response)
{
    expect_status(*response, 202);
    json_t *body = json_incref((*response)->json);
    assert_true(json_is_false(json_object_get(body, "complete")));
    http_response_free(response);
    return body;
}

/* Whoever comes meanwhile waits behind the others, though the settings have no waiting list, and
 * gets in as they do. */
static void many_move_up_in_steps(NO_STATE)
{
    static const struct {
        const char *id, *method, *body;
        bool has_settings;
    } rows[] = {
        {"larger", "PUT", "{\"capacity\":1000000}", true},
        {"cleared", "DELETE", NULL, false},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        const char *id = rows[i].id;
        make_list(id, LONG);
        struct http_response *response =
            event_request(hurried_client, rows[i].method, id, rows[i].body);
        json_t *body = expect_incomplete(&response);
        assert_true(json_integer_value(json_object_get(body, "waitlist_count")) > 0);
        json_decref(body);
        response = put_in("POST", id, "newcomer", "", NULL);
        expect_status(response, 202);
        http_response_free(&response);
        response = put_in("POST", id, "organiser", "?past_capacity=true", NULL);
        expect_status(response, 201);
        http_response_free(&response);
        wait_until_nobody_waits(id);
        expect_in(id, LONG + 2);
        response = put_in("POST", id, "newcomer", "", NULL);
        expect_status(response, 200);
        http_response_free(&response);
        assert_int_equal(
            pg_query_int64(database_url, "SELECT count(*) FROM events WHERE event_id = '%s'", id),
            rows[i].has_settings);
        assert_int_equal(pg_query_bool(database_url,
                                       "SELECT managed FROM rsvp_counters WHERE event_id = '%s'",
                                       id),
                         rows[i].has_settings);
    }
}

/* What was begun goes on after the processes were killed. */
static void a_promotion_survives_the_processes(NO_STATE)
{
    make_list("killed", LONG);
    struct http_response *response = event_request(hurried_client, "DELETE", "killed", NULL);
    json_decref(expect_incomplete(&response));
    service_kill(&hurried);
    service_kill(&service);
    disconnect();
    assert_true(pg_query_int64(database_url, "SELECT waiting FROM events"
                                             " WHERE event_id = 'killed' AND releasing") > 0);
    start();
    wait_until_nobody_waits("killed");
    expect_in("killed", LONG);
}

/* Settings that come before the old ones are gone find the rest of the list. */
static void settings_may_come_back_meanwhile(NO_STATE)
{
    make_list("back", LONG);
    struct http_response *response = event_request(hurried_client, "DELETE", "back", NULL);
    json_decref(expect_incomplete(&response));
    response = event_request(client, "PUT", "back", "{\"capacity\":5,\"waitlist\":true}");
    expect_status(response, 200);
    const int64_t going = json_integer_value(json_object_get(response->json, "rsvp_count"));
    const int64_t waiting = json_integer_value(json_object_get(response->json, "waitlist_count"));
    http_response_free(&response);
    assert_true(waiting > 0);
    assert_int_equal(going + waiting, LONG);
    event_do(client, "POST", "back", "late", .status = "waitlisted", .changed = true,
             .position = waiting + 1, .count = going);
    expect_in("back", (unsigned)going);
}

/* Whoever waited has cancelled before the next step: it still takes the settings away. */
static void a_list_that_empties_itself_ends_the_clearing(NO_STATE)
{
    make_list("emptied", 1);
    /* Between two steps, the next of which is some time away. */
    pg_execute(database_url,
               "UPDATE events SET capacity = NULL, waitlist = false, releasing = true,"
               " promoting_at = statement_timestamp() + interval '5 s'"
               " WHERE event_id = 'emptied'");
    struct http_response *response = put_in("DELETE", "emptied", "w1", "", NULL);
    expect_status(response, 200);
    http_response_free(&response);
    const int64_t until_ms = expect_now_ms() + POLL_BOUND_MS;
    while (pg_query_int64(database_url, "SELECT count(*) FROM events WHERE event_id = 'emptied'") >
           0) {
        if (expect_now_ms() > until_ms) {
            process_fail("the settings are never gone");
        }
        process_nap();
    }
    assert_false(pg_query_bool(database_url, "SELECT managed FROM rsvp_counters"
                                             " WHERE event_id = 'emptied'"));
}

/* ---- past the capacity ---- */

static void some_are_put_in_past_all_rules(NO_STATE)
{
    event_put(client, "guests", "{\"capacity\":1,\"waitlist\":true}");
    event_do(client, "POST", "guests", "in", .status = "going", .changed = true, .count = 1);
    event_do(client, "POST", "guests", "first", .status = "waitlisted", .changed = true,
             .position = 1, .count = 1);
    event_do(client, "POST", "guests", "second", .status = "waitlisted", .changed = true,
             .position = 2, .count = 1);
    const struct {
        const char *user, *parameters;
        int status;
        int64_t count;
    } rows[] = {
        {"guest", "?past_capacity=true", 201, 2},      {"guest", "?past_capacity=true", 200, 2},
        {"guest", "?past_capacity=false", 200, 2},     {"second", "?past_capacity=false", 202, 2},
        {"second", "?past%5Fcapacity=%74rue", 201, 3},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct http_response *response =
            put_in("POST", "guests", rows[i].user, rows[i].parameters, NULL);
        expect_status(response, rows[i].status);
        assert_int_equal(json_integer_value(json_object_get(response->json, "rsvp_count")),
                         rows[i].count);
        http_response_free(&response);
    }
    /* Who waits keeps their place, and gets a seat once fewer are going than there are seats. */
    event_do(client, "POST", "guests", "first", .status = "waitlisted", .position = 1, .count = 3);
    event_do(client, "DELETE", "guests", "guest", .status = "none", .changed = true, .count = 2);
    event_do(client, "DELETE", "guests", "second", .status = "none", .changed = true, .count = 1);
    expect_event_user(client, "guests", "first", "waitlisted");
    event_do(client, "DELETE", "guests", "in", .status = "none", .changed = true, .count = 1);
    expect_event_user(client, "guests", "first", "going");
    /* Neither a window nor a list that is none keeps anybody out. */
    event_put(client, "guests", "{\"capacity\":0,\"closes_at\":\"2001-01-01T00:00:00Z\"}");
    struct http_response *response = put_in("POST", "guests", "late", "?past_capacity=true", NULL);
    expect_status(response, 201);
    http_response_free(&response);
    response = put_in("POST", "open", "anyone", "?past_capacity=true", NULL);
    expect_status(response, 201);
    http_response_free(&response);
}

/* With the parameter it is another request. */
static void a_key_is_for_one_of_the_two(NO_STATE)
{
    const struct {
        const char *parameters, *key;
        int status;
    } rows[] = {
        {"", "k1", 202},
        {"?past_capacity=true", "k1", 422},
        {"?past_capacity=true", "k2", 201},
        {"?past_capacity=true", "k2", 201},
        {"?past_capacity=false", "k2", 422},
        {"?past_capacity=false", "k1", 202},
    };
    event_put(client, "keys", "{\"capacity\":0,\"waitlist\":true}");
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct http_response *response =
            put_in("POST", "keys", "u", rows[i].parameters, rows[i].key);
        expect_status(response, rows[i].status);
        http_response_free(&response);
    }
}

static void other_values_and_methods_are_refused(NO_STATE)
{
    static const struct {
        const char *method, *target;
    } rows[] = {
        {"POST", "/v1/events/e/rsvp?past_capacity"},
        {"POST", "/v1/events/e/rsvp?past_capacity=1"},
        {"POST", "/v1/events/e/rsvp?past_capacity=TRUE"},
        {"POST", "/v1/events/e/rsvp?past_capacity=true&past_capacity=true"},
        {"DELETE", "/v1/events/e/rsvp?past_capacity=true"},
        {"POST", "/v1/posts/e/like?past_capacity=true"},
        {"DELETE", "/v1/posts/e/like?past_capacity=true"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct http_response *response =
            http_request(client, rows[i].method, rows[i].target,
                         &(const struct http_options){.body = "{\"user_id\":\"u\"}"});
        expect_problem_naming(response, 400, "invalid-parameter", "past_capacity");
        http_response_free(&response);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_exact_up_to_a_bound),
        cmocka_unit_test(few_move_up_within_the_answer),
        cmocka_unit_test(many_move_up_in_steps),
        cmocka_unit_test(a_promotion_survives_the_processes),
        cmocka_unit_test(settings_may_come_back_meanwhile),
        cmocka_unit_test(a_list_that_empties_itself_ends_the_clearing),
        cmocka_unit_test(some_are_put_in_past_all_rules),
        cmocka_unit_test(a_key_is_for_one_of_the_two),
        cmocka_unit_test(other_values_and_methods_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
