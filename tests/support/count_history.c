/* What counts truly were.
 *
 * DESIGN: The triggers are deferred to the commit and copy the counter as that commit leaves it: a
 * version that a transaction passed through on its way was true for nobody. */
#include "count_history.h"

#include <stdlib.h>

#include <libpq-fe.h>

#include "process.h"
#include "servers.h"
#include "test.h"

void count_history_watch(const char *database_url)
{
    pg_execute(database_url,
               "CREATE TABLE count_history (relation text, id text, version bigint, count bigint,"
               " PRIMARY KEY (relation, id, version, count))");
    for (size_t i = 0; i < RELATION_COUNT; i++) {
        const struct relation *relation = &relations[i];
        const char *name = relation->name, *id = relation->id_member;
        pg_execute(database_url,
                   "CREATE FUNCTION keep_%s_count() RETURNS trigger LANGUAGE plpgsql"
                   " SECURITY DEFINER AS $$\n"
                   "BEGIN\n"
                   "  INSERT INTO count_history\n"
                   "  SELECT '%s', %s, version, count FROM %s WHERE %s = NEW.%s\n"
                   "  ON CONFLICT DO NOTHING;\n"
                   "  RETURN NULL;\n"
                   "END $$",
                   name, name, id, relation->counter_table, id, id);
        pg_execute(database_url,
                   "CREATE CONSTRAINT TRIGGER keep_count AFTER INSERT OR UPDATE ON %s"
                   " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION keep_%s_count()",
                   relation->counter_table, name);
    }
}

/* A version has one count. */
static void expect_in_order(const struct count_history *history, const struct relation *relation,
                            const char *id)
{
    for (size_t i = 1; i < history->size; i++) {
        if (history->versions[i].version <= history->versions[i - 1].version) {
            process_fail("version %lld of %s %s was committed with two counts",
                         (long long)history->versions[i].version, relation->name, id);
        }
    }
}

struct count_history count_history_read(const char *database_url, const struct relation *relation,
                                        const char *id)
{
    PGconn *session = PQconnectdb(database_url);
    PGresult *result =
        PQexecParams(session,
                     "SELECT 0, 0 UNION SELECT version, count FROM count_history"
                     " WHERE relation = $1 AND id = $2 ORDER BY 1, 2",
                     2, NULL, (const char *const[]){relation->name, id}, NULL, NULL, 0);
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        process_fail("%s", PQerrorMessage(session));
    }
    struct count_history history = {.size = (size_t)PQntuples(result)};
    history.versions = calloc(history.size, sizeof *history.versions);
    assert_non_null(history.versions);
    for (size_t i = 0; i < history.size; i++) {
        history.versions[i] = (struct count_version){
            .version = strtoll(PQgetvalue(result, (int)i, 0), NULL, 10),
            .count = strtoll(PQgetvalue(result, (int)i, 1), NULL, 10),
        };
    }
    PQclear(result);
    PQfinish(session);
    expect_in_order(&history, relation, id);
    return history;
}

void count_history_free(struct count_history *history)
{
    free(history->versions);
    *history = (struct count_history){.size = 0};
}

struct count_version count_history_last(const struct count_history *history)
{
    return history->versions[history->size - 1];
}

int64_t count_history_max(const struct count_history *history)
{
    int64_t max = 0;
    for (size_t i = 0; i < history->size; i++) {
        max = history->versions[i].count > max ? history->versions[i].count : max;
    }
    return max;
}

bool count_history_has(const struct count_history *history, struct count_version version)
{
    return count_history_next(history, version.version - 1, version.count) == version.version;
}

int64_t count_history_next(const struct count_history *history, int64_t after, int64_t count)
{
    for (size_t i = 0; i < history->size; i++) {
        if (history->versions[i].version > after && history->versions[i].count == count) {
            return history->versions[i].version;
        }
    }
    return -1;
}
