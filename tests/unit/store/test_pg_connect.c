/* What is taken for DATABASE_URL, and what is said of it. */
#include "unit.h"

#include "rsvpd/store/pg_connect.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void test_urls(NO_STATE)
{
    static const char *const valid[] = {
        "",
        "postgresql://",
        "postgresql://u:p@h/db",
        "postgresql://u@h:1/db",
        "postgresql://u@h:65535/db",
        "postgres://h1:5432,h2:5433/db?target_session_attrs=any",
        "postgresql://h1:5432,h2/db", /* the second's is the usual one */
        "postgresql:///db?host=/run/postgresql",
        "host=h port=5432 dbname=db",
    };
    static const char *const malformed[] = {
        "nonsense",
        "mysql://h/db",
        "postgresql://[::1/db",
        "postgresql://h/db?nope=1",
        "postgresql://h:port/db",
        "postgresql://h:0/db",
        "postgresql://h:65536/db",
        "postgresql://h:123456/db",
        "postgresql://h:-1/db",
        "postgresql://h1:5432,h2:x/db",
        "host=h port=5432x",
    };
    char error[PG_ERROR_SIZE_BYTES];
    for (size_t i = 0; i < LENGTH(valid); i++) {
        if (!pg_url_valid(valid[i], error)) {
            fail_msg("'%s' was refused", valid[i]);
        }
    }
    for (size_t i = 0; i < LENGTH(malformed); i++) {
        if (pg_url_valid(malformed[i], error)) {
            fail_msg("'%s' was taken", malformed[i]);
        }
        assert_non_null(strstr(error, "is not a connection URI"));
    }
}

static void test_no_password_is_repeated(NO_STATE)
{
    static const char *const urls[] = {
        "postgresql://u:sesame@[::1/db",
        "postgresql://u:sesame@h:port/db",
        "postgresql://h/db?nope=1&password=sesame",
        "host=h password='sesame",
    };
    char error[PG_ERROR_SIZE_BYTES];
    for (size_t i = 0; i < LENGTH(urls); i++) {
        assert_false(pg_url_valid(urls[i], error));
        assert_null(strstr(error, "sesame"));
    }
}

/* libpq looks at the values only when it connects, which these do not come to. */
static void test_values(NO_STATE)
{
    static const char *const urls[] = {
        "postgresql:///db?sslmode=nope",
        "postgresql:///db?target_session_attrs=nope",
    };
    char error[PG_ERROR_SIZE_BYTES];
    for (size_t i = 0; i < LENGTH(urls); i++) {
        assert_null(pg_connect(urls[i], PG_WRITES, error));
        assert_string_equal(error,
                            "a parameter of the URL, or a PG* variable, has an invalid value");
    }
}

/* What is left of a password that was not escaped is no place. */
static void test_places(NO_STATE)
{
    static const struct {
        const char *url, *place;
    } cases[] = {
        {"postgresql://u:p@h:5432/db", " (host h, database db)"},
        {"postgresql://u:p@h1,h2/db", " (host h1,h2, database db)"},
        {"postgresql://u@/db?host=/run/postgresql", " (host /run/postgresql, database db)"},
        {"postgresql://u:p@[::1]/db", " (host ::1, database db)"},
        {"host=h dbname=db password=sesame", " (host h, database db)"},
        {"hostaddr=127.0.0.1 dbname=db", " (host 127.0.0.1, database db)"},
        {"postgresql://u:p@/db", ""},
        {"postgresql://u:p@h", ""},
        {"postgresql://u:p@sesame@h/db", ""},
        {"postgresql://u:1/sesame@h/db", ""},
        {"postgresql://sesame/sesame@h:5432/db", ""},
        {"postgresql://u:1/s?host=sesame@h", ""},
        {"host=p@sesame dbname=db", ""},
        {"host=h dbname='se same'", ""},
        {"nonsense", ""},
    };
    char place[PG_PLACE_SIZE_BYTES];
    for (size_t i = 0; i < LENGTH(cases); i++) {
        pg_url_place(cases[i].url, place);
        assert_string_equal(place, cases[i].place);
    }
}

/* Nobody says a word there: without a time of its own it would be waited for for ever. */
static void test_an_empty_variable_is_none(NO_STATE)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    char url[64], error[PG_ERROR_SIZE_BYTES];
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    snprintf(url, sizeof url, "postgresql://127.0.0.1:%u/db", (unsigned)ntohs(address.sin_port));
    setenv("PGCONNECT_TIMEOUT", "", 1);
    assert_null(pg_connect(url, PG_WRITES, error));
    unsetenv("PGCONNECT_TIMEOUT");
    assert_non_null(strstr(error, "no answer in time"));
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_no_password_is_repeated),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_an_empty_variable_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
