/* No password is ever shown, whatever is wrong with the URL that it stands in, and whatever a
 * server says of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_redis.h"
#include "fixture.h"
#include "process.h"
#include "relation.h"
#include "test.h"

#define SECRET "open-sesame"
#define NO_DATABASE "DATABASE_URL=postgresql://postgres@/none?host=/nonexistent"

static const char *const commands[][4] = {
    {"serve", NULL},
    {"migrate", NULL},
    {"import", "--relation", "rsvp", NULL},
    {"export", "--relation", "rsvp", NULL},
    {"verify", NULL},
};

/* Runs the command line, which must fail and say why without the secret. */
static void expect_failure(const char *const *command, const char *const *environment)
{
    struct service_run run = service_run(command, environment);
    if (run.status != 1 && run.status != 2) {
        process_fail("it ended with status %d", run.status);
    }
    assert_string_not_equal(run.err, "");
    if (strstr(run.out, SECRET) != NULL || strstr(run.err, SECRET) != NULL) {
        process_fail("the secret is shown:\n%s%s", run.out, run.err);
    }
    service_run_free(&run);
}

static void expect_all_fail(const char *variable, const char *other)
{
    const char *const environment[] = {variable, other, NULL};
    for (size_t i = 0; i < LENGTH(commands); i++) {
        process_note("%s with %s %s", commands[i][0], variable, other == NULL ? "" : other);
        expect_failure(commands[i], environment);
    }
}

/* ---- URLs ---- */

static void urls_that_are_wrong(NO_STATE)
{
    static const char *const variables[][2] = {
        /* right, but nobody is there */
        {"DATABASE_URL=postgresql://u:" SECRET "@127.0.0.1:1/db", NULL},
        {"DATABASE_URL=postgresql://127.0.0.1:1/db?password=" SECRET, NULL},
        {"DATABASE_URL=host=127.0.0.1 port=1 password=" SECRET, NULL},
        {"DATABASE_URL=postgresql://u:" SECRET "@nowhere.invalid/db", NULL},
        {"DATABASE_URL=postgresql:///db?host=/nonexistent&password=" SECRET, NULL},
        /* not escaped */
        {"DATABASE_URL=postgresql://u:p@" SECRET "@127.0.0.1:1/db", NULL},
        {"DATABASE_URL=postgresql://u:" SECRET "@" SECRET "@nowhere.invalid/db", NULL},
        {"DATABASE_URL=postgresql://u:1/" SECRET "@127.0.0.1:1/db", NULL},
        {"DATABASE_URL=postgresql://u:p/" SECRET "@127.0.0.1:1/db", NULL},
        {"DATABASE_URL=postgresql://u:p?" SECRET "@127.0.0.1:1/db", NULL},
        {"DATABASE_URL=postgresql://u:1/p?" SECRET "@127.0.0.1:1/db", NULL},
        {"DATABASE_URL=postgresql://u:1/p?host=" SECRET "@127.0.0.1:1/db", NULL},
        {"DATABASE_URL=postgresql://u:%" SECRET "@127.0.0.1:1/db", NULL},
        {"DATABASE_URL=postgresql://u:[" SECRET "/db", NULL},
        {"DATABASE_URL=host=127.0.0.1 port=1 password=p " SECRET, NULL},
        {"DATABASE_URL=host=127.0.0.1 port=1 password=p " SECRET "=1", NULL},
        {"DATABASE_URL=host=127.0.0.1 port=1 password='" SECRET, NULL},
        {"DATABASE_URL=host=p@" SECRET " dbname=db", NULL},
        /* malformed otherwise */
        {"DATABASE_URL=postgresql://u:" SECRET "@[::1/db", NULL},
        {"DATABASE_URL=postgresql://u:" SECRET "@127.0.0.1:port/db", NULL},
        {"DATABASE_URL=postgresql://127.0.0.1:1/db?nope=1&password=" SECRET, NULL},
        {"DATABASE_URL=postgresql://127.0.0.1:1/db?sslmode=" SECRET, NULL},
        {"DATABASE_URL=postgresql://127.0.0.1:1/db?connect_timeout=" SECRET, NULL},
        {"DATABASE_URL=postgresql://127.0.0.1:1/db?service=" SECRET, NULL},
        {"DATABASE_URL=postgresql://127.0.0.1:1/db?hostaddr=" SECRET, NULL},
        {"DATABASE_URL=mysql://u:" SECRET "@127.0.0.1/db", NULL},
        {NO_DATABASE, "REDIS_URL=redis://u:" SECRET "@127.0.0.1:1/0"},
        {NO_DATABASE, "REDIS_URL=redis://u:" SECRET "@127.0.0.1:port/0"},
        {NO_DATABASE, "REDIS_URL=redis://u:p/" SECRET "@127.0.0.1/0"},
        {NO_DATABASE, "REDIS_URL=http://u:" SECRET "@127.0.0.1/0"},
        /* in the place of a file's name */
        {"DATABASE_URL_FILE=postgresql://u:" SECRET "@127.0.0.1/db", NULL},
        {NO_DATABASE, "REDIS_URL_FILE=" SECRET},
    };
    for (size_t i = 0; i < LENGTH(variables); i++) {
        expect_all_fail(variables[i][0], variables[i][1]);
        struct service_run run =
            service_run((const char *const[]){"config", NULL},
                        (const char *const[]){variables[i][0], variables[i][1], NULL});
        assert_null(strstr(run.out, SECRET));
        assert_null(strstr(run.err, SECRET));
        service_run_free(&run);
    }
}

static void urls_on_the_command_line(NO_STATE)
{
    static const char url[] = "postgresql://u:" SECRET "@127.0.0.1/db";
    expect_failure((const char *const[]){url, NULL}, (const char *const[]){NO_DATABASE, NULL});
    for (size_t i = 0; i < LENGTH(commands); i++) {
        expect_failure((const char *const[]){commands[i][0], url, "--", NULL},
                       (const char *const[]){NO_DATABASE, NULL});
    }
    expect_failure((const char *const[]){"help", url, NULL}, NULL);
}

/* ---- servers ---- */

/* A server that wants a password of some, and knows others not at all. */
static void postgres_that_refuses(NO_STATE)
{
    static const char *const users[] = {"locked:" SECRET, SECRET, SECRET ":p", "locked"};
    static const char rule[] = "local all locked scram-sha-256\n";
    char path[PROCESS_PATH_SIZE + 32];
    char *text = NULL;
    snprintf(path, sizeof path, "%s/data/pg_hba.conf", pg_server_directory(fixture.pg));
    char *rules = process_read_file(path);
    if (asprintf(&text, "%s%s", rule, rules) < 0) {
        process_fail("out of memory");
    }
    process_write_file(path, text);
    pg_execute(fixture.database_url, "CREATE ROLE locked LOGIN PASSWORD 'another'");
    pg_execute(fixture.database_url, "SELECT pg_reload_conf()");
    pg_await(fixture.database_url,
             "SELECT EXISTS (SELECT FROM pg_hba_file_rules WHERE 'locked' = ANY (user_name))");
    for (size_t i = 0; i < LENGTH(users); i++) {
        char variable[512];
        snprintf(variable, sizeof variable, "DATABASE_URL=postgresql://%s@/rsvpd?host=%s", users[i],
                 pg_server_directory(fixture.pg));
        expect_all_fail(variable, NULL);
    }
    free(rules);
    free(text);
}

/* A trigger of somebody's own, whose message holds a user's id. */
static void postgres_that_quotes(NO_STATE)
{
    pg_execute(fixture.database_url, "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
                                     " $$BEGIN RAISE EXCEPTION 'not %%', NEW.user_id; END$$");
    pg_execute(fixture.database_url, "CREATE TRIGGER refuse BEFORE INSERT ON rsvps"
                                     " FOR EACH ROW EXECUTE FUNCTION refuse()");
    struct service *service = service_start(fixture.database_url, NULL, NULL);
    struct http_client *client = http_client_create(service->port);
    struct http_response *response =
        relation_write(client, &relations[RELATION_RSVP], "POST", "e1", SECRET);
    assert_int_equal(response->status, 503);
    http_response_free(&response);
    http_client_destroy(&client);
    char *log = service_stop_and_read_log(&service);
    assert_non_null(strstr(log, "SQLSTATE P0001"));
    assert_null(strstr(log, SECRET));
    free(log);
    pg_execute(fixture.database_url, "DROP FUNCTION refuse CASCADE");
}

static void redis_that_quotes(NO_STATE)
{
    static const char *const environment[] = {"WORKERS=8", "PG_WRITE_CONNECTIONS=1",
                                              "PG_READ_CONNECTIONS=1", NULL};
    static const struct fake_redis_trick tricks[] = {
        {.bytes = "-WRONGPASS " SECRET " is no password\r\n"},
        {.bytes = "-ERR invalid password " SECRET "\r\n"},
        {.bytes = "-" SECRET "\r\n"},
        {.bytes = "+" SECRET "\r\n+" SECRET "\r\n+" SECRET "\r\n"},
        {.bytes = SECRET "\r\n"},
        {.moment = FAKE_REDIS_UNASKED, .bytes = "-NOAUTH " SECRET "\r\n"},
        {.moment = FAKE_REDIS_LIST, .bytes = "-MOVED 1 " SECRET ":1\r\n"},
        {.moment = FAKE_REDIS_VALUE, .bytes = "-" SECRET " " SECRET "\r\n"},
    };
    redis_server_kill(fixture.redis);
    struct fake_redis *fake =
        fake_redis_create(redis_server_url(fixture.redis), tricks, LENGTH(tricks));
    struct service *service =
        service_start(fixture.database_url, redis_server_url(fixture.redis), environment);
    fake_redis_await(fake, LENGTH(tricks));
    char *log = service_stop_and_read_log(&service);
    assert_non_null(strstr(log, "redis is unavailable"));
    assert_null(strstr(log, SECRET));
    free(log);
    fake_redis_destroy(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_that_are_wrong),
        cmocka_unit_test(urls_on_the_command_line),
        cmocka_unit_test(postgres_that_refuses),
        cmocka_unit_test(postgres_that_quotes),
        cmocka_unit_test_teardown(redis_that_quotes, fixture_heal),
    };
    return cmocka_run_group_tests(tests, fixture_setup_servers, fixture_teardown);
}
