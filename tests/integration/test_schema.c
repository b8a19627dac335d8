/* Tables that are not as the migrations made them, and times that no client can write. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "fixture.h"
#include "process.h"
#include "relation.h"
#include "servers.h"
#include "service.h"
#include "shell.h"
#include "test.h"

static const struct relation *const rsvp = &relations[RELATION_RSVP];

static const struct {
    const char *change, *named;
} changes[] = {
    {"ALTER TABLE rsvp_counters ALTER COLUMN count TYPE int", "rsvp_counters.count is integer"},
    {"ALTER TABLE rsvps ALTER COLUMN created_at TYPE timestamp", "rsvps.created_at is timestamp"},
    {"ALTER TABLE likes ALTER COLUMN user_id TYPE varchar(64)", "likes.user_id"},
    {"ALTER TABLE idempotency_keys DROP COLUMN place", "idempotency_keys.place is missing"},
    {"ALTER TABLE likes RENAME TO kept; CREATE VIEW likes AS SELECT * FROM kept",
     "likes.created_at is no column of a table"},
    {"ALTER TABLE rsvp_counters DROP CONSTRAINT rsvp_counters_pkey",
     "rsvp_counters has no unique index on (event_id)"},
    {"ALTER TABLE rsvps DROP CONSTRAINT rsvps_pkey",
     "rsvps has no unique index on (event_id, user_id)"},
    {"ALTER TABLE likes DROP CONSTRAINT likes_pkey;"
     " ALTER TABLE likes ADD PRIMARY KEY (post_id, user_id) DEFERRABLE",
     "likes has no unique index on (post_id, user_id)"},
    {"ALTER TABLE waitlist DROP CONSTRAINT waitlist_event_id_user_id_key;"
     " CREATE UNIQUE INDEX ON waitlist (event_id, user_id) WHERE ticket > 7",
     "waitlist has no unique index on (event_id, user_id)"},
    {"ALTER TABLE events DROP CONSTRAINT events_pkey;"
     " CREATE UNIQUE INDEX ON events (event_id, capacity)",
     "events has no unique index on (event_id)"},
    {"ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_pkey",
     "idempotency_keys has no unique index on (user_id, key)"},
    {"ALTER TABLE rsvp_counters ALTER COLUMN managed DROP DEFAULT",
     "rsvp_counters.managed must not be null and has no default"},
    {"ALTER TABLE likes ADD COLUMN color text NOT NULL DEFAULT '';"
     " ALTER TABLE likes ALTER COLUMN color DROP DEFAULT",
     "likes.color must not be null and has no default"},
};

static void a_schema_of_somebody_else_is_refused(NO_STATE)
{
    for (size_t i = 0; i < LENGTH(changes); i++) {
        char *url = pg_fresh_database(fixture.pg, "changed");
        char *entry = NULL;
        assert_true(asprintf(&entry, "DATABASE_URL=%s", url) > 0);
        process_note("%s", changes[i].change);
        service_migrate(url);
        pg_execute(url, "%s", changes[i].change);
        struct service_run run =
            service_run((const char *const[]){"serve", NULL}, (const char *const[]){entry, NULL});
        if (run.status != 1 || strstr(run.err, changes[i].named) == NULL) {
            process_fail("%s: status %d:\n%s", changes[i].change, run.status, run.err);
        }
        service_run_free(&run);
        free(entry);
        free(url);
    }
}

/* What does writes no harm is no reason to refuse. */
static void other_indexes_and_columns_are_taken(NO_STATE)
{
    char *url = pg_fresh_database(fixture.pg, "extended");
    service_migrate(url);
    pg_execute(url,
               "ALTER TABLE rsvps DROP CONSTRAINT rsvps_pkey;"
               " CREATE UNIQUE INDEX another ON rsvps (event_id, user_id) INCLUDE (created_at);"
               " ALTER TABLE rsvps ADD COLUMN note text, ADD COLUMN source text NOT NULL DEFAULT"
               " '', ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY");
    struct service *service = service_start(url, NULL, NULL);
    struct http_client *client = http_client_create(service->port);
    expect_write(rsvp, relation_write(client, rsvp, "POST", "e", "u"), 201, "e", "u", true, true,
                 1);
    http_client_destroy(&client);
    service_stop(&service);
    free(url);
}

/* It serves again once that is put right. */
static void a_schema_that_changes_meanwhile_is_refused(NO_STATE)
{
    char *url = pg_fresh_database(fixture.pg, "meanwhile");
    service_migrate(url);
    struct service *service = service_start(url, NULL, NULL);
    struct http_client *client = http_client_create(service->port);
    expect_write(rsvp, relation_write(client, rsvp, "POST", "e", "u"), 201, "e", "u", true, true,
                 1);
    pg_execute(url, "ALTER TABLE rsvp_counters ALTER COLUMN count TYPE int");
    struct http_response *refused = relation_write(client, rsvp, "POST", "e", "v");
    expect_status(refused, 503);
    http_response_free(&refused);
    service_await_log(service, "rsvp_counters.count is integer");
    pg_execute(url, "ALTER TABLE rsvp_counters ALTER COLUMN count TYPE bigint");
    service_wait_ready(service, 200);
    http_client_destroy(&client);
    service_stop(&service);
    free(url);
}

static void get(struct http_client *client, const char *target, const char *word)
{
    struct http_response *response = http_request(client, "GET", target, NULL);
    expect_status(response, 200);
    if (strstr(response->body, word) == NULL) {
        process_fail("%s: expected %s in %s", target, word, response->body);
    }
    http_response_free(&response);
}

/* Trying again is of no use, which 503 would ask for, and other listings are answered. */
static void a_row_that_is_no_identifier_fails_its_listing_alone(NO_STATE)
{
    static const char *const targets[] = {"/v1/events/strange/users",
                                          "/v1/events/strange/waitlist"};
    const char *url = fixture.database_url;
    pg_execute(url, "INSERT INTO rsvps (event_id, user_id) VALUES ('strange', 'a'),"
                    " ('strange', 'not one'), ('plain', 'a');"
                    "INSERT INTO waitlist (event_id, ticket, user_id)"
                    " VALUES ('strange', 1, 'not one')");
    struct service *service = service_start(url, NULL, NULL);
    struct http_client *client = http_client_create(service->port);
    for (size_t i = 0; i < LENGTH(targets); i++) {
        struct http_response *response = http_request(client, "GET", targets[i], NULL);
        expect_problem(response, 500, "internal");
        http_response_free(&response);
    }
    get(client, "/v1/events/plain/users", "\"a\"");
    http_client_destroy(&client);
    service_stop(&service);
    pg_execute(url, "DELETE FROM rsvps WHERE user_id IN ('a', 'not one'); DELETE FROM waitlist"
                    " WHERE user_id = 'not one'");
}

#define FIRST "1970-01-01T00:00:00.000"
#define LAST "9999-12-31T23:59:59.999"

static void times_out_of_range_are_the_nearest(NO_STATE)
{
    const char *url = fixture.database_url;
    pg_execute(url,
               "INSERT INTO rsvps (event_id, user_id, created_at) VALUES"
               " ('e', 'a', '-infinity'), ('e', 'b', 'infinity'), ('e', 'c', '4000-01-01 BC'),"
               " ('e', 'd', '20000-01-01');"
               "INSERT INTO events (event_id, waitlist, opens_at, closes_at, waiting, last_ticket)"
               " VALUES ('e', true, '-infinity', 'infinity', 0, 0),"
               " ('f', true, 'infinity', 'infinity', 2, 2);"
               "INSERT INTO rsvp_counters (event_id, count, version, managed)"
               " VALUES ('e', 4, 1, true), ('f', 0, 1, true), ('p', 1, 1, false);"
               "INSERT INTO rsvps (event_id, user_id, created_at) VALUES ('p', 'u', '-infinity');"
               "INSERT INTO waitlist (event_id, ticket, user_id, created_at)"
               " VALUES ('f', 1, 'v', '-infinity'), ('f', 2, 'w', 'infinity')");
    struct service *service = service_start(url, NULL, NULL);
    struct http_client *client = http_client_create(service->port);
    get(client, "/v1/events/e/users", "\"a\",\"created_at\":\"" FIRST);
    get(client, "/v1/events/e/users", "\"b\",\"created_at\":\"" LAST);
    get(client, "/v1/events/e/users", "\"c\",\"created_at\":\"" FIRST);
    get(client, "/v1/events/e/users", "\"d\",\"created_at\":\"" LAST);
    get(client, "/v1/events/e/users?user_id=a&user_id=b", FIRST);
    get(client, "/v1/users/b/events", LAST);
    get(client, "/v1/events/f/waitlist", FIRST);
    get(client, "/v1/events/f/waitlist", LAST);
    get(client, "/v1/events/e", "\"opens_at\":\"" FIRST);
    get(client, "/v1/events/f", "\"opens_at\":\"" LAST);
    /* It was there, and is counted as such. */
    expect_write(rsvp, relation_write(client, rsvp, "DELETE", "p", "u"), 200, "p", "u", false, true,
                 0);
    http_client_destroy(&client);
    service_stop(&service);
    expect_shell(0, NULL, NULL, "rsvpd export --relation rsvp rsvps.csv");
    char *csv = shell_read_file("rsvps.csv");
    assert_non_null(strstr(csv, "e,a,1970-01-01T00:00:00.000000Z\n"));
    assert_non_null(strstr(csv, "e,b,9999-12-31T23:59:59.999999Z\n"));
    free(csv);
    shell_clear_tables();
    expect_shell(0, NULL, NULL, "rsvpd import --relation rsvp rsvps.csv");
    expect_shell(0, NULL, NULL, "rsvpd export --relation rsvp | cmp - rsvps.csv");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_schema_of_somebody_else_is_refused),
        cmocka_unit_test(other_indexes_and_columns_are_taken),
        cmocka_unit_test(a_schema_that_changes_meanwhile_is_refused),
        cmocka_unit_test(a_row_that_is_no_identifier_fails_its_listing_alone),
        cmocka_unit_test(times_out_of_range_are_the_nearest),
    };
    return cmocka_run_group_tests(tests, shell_group_setup, shell_group_teardown);
}
