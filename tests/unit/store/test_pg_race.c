/* Which hosts a connection string has, and what is said where none of them gives a session. No
 * PostgreSQL listens anywhere. */
#include "unit.h"

#include "rsvpd/store/pg_race.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a name with two addresses ---- */

typedef int look_up(const char *, const char *, const struct addrinfo *, struct addrinfo **);

/* In front of the C library's: "two.test" has the addresses 127.0.0.2 and 127.0.0.1. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    look_up *const next = (look_up *)dlsym(RTLD_NEXT, "getaddrinfo");
    if (name == NULL || strcmp(name, "two.test") != 0) {
        return next(name, service, hints, found);
    }
    struct addrinfo *second = NULL;
    int status = next("127.0.0.1", service, hints, &second);
    status = status == 0 ? next("127.0.0.2", service, hints, found) : status;
    if (status == 0) {
        (*found)->ai_next = second;
    }
    return status;
}

/* Listens at 127.0.0.2 alone, and says nothing. */
static int listen_silently(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = inet_addr("127.0.0.2");
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return listener;
}

/* ---- cases ---- */

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
        {"host=/nonexistent,/nowhere port=1,2,3 dbname=db", 0},
        {"mysql://h/db", 0},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        if (pg_race_host_count(cases[i].url) != cases[i].count) {
            fail_msg("'%s' has %zu hosts", cases[i].url, pg_race_host_count(cases[i].url));
        }
    }
}

static void expect_message(const char *url, const char *part)
{
    char message[PG_RACE_MESSAGE_SIZE_BYTES];
    const char *const keywords[] = {"dbname", NULL};
    const char *const values[] = {url, NULL};
    assert_null(pg_race(keywords, values, message));
    if (strstr(message, part) == NULL) {
        fail_msg("'%s' gives: %s", url, message);
    }
}

static void test_every_host_is_tried(NO_STATE)
{
    static const char both[] = "host=/nonexistent,127.0.0.1 port=1 dbname=db";
    expect_message(both, "No such file or directory");
    expect_message(both, "Connection refused");
    expect_message("host=127.0.0.1,/nonexistent port=1, dbname=db", "No such file or directory");
}

/* Though the first one takes the connection and keeps it. */
static void test_every_address_of_a_name_is_tried(NO_STATE)
{
    char url[128];
    uint16_t port;
    const int listener = listen_silently(&port);
    snprintf(url, sizeof url, "host=two.test port=%u dbname=db connect_timeout=2", (unsigned)port);
    expect_message(url, "Connection refused");
    assert_int_equal(pg_race_host_count(url), 1);
    close(listener);
}

static void test_a_timeout_that_is_no_number_is_told(NO_STATE)
{
    expect_message("host=127.0.0.1 port=1 dbname=db connect_timeout=sesame", "invalid integer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts_are_counted),
        cmocka_unit_test(test_every_host_is_tried),
        cmocka_unit_test(test_every_address_of_a_name_is_tried),
        cmocka_unit_test(test_a_timeout_that_is_no_number_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
