/* A stream of what was committed. */
#include "rsvpd/store/pg_replication.h"
#include "rsvpd/store/pg_await.h"
#include "rsvpd/store/pg_connect.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMMAND_SIZE_BYTES = 256 };
enum { ANSWER_TIMEOUT_US = 30 * 1000 * 1000 }; /* beginning may read much of the log */

struct pg_replication {
    PGconn *connection;
    char *copied;   /* the frame that was given last; libpq's */
    bool is_unsent; /* libpq still has something to send */
};

/* NULL where there is no answer in time. */
static PGresult *ask(PGconn *connection, const char *command)
{
    return PQsendQuery(connection, command) == 1 ? pg_await_last(connection, ANSWER_TIMEOUT_US)
                                                 : NULL;
}

/* The names are plain: the configuration takes no other. */
static PGresult *start(PGconn *connection, const char *slot, uint64_t from_lsn)
{
    char command[COMMAND_SIZE_BYTES];
    snprintf(command, sizeof command,
             "START_REPLICATION SLOT \"%s\" LOGICAL %X/%X (proto_version '1', "
             "publication_names '\"%s\"')",
             slot, (unsigned)(from_lsn >> 32), (unsigned)from_lsn, slot);
    return ask(connection, command);
}

/* Looks whose log it is, and whether `from` is in it. False where the server does not say. */
static bool locate(PGconn *connection, struct pg_log_place *from, char error[PG_ERROR_SIZE_BYTES])
{
    PGresult *row = ask(connection, "IDENTIFY_SYSTEM");
    bool found = PQresultStatus(row) == PGRES_TUPLES_OK && PQntuples(row) == 1;
    if (found) {
        struct pg_log_place end = {.lsn = pg_slot_parse_lsn(PQgetvalue(row, 0, 2))};
        snprintf(end.server, sizeof end.server, "%s", PQgetvalue(row, 0, 0));
        snprintf(end.timeline, sizeof end.timeline, "%s", PQgetvalue(row, 0, 1));
        bool is_same = strcmp(end.server, from->server) == 0 &&
                       strcmp(end.timeline, from->timeline) == 0 && from->lsn <= end.lsn;
        end.lsn = is_same ? from->lsn : 0;
        *from = end;
    } else {
        pg_error_statement(connection, row, error);
    }
    PQclear(row);
    return found;
}

static enum pg_replication_start judge(const PGconn *connection, const PGresult *result,
                                       char error[PG_ERROR_SIZE_BYTES])
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (PQresultStatus(result) == PGRES_COPY_BOTH) {
        return PG_REPLICATION_STARTED;
    }
    pg_error_statement(connection, result, error);
    return state != NULL && strcmp(state, "55006") == 0 ? PG_REPLICATION_BUSY /* object_in_use */
                                                        : PG_REPLICATION_FAILED;
}

/* A session that can stream takes no parameters of statements, so another one looks. */
bool pg_replication_look(const char *url, const char *slot, struct pg_slot_state *state,
                         char error[PG_ERROR_SIZE_BYTES])
{
    PGconn *connection = pg_connect(url, PG_WRITES, error);
    bool looked = connection != NULL && pg_slot_check(connection, slot, state, error);
    PQfinish(connection);
    return looked;
}

static enum pg_replication_start look(const char *url, const char *slot,
                                      struct pg_slot_state *state, char error[PG_ERROR_SIZE_BYTES])
{
    if (!pg_replication_look(url, slot, state, error)) {
        return PG_REPLICATION_FAILED;
    }
    const char *obstacle = pg_slot_obstacle(state);
    if (obstacle != NULL) {
        snprintf(error, PG_ERROR_SIZE_BYTES, "%s", obstacle);
        return PG_REPLICATION_HOPELESS;
    }
    return state->is_active ? PG_REPLICATION_BUSY : PG_REPLICATION_STARTED;
}

static enum pg_replication_start begin(const char *url, const char *slot, struct pg_log_place *from,
                                       PGconn **connection, char error[PG_ERROR_SIZE_BYTES])
{
    *connection = pg_connect_replication(url, error);
    if (*connection == NULL || !locate(*connection, from, error)) {
        return PG_REPLICATION_FAILED;
    }
    PGresult *result = start(*connection, slot, from->lsn);
    enum pg_replication_start started = judge(*connection, result, error);
    PQclear(result);
    if (started == PG_REPLICATION_STARTED && PQsetnonblocking(*connection, 1) != 0) {
        pg_error_connection(PQerrorMessage(*connection), "", error);
        started = PG_REPLICATION_FAILED;
    }
    return started;
}

enum pg_replication_start pg_replication_start(const char *url, const char *slot,
                                               struct pg_log_place *from,
                                               struct pg_slot_state *state,
                                               struct pg_replication **replication,
                                               char error[PG_ERROR_SIZE_BYTES])
{
    PGconn *connection = NULL;
    struct pg_log_place place = *from;
    *state = (struct pg_slot_state){.has_slot = false};
    *replication = calloc(1, sizeof **replication);
    snprintf(error, PG_ERROR_SIZE_BYTES, "out of memory");
    enum pg_replication_start started = PG_REPLICATION_FAILED;
    if (*replication != NULL) {
        started = look(url, slot, state, error);
    }
    if (started == PG_REPLICATION_STARTED) {
        started = begin(url, slot, &place, &connection, error);
    }
    if (started == PG_REPLICATION_STARTED) {
        (*replication)->connection = connection;
        *from = place;
    } else {
        PQfinish(connection);
        free(*replication);
        *replication = NULL;
    }
    return started;
}

void pg_replication_end(struct pg_replication **replication)
{
    if (*replication != NULL) {
        PQfreemem((*replication)->copied);
        PQfinish((*replication)->connection);
        free(*replication);
        *replication = NULL;
    }
}

int pg_replication_socket(const struct pg_replication *replication)
{
    return PQsocket(replication->connection);
}

static bool flush(struct pg_replication *replication)
{
    int left = replication->is_unsent ? PQflush(replication->connection) : 0;
    replication->is_unsent = left != 0;
    return left >= 0;
}

bool pg_replication_receive(struct pg_replication *replication)
{
    return flush(replication) && PQconsumeInput(replication->connection) == 1;
}

static enum pg_replication_read broken(struct pg_replication *replication,
                                       char error[PG_ERROR_SIZE_BYTES])
{
    PGresult *result = PQgetResult(replication->connection);
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    enum pg_replication_read how = PG_REPLICATION_BROKEN;
    /* undefined_object: at that place in the log there is no publication */
    if (state != NULL && strcmp(state, "42704") == 0) {
        const struct pg_slot_state without_publication = {
            .has_slot = true, .is_migrated = true, .fits = true};
        snprintf(error, PG_ERROR_SIZE_BYTES, "%s", pg_slot_obstacle(&without_publication));
        how = PG_REPLICATION_USELESS;
    } else if (PQresultStatus(result) == PGRES_FATAL_ERROR) {
        pg_error_statement(replication->connection, result, error);
    } else {
        snprintf(error, PG_ERROR_SIZE_BYTES, "the server ended the stream");
    }
    PQclear(result);
    return how;
}

enum pg_replication_read pg_replication_read(struct pg_replication *replication,
                                             struct pgoutput_frame *frame,
                                             char error[PG_ERROR_SIZE_BYTES])
{
    PQfreemem(replication->copied);
    replication->copied = NULL;
    int size = PQgetCopyData(replication->connection, &replication->copied, 1);
    if (size == 0) {
        return PG_REPLICATION_NOTHING;
    }
    if (size < 0) {
        return broken(replication, error);
    }
    if (!pgoutput_read_frame(slice_make(replication->copied, (size_t)size), frame)) {
        snprintf(error, PG_ERROR_SIZE_BYTES, "the server sent what is no frame of replication");
        return PG_REPLICATION_BROKEN;
    }
    return PG_REPLICATION_FRAME;
}

bool pg_replication_tell(struct pg_replication *replication, uint64_t lsn, int64_t unix_us,
                         bool wants_answer)
{
    char status[PGOUTPUT_STATUS_SIZE_BYTES];
    if (!flush(replication)) {
        return false;
    }
    if (replication->is_unsent) {
        return true; /* the server does not read; there is no use in more */
    }
    pgoutput_write_status(lsn, unix_us, wants_answer, status);
    if (PQputCopyData(replication->connection, status, sizeof status) < 0) {
        return false;
    }
    replication->is_unsent = true;
    return flush(replication);
}
