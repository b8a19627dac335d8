/* rsvpd keys: what it takes, what it refuses, and that the database never learns a key. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "process.h"
#include "servers.h"
#include "shell.h"
#include "test.h"

enum { STATUS_DONE = 0, STATUS_FAILED = 1, STATUS_USAGE = 2, KEY_SIZE = 49 };

static int set_up(NO_STATE)
{
    pg_execute(fixture.database_url, "TRUNCATE api_keys RESTART IDENTITY");
    return 0;
}

static int64_t count_where(const char *condition)
{
    return pg_query_int64(fixture.database_url, "SELECT count(*) FROM api_keys WHERE %s",
                          condition);
}

static void create_prints_a_key_once(NO_STATE)
{
    expect_shell(STATUS_DONE, "rsvpd_", "created key 1",
                 "rsvpd keys create --name 'the \xc3\xa9v\xc3\xa9nements service' "
                 "--scope rsvp:write,rsvp:read,rsvp:write --expires 2999-01-31T01:00:00+01:00");
    char *key = shell_read_file("out");
    assert_int_equal(strlen(key), KEY_SIZE + 1); /* with the end of its line */
    key[KEY_SIZE] = '\0';
    assert_int_equal(
        strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), KEY_SIZE);
    assert_int_equal(
        pg_query_int64(
            fixture.database_url,
            "SELECT count(*) FROM api_keys WHERE sha256 = sha256(convert_to('%s', 'UTF8'))"
            " AND name = 'the \xc3\xa9v\xc3\xa9nements service'"
            " AND scopes = '{rsvp:read,rsvp:write}' AND revoked_at IS NULL"
            " AND expires_at = '2999-01-31T00:00:00Z' AND last_used_at IS NULL",
            key),
        1);
    assert_int_equal(
        pg_query_int64(fixture.database_url,
                       "SELECT count(*) FROM api_keys AS k WHERE k::text LIKE '%%%s%%'",
                       key + strlen("rsvpd_")),
        0);
    free(key);
}

static void no_two_keys_are_alike(NO_STATE)
{
    expect_shell(STATUS_DONE, "", "",
                 "for i in 1 2 3 4 5; do rsvpd keys create --name same --scope=rsvp:admin; done");
    assert_int_equal(pg_query_int64(fixture.database_url,
                                    "SELECT count(DISTINCT sha256) FROM api_keys"
                                    " WHERE name = 'same' AND expires_at IS NULL"),
                     5);
}

static void wrong_arguments_are_refused(NO_STATE)
{
    static const struct {
        const char *arguments, *said;
    } cases[] = {
        {"", "create, list or revoke is wanted"},
        {"make", "unexpected argument 'make'"},
        {"create", "--name and --scope are required"},
        {"create --name n", "--name and --scope are required"},
        {"create --scope rsvp:read", "--name and --scope are required"},
        {"create --name", "no value follows '--name'"},
        {"create --name n --scope rsvp:read more", "unexpected argument 'more'"},
        {"create --name n --scope rsvp:read --force", "unexpected argument '--force'"},
        {"create --name '' --scope rsvp:read", "--name takes"},
        {"create --name \"$(printf 'a\\nb')\" --scope rsvp:read", "--name takes"},
        {"create --name \"$(printf 'a\\033[2Jb')\" --scope rsvp:read", "--name takes"},
        {"create --name \"$(printf 'a\\177')\" --scope rsvp:read", "--name takes"},
        {"create --name \"$(printf 'a\\302\\233b')\" --scope rsvp:read", "--name takes"},
        {"create --name \"$(printf 'a\\377b')\" --scope rsvp:read", "--name takes"},
        {"create --name \"$(printf %0101d 7)\" --scope rsvp:read", "--name takes"},
        {"create --name n --scope ''", "--scope takes"},
        {"create --name n --scope rsvp", "--scope takes"},
        {"create --name n --scope RSVP:READ", "--scope takes"},
        {"create --name n --scope rsvp:read,", "--scope takes"},
        {"create --name n --scope ,rsvp:read", "--scope takes"},
        {"create --name n --scope 'rsvp:read, rsvp:write'", "--scope takes"},
        {"create --name n --scope 'rsvp:read rsvp:write'", "--scope takes"},
        {"create --name n --scope rsvp:read --expires ''", "--expires takes a time such as"},
        {"create --name n --scope rsvp:read --expires tomorrow", "--expires takes a time such as"},
        {"create --name n --scope rsvp:read --expires 2999-01-31",
         "--expires takes a time such as"},
        {"create --name n --scope rsvp:read --expires 2999-02-30T00:00:00Z",
         "--expires takes a time such as"},
        {"create --name n --scope rsvp:read --expires 2020-01-31T00:00:00Z", "still to come"},
        {"list all", "unexpected argument 'all'"},
        {"revoke", "the id of a key"},
        {"revoke ''", "the id of a key"},
        {"revoke one", "the id of a key"},
        {"revoke 1x", "the id of a key"},
        {"revoke 9999999999999999999", "the id of a key"},
        {"revoke -1", "unexpected argument '-1'"},
        {"revoke 1 2", "unexpected argument '2'"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        expect_shell(STATUS_USAGE, "", cases[i].said, "rsvpd keys %s", cases[i].arguments);
        char *out = shell_read_file("out");
        assert_string_equal(out, "");
        free(out);
    }
    assert_int_equal(count_where("true"), 0);
}

static void the_longest_name_is_taken(NO_STATE)
{
    expect_shell(STATUS_DONE, "rsvpd_", "",
                 "rsvpd keys create --name \"$(printf %%0100d 7)\" --scope rsvp:read");
    assert_int_equal(count_where("length(name) = 100"), 1);
}

/* Nothing in it is of use to who would call the API. */
static void list_shows_all_but_the_key(NO_STATE)
{
    expect_shell(STATUS_DONE, "", "",
                 "rsvpd keys create --name first --scope rsvp:admin >first && "
                 "rsvpd keys create --name 'the second' --scope rsvp:read,rsvp:write "
                 "--expires 2999-01-31T00:00:00.5Z >second && rsvpd keys revoke 1");
    pg_execute(fixture.database_url, "UPDATE api_keys SET last_used_at = '2026-11-22T10:00:00Z'"
                                     " WHERE id = 2");
    expect_shell(STATUS_DONE, "first\n", "", "rsvpd keys list");
    expect_out("the second\n");
    expect_out("rsvp:read,rsvp:write");
    expect_out("2999-01-31T00:00:00Z");
    expect_out("2026-11-22T10:00:00Z");
    expect_shell(STATUS_DONE, "", "",
                 "test $(rsvpd keys list | wc -l) = 3 && "
                 "! rsvpd keys list | grep -qF \"$(cut -c 7- first)\" && "
                 "! rsvpd keys list | grep -q \"$(tr -d '\\n' <first | sha256sum | cut -c 1-16)\"");
    /* The columns stand where a script looks for them. */
    expect_shell(STATUS_DONE, "2 rsvp:read,rsvp:write - the second", "",
                 "rsvpd keys list | awk '$1 == 2 { print $1, $2, $5, $7, $8 }'");
}

static void revoke_ends_a_key(NO_STATE)
{
    expect_shell(STATUS_DONE, "", "", "rsvpd keys create --name n --scope rsvp:read");
    expect_shell(STATUS_FAILED, "", "there is none of that id", "rsvpd keys revoke 2");
    expect_shell(STATUS_FAILED, "", "there is none of that id", "rsvpd keys revoke 0");
    assert_int_equal(count_where("revoked_at IS NOT NULL"), 0);
    expect_shell(STATUS_DONE, "revoked key 1", "", "rsvpd keys revoke 1");
    assert_int_equal(count_where("id = 1 AND revoked_at IS NOT NULL"), 1);
    expect_shell(STATUS_DONE, "key 1 was revoked before", "", "rsvpd keys revoke 1");
}

static void more_than_a_process_holds_are_refused(NO_STATE)
{
    pg_execute(
        fixture.database_url,
        "INSERT INTO api_keys (name, sha256, scopes)"
        " SELECT 'n', sha256(i::text::bytea), '{rsvp:read}' FROM generate_series(1, 10000) AS i");
    expect_shell(STATUS_FAILED, "", "10000 keys are in force",
                 "rsvpd keys create --name n --scope rsvp:read");
    expect_shell(STATUS_DONE, "", "", "rsvpd keys revoke 7");
    expect_shell(STATUS_DONE, "rsvpd_", "", "rsvpd keys create --name n --scope rsvp:read");
}

static void failures_are_told(NO_STATE)
{
    expect_shell(STATUS_FAILED, "", "cannot write to standard output",
                 "rsvpd keys create --name n --scope rsvp:read >/dev/full");
    expect_err("created key 1");
    expect_shell(STATUS_FAILED, "", "cannot write to standard output",
                 "rsvpd keys list >/dev/full");
    expect_shell(STATUS_FAILED, "", "cannot reach the database",
                 "DATABASE_URL=postgresql:///none?host=/nowhere rsvpd keys list");
    expect_shell(STATUS_USAGE, "", "DATABASE_URL", "DATABASE_URL= rsvpd keys revoke 1");
    expect_shell(STATUS_DONE, "usage: rsvpd keys create", "", "rsvpd keys create --help");
    expect_shell(STATUS_DONE, "usage: rsvpd keys create", "", "rsvpd help keys");
}

#define CASE(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(create_prints_a_key_once),
        CASE(no_two_keys_are_alike),
        CASE(wrong_arguments_are_refused),
        CASE(the_longest_name_is_taken),
        CASE(list_shows_all_but_the_key),
        CASE(revoke_ends_a_key),
        CASE(more_than_a_process_holds_are_refused),
        CASE(failures_are_told),
    };
    return cmocka_run_group_tests(tests, shell_group_setup, shell_group_teardown);
}
