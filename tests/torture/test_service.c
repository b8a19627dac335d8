/* The whole service against a real PostgreSQL and a real Redis while one call at a time fails: it
 * lives, each request has an answer or a closed connection, no answer is wrong, afterwards all is
 * well again, and nothing is leaked. */
#include <stdlib.h>

#include "fixture.h"
#include "process.h"
#include "steps.h"
#include "test.h"
#include "torture.h"

enum {
    BUDGET_MEMORY = 40, /* of each kind */
    BUDGET_REQUESTS = 5,
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
    {"POST", "/v1/events/$e/rsvp", "{\"user_id\":\"$u8\"}", "$k8", 201, "{\"rsvp_count\":1}"},
    {"POST", "/v1/posts/$p/like", "{\"user_id\":\"$u8\"}", NULL, 201, "{\"like_count\":2}"},
    {"DELETE", "/v1/users/$u8", NULL, NULL, 200, "{\"user_id\":\"$u8\",\"complete\":true}"},
    {"GET", "/v1/users/$u8/export", NULL, NULL, 200, "{\"user_id\":\"$u8\",\"items\":[]}"},
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

static void run_requests(void)
{
    char sql[STEPS_TEXT_SIZE], expected[STEPS_TEXT_SIZE];
    steps_begin_run();
    steps_take(requests, sizeof requests / sizeof requests[0], false);
    steps_take(crowded_requests, sizeof crowded_requests / sizeof crowded_requests[0], true);
    steps_finish_run();
    char *members =
        steps_query(steps_own("SELECT string_agg(event_id || '/' || user_id, ' '"
                              " ORDER BY event_id, user_id) FROM rsvps WHERE event_id LIKE '$%'",
                              sql));
    assert_string_equal(members, steps_own(left_members, expected));
    free(members);
}

static void serves(void **state)
{
    const enum fail_group group = (enum fail_group)(uintptr_t)*state;
    steps_start_service();
    const int budget = group == FAIL_GROUP_MEMORY ? BUDGET_MEMORY : BUDGET_REQUESTS;
    struct torture_tally tally = torture_each(group, budget, run_requests);
    process_note("it ends, after one of all these calls had failed");
    service_stop(&fixture.service);
    torture_report("requests", &tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STEPS_GROUP_TEST(serves, MEMORY),  STEPS_GROUP_TEST(serves, LIBPQ),
        STEPS_GROUP_TEST(serves, HIREDIS), STEPS_GROUP_TEST(serves, MICROHTTPD),
        STEPS_GROUP_TEST(serves, LIBUV),   STEPS_GROUP_TEST(serves, OPENSSL),
    };
    return cmocka_run_group_tests(tests, steps_set_up, steps_tear_down);
}
