/* What is taken for DATABASE_URL, and what is said of it. */
#include "unit.h"

#include "rsvpd/store/pg_connect.h"

static void test_urls(void **state)
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
    (void)state;
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

static void test_no_password_is_repeated(void **state)
{
    static const char *const urls[] = {
        "postgresql://u:sesame@[::1/db",
        "postgresql://u:sesame@h:port/db",
        "postgresql://h/db?nope=1&password=sesame",
        "host=h password='sesame",
    };
    char error[PG_ERROR_SIZE_BYTES];
    (void)state;
    for (size_t i = 0; i < LENGTH(urls); i++) {
        assert_false(pg_url_valid(urls[i], error));
        assert_null(strstr(error, "sesame"));
    }
}

static void test_the_first_line(void **state)
{
    static char line[2 * PG_ERROR_SIZE_BYTES];
    char error[PG_ERROR_SIZE_BYTES];
    (void)state;
    pg_first_line("connection failed\n\tIs it running?\n", error);
    assert_string_equal(error, "connection failed");
    pg_first_line("no end", error);
    assert_string_equal(error, "no end");
    pg_first_line("", error);
    assert_string_equal(error, "");
    memset(line, 'x', sizeof line - 1);
    pg_first_line(line, error);
    assert_int_equal(strlen(error), PG_ERROR_SIZE_BYTES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_no_password_is_repeated),
        cmocka_unit_test(test_the_first_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
