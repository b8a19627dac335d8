/* Which hosts a connection string has. Nobody is asked for that. */
#include "unit.h"

#include "rsvpd/store/pg_hosts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void test_hosts_are_counted(NO_STATE)
{
    static const struct {
        const char *url;
        size_t count;
    } cases[] = {
        {"postgresql://127.0.0.1:1/db", 1},
        {"postgresql:///db?host=/nonexistent,127.0.0.1&port=1", 2},
        {"postgresql://127.0.0.1:1,127.0.0.1:2,127.0.0.1:3/db", 3},
        {"postgresql://127.0.0.1:1,127.0.0.1/db", 2},
        {"host=a,b hostaddr=127.0.0.1,127.0.0.1 port=1 dbname=db", 2},
        {"host=a,b hostaddr=127.0.0.1 dbname=db", 0},
        {"host=/nonexistent,/nowhere port=1,2,3 dbname=db", 0},
        {"postgresql://[::1/db", 0},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        if (pg_hosts_count(cases[i].url) != cases[i].count) {
            fail_msg("'%s' has %zu hosts", cases[i].url, pg_hosts_count(cases[i].url));
        }
    }
}

static void test_nobody_is_asked(NO_STATE)
{
    char url[64];
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    snprintf(url, sizeof url, "postgresql://127.0.0.1:%u/db", (unsigned)ntohs(address.sin_port));
    assert_int_equal(pg_hosts_count(url), 1);
    assert_int_equal(accept(listener, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
    close(listener);
}

static bool read_url(const char *url, struct pg_hosts *hosts)
{
    char message[256];
    return pg_hosts_read((const char *const[]){"dbname", NULL}, (const char *const[]){url, NULL},
                         hosts, message, sizeof message);
}

static void test_what_they_are(NO_STATE)
{
    struct pg_hosts hosts;
    assert_true(read_url("host=a,/b port=1, dbname=db", &hosts));
    assert_int_equal(hosts.count, 2);
    assert_string_equal(hosts.at[0].name, "a");
    assert_string_equal(hosts.at[0].port, "1");
    assert_string_equal(hosts.at[1].name, "/b");
    assert_string_equal(hosts.at[1].port, "5432");
    assert_string_equal(hosts.at[1].address, "");
    pg_hosts_free(&hosts);
    assert_true(read_url("hostaddr=127.0.0.1,::1 port=7 dbname=db", &hosts));
    assert_int_equal(hosts.count, 2);
    assert_string_equal(hosts.at[1].address, "::1");
    assert_string_equal(hosts.at[1].name, "");
    assert_string_equal(hosts.at[1].port, "7");
    pg_hosts_free(&hosts);
}

static void test_what_the_environment_adds(NO_STATE)
{
    struct pg_hosts hosts;
    setenv("PGHOST", "a,b", 1);
    setenv("PGPORT", "1,2", 1);
    assert_true(read_url("dbname=db", &hosts));
    unsetenv("PGHOST");
    unsetenv("PGPORT");
    assert_int_equal(hosts.count, 2);
    assert_string_equal(hosts.at[1].name, "b");
    assert_string_equal(hosts.at[1].port, "2");
    pg_hosts_free(&hosts);
}

static void test_how_long_they_have(NO_STATE)
{
    static const struct {
        const char *url;
        bool valid;
        int64_t timeout_us;
    } cases[] = {
        {"connect_timeout=3", true, 3000000},
        {"connect_timeout='3 '", true, 3000000},
        {"connect_timeout=1", true, 2000000}, /* as libpq takes it */
        {"connect_timeout=0", true, 0},
        {"connect_timeout=-1", true, 0},
        {"connect_timeout=2147483647", true, INT64_C(2147483647000000)},
        {"connect_timeout=99999999999999999999", false, 0},
        {"connect_timeout=sesame", false, 0},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct pg_hosts hosts;
        assert_int_equal(read_url(cases[i].url, &hosts), cases[i].valid);
        if (cases[i].valid) {
            assert_int_equal(hosts.timeout_us, cases[i].timeout_us);
        }
        pg_hosts_free(&hosts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts_are_counted),
        cmocka_unit_test(test_nobody_is_asked),
        cmocka_unit_test(test_what_they_are),
        cmocka_unit_test(test_how_long_they_have),
        cmocka_unit_test(test_what_the_environment_adds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
