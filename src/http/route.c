/* Which paths there are, and what answers them. */
#include "rsvpd/http/route.h"
#include "rsvpd/base/uri.h"
#include "rsvpd/http/handlers.h"
#include "rsvpd/http/listing.h"
#include "rsvpd/http/settings.h"

#include <assert.h>

/* clang-format off */
/* The paths of each relation, of its words (RELATIONS). */
#define WRITE(ID, name, collection, id, flag, settings, ...) \
    {.pattern = "/v1/" collection "/{" id "}/" name, .relation = &relations[RELATION_##ID], .post = handle_add, \
     .delete = handle_remove, .flags = ROUTE_PUBLIC | ROUTE_NAMES_USER, .parameters = "user_id", \
     .post_parameter = (settings) ? "past_capacity" : NULL},
#define MEMBER(ID, name, collection, id, ...) \
    {.pattern = "/v1/" collection "/{" id "}/users/{user_id}", .relation = &relations[RELATION_##ID], \
     .get = handle_lookup, .flags = ROUTE_PUBLIC, .parameters = ""},
#define COUNT(ID, name, collection, id, ...) \
    {.pattern = "/v1/" collection "/{" id "}/" name "_count", .relation = &relations[RELATION_##ID], \
     .get = handle_count, .flags = ROUTE_PUBLIC, .parameters = "max_stale_ms"},
#define MEMBERS(ID, name, collection, id, ...) \
    {.pattern = "/v1/" collection "/{" id "}/users", .relation = &relations[RELATION_##ID], \
     .get = handle_listing, .flags = ROUTE_PUBLIC, .parameters = "page_size page_token user_id"},
#define OF_USER(ID, name, collection, id, ...) \
    {.pattern = "/v1/users/{user_id}/" collection, .relation = &relations[RELATION_##ID], \
     .get = handle_listing, .flags = ROUTE_PUBLIC, .parameters = "page_size page_token " id},
#define COUNTS(ID, name, collection, id, ...) \
    {.pattern = "/v1/" name "_counts", .relation = &relations[RELATION_##ID], \
     .get = handle_counts, .flags = ROUTE_PUBLIC, .parameters = id " max_stale_ms"},

/* Tried in this order: those that are asked for most stand first. */
const struct route routes[] = {
    {.pattern = "", .parameters = ""},
    RELATIONS(WRITE)
    RELATIONS(MEMBER)
    RELATIONS(COUNT)
    RELATIONS(MEMBERS)
    RELATIONS(OF_USER)
    {.pattern = "/v1/events/{event_id}", .relation = &relations[RELATION_RSVP], .get = handle_settings,
     .put = handle_configure, .delete = handle_release, .flags = ROUTE_PUBLIC, .parameters = ""},
    {.pattern = "/v1/events/{event_id}/waitlist", .relation = &relations[RELATION_RSVP], .get = handle_waitlist,
     .flags = ROUTE_PUBLIC, .parameters = "page_size page_token"},
    RELATIONS(COUNTS)
    {.pattern = "/v1/problems/{code}", .get = handle_problem_type,
     .flags = ROUTE_PUBLIC | ROUTE_ADMIN, .parameters = ""},
    {.pattern = "/v1/livez", .get = handle_livez, .flags = ROUTE_PUBLIC | ROUTE_ADMIN, .parameters = "verbose"},
    {.pattern = "/v1/readyz", .get = handle_readyz, .flags = ROUTE_PUBLIC | ROUTE_ADMIN, .parameters = "verbose"},
    {.pattern = "/v1/metrics", .get = handle_metrics, .flags = ROUTE_ADMIN, .parameters = ""},
};
/* clang-format on */

const size_t route_count = sizeof routes / sizeof routes[0];

enum { SEGMENTS_MAX = 8 };

struct segments {
    size_t size;
    struct slice at[SEGMENTS_MAX];
};

/* A literal segment may come percent-encoded: the same path (RFC 3986 section 6.2.2.2). */
static bool same_literal(struct slice literal, struct slice segment)
{
    return slice_equal(literal, segment) || uri_equal(segment, literal);
}

/* The segments after the first slash, and after /v1/ where the path begins so. False where there
 * are too many for any route. */
static bool split(struct slice path, struct segments *segments)
{
    if (path.size == 0 || path.data[0] != '/') {
        return false;
    }
    path = slice_make(path.data + 1, path.size - 1);
    segments->size = 0;
    bool more = true, first = true;
    while (more) {
        if (segments->size == SEGMENTS_MAX) {
            return false;
        }
        more = path.size > 0 && memchr(path.data, '/', path.size) != NULL;
        segments->at[segments->size++] = slice_cut(&path, '/');
        if (first && more && same_literal(slice_of("v1"), segments->at[0])) {
            segments->size = 0;
        }
        first = false;
    }
    return true;
}

/* Cuts the next segment off what is left of a pattern; false at its end. */
static bool next_segment(const char **pattern, struct slice *segment)
{
    if (**pattern == '\0') {
        return false;
    }
    const char *begin = *pattern + 1, *end = strchrnul(begin, '/');
    *segment = slice_make(begin, (size_t)(end - begin));
    *pattern = end;
    return true;
}

static bool is_capture(struct slice pattern_segment)
{
    return pattern_segment.data[0] == '{';
}

/* Every pattern begins so, and a path need not. */
static const char *without_version(const struct route *route)
{
    return route->pattern + strlen("/v1");
}

static bool matches(const struct route *route, const struct segments *path)
{
    const char *pattern = without_version(route);
    struct slice segment;
    size_t i = 0;
    while (next_segment(&pattern, &segment)) {
        if (i == path->size || !(is_capture(segment) || same_literal(segment, path->at[i]))) {
            return false;
        }
        i++;
    }
    return i == path->size;
}

static enum problem capture(const struct route *route, const struct segments *path,
                            struct request *request, const char **detail)
{
    const char *pattern = without_version(route);
    struct slice segment;
    for (size_t i = 0; next_segment(&pattern, &segment); i++) {
        assert(i < path->size);
        if (!is_capture(segment)) {
            continue;
        }
        bool user = slice_equal(segment, slice_of("{user_id}"));
        if (!user && route->relation == NULL) {
            request->captured = path->at[i];
        } else if (!identifier_parse_encoded(path->at[i],
                                             user ? &request->user : &request->entity)) {
            *detail = user ? "user_id" : route->relation->id_member;
            return PROBLEM_INVALID_IDENTIFIER;
        }
    }
    return PROBLEM_NONE;
}

enum problem route_find(enum route_flags port, struct request *request, const char **detail)
{
    struct segments path;
    request->route = &routes[0];
    if (!split(request->path, &path)) {
        return PROBLEM_NOT_FOUND;
    }
    for (size_t i = 1; i < route_count; i++) {
        if ((routes[i].flags & port) != 0 && matches(&routes[i], &path)) {
            request->route = &routes[i];
            return capture(request->route, &path, request, detail);
        }
    }
    return PROBLEM_NOT_FOUND;
}

route_handler_fn *route_handler(const struct route *route, enum http_method method)
{
    switch (method) {
    case HTTP_GET:
    case HTTP_HEAD:
        return route->get;
    case HTTP_POST:
        return route->post;
    case HTTP_PUT:
        return route->put;
    case HTTP_DELETE:
        return route->delete;
    case HTTP_OPTIONS:
    case HTTP_OTHER:
    case HTTP_METHOD_COUNT:
        return NULL;
    }
    return NULL;
}

void route_allow(const struct route *route, struct text *out)
{
    text_add_cstr(out, route->get != NULL ? "GET, HEAD, " : "");
    text_add_cstr(out, route->post != NULL ? "POST, " : "");
    text_add_cstr(out, route->put != NULL ? "PUT, " : "");
    text_add_cstr(out, route->delete != NULL ? "DELETE, " : "");
    text_add_cstr(out, "OPTIONS");
}
