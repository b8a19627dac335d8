/* Pages of other origins: whom answers name as allowed, what preflights say, what caches hear. */
#include "unit.h"
#include "unit_request.h"

#include "rsvpd/http/answer.h"
#include "rsvpd/http/context.h"
#include "rsvpd/http/cors.h"
#include "rsvpd/http/finish.h"
#include "rsvpd/http/gate.h"
#include "rsvpd/http/header.h"
#include "rsvpd/http/routes.h"

#define EXPOSED                                                                                    \
    "X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, ETag, Link, Idempotency-Replayed"

static struct origin_list origins;
static struct http_context context;
static struct request request;

static void begin(const char *list, enum http_method method)
{
    char error[ORIGIN_LIST_ERROR_SIZE_BYTES];
    assert_true(origin_list_parse(&origins, list == NULL ? "" : list, error));
    context = (struct http_context){.cors_origins = list == NULL ? NULL : &origins};
    request = (struct request){.context = &context, .method = method};
    unit_request_init(&request);
}

static void send(const char *name, const char *value)
{
    unit_request_note(&request, name, value);
}

static void finish(void)
{
    answer_with(&request, 200, NULL, slice_of(""));
    finish_answer(&request);
}

static void expect(const char *name, const char *value)
{
    const char *got = unit_request_answered(&request, name);
    if ((got == NULL) != (value == NULL) || (got != NULL && strcmp(got, value) != 0)) {
        fail_msg("%s: '%s', not '%s'", name, got == NULL ? "none" : got,
                 value == NULL ? "none" : value);
    }
}

static void end(void)
{
    arena_reset(&request.arena);
    origin_list_free(&origins);
}

struct row {
    const char *list, *origin, *again; /* `again`: a second field of that name */
    const char *allowed, *vary;
    bool let_in;
};

static void test_whom_answers_allow(NO_STATE)
{
    static const struct row rows[] = {
        {NULL, "https://a.org", NULL, NULL, NULL, false},
        {"", "https://a.org", NULL, NULL, NULL, false},
        {"https://a.org", NULL, NULL, NULL, "Origin", false},
        {"https://a.org", "https://a.org", NULL, "https://a.org", "Origin", true},
        {"https://a.org", " https://a.org\t", NULL, "https://a.org", "Origin", true},
        {"https://a.org", "https://b.org", NULL, NULL, "Origin", false},
        {"https://a.org", "https://a.org.b.org", NULL, NULL, "Origin", false},
        {"https://a.org", "null", NULL, NULL, "Origin", false},
        {"https://a.org", "https://a.org", "https://a.org", NULL, "Origin", false},
        {"https://a.org", "https://a.org", "https://b.org", NULL, "Origin", false},
        {"*", NULL, NULL, "*", "Origin", false},
        {"*", "https://b.org", NULL, "*", "Origin", true},
        {"*", "null", NULL, NULL, "Origin", false},
        {"*", "https://a.org", "https://b.org", NULL, "Origin", false},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        begin(rows[i].list, HTTP_GET);
        if (rows[i].origin != NULL) {
            send("Origin", rows[i].origin);
        }
        if (rows[i].again != NULL) {
            send("Origin", rows[i].again);
        }
        assert_int_equal(cors_lets_in(&request), rows[i].let_in);
        finish();
        expect("Access-Control-Allow-Origin", rows[i].allowed);
        expect("Access-Control-Expose-Headers", rows[i].allowed == NULL ? NULL : EXPOSED);
        expect("Access-Control-Allow-Credentials", NULL);
        expect("Vary", rows[i].vary);
        expect("X-Content-Type-Options", "nosniff");
        end();
    }
}

static void test_preflights(NO_STATE)
{
    static const struct {
        const char *list, *origin, *wanted;
        enum http_method method;
        bool preflight;
    } rows[] = {
        {"https://a.org", "https://a.org", "POST", HTTP_OPTIONS, true},
        {"https://a.org", "https://a.org", "PATCH", HTTP_OPTIONS, true},
        {"*", "https://a.org", "POST", HTTP_OPTIONS, true},
        {"https://a.org", "https://a.org", NULL, HTTP_OPTIONS, false},
        {"https://a.org", "https://a.org", "POST", HTTP_GET, false},
        {"https://a.org", "https://b.org", "POST", HTTP_OPTIONS, false},
        {"https://a.org", NULL, "POST", HTTP_OPTIONS, false},
        {"*", "null", "POST", HTTP_OPTIONS, false},
        {NULL, "https://a.org", "POST", HTTP_OPTIONS, false},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        begin(rows[i].list, rows[i].method);
        if (rows[i].origin != NULL) {
            send("Origin", rows[i].origin);
        }
        if (rows[i].wanted != NULL) {
            send("Access-Control-Request-Method", rows[i].wanted);
        }
        assert_int_equal(cors_is_preflight(&request), rows[i].preflight);
        end();
    }
}

static void test_what_preflights_say(NO_STATE)
{
    begin("https://a.org", HTTP_OPTIONS);
    send("Origin", "https://a.org");
    send("Access-Control-Request-Method", "POST");
    cors_answer_preflight(&request, "POST, DELETE, OPTIONS");
    finish();
    expect("Access-Control-Allow-Methods", "POST, DELETE, OPTIONS");
    expect("Access-Control-Allow-Headers",
           "Authorization, X-API-Key, Content-Type, Idempotency-Key, If-Match, If-None-Match, "
           "Last-Event-ID, X-Request-Id, X-User-Id, traceparent");
    expect("Access-Control-Max-Age", "600");
    expect("Access-Control-Allow-Origin", "https://a.org");
    expect("Vary", "Origin, Access-Control-Request-Method");
    end();
}

/* A path of the route: "a" stands where the pattern has a name. */
static const char *path_of(const struct route *route)
{
    static char path[128];
    size_t size = 0;
    for (const char *c = route->pattern; *c != '\0'; c++) {
        if (*c == '{') {
            path[size++] = 'a';
            c = strchr(c, '}');
        } else {
            path[size++] = *c;
        }
    }
    path[size] = '\0';
    return path;
}

static void test_preflights_of_every_route(NO_STATE)
{
    static const enum route_flags ports[] = {ROUTE_PUBLIC, ROUTE_ADMIN};
    for (size_t i = 1; i < 2 * routes.count; i++) {
        const struct route *route = &routes.at[i / 2];
        char buffer[128];
        struct text methods = text_over(buffer, sizeof buffer);
        if (i < 2 || (route->flags & ports[i % 2]) == 0) {
            continue;
        }
        route_allow(route, &methods);
        text_add(&methods, slice_make("", 1));
        begin("https://a.org", HTTP_OPTIONS);
        context.routes = &routes;
        context.port = ports[i % 2];
        assert_true(request_set_uri(&request, path_of(route)));
        send("Origin", "https://a.org");
        send("Access-Control-Request-Method", "GET");
        assert_int_equal(gate_take_head(&request), GATE_ANSWERED);
        assert_int_equal(request.answer.status, 204);
        assert_ptr_equal(request.route, route);
        finish_answer(&request);
        expect("Allow", buffer);
        expect("Access-Control-Allow-Methods", buffer);
        expect("Access-Control-Allow-Origin", "https://a.org");
        end();
    }
}

static void test_vary_is_one_field(NO_STATE)
{
    begin("https://a.org", HTTP_GET);
    answer_allow_compression(&request);
    finish();
    expect("Vary", "Accept-Encoding, Origin");
    end();
    begin(NULL, HTTP_GET);
    answer_allow_compression(&request);
    finish();
    expect("Vary", "Accept-Encoding");
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whom_answers_allow),
        cmocka_unit_test(test_preflights),
        cmocka_unit_test(test_what_preflights_say),
        cmocka_unit_test(test_preflights_of_every_route),
        cmocka_unit_test(test_vary_is_one_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
