/* Finds the route of a path in a table of routes. */
#include "rsvpd/http/route.h"
#include "rsvpd/base/uri.h"

#include <assert.h>

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

enum problem route_find(const struct route_table *table, enum route_flags port,
                        struct request *request, const char **detail)
{
    struct segments path;
    request->route = &table->at[0];
    if (!split(request->path, &path)) {
        return PROBLEM_NOT_FOUND;
    }
    for (size_t i = 1; i < table->count; i++) {
        if ((table->at[i].flags & port) != 0 && matches(&table->at[i], &path)) {
            request->route = &table->at[i];
            return capture(request->route, &path, request, detail);
        }
    }
    return PROBLEM_NOT_FOUND;
}

struct endpoint route_endpoint(const struct route *route, enum http_method method)
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
        break;
    }
    return (struct endpoint){NULL, ACCESS_OPEN};
}

void route_allow(const struct route *route, struct text *out)
{
    text_add_cstr(out, route->get.handle != NULL ? "GET, HEAD, " : "");
    text_add_cstr(out, route->post.handle != NULL ? "POST, " : "");
    text_add_cstr(out, route->put.handle != NULL ? "PUT, " : "");
    text_add_cstr(out, route->delete.handle != NULL ? "DELETE, " : "");
    text_add_cstr(out, "OPTIONS");
}
