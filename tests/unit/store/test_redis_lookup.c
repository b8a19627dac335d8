/* Where a host is: an address is found at once, a name by a thread. */
#include "unit.h"

#include "rsvpd/store/redis_lookup.h"

#include <arpa/inet.h>

enum { PORT = 6379 };

static uv_loop_t loop;
static struct redis_lookup lookup;
static unsigned attempt;
static int found_count, failed_count;
static char host_found[INET6_ADDRSTRLEN];

static void found(void *owner, const struct sockaddr *address)
{
    assert_ptr_equal(owner, &lookup);
    assert_int_equal(uv_ip_name(address, host_found, sizeof host_found), 0);
    /* It is at the same place in both kinds. */
    assert_int_equal(ntohs(((const struct sockaddr_in *)address)->sin_port), PORT);
    found_count++;
}

static void failed(void *owner, const char *reason)
{
    assert_ptr_equal(owner, &lookup);
    assert_non_null(reason);
    failed_count++;
}

static int set_up(NO_STATE)
{
    lookup = (struct redis_lookup){.owner = &lookup, .found = found, .failed = failed};
    attempt = 0;
    found_count = failed_count = 0;
    return uv_loop_init(&loop);
}

static int tear_down(NO_STATE)
{
    return uv_loop_close(&loop);
}

static void begin(const char *host)
{
    redis_lookup_begin(&lookup, &loop, host, PORT, &attempt);
}

static void an_address_is_found_at_once(NO_STATE)
{
    static const char *const hosts[] = {"127.0.0.1", "0.0.0.0", "::1", "2001:db8::17"};
    for (size_t i = 0; i < LENGTH(hosts); i++) {
        begin(hosts[i]);
        assert_int_equal(found_count, i + 1);
        assert_false(lookup.busy);
        assert_string_equal(host_found, hosts[i]);
    }
    assert_int_equal(failed_count, 0);
    assert_false(uv_loop_alive(&loop));
}

static void a_name_is_found_from_the_loop(NO_STATE)
{
    begin("localhost");
    assert_int_equal(found_count, 0);
    assert_true(lookup.busy);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(found_count, 1);
    assert_false(lookup.busy);
}

static void what_is_no_name_fails(NO_STATE)
{
    begin("no..name");
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(failed_count, 1);
    assert_int_equal(found_count, 0);
    assert_false(lookup.busy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_address_is_found_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_is_found_from_the_loop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_name_fails, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
