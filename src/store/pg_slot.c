/* The publication and the replication slot of the relay. */
#include "rsvpd/store/pg_slot.h"
#include "rsvpd/store/pg_command.h"
#include "rsvpd/store/pg_placements.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAILOVER_FROM_VERSION 170000

enum { LOOK_TIMEOUT_US = 10 * 1000 * 1000 };

static const char statement_timeout[] = "10min", lock_timeout[] = "30s";

static bool is_true(const PGresult *row, int column)
{
    return strcmp(PQgetvalue(row, 0, column), "t") == 0;
}

uint64_t pg_slot_parse_lsn(const char *text)
{
    unsigned high = 0, low = 0;
    char *rest;
    high = (unsigned)strtoul(text, &rest, 16);
    low = *rest == '/' ? (unsigned)strtoul(rest + 1, NULL, 16) : 0;
    return (uint64_t)high << 32 | low;
}

static PGresult *run(PGconn *connection, const char *file, const char *slot, char state[6],
                     char error[PG_ERROR_SIZE_BYTES])
{
    const struct pg_command command = {file, &relations[0], 1, {slot}};
    return pg_command_run(connection, &command, state, error);
}

bool pg_slot_check(PGconn *connection, const char *name, struct pg_slot_state *state,
                   char error[PG_ERROR_SIZE_BYTES])
{
    const struct pg_command check = {"relay/check", &relations[0], 1, {name}};
    PGresult *row = pg_command_run_within(connection, LOOK_TIMEOUT_US, &check, NULL, error);
    if (row == NULL || PQntuples(row) != 1) {
        PQclear(row);
        return false;
    }
    *state = (struct pg_slot_state){
        .is_logical = strcmp(PQgetvalue(row, 0, 0), "logical") == 0,
        .is_kept = strcmp(PQgetvalue(row, 0, 1), "-1") == 0,
        .has_publication = is_true(row, 2),
        .has_slot = is_true(row, 3),
        .fits = is_true(row, 4),
        .is_lost = strcmp(PQgetvalue(row, 0, 5), "lost") == 0,
        .confirmed_lsn = pg_slot_parse_lsn(PQgetvalue(row, 0, 6)),
        .behind_bytes = pg_command_integer(row, 0, 7),
        .sender_timeout_ms = pg_command_integer(row, 0, 8),
        .is_active = is_true(row, 9),
        .is_migrated = is_true(row, 10),
    };
    snprintf(state->schema, sizeof state->schema, "%s", PQgetvalue(row, 0, 11));
    PQclear(row);
    return true;
}

const char *pg_slot_obstacle(const struct pg_slot_state *state)
{
    if (!state->has_slot) {
        return "the slot is not there: run 'rsvpd relay --create'. If it was there before, a "
               "failover lost it, and changes may be missing: then bring the target up to date "
               "with 'rsvpd export' after that";
    }
    if (!state->fits) {
        return "the slot is of another database, or made for something else: set RELAY_SLOT to "
               "another name";
    }
    if (state->is_lost) {
        return "the server has dropped what the slot had not given out yet (see "
               "max_slot_wal_keep_size), so changes are lost: run 'rsvpd relay --drop' and "
               "'rsvpd relay --create', and bring the target up to date with 'rsvpd export'";
    }
    if (!state->is_migrated) {
        return "the schema is not up to date: run 'rsvpd migrate'";
    }
    if (!state->has_publication) {
        return "the slot's publication is not there, and a new one does not reach back to where "
               "the slot is: run 'rsvpd relay --drop' and 'rsvpd relay --create', and bring the "
               "target up to date with 'rsvpd export'";
    }
    return NULL;
}

/* Runs the statement that a statement answers, if it answers one. What somebody else has just made
 * is made. */
static bool run_answer(PGconn *connection, const char *file, const char *slot,
                       char error[PG_ERROR_SIZE_BYTES])
{
    char state[6] = "";
    PGresult *row = run(connection, file, slot, NULL, error);
    bool done =
        row != NULL && (PQntuples(row) == 0 ||
                        pg_command_control(connection, PQgetvalue(row, 0, 0), state, error));
    PQclear(row);
    return done || strcmp(state, "42710") == 0; /* duplicate_object */
}

static bool run_slot(PGconn *connection, const char *file, const char *slot,
                     char error[PG_ERROR_SIZE_BYTES])
{
    char state[6] = "";
    PGresult *row = run(connection, file, slot, state, error);
    bool done = row != NULL;
    PQclear(row);
    return done || strcmp(state, "42710") == 0;
}

static bool create(PGconn *connection, const char *name, const struct pg_slot_state *state,
                   char error[PG_ERROR_SIZE_BYTES])
{
    const char *obstacle = !state->is_logical
                               ? "wal_level is not logical: set wal_level = logical in the "
                                 "configuration of PostgreSQL, and restart it"
                           : state->has_slot ? pg_slot_obstacle(state)
                                             : NULL;
    if (obstacle != NULL) {
        snprintf(error, PG_ERROR_SIZE_BYTES, "%s", obstacle);
        return false;
    }
    if (!pg_placements_are_one(connection, error) ||
        (!state->has_publication &&
         !run_answer(connection, "relay/create_publication", name, error))) {
        return false;
    }
    const char *file = PQserverVersion(connection) >= FAILOVER_FROM_VERSION
                           ? "relay/create_failover_slot"
                           : "relay/create_slot";
    return state->has_slot || run_slot(connection, file, name, error);
}

static bool drop(PGconn *connection, const char *name, const struct pg_slot_state *state,
                 char error[PG_ERROR_SIZE_BYTES])
{
    if (state->has_slot && !state->fits) {
        snprintf(error, PG_ERROR_SIZE_BYTES, "%s", pg_slot_obstacle(state));
        return false;
    }
    if (state->is_active) {
        snprintf(error, PG_ERROR_SIZE_BYTES,
                 "a relay reads it: stop all relays of this slot first");
        return false;
    }
    return run_slot(connection, "relay/drop_slot", name, error) &&
           run_answer(connection, "relay/drop_publication", name, error);
}

static bool change(const char *url, const char *name, struct pg_slot_state *state,
                   bool (*act)(PGconn *connection, const char *name,
                               const struct pg_slot_state *state, char error[PG_ERROR_SIZE_BYTES]),
                   char error[PG_ERROR_SIZE_BYTES])
{
    PGconn *connection = pg_command_connect(url, PG_WRITES, statement_timeout, lock_timeout, error);
    bool done = connection != NULL && pg_slot_check(connection, name, state, error) &&
                act(connection, name, state, error);
    PQfinish(connection);
    return done;
}

bool pg_slot_create(const char *url, const char *name, struct pg_slot_state *state,
                    char error[PG_ERROR_SIZE_BYTES])
{
    return change(url, name, state, create, error);
}

bool pg_slot_drop(const char *url, const char *name, struct pg_slot_state *state,
                  char error[PG_ERROR_SIZE_BYTES])
{
    return change(url, name, state, drop, error);
}
