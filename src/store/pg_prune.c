/* Removes events that closed long ago. Each transaction looks again whether the event is closed,
 * under the lock of its counter, which every change of an event with settings takes. */
#include "rsvpd/store/pg_prune.h"
#include "rsvpd/domain/identifier.h"
#include "rsvpd/store/pg_command.h"
#include "rsvpd/store/pg_placements.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

enum { ATTEMPTS = 20 }; /* at a transaction that others are in the way of */

static const char rows_max[] = "500", events_max[] = "100";
static const char keys_max[] = "1000"; /* that a transaction looks at */

struct pruner {
    PGconn *connection;
    const char *closed_before;
    const struct pg_prune_listener *listener;
    struct pg_pruned *pruned;
    char state[6];
};

static void report(const struct pruner *pruner)
{
    const struct pg_pruned *pruned = pruner->pruned;
    pruner->listener->on_progress(pruner->listener->context,
                                  pruned->events + pruned->members + pruned->waits + pruned->keys);
}

/* Whether what failed may be tried again. */
static bool may_retry(struct pruner *pruner, int attempt)
{
    char ignored[PG_ERROR_SIZE_BYTES];
    return pg_command_control(pruner->connection, "ROLLBACK", NULL, ignored) &&
           pg_command_retryable(pruner->state) && attempt < ATTEMPTS;
}

/* Some of the rows of an event, or, where there are none left, its settings: then `more` is false.
 */
static bool prune_once(struct pruner *pruner, const char *event, bool *more,
                       char error[PG_ERROR_SIZE_BYTES])
{
    const struct relation *relation = &relations[RELATION_RSVP];
    const struct pg_command lock = {"repair_lock", relation, 1, {event}};
    const struct pg_command rows = {
        "prune_rows", relation, 3, {event, pruner->closed_before, rows_max}};
    const struct pg_command settings = {
        "prune_settings", relation, 2, {event, pruner->closed_before}};
    PGresult *row = NULL;
    int64_t events = 0;
    if (!pg_command_control(pruner->connection, "BEGIN", pruner->state, error) ||
        !pg_command_execute(pruner->connection, &lock, NULL, pruner->state, error) ||
        (row = pg_command_run(pruner->connection, &rows, pruner->state, error)) == NULL) {
        return false;
    }
    int64_t members = pg_command_integer(row, 0, 0), waits = pg_command_integer(row, 0, 1);
    PQclear(row);
    bool empty = members + waits == 0;
    bool done = (!empty || pg_command_execute(pruner->connection, &settings, &events, pruner->state,
                                              error)) &&
                pg_command_control(pruner->connection, "COMMIT", pruner->state, error);
    if (done) {
        pruner->pruned->members += members;
        pruner->pruned->waits += waits;
        pruner->pruned->events += events;
        *more = !empty;
        report(pruner);
    }
    return done;
}

static bool prune_event(struct pruner *pruner, const char *event, char error[PG_ERROR_SIZE_BYTES])
{
    bool more = true;
    for (int attempt = 1; more; attempt++) {
        *pruner->state = '\0';
        if (prune_once(pruner, event, &more, error)) {
            attempt = 0;
        } else if (!may_retry(pruner, attempt)) {
            return false;
        }
    }
    return true;
}

/* Looks at the kept answers that follow those of `row`, which becomes the next row; NULL where
 * there are none, or it fails. */
static bool prune_keys_after(struct pruner *pruner, PGresult **row, char error[PG_ERROR_SIZE_BYTES])
{
    const struct pg_command keys = {"prune_keys",
                                    &relations[RELATION_RSVP],
                                    4,
                                    {pruner->closed_before,
                                     *row == NULL ? "" : PQgetvalue(*row, 0, 1),
                                     *row == NULL ? "" : PQgetvalue(*row, 0, 2), keys_max}};
    PGresult *next = pg_command_run(pruner->connection, &keys, pruner->state, error);
    if (next == NULL) {
        return false;
    }
    PQclear(*row);
    *row = next;
    if (PQntuples(next) > 0) {
        pruner->pruned->keys += pg_command_integer(next, 0, 0);
        report(pruner);
    }
    return true;
}

/* Before the events, so that a run that is interrupted finds them again. */
static bool prune_keys(struct pruner *pruner, char error[PG_ERROR_SIZE_BYTES])
{
    PGresult *row = NULL;
    bool done = true;
    for (int attempt = 1; done && (row == NULL || PQntuples(row) > 0); attempt++) {
        *pruner->state = '\0';
        if (prune_keys_after(pruner, &row, error)) {
            attempt = 0;
        } else {
            done = may_retry(pruner, attempt);
        }
    }
    PQclear(row);
    return done;
}

static bool prune_events(struct pruner *pruner, char error[PG_ERROR_SIZE_BYTES])
{
    char after[IDENTIFIER_SIZE_MAX_BYTES * 8] = ""; /* somebody else's row may be longer */
    bool done = true, more = true;
    while (done && more) {
        const struct pg_command list = {"prune_events",
                                        &relations[RELATION_RSVP],
                                        3,
                                        {pruner->closed_before, after, events_max}};
        PGresult *events = pg_command_run(pruner->connection, &list, pruner->state, error);
        if (events == NULL) {
            return false;
        }
        int count = PQntuples(events);
        for (int i = 0; i < count && done; i++) {
            done = prune_event(pruner, PQgetvalue(events, i, 0), error);
        }
        more = count > 0;
        if (more) {
            snprintf(after, sizeof after, "%s", PQgetvalue(events, count - 1, 0));
        }
        PQclear(events);
    }
    return done;
}

bool pg_prune(const char *url, int64_t closed_before_us, const struct pg_prune_listener *listener,
              struct pg_pruned *pruned, char error[PG_ERROR_SIZE_BYTES])
{
    char closed_before[24];
    snprintf(closed_before, sizeof closed_before, "%" PRId64, closed_before_us);
    *pruned = (struct pg_pruned){.events = 0};
    struct pruner pruner = {.closed_before = closed_before, .listener = listener, .pruned = pruned};
    static const char statement_timeout[] = "10min", lock_timeout[] = "1s";
    pruner.connection = pg_command_connect(url, PG_WRITES, statement_timeout, lock_timeout, error);
    if (pruner.connection == NULL) {
        return false;
    }
    const struct pg_command plan = {/* as the service's statements are: by keys */
                                    "session/setup",
                                    &relations[0],
                                    2,
                                    {statement_timeout, lock_timeout}};
    bool done = pg_placements_are_one(pruner.connection, error) &&
                pg_command_execute(pruner.connection, &plan, NULL, NULL, error) &&
                prune_keys(&pruner, error) && prune_events(&pruner, error);
    PQfinish(pruner.connection);
    return done;
}
