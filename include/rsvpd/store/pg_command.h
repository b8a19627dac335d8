/* A session of an operator's command: it waits for its answers, and knows the statements of
 * sql/commands. */
#ifndef RSVPD_STORE_PG_COMMAND_H
#define RSVPD_STORE_PG_COMMAND_H

#include "rsvpd/base/contract.h"
#include "rsvpd/domain/relation.h"
#include "rsvpd/store/pg_connect.h"

#include <stdbool.h>
#include <stdint.h>

struct pg_result; /* libpq's PGresult */

enum { PG_COMMAND_PARAMETERS_MAX = 5 };

/* A statement, and the values of its parameters. */
struct pg_command {
    const char *name;                /* below sql/commands, or with its directory below sql */
    const struct relation *relation; /* whose tables it is about */
    int parameters;
    const char *values[PG_COMMAND_PARAMETERS_MAX]; /* as text; NULL: SQL's NULL */
};

/* Connects; a statement may take so long, and wait so long for a lock ("10min"; "0": for ever).
 * NULL with `error` filled in where it cannot. To be closed with PQfinish. */
MUST_CHECK struct pg_conn *pg_command_connect(const char *url, enum pg_access access,
                                              const char *statement_timeout,
                                              const char *lock_timeout,
                                              char error[PG_ERROR_SIZE_BYTES]);

/* Runs a statement. NULL with `error` filled in where it fails; else to be cleared. Where `state`
 * is not NULL, it becomes the SQLSTATE of what failed, or empty. */
MUST_CHECK struct pg_result *pg_command_run(struct pg_conn *connection,
                                            const struct pg_command *command, char state[6],
                                            char error[PG_ERROR_SIZE_BYTES]);

/* The same; one that is not answered within the time has failed, and the session is of no use any
 * more. */
MUST_CHECK struct pg_result *pg_command_run_within(struct pg_conn *connection, int64_t timeout_us,
                                                   const struct pg_command *command, char state[6],
                                                   char error[PG_ERROR_SIZE_BYTES]);

/* The same for statements that answer nothing but how many rows they changed, in `changed` (may be
 * NULL). */
MUST_CHECK bool pg_command_execute(struct pg_conn *connection, const struct pg_command *command,
                                   int64_t *changed, char state[6],
                                   char error[PG_ERROR_SIZE_BYTES]);

/* BEGIN, COMMIT and their like. */
MUST_CHECK bool pg_command_control(struct pg_conn *connection, const char *statement, char state[6],
                                   char error[PG_ERROR_SIZE_BYTES]);

/* Whether what failed with this SQLSTATE had others in its way, and may be tried again. */
bool pg_command_retryable(const char state[6]);

/* An integer of an answer, 0 for NULL. */
int64_t pg_command_integer(const struct pg_result *result, int row, int column);

#endif
