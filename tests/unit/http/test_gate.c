/* The stages of the gate: their order, and how much of a request each needs. */
#include "unit.h"
#include "unit_request.h"

#include "rsvpd/http/context.h"
#include "rsvpd/http/gate.h"
#include "rsvpd/http/header.h"
#include "rsvpd/http/wire.h"

static int handled;

static void handle(struct request *request)
{
    handled++;
    request->answer.status = 200;
}

static const struct route all[] = {
    {.pattern = "", .parameters = ""},
    {.pattern = "/v1/events/{event_id}/rsvp",
     .relation = &relations[RELATION_RSVP],
     .post = {handle, ACCESS_ACT},
     .flags = ROUTE_PUBLIC | ROUTE_NAMES_USER,
     .parameters = "user_id"},
    {.pattern = "/v1/livez", .get = {handle, ACCESS_OPEN}, .flags = ROUTE_PUBLIC, .parameters = ""},
};
static const struct route_table table = {all, LENGTH(all)};
static struct random names;
static const struct http_context context = {
    .routes = &table, .port = ROUTE_PUBLIC, .random = &names};
static struct request request;

static int set_up(NO_STATE)
{
    handled = 0;
    return 0;
}

static int tear_down(NO_STATE)
{
    arena_reset(&request.arena);
    return 0;
}

static void begin(enum http_method method, const char *target)
{
    arena_reset(&request.arena);
    request = (struct request){.context = &context, .route = &all[0], .method = method};
    unit_request_init(&request);
    assert_true(request_set_uri(&request, target));
}

static void add_header(const char *name, const char *value)
{
    unit_request_note(&request, name, value);
}

/* The same request, each time without the fault that was found first: what comes before what. */
static void stages_come_in_their_order(NO_STATE)
{
    static const struct {
        const char *target;
        enum http_method method;
        bool over_limit, elsewhere;
        unsigned status; /* at the head; 0: passes */
    } cases[] = {
        {"/v1/nowhere", HTTP_GET, true, true, 503},
        {"/v1/nowhere", HTTP_PUT, false, true, 404},
        {"/v1/events/a!/rsvp?color=1", HTTP_PUT, false, true, 405},
        {"/v1/events/a!/rsvp?color=1", HTTP_OPTIONS, false, true, 204},
        {"*", HTTP_OPTIONS, false, true, 204},
        {"/v1/events/a!/rsvp?color=1", HTTP_POST, false, true, 403},
        {"/v1/events/a!/rsvp?color=1", HTTP_POST, false, false, 0},
        {"/v1/livez", HTTP_GET, false, true, 0},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        begin(cases[i].method, cases[i].target);
        request.arrival.over_limit = cases[i].over_limit;
        if (cases[i].elsewhere) {
            add_header("Sec-Fetch-Site", "cross-site");
        }
        enum gate_verdict verdict = gate_take_head(&request);
        assert_int_equal(request.answer.status, cases[i].status);
        assert_int_equal(verdict, cases[i].over_limit    ? GATE_REFUSED
                                  : cases[i].status == 0 ? GATE_PASSED
                                                         : GATE_ANSWERED);
    }
    assert_int_equal(handled, 0);
}

/* With all of the request: identifiers before parameters before the body before the user. */
static void the_whole_request_is_looked_at_in_order(NO_STATE)
{
    static const struct {
        const char *target, *type;
        unsigned status;
    } cases[] = {
        {"/v1/events/a!/rsvp?color=1", "text/plain", 400},
        {"/v1/events/a/rsvp?color=1", "text/plain", 400},
        {"/v1/events/a/rsvp", "text/plain", 415},
        {"/v1/events/a/rsvp", "application/json", 400},
        {"/v1/events/a/rsvp?user_id=u1", "application/json", 200},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        begin(HTTP_POST, cases[i].target);
        add_header("Content-Type", cases[i].type);
        assert_int_equal(gate_take_head(&request), GATE_PASSED);
        assert_int_equal(gate_take_body(&request, 2, NULL), GATE_PASSED);
        assert_true(request_append_body(&request, "{}", 2));
        assert_int_equal(handled, 0);
        gate_take_whole(&request);
        assert_int_equal(request.answer.status, cases[i].status);
    }
    assert_int_equal(handled, 1);
}

static void a_fault_of_the_head_comes_before_its_path(NO_STATE)
{
    const struct wire wire = {.fault = WIRE_BAD_FIELD, .line = 3};
    begin(HTTP_GET, "/v1/nowhere");
    request.arrival.fault = &wire;
    assert_int_equal(gate_take_head(&request), GATE_REFUSED);
    assert_int_equal(request.answer.status, 400);
}

static void a_body_is_taken_up_to_its_limit(NO_STATE)
{
    begin(HTTP_POST, "/v1/events/a/rsvp");
    assert_int_equal(gate_take_head(&request), GATE_PASSED);
    assert_int_equal(gate_take_body(&request, REQUEST_BODY_SIZE_MAX_BYTES, NULL), GATE_PASSED);
    request.body_size = REQUEST_BODY_SIZE_MAX_BYTES;
    assert_int_equal(gate_take_body(&request, 1, NULL), GATE_REFUSED);
    assert_int_equal(request.answer.status, 413);
}

static void an_answer_at_the_head_stays_whatever_its_body_is(NO_STATE)
{
    const struct wire wire = {.fault = WIRE_BAD_CHUNK};
    begin(HTTP_POST, "/v1/nowhere");
    assert_int_equal(gate_take_head(&request), GATE_ANSWERED);
    assert_int_equal(gate_take_body(&request, 10, NULL), GATE_ANSWERED);
    assert_int_equal(gate_take_body(&request, REQUEST_BODY_SIZE_MAX_BYTES + 1, NULL), GATE_REFUSED);
    assert_int_equal(gate_take_body(&request, 10, &wire), GATE_REFUSED);
    assert_int_equal(request.answer.status, 404);
}

/* W3C Trace Context, section 3.2: one that came twice is none, even where both are the same. */
static void a_second_traceparent_makes_both_none(NO_STATE)
{
    static const char value[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    static const char *const others[] = {value, "rubbish", ""};
    begin(HTTP_GET, "/v1/livez");
    add_header("traceparent", value);
    assert_int_equal(gate_take_head(&request), GATE_PASSED);
    unit_expect_text("traceparent", request.traceparent, value);
    for (size_t i = 0; i < LENGTH(others); i++) {
        begin(HTTP_GET, "/v1/livez");
        add_header("traceparent", value);
        add_header("TraceParent", others[i]);
        assert_int_equal(gate_take_head(&request), GATE_PASSED);
        assert_int_equal(request.traceparent.size, 0);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(stages_come_in_their_order),
        CASE(the_whole_request_is_looked_at_in_order),
        CASE(a_fault_of_the_head_comes_before_its_path),
        CASE(a_body_is_taken_up_to_its_limit),
        CASE(an_answer_at_the_head_stays_whatever_its_body_is),
        CASE(a_second_traceparent_makes_both_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
