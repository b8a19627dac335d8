/* Compares what is counted with what is there. */
#include "rsvpd/store/pg_verify.h"
#include "rsvpd/store/pg_command.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ID_SIZE_BYTES = 1024, REPAIR_ATTEMPTS = 10 };

/* How many move up in one transaction. */
static const char promoted_max[] = "5000";

/* What one statement compares: it takes some 50 ms, or as long as the rows of one entity take. */
static const char range_rows[] = "100000", range_counters[] = "10000";

struct check {
    const char *name;
    enum relation_id relation;
    const char *range, *compare; /* statements */
    bool estimates;              /* whether the relation's size says how far it is */
};

/* clang-format off */
static const struct check checks[] = {
#define COUNTERS(ID, name, ...)                                                                    \
    {name, RELATION_##ID, "verify_counters_range", "verify_counters", true},
    RELATIONS(COUNTERS)
    {"settings", RELATION_RSVP, "verify_settings_range", "verify_settings", false},
};
/* clang-format on */

/* A check under way. */
struct verification {
    PGconn *connection;
    const struct check *check;
    const struct relation *relation;
    const struct pg_verify_listener *listener;
    bool repair;
    int64_t total; /* rows, an estimate */
    struct pg_verify_summary summary;
};

static const struct {
    const char *word; /* as the statements say it */
    enum pg_verify_what what;
} words[] = {
    {"count", PG_VERIFY_COUNT},       {"managed", PG_VERIFY_ADMITTED},
    {"waiting", PG_VERIFY_WAITING},   {"orphans", PG_VERIFY_ORPHANS},
    {"both", PG_VERIFY_BOTH},         {"seats", PG_VERIFY_SEATS},
    {"capacity", PG_VERIFY_CAPACITY}, {"passed", PG_VERIFY_PASSED},
    {"tickets", PG_VERIFY_TICKETS},
};

static enum pg_verify_what what_of(const char *word)
{
    size_t i = 0;
    while (strcmp(words[i].word, word) != 0) {
        i++;
        assert(i < sizeof words / sizeof words[0]);
    }
    return words[i].what;
}

/* ---- mending ---- */

/* Everything that is kept about an entity, in one transaction; of the free seats as many as go into
 * one: `promoted`. */
static bool mend_once(struct verification *verification, const char *id, int64_t *changed,
                      int64_t *promoted, char state[6], char error[PG_ERROR_SIZE_BYTES])
{
    static const char *const steps[] = {"repair_lock", "repair_count",   "repair_admitted",
                                        "repair_both", "repair_waiting", "repair_promote"};
    size_t size = verification->relation->has_settings ? sizeof steps / sizeof steps[0] : 2;
    *changed = 0;
    if (!pg_command_control(verification->connection, "BEGIN READ WRITE", state, error)) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        bool promotes = i == 5;
        struct pg_command command = {
            steps[i], verification->relation, promotes ? 2 : 1, {id, promoted_max}};
        int64_t rows;
        if (!pg_command_execute(verification->connection, &command, &rows, state, error)) {
            return false;
        }
        *changed += i > 0 ? rows : 0;
        *promoted = promotes ? rows : 0;
    }
    return pg_command_control(verification->connection, "COMMIT", state, error);
}

static bool mend(struct verification *verification, const char *id, bool *mended,
                 char error[PG_ERROR_SIZE_BYTES])
{
    char state[6], ignored[PG_ERROR_SIZE_BYTES];
    int64_t changed, promoted;
    *mended = false;
    do {
        for (int attempt = 1; !mend_once(verification, id, &changed, &promoted, state, error);
             attempt++) {
            if (!pg_command_control(verification->connection, "ROLLBACK", NULL, ignored) ||
                !pg_command_retryable(state) || attempt == REPAIR_ATTEMPTS) {
                return false;
            }
        }
        *mended = *mended || changed > 0;
    } while (promoted > 0); /* each in a transaction of its own */
    return true;
}

/* ---- comparing ---- */

static bool parse_difference(struct verification *verification, const PGresult *result, int row,
                             char error[PG_ERROR_SIZE_BYTES])
{
    struct pg_verify_difference difference = {
        .check = verification->check->name,
        .id = PQgetvalue(result, row, 0),
        .what = what_of(PQgetvalue(result, row, 1)),
        .has_kept = !PQgetisnull(result, row, 2),
        .kept = pg_command_integer(result, row, 2),
        .actual = pg_command_integer(result, row, 3),
    };
    bool is_warning = difference.what == PG_VERIFY_CAPACITY;
    if (verification->repair && !is_warning &&
        !mend(verification, difference.id, &difference.mended, error)) {
        return false;
    }
    verification->summary.differences += !is_warning;
    verification->summary.mended += difference.mended;
    verification->listener->on_difference(verification->listener->context, &difference);
    return true;
}

static bool compare_range(struct verification *verification, const char *after, const char *upto,
                          char error[PG_ERROR_SIZE_BYTES])
{
    struct pg_command command = {
        verification->check->compare, verification->relation, 2, {after, upto}};
    PGresult *result = pg_command_run(verification->connection, &command, NULL, error);
    if (result == NULL) {
        return false;
    }
    bool done = true;
    for (int row = 0; done && row < PQntuples(result); row++) {
        if (PQgetisnull(result, row, 0)) { /* the totals */
            verification->summary.entities += pg_command_integer(result, row, 2);
            verification->summary.rows += pg_command_integer(result, row, 3);
        } else {
            done = parse_difference(verification, result, row, error);
        }
    }
    PQclear(result);
    verification->listener->on_progress(verification->listener->context, verification->summary.rows,
                                        verification->total);
    return done;
}

/* The end of the range that follows `after`; empty where there is no end. */
static bool find_range(struct verification *verification, const char *after,
                       char upto[ID_SIZE_BYTES], char error[PG_ERROR_SIZE_BYTES])
{
    struct pg_command command = {
        verification->check->range, verification->relation, 3, {after, range_rows, range_counters}};
    PGresult *result = pg_command_run(verification->connection, &command, NULL, error);
    if (result == NULL) {
        return false;
    }
    const char *id = PQgetvalue(result, 0, 0); /* empty where it is NULL */
    bool fits = strlen(id) < ID_SIZE_BYTES;
    if (fits) {
        memcpy(upto, id, strlen(id) + 1);
    } else {
        snprintf(error, PG_ERROR_SIZE_BYTES, "an identifier is far too long");
    }
    PQclear(result);
    return fits;
}

static bool estimate(struct verification *verification, char error[PG_ERROR_SIZE_BYTES])
{
    struct pg_command command = {"verify_total", verification->relation, 0, {NULL}};
    PGresult *result = pg_command_run(verification->connection, &command, NULL, error);
    if (result == NULL) {
        return false;
    }
    int64_t rows = pg_command_integer(result, 0, 0);
    verification->total = rows > 0 && verification->check->estimates ? rows : 0;
    PQclear(result);
    return true;
}

static bool run_check(struct verification *verification, char error[PG_ERROR_SIZE_BYTES])
{
    char after[ID_SIZE_BYTES], upto[ID_SIZE_BYTES] = "";
    bool first = true;
    verification->listener->on_begin(verification->listener->context, verification->check->name);
    if (!estimate(verification, error)) {
        return false;
    }
    do {
        const char *from = first ? NULL : after;
        memcpy(after, upto, sizeof after);
        if (!find_range(verification, from, upto, error) ||
            !compare_range(verification, from, *upto == '\0' ? NULL : upto, error)) {
            return false;
        }
        first = false;
    } while (*upto != '\0');
    verification->listener->on_end(verification->listener->context, &verification->summary);
    return true;
}

bool pg_verify(const char *url, bool repair, const struct pg_verify_listener *listener,
               char error[PG_ERROR_SIZE_BYTES])
{
    PGconn *connection =
        pg_command_connect(url, repair ? PG_WRITES : PG_READS, "10min", "10s", error);
    if (connection == NULL) {
        return false;
    }
    struct pg_command setup = {"verify_setup", &relations[0], 0, {NULL}};
    PGresult *ready = pg_command_run(connection, &setup, NULL, error);
    bool done = ready != NULL;
    PQclear(ready);
    for (size_t i = 0; done && i < sizeof checks / sizeof checks[0]; i++) {
        struct verification verification = {
            .connection = connection,
            .check = &checks[i],
            .relation = &relations[checks[i].relation],
            .listener = listener,
            .repair = repair,
            .summary = {.check = checks[i].name},
        };
        done = run_check(&verification, error);
    }
    PQfinish(connection);
    return done;
}
