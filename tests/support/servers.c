/* A PostgreSQL and a Redis of the test program's own. */
#include "servers.h"

#include <assert.h>
#include <glob.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hiredis/hiredis.h>
#include <libpq-fe.h>

#include "process.h"

enum {
    START_TIMEOUT_MS = 150000, /* a slow disk's recovery is no defect of the service */
    LOG_TAIL_BYTES = 2000,
    AWAIT_BOUND_MS = 60000,
    ARGUMENTS_MAX = 48, /* of a server */
};

struct pg_server {
    char bin[PROCESS_PATH_SIZE];       /* where initdb and postgres are */
    char directory[PROCESS_PATH_SIZE]; /* the socket, the log and data/ */
    const char *user;                  /* PostgreSQL refuses to run as root */
    const char *const *arguments;      /* besides its own; NULL: none */
    pid_t pid;                         /* 0: not running */
    bool paused;
};

struct redis_server {
    char directory[PROCESS_PATH_SIZE];
    char url[PROCESS_PATH_SIZE + 32];
    const char *const *arguments; /* besides its own; NULL: none */
    pid_t pid;                    /* 0: not running */
    bool paused;
};

#define OWNER "postgres"
#define SERVICE_ROLE "rsvpd"
#define RELAY_ROLE "rsvpd_relay"

static const char *const plain_environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C",
                                                NULL};

/* ---- PostgreSQL ---- */

/* Finds the newest installed version: the directory with the highest number. */
static void find_postgres(char bin[PROCESS_PATH_SIZE])
{
    glob_t found;
    long newest = 0;
    if (glob("/usr/lib/postgresql/*/bin/postgres", 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            const long version =
                strtol(found.gl_pathv[i] + strlen("/usr/lib/postgresql/"), NULL, 10);
            newest = version > newest ? version : newest;
        }
        globfree(&found);
    }
    if (newest == 0) {
        process_fail("no PostgreSQL under /usr/lib/postgresql");
    }
    snprintf(bin, PROCESS_PATH_SIZE, "/usr/lib/postgresql/%ld/bin", newest);
}

char *pg_server_url(const struct pg_server *server, const char *database)
{
    char *url = NULL;
    if (asprintf(&url, "postgresql://postgres@/%s?host=%s&port=5432", database, server->directory) <
        0) {
        process_fail("out of memory");
    }
    return url;
}

static void fail_with_log(const struct pg_server *server, const char *what)
{
    char path[PROCESS_PATH_SIZE + 16];
    snprintf(path, sizeof path, "%s/log", server->directory);
    const char *log = process_read_file(path);
    const size_t size = strlen(log);
    process_fail("%s\n%s", what, size > LOG_TAIL_BYTES ? log + size - LOG_TAIL_BYTES : log);
}

/* Runs one of PostgreSQL's programs on data/ to its end; arguments are NULL-terminated. */
static void run_program(struct pg_server *server, const char *name, const char *const *arguments)
{
    char program[PROCESS_PATH_SIZE + 32];
    char data[PROCESS_PATH_SIZE + 16];
    char log[PROCESS_PATH_SIZE + 16];
    const char *argv[16] = {program, "-D", data};
    for (size_t i = 0; arguments[i] != NULL; i++) {
        argv[3 + i] = arguments[i];
    }
    snprintf(program, sizeof program, "%s/%s", server->bin, name);
    snprintf(data, sizeof data, "%s/data", server->directory);
    snprintf(log, sizeof log, "%s/log", server->directory);
    const struct process_spec spec = {
        .argv = argv,
        .environment = plain_environment,
        .user = server->user,
        .directory = server->directory,
        .stdout_path = log,
        .stderr_path = log,
    };
    if (process_run(&spec) != 0) {
        fail_with_log(server, name);
    }
}

/* With owners and rights. False where it cannot be done. */
static bool copy_tree(const char *from, const char *to)
{
    const char *const argv[] = {"/bin/cp", "-a", "--no-target-directory", "--", from, to, NULL};
    const struct process_spec spec = {.argv = argv, .environment = plain_environment};
    return process_run(&spec) == 0;
}

static void data_path(const struct pg_server *server, char path[PROCESS_PATH_SIZE + 16])
{
    snprintf(path, PROCESS_PATH_SIZE + 16, "%s/data", server->directory);
}

/* With a copy of that cluster; NULL: without one. It is copied before the directory becomes the
 * server's user's: root follows no links of others. */
static struct pg_server *create_stopped(const char *template)
{
    char data[PROCESS_PATH_SIZE + 16];
    struct pg_server *server = calloc(1, sizeof *server);
    server->user = geteuid() == 0 ? "postgres" : NULL;
    find_postgres(server->bin);
    process_make_directory(server->directory, NULL);
    data_path(server, data);
    if (template != NULL && !copy_tree(template, data)) {
        process_fail("cannot copy %s to %s", template, data);
    }
    process_give_directory(server->directory, server->user);
    return server;
}

static struct pg_server *create_anew(void)
{
    struct pg_server *server = create_stopped(NULL);
    run_program(server, "initdb",
                (const char *const[]){"--no-sync", "-E", "UTF8", "--locale=C", "--auth=trust", "-U",
                                      "postgres", NULL});
    return server;
}

/* Whole or not at all: several programs may try at once. */
static void publish_template(const struct pg_server *server, const char *template)
{
    char data[PROCESS_PATH_SIZE + 16];
    char *unfinished = NULL;
    data_path(server, data);
    if (asprintf(&unfinished, "%s.%d", template, (int)getpid()) < 0) {
        process_fail("out of memory");
    }
    if (!copy_tree(data, unfinished) || rename(unfinished, template) != 0) {
        process_remove_directory(unfinished);
    }
    free(unfinished);
}

struct pg_server *pg_server_create(void)
{
    const char *template = getenv("RSVPD_PG_TEMPLATE");
    struct pg_server *server;
    if (template != NULL && access(template, F_OK) == 0) {
        server = create_stopped(template);
    } else {
        server = create_anew();
        if (template != NULL) {
            publish_template(server, template);
        }
    }
    pg_server_start(server);
    return server;
}

struct pg_server *pg_server_create_anew(void)
{
    struct pg_server *server = create_anew();
    pg_server_start(server);
    return server;
}

struct pg_server *pg_server_create_standby(const struct pg_server *primary)
{
    struct pg_server *server = create_stopped(NULL);
    run_program(server, "pg_basebackup",
                (const char *const[]){"-R", "-h", primary->directory, "-p", "5432", "-U",
                                      "postgres", "-c", "fast", NULL});
    pg_server_start(server);
    return server;
}

struct pg_server *pg_server_create_twin(const struct pg_server *primary)
{
    struct pg_server *server = create_stopped(NULL);
    run_program(server, "pg_basebackup",
                (const char *const[]){"-h", primary->directory, "-p", "5432", "-U", "postgres",
                                      "-c", "fast", NULL});
    pg_server_start(server);
    return server;
}

void pg_server_promote(struct pg_server *standby)
{
    run_program(standby, "pg_ctl", (const char *const[]){"promote", "-w", NULL});
}

void pg_server_demote(struct pg_server *server, const struct pg_server *primary)
{
    char path[PROCESS_PATH_SIZE + 64];
    char line[2 * PROCESS_PATH_SIZE];
    snprintf(path, sizeof path, "%s/data/standby.signal", server->directory);
    process_write_file(path, "");
    snprintf(path, sizeof path, "%s/data/postgresql.auto.conf", server->directory);
    snprintf(line, sizeof line, "primary_conninfo = 'host=%s port=5432 user=postgres'\n",
             primary->directory);
    process_write_file(path, line);
}

void pg_server_restore(struct pg_server *server, const struct pg_server *primary, const char *point)
{
    char path[PROCESS_PATH_SIZE + 64];
    char lines[2 * PROCESS_PATH_SIZE];
    snprintf(path, sizeof path, "%s/data/standby.signal", server->directory);
    if (unlink(path) != 0) {
        process_fail("%s is not there", path);
    }
    snprintf(path, sizeof path, "%s/data/recovery.signal", server->directory);
    process_write_file(path, "");
    snprintf(path, sizeof path, "%s/data/postgresql.auto.conf", server->directory);
    snprintf(lines, sizeof lines,
             "restore_command = 'cp %s/data/pg_wal/%%f %%p'\n"
             "recovery_target_name = '%s'\n"
             "recovery_target_action = pause\n",
             primary->directory, point);
    process_write_file(path, lines);
}

pid_t pg_server_pid(const struct pg_server *server)
{
    return server->pid;
}

const char *pg_server_directory(const struct pg_server *server)
{
    return server->directory;
}

void pg_server_destroy(struct pg_server **server)
{
    if (*server == NULL) {
        return;
    }
    if ((*server)->pid != 0) {
        pg_server_stop_immediate(*server);
    }
    process_remove_directory((*server)->directory);
    free(*server);
    *server = NULL;
}

void pg_server_wait(struct pg_server *server)
{
    char *url = pg_server_url(server, "postgres");
    const int64_t end_ms = process_now_ms() + START_TIMEOUT_MS;
    while (PQping(url) != PQPING_OK) {
        if (process_wait(server->pid, 0) >= 0) {
            server->pid = 0;
            fail_with_log(server, "PostgreSQL ended by itself");
        }
        if (process_now_ms() > end_ms) {
            fail_with_log(server, "PostgreSQL does not answer");
        }
        process_nap();
    }
    free(url);
}

void pg_server_set_arguments(struct pg_server *server, const char *const *arguments)
{
    server->arguments = arguments;
}

/* Behind those that are there. */
static void add_arguments(const char *argv[ARGUMENTS_MAX], const char *const *arguments)
{
    size_t count = 0;
    while (argv[count] != NULL) {
        count++;
    }
    for (size_t i = 0; arguments != NULL && arguments[i] != NULL; i++) {
        assert(count + 1 < ARGUMENTS_MAX);
        argv[count++] = arguments[i];
    }
}

void pg_server_start(struct pg_server *server)
{
    char postgres[PROCESS_PATH_SIZE + 16];
    char data[PROCESS_PATH_SIZE + 16];
    char log[PROCESS_PATH_SIZE + 16];
    char sockets[PROCESS_PATH_SIZE + 32];
    snprintf(postgres, sizeof postgres, "%s/postgres", server->bin);
    snprintf(data, sizeof data, "%s/data", server->directory);
    snprintf(log, sizeof log, "%s/log", server->directory);
    snprintf(sockets, sizeof sockets, "unix_socket_directories=%s", server->directory);
    /* As durable as the defaults, said aloud because tests of durability rest on it. After a crash
     * the file system is synchronised as a whole: file by file takes over a minute on a slow disk.
     */
    const char *argv[ARGUMENTS_MAX] = {postgres,
                                       "-D",
                                       data,
                                       "-p",
                                       "5432",
                                       "-c",
                                       sockets,
                                       "-c",
                                       "listen_addresses=",
                                       "-c",
                                       "max_connections=200",
                                       "-c",
                                       "fsync=on",
                                       "-c",
                                       "synchronous_commit=on",
                                       "-c",
                                       "full_page_writes=on",
                                       "-c",
                                       "wal_sync_method=fdatasync",
                                       "-c",
                                       "recovery_init_sync_method=syncfs",
                                       "-c",
                                       "shared_buffers=64MB",
                                       "-c",
                                       "wal_level=logical"};
    add_arguments(argv, server->arguments);
    const struct process_spec spec = {
        .argv = argv,
        .environment = plain_environment,
        .user = server->user,
        .directory = server->directory,
        .stdout_path = log,
        .stderr_path = log,
        .death_signal = SIGQUIT,
    };
    server->pid = process_spawn(&spec);
    pg_server_wait(server);
}

static void end_postgres(struct pg_server *server, int signal_number)
{
    pg_server_resume(server);
    const pid_t pid = server->pid;
    server->pid = 0;
    process_end(pid, signal_number);
}

void pg_server_stop(struct pg_server *server)
{
    end_postgres(server, SIGINT);
}

void pg_server_stop_immediate(struct pg_server *server)
{
    end_postgres(server, SIGQUIT);
}

void pg_server_restart(struct pg_server *server)
{
    pg_server_stop(server);
    pg_server_start(server);
}

void pg_server_pause(struct pg_server *server)
{
    process_pause_tree(server->pid);
    server->paused = true;
}

void pg_server_heal(struct pg_server *server)
{
    pg_server_resume(server);
    if (server->pid != 0 && process_wait(server->pid, 0) >= 0) {
        server->pid = 0;
    }
    if (server->pid == 0) {
        pg_server_start(server);
    }
}

void pg_server_resume(struct pg_server *server)
{
    if (server->paused) {
        process_resume_tree(server->pid);
        server->paused = false;
    }
}

static void ignore_notice(void *user_data, const char *message)
{
    (void)user_data;
    (void)message;
}

/* Runs one statement; the caller clears the result. */
static PGresult *run_in_session(PGconn *session, const char *sql)
{
    PGresult *result = PQexec(session, sql);
    const ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        process_fail("%s\n%s", sql, PQerrorMessage(session));
    }
    return result;
}

void pg_session_execute(PGconn *session, const char *sql)
{
    PQclear(run_in_session(session, sql));
}

static PGresult *run_sql(const char *url, const char *sql)
{
    PGconn *connection = PQconnectdb(url);
    PQsetNoticeProcessor(connection, ignore_notice, NULL);
    PGresult *result = run_in_session(connection, sql);
    PQfinish(connection);
    return result;
}

PGconn *pg_session_begin(const char *url, const char *format, ...)
{
    va_list arguments;
    char *sql = NULL;
    va_start(arguments, format);
    if (vasprintf(&sql, format, arguments) < 0) {
        process_fail("out of memory");
    }
    va_end(arguments);
    PGconn *session = PQconnectdb(url);
    pg_session_execute(session, "BEGIN");
    pg_session_execute(session, sql);
    free(sql);
    return session;
}

static PGresult *run_formatted(const char *url, const char *format, va_list arguments)
{
    char *sql = NULL;
    if (vasprintf(&sql, format, arguments) < 0) {
        process_fail("out of memory");
    }
    PGresult *result = run_sql(url, sql);
    free(sql);
    return result;
}

static void fetch_one(PGresult *result, char *value, size_t value_size)
{
    if (PQntuples(result) != 1 || PQnfields(result) != 1 || PQgetisnull(result, 0, 0)) {
        process_fail("the query did not answer with one value");
    }
    snprintf(value, value_size, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
}

void pg_execute(const char *url, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    PQclear(run_formatted(url, format, arguments));
    va_end(arguments);
}

int64_t pg_query_int64(const char *url, const char *format, ...)
{
    char value[32];
    va_list arguments;
    va_start(arguments, format);
    fetch_one(run_formatted(url, format, arguments), value, sizeof value);
    va_end(arguments);
    return strtoll(value, NULL, 10);
}

bool pg_query_bool(const char *url, const char *format, ...)
{
    char value[32];
    va_list arguments;
    va_start(arguments, format);
    fetch_one(run_formatted(url, format, arguments), value, sizeof value);
    va_end(arguments);
    return strcmp(value, "t") == 0;
}

static bool query_bool_in(PGconn *session, const char *sql)
{
    char value[32];
    fetch_one(run_in_session(session, sql), value, sizeof value);
    return strcmp(value, "t") == 0;
}

/* In one session: a new one for each look would cost more than what is waited for. */
void pg_await(const char *url, const char *format, ...)
{
    const int64_t give_up_ms = process_now_ms() + AWAIT_BOUND_MS;
    char *query = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&query, format, arguments) < 0) {
        process_fail("out of memory");
    }
    va_end(arguments);
    PGconn *session = PQconnectdb(url);
    while (!query_bool_in(session, query)) {
        if (process_now_ms() > give_up_ms) {
            process_fail("not true for %d s: %s", AWAIT_BOUND_MS / 1000, query);
        }
        process_nap();
    }
    PQfinish(session);
    free(query);
}

void pg_await_looked_after(const char *url, int sessions)
{
    pg_await(url,
             "SELECT count(*) = %d FROM pg_stat_activity"
             " WHERE datname = current_database() AND pid <> pg_backend_pid()"
             " AND query LIKE '%%DISCARD PLANS%%'",
             sessions);
}

void pg_await_lock_waiter(const char *url)
{
    pg_await(url,
             "SELECT EXISTS (SELECT FROM %s"
             " WHERE wait_event_type = 'Lock' AND datname = current_database())",
             citus_url() == NULL ? "pg_stat_activity" : "citus_stat_activity");
}

void pg_await_sessions(const char *url, int left)
{
    pg_await(url,
             "SELECT count(*) <= %d FROM pg_stat_activity WHERE datname = current_database()"
             " AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
             left);
}

/* Runs a file of sql/ with psql, in one transaction, with that variable set. */
static void run_file(const char *url, const char *name, const char *variable)
{
    char psql[PROCESS_PATH_SIZE + 16], file[1024], log[PROCESS_PATH_SIZE + 16];
    char bin[PROCESS_PATH_SIZE], directory[PROCESS_PATH_SIZE];
    const char *source = getenv("RSVPD_SOURCE_DIR");
    if (source == NULL) {
        process_fail("RSVPD_SOURCE_DIR does not name the sources");
    }
    find_postgres(bin);
    process_make_directory(directory, NULL);
    snprintf(psql, sizeof psql, "%s/psql", bin);
    snprintf(file, sizeof file, "%s/sql/%s.sql", source, name);
    snprintf(log, sizeof log, "%s/log", directory);
    const char *const argv[] = {psql, "-X", "-1", "-v", "ON_ERROR_STOP=1", "-v", variable,
                                "-f", file, url,  NULL};
    const struct process_spec spec = {
        .argv = argv,
        .environment = plain_environment,
        .stdout_path = log,
        .stderr_path = log,
    };
    if (process_run(&spec) != 0) {
        process_fail("%s\n%s", file, process_read_file(log));
    }
    process_remove_directory(directory);
}

void pg_grant_service_role(const char *url)
{
    run_file(url, "roles/service_role", "role=" SERVICE_ROLE);
}

void pg_grant_replica_reads(const char *url)
{
    pg_execute(url, "GRANT pg_read_all_stats TO " SERVICE_ROLE);
}

void pg_grant_relay_role(const char *url)
{
    run_file(url, "roles/relay_role", "role=" RELAY_ROLE);
}

/* The URL with that role in it, where the owner was. */
static char *url_of_role(const char *url, const char *role)
{
    static const char owner[] = "://" OWNER "@";
    const char *at = strstr(url, owner);
    char *changed = NULL;
    if (at == NULL) {
        return strdup(url);
    }
    if (asprintf(&changed, "%.*s://%s@%s", (int)(at - url), url, role, at + strlen(owner)) < 0) {
        process_fail("out of memory");
    }
    return changed;
}

char *pg_service_url(const char *url)
{
    return url_of_role(url, SERVICE_ROLE);
}

char *pg_relay_url(const char *url)
{
    return url_of_role(url, RELAY_ROLE);
}

/* ---- Citus ---- */

const char *citus_url(void)
{
    const char *url = NULL;
    if (getenv("RSVPD_ON_CITUS") != NULL && (url = getenv("CITUS_URL")) == NULL) {
        process_fail("CITUS_URL names no coordinator of a Citus cluster");
    }
    return url;
}

/* Each time: where the tables are distributed, it brings the functions up to date. */
void pg_distribute(const char *url)
{
    if (citus_url() != NULL) {
        run_file(url, "distributed/citus", "unused=");
    }
}

/* Making tables there takes long: they stay, empty. */
static char *fresh_citus(const char *url)
{
    pg_execute(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE"
                    " datname = current_database() AND backend_type = 'client backend'"
                    " AND pid <> pg_backend_pid()");
    if (pg_query_bool(url, "SELECT to_regclass('api_keys') IS NOT NULL")) {
        pg_execute(url, "TRUNCATE rsvps, rsvp_counters, likes, like_counters, events, waitlist");
        pg_execute(url, "TRUNCATE idempotency_keys, api_keys RESTART IDENTITY");
    }
    return strdup(url);
}

char *pg_fresh_database(struct pg_server *server, const char *name)
{
    if (citus_url() != NULL) {
        return fresh_citus(citus_url());
    }
    char *maintenance = pg_server_url(server, "postgres");
    pg_execute(maintenance, "DROP DATABASE IF EXISTS \"%s\" WITH (FORCE)", name);
    pg_execute(maintenance, "CREATE DATABASE \"%s\"", name);
    free(maintenance);
    return pg_server_url(server, name);
}

/* ---- Redis ---- */

static const char *socket_path(const struct redis_server *server)
{
    return server->url + strlen("unix://");
}

/* Sends one command; true if the server answered with that status. */
static bool redis_command(const struct redis_server *server, const char *command,
                          const char *status)
{
    redisContext *context = redisConnectUnix(socket_path(server));
    redisReply *reply = NULL;
    if (context != NULL && context->err == 0) {
        reply = redisCommand(context, command);
    }
    const bool good =
        reply != NULL && reply->type == REDIS_REPLY_STATUS && strcmp(reply->str, status) == 0;
    freeReplyObject(reply);
    redisFree(context);
    return good;
}

struct redis_server *redis_server_create(void)
{
    struct redis_server *server = calloc(1, sizeof *server);
    process_make_directory(server->directory, NULL);
    snprintf(server->url, sizeof server->url, "unix://%s/redis.sock", server->directory);
    redis_server_start(server);
    return server;
}

void redis_server_destroy(struct redis_server **server)
{
    if (*server == NULL) {
        return;
    }
    if ((*server)->pid != 0) {
        redis_server_kill(*server);
    }
    process_remove_directory((*server)->directory);
    free(*server);
    *server = NULL;
}

void redis_server_start(struct redis_server *server)
{
    char log[PROCESS_PATH_SIZE + 16];
    snprintf(log, sizeof log, "%s/log", server->directory);
    const char *argv[32] = {"/usr/bin/redis-server",
                            "--port",
                            "0",
                            "--unixsocket",
                            socket_path(server),
                            "--unixsocketperm",
                            "700",
                            "--save",
                            "",
                            "--appendonly",
                            "no",
                            "--dir",
                            server->directory};
    size_t count = 13;
    for (size_t i = 0; server->arguments != NULL && server->arguments[i] != NULL; i++) {
        argv[count++] = server->arguments[i];
    }
    const struct process_spec spec = {
        .argv = argv,
        .environment = plain_environment,
        .directory = server->directory,
        .stdout_path = log,
        .stderr_path = log,
    };
    unlink(socket_path(server)); /* a killed server leaves it */
    server->pid = process_spawn(&spec);
    const int64_t end_ms = process_now_ms() + START_TIMEOUT_MS;
    while (!redis_command(server, "PING", "PONG")) {
        if (process_wait(server->pid, 0) >= 0 || process_now_ms() > end_ms) {
            process_fail("Redis does not start\n%s", process_read_file(log));
        }
        process_nap();
    }
}

static void end_redis(struct redis_server *server, int signal_number)
{
    redis_server_resume(server);
    const pid_t pid = server->pid;
    server->pid = 0;
    process_end(pid, signal_number);
}

void redis_server_stop(struct redis_server *server)
{
    end_redis(server, SIGTERM);
}

void redis_server_kill(struct redis_server *server)
{
    end_redis(server, SIGKILL);
}

void redis_server_pause(struct redis_server *server)
{
    process_pause_tree(server->pid);
    server->paused = true;
}

void redis_server_heal(struct redis_server *server)
{
    redis_server_resume(server);
    if (server->pid == 0) {
        redis_server_start(server);
    }
}

void redis_server_resume(struct redis_server *server)
{
    if (server->paused) {
        process_resume_tree(server->pid);
        server->paused = false;
    }
}

void redis_server_flush(struct redis_server *server)
{
    if (!redis_command(server, "FLUSHALL", "OK")) {
        process_fail("Redis did not flush");
    }
}

void redis_server_set_arguments(struct redis_server *server, const char *const *arguments)
{
    server->arguments = arguments;
}

/* The answer to the command, which is no error; the caller frees it. */
static redisReply *ask(const struct redis_server *server, const char *format, va_list arguments)
{
    redisContext *context = redisConnectUnix(socket_path(server));
    redisReply *reply = NULL;
    if (context != NULL && context->err == 0) {
        reply = redisvCommand(context, format, arguments);
    }
    redisFree(context);
    if (reply == NULL || reply->type == REDIS_REPLY_ERROR) {
        process_fail("Redis: %s: %s", format, reply != NULL ? reply->str : "no answer");
    }
    return reply;
}

void redis_server_execute(const struct redis_server *server, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    freeReplyObject(ask(server, format, arguments));
    va_end(arguments);
}

int64_t redis_server_ask_int64(const struct redis_server *server, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = ask(server, format, arguments);
    va_end(arguments);
    if (reply->type != REDIS_REPLY_INTEGER) {
        process_fail("Redis: %s: no integer", format);
    }
    const int64_t value = reply->integer;
    freeReplyObject(reply);
    return value;
}

int64_t redis_server_client_count(const struct redis_server *server)
{
    return redis_server_ask_int64(server, "EVAL %s 0",
                                  "return tonumber(string.match(redis.call('INFO', 'clients'),"
                                  " 'connected_clients:(%d+)'))") -
           1;
}

void redis_server_open(const struct redis_server *server, uint16_t port, const char *password)
{
    redis_server_execute(server, "CONFIG SET bind 127.0.0.1");
    redis_server_execute(server, "CONFIG SET port %u", (unsigned)port);
    redis_server_execute(server, "CONFIG SET requirepass %s", password);
}

const char *redis_server_url(const struct redis_server *server)
{
    return server->url;
}
