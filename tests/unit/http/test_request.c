/* A request's URI taken apart: path, query, parameters. */
#include "unit.h"
#include "unit_request.h"

#include "rsvpd/base/text.h"
#include "rsvpd/http/request.h"

static void init(struct request *request)
{
    *request = (struct request){0};
    unit_request_init(request);
}

static void test_path_and_query(NO_STATE)
{
    static const struct {
        const char *uri, *path, *query;
    } cases[] = {
        {"/", "/", ""},
        {"/a/b", "/a/b", ""},
        {"/a?", "/a", ""},
        {"/a?b=c", "/a", "b=c"},
        {"/a?b=c?d=e", "/a", "b=c?d=e"},
        {"/a??", "/a", "?"},
        {"?a", "", "a"},
        {"", "", ""},
        {"/a%3Fb?c", "/a%3Fb", "c"},
        {"*", "*", ""},
        /* as a proxy is asked: what follows the authority */
        {"http://h/a?b=c", "/a", "b=c"},
        {"HTTP://u@h:80/a", "/a", ""},
        {"https://[::1]:80/", "/", ""},
        {"https://h?b=c", "", "b=c"},
        {"http://h", "", ""},
        {"http:///a", "/a", ""},
        {"http:/a?b", "http:/a", "b"},
        {"ftp://h/a", "ftp://h/a", ""},
        {"/http://h/a", "/http://h/a", ""},
        {"/a?http://h/b", "/a", "http://h/b"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char uri[64];
        struct request request;
        init(&request);
        memset(uri, 0, sizeof uri);
        memcpy(uri, cases[i].uri, strlen(cases[i].uri));
        assert_true(request_set_uri(&request, uri));
        memset(uri, 'x', sizeof uri); /* the caller's memory is not kept */
        unit_expect_text(cases[i].uri, request.path, cases[i].path);
        unit_expect_text(cases[i].uri, request.query, cases[i].query);
        arena_reset(&request.arena);
    }
}

static void test_a_uri_that_is_longer_than_the_first_block(NO_STATE)
{
    static char uri[4 * REQUEST_ARENA_SIZE_BYTES];
    struct request request;
    memset(uri, 'a', sizeof uri - 1);
    uri[0] = '/';
    uri[sizeof uri - 4] = '?';
    init(&request);
    assert_true(request_set_uri(&request, uri));
    assert_int_equal(request.path.size, sizeof uri - 4);
    unit_expect_text("query", request.query, "aa");
    arena_reset(&request.arena);
}

/* The parameters as "name=value" in brackets; a name without "=" has an empty value. */
static void test_parameters(NO_STATE)
{
    static const struct {
        const char *query, *parameters;
    } cases[] = {
        {"", ""},
        {"&", ""},
        {"&&&", ""},
        {"a", "[a=]"},
        {"a=", "[a=]"},
        {"=", "[=]"},
        {"=b", "[=b]"},
        {"a=b", "[a=b]"},
        {"a=b=c", "[a=b=c]"},
        {"a==", "[a==]"},
        {"a=b&c=d", "[a=b][c=d]"},
        {"a=b&a=b", "[a=b][a=b]"},
        {"&a=b&&c&", "[a=b][c=]"},
        {"a&b&c", "[a=][b=][c=]"},
        {"a=1;b=2", "[a=1;b=2]"},
        {"a%26b=%3D&+", "[a%26b=%3D][+=]"}, /* still encoded */
        {"?a=b", "[?a=b]"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char buffer[256];
        struct text seen = text_over(buffer, sizeof buffer);
        struct slice query = slice_of(cases[i].query);
        struct query_parameter parameter;
        while (request_next_parameter(&query, &parameter)) {
            text_add_cstr(&seen, "[");
            text_add(&seen, parameter.name);
            text_add_cstr(&seen, "=");
            text_add(&seen, parameter.value);
            text_add_cstr(&seen, "]");
        }
        unit_expect_text(cases[i].query, text_slice(&seen), cases[i].parameters);
        assert_false(request_next_parameter(&query, &parameter)); /* it stays at the end */
    }
}

static void test_no_query_at_all(NO_STATE)
{
    struct slice query = {NULL, 0};
    struct query_parameter parameter;
    assert_false(request_next_parameter(&query, &parameter));
}

static void test_text_in_the_arena(NO_STATE)
{
    struct request request;
    init(&request);
    struct text a = request_text(&request, 3), b = request_text(&request, 5000);
    assert_int_equal(a.capacity, 3);
    assert_int_equal(b.capacity, 5000);
    text_add_cstr(&a, "abc");
    for (int i = 0; i < 5000; i++) {
        text_add_cstr(&b, "x");
    }
    unit_expect_text("a", text_slice(&a), "abc");
    assert_int_equal(b.size, 5000);
    assert_false(a.truncated || b.truncated);
    arena_reset(&request.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path_and_query),
        cmocka_unit_test(test_a_uri_that_is_longer_than_the_first_block),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_no_query_at_all),
        cmocka_unit_test(test_text_in_the_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
