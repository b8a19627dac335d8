/* The plan of every query in sql/queries looks keys up in indexes, however large the tables are and
 * whatever their statistics say. Of a table that is a page or two, reading all of an index is as
 * good: such a plan must go as the table grows. And what a batch costs grows with the batch, and
 * not with its square or with the tables. */

#include <glob.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "process.h"
#include "relation.h"
#include "servers.h"
#include "service.h"
#include "test.h"

enum { SQL_SIZE = 8192, OFFENCE_SIZE = 256 };

static struct pg_server *postgres;
static char *database_url;
static PGconn *session; /* with the settings of the service's own */

/* ---- SQL ---- */

static PGresult *expect_result(PGresult *result, const char *sql)
{
    const ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        process_fail("%s\n%s", sql, PQresultErrorMessage(result));
    }
    return result;
}

static void execute(const char *sql)
{
    PQclear(expect_result(PQexec(session, sql), sql));
}

/* The file with psql's variables replaced, as the service does. The caller frees it. */
static char *read_query(const char *path, const struct relation *relation)
{
    const struct {
        const char *name;
        const char *value;
    } variables[] = {{":members", relation->table},
                     {":counters", relation->counter_table},
                     {":id", relation->id_member}};
    char *text = process_read_file(path);
    char *sql = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&sql, &size);
    for (const char *rest = text; *rest != '\0';) {
        const char *value = NULL;
        size_t length = strspn(rest, ":") > 1 ? 2 : 1; /* two colons are a cast */
        for (size_t i = 0; value == NULL && i < sizeof variables / sizeof variables[0]; i++) {
            if (strncmp(rest, variables[i].name, strlen(variables[i].name)) == 0) {
                value = variables[i].value;
                length = strlen(variables[i].name);
            }
        }
        fprintf(stream, "%.*s", (int)(value != NULL ? strlen(value) : length),
                value != NULL ? value : rest);
        rest += length;
    }
    fclose(stream);
    free(text);
    if (sql[0] == '\0') {
        process_fail("%s is empty", path);
    }
    return sql;
}

static void query_path(char path[SQL_SIZE], const char *name)
{
    const char *source = getenv("RSVPD_SOURCE_DIR");
    if (source == NULL) {
        process_fail("RSVPD_SOURCE_DIR does not name the source tree");
    }
    snprintf(path, SQL_SIZE, "%s/sql/queries/%s.sql", source, name);
}

static void open_session(void)
{
    const char *const limits[] = {"10s", "5s"};
    char path[SQL_SIZE];
    query_path(path, "../session/setup");
    char *settings = process_read_file(path);
    PQfinish(session);
    session = PQconnectdb(database_url);
    PQclear(
        expect_result(PQexecParams(session, settings, 2, NULL, limits, NULL, NULL, 0), settings));
    free(settings);
}

/* A value for each type of parameter that a query has. Many keys: the more there are, the better a
 * scan of the whole table looks. */
static const char *parameter_value(Oid type)
{
    static const struct {
        Oid type;
        const char *value;
    } values[] = {
        {20, "50"},                                         /* bigint */
        {25, "'k'"},                                        /* text */
        {1184, "now()"},                                    /* timestamptz */
        {1016, "array_fill(7::bigint, ARRAY[1000])"},       /* bigint[] */
        {1009, "string_to_array(repeat('k,', 1000), ',')"}, /* text[] */
        {1015, "string_to_array(repeat('k,', 1000), ',')"}, /* varchar[] */
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (values[i].type == type) {
            return values[i].value;
        }
    }
    process_fail("this test has no value for a parameter of type %u", type);
}

/* What an EXPLAIN (FORMAT JSON) answers. */
static json_t *read_plan(const char *sql)
{
    PGresult *result = expect_result(PQexec(session, sql), sql);
    json_t *plan = json_loads(PQgetvalue(result, 0, 0), 0, NULL);
    PQclear(result);
    assert_true(json_is_array(plan));
    return plan;
}

/* The plan of the statement, prepared and executed once under that plan_cache_mode. */
static json_t *explain(const char *sql, const char *plan_cache_mode)
{
    char statement[SQL_SIZE];
    snprintf(statement, sizeof statement, "SET plan_cache_mode = %s", plan_cache_mode);
    execute(statement);
    PQclear(expect_result(PQprepare(session, "explained", sql, 0, NULL), sql));
    PGresult *description = expect_result(PQdescribePrepared(session, "explained"), sql);
    int size = snprintf(statement, sizeof statement, "EXPLAIN (FORMAT JSON) EXECUTE explained");
    for (int i = 0; i < PQnparams(description); i++) {
        size += snprintf(statement + size, sizeof statement - (size_t)size, "%s%s",
                         i == 0 ? "(" : ",", parameter_value(PQparamtype(description, i)));
    }
    snprintf(statement + size, sizeof statement - (size_t)size, "%s",
             PQnparams(description) > 0 ? ")" : "");
    json_t *plan = read_plan(statement);
    PQclear(description);
    execute("DEALLOCATE explained");
    return plan;
}

/* ---- plans ---- */

static const char *text_of(const json_t *node, const char *member)
{
    const char *text = json_string_value(json_object_get(node, member));
    return text != NULL ? text : "";
}

/* The condition compares the index's first column: any other one alone reads the whole index. By
 * expiry it is those before a moment that are wanted: expire_keys.sql limits how many. In the index
 * of promotions that go on there are only those, mostly none. The page of all events with settings
 * begins behind one of them, in the index's order: list_events.sql limits how many it reads. */
static bool is_lookup(const json_t *node)
{
    const char *const index[] = {text_of(node, "Index Name")};
    char comparison[128];
    if (index[0][0] == '\0') {
        return false;
    }
    if (strcmp(index[0], "events_promoting") == 0) {
        return strstr(text_of(node, "Index Cond"), "(promoting_at < ") != NULL;
    }
    if (strcmp(index[0], "events_pkey") == 0 &&
        strstr(text_of(node, "Index Cond"), "(event_id > ") != NULL) {
        return true;
    }
    if (strcmp(index[0], "idempotency_keys_by_expiry") == 0) {
        return strstr(text_of(node, "Index Cond"), "(expires_at < ") != NULL;
    }
    PGresult *result = expect_result(
        PQexecParams(
            session,
            "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum = 1", 1,
            NULL, index, NULL, NULL, 0),
        "pg_attribute");
    snprintf(comparison, sizeof comparison, "(%s = ", PQgetvalue(result, 0, 0));
    PQclear(result);
    return strstr(text_of(node, "Index Cond"), comparison) != NULL;
}

static bool is_one_of(const char *text, const char *const *list)
{
    while (*list != NULL && strcmp(text, *list) != 0) {
        list++;
    }
    return *list != NULL;
}

/* What a nested loop does again for each row of its outer side begins with a look-up: there is no
 * sort and no window to be made again. (Of a loop in a loop its outer side, which comes first, is
 * looked at: the other one is looked at on its own.) */
static bool is_cheap_again(const json_t *node)
{
    static const char *const wrappers[] = {"Subquery Scan", "Limit", "Nested Loop", "Result", NULL};
    while (is_one_of(text_of(node, "Node Type"), wrappers)) {
        node = json_array_get(json_object_get(node, "Plans"), 0);
    }
    return text_of(node, "Index Name")[0] != '\0';
}

/* The index is of a table that is known to have two rows or fewer, on one page: all of it may be
 * read. */
static bool is_of_tiny_table(const json_t *node)
{
    const char *const index[] = {text_of(node, "Index Name")};
    PGresult *result = expect_result(
        PQexecParams(session,
                     "SELECT 1 FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid"
                     " WHERE i.indexrelid = $1::regclass AND c.reltuples BETWEEN 0 AND 2"
                     " AND pg_relation_size(c.oid) <= 8192",
                     1, NULL, index, NULL, NULL, 0),
        "pg_class");
    const bool tiny = PQntuples(result) > 0;
    PQclear(result);
    return tiny;
}

struct finding {
    size_t table_nodes; /* how many nodes work on a table */
    char offence[OFFENCE_SIZE];
};

/* Walks the plan below the node. */
static void examine(const json_t *node, struct finding *finding)
{
    static const char *const fine[] = {"ModifyTable", "Bitmap Heap Scan", NULL};
    static const char *const lookups[] = {"Index Scan", "Index Only Scan", "Bitmap Index Scan",
                                          NULL};
    static const char *const bulk_joins[] = {"Hash Join", "Merge Join", NULL};
    const char *type = text_of(node, "Node Type");
    const char *table = text_of(node, "Relation Name");
    const size_t before = finding->table_nodes;
    bool repeats = false;
    size_t i;
    const json_t *child;
    json_array_foreach(json_object_get(node, "Plans"), i, child)
    {
        const size_t before_child = finding->table_nodes;
        examine(child, finding);
        repeats = repeats || (strcmp(type, "Nested Loop") == 0 &&
                              strcmp(text_of(child, "Parent Relationship"), "Inner") == 0 &&
                              finding->table_nodes > before_child && !is_cheap_again(child));
    }
    const bool has_index = is_one_of(type, lookups);
    const bool scans = has_index ? !is_lookup(node) && !is_of_tiny_table(node)
                                 : table[0] != '\0' && !is_one_of(type, fine);
    const bool joins_tables = is_one_of(type, bulk_joins) && finding->table_nodes > before;
    finding->table_nodes += has_index || table[0] != '\0';
    if (scans || joins_tables || repeats) {
        snprintf(finding->offence, OFFENCE_SIZE, "%s, table \"%s\", index \"%s\", condition \"%s\"",
                 type, table, text_of(node, "Index Name"), text_of(node, "Index Cond"));
    }
}

static struct finding examine_query(const char *sql, const char *plan_cache_mode)
{
    struct finding finding = {0};
    json_t *plan = explain(sql, plan_cache_mode);
    examine(json_object_get(json_array_get(plan, 0), "Plan"), &finding);
    json_decref(plan);
    return finding;
}

/* ---- tables of all sizes ---- */

/* Tables beside those of the relations. */
static const char *const other_tables[] = {"events", "waitlist", "idempotency_keys"};

/* Half of all members belong to one thing. */
static void fill_relation(const struct relation *relation, unsigned rows)
{
    pg_execute(database_url, "TRUNCATE %s, %s", relation->table, relation->counter_table);
    pg_execute(database_url,
               "INSERT INTO %s (%s, user_id) SELECT CASE i %% 2 WHEN 0 THEN 'hot'"
               " ELSE 'thing-' || i / 100 END, 'user-' || i FROM generate_series(1, %u) AS i",
               relation->table, relation->id_member, rows);
    pg_execute(database_url,
               "INSERT INTO %s (%s, count, version) SELECT %s, count(*), 1 FROM %s GROUP BY 1",
               relation->counter_table, relation->id_member, relation->id_member, relation->table);
}

/* Up to 10,000 events with settings, for one of which a fifth as many users wait as there are rows
 * (and somebody has left, so that places must be counted), and one user for each other; and kept
 * answers, of which the first half have expired. */
static void fill_tables(unsigned rows)
{
    for (size_t i = 0; i < RELATION_COUNT; i++) {
        fill_relation(&relations[i], rows);
    }
    pg_execute(
        database_url,
        "INSERT INTO events (event_id, capacity, waitlist, waiting, last_ticket)"
        " SELECT 'event-' || i, 1, true, 1, 1 FROM generate_series(1, least(%u, 10000)) AS i",
        rows);
    pg_execute(database_url, "INSERT INTO rsvp_counters (event_id, count, version, managed)"
                             " SELECT event_id, 0, 0, true FROM events");
    pg_execute(database_url,
               "INSERT INTO events (event_id, capacity, waitlist, waiting, last_ticket)"
               " SELECT event_id, 1, true, %u / 5, %u / 5 + 1 FROM rsvp_counters"
               " WHERE event_id = 'hot'",
               rows, rows);
    pg_execute(database_url, "UPDATE rsvp_counters SET managed = true WHERE event_id = 'hot'");
    pg_execute(database_url,
               "INSERT INTO waitlist (event_id, ticket, user_id)"
               " SELECT 'hot', i, 'waiting-' || i FROM generate_series(1, %u / 5) AS i"
               " UNION ALL SELECT 'event-' || i, 1, 'waiting' FROM generate_series(1, least(%u, "
               "10000)) AS i",
               rows, rows);
    pg_execute(database_url,
               "INSERT INTO idempotency_keys (user_id, key, action, entity_id, changed, count,"
               " place, expires_at) SELECT 'user-' || i, 'key', 'POST rsvp', 'hot', true, i, 0,"
               " now() + (i - %u / 2) * interval '1 second' - interval '2 minutes'"
               " FROM generate_series(1, %u) AS i",
               rows, rows);
}

static void stop_autovacuum(const char *table)
{
    pg_execute(database_url, "ALTER TABLE %s SET (autovacuum_enabled = off)", table);
}

/* The statistics of never analyzed tables: none, and a size that the planner guesses. New ones are
 * gathered when the test says so. */
static void recreate_database(void)
{
    PQfinish(session);
    session = NULL;
    free(database_url);
    database_url = pg_fresh_database(postgres, "plans");
    service_migrate(database_url);
    for (size_t i = 0; i < RELATION_COUNT; i++) {
        stop_autovacuum(relations[i].table);
        stop_autovacuum(relations[i].counter_table);
    }
    for (size_t i = 0; i < sizeof other_tables / sizeof other_tables[0]; i++) {
        stop_autovacuum(other_tables[i]);
    }
}

/* Whether the query is about what only one relation has, and this is the other one. */
static bool is_foreign(const char *path, const struct relation *relation)
{
    static const char *const words[] = {"managed", "events", "waitlist"};
    char *sql = process_read_file(path);
    bool of_settings = false;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        of_settings = of_settings || strstr(sql, words[i]) != NULL;
    }
    free(sql);
    return of_settings && !relation->has_status;
}

/* Lists that end with NULL. */
static const char *const service_modes[] = {"force_generic_plan", NULL};
static const char *const all_modes[] = {"force_generic_plan", "force_custom_plan", NULL};

static bool names_a_table(const char *sql)
{
    static const char *const words[] = {"FROM", "INTO", "UPDATE"};
    bool names = false;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        names = names || strstr(sql, words[i]) != NULL;
    }
    return names;
}

static void expect_lookups(const char *path, const struct relation *relation,
                           const char *const *modes, const char *when)
{
    char *sql = read_query(path, relation);
    for (size_t i = 0; modes[i] != NULL; i++) {
        const struct finding finding = examine_query(sql, modes[i]);
        if (finding.offence[0] != '\0') {
            process_fail("%s for %s, %s, %s: %s", path, relation->name, when, modes[i],
                         finding.offence);
        }
        assert_int_equal(finding.table_nodes > 0, names_a_table(sql));
    }
    free(sql);
}

static void expect_lookups_everywhere(const char *const *modes, const char *when)
{
    char pattern[SQL_SIZE];
    glob_t files;
    query_path(pattern, "*");
    assert_int_equal(glob(pattern, 0, NULL, &files), 0);
    open_session();
    for (size_t i = 0; i < files.gl_pathc; i++) {
        for (size_t j = 0; j < RELATION_COUNT; j++) {
            if (!is_foreign(files.gl_pathv[i], &relations[j])) {
                expect_lookups(files.gl_pathv[i], &relations[j], modes, when);
            }
        }
    }
    globfree(&files);
}

static void queries_look_keys_up(NO_STATE)
{
    static const unsigned sizes[] = {0, 1, 1000, 100000};
    char when[64];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        recreate_database();
        snprintf(when, sizeof when, "%u rows, never analyzed", sizes[i]);
        fill_tables(sizes[i]);
        expect_lookups_everywhere(all_modes, when);
        snprintf(when, sizeof when, "%u rows, analyzed", sizes[i]);
        pg_execute(database_url, "ANALYZE");
        expect_lookups_everywhere(all_modes, when);
    }
}

/* Growth behind the back of the statistics: those of an empty table, and 100,000 rows. */
static void queries_look_keys_up_when_statistics_lag_behind(NO_STATE)
{
    recreate_database();
    pg_execute(database_url, "ANALYZE");
    fill_tables(100000);
    expect_lookups_everywhere(all_modes, "100000 rows, analyzed when empty");
}

/* A statement that was prepared and used while the tables were empty, as every session of a young
 * service has it: refresh.sql makes its plan anew. */
static void refreshing_ends_the_plans_of_empty_tables(NO_STATE)
{
    static const char use[] = "EXPLAIN (FORMAT JSON) EXECUTE kept(ARRAY['k'], ARRAY['u'])";
    char path[SQL_SIZE];
    recreate_database();
    pg_execute(database_url, "ANALYZE");
    open_session();
    query_path(path, "lookup");
    char *sql = read_query(path, &relations[RELATION_RSVP]);
    query_path(path, "../session/refresh");
    char *refresh = read_query(path, &relations[RELATION_RSVP]);
    PQclear(expect_result(PQprepare(session, "kept", sql, 0, NULL), sql));
    execute(use);
    fill_tables(100000);
    execute(refresh);
    struct finding finding = {0};
    json_t *plan = read_plan(use);
    examine(json_object_get(json_array_get(plan, 0), "Plan"), &finding);
    assert_string_equal(finding.offence, "");
    assert_int_equal(finding.table_nodes, 1);
    json_decref(plan);
    free(refresh);
    free(sql);
}

/* ---- work ---- */

enum { BATCH = 512, KEPT_MAX = 1000, WORK_ROWS = 100000, EXACT_MAX = 10001 };

/* Rows that went through the nodes of an executed plan, with those that were looked at in vain. */
static double rows_of(const json_t *node)
{
    static const char *const members[] = {"Actual Rows", "Rows Removed by Filter",
                                          "Rows Removed by Join Filter"};
    double rows = 0;
    size_t i;
    const json_t *child;
    for (i = 0; i < sizeof members / sizeof members[0]; i++) {
        rows += json_number_value(json_object_get(node, members[i]));
    }
    rows *= json_number_value(json_object_get(node, "Actual Loops"));
    json_array_foreach(json_object_get(node, "Plans"), i, child)
    {
        rows += rows_of(child);
    }
    return rows;
}

/* Executes a query of RSVPs with these arguments, undoes it, and expects that no more than so many
 * rows went through its plan. */
static void expect_work(const char *name, const char *arguments, size_t rows_max)
{
    char path[SQL_SIZE], statement[SQL_SIZE];
    query_path(path, name);
    char *sql = read_query(path, &relations[RELATION_RSVP]);
    PQclear(expect_result(PQprepare(session, "worked", sql, 0, NULL), sql));
    snprintf(statement, sizeof statement,
             "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE worked(%s)", arguments);
    execute("BEGIN");
    json_t *plan = read_plan(statement);
    execute("ROLLBACK");
    execute("DEALLOCATE worked");
    const double rows = rows_of(json_object_get(json_array_get(plan, 0), "Plan"));
    json_decref(plan);
    free(sql);
    if (rows > (double)rows_max) {
        process_fail("%s(%s): %.0f rows, and at most %zu were expected", name, arguments, rows,
                     rows_max);
    }
    assert_true(rows > 0);
}

/* Parameters that a batch may have: entities, users and more, all for one event or each for one of
 * its own. `numbered` gives each element of an array. */
static const char make_numbered[] =
    "CREATE FUNCTION numbered(prefix text, first bigint) RETURNS text[] LANGUAGE sql AS"
    " 'SELECT array_agg(prefix || i) FROM generate_series(first, first + 511) AS i'";
static const char make_numbers[] =
    "CREATE FUNCTION numbers() RETURNS bigint[] LANGUAGE sql AS"
    " 'SELECT array_agg(i::bigint) FROM generate_series(1, 512) AS i'";

#define HOT "array_fill('hot'::text, ARRAY[512])"

static void work_grows_with_the_batch(NO_STATE)
{
    enum { EACH = 40 }; /* rows for each of a batch: a few in each of a few dozen nodes */
    static const struct {
        const char *name, *arguments;
        size_t rows_max;
    } cases[] = {
        {"lookup_keys", "numbered('user-', 60001), array_fill('key'::text, ARRAY[512])",
         BATCH * EACH},
        {"lookup_keys", "numbered('user-', 1), array_fill('key'::text, ARRAY[512])", BATCH * EACH},
        {"store_keys",
         "numbered('u', 1), numbered('k', 1), numbered('a', 1), " HOT ", numbers(),"
         " numbers(), numbers(), numbers()",
         BATCH * EACH},
        {"expire_keys", "1000", KEPT_MAX * EACH},
        {"read_counts_unless_admitted", "numbered('thing-', 1)", BATCH * EACH},
        {"find_admitted", "numbered('event-', 1)", BATCH * EACH},
        {"lock_admitted", "numbered('event-', 1)", BATCH * EACH},
        {"remove_members", HOT ", numbered('waiting-', 19000)", BATCH * EACH},
        {"remove_members", HOT ", numbered('user-', 2)", BATCH * EACH},
        {"remove_members", "numbered('event-', 1), array_fill('waiting'::text, ARRAY[512])",
         BATCH * EACH},
        {"promote", "ARRAY['hot'], 1000", EACH},
        {"promote", "numbered('event-', 1), 1000", BATCH * EACH},
        {"add_past_capacity", HOT ", numbered('waiting-', 19000)", BATCH * EACH},
        {"add_past_capacity", HOT ", numbered('user-', 2)", BATCH * EACH},
        {"relock", "'hot'", EACH},
        {"membership_status", HOT ", numbered('waiting-', 19000)", BATCH * EACH},
        {"membership_status", HOT ", numbered('nobody-', 1)", BATCH * EACH},
        {"list_waiting", "'hot', 10000, 1000", KEPT_MAX * EACH},
        {"list_events", "'', 1000", KEPT_MAX * EACH},
        {"list_events", "'event-5', 1000", KEPT_MAX * EACH},
        {"list_waits", "'waiting', '', 1000", KEPT_MAX * EACH},
        {"erase_keys", "'user-1', 1000", EACH},
        {"mark_admitted", "'hot'", EACH},
        {"store_settings", "'hot', 5, 1, NULL, NULL, 0", EACH},
        {"precondition", "'hot', NULL, ARRAY['other']", EACH},
        {"settings", "'hot'", EACH},
        {"clear_settings", "'hot'", EACH},
        /* newcomers read nothing of the waiting list; those who stand on it read it once, up to
         * where places are exact */
        {"admit", HOT ", numbered('nobody-', 1), numbers()", BATCH * EACH},
        {"admit", HOT ", numbered('user-', 2), numbers()", BATCH * EACH},
        {"admit", HOT ", numbered('waiting-', 1), numbers()", BATCH * EACH},
        {"admit", HOT ", numbered('waiting-', 9700), numbers()", BATCH * EACH + 4 * EXACT_MAX},
        {"admit", HOT ", numbered('waiting-', 19000), numbers()", BATCH * EACH},
        {"admit", "numbered('event-', 1), numbered('nobody-', 1), numbers()", BATCH * EACH},
        {"admit", "numbered('event-', 1), array_fill('waiting'::text, ARRAY[512]), numbers()",
         BATCH * EACH},
    };
    for (int analyzed = 0; analyzed < 2; analyzed++) {
        recreate_database();
        pg_execute(database_url, "ANALYZE");
        fill_tables(WORK_ROWS);
        if (analyzed) {
            pg_execute(database_url, "ANALYZE");
        }
        open_session();
        execute(make_numbered);
        execute(make_numbers);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            expect_work(cases[i].name, cases[i].arguments, cases[i].rows_max);
        }
    }
}

/* What this program is to find, it finds. */
static void bad_plans_are_found(NO_STATE)
{
    static const struct {
        const char *settings;
        const char *sql;
    } bad[] = {
        {"RESET ALL", "SELECT count(*) FROM rsvps"},
        {"RESET ALL", "SELECT FROM rsvps AS a JOIN likes AS b ON a.event_id = b.post_id"},
        {"SET enable_hashjoin = off", "SELECT FROM rsvps AS a JOIN likes AS b USING (user_id)"},
        {"SET enable_seqscan = off", "SELECT event_id FROM rsvps ORDER BY event_id"},
        {"SET enable_seqscan = off", "SELECT FROM rsvps WHERE created_at = now()"},
        {"RESET ALL", "DELETE FROM rsvps WHERE created_at < now()"},
        {"SET enable_seqscan = off", "SELECT FROM idempotency_keys ORDER BY expires_at"},
        {"SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off",
         "SELECT FROM unnest(ARRAY['a', 'b']) AS a (id) LEFT JOIN (SELECT ticket, row_number() OVER"
         " (ORDER BY ticket) FROM waitlist WHERE event_id = 'hot') AS w ON w.ticket::text = a.id"},
    };
    recreate_database();
    fill_tables(1000);
    open_session();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        execute("RESET ALL");
        execute(bad[i].settings);
        if (examine_query(bad[i].sql, "auto").offence[0] == '\0') {
            process_fail("nothing found in the plan of %s", bad[i].sql);
        }
    }
}

static int set_up_servers(NO_STATE)
{
    postgres = pg_server_create();
    return 0;
}

/* A database of any size, which this program did not make and does not change. What is past its
 * last key a plan for those very arguments may find by any index. */
static void queries_look_keys_up_in_the_given_database(NO_STATE)
{
    expect_lookups_everywhere(service_modes, "as it is");
}

static int set_up_given_database(NO_STATE)
{
    database_url = strdup(getenv("RSVPD_PLANS_DATABASE"));
    return database_url == NULL ? -1 : 0;
}

static int tear_down_servers(NO_STATE)
{
    PQfinish(session);
    session = NULL;
    free(database_url);
    if (postgres != NULL) {
        pg_server_destroy(&postgres);
    }
    return 0;
}

/* RSVPD_PLANS_DATABASE, if it is set, is the URI of a database to be examined instead of those that
 * the tests make. */
int main(void)
{
    const struct CMUnitTest given[] = {
        cmocka_unit_test(queries_look_keys_up_in_the_given_database),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_look_keys_up),
        cmocka_unit_test(queries_look_keys_up_when_statistics_lag_behind),
        cmocka_unit_test(refreshing_ends_the_plans_of_empty_tables),
        cmocka_unit_test(work_grows_with_the_batch),
        cmocka_unit_test(bad_plans_are_found),
    };
    if (getenv("RSVPD_PLANS_DATABASE") != NULL) {
        return cmocka_run_group_tests(given, set_up_given_database, tear_down_servers);
    }
    return cmocka_run_group_tests(tests, set_up_servers, tear_down_servers);
}
