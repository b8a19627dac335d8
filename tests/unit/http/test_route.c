/* The route table: which path is which route, what it captures, which methods it takes. */
#include "unit.h"

#include "rsvpd/http/count_stream.h"
#include "rsvpd/http/erasure.h"
#include "rsvpd/http/event_list.h"
#include "rsvpd/http/export.h"
#include "rsvpd/http/handlers.h"
#include "rsvpd/http/listing.h"
#include "rsvpd/http/routes.h"
#include "rsvpd/http/settings.h"

#include <stdio.h>
#include <stdlib.h>

#define ID128                                                                                      \
    "0123456789012345678901234567890123456789012345678901234567890123"                             \
    "0123456789012345678901234567890123456789012345678901234567890123"

enum { BOTH = ROUTE_PUBLIC | ROUTE_ADMIN };

/* The route that a pattern stands for; the first one where it is NULL. */
static const struct route *route_of(const char *pattern)
{
    for (size_t i = 0; i < routes.count && pattern != NULL; i++) {
        if (strcmp(routes.at[i].pattern, pattern) == 0) {
            return &routes.at[i];
        }
    }
    assert_null(pattern);
    return &routes.at[0];
}

/* The path lies in memory of just its size, until the next one does, so that the address sanitizer
 * sees who reads behind it. */
static struct slice place_path(const char *path)
{
    static char *memory;
    size_t size = strlen(path);
    free(memory);
    memory = size == 0 ? NULL : malloc(size);
    if (memory != NULL) {
        memcpy(memory, path, size);
    }
    return slice_make(memory, size);
}

static enum problem find(struct request *request, const char *path, enum route_flags port,
                         const char **detail)
{
    *request = (struct request){.path = place_path(path)};
    *detail = NULL;
    enum problem problem = route_find(&routes, port, request, detail);
    assert_non_null(request->route);
    return problem;
}

static void expect_not_found(const char *path, enum route_flags port)
{
    struct request request;
    const char *detail;
    if (find(&request, path, port, &detail) != PROBLEM_NOT_FOUND ||
        request.route != &routes.at[0]) {
        fail_msg("'%s' is '%s'", path, request.route->pattern);
    }
}

/* Every path of the contract; without /v1 it is the same. */
struct documented {
    const char *path, *pattern;
    unsigned ports;
    const char *entity, *user, *captured; /* NULL: none */
};

#define RSVP "/v1/events/{event_id}/rsvp"
#define RSVPED "/v1/events/{event_id}/users/{user_id}"
#define RSVPS "/v1/events/{event_id}/rsvp_count"
#define LIKE "/v1/posts/{post_id}/like"
#define LIKED "/v1/posts/{post_id}/users/{user_id}"
#define LIKES "/v1/posts/{post_id}/like_count"
#define GOERS "/v1/events/{event_id}/users"
#define LIKERS "/v1/posts/{post_id}/users"
#define EVENT "/v1/events/{event_id}"
#define WAITERS "/v1/events/{event_id}/waitlist"
#define USER "/v1/users/{user_id}"
#define EVENTS "/v1/events"
#define EXPORT "/v1/users/{user_id}/export"
#define OWN_EVENTS "/v1/users/{user_id}/events"
#define OWN_POSTS "/v1/users/{user_id}/posts"

static const struct documented documented[] = {
    {"/v1/events/101a/rsvp", RSVP, ROUTE_PUBLIC, "101a", NULL, NULL},
    {"/v1/events/101a/users/u1", RSVPED, ROUTE_PUBLIC, "101a", "u1", NULL},
    {"/v1/events/101a/rsvp_count", RSVPS, ROUTE_PUBLIC, "101a", NULL, NULL},
    {"/v1/posts/101a/like", LIKE, ROUTE_PUBLIC, "101a", NULL, NULL},
    {"/v1/posts/101a/users/u1", LIKED, ROUTE_PUBLIC, "101a", "u1", NULL},
    {"/v1/posts/101a/like_count", LIKES, ROUTE_PUBLIC, "101a", NULL, NULL},
    {"/v1/events/101a/users", GOERS, ROUTE_PUBLIC, "101a", NULL, NULL},
    {"/v1/posts/101a/users", LIKERS, ROUTE_PUBLIC, "101a", NULL, NULL},
    {"/v1/users/u1/events", OWN_EVENTS, ROUTE_PUBLIC, NULL, "u1", NULL},
    {"/v1/users/u1/posts", OWN_POSTS, ROUTE_PUBLIC, NULL, "u1", NULL},
    {"/v1/events", EVENTS, ROUTE_PUBLIC, NULL, NULL, NULL},
    {"/v1/users/u1/export", EXPORT, ROUTE_PUBLIC, NULL, "u1", NULL},
    {"/v1/users/u1", USER, ROUTE_PUBLIC, NULL, "u1", NULL},
    {"/v1/events/101a", EVENT, ROUTE_PUBLIC, "101a", NULL, NULL},
    {"/v1/events/waitlist", EVENT, ROUTE_PUBLIC, "waitlist", NULL, NULL},
    {"/v1/events/101a/waitlist", WAITERS, ROUTE_PUBLIC, "101a", NULL, NULL},
    {"/v1/rsvp_counts", "/v1/rsvp_counts", ROUTE_PUBLIC, NULL, NULL, NULL},
    {"/v1/like_counts", "/v1/like_counts", ROUTE_PUBLIC, NULL, NULL, NULL},
    {"/v1/events/101a/rsvp_count/stream", RSVPS "/stream", ROUTE_PUBLIC, "101a", NULL, NULL},
    {"/v1/posts/101a/like_count/stream", LIKES "/stream", ROUTE_PUBLIC, "101a", NULL, NULL},
    {"/v1/rsvp_counts/stream", "/v1/rsvp_counts/stream", ROUTE_PUBLIC, NULL, NULL, NULL},
    {"/v1/like_counts/stream", "/v1/like_counts/stream", ROUTE_PUBLIC, NULL, NULL, NULL},
    {"/v1/problems/not-found", "/v1/problems/{code}", BOTH, NULL, NULL, "not-found"},
    {"/v1/livez", "/v1/livez", BOTH, NULL, NULL, NULL},
    {"/v1/readyz", "/v1/readyz", BOTH, NULL, NULL, NULL},
    {"/v1/metrics", "/v1/metrics", ROUTE_ADMIN, NULL, NULL, NULL},
    /* identifiers are decoded, once */
    {"/v1/events/%31%30%31a/rsvp", RSVP, ROUTE_PUBLIC, "101a", NULL, NULL},
    {"/v1/events/a:b@c~_.-/rsvp", RSVP, ROUTE_PUBLIC, "a:b@c~_.-", NULL, NULL},
    {"/v1/events/" ID128 "/users/" ID128, RSVPED, ROUTE_PUBLIC, ID128, ID128, NULL},
    {"/v1/posts/%7e/users/%7E", LIKED, ROUTE_PUBLIC, "~", "~", NULL},
    /* so are the words of the path */
    {"/v1/%65vents/101a/%72svp", RSVP, ROUTE_PUBLIC, "101a", NULL, NULL},
    {"/v1/events/a/rsvp%5fcount", RSVPS, ROUTE_PUBLIC, "a", NULL, NULL},
    {"/v1/posts/a/%75%73%65%72%73/u", LIKED, ROUTE_PUBLIC, "a", "u", NULL},
    {"/v1/live%7A", "/v1/livez", BOTH, NULL, NULL, NULL},
    /* ids that look like words of a path */
    {"/v1/events/rsvp/rsvp", RSVP, ROUTE_PUBLIC, "rsvp", NULL, NULL},
    {"/v1/events/users/users/users", RSVPED, ROUTE_PUBLIC, "users", "users", NULL},
    {"/v1/events/v1/rsvp", RSVP, ROUTE_PUBLIC, "v1", NULL, NULL},
    {"/v1/posts/=+|/like", LIKE, ROUTE_PUBLIC, "=+|", NULL, NULL},
    /* what a {name} without _id captures stands as it came */
    {"/v1/problems/a%20b", "/v1/problems/{code}", BOTH, NULL, NULL, "a%20b"},
    {"/v1/problems/", "/v1/problems/{code}", BOTH, NULL, NULL, ""},
};

static void expect_documented(const char *path, const struct documented *expected)
{
    static const enum route_flags ports[] = {ROUTE_PUBLIC, ROUTE_ADMIN};
    for (size_t i = 0; i < LENGTH(ports); i++) {
        struct request request;
        const char *detail;
        if ((expected->ports & ports[i]) == 0) {
            expect_not_found(path, ports[i]);
            continue;
        }
        enum problem problem = find(&request, path, ports[i], &detail);
        if (problem != PROBLEM_NONE || request.route != route_of(expected->pattern)) {
            fail_msg("'%s' is '%s', problem %d", path, request.route->pattern, (int)problem);
        }
        const char *entity = expected->entity, *user = expected->user;
        unit_expect_text(path, identifier_slice(&request.entity), entity == NULL ? "" : entity);
        unit_expect_text(path, identifier_slice(&request.user), user == NULL ? "" : user);
        unit_expect_text(path, request.captured,
                         expected->captured == NULL ? "" : expected->captured);
    }
}

/* The version is a word of the path like any other. */
static void test_an_encoded_version(NO_STATE)
{
    static const struct documented livez = {"/%76%31/livez", "/v1/livez", BOTH, NULL, NULL, NULL};
    expect_documented(livez.path, &livez);
}

static void test_every_documented_path(NO_STATE)
{
    for (size_t i = 0; i < LENGTH(documented); i++) {
        expect_documented(documented[i].path, &documented[i]);
        expect_documented(documented[i].path + strlen("/v1"), &documented[i]);
    }
}

/* Every route is one that the contract documents, so that none goes untested. */
static void test_there_is_no_other_route(NO_STATE)
{
    for (size_t i = 1; i < routes.count; i++) {
        bool known = false;
        for (size_t j = 0; j < LENGTH(documented); j++) {
            known = known || strcmp(documented[j].pattern, routes.at[i].pattern) == 0;
        }
        if (!known) {
            fail_msg("%s is not documented", routes.at[i].pattern);
        }
    }
}

static const char *const unknown_paths[] = {
    "",
    "*",
    "v1/livez",
    "livez",
    "/",
    "//",
    "/v1",
    "/v1/",
    "/v1//",
    "/v2/livez",
    "/V1/livez",
    "/v1/v1/livez",
    "/v1x/livez",
    "/nope",
    "/livez2",
    "/live",
    "/LIVEZ",
    /* a slash at the end, or an empty segment, makes another path */
    "/livez/",
    "/v1/livez/",
    "//livez",
    "/v1//livez",
    "/events/a/rsvp/",
    "/events/a//rsvp",
    "//events/a/rsvp",
    "/events//a/rsvp",
    "/v1/events/a/users/u/",
    "/events/a/users//u",
    "/events/a/rsvp_count/",
    "/problems",
    "/problems/not-found/",
    /* too few, too many, or the other relation's words */
    "/posts",
    "/posts/a/waitlist",
    "/users",
    "/users/u/rsvps",
    "/rsvp_count",
    "/posts/a",
    "/events/a/like",
    "/posts/a/rsvp",
    "/events/a/like_count",
    "/posts/a/rsvp_count",
    "/events/a/rsvps",
    "/event/a/rsvp",
    "/events/a/rsvp/x",
    "/events/a/users/u/x",
    "/a/b/c/d/e/f/g/h",
    "/a/b/c/d/e/f/g/h/i/j",
    "/events/a/users/u/v/w/x/y/z",
    /* a slash that is encoded parts nothing; words are decoded once */
    "/events%2Fa/rsvp",
    "/events/a/waitlist/",
    "/events/a/waitlist/u",
    "/events/a/waitlists",
    "/posts/a",
    "/posts/a/waitlist",
    "/posts/a%2Flike",
    "/%2565vents/a/rsvp",
    "/%6cive%",
    "/live%7",
    "/live%zz",
    "/livez%00",
    "/livez%20",
    "/%00livez",
    "/livez%",
    /* what belongs to a query or a fragment was cut off before */
    "/livez?verbose",
    "/livez#x",
};

static void test_unknown_paths(NO_STATE)
{
    for (size_t i = 0; i < LENGTH(unknown_paths); i++) {
        expect_not_found(unknown_paths[i], ROUTE_PUBLIC);
        expect_not_found(unknown_paths[i], ROUTE_ADMIN);
    }
    struct request request = {.path = {NULL, 0}};
    const char *detail;
    assert_int_equal(route_find(&routes, ROUTE_PUBLIC, &request, &detail), PROBLEM_NOT_FOUND);
}

/* A known path whose identifier is none: the route is known, the problem names the identifier. */
static void test_identifiers_that_are_none(NO_STATE)
{
    static const struct {
        const char *path, *pattern, *detail;
    } cases[] = {
        {"/events/a%2Fb/rsvp", RSVP, "event_id"},
        {"/events//rsvp", RSVP, "event_id"},
        {"/events/a%2Frsvp", EVENT, "event_id"},
        {"/events/", EVENT, "event_id"},
        {"/events/a b/rsvp", RSVP, "event_id"},
        {"/events/%/rsvp_count", RSVPS, "event_id"},
        {"/events/%00/rsvp_count", RSVPS, "event_id"},
        {"/events/" ID128 "x/rsvp", RSVP, "event_id"},
        {"/events/a/users/", RSVPED, "user_id"},
        {"/events/a/users/%ff", RSVPED, "user_id"},
        {"/events/a/users/" ID128 "x", RSVPED, "user_id"},
        {"/events/!/users/u", RSVPED, "event_id"},
        {"/events/!/users/!", RSVPED, "event_id"},
        {"/events//users", GOERS, "event_id"},
        {"/events/a%2Frsvp", EVENT, "event_id"},
        {"/events/!", EVENT, "event_id"},
        {"/events/" ID128 "x", EVENT, "event_id"},
        {"/events//waitlist", WAITERS, "event_id"},
        {"/events/a b/waitlist", WAITERS, "event_id"},
        {"/users/", USER, "user_id"},
        {"/users/a b", USER, "user_id"},
        {"/users//events", OWN_EVENTS, "user_id"},
        {"/users/!/posts", OWN_POSTS, "user_id"},
        {"/posts//like", LIKE, "post_id"},
        {"/posts/../like_count", LIKES, "post_id"},
        {"/posts/%2E/like_count", LIKES, "post_id"},
        {"/posts/!/users/u", LIKED, "post_id"},
        {"/posts/a/users/,", LIKED, "user_id"},
    };
    for (size_t i = 0; i < LENGTH(cases) * 2; i++) {
        char path[512];
        struct request request;
        const char *detail;
        snprintf(path, sizeof path, "%s%s", i % 2 == 0 ? "" : "/v1", cases[i / 2].path);
        enum problem problem = find(&request, path, ROUTE_PUBLIC, &detail);
        if (problem != PROBLEM_INVALID_IDENTIFIER ||
            request.route != route_of(cases[i / 2].pattern)) {
            fail_msg("'%s' is '%s', problem %d", path, request.route->pattern, (int)problem);
        }
        assert_string_equal(detail, cases[i / 2].detail);
    }
}

/* Only what is within the slice is the path. */
static void test_a_path_ends_with_its_slice(NO_STATE)
{
    struct request request = {.path = slice_make("/livez/x", 6)};
    const char *detail;
    assert_int_equal(route_find(&routes, ROUTE_PUBLIC, &request, &detail), PROBLEM_NONE);
    request.path.size = 5;
    assert_int_equal(route_find(&routes, ROUTE_PUBLIC, &request, &detail), PROBLEM_NOT_FOUND);
}

static void test_methods(NO_STATE)
{
    static const struct {
        const char *pattern, *allow;
        route_handler_fn *handlers[HTTP_METHOD_COUNT];
    } cases[] = {
        {RSVP, "POST, DELETE, OPTIONS", {[HTTP_POST] = handle_add, [HTTP_DELETE] = handle_remove}},
        {LIKE, "POST, DELETE, OPTIONS", {[HTTP_POST] = handle_add, [HTTP_DELETE] = handle_remove}},
        {EVENT,
         "GET, HEAD, PUT, DELETE, OPTIONS",
         {[HTTP_GET] = handle_settings,
          [HTTP_HEAD] = handle_settings,
          [HTTP_PUT] = handle_configure,
          [HTTP_DELETE] = handle_release}},
        {USER, "DELETE, OPTIONS", {[HTTP_DELETE] = handle_erase}},
#define GET(handler) "GET, HEAD, OPTIONS", {[HTTP_GET] = handler, [HTTP_HEAD] = handler}
        {RSVPED, GET(handle_lookup)},
        {LIKED, GET(handle_lookup)},
        {RSVPS, GET(handle_count)},
        {LIKES, GET(handle_count)},
        {GOERS, GET(handle_listing)},
        {LIKERS, GET(handle_listing)},
        {OWN_EVENTS, GET(handle_listing)},
        {OWN_POSTS, GET(handle_listing)},
        {WAITERS, GET(handle_waitlist)},
        {EVENTS, GET(handle_events)},
        {EXPORT, GET(handle_export)},
        {"/v1/rsvp_counts", GET(handle_counts)},
        {"/v1/like_counts", GET(handle_counts)},
        {RSVPS "/stream", GET(handle_count_stream)},
        {LIKES "/stream", GET(handle_count_stream)},
        {"/v1/rsvp_counts/stream", GET(handle_counts_stream)},
        {"/v1/like_counts/stream", GET(handle_counts_stream)},
        {"/v1/problems/{code}", GET(handle_problem_type)},
        {"/v1/livez", GET(handle_livez)},
        {"/v1/readyz", GET(handle_readyz)},
        {"/v1/metrics", GET(handle_metrics)},
#undef GET
    };
    assert_int_equal(LENGTH(cases), routes.count - 1);
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const struct route *route = route_of(cases[i].pattern);
        char buffer[64];
        struct text allow = text_over(buffer, sizeof buffer);
        route_allow(route, &allow);
        unit_expect_text(cases[i].pattern, text_slice(&allow), cases[i].allow);
        for (int method = 0; method < HTTP_METHOD_COUNT; method++) {
            assert_true(route_endpoint(route, (enum http_method)method).handle ==
                        cases[i].handlers[method]);
        }
    }
}

/* What the gate reads from the table: who needs a user, and which parameters there are. */
static void test_flags_and_parameters(NO_STATE)
{
    static const struct {
        const char *pattern, *parameters;
        bool names_user;
        const struct relation *relation;
    } cases[] = {
        {RSVP, "user_id", true, &relations[RELATION_RSVP]},
        {LIKE, "user_id", true, &relations[RELATION_LIKE]},
        {RSVPED, "", false, &relations[RELATION_RSVP]},
        {LIKED, "", false, &relations[RELATION_LIKE]},
        {RSVPS, "max_stale_ms", false, &relations[RELATION_RSVP]},
        {LIKES, "max_stale_ms", false, &relations[RELATION_LIKE]},
        {GOERS, "page_size page_token user_id", false, &relations[RELATION_RSVP]},
        {LIKERS, "page_size page_token user_id", false, &relations[RELATION_LIKE]},
        {OWN_EVENTS, "page_size page_token event_id", false, &relations[RELATION_RSVP]},
        {OWN_POSTS, "page_size page_token post_id", false, &relations[RELATION_LIKE]},
        {"/v1/rsvp_counts", "event_id max_stale_ms", false, &relations[RELATION_RSVP]},
        {"/v1/like_counts", "post_id max_stale_ms", false, &relations[RELATION_LIKE]},
        {"/v1/problems/{code}", "", false, NULL},
        {"/v1/livez", "verbose", false, NULL},
        {"/v1/readyz", "verbose", false, NULL},
        {"/v1/metrics", "", false, NULL},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const struct route *route = route_of(cases[i].pattern);
        assert_string_equal(route->parameters, cases[i].parameters);
        assert_int_equal((route->flags & ROUTE_NAMES_USER) != 0, cases[i].names_user);
        assert_ptr_equal(route->relation, cases[i].relation);
    }
    assert_true(routes.count <= METRICS_ROUTES_MAX);
    assert_string_equal(routes.at[0].pattern, "");
    assert_string_equal(routes.at[0].parameters, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_documented_path),
        cmocka_unit_test(test_an_encoded_version),
        cmocka_unit_test(test_there_is_no_other_route),
        cmocka_unit_test(test_unknown_paths),
        cmocka_unit_test(test_identifiers_that_are_none),
        cmocka_unit_test(test_a_path_ends_with_its_slice),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_flags_and_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
