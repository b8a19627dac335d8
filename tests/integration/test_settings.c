/* Events with capacity, waiting list and window over HTTP, as the contract's section 5 describes
 * them, at two services on the same stores. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "admission_watch.h"
#include "event.h"
#include "expect.h"
#include "http.h"
#include "pair.h"
#include "process.h"
#include "relation.h"
#include "test.h"

#define NO_SETTINGS "\"capacity\":null,\"waitlist\":false,\"opens_at\":null,\"closes_at\":null"
#define LIMITED(capacity)                                                                          \
    "\"capacity\":" #capacity ",\"waitlist\":false,\"opens_at\":null,\"closes_at\":null"
#define QUEUED(capacity)                                                                           \
    "\"capacity\":" #capacity ",\"waitlist\":true,\"opens_at\":null,\"closes_at\":null"
#define PAST "2001-01-01T00:00:00.000Z"
#define FUTURE "2999-01-01T00:00:00.000Z"

enum { TARGET_SIZE = 2048, WINDOW_MS = 700, POLL_BOUND_MS = PROCESS_BOUND_MS };

static struct http_client *here(void)
{
    return pair.clients[0];
}

static struct http_client *there(void)
{
    return pair.clients[1];
}

static void comes(const char *id, const char *user, int64_t count)
{
    event_do(here(), "POST", id, user, .status = "going", .changed = true, .count = count);
}

static void queues(const char *id, const char *user, int64_t position, int64_t count)
{
    event_do(here(), "POST", id, user, .status = "waitlisted", .changed = true, .count = count,
             .position = position);
}

static void leaves(const char *id, const char *user, int64_t count)
{
    event_do(here(), "DELETE", id, user, .status = "none", .changed = true, .count = count);
}

/* ---- the settings themselves ---- */

static void settings_come_back_as_they_were_put(NO_STATE)
{
    static const struct {
        const char *body, *settings;
        int64_t remaining;
    } rows[] = {
        {"{}", NO_SETTINGS, -1},
        {"{\"capacity\":null,\"waitlist\":null,\"opens_at\":null,\"closes_at\":null}", NO_SETTINGS,
         -1},
        {"{\"capacity\":0}", LIMITED(0), 0},
        {"{\"capacity\":1000000000,\"waitlist\":true}", QUEUED(1000000000), 1000000000},
        {"{\"waitlist\":true}", QUEUED(null), -1},
        {"{\"capacity\":7,\"waitlist\":false}", LIMITED(7), 7},
        {"{\"opens_at\":\"2026-12-01T01:30:00+01:30\"}",
         "\"capacity\":null,\"waitlist\":false,\"opens_at\":\"2026-12-01T00:00:00.000Z\","
         "\"closes_at\":null",
         -1},
        {"{\"closes_at\":\"2026-11-30T19:00:00.5-05:00\"}",
         "\"capacity\":null,\"waitlist\":false,\"opens_at\":null,"
         "\"closes_at\":\"2026-12-01T00:00:00.500Z\"",
         -1},
        {"{\"opens_at\":\"2024-02-29t23:59:59.123999z\",\"closes_at\":\"9999-12-31T23:59:59."
         "999Z\"}",
         "\"capacity\":null,\"waitlist\":false,\"opens_at\":\"2024-02-29T23:59:59.123Z\","
         "\"closes_at\":\"9999-12-31T23:59:59.999Z\"",
         -1},
    };
    expect_event(here(), "settings", .settings = NO_SETTINGS, .remaining = -1);
    for (size_t i = 0; i < LENGTH(rows); i++) { /* each replaces all of the one before */
        process_note("%s", rows[i].body);
        expect_event_settings(event_request(here(), "PUT", "settings", rows[i].body), "settings",
                              .settings = rows[i].settings, .remaining = rows[i].remaining);
        expect_event(here(), "settings", .settings = rows[i].settings,
                     .remaining = rows[i].remaining);
        expect_event(there(), "settings", .settings = rows[i].settings,
                     .remaining = rows[i].remaining);
    }
    expect_event_settings(event_request(here(), "DELETE", "settings", NULL), "settings",
                          .settings = NO_SETTINGS, .remaining = -1);
    expect_event(there(), "settings", .settings = NO_SETTINGS, .remaining = -1);
    expect_settings_stored(pair.database_url, "settings", false);
    /* Once more, and where there never were any. */
    expect_event_settings(event_request(here(), "DELETE", "settings", "{}"), "settings",
                          .settings = NO_SETTINGS, .remaining = -1);
    expect_event_settings(event_request(here(), "DELETE", "never-seen", NULL), "never-seen",
                          .settings = NO_SETTINGS, .remaining = -1);
}

static void malformed_settings_are_refused_and_change_nothing(NO_STATE)
{
    static const struct {
        const char *body, *code, *word;
    } rows[] = {
        {"{\"capacity\":-1}", "invalid-parameter", "capacity"},
        {"{\"capacity\":1000000001}", "invalid-parameter", "capacity"},
        {"{\"capacity\":9223372036854775807}", "invalid-parameter", "capacity"},
        {"{\"capacity\":1.5}", "invalid-parameter", "capacity"},
        {"{\"capacity\":99999999999999999999}", "invalid-parameter", "out of"},
        {"{\"capacity\":1e999}", "invalid-parameter", "out of"},
        {"{\"capacity\":\"5\"}", "invalid-parameter", "capacity"},
        {"{\"capacity\":true}", "invalid-parameter", "capacity"},
        {"{\"waitlist\":1}", "invalid-parameter", "waitlist"},
        {"{\"waitlist\":\"true\"}", "invalid-parameter", "waitlist"},
        {"{\"opens_at\":0}", "invalid-parameter", "opens_at"},
        {"{\"opens_at\":\"2099-01-01T00:00:00Z\",\"closes_at\":\"2098-01-01T00:00:00Z\"}",
         "invalid-parameter", "before closes_at"},
        {"{\"closes_at\":\"2099-01-01T01:00:00+01:00\",\"opens_at\":\"2099-01-01T00:00:00Z\"}",
         "invalid-parameter", "before closes_at"},
        {"{\"opens_at\":\"tomorrow\"}", "invalid-parameter", "opens_at"},
        {"{\"opens_at\":\"2026-12-01\"}", "invalid-parameter", "opens_at"},
        {"{\"opens_at\":\"2026-12-01T00:00:00\"}", "invalid-parameter", "opens_at"},
        {"{\"opens_at\":\"2026-02-29T00:00:00Z\"}", "invalid-parameter", "opens_at"},
        {"{\"opens_at\":\"2026-12-01T00:00:00Z \"}", "invalid-parameter", "opens_at"},
        {"{\"closes_at\":false}", "invalid-parameter", "closes_at"},
        {"{\"closes_at\":\"\"}", "invalid-parameter", "closes_at"},
        {"{\"closes_at\":\"2026-12-01T25:00:00Z\"}", "invalid-parameter", "closes_at"},
        {"{\"closes_at\":\"2026-12-01T00:00:00.Z\"}", "invalid-parameter", "closes_at"},
        {"{\"capacity\":5,\"closes_at\":\"never\"}", "invalid-parameter", "closes_at"},
        {"{\"capacitys\":5}", "unknown-field", "capacitys"},
        {"{\"capacity\":5,\"rsvp_count\":0}", "unknown-field", "rsvp_count"},
        {"{\"Waitlist\":true}", "unknown-field", "Waitlist"},
        {"{\"event_id\":\"kept\"}", "unknown-field", "event_id"},
        {"[]", "invalid-json", ""},
        {"5", "invalid-json", ""},
        {"null", "invalid-json", ""},
        {"\"capacity\"", "invalid-json", ""},
        {"{\"capacity\":5", "invalid-json", ""},
        {"{\"capacity\":5}}", "invalid-json", ""},
        {"{\"capacity\":5,\"capacity\":6}", "invalid-json", ""},
        {"{\"capacity\":{}}", "invalid-json", ""},
        {"{\"waitlist\":[true]}", "invalid-json", ""},
        {"{\"capacity\":{\"capacity\":{\"capacity\":1}}}", "invalid-json", ""},
        {"{\"opens_at\":\"\xff\"}", "invalid-json", ""},
        {" ", "invalid-json", ""},
    };
    event_put(here(), "kept", "{\"capacity\":3,\"waitlist\":true}");
    for (size_t i = 0; i < LENGTH(rows); i++) {
        process_note("%s", rows[i].body);
        struct http_response *response = event_request(here(), "PUT", "kept", rows[i].body);
        expect_problem_naming(response, 400, rows[i].code, rows[i].word);
        http_response_free(&response);
    }
    struct http_response *response = event_request(here(), "PUT", "kept", NULL);
    expect_problem(response, 400, "invalid-json"); /* no body at all */
    http_response_free(&response);
    response = event_request(here(), "DELETE", "kept", "{\"capacity\":3}");
    expect_problem_naming(response, 400, "unknown-field", "capacity");
    http_response_free(&response);
    response = event_request(here(), "DELETE", "kept", "[]");
    expect_problem(response, 400, "invalid-json");
    http_response_free(&response);
    expect_event(here(), "kept", .settings = QUEUED(3), .remaining = 3);
}

static void bodies_of_another_kind_or_size_are_refused(NO_STATE)
{
    static char large[17 * 1024 + 1];
    struct http_response *response =
        http_request(here(), "PUT", "/v1/events/kinds",
                     &(const struct http_options){.body = "{}", .content_type = "text/plain"});
    expect_problem(response, 415, "unsupported-media-type");
    http_response_free(&response);
    response = http_request(here(), "PUT", "/v1/events/kinds",
                            &(const struct http_options){.body = "{}", .content_type = ""});
    expect_status(response, 200); /* none at all is taken for JSON */
    http_response_free(&response);
    memset(large, ' ', sizeof large - 1);
    large[0] = '{';
    large[sizeof large - 2] = '}';
    response = event_request(here(), "PUT", "kinds", large);
    expect_problem(response, 413, "payload-too-large");
    http_response_free(&response);
}

static void paths_methods_and_parameters_are_as_everywhere(NO_STATE)
{
    static const struct {
        const char *method, *target, *code, *allow, *word;
        int status;
    } rows[] = {
        {"POST", "/v1/events/paths", "method-not-allowed", "GET, HEAD, PUT, DELETE, OPTIONS", "",
         405},
        {"POST", "/events/paths", "method-not-allowed", "GET, HEAD, PUT, DELETE, OPTIONS", "", 405},
        {"PUT", "/v1/events/paths/waitlist", "method-not-allowed", "GET, HEAD, OPTIONS", "", 405},
        {"DELETE", "/v1/events/paths/waitlist", "method-not-allowed", "GET, HEAD, OPTIONS", "",
         405},
        {"GET", "/v1/events/a%20b", "invalid-identifier", NULL, "event_id", 400},
        {"PUT", "/v1/events/a%20b", "invalid-identifier", NULL, "event_id", 400},
        {"DELETE", "/v1/events/a%20b", "invalid-identifier", NULL, "event_id", 400},
        {"GET", "/v1/events/a%20b/waitlist", "invalid-identifier", NULL, "event_id", 400},
        {"GET", "/v1/events/paths?verbose=1", "invalid-parameter", NULL, "verbose", 400},
        {"PUT", "/v1/events/paths?capacity=1", "invalid-parameter", NULL, "capacity", 400},
        {"DELETE", "/v1/events/paths?user_id=u", "invalid-parameter", NULL, "user_id", 400},
        {"GET", "/v1/events/paths/waitlist?user_id=u", "invalid-parameter", NULL, "user_id", 400},
        {"GET", "/v1/events/paths/waitlist?page_size=0", "invalid-parameter", NULL, "page_size",
         400},
        {"GET", "/v1/events/paths/waitlist?page_size=1001", "invalid-parameter", NULL, "page_size",
         400},
        {"GET", "/v1/events/paths/waitlist?page_token=x", "invalid-parameter", NULL, "page_token",
         400},
        {"GET", "/v1/posts/paths", "not-found", NULL, "", 404},
        {"PUT", "/v1/posts/paths", "not-found", NULL, "", 404},
        {"DELETE", "/v1/posts/paths", "not-found", NULL, "", 404},
        {"GET", "/v1/posts/paths/waitlist", "not-found", NULL, "", 404},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        process_note("%s %s", rows[i].method, rows[i].target);
        struct http_response *response = http_request(here(), rows[i].method, rows[i].target, NULL);
        expect_problem_naming(response, rows[i].status, rows[i].code, rows[i].word);
        expect_header(response, "Allow", rows[i].allow);
        http_response_free(&response);
    }
}

static void bare_paths_head_and_options_work(NO_STATE)
{
    static const struct {
        const char *target, *allow;
    } rows[] = {
        {"/v1/events/bare", "GET, HEAD, PUT, DELETE, OPTIONS"},
        {"/events/bare", "GET, HEAD, PUT, DELETE, OPTIONS"},
        {"/v1/events/bare/waitlist", "GET, HEAD, OPTIONS"},
        {"/events/bare/waitlist", "GET, HEAD, OPTIONS"},
    };
    struct http_response *response =
        http_request(here(), "PUT", "/events/bare",
                     &(const struct http_options){.body = "{\"capacity\":1,\"waitlist\":true}"});
    expect_event_settings(response, "bare", .settings = QUEUED(1), .remaining = 1);
    comes("bare", "a", 1);
    queues("bare", "b", 1, 1);
    expect_event(here(), "bare", .settings = QUEUED(1), .count = 1, .waiting = 1);
    for (size_t i = 0; i < LENGTH(rows); i++) {
        process_note("%s", rows[i].target);
        response = http_request(here(), "HEAD", rows[i].target, NULL);
        expect_status(response, 200);
        assert_int_equal(response->body_size, 0);
        assert_true(strtol(http_header(response, "Content-Length"), NULL, 10) > 0);
        http_response_free(&response);
        response = http_request(here(), "OPTIONS", rows[i].target, NULL);
        expect_status(response, 204);
        expect_header(response, "Allow", rows[i].allow);
        http_response_free(&response);
    }
    response = http_request(here(), "GET", "/events/bare/waitlist", NULL);
    expect_status(response, 200);
    assert_int_equal(json_array_size(json_object_get(response->json, "users")), 1);
    http_response_free(&response);
    response = http_request(here(), "DELETE", "/events/bare", NULL);
    expect_event_settings(response, "bare", .settings = NO_SETTINGS, .count = 2, .remaining = -1);
}

/* ---- capacity ---- */

static void full_event_refuses_newcomers_alone(NO_STATE)
{
    event_put(here(), "full", "{\"capacity\":2}");
    comes("full", "a", 1);
    expect_event(here(), "full", .settings = LIMITED(2), .count = 1, .remaining = 1);
    comes("full", "b", 2);
    expect_event(here(), "full", .settings = LIMITED(2), .count = 2, .remaining = 0);
    event_refuses(here(), "full", "c", "event-full");
    event_refuses(there(), "full", "c", "event-full");
    event_do(here(), "POST", "full", "a", .status = "going", .count = 2);
    event_do(there(), "DELETE", "full", "c", .status = "none", .count = 2);
    expect_event_user(here(), "full", "c", "none");
    leaves("full", "a", 1);
    comes("full", "c", 2);
    event_refuses(here(), "full", "a", "event-full");
    expect_event_users(here(), "full", "b c");
    expect_event_waitlist(here(), "full", "");
    expect_exact_count(here(), &relations[RELATION_RSVP], "full", 2);
}

static void no_capacity_at_all_admits_nobody(NO_STATE)
{
    event_put(here(), "none", "{\"capacity\":0}");
    event_refuses(here(), "none", "a", "event-full");
    event_do(here(), "DELETE", "none", "a", .status = "none");
    event_put(here(), "none", "{\"capacity\":0,\"waitlist\":true}");
    queues("none", "a", 1, 0);
    expect_event(here(), "none", .settings = QUEUED(0), .waiting = 1, .remaining = 0);
}

static void smaller_capacity_evicts_nobody_and_admits_nobody(NO_STATE)
{
    event_put(here(), "smaller", "{\"capacity\":3,\"waitlist\":true}");
    comes("smaller", "a", 1);
    comes("smaller", "b", 2);
    comes("smaller", "c", 3);
    queues("smaller", "d", 1, 3);
    expect_event_settings(
        event_request(here(), "PUT", "smaller", "{\"capacity\":1,\"waitlist\":true}"), "smaller",
        .settings = QUEUED(1), .count = 3, .waiting = 1, .remaining = 0);
    expect_event_users(here(), "smaller", "a b c");
    queues("smaller", "e", 2, 3);
    leaves("smaller", "a", 2);
    leaves("smaller", "b", 1);
    expect_event_waitlist(here(), "smaller", "d e");
    event_do(here(), "POST", "smaller", "c", .status = "going", .count = 1);
    event_do(here(), "DELETE", "smaller", "c", .status = "none", .changed = true, .count = 1);
    expect_event_users(here(), "smaller", "d"); /* the seat went to who waited */
    expect_event_waitlist(here(), "smaller", "e");
}

/* ---- the waiting list ---- */

static void waiters_keep_their_order_and_places(NO_STATE)
{
    event_put(here(), "order", "{\"capacity\":1,\"waitlist\":true}");
    comes("order", "m", 1);
    queues("order", "z", 1, 1);
    queues("order", "a", 2, 1);
    queues("order", "k", 3, 1);
    event_do(there(), "POST", "order", "k", .status = "waitlisted", .position = 3, .count = 1);
    event_do(here(), "POST", "order", "z", .status = "waitlisted", .position = 1, .count = 1);
    expect_event_user(here(), "order", "m", "going");
    expect_event_user(there(), "order", "a", "waitlisted");
    expect_event_user(there(), "order", "nobody", "none");
    expect_event_users(there(), "order", "m");
    expect_event_waitlist(there(), "order", "z a k");
    expect_event(there(), "order", .settings = QUEUED(1), .count = 1, .waiting = 3);
    /* Who waits leaves the list; who comes back stands at its end. */
    leaves("order", "z", 1);
    expect_event_user(here(), "order", "z", "none");
    event_do(here(), "DELETE", "order", "z", .status = "none", .count = 1);
    queues("order", "z", 3, 1);
    event_do(here(), "POST", "order", "k", .status = "waitlisted", .position = 2, .count = 1);
    expect_event_waitlist(here(), "order", "a k z");
    expect_event(here(), "order", .settings = QUEUED(1), .count = 1, .waiting = 3);
}

static void freed_seat_goes_to_who_waited_longest(NO_STATE)
{
    event_put(here(), "freed", "{\"capacity\":2,\"waitlist\":true}");
    comes("freed", "m", 1);
    comes("freed", "n", 2);
    queues("freed", "z", 1, 2);
    queues("freed", "a", 2, 2);
    event_do(there(), "DELETE", "freed", "m", .status = "none", .changed = true, .count = 2);
    expect_event_user(there(), "freed", "z", "going");
    expect_event_users(here(), "freed", "n z");
    event_do(here(), "POST", "freed", "z", .status = "going", .count = 2);
    event_do(here(), "POST", "freed", "a", .status = "waitlisted", .position = 1, .count = 2);
    event_do(here(), "DELETE", "freed", "z", .status = "none", .changed = true, .count = 2);
    expect_event_users(here(), "freed", "a n");
    leaves("freed", "n", 1);
    expect_event(here(), "freed", .settings = QUEUED(2), .count = 1, .remaining = 1);
    expect_exact_count(there(), &relations[RELATION_RSVP], "freed", 1);
    event_do(here(), "POST", "freed", "a", .status = "going", .count = 1);
}

/* One going, and z, a, k waiting in that order. */
static void make_queue(const char *id)
{
    event_put(here(), id, "{\"capacity\":1,\"waitlist\":true}");
    comes(id, "m", 1);
    queues(id, "z", 1, 1);
    queues(id, "a", 2, 1);
    queues(id, "k", 3, 1);
}

static void larger_capacity_moves_waiters_up_in_order(NO_STATE)
{
    make_queue("larger");
    expect_event_settings(
        event_request(there(), "PUT", "larger", "{\"capacity\":3,\"waitlist\":true}"), "larger",
        .settings = QUEUED(3), .count = 3, .waiting = 1, .remaining = 0);
    expect_event_users(here(), "larger", "a m z");
    expect_event_waitlist(here(), "larger", "k");
    expect_event_settings(
        event_request(there(), "PUT", "larger", "{\"capacity\":6,\"waitlist\":true}"), "larger",
        .settings = QUEUED(6), .count = 4, .remaining = 2);
    expect_exact_count(here(), &relations[RELATION_RSVP], "larger", 4);
}

static void no_capacity_lets_all_waiters_in(NO_STATE)
{
    make_queue("unlimited");
    expect_event_settings(event_request(there(), "PUT", "unlimited", "{}"), "unlimited",
                          .settings = NO_SETTINGS, .count = 4, .remaining = -1);
    expect_event_users(here(), "unlimited", "a k m z");
    expect_event_waitlist(here(), "unlimited", "");
}

static void removal_of_the_settings_lets_all_waiters_in(NO_STATE)
{
    make_queue("removed");
    expect_event_settings(event_request(there(), "DELETE", "removed", NULL), "removed",
                          .settings = NO_SETTINGS, .count = 4, .remaining = -1);
    expect_event_users(here(), "removed", "a k m z");
    expect_event_waitlist(here(), "removed", "");
    expect_settings_stored(pair.database_url, "removed", false);
    comes("removed", "n", 5);
    /* New ones begin with an empty list. */
    event_put(here(), "removed", "{\"capacity\":5,\"waitlist\":true}");
    queues("removed", "o", 1, 5);
    expect_event_waitlist(here(), "removed", "o");
}

static void waiters_stay_when_the_list_takes_nobody_any_more(NO_STATE)
{
    make_queue("shut");
    event_put(here(), "shut", "{\"capacity\":1}");
    event_refuses(here(), "shut", "n", "event-full");
    event_do(here(), "POST", "shut", "a", .status = "waitlisted", .position = 2, .count = 1);
    expect_event(here(), "shut", .settings = LIMITED(1), .count = 1, .waiting = 3);
    event_do(here(), "DELETE", "shut", "m", .status = "none", .changed = true, .count = 1);
    expect_event_users(here(), "shut", "z");
    expect_event_waitlist(here(), "shut", "a k");
}

/* The counter still says that there are settings. Nothing limits the event then, and no answer says
 * more than was done. */
static void settings_deleted_by_hand_limit_nobody(NO_STATE)
{
    event_put(here(), "deleted", "{" QUEUED(1) "}");
    comes("deleted", "first", 1);
    queues("deleted", "second", 1, 1);
    pg_execute(pair.database_url, "DELETE FROM events WHERE event_id = 'deleted'");
    comes("deleted", "third", 2);
    comes("deleted", "second", 3);
    expect_event_user(here(), "deleted", "third", "going");
    expect_event_user(here(), "deleted", "second", "going");
    pg_execute(pair.database_url, "DELETE FROM waitlist WHERE event_id = 'deleted'");
    pg_execute(pair.database_url,
               "UPDATE rsvp_counters SET managed = false WHERE event_id = 'deleted'");
}

static void read_page(const struct http_response *response, char users[TARGET_SIZE], char **token)
{
    size_t i, used = 0;
    const json_t *line;
    expect_status(response, 200);
    users[0] = '\0';
    json_array_foreach(json_object_get(response->json, "users"), i, line)
    {
        used += (size_t)snprintf(users + used, TARGET_SIZE - used, "%s%s", i == 0 ? "" : " ",
                                 json_string_value(json_object_get(line, "user_id")));
    }
    const char *next = json_string_value(json_object_get(response->json, "next_page_token"));
    free(*token);
    *token = next == NULL ? NULL : strdup(next);
}

static void waiting_list_comes_page_by_page(NO_STATE)
{
    static const char *const arrival[] = {"q", "c", "x", "a", "m", "z", "b"};
    static const char *const pages[] = {"q c x", "a m z", "b"};
    char target[TARGET_SIZE] = "/v1/events/paged/waitlist?page_size=3", users[TARGET_SIZE];
    char *token = NULL;
    event_put(here(), "paged", "{\"capacity\":0,\"waitlist\":true}");
    for (size_t i = 0; i < LENGTH(arrival); i++) {
        queues("paged", arrival[i], (int64_t)i + 1, 0);
    }
    for (size_t i = 0; i < LENGTH(pages); i++) { /* along the links, at either process */
        struct http_response *response = http_request(pair.clients[i % 2], "GET", target, NULL);
        read_page(response, users, &token);
        assert_string_equal(users, pages[i]);
        const char *link = http_header(response, "Link");
        assert_int_equal(link != NULL, i + 1 < LENGTH(pages));
        assert_int_equal(token != NULL, i + 1 < LENGTH(pages));
        if (link != NULL) {
            assert_non_null(strstr(link, ">; rel=\"next\""));
            assert_non_null(strstr(link, token));
            assert_int_equal(sscanf(link, "<%2047[^>]>", target), 1);
        }
        http_response_free(&response);
    }
    /* The page that ends with the list is the last. */
    struct http_response *response =
        http_request(here(), "GET", "/v1/events/paged/waitlist?page_size=7", NULL);
    read_page(response, users, &token);
    assert_string_equal(users, "q c x a m z b");
    assert_null(token);
    http_response_free(&response);
}

/* A token of this listing. */
static char *token_of(const char *target)
{
    char users[TARGET_SIZE], *token = NULL;
    struct http_response *response = http_request(here(), "GET", target, NULL);
    read_page(response, users, &token);
    http_response_free(&response);
    assert_non_null(token);
    return token;
}

static void tokens_of_other_listings_are_refused(NO_STATE)
{
    static const struct {
        const char *of, *at;
        bool good;
    } rows[] = {
        {"foreign-1/waitlist", "foreign-1/waitlist", true},
        {"foreign-1/users", "foreign-1/users", true},
        {"foreign-1/users", "foreign-1/waitlist", false},
        {"foreign-1/waitlist", "foreign-1/users", false},
        {"foreign-1/waitlist", "foreign-2/waitlist", false},
        {"foreign-2/users", "foreign-1/waitlist", false},
    };
    for (unsigned i = 1; i <= 2; i++) {
        char id[32];
        snprintf(id, sizeof id, "foreign-%u", i);
        event_put(here(), id, "{\"capacity\":2,\"waitlist\":true}");
        comes(id, "1", 1);
        comes(id, "2", 2);
        queues(id, "3", 1, 2);
        queues(id, "4", 2, 2);
    }
    for (size_t i = 0; i < LENGTH(rows); i++) {
        char target[TARGET_SIZE];
        snprintf(target, sizeof target, "/v1/events/%s?page_size=1", rows[i].of);
        char *token = token_of(target);
        snprintf(target, sizeof target, "/v1/events/%s?page_token=%s", rows[i].at, token);
        process_note("a token of %s at %s", rows[i].of, rows[i].at);
        struct http_response *response = http_request(here(), "GET", target, NULL);
        if (rows[i].good) {
            expect_status(response, 200);
        } else {
            expect_problem_naming(response, 400, "invalid-parameter", "page_token");
        }
        http_response_free(&response);
        free(token);
    }
}

/* ---- windows ---- */

static void closed_event_takes_nobody_and_lets_go(NO_STATE)
{
    static const char *const windows[] = {"\"opens_at\":\"" FUTURE "\"",
                                          "\"closes_at\":\"" PAST "\""};
    for (size_t i = 0; i < LENGTH(windows); i++) {
        char id[32], body[128];
        snprintf(id, sizeof id, "closed-%zu", i);
        make_queue(id);
        snprintf(body, sizeof body, "{\"capacity\":1,\"waitlist\":true,%s}", windows[i]);
        process_note("%s", body);
        event_put(there(), id, body);
        event_refuses(here(), id, "m", "rsvp-closed"); /* who is in */
        event_refuses(here(), id, "a", "rsvp-closed"); /* who waits */
        event_refuses(here(), id, "n", "rsvp-closed"); /* who does neither */
        expect_event_user(here(), id, "m", "going");
        expect_event_user(here(), id, "a", "waitlisted");
        leaves(id, "a", 1);
        expect_event_waitlist(here(), id, "z k");
        event_do(here(), "DELETE", id, "n", .status = "none", .count = 1);
    }
}

static void nobody_is_promoted_after_the_end(NO_STATE)
{
    make_queue("ended");
    event_put(here(), "ended", "{\"capacity\":1,\"waitlist\":true,\"closes_at\":\"" PAST "\"}");
    leaves("ended", "m", 0);
    expect_event(
        here(), "ended",
        .settings = "\"capacity\":1,\"waitlist\":true,\"opens_at\":null,\"closes_at\":\"" PAST "\"",
        .waiting = 3, .remaining = 1);
    event_refuses(here(), "ended", "z", "rsvp-closed");
    /* Nor by a larger capacity, nor by none. */
    expect_event_settings(
        event_request(here(), "PUT", "ended", "{\"capacity\":9,\"closes_at\":\"" PAST "\"}"),
        "ended",
        .settings =
            "\"capacity\":9,\"waitlist\":false,\"opens_at\":null,\"closes_at\":\"" PAST "\"",
        .waiting = 3, .remaining = 9);
    expect_event_settings(
        event_request(here(), "PUT", "ended", "{\"closes_at\":\"" PAST "\"}"), "ended",
        .settings =
            "\"capacity\":null,\"waitlist\":false,\"opens_at\":null,\"closes_at\":\"" PAST "\"",
        .waiting = 3, .remaining = -1);
    expect_event_waitlist(here(), "ended", "z a k");
    /* But when it opens again. */
    expect_event_settings(
        event_request(here(), "PUT", "ended", "{\"capacity\":2,\"closes_at\":\"" FUTURE "\"}"),
        "ended",
        .settings =
            "\"capacity\":2,\"waitlist\":false,\"opens_at\":null,\"closes_at\":\"" FUTURE "\"",
        .count = 2, .waiting = 1, .remaining = 0);
    expect_event_users(here(), "ended", "a z");
    expect_event_waitlist(here(), "ended", "k");
}

static void waiters_are_promoted_before_the_beginning(NO_STATE)
{
    make_queue("early");
    event_put(here(), "early", "{\"capacity\":1,\"opens_at\":\"" FUTURE "\"}");
    event_do(here(), "DELETE", "early", "m", .status = "none", .changed = true, .count = 1);
    expect_event_users(here(), "early", "z");
    event_put(here(), "early", "{\"capacity\":2,\"opens_at\":\"" FUTURE "\"}");
    expect_event_users(here(), "early", "a z");
}

static void removal_of_the_settings_lets_waiters_in_after_the_end(NO_STATE)
{
    make_queue("ended-removed");
    event_put(here(), "ended-removed", "{\"capacity\":1,\"closes_at\":\"" PAST "\"}");
    expect_event_settings(event_request(here(), "DELETE", "ended-removed", NULL), "ended-removed",
                          .settings = NO_SETTINGS, .count = 4, .remaining = -1);
}

/* A time in so many milliseconds. */
static void format_time(char text[32], int64_t in_ms)
{
    const int64_t now_ms = expect_now_ms() + in_ms;
    const time_t seconds = (time_t)(now_ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    const size_t size = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + size, 32 - size, ".%03dZ", (int)(now_ms % 1000));
}

/* Users come one after another until one gets the other of the two statuses; gives how many came
 * before, and the moments around the last request. */
static unsigned come_until(const char *id, int before, int after, int64_t *sent_ms,
                           int64_t *received_ms)
{
    const int64_t give_up_ms = process_now_ms() + POLL_BOUND_MS;
    for (unsigned i = 0;; i++) {
        char user[32];
        snprintf(user, sizeof user, "u%u", i);
        *sent_ms = expect_now_ms();
        struct http_response *response = event_write(pair.clients[i % 2], "POST", id, user, NULL);
        *received_ms = expect_now_ms();
        const int status = response->status;
        if (status != before) {
            expect_status(response, after);
            http_response_free(&response);
            return i;
        }
        http_response_free(&response);
        assert_true(process_now_ms() < give_up_ms);
    }
}

static void window_opens_and_closes_by_the_clock(NO_STATE)
{
    char time[32], body[128];
    int64_t sent_ms, received_ms;
    format_time(time, WINDOW_MS);
    snprintf(body, sizeof body, "{\"opens_at\":\"%s\"}", time);
    event_put(here(), "clock-opens", body);
    come_until("clock-opens", 409, 201, &sent_ms, &received_ms);
    assert_true(received_ms >= expect_parse_time(time)); /* not before */
    expect_exact_count(here(), &relations[RELATION_RSVP], "clock-opens", 1);
    format_time(time, WINDOW_MS);
    snprintf(body, sizeof body, "{\"closes_at\":\"%s\"}", time);
    event_put(here(), "clock-closes", body);
    const unsigned came = come_until("clock-closes", 201, 409, &sent_ms, &received_ms);
    assert_true(received_ms >= expect_parse_time(time));
    event_refuses(there(), "clock-closes", "late", "rsvp-closed");
    expect_exact_count(here(), &relations[RELATION_RSVP], "clock-closes", came);
}

/* ---- what each process remembers ---- */

enum { CONNECTIONS = 8 };

/* Connections to every worker of both processes, as good as certainly. */
static void connect_all(struct http_client *clients[CONNECTIONS])
{
    for (size_t i = 0; i < CONNECTIONS; i++) {
        clients[i] = http_client_create(pair.services[i % 2]->port);
    }
}

static void disconnect_all(struct http_client *clients[CONNECTIONS])
{
    for (size_t i = 0; i < CONNECTIONS; i++) {
        http_client_destroy(&clients[i]);
    }
}

/* One of them puts or removes settings after all have written; all the others obey at once. */
static void settings_hold_at_once_everywhere(NO_STATE)
{
    struct http_client *clients[CONNECTIONS];
    connect_all(clients);
    for (unsigned round = 0; round < CONNECTIONS; round++) {
        struct http_client *other = clients[(round + 1) % CONNECTIONS];
        char id[32], user[32];
        snprintf(id, sizeof id, "memory-%u", round);
        for (unsigned i = 0; i < CONNECTIONS; i++) { /* all know it as one without settings */
            snprintf(user, sizeof user, "plain-%u", i);
            event_do(clients[i], "POST", id, user, .status = "going", .changed = true,
                     .count = i + 1);
        }
        event_put(clients[round], id, "{\"capacity\":9,\"waitlist\":true}");
        event_do(other, "POST", id, "ninth", .status = "going", .changed = true, .count = 9);
        for (unsigned i = 0; i < CONNECTIONS; i++) {
            snprintf(user, sizeof user, "queued-%u", i);
            event_do(clients[i], "POST", id, user, .status = "waitlisted", .changed = true,
                     .position = i + 1, .count = 9);
        }
        event_release(clients[round], id);
        event_do(other, "POST", id, "queued-0", .status = "going", .count = 17);
        for (unsigned i = 0; i < CONNECTIONS; i++) {
            snprintf(user, sizeof user, "free-%u", i);
            event_do(clients[i], "POST", id, user, .status = "going", .changed = true,
                     .count = 18 + i);
        }
        for (unsigned i = 0; i < CONNECTIONS; i++) {
            snprintf(user, sizeof user, "free-%u", i);
            event_do(clients[(i + round) % CONNECTIONS], "DELETE", id, user, .status = "none",
                     .changed = true, .count = 24 - i);
        }
    }
    disconnect_all(clients);
}

/* The first that the others hear of settings is a cancellation by somebody who waits, and one that
 * frees a seat. */
static void cancellations_learn_of_settings_too(NO_STATE)
{
    struct http_client *clients[CONNECTIONS];
    connect_all(clients);
    for (unsigned round = 0; round < CONNECTIONS; round++) {
        struct http_client *one = clients[round], *other = clients[(round + 1) % CONNECTIONS];
        char id[32];
        snprintf(id, sizeof id, "cancel-%u", round);
        event_do(other, "POST", id, "in", .status = "going", .changed = true, .count = 1);
        event_put(one, id, "{\"capacity\":1,\"waitlist\":true}");
        event_do(one, "POST", id, "first", .status = "waitlisted", .changed = true, .position = 1,
                 .count = 1);
        event_do(one, "POST", id, "second", .status = "waitlisted", .changed = true, .position = 2,
                 .count = 1);
        event_do(other, "DELETE", id, "first", .status = "none", .changed = true, .count = 1);
        event_do(clients[(round + 3) % CONNECTIONS], "DELETE", id, "in", .status = "none",
                 .changed = true, .count = 1);
        expect_event_users(one, id, "second");
    }
    disconnect_all(clients);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_come_back_as_they_were_put),
        cmocka_unit_test(malformed_settings_are_refused_and_change_nothing),
        cmocka_unit_test(bodies_of_another_kind_or_size_are_refused),
        cmocka_unit_test(paths_methods_and_parameters_are_as_everywhere),
        cmocka_unit_test(bare_paths_head_and_options_work),
        cmocka_unit_test(full_event_refuses_newcomers_alone),
        cmocka_unit_test(no_capacity_at_all_admits_nobody),
        cmocka_unit_test(smaller_capacity_evicts_nobody_and_admits_nobody),
        cmocka_unit_test(waiters_keep_their_order_and_places),
        cmocka_unit_test(freed_seat_goes_to_who_waited_longest),
        cmocka_unit_test(larger_capacity_moves_waiters_up_in_order),
        cmocka_unit_test(no_capacity_lets_all_waiters_in),
        cmocka_unit_test(removal_of_the_settings_lets_all_waiters_in),
        cmocka_unit_test(waiters_stay_when_the_list_takes_nobody_any_more),
        cmocka_unit_test(settings_deleted_by_hand_limit_nobody),
        cmocka_unit_test(waiting_list_comes_page_by_page),
        cmocka_unit_test(tokens_of_other_listings_are_refused),
        cmocka_unit_test(closed_event_takes_nobody_and_lets_go),
        cmocka_unit_test(nobody_is_promoted_after_the_end),
        cmocka_unit_test(waiters_are_promoted_before_the_beginning),
        cmocka_unit_test(removal_of_the_settings_lets_waiters_in_after_the_end),
        cmocka_unit_test(window_opens_and_closes_by_the_clock),
        cmocka_unit_test(settings_hold_at_once_everywhere),
        cmocka_unit_test(cancellations_learn_of_settings_too),
    };
    return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}
