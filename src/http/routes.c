/* The routes of the service, and what answers them. */
#include "rsvpd/http/routes.h"
#include "rsvpd/http/count_stream.h"
#include "rsvpd/http/erasure.h"
#include "rsvpd/http/event_list.h"
#include "rsvpd/http/export.h"
#include "rsvpd/http/handlers.h"
#include "rsvpd/http/listing.h"
#include "rsvpd/http/settings.h"

/* clang-format off */
/* The paths of each relation, of its words (RELATIONS). */
#define WRITE(ID, name, collection, id, flag, settings, ...) \
    {.pattern = "/v1/" collection "/{" id "}/" name, .relation = &relations[RELATION_##ID], .post = {handle_add, ACCESS_ACT}, \
     .delete = {handle_remove, ACCESS_ACT}, .flags = ROUTE_PUBLIC | ROUTE_NAMES_USER, .parameters = "user_id", \
     .post_parameter = (settings) ? "past_capacity" : NULL},
#define MEMBER(ID, name, collection, id, ...) \
    {.pattern = "/v1/" collection "/{" id "}/users/{user_id}", .relation = &relations[RELATION_##ID], \
     .get = {handle_lookup, ACCESS_OWN}, .flags = ROUTE_PUBLIC, .parameters = ""},
#define COUNT(ID, name, collection, id, ...) \
    {.pattern = "/v1/" collection "/{" id "}/" name "_count", .relation = &relations[RELATION_##ID], \
     .get = {handle_count, ACCESS_COUNTS}, .flags = ROUTE_PUBLIC, .parameters = "max_stale_ms"},
#define MEMBERS(ID, name, collection, id, ...) \
    {.pattern = "/v1/" collection "/{" id "}/users", .relation = &relations[RELATION_##ID], \
     .get = {handle_listing, ACCESS_LISTS}, .flags = ROUTE_PUBLIC, .parameters = "page_size page_token user_id"},
#define OF_USER(ID, name, collection, id, ...) \
    {.pattern = "/v1/users/{user_id}/" collection, .relation = &relations[RELATION_##ID], \
     .get = {handle_listing, ACCESS_OWN}, .flags = ROUTE_PUBLIC, .parameters = "page_size page_token " id},
#define COUNTS(ID, name, collection, id, ...) \
    {.pattern = "/v1/" name "_counts", .relation = &relations[RELATION_##ID], \
     .get = {handle_counts, ACCESS_COUNTS}, .flags = ROUTE_PUBLIC, .parameters = id " max_stale_ms"},
#define COUNT_STREAM(ID, name, collection, id, ...) \
    {.pattern = "/v1/" collection "/{" id "}/" name "_count/stream", .relation = &relations[RELATION_##ID], \
     .get = {handle_count_stream, ACCESS_COUNTS}, .flags = ROUTE_PUBLIC, .parameters = ""},
#define COUNTS_STREAM(ID, name, collection, id, ...) \
    {.pattern = "/v1/" name "_counts/stream", .relation = &relations[RELATION_##ID], \
     .get = {handle_counts_stream, ACCESS_COUNTS}, .flags = ROUTE_PUBLIC, .parameters = id},

/* Tried in this order: those that are asked for most stand first. */
static const struct route all[] = {
    {.pattern = "", .parameters = ""},
    RELATIONS(WRITE)
    RELATIONS(MEMBER)
    RELATIONS(COUNT)
    RELATIONS(MEMBERS)
    RELATIONS(OF_USER)
    {.pattern = "/v1/events/{event_id}", .relation = &relations[RELATION_RSVP], .get = {handle_settings, ACCESS_SETTINGS},
     .put = {handle_configure, ACCESS_ADMIN}, .delete = {handle_release, ACCESS_ADMIN}, .flags = ROUTE_PUBLIC, .parameters = ""},
    {.pattern = "/v1/events/{event_id}/waitlist", .relation = &relations[RELATION_RSVP], .get = {handle_waitlist, ACCESS_LISTS},
     .flags = ROUTE_PUBLIC, .parameters = "page_size page_token"},
    RELATIONS(COUNTS)
    RELATIONS(COUNT_STREAM)
    RELATIONS(COUNTS_STREAM)
    {.pattern = "/v1/events", .relation = &relations[RELATION_RSVP], .get = {handle_events, ACCESS_ADMIN},
     .flags = ROUTE_PUBLIC, .parameters = "page_size page_token"},
    {.pattern = "/v1/users/{user_id}/export", .get = {handle_export, ACCESS_PERSON}, .flags = ROUTE_PUBLIC,
     .parameters = "page_size page_token"},
    {.pattern = "/v1/users/{user_id}", .delete = {handle_erase, ACCESS_PERSON}, .flags = ROUTE_PUBLIC, .parameters = ""},
    {.pattern = "/v1/problems/{code}", .get = {handle_problem_type, ACCESS_OPEN},
     .flags = ROUTE_PUBLIC | ROUTE_ADMIN, .parameters = ""},
    {.pattern = "/v1/livez", .get = {handle_livez, ACCESS_OPEN}, .flags = ROUTE_PUBLIC | ROUTE_ADMIN | ROUTE_HEALTH,
     .parameters = "verbose"},
    {.pattern = "/v1/readyz", .get = {handle_readyz, ACCESS_OPEN}, .flags = ROUTE_PUBLIC | ROUTE_ADMIN | ROUTE_HEALTH,
     .parameters = "verbose"},
    {.pattern = "/v1/metrics", .get = {handle_metrics, ACCESS_OPEN}, .flags = ROUTE_ADMIN, .parameters = ""},
};
/* clang-format on */

static_assert(sizeof all / sizeof all[0] <= METRICS_ROUTES_MAX, "each route is measured");
const struct route_table routes = {all, sizeof all / sizeof all[0]};

void routes_name_all(const char *names[METRICS_ROUTES_MAX])
{
    for (size_t i = 0; i < routes.count; i++) {
        names[i] = routes.at[i].pattern[0] == '\0' ? "none" : routes.at[i].pattern;
    }
}
