/* Parameters by name: what is taken, what is refused, and with which problem. */
#include "unit.h"
#include "unit_request.h"

#include "rsvpd/http/query.h"
#include "rsvpd/http/routes.h"

/* A request of this query. Its memory is given back by `end`. */
static void begin(struct request *request, const char *query)
{
    *request = (struct request){.path = slice_of("/x"), .route = &routes.at[0]};
    request->query = slice_of(query);
    unit_request_init(request);
}

/* Whether it was taken; if not, the problem has been answered, once. */
static void end(struct request *request, bool taken, bool expected, const char *code)
{
    struct slice body = request->answer.body;
    if (taken != expected) {
        fail_msg("'%.*s' is %s", (int)request->query.size, request->query.data,
                 taken ? "taken" : "refused");
    }
    assert_int_equal(request->answer.status, taken ? 0 : 400);
    if (!taken) {
        assert_non_null(memmem(body.data, body.size, code, strlen(code)));
    }
    arena_reset(&request->arena);
}

static void test_a_value(NO_STATE)
{
    static const struct {
        const char *query, *value; /* NULL: absent */
        bool refused;
    } cases[] = {
        {"", NULL, false},         {"b=1", NULL, false},    {"aa=1", NULL, false},
        {"A=1", NULL, false},      {"=a", NULL, false},     {"b=a", NULL, false},
        {"a", "", false},          {"a=", "", false},       {"a=1", "1", false},
        {"b=2&a=1&c", "1", false}, {"a=b=c", "b=c", false}, {"a=%31", "1", false},
        {"a=1&a=1", NULL, true},   {"a&a", NULL, true},     {"a=1&b&a=2", NULL, true},
        {"&&a=1&&", "1", false},   {"%61=1", "1", false},   {"%61=%2B+%25", "++%", false},
        {"a=1&%61=1", NULL, true}, {"%41=1", NULL, false},  {"a%00=1", NULL, false},
        {"%2=1", NULL, false},     {"a=%", NULL, true},     {"a=%3", NULL, true},
        {"a=%3g", NULL, true},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct request request;
        struct slice value;
        begin(&request, cases[i].query);
        bool taken = query_value(&request, "a", &value);
        if (taken) {
            assert_int_equal(value.data != NULL, cases[i].value != NULL);
            unit_expect_text(cases[i].query, value, cases[i].value == NULL ? "" : cases[i].value);
        }
        end(&request, taken, !cases[i].refused, "invalid-parameter");
    }
}

static void test_a_number(NO_STATE)
{
    enum { ABSENT = 77, MIN = 5, MAX = 999999999, REFUSED = -1 };
    static const struct {
        const char *query;
        int64_t number;
    } cases[] = {
        {"", ABSENT},
        {"b=6", ABSENT},
        {"n=5", 5},
        {"n=999999999", MAX},
        {"n=000000006", 6},
        {"b=1&n=6", 6},
        {"n=4", REFUSED},
        {"n=0", REFUSED},
        {"n=1000000000", REFUSED},
        {"n", REFUSED},
        {"n=", REFUSED},
        {"n=-6", REFUSED},
        {"n=+6", REFUSED},
        {"n= 6", REFUSED},
        {"n=6 ", REFUSED},
        {"n=6.0", REFUSED},
        {"n=6e1", REFUSED},
        {"n=0x6", REFUSED},
        {"n=x", REFUSED},
        {"n=%36", 6},
        {"n=6&n=6", REFUSED},
        {"n=18446744073709551622", REFUSED},
        {"n=4294967302", REFUSED},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct request request;
        int64_t number = 0;
        begin(&request, cases[i].query);
        bool taken = query_number(&request, "n", MIN, MAX, ABSENT, &number);
        if (taken) {
            assert_int_equal(number, cases[i].number);
        }
        end(&request, taken, cases[i].number != REFUSED, "invalid-parameter");
    }
}

static void test_a_flag(NO_STATE)
{
    static const struct {
        const char *query;
        bool given, refused;
    } cases[] = {
        {"", false, false},   {"b", false, false},  {"f", true, false},      {"f=", true, false},
        {"b&f", true, false}, {"f=1", false, true}, {"f=true", false, true}, {"f&f", false, true},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct request request;
        bool given = false;
        begin(&request, cases[i].query);
        bool taken = query_flag(&request, "f", &given);
        if (taken) {
            assert_int_equal(given, cases[i].given);
        }
        end(&request, taken, !cases[i].refused, "invalid-parameter");
    }
}

static void test_identifiers(NO_STATE)
{
    enum { MAX = 3 };
    static const struct {
        const char *query;
        const char *ids[MAX + 1]; /* up to the first NULL */
        const char *code;         /* NULL: taken */
    } cases[] = {
        {"", {NULL}, NULL},
        {"b=1", {NULL}, NULL},
        {"i=a", {"a"}, NULL},
        {"i=b&x&i=a&i=b", {"b", "a", "b"}, NULL}, /* in order, repeated ones too */
        {"i=%61%3A&i=~", {"a:", "~"}, NULL},
        {"i=a&i=b&i=c&i=d", {NULL}, "invalid-parameter"},
        {"i", {NULL}, "invalid-identifier"},
        {"i=", {NULL}, "invalid-identifier"},
        {"i=a&i=+", {NULL}, "invalid-identifier"},
        {"i=a%2Fb", {NULL}, "invalid-identifier"},
        {"i=%", {NULL}, "invalid-identifier"},
        {"i=a,b", {NULL}, "invalid-identifier"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct request request;
        struct identifier *ids;
        size_t size = 0, expected = 0;
        begin(&request, cases[i].query);
        bool taken = query_identifiers(&request, "i", MAX, &ids, &size);
        for (; taken && cases[i].ids[expected] != NULL; expected++) {
            assert_true(expected < size);
            unit_expect_text(cases[i].query, identifier_slice(&ids[expected]),
                             cases[i].ids[expected]);
        }
        assert_int_equal(taken ? size : 0, expected);
        end(&request, taken, cases[i].code == NULL, cases[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_value),
        cmocka_unit_test(test_a_number),
        cmocka_unit_test(test_a_flag),
        cmocka_unit_test(test_identifiers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
