/* Where a database has the entities. */
#include "rsvpd/store/pg_placements.h"
#include "rsvpd/base/clock.h"
#include "rsvpd/base/text.h"
#include "rsvpd/store/pg_await.h"
#include "rsvpd/store/sql.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_TIMEOUT_US = 5 * 1000 * 1000 }; /* the catalogs may have to be read from a disk */
enum { SAMPLES = 40, SAMPLES_SIZE_BYTES = SAMPLES * (SAMPLES + 4) };

/* NULL, with `error` filled in, where it is refused or there is no answer in time. */
static PGresult *ask(PGconn *connection, const char *file, const char *value, int count,
                     char error[PG_ERROR_SIZE_BYTES])
{
    PGresult *rows = pg_await_query(connection, sql_text(file), count, &value, LOOK_TIMEOUT_US);
    if (PQresultStatus(rows) != PGRES_TUPLES_OK) {
        pg_error_statement(connection, rows, error);
        PQclear(rows);
        rows = NULL;
    }
    return rows;
}

enum { COORDINATOR = 0 }; /* pg_dist_node.groupid */
static_assert(PLACEMENTS_MAX == 128, "the message below says so");

bool pg_placements_parse(const PGresult *rows, struct placements *placements, int64_t sent_us,
                         const char **problem)
{
    const int count = PQntuples(rows);
    bool fits = count > 0 && count <= PLACEMENTS_MAX, on_coordinator = false;
    for (int row = 0; row < count && fits; row++) {
        struct placement *shard = &placements->shards[row];
        *shard = (struct placement){
            .first_hash = (int32_t)strtol(PQgetvalue(rows, row, 0), NULL, 10),
            .place.shard = strtoll(PQgetvalue(rows, row, 1), NULL, 10),
            .place.server = strtoll(PQgetvalue(rows, row, 2), NULL, 10),
        };
        on_coordinator = on_coordinator || shard->place.server == COORDINATOR;
        /* A shard in several copies has several rows. */
        fits = row == 0 || shard[-1].first_hash < shard->first_hash;
    }
    if (!fits) {
        *problem = "rsvps must have 1 to 128 shards, each in one copy";
    } else if (on_coordinator) {
        *problem = "a shard of rsvps is on the coordinator: move it to a worker, and set "
                   "shouldhaveshards of the coordinator to false";
    }
    const bool good = fits && !on_coordinator;
    placements->count = good ? (size_t)count : 0;
    placements->read_at_us = sent_us;
    return good;
}

static bool read_shards(PGconn *connection, struct placements *placements,
                        char error[PG_ERROR_SIZE_BYTES])
{
    const int64_t now_us = clock_mono_us();
    const char *problem;
    PGresult *rows = ask(connection, "distributed/shards", NULL, 0, error);
    bool read = rows != NULL;
    if (read && !pg_placements_parse(rows, placements, now_us, &problem)) {
        snprintf(error, PG_ERROR_SIZE_BYTES, "%s", problem);
        read = false;
    }
    PQclear(rows);
    return read;
}

/* A text of that many letters, which differ. */
static struct identifier sample(int size)
{
    struct identifier id = {.size = (uint8_t)size};
    for (int i = 0; i < size; i++) {
        id.data[i] = (char)('a' + (size * 7 + i) % 26);
    }
    return id;
}

/* Whether the engine places entities of all lengths as placement_of() does. */
static bool agrees(PGconn *connection, const struct placements *placements,
                   char error[PG_ERROR_SIZE_BYTES])
{
    char samples[SAMPLES_SIZE_BYTES];
    struct text array = text_over(samples, sizeof samples - 1);
    for (int size = 1; size <= SAMPLES; size++) {
        const struct identifier id = sample(size);
        text_add_cstr(&array, size == 1 ? "{" : ",");
        text_add(&array, identifier_slice(&id));
    }
    text_add_cstr(&array, "}");
    samples[array.size] = '\0';
    PGresult *rows = ask(connection, "distributed/shards_of", samples, 1, error);
    if (rows == NULL) {
        return false;
    }
    bool same = PQntuples(rows) == SAMPLES;
    for (int row = 0; row < SAMPLES && same; row++) {
        const struct identifier id = sample(row + 1);
        same = strtoll(PQgetvalue(rows, row, 0), NULL, 10) == placement_of(placements, &id).shard;
    }
    PQclear(rows);
    if (!same) {
        snprintf(error, PG_ERROR_SIZE_BYTES, "%s",
                 "the tables are not distributed as sql/distributed/citus.sql does it: the shards "
                 "of events are others than expected");
    }
    return same;
}

static bool ask_distributed(PGconn *connection, bool *distributed, char error[PG_ERROR_SIZE_BYTES])
{
    PGresult *rows = ask(connection, "distributed/is_distributed", NULL, 0, error);
    *distributed = rows != NULL && strcmp(PQgetvalue(rows, 0, 0), "t") == 0;
    PQclear(rows);
    return rows != NULL;
}

bool pg_placements_read(struct pg_conn *connection, struct placements *placements,
                        char error[PG_ERROR_SIZE_BYTES])
{
    bool distributed;
    placements->count = 0;
    placements->read_at_us = clock_mono_us();
    return ask_distributed(connection, &distributed, error) &&
           (!distributed ||
            (read_shards(connection, placements, error) && agrees(connection, placements, error)));
}

bool pg_placements_refuse_shards(bool sharded, char error[PG_ERROR_SIZE_BYTES])
{
    if (sharded) {
        snprintf(error, PG_ERROR_SIZE_BYTES, "%s",
                 "this is not possible where Citus has the tables in shards; "
                 "docs/how-to/shard-with-citus.md says what is in its place");
    }
    return !sharded;
}

bool pg_placements_are_one(struct pg_conn *connection, char error[PG_ERROR_SIZE_BYTES])
{
    bool distributed;
    return ask_distributed(connection, &distributed, error) &&
           pg_placements_refuse_shards(distributed, error);
}
