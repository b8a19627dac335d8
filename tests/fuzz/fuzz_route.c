/* Paths: a route's own path, built anew from what was captured, is that route again; /v1 before it
 * makes no difference. */
#include "fuzz.h"

#include "rsvpd/http/routes.h"

#include <stdlib.h>

enum { PATH_SIZE_MAX_BYTES = 64 * 1024 };

struct found {
    enum problem problem;
    const char *detail;
    struct request request;
};

static void find(struct found *found, enum route_flags port, struct slice path)
{
    found->request.path = path;
    found->request.entity.size = found->request.user.size = 0;
    found->request.captured = slice_make(NULL, 0);
    found->detail = NULL;
    found->problem = route_find(&routes, port, &found->request, &found->detail);
}

static void expect_same(const struct found *a, const struct found *b)
{
    assert(a->problem == b->problem);
    assert(a->request.route == b->request.route);
    assert(identifier_equal(&a->request.entity, &b->request.entity));
    assert(identifier_equal(&a->request.user, &b->request.user));
    assert(slice_equal(a->request.captured, b->request.captured));
}

static void add_segment(struct text *path, struct slice segment, const struct found *found)
{
    text_add_cstr(path, "/");
    if (slice_equal(segment, slice_of("{user_id}"))) {
        fuzz_percent_encode(path, identifier_slice(&found->request.user));
    } else if (segment.data[0] == '{' && found->request.route->relation != NULL) {
        fuzz_percent_encode(path, identifier_slice(&found->request.entity));
    } else if (segment.data[0] == '{') {
        text_add(path, found->request.captured);
    } else {
        fuzz_percent_encode(path, segment);
    }
}

/* The path of the route with what it captured, all of it percent-encoded that may be. */
static void build(struct text *path, const struct found *found)
{
    struct slice pattern = slice_of(found->request.route->pattern + 1);
    while (pattern.size > 0) {
        add_segment(path, slice_cut(&pattern, '/'), found);
    }
    assert(!path->truncated);
}

static void expect_sound(const struct found *found)
{
    assert(found->request.route >= routes.at && found->request.route < routes.at + routes.count);
    assert((found->problem == PROBLEM_NOT_FOUND) == (found->request.route == &routes.at[0]));
    assert((found->problem == PROBLEM_INVALID_IDENTIFIER) == (found->detail != NULL));
    assert(found->problem == PROBLEM_NONE || found->problem == PROBLEM_NOT_FOUND ||
           found->problem == PROBLEM_INVALID_IDENTIFIER);
}

static void expect_versionless_alike(const struct found *found, enum route_flags port,
                                     struct slice path)
{
    static char memory[PATH_SIZE_MAX_BYTES];
    static struct found versioned;
    struct text longer = text_over(memory, sizeof memory);
    bool has_version = path.size > 1 && (path.data[1] == 'v' || path.data[1] == '%');
    if (path.size == 0 || path.data[0] != '/' || has_version) {
        return;
    }
    text_add_cstr(&longer, "/v1");
    text_add(&longer, path);
    find(&versioned, port, text_slice(&longer));
    expect_same(found, &versioned);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum route_flags ports[] = {ROUTE_PUBLIC, ROUTE_ADMIN};
    static char memory[PATH_SIZE_MAX_BYTES];
    static struct found found, again;
    struct slice path = fuzz_input(data, size);
    for (size_t i = 0; i < sizeof ports / sizeof ports[0] && size < PATH_SIZE_MAX_BYTES / 4; i++) {
        find(&found, ports[i], path);
        expect_sound(&found);
        expect_versionless_alike(&found, ports[i], path);
        if (found.problem == PROBLEM_NONE) {
            struct text built = text_over(memory, sizeof memory);
            build(&built, &found);
            find(&again, ports[i], text_slice(&built));
            expect_same(&found, &again);
        }
    }
    return 0;
}
