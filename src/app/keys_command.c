/* rsvpd keys: API keys of services. */
#include "rsvpd/app/keys_command.h"
#include "rsvpd/app/command.h"
#include "rsvpd/base/clock.h"
#include "rsvpd/base/rfc3339.h"
#include "rsvpd/base/text.h"
#include "rsvpd/base/utf8.h"
#include "rsvpd/domain/api_keys.h"
#include "rsvpd/store/pg_manage_keys.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    NAME_SIZE_MAX_BYTES = 100,
    SCOPES_SIZE_BYTES = 64, /* of all names, with commas */
    ID_DIGITS_MAX = 18,     /* any number of so many digits is a bigint */
};

const char keys_help[] =
    "usage: rsvpd keys create --name NAME --scope SCOPE[,SCOPE...] [--expires TIME]\n"
    "       rsvpd keys list\n"
    "       rsvpd keys revoke ID\n\n"
    "API keys, with which services call the API (X-API-Key) where AUTH_MODE is token.\n"
    "create prints a new key on standard output. It is shown this once: the database has only its\n"
    "SHA-256. NAME says whose it is. A SCOPE is rsvp:read (read everything about anybody),\n"
    "rsvp:write (and act for any user) or rsvp:admin (and all the rest). From TIME on, in RFC "
    "3339\n"
    "(2027-01-31T00:00:00Z), it is refused.\n"
    "list prints all keys: id, scopes, when each was created, expires, was revoked and was last\n"
    "used (to the hour), and the name.\n"
    "revoke ends a key. New and revoked keys are in force in all processes within 10 s.\n"
    "Works on DATABASE_URL as the owner of the tables.\n"
    "Exit status: 0 done, 1 it failed, 2 where an argument or a variable is wrong.\n";

/* ---- create ---- */

/* Whether it can be printed in a list: one line, without control characters (U+0000 to U+001F,
 * U+007F to U+009F). */
static bool name_valid(struct slice name)
{
    if (name.size == 0 || name.size > NAME_SIZE_MAX_BYTES) {
        return false;
    }
    while (name.size > 0) {
        unsigned char c = (unsigned char)name.data[0];
        size_t size = c < 0x80 ? c >= 0x20 && c != 0x7F : utf8_sequence(name);
        if (size == 0 || (c == 0xC2 && (unsigned char)name.data[1] < 0xA0)) {
            return false;
        }
        name = slice_make(name.data + size, name.size - size);
    }
    return true;
}

/* Writes the scopes of a list in their order, each once. False where one of them is none. */
static bool parse_scopes(const char *list, char scopes[SCOPES_SIZE_BYTES])
{
    bool given[SCOPE_ADMIN + 1] = {false};
    struct slice rest = slice_of(list);
    do {
        enum scope scope = scope_named(slice_cut(&rest, ','));
        if (scope == SCOPE_NONE) {
            return false;
        }
        given[scope] = true;
    } while (rest.data != NULL);
    struct text text = text_over(scopes, SCOPES_SIZE_BYTES - 1);
    for (enum scope scope = SCOPE_READ; scope <= SCOPE_ADMIN; scope++) {
        if (given[scope]) {
            text_add_cstr(&text, text.size == 0 ? "" : ",");
            text_add_cstr(&text, scope_name(scope));
        }
    }
    assert(!text.truncated);
    scopes[text.size] = '\0';
    return true;
}

static int wrong_create(const char *what)
{
    fprintf(stderr, "rsvpd keys create: %s; see 'rsvpd keys --help'\n", what);
    return EXIT_USAGE;
}

/* Takes what the options say. 0, or the exit status. */
static int read_new_key(int argc, char **argv, struct pg_new_key *key,
                        char scopes[SCOPES_SIZE_BYTES])
{
    const char *list = NULL, *expires = NULL;
    const struct command_option options[] = {
        {"--name", &key->name, NULL}, {"--scope", &list, NULL}, {"--expires", &expires, NULL}};
    int status = command_read_options("keys create", argc, argv, options, 3, NULL);
    if (status != EXIT_SUCCESS) {
        return status;
    }
    if (key->name == NULL || list == NULL) {
        return wrong_create("--name and --scope are required");
    }
    if (!name_valid(slice_of(key->name))) {
        return wrong_create("--name takes 1 to 100 bytes of UTF-8 without control characters");
    }
    if (!parse_scopes(list, scopes)) {
        return wrong_create("--scope takes rsvp:read, rsvp:write or rsvp:admin, or several of them "
                            "separated by commas");
    }
    key->scopes = scopes;
    if (expires != NULL && !rfc3339_parse(slice_of(expires), &key->expires_us)) {
        return wrong_create("--expires takes a time such as 2027-01-31T00:00:00Z");
    }
    if (key->expires_us <= clock_now().wall_us) {
        return wrong_create("--expires takes a time that is still to come");
    }
    return EXIT_SUCCESS;
}

static int create_key(const struct config *config, struct pg_new_key *new_key)
{
    unsigned char secret[API_KEY_SECRET_SIZE_BYTES];
    char key[API_KEY_SIZE + 1], reason[PG_ERROR_SIZE_BYTES];
    int64_t id = 0;
    /* Up to 256 bytes come whole, getrandom(2). */
    if (getrandom(secret, sizeof secret, 0) != (ssize_t)sizeof secret) {
        return command_failed("cannot create a key", "the system has no random bytes");
    }
    api_key_make(secret, key);
    if (!digest_compute(slice_of(key), new_key->digest)) {
        return command_failed("cannot create a key", "out of memory");
    }
    if (!pg_key_create(config->database_url, new_key, &id, reason)) {
        return command_failed("cannot create a key", reason);
    }
    fprintf(stderr, "created key %" PRId64 ", which is shown this once:\n", id);
    puts(key);
    return EXIT_SUCCESS;
}

static int create_command(int argc, char **argv)
{
    struct config config;
    struct pg_new_key key = {.expires_us = INT64_MAX};
    char scopes[SCOPES_SIZE_BYTES];
    int status = read_new_key(argc, argv, &key, scopes);
    if (status != EXIT_SUCCESS) {
        return status;
    }
    status = command_load_database(&config);
    if (status == EXIT_SUCCESS) {
        status = create_key(&config, &key);
    }
    config_free(&config);
    return command_finish_output(status);
}

/* ---- list ---- */

static const char list_format[] = "%-5s %-31s %-20s %-20s %-20s %-20s %s\n";

static const char *or_dash(const char *value)
{
    return value == NULL ? "-" : value;
}

static void print_key(const struct pg_key_line *key)
{
    printf(list_format, key->id, key->scopes, key->created_at, or_dash(key->expires_at),
           or_dash(key->revoked_at), or_dash(key->last_used_at), key->name);
}

static int list_command(int argc, char **argv)
{
    struct config config;
    char reason[PG_ERROR_SIZE_BYTES];
    if (argc > 0) {
        return command_unexpected("keys list", argv[0]);
    }
    int status = command_load_database(&config);
    if (status == EXIT_SUCCESS) {
        printf(list_format, "id", "scopes", "created", "expires", "revoked", "last used", "name");
        if (!pg_key_list(config.database_url, print_key, reason)) {
            status = command_failed("cannot list the keys", reason);
        }
    }
    config_free(&config);
    return command_finish_output(status);
}

/* ---- revoke ---- */

static int revoke_key(const struct config *config, const char *id)
{
    char reason[PG_ERROR_SIZE_BYTES];
    switch (pg_key_revoke(config->database_url, id, reason)) {
    case PG_KEY_REVOKED:
        printf("revoked key %s\n", id);
        return EXIT_SUCCESS;
    case PG_KEY_WAS_REVOKED:
        printf("key %s was revoked before\n", id);
        return EXIT_SUCCESS;
    case PG_KEY_UNKNOWN:
        return command_failed("cannot revoke the key",
                              "there is none of that id; 'rsvpd keys list' shows them");
    case PG_KEY_FAILED:
        return command_failed("cannot revoke the key", reason);
    }
    return EXIT_FAILURE;
}

static int revoke_command(int argc, char **argv)
{
    struct config config;
    const char *id = NULL;
    int status = command_read_options("keys revoke", argc, argv, NULL, 0, &id);
    if (status != EXIT_SUCCESS) {
        return status;
    }
    size_t digits = id == NULL ? 0 : strspn(id, "0123456789");
    if (digits == 0 || digits > ID_DIGITS_MAX || id[digits] != '\0') {
        fputs("rsvpd keys revoke: it takes the id of a key, a number; see 'rsvpd keys list'\n",
              stderr);
        return EXIT_USAGE;
    }
    status = command_load_database(&config);
    if (status == EXIT_SUCCESS) {
        status = revoke_key(&config, id);
    }
    config_free(&config);
    return command_finish_output(status);
}

int keys_command(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv); /* arguments after its name */
    } subcommands[] = {
        {"create", create_command}, {"list", list_command}, {"revoke", revoke_command}};
    if (argc == 0) {
        fputs("rsvpd keys: create, list or revoke is wanted; see 'rsvpd keys --help'\n", stderr);
        return EXIT_USAGE;
    }
    signal(SIGPIPE, SIG_IGN); /* a write that fails says so */
    for (size_t i = 0; i < sizeof subcommands / sizeof subcommands[0]; i++) {
        if (strcmp(argv[0], subcommands[i].name) == 0) {
            return subcommands[i].run(argc - 1, argv + 1);
        }
    }
    return command_unexpected("keys", argv[0]);
}
