/* A table of routes: which paths there are, and what answers them. */
#ifndef RSVPD_HTTP_ROUTE_H
#define RSVPD_HTTP_ROUTE_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/text.h"
#include "rsvpd/domain/access.h"
#include "rsvpd/domain/relation.h"
#include "rsvpd/http/request.h"

/* Answers a request that the gate has let through: makes the answer, or starts what will. */
typedef void route_handler_fn(struct request *request);

enum route_flags {
    ROUTE_PUBLIC = 1,     /* served on the public port */
    ROUTE_ADMIN = 2,      /* served on the admin port */
    ROUTE_NAMES_USER = 4, /* a write: the user is named in body, query or header */
    ROUTE_HEALTH = 8,     /* asked by machines, as often as they like */
};

/* What a method does on a path, and what it asks of whoever sends it. One that names no access does
 * not compile (-Wmissing-field-initializers). */
struct endpoint {
    route_handler_fn *handle; /* NULL: method not allowed */
    enum access access;
};

struct route {
    /* As documented. Every path exists with and without /v1. {user_id} and other {…_id} capture
     * identifiers, any other {name} a segment as it stands. */
    const char *pattern;
    const struct relation *relation; /* NULL where it is about none */
    struct endpoint get, post, put, delete;
    unsigned flags;
    const char *parameters;     /* of the query: the known names, separated by spaces */
    const char *post_parameter; /* one more of POST alone; NULL: none */
};

/* The first has no pattern and stands for all unknown paths. */
struct route_table {
    const struct route *at;
    size_t count;
};

/* Finds the request's route by its path on a port (ROUTE_PUBLIC or ROUTE_ADMIN) and sets entity,
 * user and captured from it. Gives the problem where the path is unknown or holds no valid
 * identifier; then `detail` names what is wrong. The route is set in any case. */
enum problem route_find(const struct route_table *table, enum route_flags port,
                        struct request *request, const char **detail)
    __attribute__((warn_unused_result));

/* What a method does: HEAD is a GET whose body is not sent. Nothing where the route does not take
 * it. */
struct endpoint route_endpoint(const struct route *route, enum http_method method);

/* The value of Allow, written into `out`. */
void route_allow(const struct route *route, struct text *out);

#endif
