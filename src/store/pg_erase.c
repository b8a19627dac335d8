/* Erases everything that is held about a user.
 *
 * DESIGN: As the service does it (service/erasure.h): sources are gone through in an order that
 * makes it complete once nothing is found in any. Removals are those of queries/, in the
 * transactions that the service makes of them, with the same locks in the same order. Where
 * somebody holds one of the locks for long, the rows are removed one by one for a while, and what
 * is locked is passed over until the rest is gone. */
#include "rsvpd/store/pg_erase.h"
#include "rsvpd/store/pg_command.h"
#include "rsvpd/store/pg_placements.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

enum {
    ATTEMPTS = 20,       /* at a transaction that others are in the way of */
    ATTEMPTS_SINGLE = 3, /* at one row, each of which waits a second for a lock */
    VAIN_PASSES_MAX = 5, /* through all sources, that only met with locks */
    ROWS_MAX = 500,      /* in one transaction, whose counters are locked at its end */
};
static const char rows_max[] = "500";

struct source {
    const char *list; /* statement; NULL: kept answers */
    enum relation_id relation;
};

static const struct source sources[] = {
    {"erase_waits", RELATION_RSVP},
#define MEMBERSHIPS(ID, ...) {"erase_members", RELATION_##ID},
    RELATIONS(MEMBERSHIPS)
#undef MEMBERSHIPS
        {NULL, RELATION_RSVP},
};

struct eraser {
    PGconn *connection;
    const char *user;
    const struct pg_erase_listener *listener;
    int64_t rows;                              /* erased, of all kinds */
    bool found;                                /* anything since the first source */
    bool passed_over;                          /* something that is locked, likewise */
    int singles;                               /* rows to be removed one by one */
    char after[IDENTIFIER_SIZE_MAX_BYTES + 1]; /* the last entity that is done */
    char tried[IDENTIFIER_SIZE_MAX_BYTES + 1]; /* and that is being done; empty: none */
    char state[6];
};

/* The first lists of erase_members.sql or its last ones. */
struct removal {
    const struct relation *relation;
    const char *entities, *users; /* arrays as text; NULL: none */
    bool admitted;                /* they have settings */
};

/* One transaction. `counted`: which of the steps answers a row for each one that it erased. */
static bool run(struct eraser *eraser, const struct pg_command steps[], size_t size, size_t counted,
                int64_t *erased, char error[PG_ERROR_SIZE_BYTES])
{
    const struct pg_command durable = {"queries/durable", steps[0].relation, 0, {NULL}};
    if (!pg_command_control(eraser->connection, "BEGIN", eraser->state, error)) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        int64_t rows;
        if (!pg_command_execute(eraser->connection, &steps[i], &rows, eraser->state, error)) {
            return false;
        }
        *erased = i == counted ? rows : *erased;
    }
    return pg_command_execute(eraser->connection, &durable, NULL, eraser->state, error) &&
           pg_command_control(eraser->connection, "COMMIT", eraser->state, error);
}

static void note(struct eraser *eraser, int64_t erased, int64_t *sum)
{
    *sum += erased;
    eraser->rows += erased;
    eraser->found = eraser->found || erased > 0;
    eraser->listener->on_progress(eraser->listener->context, eraser->rows);
}

static bool remove_some(struct eraser *eraser, const struct removal *removal, int64_t *sum,
                        char error[PG_ERROR_SIZE_BYTES])
{
    const struct relation *relation = removal->relation;
    const char *entities = removal->entities, *users = removal->users;
    const struct pg_command plain[] = {
        {"queries/write", relation, 4, {"{}", "{}", entities, users}},
        {relation->has_settings ? "queries/read_counts_unless_admitted" : "queries/read_counts",
         relation,
         1,
         {entities}}};
    const struct pg_command admitted[] = {
        {"queries/lock_admitted", relation, 1, {entities}},
        {"queries/remove_members", relation, 2, {entities, users}},
        {"queries/promote", relation, 2, {entities, rows_max}}};
    int64_t erased = 0;
    bool done = entities == NULL || (removal->admitted ? run(eraser, admitted, 3, 1, &erased, error)
                                                       : run(eraser, plain, 2, 0, &erased, error));
    if (done && entities != NULL) {
        note(eraser, erased, sum);
    }
    return done;
}

static const char *text_at(const PGresult *row, int column)
{
    return PQgetisnull(row, 0, column) ? NULL : PQgetvalue(row, 0, column);
}

/* Removes what comes after `after`. `more` where there was anything. */
static bool remove_next(struct eraser *eraser, const struct source *source, int64_t *sum,
                        bool *more, char error[PG_ERROR_SIZE_BYTES])
{
    const struct relation *relation = &relations[source->relation];
    const struct pg_command list = {
        source->list,
        relation,
        3,
        {eraser->user, eraser->after, eraser->singles > 0 ? "1" : rows_max}};
    PGresult *row = pg_command_run(eraser->connection, &list, eraser->state, error);
    if (row == NULL) {
        return false;
    }
    const struct removal plain = {relation, text_at(row, 0), text_at(row, 1), false};
    const struct removal admitted = {relation, text_at(row, 2), text_at(row, 3), true};
    const char *last = text_at(row, 4);
    *more = last != NULL;
    snprintf(eraser->tried, sizeof eraser->tried, "%s", last == NULL ? "" : last);
    bool done =
        remove_some(eraser, &plain, sum, error) && remove_some(eraser, &admitted, sum, error);
    if (done) {
        memcpy(eraser->after, eraser->tried, sizeof eraser->after);
    }
    PQclear(row);
    return done;
}

static bool erase_keys(struct eraser *eraser, int64_t *sum, bool *more,
                       char error[PG_ERROR_SIZE_BYTES])
{
    const struct relation *relation = &relations[0]; /* of all: they share a table */
    const struct pg_command erase = {"queries/erase_keys", relation, 2, {eraser->user, rows_max}};
    const struct pg_command durable = {"queries/durable", relation, 0, {NULL}};
    PGresult *row = NULL;
    bool done = pg_command_control(eraser->connection, "BEGIN", eraser->state, error) &&
                (row = pg_command_run(eraser->connection, &erase, eraser->state, error)) != NULL &&
                pg_command_execute(eraser->connection, &durable, NULL, eraser->state, error) &&
                pg_command_control(eraser->connection, "COMMIT", eraser->state, error);
    if (done) {
        int64_t erased = pg_command_integer(row, 0, 0);
        note(eraser, erased, sum);
        *more = erased > 0;
    }
    PQclear(row);
    return done;
}

/* Ends what failed; whether it may be tried again. Settings that came or went meanwhile (22P02, of
 * queries/) need another transaction. */
static bool may_retry(struct eraser *eraser, int attempt)
{
    char ignored[PG_ERROR_SIZE_BYTES];
    return pg_command_control(eraser->connection, "ROLLBACK", NULL, ignored) &&
           (pg_command_retryable(eraser->state) || strcmp(eraser->state, "22P02") == 0) &&
           attempt < ATTEMPTS;
}

/* What is tried next, after what others were in the way of. Whether the attempts begin again. */
static bool evade(struct eraser *eraser, int attempt)
{
    if (strcmp(eraser->state, "55P03") != 0 || *eraser->tried == '\0') { /* no lock_timeout */
        return false;
    }
    if (eraser->singles == 0) {
        eraser->singles = ROWS_MAX;
        return true;
    }
    if (attempt < ATTEMPTS_SINGLE) {
        return false;
    }
    memcpy(eraser->after, eraser->tried, sizeof eraser->after);
    eraser->passed_over = true;
    return true;
}

static bool erase_source(struct eraser *eraser, const struct source *source, int64_t *sum,
                         char error[PG_ERROR_SIZE_BYTES])
{
    bool more = true;
    *eraser->after = '\0';
    for (int attempt = 1; more; attempt++) {
        *eraser->state = '\0';
        *eraser->tried = '\0';
        if (source->list == NULL ? erase_keys(eraser, sum, &more, error)
                                 : remove_next(eraser, source, sum, &more, error)) {
            attempt = 0;
            eraser->singles -= eraser->singles > 0;
        } else if (!may_retry(eraser, attempt)) {
            return false;
        } else if (evade(eraser, attempt)) {
            attempt = 0;
        }
    }
    return true;
}

/* Once through all sources. */
static bool erase_once(struct eraser *eraser, struct pg_erased *erased,
                       char error[PG_ERROR_SIZE_BYTES])
{
    eraser->found = false;
    eraser->passed_over = false;
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        const struct source *source = &sources[i];
        int64_t *sum = source->list == NULL ? &erased->keys
                       : strcmp(source->list, "erase_waits") == 0
                           ? &erased->waits
                           : &erased->memberships[source->relation];
        if (!erase_source(eraser, source, sum, error)) {
            return false;
        }
    }
    return true;
}

static bool erase_all(struct eraser *eraser, struct pg_erased *erased,
                      char error[PG_ERROR_SIZE_BYTES])
{
    int vain_passes = 0;
    do {
        if (!erase_once(eraser, erased, error)) {
            return false;
        }
        vain_passes = eraser->found ? 0 : vain_passes + 1;
    } while (eraser->found || (eraser->passed_over && vain_passes < VAIN_PASSES_MAX));
    return !eraser->passed_over; /* else `error` says what was in the way */
}

bool pg_erase(const char *url, const struct identifier *user,
              const struct pg_erase_listener *listener, struct pg_erased *erased,
              char error[PG_ERROR_SIZE_BYTES])
{
    /* Nobody is to wait long for the counters that a transaction has locked already. */
    static const char statement_timeout[] = "1min", lock_timeout[] = "1s";
    char name[IDENTIFIER_SIZE_MAX_BYTES + 1];
    snprintf(name, sizeof name, "%.*s", (int)user->size, user->data);
    *erased = (struct pg_erased){.waits = 0};
    struct eraser eraser = {.user = name, .listener = listener};
    eraser.connection = pg_command_connect(url, PG_WRITES, statement_timeout, lock_timeout, error);
    if (eraser.connection == NULL) {
        return false;
    }
    const struct pg_command plan = {/* as the service's statements are */
                                    "session/setup",
                                    &relations[0],
                                    2,
                                    {statement_timeout, lock_timeout}};
    bool done = pg_placements_are_one(eraser.connection, error) &&
                pg_command_execute(eraser.connection, &plan, NULL, NULL, error) &&
                erase_all(&eraser, erased, error);
    PQfinish(eraser.connection);
    return done;
}
