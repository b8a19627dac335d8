/* The schema: applies the migrations that are built in.
 *
 * DESIGN: Whoever asks for a lock that excludes all others stops everybody who comes after, even
 * where it has to wait itself. So a migration asks for locks on tables for a moment only, lets the
 * others pass, and asks again until its time is over. */
#include "rsvpd/store/pg_migrate.h"
#include "rsvpd/base/clock.h"
#include "rsvpd/store/pg_await.h"
#include "rsvpd/store/pg_vet.h"
#include "rsvpd/store/sql.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    TABLE_WAIT_MS = 200, /* for a lock on a table, at a time: the service's requests stand still */
    /* The same where a vacuum is in the way: PostgreSQL ends one that somebody has waited for so
       long (deadlock_timeout). */
    VACUUM_WAIT_MS = 1500,
    PASS_MS = 500, /* in which others pass */
};
enum { LOOK_TIMEOUT_US = 10 * 1000 * 1000 }; /* at the start of a process that will serve */

static const char directory[] = "migrations/";

/* The number of the lock: any that nobody else uses. */
static const char lock_number[] = "823746120459";

static const char lock_not_available[] = "55P03";

/* What `accept` says of it. */
static const char waited_in_vain[] =
    "waited in vain for a lock that another session holds; try again when it has ended, or with a "
    "longer --wait";

/* The built-in migrations stand in the order of their numbers, which begin their names and count
 * from 1. Returns the one of this number, NULL past the last. */
static const struct sql_file *migration(int number)
{
    for (const struct sql_file *file = sql_files; file->name != NULL; file++) {
        if (strncmp(file->name, directory, strlen(directory)) == 0 &&
            strtol(file->name + strlen(directory), NULL, 10) == number) {
            return file;
        }
    }
    return NULL;
}

/* Takes what came back: NULL, with `error` filled in, where it is an error; else to be cleared. */
static PGresult *accept(PGconn *connection, PGresult *result, char error[PG_ERROR_SIZE_BYTES])
{
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY) {
        return result;
    }
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (state != NULL && strcmp(state, lock_not_available) == 0) {
        snprintf(error, PG_ERROR_SIZE_BYTES, "%s", waited_in_vain);
    } else {
        pg_error_statement(connection, result, error);
    }
    PQclear(result);
    return NULL;
}

/* Runs statements without parameters. */
static bool run_only(PGconn *connection, const char *sql, char error[PG_ERROR_SIZE_BYTES])
{
    PGresult *result = accept(connection, PQexec(connection, sql), error);
    PQclear(result);
    return result != NULL;
}

/* Runs a file of sql/schema/. */
static PGresult *run_with(PGconn *connection, const char *file, const char *const *values,
                          int count, char error[PG_ERROR_SIZE_BYTES])
{
    return accept(connection,
                  PQexecParams(connection, sql_text(file), count, NULL, values, NULL, NULL, 0),
                  error);
}

/* The answer to a statement without parameters; NULL likewise. */
static PGresult *ask(PGconn *connection, const char *file, int64_t timeout_us,
                     char error[PG_ERROR_SIZE_BYTES])
{
    bool sent = PQsendQuery(connection, sql_text(file)) == 1;
    return accept(connection, sent ? pg_await_last(connection, timeout_us) : NULL, error);
}

/* How many of the built-in migrations a database has, in `applied`. */
static enum schema_state compare(PGconn *connection, int64_t timeout_us, int *applied,
                                 char error[PG_ERROR_SIZE_BYTES])
{
    enum schema_state state = SCHEMA_UNREACHABLE;
    PGresult *list = NULL;
    PGresult *exists = ask(connection, "schema/has_history", timeout_us, error);
    *applied = 0;
    if (exists == NULL) {
        goto out;
    }
    state = SCHEMA_BEHIND;
    if (strcmp(PQgetvalue(exists, 0, 0), "t") != 0) {
        goto out;
    }
    list = ask(connection, "schema/list_history", timeout_us, error);
    if (list == NULL) {
        state = SCHEMA_UNREACHABLE;
        goto out;
    }
    for (int row = 0; row < PQntuples(list); row++) {
        long number = strtol(PQgetvalue(list, row, 0), NULL, 10);
        if (number != row + 1 || migration(row + 1) == NULL) {
            state = SCHEMA_UNKNOWN;
            goto out;
        }
        *applied = row + 1;
    }
    state = migration(*applied + 1) == NULL ? SCHEMA_CURRENT : SCHEMA_BEHIND;
out:
    PQclear(exists);
    PQclear(list);
    return state;
}

enum schema_state pg_schema_state(const char *url, char error[PG_ERROR_SIZE_BYTES])
{
    PGconn *connection = pg_connect(url, PG_READS, error);
    if (connection == NULL) {
        return SCHEMA_UNREACHABLE;
    }
    int applied;
    enum schema_state state = pg_vet_session(connection, url, PG_READS, error)
                                  ? compare(connection, LOOK_TIMEOUT_US, &applied, error)
                                  : SCHEMA_UNUSABLE;
    if (state == SCHEMA_CURRENT && !pg_vet_tables(connection, error)) {
        state = SCHEMA_UNUSABLE;
    }
    PQfinish(connection);
    return state;
}

/* ---- migrating ---- */

struct migrator {
    PGconn *connection;
    const struct pg_migrate_listener *listener;
    int64_t wait_until_us; /* monotonic: for locks */
    int64_t table_wait_ms; /* for one on a table, at a time */
    bool told;             /* the listener knows who has locked a table */
    char *error;           /* of PG_ERROR_SIZE_BYTES */
};

/* Says who holds the lock, as well as can be found out. */
static void find_holder(struct migrator *migrator, char holder[PG_ERROR_SIZE_BYTES])
{
    const char *values[] = {lock_number};
    char ignored[PG_ERROR_SIZE_BYTES];
    PGresult *result = run_with(migrator->connection, "schema/lock_holder", values, 1, ignored);
    bool found = result != NULL && PQntuples(result) == 1;
    snprintf(holder, PG_ERROR_SIZE_BYTES, "%.400s",
             found ? PQgetvalue(result, 0, 0) : "a session that has ended meanwhile");
    PQclear(result);
}

/* How long it may wait for locks from now on, and at most so long; PostgreSQL takes 0 for ever. */
static void lock_timeout(const struct migrator *migrator, int64_t max_ms, char timeout[32])
{
    int64_t left_ms = (migrator->wait_until_us - clock_mono_us()) / 1000;
    left_ms = left_ms > max_ms ? max_ms : left_ms;
    snprintf(timeout, 32, "%lldms", (long long)(left_ms < 1 ? 1 : left_ms));
}

/* From here on the transaction waits for locks on tables. */
static bool limit_table_wait(const struct migrator *migrator)
{
    char timeout[32];
    const char *values[] = {timeout};
    lock_timeout(migrator, migrator->table_wait_ms, timeout);
    PGresult *result =
        run_with(migrator->connection, "schema/limit_lock_wait", values, 1, migrator->error);
    PQclear(result);
    return result != NULL;
}

/* Begins a transaction and takes the lock for it. */
static bool begin_locked(struct migrator *migrator)
{
    char timeout[32], holder[PG_ERROR_SIZE_BYTES];
    const char *values[] = {lock_number, timeout};
    lock_timeout(migrator, INT32_MAX, timeout);
    PGresult *tried = NULL;
    if (!run_only(migrator->connection, "BEGIN", migrator->error) ||
        (tried = run_with(migrator->connection, "schema/try_lock", values, 2, migrator->error)) ==
            NULL) {
        return false;
    }
    bool locked = strcmp(PQgetvalue(tried, 0, 1), "t") == 0;
    PQclear(tried);
    if (locked) {
        return true;
    }
    find_holder(migrator, holder);
    migrator->listener->waiting("another migration", holder);
    PGresult *waited = run_with(migrator->connection, "schema/lock", values, 1, migrator->error);
    PQclear(waited);
    if (waited == NULL && run_only(migrator->connection, "ROLLBACK", migrator->error)) {
        find_holder(migrator, holder);
        snprintf(migrator->error, PG_ERROR_SIZE_BYTES,
                 "another migration holds the lock: %.300s; end it, or wait longer with --wait",
                 holder);
    }
    return waited != NULL;
}

static bool record(struct migrator *migrator, int number, const char *name)
{
    char digits[16];
    snprintf(digits, sizeof digits, "%d", number);
    const char *values[] = {digits, name};
    PGresult *result = run_with(migrator->connection, "schema/record", values, 2, migrator->error);
    PQclear(result);
    return result != NULL;
}

/* Runs the statements of a migration one by one, each of which ends at the end of a line: Citus
 * refuses several that change distributed tables as one message. */
static bool run_each(struct migrator *migrator, const char *sql)
{
    static const char end_of_statement[] = ";\n";
    bool run = true;
    while (run && *sql != '\0') {
        const char *end = strstr(sql, end_of_statement);
        size_t size = end == NULL ? strlen(sql) : (size_t)(end - sql) + strlen(end_of_statement);
        char *statement = strndup(sql, size);
        if (statement == NULL) {
            snprintf(migrator->error, PG_ERROR_SIZE_BYTES, "%s", "out of memory");
            return false;
        }
        run = run_only(migrator->connection, statement, migrator->error);
        free(statement);
        sql += size;
    }
    return run;
}

enum step {
    STEP_APPLIED, /* one more */
    STEP_NONE,    /* there is nothing to do */
    STEP_FAILED
};

/* What a state of the schema means for a migration. */
static enum step judge(enum schema_state state, char error[PG_ERROR_SIZE_BYTES])
{
    switch (state) {
    case SCHEMA_CURRENT:
        return STEP_NONE;
    case SCHEMA_BEHIND:
        return STEP_APPLIED;
    case SCHEMA_UNKNOWN:
        snprintf(error, PG_ERROR_SIZE_BYTES, "%s",
                 "the database has migrations that this rsvpd does not know; use a newer rsvpd");
        return STEP_FAILED;
    case SCHEMA_UNUSABLE:
    case SCHEMA_UNREACHABLE:
        return STEP_FAILED;
    }
    return STEP_FAILED;
}

/* Applies the next migration in a transaction that holds the lock. What is missing is looked up
 * under it: somebody else may have been here before. */
static enum step migrate_once(struct migrator *migrator)
{
    PGconn *connection = migrator->connection;
    char *error = migrator->error;
    int applied;
    if (!begin_locked(migrator) || !limit_table_wait(migrator) ||
        !run_only(connection, sql_text("schema/create_history"), error)) {
        return STEP_FAILED;
    }
    enum step step = judge(compare(connection, PG_AWAIT_FOREVER_US, &applied, error), error);
    const struct sql_file *file = migration(applied + 1);
    if (step == STEP_APPLIED && (!run_each(migrator, file->text) ||
                                 !record(migrator, applied + 1, file->name + strlen(directory)))) {
        return STEP_FAILED;
    }
    if (step != STEP_FAILED && !run_only(connection, "COMMIT", error)) {
        return STEP_FAILED;
    }
    if (step == STEP_APPLIED) {
        migrator->listener->migrated(file->name + strlen(directory));
    }
    return step;
}

/* Says who has locked a table, as well as can be found out. Waits longer where that is a vacuum. */
static void find_table_holder(struct migrator *migrator, char holder[PG_ERROR_SIZE_BYTES])
{
    char ignored[PG_ERROR_SIZE_BYTES];
    PGresult *result = run_with(migrator->connection, "schema/table_lock_holder", NULL, 0, ignored);
    bool found = result != NULL && PQntuples(result) == 1;
    bool vacuum = found && strcmp(PQgetvalue(result, 0, 1), "t") == 0;
    snprintf(holder, PG_ERROR_SIZE_BYTES, "%.400s",
             found ? PQgetvalue(result, 0, 0) : "a session that has ended meanwhile");
    migrator->table_wait_ms = vacuum ? VACUUM_WAIT_MS : TABLE_WAIT_MS;
    PQclear(result);
}

/* After a step that failed: whether that was for a lock on a table, and there is time to try again.
 * Lets those pass who came behind. */
static bool pass_and_retry(struct migrator *migrator)
{
    char holder[PG_ERROR_SIZE_BYTES], ignored[PG_ERROR_SIZE_BYTES];
    if (strcmp(migrator->error, waited_in_vain) != 0 ||
        !run_only(migrator->connection, "ROLLBACK", ignored)) {
        return false;
    }
    find_table_holder(migrator, holder);
    if (clock_mono_us() >= migrator->wait_until_us) {
        snprintf(migrator->error, PG_ERROR_SIZE_BYTES,
                 "a lock on a table is in the way: %.300s; end that transaction, or wait longer "
                 "with --wait",
                 holder);
        return false;
    }
    if (!migrator->told) {
        migrator->listener->waiting("a lock on a table", holder);
        migrator->told = true;
    }
    nanosleep(&(struct timespec){.tv_nsec = PASS_MS * 1000000L}, NULL);
    return true;
}

bool pg_migrate(const char *url, int64_t wait_us, const struct pg_migrate_listener *listener,
                char error[PG_ERROR_SIZE_BYTES])
{
    int applied;
    PGconn *connection = pg_connect(url, PG_READS, error);
    if (connection == NULL) {
        return false;
    }
    struct migrator migrator = {.connection = connection,
                                .listener = listener,
                                .wait_until_us = clock_mono_us() + wait_us,
                                .table_wait_ms = TABLE_WAIT_MS,
                                .error = error};
    /* Where there is nothing to do, that takes no lock, no right and no server that writes. */
    enum step step = judge(compare(connection, PG_AWAIT_FOREVER_US, &applied, error), error);
    while (step == STEP_APPLIED) {
        step = migrate_once(&migrator);
        if (step == STEP_FAILED && pass_and_retry(&migrator)) {
            step = STEP_APPLIED;
        }
    }
    PQfinish(connection); /* with it goes a transaction that failed */
    return step == STEP_NONE;
}
