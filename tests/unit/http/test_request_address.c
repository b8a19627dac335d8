/* Whom a request comes from: the connection's peer, or whom its fields name. */
#include "unit.h"
#include "unit_request.h"

#include "rsvpd/http/connection.h"
#include "rsvpd/http/context.h"
#include "rsvpd/http/forwarded.h"
#include "rsvpd/http/header.h"
#include "rsvpd/http/request_address.h"

static struct cidr_list trusted;
static struct http_context context;
static struct connection client;
static struct request request;

static int set_up(NO_STATE)
{
    char error[CIDR_ERROR_SIZE_BYTES];
    context = (struct http_context){.trusted_proxies = &trusted};
    request = (struct request){.context = &context, .client = &client};
    unit_request_init(&request);
    return cidr_list_parse(&trusted, "10.0.0.0/8", error) &&
                   ip_address_parse(slice_of("10.0.0.1"), &client.address)
               ? 0
               : -1;
}

static int tear_down(NO_STATE)
{
    arena_reset(&request.arena);
    cidr_list_free(&trusted);
    return 0;
}

static void note(const char *name, const char *value)
{
    unit_request_note(&request, name, value);
}

static void expect_client(const char *text)
{
    struct ip_address expected, client_address = request_client_address(&request);
    assert_true(ip_address_parse(slice_of(text), &expected));
    assert_memory_equal(client_address.bytes, expected.bytes, sizeof expected.bytes);
}

static void the_fields_of_a_trusted_proxy_count(NO_STATE)
{
    expect_client("10.0.0.1");
    note("x-forwarded-for", "9.9.9.9");
    note("X-Forwarded-For", "1.1.1.1");
    expect_client("1.1.1.1");
    note("Forwarded", "for=1.1.1.1");
    expect_client("1.1.1.1");
    note("Forwarded", "for=8.8.8.8");
    expect_client("10.0.0.1");
}

static void nobody_else_is_believed(NO_STATE)
{
    note("X-Forwarded-For", "1.1.1.1");
    assert_true(ip_address_parse(slice_of("192.0.2.1"), &client.address));
    expect_client("192.0.2.1");
    assert_true(ip_address_parse(slice_of("10.0.0.1"), &client.address));
    context.trusted_proxies = NULL;
    expect_client("10.0.0.1");
}

static void too_many_lines_name_nobody(NO_STATE)
{
    for (int i = 0; i < FORWARDED_LINES_MAX; i++) {
        note("X-Forwarded-For", "1.1.1.1");
    }
    expect_client("1.1.1.1");
    note("X-Forwarded-For", "1.1.1.1");
    expect_client("10.0.0.1");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(the_fields_of_a_trusted_proxy_count),
        CASE(nobody_else_is_believed),
        CASE(too_many_lines_name_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
