/* Subcommands, start-up errors with their exit statuses, and migrations. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"
#include "process.h"
#include "servers.h"
#include "service.h"
#include "test.h"

enum { STATUS_FAILED = 1, STATUS_USAGE = 2 };

/* No server is there: a serve that takes its environment for good ends with another status. */
#define NO_DATABASE "DATABASE_URL=postgresql://postgres@/none?host=/nonexistent"
#define PASSWORD "open-sesame"

static size_t count_lines(const char *text)
{
    size_t count = 0;
    for (; (text = strchr(text, '\n')) != NULL; text++) {
        count++;
    }
    return count;
}

/* Runs `rsvpd COMMAND`; checks the exit status and that stderr holds the word. The caller frees. */
static struct service_run expect_run(const char *command, const char *const *environment,
                                     int status, const char *word)
{
    struct service_run run = service_run((const char *const[]){command, NULL}, environment);
    if (run.status != status || strstr(run.err, word) == NULL) {
        process_fail("%s ended with status %d, expected %d and '%s' on stderr:\n%s", command,
                     run.status, status, word, run.err);
    }
    return run;
}

static void check_run(const char *command, const char *const *environment, int status,
                      const char *word)
{
    struct service_run run = expect_run(command, environment, status, word);
    service_run_free(&run);
}

static char *make_entry(const char *name, const char *value)
{
    char *entry = NULL;
    if (asprintf(&entry, "%s=%s", name, value) < 0) {
        process_fail("out of memory");
    }
    return entry;
}

/* ---- variables ---- */

struct bad_variable {
    const char *name;
    const char *values[8]; /* up to the first NULL */
};

static const struct bad_variable bad_variables[] = {
    {"DATABASE_URL", {"nonsense", "mysql://host/db", "postgresql://host:port/db"}},
    {"REDIS_URL",
     {"nonsense", "http://host:6379", "redis://", "redis://host:99999", "redis://host:x",
      "redis://host:6379/x", "unix://"}},
    {"PORT", {"abc", "0", "65536", "-1", "8080x", " 8080", "80.5", ""}},
    {"ADMIN_PORT", {"abc", "0", "65536", "-1", "+9090"}},
    {"BIND_ADDRESS", {"nonsense", "256.1.1.1", "127.0.0.1:80", ""}},
    {"ADMIN_BIND_ADDRESS", {"nonsense", "127.0.0", "[::1]"}},
    {"WORKERS", {"abc", "0", "-1", "1000000", "2.5"}},
    {"REQUEST_DEADLINE_MS", {"abc", "0", "-1", "2s", "99999999999999999999"}},
    {"MAX_CONNECTIONS", {"abc", "0", "-1", "99999999999999999999"}},
    {"MAX_CONNECTIONS_PER_ADDRESS", {"abc", "-1", "99999999999999999999"}},
    {"MAX_PENDING", {"abc", "0", "1", "201", "-1", "99999999999999999999"}},
    {"PG_WRITE_CONNECTIONS", {"abc", "0", "-1", "10000"}},
    {"PG_READ_CONNECTIONS", {"abc", "0", "-1", "10000"}},
    {"COUNT_LOCAL_TTL_MS", {"abc", "-1", "3501", "99999999999999999999"}},
    {"COUNT_REDIS_TTL_MS", {"abc", "-1", "3501", "99999999999999999999"}},
    {"SHUTDOWN_DRAIN_MS", {"abc", "-1", "5s", "99999999999999999999"}},
    {"LOG_LEVEL", {"loud", "INFO", "", "3"}},
    {"LOG_FORMAT", {"xml", "JSON", ""}},
    {"ACCESS_LOG_EVERY", {"abc", "-1", "all", ""}},
};

static void check_bad_variable(const char *name, const char *value)
{
    char *entry = make_entry(name, value);
    const bool is_database = strcmp(name, "DATABASE_URL") == 0;
    process_note("%s", entry);
    struct service_run run =
        expect_run("serve", (const char *const[]){entry, is_database ? NULL : NO_DATABASE, NULL},
                   STATUS_USAGE, name);
    if (count_lines(run.err) != 1) {
        process_fail("%s: expected one line on stderr:\n%s", entry, run.err);
    }
    service_run_free(&run);
    free(entry);
}

static void bad_variable_ends_the_start_and_is_named(NO_STATE)
{
    for (size_t i = 0; i < LENGTH(bad_variables); i++) {
        const char *const *values = bad_variables[i].values;
        for (size_t v = 0; v < LENGTH(bad_variables[i].values) && values[v] != NULL; v++) {
            check_bad_variable(bad_variables[i].name, values[v]);
        }
    }
}

static void count_lifetimes_keep_their_sum(NO_STATE)
{
    struct service_run run =
        expect_run("serve",
                   (const char *const[]){NO_DATABASE, "COUNT_LOCAL_TTL_MS=1001",
                                         "COUNT_REDIS_TTL_MS=2500", NULL},
                   STATUS_USAGE, "COUNT_LOCAL_TTL_MS");
    assert_non_null(strstr(run.err, "COUNT_REDIS_TTL_MS"));
    assert_int_equal(count_lines(run.err), 1);
    service_run_free(&run);
    /* 3500 together are right: it gets as far as the database. */
    check_run("serve",
              (const char *const[]){NO_DATABASE, "COUNT_LOCAL_TTL_MS=1000",
                                    "COUNT_REDIS_TTL_MS=2500", NULL},
              STATUS_FAILED, "");
}

static void database_url_is_required(NO_STATE)
{
    static const char *const commands[] = {"serve", "migrate"};
    static const char *const empty[] = {"DATABASE_URL=", NULL};
    for (size_t i = 0; i < LENGTH(commands); i++) {
        check_run(commands[i], NULL, STATUS_USAGE, "DATABASE_URL");
        check_run(commands[i], empty, STATUS_USAGE, "DATABASE_URL");
    }
}

/* ---- secrets ---- */

static void expect_no_password(const struct service_run *run)
{
    if (strstr(run->out, PASSWORD) != NULL || strstr(run->err, PASSWORD) != NULL) {
        process_fail("the password is shown:\n%s%s", run->out, run->err);
    }
}

/* A private directory with one file that holds the text. */
struct secret_file {
    char directory[PROCESS_PATH_SIZE];
    char path[PROCESS_PATH_SIZE + 16];
};

static void secret_file_make(struct secret_file *file, const char *text)
{
    process_make_directory(file->directory, NULL);
    snprintf(file->path, sizeof file->path, "%s/secret", file->directory);
    process_write_file(file->path, text);
}

static void secrets_come_from_files(NO_STATE)
{
    struct secret_file database;
    struct secret_file redis;
    char text[512];
    snprintf(text, sizeof text, "%s\n", fixture.database_url);
    secret_file_make(&database, text);
    secret_file_make(&redis, redis_server_url(fixture.redis));
    char *database_entry = make_entry("DATABASE_URL_FILE", database.path);
    char *redis_entry = make_entry("REDIS_URL_FILE", redis.path);

    check_run("migrate", (const char *const[]){database_entry, NULL}, 0, "");
    struct service *service =
        service_start(fixture.database_url, NULL, (const char *const[]){redis_entry, NULL});
    service_stop(&service);

    free(database_entry);
    free(redis_entry);
    process_remove_directory(database.directory);
    process_remove_directory(redis.directory);
}

static void secret_files_have_to_be_right(NO_STATE)
{
    struct secret_file file;
    struct secret_file empty;
    secret_file_make(&file, "postgresql://postgres@/none?host=/nonexistent\n");
    secret_file_make(&empty, "");
    char *entry = make_entry("DATABASE_URL_FILE", file.path);
    char *empty_entry = make_entry("DATABASE_URL_FILE", empty.path);
    const char *const environments[][3] = {
        {entry, NO_DATABASE, NULL}, /* both */
        {"DATABASE_URL_FILE=/nonexistent/file", NULL, NULL},
        {"DATABASE_URL_FILE=/", NULL, NULL},
        {empty_entry, NULL, NULL},
    };
    for (size_t i = 0; i < LENGTH(environments); i++) {
        process_note("%s", environments[i][0]);
        check_run("serve", environments[i], STATUS_USAGE, "DATABASE_URL");
    }
    check_run("serve",
              (const char *const[]){NO_DATABASE, "REDIS_URL=redis://127.0.0.1:1",
                                    "REDIS_URL_FILE=/nonexistent/file", NULL},
              STATUS_USAGE, "REDIS_URL");
    check_run("serve", (const char *const[]){entry, NULL}, STATUS_FAILED,
              ""); /* read as it should */
    free(entry);
    free(empty_entry);
    process_remove_directory(file.directory);
    process_remove_directory(empty.directory);
}

/* ---- the database ---- */

static void database_has_to_be_there(NO_STATE)
{
    static const char *const commands[] = {"serve", "migrate"};
    static const char *const refused[] = {"DATABASE_URL=postgresql://postgres@127.0.0.1:1/none",
                                          NULL};
    char *missing = strdup(fixture.database_url);
    char *database = strstr(missing, "/rsvpd?");
    assert_non_null(database);
    memcpy(database, "/nope1?", strlen("/nope1?"));
    char *entry = make_entry("DATABASE_URL", missing);
    for (size_t i = 0; i < LENGTH(commands); i++) {
        check_run(commands[i], (const char *const[]){NO_DATABASE, NULL}, STATUS_FAILED,
                  "/nonexistent");
        check_run(commands[i], refused, STATUS_FAILED, "refused");
        check_run(commands[i], (const char *const[]){entry, NULL}, STATUS_FAILED, "nope1");
    }
    free(entry);
    free(missing);
}

static void schema_has_to_be_migrated(NO_STATE)
{
    char *url = pg_fresh_database(fixture.pg, "unmigrated");
    char *entry = make_entry("DATABASE_URL", url);
    check_run("serve", (const char *const[]){entry, NULL}, STATUS_FAILED, "rsvpd migrate");
    free(entry);
    free(url);
}

static void newer_schema_is_refused(NO_STATE)
{
    char *url = pg_fresh_database(fixture.pg, "newer");
    char *entry = make_entry("DATABASE_URL", url);
    service_migrate(url);
    pg_execute(url, "INSERT INTO rsvpd_migrations (number, name)"
                    " SELECT max(number) + 1, 'from the future' FROM rsvpd_migrations");
    check_run("serve", (const char *const[]){entry, NULL}, STATUS_FAILED, "newer");
    check_run("migrate", (const char *const[]){entry, NULL}, STATUS_FAILED, "newer");
    free(entry);
    free(url);
}

static void migrating_twice_changes_nothing(NO_STATE)
{
    char *url = pg_fresh_database(fixture.pg, "twice");
    char *entry = make_entry("DATABASE_URL", url);
    const char *const environment[] = {entry, NULL};
    static const char tables[] =
        "SELECT hashtext(string_agg(format('%%s.%%s %%s', table_name, column_name, data_type), ','"
        " ORDER BY table_name, ordinal_position))"
        " FROM information_schema.columns WHERE table_schema = 'public'";
    check_run("migrate", environment, 0, "");
    pg_execute(url, "INSERT INTO rsvps (event_id, user_id) VALUES ('kept', 'u1')");
    const int64_t before = pg_query_int64(url, tables);
    check_run("migrate", environment, 0, "");
    assert_int_equal(pg_query_int64(url, tables), before);
    assert_int_equal(pg_query_int64(url, "SELECT count(*) FROM rsvps"), 1);
    pg_grant_service_role(url);
    struct service *service = service_start(url, NULL, NULL);
    service_stop(&service);
    free(entry);
    free(url);
}

static void migrating_at_once_succeeds_everywhere(NO_STATE)
{
    char *url = pg_fresh_database(fixture.pg, "at_once");
    char *entry = make_entry("DATABASE_URL", url);
    struct service_run runs[4];
    for (size_t i = 0; i < LENGTH(runs); i++) {
        runs[i] = service_run_begin((const char *const[]){"migrate", NULL},
                                    (const char *const[]){entry, NULL});
    }
    for (size_t i = 0; i < LENGTH(runs); i++) {
        service_run_end(&runs[i]);
        if (runs[i].status != 0) {
            process_fail("one of the migrations failed: %s", runs[i].err);
        }
        service_run_free(&runs[i]);
    }
    pg_grant_service_role(url);
    struct service *service = service_start(url, NULL, NULL);
    service_stop(&service);
    free(entry);
    free(url);
}

/* ---- ports ---- */

static int listen_on(uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)},
    };
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    return listener;
}

/* Serves on these ports, one of which is taken. */
static void check_port_in_use(uint16_t taken, uint16_t port, uint16_t admin_port)
{
    char *database = make_entry("DATABASE_URL", fixture.database_url);
    char port_entry[32];
    char admin_entry[32];
    char number[16];
    snprintf(port_entry, sizeof port_entry, "PORT=%u", port);
    snprintf(admin_entry, sizeof admin_entry, "ADMIN_PORT=%u", admin_port);
    snprintf(number, sizeof number, "%u", taken);
    process_note("%s %s, %s is taken", port_entry, admin_entry, number);
    check_run("serve",
              (const char *const[]){database, port_entry, admin_entry, "SHUTDOWN_DRAIN_MS=0", NULL},
              STATUS_FAILED, number);
    free(database);
}

static void port_in_use_is_named(NO_STATE)
{
    int locks[2];
    const uint16_t taken = port_reserve(&locks[0]);
    const uint16_t unused = port_reserve(&locks[1]);
    const int listener = listen_on(taken);
    check_port_in_use(taken, taken, unused);
    check_port_in_use(taken, unused, taken);
    close(listener);
    close(locks[0]);
    close(locks[1]);
}

/* Workers share their port with each other, but not with another rsvpd by mistake. */
static void two_services_do_not_share_a_port(NO_STATE)
{
    int lock;
    const uint16_t unused = port_reserve(&lock);
    struct service *service = service_start(fixture.database_url, NULL, NULL);
    check_port_in_use(service->port, service->port, unused);
    check_port_in_use(service->admin_port, unused, service->admin_port);
    service_stop(&service);
    close(lock);
}

/* ---- subcommands ---- */

static void unknown_arguments_are_refused(NO_STATE)
{
    static const char *const lines[][3] = {
        {"nope", NULL, NULL},      {"Serve", NULL, NULL},       {"--nope", NULL, NULL},
        {"serve", "--nope", NULL}, {"version", "--nope", NULL}, {"migrate", "nope", NULL},
    };
    for (size_t i = 0; i < LENGTH(lines); i++) {
        process_note("%s %s", lines[i][0], lines[i][1] != NULL ? lines[i][1] : "");
        struct service_run run = service_run(lines[i], (const char *const[]){NO_DATABASE, NULL});
        assert_int_equal(run.status, STATUS_USAGE);
        assert_string_not_equal(run.err, "");
        service_run_free(&run);
    }
}

static void every_subcommand_has_help(NO_STATE)
{
    static const char *const commands[] = {"serve",  "migrate", "import",  "export", "verify",
                                           "health", "config",  "version", "help"};
    struct service_run overview = service_run((const char *const[]){"help", NULL}, NULL);
    assert_int_equal(overview.status, 0);
    for (size_t i = 0; i < LENGTH(commands); i++) {
        process_note("%s --help", commands[i]);
        assert_non_null(strstr(overview.out, commands[i]));
        struct service_run run =
            service_run((const char *const[]){commands[i], "--help", NULL}, NULL);
        assert_int_equal(run.status, 0);
        assert_non_null(strstr(run.out, commands[i]));
        assert_string_equal(run.err, "");
        service_run_free(&run);
    }
    service_run_free(&overview);
    struct service_run run = service_run((const char *const[]){"--help", NULL}, NULL);
    assert_int_equal(run.status, 0);
    assert_string_not_equal(run.out, "");
    service_run_free(&run);
}

static void version_tells_the_version(NO_STATE)
{
    struct service_run run = service_run((const char *const[]){"version", NULL}, NULL);
    unsigned major;
    unsigned minor;
    unsigned patch;
    const char *digits = run.out + strcspn(run.out, "0123456789");
    assert_int_equal(run.status, 0);
    assert_int_equal(sscanf(digits, "%u.%u.%u", &major, &minor, &patch), 3);
    assert_int_equal(count_lines(run.out), 1);
    service_run_free(&run);
}

/* Every variable of the contract and a value for it that is not the default. */
static const struct {
    const char *name;
    const char *value;
    bool secret;
} variables[] = {
    {"DATABASE_URL", "postgresql://someone:" PASSWORD "@db.example:5432/rsvpd", true},
    {"REDIS_URL", "redis://someone:" PASSWORD "@redis.example:6379/3", true},
    {"PORT", "18080", false},
    {"BIND_ADDRESS", "127.0.0.2", false},
    {"ADMIN_PORT", "19090", false},
    {"ADMIN_BIND_ADDRESS", "127.0.0.3", false},
    {"WORKERS", "13", false},
    {"REQUEST_DEADLINE_MS", "1234", false},
    {"MAX_CONNECTIONS", "4321", false},
    {"MAX_PENDING", "5432", false},
    {"COUNT_LOCAL_TTL_MS", "901", false},
    {"COUNT_REDIS_TTL_MS", "2401", false},
    {"SHUTDOWN_DRAIN_MS", "6543", false},
    {"LOG_LEVEL", "warn", false},
    {"LOG_FORMAT", "text", false},
};

/* The line of the output that begins with the name, with a text of its own near it. */
static void expect_variable(const char *output, const char *name, const char *value)
{
    char start[64];
    snprintf(start, sizeof start, "\n%s", name);
    const char *line = strstr(output, start);
    if (line == NULL) {
        process_fail("config does not print %s:\n%s", name, output);
    }
    char text[512];
    snprintf(text, sizeof text, "%.*s", (int)strcspn(line + 1, "\n"), line + 1);
    if (value != NULL && strstr(text, value) == NULL) {
        process_fail("config does not print the value in force: %s", text);
    }
}

static void config_prints_what_is_in_force(NO_STATE)
{
    const char *environment[LENGTH(variables) + 1] = {NULL};
    for (size_t i = 0; i < LENGTH(variables); i++) {
        environment[i] = make_entry(variables[i].name, variables[i].value);
    }
    struct service_run run = service_run((const char *const[]){"config", NULL}, environment);
    char *output = NULL; /* each line has a newline in front */
    if (asprintf(&output, "\n%s", run.out) < 0) {
        process_fail("out of memory");
    }
    assert_int_equal(run.status, 0);
    for (size_t i = 0; i < LENGTH(variables); i++) {
        expect_variable(output, variables[i].name, variables[i].secret ? NULL : variables[i].value);
        free((char *)(uintptr_t)environment[i]);
    }
    expect_no_password(&run);
    free(output);
    service_run_free(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_variable_ends_the_start_and_is_named),
        cmocka_unit_test(count_lifetimes_keep_their_sum),
        cmocka_unit_test(database_url_is_required),
        cmocka_unit_test(secrets_come_from_files),
        cmocka_unit_test(secret_files_have_to_be_right),
        cmocka_unit_test(database_has_to_be_there),
        cmocka_unit_test(schema_has_to_be_migrated),
        cmocka_unit_test(newer_schema_is_refused),
        cmocka_unit_test(migrating_twice_changes_nothing),
        cmocka_unit_test(migrating_at_once_succeeds_everywhere),
        cmocka_unit_test(port_in_use_is_named),
        cmocka_unit_test(two_services_do_not_share_a_port),
        cmocka_unit_test(unknown_arguments_are_refused),
        cmocka_unit_test(every_subcommand_has_help),
        cmocka_unit_test(version_tells_the_version),
        cmocka_unit_test(config_prints_what_is_in_force),
    };
    return cmocka_run_group_tests(tests, fixture_setup_servers, fixture_teardown);
}
