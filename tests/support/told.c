/* What a relay told, against the rows of the tables. */
#include "told.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "process.h"
#include "servers.h"

enum { AWAIT_MS = 60000 };

int64_t told_count(const char *path)
{
    char *text = process_read_file(path);
    const char *end = text + strlen(text);
    int64_t count = 0;
    /* Not strchr: the address sanitizer looks for the end of the text at each call. */
    for (const char *at = text; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++) {
        count++;
    }
    free(text);
    return count;
}

void told_await(const char *path, int64_t count)
{
    const int64_t end_ms = process_now_ms() + AWAIT_MS;
    int64_t seen;
    while ((seen = told_count(path)) < count) {
        if (process_now_ms() > end_ms) {
            process_fail("%lld changes were told, expected %lld", (long long)seen,
                         (long long)count);
        }
        process_nap();
    }
}

/* A session with the changes in a temporary table, each once: where it came first. A line that the
 * end of a relay cut is without its end; the next relay's first line follows it. */
static const char take_in[] =
    "CREATE TEMPORARY TABLE told AS"
    " SELECT min(place) AS place, change->>'id' AS id, count(DISTINCT change) AS versions,"
    "  split_part(change->>'id', '/', 1) || '/' || split_part(change->>'id', '/', 2) AS lsn,"
    "  split_part(change->>'id', '/', 3)::bigint AS number, min(change->>'type') AS type,"
    "  min(coalesce(change->>'event_id', change->>'post_id')) AS entity,"
    "  min(change->>'user_id') AS user_id"
    " FROM (SELECT place, regexp_replace(line, '^.*(\\{\"id\":)', '\\1')::jsonb AS change"
    "  FROM unnest(string_to_array($1, E'\\n')) WITH ORDINALITY AS l (line, place)"
    "  WHERE line LIKE '%}') AS c"
    " GROUP BY change->>'id'";

static PGconn *read_told(const char *database_url, const char *path)
{
    PGconn *session = PQconnectdb(database_url);
    char *text = process_read_file(path);
    const char *const values[] = {text};
    PGresult *result = PQexecParams(session, take_in, 1, NULL, values, NULL, NULL, 0);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        process_fail("cannot read what was told: %s", PQerrorMessage(session));
    }
    PQclear(result);
    free(text);
    return session;
}

void told_expect(const char *database_url, const char *path, const char *expected)
{
    PGconn *session = read_told(database_url, path);
    PGresult *result =
        PQexec(session, "SELECT coalesce(string_agg(concat_ws(' ', type, entity, user_id), '; '"
                        " ORDER BY place), '') FROM told");
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        process_fail("%s", PQerrorMessage(session));
    }
    if (strcmp(PQgetvalue(result, 0, 0), expected) != 0) {
        process_fail("told:\n%s\nexpected:\n%s", PQgetvalue(result, 0, 0), expected);
    }
    PQclear(result);
    PQfinish(session);
}

/* Each answers what is wrong, as a text. */
static const char *const checks[] = {
    /* An id stands for one change. */
    "SELECT 'two changes have the id ' || id FROM told WHERE versions <> 1",
    /* In the order of the commits, numbered without gaps. */
    "SELECT 'out of order: ' || id FROM (SELECT id, (lsn::pg_lsn, number) AS now,"
    " lag((lsn::pg_lsn, number)) OVER (ORDER BY place) AS before FROM told) AS t"
    " WHERE now <= before",
    "SELECT 'numbers are missing in ' || lsn FROM told GROUP BY lsn"
    " HAVING min(number) <> 1 OR max(number) <> count(*)",
    /* A user is out, waits, or is going, and each change comes from where it can. */
    "SELECT format('%s of %s, %s after %s', type, entity, user_id, before) FROM (SELECT *,"
    " lag(type) OVER (PARTITION BY entity, user_id ORDER BY place) AS before FROM told"
    "  WHERE type LIKE 'rsvp.%') AS t"
    " WHERE NOT CASE type"
    "  WHEN 'rsvp.created' THEN coalesce(before, 'rsvp.cancelled')"
    "   IN ('rsvp.cancelled', 'rsvp.left_waitlist')"
    "  WHEN 'rsvp.waitlisted' THEN coalesce(before, 'rsvp.cancelled')"
    "   IN ('rsvp.cancelled', 'rsvp.left_waitlist')"
    "  WHEN 'rsvp.cancelled' THEN coalesce(before, '') IN ('rsvp.created', 'rsvp.promoted')"
    "  ELSE coalesce(before, '') = 'rsvp.waitlisted' END",
    "SELECT format('%s of %s, %s after %s', type, entity, user_id, before) FROM (SELECT *,"
    " lag(type) OVER (PARTITION BY entity, user_id ORDER BY place) AS before FROM told"
    "  WHERE type LIKE 'like.%') AS t"
    " WHERE type = coalesce(before, 'like.deleted')",
    /* At the end the rows are there, and no others. */
    "WITH model AS (SELECT DISTINCT ON (entity, user_id) entity, user_id, type FROM told"
    "  WHERE type LIKE 'rsvp.%' ORDER BY entity, user_id, place DESC),"
    " going AS (SELECT entity, user_id FROM model WHERE type IN ('rsvp.created', 'rsvp.promoted'))"
    " (SELECT format('told, no row: %s, %s', entity, user_id) FROM"
    "  (TABLE going EXCEPT SELECT event_id, user_id FROM rsvps) AS a)"
    " UNION ALL (SELECT format('a row, not told: %s, %s', event_id, user_id) FROM"
    "  (SELECT event_id, user_id FROM rsvps EXCEPT TABLE going) AS b)",
    "WITH model AS (SELECT DISTINCT ON (entity, user_id) entity, user_id, type FROM told"
    "  WHERE type LIKE 'rsvp.%' ORDER BY entity, user_id, place DESC),"
    " waits AS (SELECT entity, user_id FROM model WHERE type = 'rsvp.waitlisted')"
    " (SELECT format('told to wait, no row: %s, %s', entity, user_id) FROM"
    "  (TABLE waits EXCEPT SELECT event_id, user_id FROM waitlist) AS a)"
    " UNION ALL (SELECT format('waits, not told: %s, %s', event_id, user_id) FROM"
    "  (SELECT event_id, user_id FROM waitlist EXCEPT TABLE waits) AS b)",
    "WITH model AS (SELECT DISTINCT ON (entity, user_id) entity, user_id, type FROM told"
    "  WHERE type LIKE 'like.%' ORDER BY entity, user_id, place DESC),"
    " liked AS (SELECT entity, user_id FROM model WHERE type = 'like.created')"
    " (SELECT format('a like told, no row: %s, %s', entity, user_id) FROM"
    "  (TABLE liked EXCEPT SELECT post_id, user_id FROM likes) AS a)"
    " UNION ALL (SELECT format('a like not told: %s, %s', post_id, user_id) FROM"
    "  (SELECT post_id, user_id FROM likes EXCEPT TABLE liked) AS b)",
    "WITH model AS (SELECT DISTINCT ON (entity) entity, type FROM told WHERE type LIKE 'event.%'"
    "  ORDER BY entity, place DESC),"
    " set AS (SELECT entity FROM model WHERE type = 'event.configured')"
    " (SELECT 'settings told, no row: ' || entity FROM"
    "  (TABLE set EXCEPT SELECT event_id FROM events WHERE NOT releasing) AS a)"
    " UNION ALL (SELECT 'settings not told: ' || event_id FROM"
    "  (SELECT event_id FROM events WHERE NOT releasing EXCEPT TABLE set) AS b)",
};

void told_expect_tables(const char *database_url, const char *slot, const char *path)
{
    char *end = NULL;
    PGconn *session = PQconnectdb(database_url);
    PGresult *result = PQexec(session, "SELECT pg_current_wal_lsn()");
    if (PQresultStatus(result) != PGRES_TUPLES_OK ||
        (end = strdup(PQgetvalue(result, 0, 0))) == NULL) {
        process_fail("%s", PQerrorMessage(session));
    }
    PQclear(result);
    PQfinish(session);
    pg_await(database_url,
             "SELECT confirmed_flush_lsn >= '%s' FROM pg_replication_slots WHERE slot_name = '%s'",
             end, slot);
    free(end);
    session = read_told(database_url, path);
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        result = PQexec(session, checks[i]);
        if (PQresultStatus(result) != PGRES_TUPLES_OK) {
            process_fail("%s", PQerrorMessage(session));
        }
        if (PQntuples(result) != 0) {
            process_fail("%d times, first: %s", PQntuples(result), PQgetvalue(result, 0, 0));
        }
        PQclear(result);
    }
    PQfinish(session);
}
